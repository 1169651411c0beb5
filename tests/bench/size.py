"""Memory and time from one megapixel to a gigapixel.

    python -m tests.bench.size --megapixels 1 10 100 400 [--folder /tmp]

Each size is coded by the command line in a process of its own, whose peak
memory and processor time are those that the system reports for it. The pictures are
uncompressed PPM files: photographs-like shades, edges and noise, made in strips,
and deleted afterwards.
"""

from __future__ import annotations

import argparse
import math
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

_REPOSITORY = Path(__file__).parents[2]
_STRIP = 256
_RUN = """
import resource, sys, time
from vqcodec.cli import main
try:
    main()
except SystemExit as error:
    done = resource.getrusage(resource.RUSAGE_SELF)
    print(done.ru_maxrss, done.ru_utime + done.ru_stime)
    raise
"""


def make(path: Path, side: int) -> None:
    """Write a square picture, a strip at a time."""
    x = np.arange(side, dtype=np.float32)
    rng = np.random.default_rng(0)
    with path.open("wb") as file:
        file.write(f"P6 {side} {side} 255\n".encode())
        for top in range(0, side, _STRIP):
            y = np.arange(top, min(top + _STRIP, side), dtype=np.float32)[:, None]
            shade = 110 + 60 * np.sin(x / 97) * np.cos(y / 61) + 30 * ((x // 300 + y // 200) % 2)
            rough = (np.sin(x / 1500) * np.sin(y / 1100) > 0) * 9 + 1
            noise = rng.standard_normal((len(y), side), np.float32) * rough
            strip = np.stack([shade + noise, shade * 0.8 + 20 + noise, 200 - shade * 0.5], 2)
            file.write(np.clip(strip, 0, 255).astype(np.uint8).tobytes())


def run(*arguments: str) -> tuple[float, float, float]:
    """Run the command line; return peak memory in MB, processor seconds and seconds."""
    started = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", _RUN, *arguments], cwd=_REPOSITORY, check=True,
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    memory, used = done.stdout.split()[-2:]
    return int(memory) / 1000, float(used), time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--megapixels", type=float, nargs="+", default=[1, 10, 100])
    parser.add_argument("--folder", type=Path, default=None)
    parser.add_argument("--effort", default="1")
    wanted = parser.parse_args()
    print("| megapixels | file | encode: peak MB | CPU s/MP | region of 1024 x 1024: s | peak MB |")
    print("|---:|---:|---:|---:|---:|---:|")
    with tempfile.TemporaryDirectory(dir=wanted.folder) as name:
        folder = Path(name)
        for size in wanted.megapixels:
            side = math.isqrt(int(size * 1e6))
            source, coded = folder / "a.ppm", folder / "a.vqi"
            make(source, side)
            limits = ["--max-pixels", "2G", "--quiet", "--force"]
            memory, used, _ = run(
                "encode", str(source), "-o", str(coded), "--kind", "photo", "--effort",
                wanted.effort, *limits,
            )  # fmt: skip
            os.unlink(source)
            corner = max(0, side // 2 - 512)
            edge = min(1024, side)
            part = f"{corner},{corner},{edge},{edge}"
            less, _, seconds = run(
                "decode", str(coded), "-o", str(folder / "b.png"), "--region", part, *limits
            )
            print(
                f"| {side * side / 1e6:.0f} | {coded.stat().st_size / 1e6:.1f} MB | {memory:.0f} | "
                f"{used / (side * side / 1e6):.2f} | {seconds:.2f} | {less:.0f} |",
                flush=True,
            )
    children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1000
    print(f"\nThe most that any process took: {children:.0f} MB.")


if __name__ == "__main__":
    main()
