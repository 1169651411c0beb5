"""Equal bits: the same bytes and samples whatever the threads, the seed of hashes, the versions.

    python -m tests.matrix                          threads, hash seeds, no compiler
    python -m tests.matrix --venvs /tmp/venvs       and the oldest and newest versions
    python -m tests.matrix --only oldest --known digests.json    a part; others go on from the file

Each setting runs in a process of its own: it makes the golden files anew and
compares them with their digests, and codes the samples of this repository and
compares them with what the first setting made of them. For --venvs, virtual
environments with the lower bounds of pyproject.toml, and with the newest
versions that there are, are made in that folder unless they exist.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import subprocess
import sys
import tomllib
import venv
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

REPOSITORY = Path(__file__).parents[1]
INTERPRETED = (  # small enough for kernels that the plain interpreter runs
    "patch-one-pixel.vqi", "patch-metadata.vqi", "patch-gray-alpha.vqi", "patch-rgb.vqi",
    "patch-means-fixed.vqi", "patch.vqcb", "patch-external.vqi", "palette-one.vqi",
    "palette-two.vqi", "frames-stereo.vqa",
)  # fmt: skip


@dataclass(frozen=True)
class Setting:
    """One way of running the encoders."""

    name: str
    environment: dict[str, str] = field(default_factory=dict)
    python: str = sys.executable
    what: str = "golden samples"


SETTINGS = [
    Setting("1 thread", {"NUMBA_NUM_THREADS": "1", "VQCODEC_THREADS": "1"}),
    Setting("2 threads", {"NUMBA_NUM_THREADS": "2", "VQCODEC_THREADS": "2"}),
    Setting("4 threads", {"NUMBA_NUM_THREADS": "4", "VQCODEC_THREADS": "4"}),
    Setting("hash seed 1", {"PYTHONHASHSEED": "1"}),
    Setting("hash seed 2", {"PYTHONHASHSEED": "2"}, what="golden"),
    Setting("no compiler", {"NUMBA_DISABLE_JIT": "1"}, what="interpreted"),
]


# --- what one process does --------------------------------------------------------


def digests(what: str, only: tuple[str, ...] = ("",)) -> Iterator[tuple[str, str]]:
    """Yield names, and digests of the file and of what it decodes to."""
    from tests.golden import make

    for name, case in make.CASES.items():
        wanted = "golden" in what or (what == "interpreted" and name in INTERPRETED)
        if wanted and name.startswith(only):
            data = case()
            found = make.digests_of(name, data)
            yield name, f"{found['file']} {found['decoded']}"
    if "samples" in what:
        yield from ((name, work()) for name, work in _samples() if name.startswith(only))


def _samples() -> Iterator[tuple[str, Callable[[], str]]]:
    """Yield names, and what codes a sample and returns the digest."""
    import vqcodec
    from vqcodec.media import load_audio, load_image

    threads = int(os.environ.get("VQCODEC_THREADS", "2"))
    folder = REPOSITORY / "samples"

    def coded(image: Any, kind: str, wishes: dict[str, Any]) -> str:
        data = vqcodec.encode(image, kind=kind, **wishes)
        return _digest(data, vqcodec.decode(data).samples.tobytes())

    def reduced(image: Any, dither: str) -> str:
        indexed = vqcodec.quantize(image, colors=16, dither=dither)
        return _digest(indexed.tobytes(), bytes(indexed.getpalette() or b""))

    for picture in ("astronaut.png", "logo.png", "screen.png"):
        whole = load_image(folder / picture)
        image = replace(whole, samples=np.ascontiguousarray(whole.samples[100:356, 100:356]))
        for kind, wishes in (
            ("patch", {}), ("patch", {"fixed_rate": True}), ("patch", {"mean_removed": True}),
            ("patch", {"tile": 100}),
            ("photo", {"tile": 128, "threads": threads}),
            ("photo", {"tile": 128, "threads": threads, "tune": "psnr", "effort": 2}),
        ):  # fmt: skip
            yield f"{kind} {picture} {wishes.keys()}", partial(coded, image, kind, wishes)
        for dither in ("none", "floyd-steinberg"):
            yield f"palette {picture} {dither}", partial(reduced, image, dither)
    yield (
        "patch train",
        lambda: _digest(vqcodec.train([folder / "astronaut.png"], codewords=128, block=4).identity),
    )
    for name in ("music.flac", "voice.flac"):
        whole_sound = load_audio(folder / name)
        sound = replace(whole_sound, samples=np.ascontiguousarray(whole_sound.samples[:99_999]))
        yield f"frames {name}", partial(coded, sound, "frames", {})


def _digest(*parts: bytes) -> str:
    return hashlib.sha256(b"".join(parts)).hexdigest()


# --- all of them --------------------------------------------------------------------


def run(setting: Setting, only: tuple[str, ...] = ("",)) -> dict[str, str]:
    """Return the digests of a setting, from a fresh process."""
    environment = {**os.environ, **setting.environment}
    if setting.python != sys.executable and "NUMBA_CACHE_DIR" in environment:
        environment["NUMBA_CACHE_DIR"] += "-" + _digest(setting.python.encode())[:6]
    done = subprocess.run(
        [setting.python, "-W", "ignore", "-m", "tests.matrix", "--digests", setting.what,
         "--cases", *only],
        cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(f"{setting.name}: {done.stderr[-2000:]}")
    found: dict[str, str] = json.loads(done.stdout)
    return found


def golden() -> dict[str, str]:
    from tests.golden import make

    return {name: f"{one['file']} {one['decoded']}" for name, one in make.known().items()}


def compare(
    settings: list[Setting], only: tuple[str, ...] = ("",), known: Path | None = None
) -> list[str]:
    """Run every setting; return a sentence about each difference, also from `known` digests."""
    expected = json.loads(known.read_text()) if known and known.exists() else {}
    expected |= golden()
    differences = []
    for setting in settings:
        found = run(setting, only)
        for name, digest in found.items():
            if expected.setdefault(name, digest) != digest:
                differences.append(f"{setting.name}: {name} differs")
        print(f"{setting.name}: {len(found)} files", flush=True)
        if known:
            known.write_text(json.dumps(expected, indent=1))
    return differences


def environments(folder: Path) -> list[Setting]:
    """Return settings with the oldest and the newest versions; make what is missing."""
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    wanted = [re.match(r"([\w-]+)>=([\d.]+)", line) for line in project["dependencies"]]
    pairs = [(match[1], match[2]) for match in wanted if match]
    oldest = [f"{name}=={bound}" + ".*" * (bound.count(".") < 2) for name, bound in pairs]
    settings = []
    for label, packages in (("oldest", oldest), ("newest", project["dependencies"])):
        place = folder / label
        python = str(place / "bin" / "python")
        if not Path(python).exists():
            venv.create(place, with_pip=True)
            subprocess.run([python, "-m", "pip", "install", "-q", "-q", *packages], check=True)
        settings.append(Setting(f"{label} versions", python=python))
    return settings


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--venvs", type=Path, help="a folder for virtual environments")
    parser.add_argument("--only", nargs="+", help="names of settings, or beginnings of them")
    parser.add_argument("--cases", nargs="+", default=("",), help="beginnings of names of files")
    parser.add_argument("--known", type=Path, help="keep digests here, from one run to the next")
    parser.add_argument("--digests", help=argparse.SUPPRESS)
    wanted = parser.parse_args()
    if wanted.digests:
        print(json.dumps(dict(digests(wanted.digests, tuple(wanted.cases)))))
        return 0
    settings = SETTINGS + (environments(wanted.venvs) if wanted.venvs else [])
    if wanted.only:
        settings = [s for s in settings if s.name.startswith(tuple(wanted.only))]
    differences = compare(settings, tuple(wanted.cases), wanted.known)
    print("\n".join(differences) or "equal bits everywhere")
    return 1 if differences else 0


if __name__ == "__main__":
    raise SystemExit(main())
