"""What whole processes cost: start-up with everything warm, and first uses that compile.

    python -m tests.bench.startup [--rounds N] [--cold]

Prints a Markdown table. The commands take turns; each figure is the least of all
rounds, since whatever else the machine does can only add. The picture is the sample
photograph at 768 x 512 pixels. Every command has run once before, so bytecode and
kernels are there; with ``--cold`` every command runs once, each with an empty folder of
kernels. PYTHONDONTWRITEBYTECODE is taken out of the environment: with it, Python
compiles this package's sources at every start, which costs a tenth of a second.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import PIL.Image

from vqcodec import kernelcache

ROOT = Path(__file__).parents[2]
SAMPLE = ROOT / "samples" / "astronaut.png"
OUT = ("--force", "-q")
VQCODEC = (sys.executable, "-m", "vqcodec")
COMMANDS = {
    "`vqcodec --help`": (*VQCODEC, "--help"),
    "`vqcodec --version`": (*VQCODEC, "--version"),
    "`vqcodec encode --help`": (*VQCODEC, "encode", "--help"),
    "`vqcodec info photo.vqi`": (*VQCODEC, "info", "photo.vqi"),
    "`vqcodec info photo.png`": (*VQCODEC, "info", "photo.png"),
}
WORK = {
    "`vqcodec decode fixed.vqi`": (*VQCODEC, "decode", "fixed.vqi", "-o", "a.png", *OUT),
    "`vqcodec decode photo.vqi`": (*VQCODEC, "decode", "photo.vqi", "-o", "b.png", *OUT),
    "`vqcodec encode photo.png`": (*VQCODEC, "encode", "photo.png", "-o", "c.vqi", *OUT),
    "`vqcodec decode patch.vqi`": (*VQCODEC, "decode", "patch.vqi", "-o", "e.png", *OUT),
    "`vqcodec encode photo.png --kind patch`": (
        *VQCODEC, "encode", "photo.png", "--kind", "patch", "-o", "f.vqi", *OUT,
    ),
    "`vqcodec palette photo.png -k 256`": (
        *VQCODEC, "palette", "photo.png", "-k", "256", "-o", "d.png", *OUT,
    ),
}  # fmt: skip
_PILLOW = "import PIL.Image; PIL.Image.open('{}').save('{}')"
PEERS = {
    "`python -c pass`": (sys.executable, "-c", "pass"),
    "Python, `import numpy, PIL.Image`": (sys.executable, "-c", "import numpy, PIL.Image"),
    "`pngquant 256 photo.png`": ("pngquant", "256", "photo.png", "--force", "-o", "g.png"),
    "Pillow, photo.png to WebP": (sys.executable, "-c", _PILLOW.format("photo.png", "h.webp")),
    "Pillow, photo.png to AVIF": (sys.executable, "-c", _PILLOW.format("photo.png", "i.avif")),
    "Pillow, AVIF to PNG": (sys.executable, "-c", _PILLOW.format("i.avif", "j.png")),
}


def run(command: tuple[str, ...]) -> tuple[float, float]:
    """Return the CPU and wall seconds of one process."""
    before, started = os.times(), time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    after, wall = os.times(), time.perf_counter() - started
    cpu = after.children_user + after.children_system
    return cpu - before.children_user - before.children_system, wall


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--cold", action="store_true", help="first uses instead, which compile")
    options = parser.parse_args()
    os.environ["PYTHONPATH"] = os.pathsep.join(
        (str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")]))
    )
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    times: dict[str, list[tuple[float, float]]] = {}
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        os.environ["PYTHONPYCACHEPREFIX"] = folder
        PIL.Image.open(SAMPLE).resize((768, 512), PIL.Image.Resampling.LANCZOS).save("photo.png")
        make = (*VQCODEC, "encode", "photo.png", *OUT, "-o")
        run((*make, "photo.vqi"))
        run((*make, "patch.vqi", "--kind", "patch"))
        run((*make, "fixed.vqi", "--fixed-rate", "--codewords", "256"))
        if options.cold:
            for name, command in WORK.items():
                os.environ[kernelcache.VARIABLE] = tempfile.mkdtemp(dir=folder)
                times[name] = [run(command)]
        else:
            peers = {name: c for name, c in PEERS.items() if shutil.which(c[0])}
            for turn in range(options.rounds + 1):
                for name, command in {**COMMANDS, **WORK, **peers}.items():
                    measured = run(command)
                    if turn:
                        times.setdefault(name, []).append(measured)
        os.chdir(ROOT)
    print("| command | CPU, s | wall, s |\n|---|---|---|")
    for name, measured_times in times.items():
        cpu, wall = (min(column) for column in zip(*measured_times, strict=True))
        print(f"| {name} | {cpu:.2f} | {wall:.2f} |")


if __name__ == "__main__":
    main()
