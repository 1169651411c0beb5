"""Memory and time from one megapixel to a gigapixel.

    python -m tests.bench.size --megapixels 1 10 100 1073.741824 [--kind photo] [--folder /tmp]

Each size is coded by the command line in a process of its own, whose peak
memory and processor time are those that the system reports for it. Then a region
of it is decoded, by the command line and within a process that has decoded
another one. The pictures are uncompressed PPM files: photographs-like shades,
edges and noise, made in strips, and deleted afterwards.
"""

from __future__ import annotations

import argparse
import math
import os
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
_REGION = """
import sys, time
import vqcodec
limits = vqcodec.Limits(pixels=1 << 31)
x, y, edge = map(int, sys.argv[2:])
seconds = []
for turn in range(6):  # the first one loads the kernels; each looks at another place
    place = (max(0, x - 1500 * turn), max(0, y - 1100 * turn), edge, edge)
    started = time.perf_counter()
    with open(sys.argv[1], "rb") as file:
        vqcodec.decode(file, region=place, limits=limits)
    seconds.append(time.perf_counter() - started)
print(min(seconds[1:]))
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
    done = _python(_RUN, *arguments)
    memory, used = done.split()[-2:]
    return int(memory) / 1000, float(used), time.perf_counter() - started


def _python(source: str, *arguments: str) -> str:
    usual = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    return subprocess.run(
        [sys.executable, "-c", source, *arguments], cwd=_REPOSITORY, check=True, env=usual,
        stdout=subprocess.PIPE, text=True,
    ).stdout  # fmt: skip


def region(coded: Path, side: int, limits: list[str]) -> tuple[float, float, float]:
    """Decode 1024 x 1024 pixels; return peak memory in MB, seconds in all, seconds in process."""
    corner, edge = max(0, side // 2 - 512), min(1024, side)
    part = f"{corner},{corner},{edge},{edge}"
    target = str(coded.with_suffix(".png"))
    runs = [run("decode", str(coded), "-o", target, "--region", part, *limits) for _ in range(3)]
    within = float(_python(_REGION, str(coded), str(corner), str(corner), str(edge)))
    return runs[0][0], min(one[2] for one in runs), within


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--megapixels", type=float, nargs="+", default=[1, 10, 100])
    parser.add_argument("--folder", type=Path, default=None)
    parser.add_argument("--kind", default="photo")
    parser.add_argument("--options", default="--effort=1", help="of encode, with blanks between")
    parser.add_argument("--keep", action="store_true", help="leave the coded files in the folder")
    wanted = parser.parse_args()
    options = wanted.options.split()
    limits = ["--max-pixels", "2G", "--quiet", "--force"]
    print("| megapixels | file | encode: peak MB | s | CPU s/MP | ", end="")
    print("region of 1024 x 1024: peak MB | s | s in process |")
    print("|---:|---:|---:|---:|---:|---:|---:|---:|")
    with tempfile.TemporaryDirectory(dir=wanted.folder) as name:
        for size in wanted.megapixels:
            side = math.isqrt(int(size * 1e6))
            source = Path(name) / "a.ppm"
            coded = (wanted.folder if wanted.keep else Path(name)) / f"{wanted.kind}-{side}.vqi"
            # In a process of its own: what this one holds would count as its children's.
            _python(f"from tests.bench.size import *; make(Path({str(source)!r}), {side})")
            memory, used, seconds = run(
                "encode", str(source), "-o", str(coded), "--kind", wanted.kind, *options, *limits
            )
            os.unlink(source)
            less, whole, within = region(coded, side, limits)
            pixels = side * side / 1e6
            print(
                f"| {pixels:.0f} | {coded.stat().st_size / 1e6:.1f} MB | {memory:.0f} | "
                f"{seconds:.0f} | {used / pixels:.2f} | {less:.0f} | {whole:.2f} | {within:.2f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
