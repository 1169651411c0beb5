"""How much of a damaged file can be saved: random damages of one byte, kind by kind.

    python -m tests.bench.salvage [--damages 1000]

Each damage changes one byte of the index data (or of the whole file, header and
all) to another value. The share is that of the pixels, or sampling instants,
that come out as they were.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

import vqcodec
from vqcodec.container import open_container
from vqcodec.errors import VQError
from vqcodec.media import Image, load_audio, load_image

SAMPLES = Path(__file__).parents[2] / "samples"
_INDEX_CHUNKS = "TIS"


def files() -> dict[str, Callable[[], bytes]]:
    """Return what makes a file of each kind; those that have parts also with several of them."""
    from vqcodec.palette import codec as palette
    from vqcodec.palette.options import PaletteOptions

    image = np.ascontiguousarray(load_image(SAMPLES / "astronaut.png").samples[:256, :256])

    def picture(kind: str, **options: Any) -> Callable[[], bytes]:
        return lambda: vqcodec.encode(image, kind=kind, **options)

    def indexed(tile: int = 1024) -> bytes:
        data = palette.encode(Image(image), PaletteOptions(colors=64))
        return palette.encode_indexed(palette.decode_indexed(open_container(data)), tile=tile)

    def sound(kind: str, sample: str, times: int) -> Callable[[], bytes]:
        once = load_audio(SAMPLES / sample)
        whole = replace(once, samples=np.tile(once.samples, (times, 1)))
        return lambda: vqcodec.encode(whole, kind=kind)

    return {
        "photo, one tile": picture("photo"),
        "photo, 16 tiles": picture("photo", tile=64),
        "patch, one tile": picture("patch"),
        "patch, 16 tiles": picture("patch", tile=64),
        "patch, fixed rate, one tile": picture("patch", fixed_rate=True),
        "patch, fixed rate, 16 tiles": picture("patch", fixed_rate=True, tile=64),
        "palette, one tile": indexed,
        "palette, 16 tiles": lambda: indexed(64),
        "frames": sound("frames", "music.flac", 2),
        "speech": sound("speech", "voice.flac", 4),
        "audio": sound("audio", "music.flac", 2),
    }


def index_bytes(data: bytes) -> list[int]:
    """Return the places of the index data in a file."""
    opened = open_container(data)
    places: list[int] = []
    for entry in opened.entries:
        if entry.type in _INDEX_CHUNKS:
            places += range(entry.offset, entry.offset + entry.length)
    return places


def decoded(data: bytes) -> np.ndarray:
    return vqcodec.decode(data, damaged=[]).samples


def trial(data: bytes, places: list[int], damages: int, seed: int) -> tuple[float, float, float]:
    """Return the mean share that is saved, the least one, and the share of files refused."""
    rng = random.Random(seed)
    whole = decoded(data)
    axis = tuple(range(whole.ndim - 1, whole.ndim - 2, -1))
    shares, refused = [], 0
    for _ in range(damages):
        damaged = bytearray(data)
        damaged[rng.choice(places)] ^= rng.randrange(1, 256)
        try:
            found = decoded(bytes(damaged))
        except VQError:
            refused += 1
            shares.append(0.0)
            continue
        alike = found.shape == whole.shape
        shares.append(float((found == whole).all(axis).mean()) if alike else 0.0)
    return float(np.mean(shares)), min(shares), refused / damages


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--damages", type=int, default=1000)
    parser.add_argument("--kinds", type=lambda text: tuple(text.split(",")), default=("",))
    wanted = parser.parse_args()
    everywhere: Callable[[bytes], list[int]] = lambda data: list(range(len(data)))  # noqa: E731
    print("| kind | bytes | damaged where | saved, mean | saved, least | refused |")
    print("|---|---:|---|---:|---:|---:|")
    found = {name: make for name, make in files().items() if name.startswith(wanted.kinds)}
    for name, make in found.items():
        data = make()
        for where, places in (("index data", index_bytes), ("anywhere", everywhere)):
            mean, least, refused = trial(data, places(data), wanted.damages, 1)
            print(
                f"| {name} | {len(data)} | {where} | {mean:.2%} | {least:.2%} | {refused:.2%} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
