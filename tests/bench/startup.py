"""What the command line costs before it does anything: CPU and wall time of whole processes.

    python -m tests.bench.startup [--rounds N]

Prints a Markdown table. The commands take turns; each figure is the least of all
rounds, since whatever else the machine does can only add. Every command has run once
before, so bytecode and compiled kernels are there. The picture is the sample
photograph at 768 x 512 pixels.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import PIL.Image

ROOT = Path(__file__).parents[2]
SAMPLE = ROOT / "samples" / "astronaut.png"
OUT = ("--force", "-q")
COMMANDS = {
    "`python -c pass`": None,
    "`vqcodec --help`": ("--help",),
    "`vqcodec --version`": ("--version",),
    "`vqcodec encode --help`": ("encode", "--help"),
    "`vqcodec info photo.vqi`": ("info", "photo.vqi"),
    "`vqcodec info photo.png`": ("info", "photo.png"),
    "`vqcodec info music.vqa`": ("info", "music.vqa"),
    "`vqcodec decode fixed.vqi -q`": ("decode", "fixed.vqi", "-o", "a.png", *OUT),
    "`vqcodec decode photo.vqi -q`": ("decode", "photo.vqi", "-o", "b.png", *OUT),
    "`vqcodec encode photo.png -q`": ("encode", "photo.png", "-o", "c.vqi", *OUT),
    "`vqcodec palette photo.png -q`": ("palette", "photo.png", "-o", "d.png", *OUT),
}


def run(arguments: tuple[str, ...] | None) -> tuple[float, float]:
    """Return the CPU and wall seconds of one process."""
    command = [sys.executable, "-c", "pass"]
    if arguments is not None:
        command = [sys.executable, "-m", "vqcodec", *arguments]
    before, started = os.times(), time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    after, wall = os.times(), time.perf_counter() - started
    cpu = after.children_user + after.children_system
    return cpu - before.children_user - before.children_system, wall


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=9)
    rounds = parser.parse_args().rounds
    os.environ["PYTHONPATH"] = os.pathsep.join(
        (str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")]))
    )
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        os.environ["PYTHONPYCACHEPREFIX"] = folder
        PIL.Image.open(SAMPLE).resize((768, 512), PIL.Image.Resampling.LANCZOS).save("photo.png")
        run(("encode", "photo.png", "-o", "photo.vqi", "-q"))
        run(("encode", "photo.png", "-o", "fixed.vqi", "--fixed-rate", "--codewords", "256", "-q"))
        run(("encode", str(ROOT / "samples" / "music.flac"), "-o", "music.vqa", "-q"))
        times: dict[str, list[tuple[float, float]]] = {name: [] for name in COMMANDS}
        for _ in range(rounds + 1):
            for name, arguments in COMMANDS.items():
                times[name].append(run(arguments))
        os.chdir(ROOT)
    print("| command | CPU, s | wall, s |\n|---|---|---|")
    for name, measured in times.items():
        cpu, wall = (min(column) for column in zip(*measured[1:], strict=True))
        print(f"| {name} | {cpu:.2f} | {wall:.2f} |")


if __name__ == "__main__":
    main()
