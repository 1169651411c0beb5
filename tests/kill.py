"""Kill vqcodec at random moments: the target is the old file or the whole new one.

    python -m tests.kill --count 200 --seed 1

Each round starts one command that replaces an existing file, kills it (signal
9) after a random part of the time that the command takes, and looks at what is
there. Afterwards every command runs once more among the leftovers. Trainings go
on from their checkpoint with --resume.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import subprocess
import sys
import tempfile
import time
import wave
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import PIL.Image

# A training that keeps its state after every image: the usual ten seconds are never reached here.
_EAGER = "import vqcodec.checkpoint as c; c._INTERVAL = 0; from vqcodec.cli import main; main()"
_LEFTOVER = re.compile(r"\..*\.[0-9a-f]{8}\.tmp|.*\.checkpoint")
_REPOSITORY = Path(__file__).parents[1]


@dataclass(frozen=True)
class Command:
    """One command line, the file that it replaces, and how it goes on after a kill."""

    name: str
    arguments: list[str]
    target: str
    again: tuple[str, ...] = ()

    def start(self, folder: Path) -> subprocess.Popen[bytes]:
        program = ["-c", _EAGER] if self.arguments[0] == "train" else ["-m", "vqcodec"]
        environment = {**os.environ, "PYTHONPATH": str(_REPOSITORY)}
        return subprocess.Popen(
            [sys.executable, *program, *self.arguments], cwd=folder, env=environment,
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        )  # fmt: skip

    def run(self, folder: Path) -> bytes:
        process = self.start(folder)
        said = process.communicate()[1]
        if process.returncode:
            raise AssertionError(f"{self.name} failed: {said.decode()}")
        return (folder / self.target).read_bytes()


_TRAIN = ["train", "pictures", "--codewords", "16", "--block", "4", "-o", "book.vqcb"]
_FRAMES = ["train", "sounds", "--kind", "frames", "--codewords", "16", "-o", "frames.vqcb"]
COMMANDS = [
    Command("encode", ["encode", "a.png", "-o", "a.vqi", "--fixed-rate", "--force", "-q"], "a.vqi"),
    Command("photo", ["encode", "a.png", "-o", "p.vqi", "--force", "-q"], "p.vqi"),
    Command("decode", ["decode", "golden.vqi", "-o", "b.png", "--force", "-q"], "b.png"),
    Command("palette", ["palette", "a.png", "-k", "8", "-o", "c.png", "--force", "-q"], "c.png"),
    Command("train", [*_TRAIN, "--force", "-q"], "book.vqcb", ("--resume",)),
    Command("frames", [*_FRAMES, "--force", "-q"], "frames.vqcb", ("--resume",)),
]
NAMES = tuple(command.name for command in COMMANDS)
_PATIENCE = 8.0


def picture(seed: int, side: int = 64) -> PIL.Image.Image:
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:side, :side]
    planes = [np.sin(x / (5 + c) + y / (7 + seed)) * 60 + 120 for c in range(3)]
    noisy = np.stack(planes, 2) + rng.normal(0, 3, (side, side, 3))
    return PIL.Image.fromarray(noisy.clip(0, 255).astype(np.uint8))


def prepare(folder: Path) -> None:
    """Put the inputs into a folder."""
    picture(0).save(folder / "a.png")
    (folder / "pictures").mkdir()
    for number in range(6):
        picture(number).save(folder / "pictures" / f"{number}.png")
    (folder / "sounds").mkdir()
    for number in range(6):
        samples = np.random.default_rng(number).normal(0, 3000, 20_000).astype("<i2")
        with wave.open(str(folder / "sounds" / f"{number}.wav"), "wb") as file:
            file.setparams((1, 2, 8000, 0, "NONE", ""))
            file.writeframes(samples.tobytes())
    golden = _REPOSITORY / "tests" / "golden" / "patch-fixed-rgb.vqi"
    (folder / "golden.vqi").write_bytes(golden.read_bytes())


def rounds(count: int, seed: int, names: Sequence[str] = NAMES) -> dict[str, int]:
    """Kill `count` times, the named commands in turn; return how often which state was found.

    Raises
    ------
    AssertionError
        A target was neither the old file nor the new one, or something else was left behind.
    """
    rng = random.Random(seed)
    old = b"the old file " * 100
    used = [command for command in COMMANDS if command.name in names]
    by_name = {command.name: command for command in used}
    found = {"old": 0, "new": 0, "finished": 0, "leftovers": 0}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prepare(folder)
        whole, seconds = {}, {}
        for command in used:
            for _ in range(2):
                started = time.perf_counter()
                whole[command.name] = command.run(folder)
                seconds[command.name] = time.perf_counter() - started
                if seconds[command.name] < _PATIENCE:  # else it compiled its kernels first
                    break
        known = set(os.listdir(folder))
        for number in range(count):
            command = by_name[names[number % len(names)]]
            target = folder / command.target
            target.write_bytes(old)
            process = command.start(folder)
            # Half of the kills aim at the end, where the file is written.
            moment = seconds[command.name] * rng.uniform(rng.choice([0.0, 0.7]), 1.05)
            started = time.perf_counter()
            try:
                process.communicate(timeout=moment)
                seconds[command.name] = min(time.perf_counter() - started, seconds[command.name])
            except subprocess.TimeoutExpired:
                process.kill()
                process.communicate()
            found["finished"] += process.returncode == 0
            now = target.read_bytes()
            if now not in (old, whole[command.name]):
                raise AssertionError(f"{command.name}: the target holds {len(now)} other bytes")
            found["old" if now == old else "new"] += 1
            if command.again and now == old:
                resumed = Command(
                    command.name, [*command.arguments, *command.again], command.target
                )
                if resumed.run(folder) != whole[command.name]:
                    raise AssertionError(f"{command.name}: another result after going on")
            left = set(os.listdir(folder)) - known
            strange = [name for name in left if not _LEFTOVER.fullmatch(name)]
            if strange:
                raise AssertionError(f"{command.name} left {strange}")
            found["leftovers"] = len(left)
        for command in used:
            if command.run(folder) != whole[command.name]:
                raise AssertionError(f"{command.name}: another result among the leftovers")
    return found


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--commands", nargs="+", choices=NAMES, default=NAMES)
    wanted = parser.parse_args()
    print(rounds(wanted.count, wanted.seed, wanted.commands))
