"""Codebooks of the audio codec: those that the package ships, and those that benchmarks need.

    python -m tests.bench.audiobooks FOLDER [NAME ...]

trains what is not there yet and writes ``NAME.vqcb``. `music` and `speech` are shipped. The
benchmarks measure with codebooks that have not heard what they code: `winds` has heard neither
castanets, guitar nor strauss, `strings` neither moonlight nor sopr, and `voice` no sample that
`HELD_OUT` names.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.bench.corpus import corpus
from tests.bench.sounds import KINDS, RATE, render
from vqcodec.audio.train import train
from vqcodec.codebook import Codebook

ITEMS = "castanets", "guitar", "moonlight", "sopr", "strauss"
UNHEARD = {"winds": ("castanets", "guitar", "strauss"), "strings": ("moonlight", "sopr")}
HELD_OUT = slice(3, None, 10)  # of the prompts; and the natural speech besides them
NAMES = "winds", "strings", "music", "voice", "speech"


def prompts() -> list[Path]:
    return sorted((corpus() / "speech_prompts").glob("*.flac"))


def held_out() -> list[Path]:
    return prompts()[HELD_OUT] + sorted((corpus() / "speech").glob("*.flac"))


def _sounds(name: str) -> list[Any]:
    rendered = [(render(kind, seed), RATE) for seed in range(3) for kind in KINDS]
    if name == "speech":
        return prompts() + sorted((corpus() / "speech").glob("*.flac"))
    if name == "voice":
        return [path for path in prompts() if path not in held_out()]
    heard = [item for item in ITEMS if item not in UNHEARD.get(name, ())]
    music = [corpus() / "music" / f"{item}.flac" for item in heard]
    return music * 3 + rendered + prompts()[::20]


def book(
    folder: Path, name: str, sound: Callable[[str], list[Any]] = _sounds, **options: Any
) -> Codebook:
    """Return a codebook, trained and kept in the folder if it is not there."""
    label = "-".join([name, *(str(value) for value in options.values())])
    path = folder / f"{label}.vqcb"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        trained = train(
            sound(name), rounds=3, excerpts=48, prior_excerpts=160, provenance=name, **options
        )
        part = path.with_suffix(".part")
        trained.save(part)
        os.replace(part, path)
    return Codebook.load(path)


def main() -> None:
    for name in sys.argv[2:] or NAMES:
        print(name, book(Path(sys.argv[1]), name).identity.hex(), flush=True)


if __name__ == "__main__":
    main()
