"""The decoder's kernels, run by the plain Python interpreter, give the same pixels.

The same source without the compiler is a slow reference decoder: it shows that
nothing hangs on how numba types, vectorises or reorders the arithmetic.
"""

from __future__ import annotations

import os
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest

from tests.test_photo_codec import picture
from vqcodec.container import open_container
from vqcodec.media import Image
from vqcodec.photo.codec import decode, encode
from vqcodec.photo.options import Options

DECODE = """
import sys, zlib
from vqcodec.container import open_container
from vqcodec.photo.codec import decode
for path in sys.argv[1:]:
    samples = decode(open_container(open(path, "rb").read()), threads=1).samples
    print(samples.shape, zlib.crc32(samples.tobytes()))
"""


@pytest.mark.filterwarnings("ignore")
def test_interpreted_kernels_decode_to_the_same_pixels(tmp_path: Path) -> None:
    expected = []
    paths = []
    for number, options in enumerate([Options(quality=60), Options(quality=96, tune="psnr")]):
        samples = picture(32, 44, 3 - number, seed=number)
        if number == 1:  # escapes
            samples[:, :10] = np.random.default_rng(0).integers(0, 256, (32, 10, 2))
        data = encode(Image(samples), options)
        paths.append(tmp_path / f"{number}.vqi")
        paths[-1].write_bytes(data)
        decoded = decode(open_container(data)).samples
        expected.append(f"{decoded.shape} {zlib.crc32(decoded.tobytes())}")
    run = subprocess.run(
        [sys.executable, "-c", DECODE, *map(str, paths)],
        env={**os.environ, "NUMBA_DISABLE_JIT": "1", "PYTHONWARNINGS": "ignore"},
        cwd=Path(__file__).parents[1],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr[-2000:]
    assert run.stdout.split("\n")[:-1] == expected
