"""What a mutant is given to, and what may come of it.

A mutant decodes to samples that its own check confirms, or is refused by a
`VQError`. Anything else is a finding.
"""

from __future__ import annotations

import io
import random
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import vqcodec
from tests.fuzz.mutate import Parts
from vqcodec.api import image_codec
from vqcodec.codebook import Codebook
from vqcodec.container import Chunk, Container, Kind, Limits, open_container
from vqcodec.errors import VQError

GOLDEN = Path(__file__).parents[1] / "golden"
LIMITS = Limits(
    pixels=1 << 15, samples=1 << 18, codewords=1 << 12, chunk=1 << 20, metadata=1 << 16,
    codebook=1 << 22,
)  # fmt: skip
KINDS = ("patch", "palette", "photo", "frames", "audio", "speech", "codebook")


class Finding(Exception):
    """A mutant that did what it must not."""


@dataclass(frozen=True)
class Seed:
    """A good file, and the codebook that it wants."""

    name: str
    data: bytes
    codebook: Codebook | None


def seeds(kind: str) -> list[Seed]:
    """Return the golden files of a kind."""
    found = []
    for path in sorted((*GOLDEN.glob("*.vq?"), *GOLDEN.glob("*.vqcb"))):
        if (path.suffix == ".vqcb") != (kind == "codebook"):
            continue
        if kind != "codebook" and not path.name.startswith(kind):
            continue
        data = path.read_bytes()
        codebook = None
        if kind != "codebook" and open_container(data).has("R"):
            codebook = Codebook.load(GOLDEN / f"{kind}.vqcb")
        found.append(Seed(path.name, data, codebook))
    return found


def exercise(kind: str, seed: Seed, data: bytes, rng: random.Random) -> bool:
    """Give a mutant to the decoders; return whether it was accepted.

    Raises
    ------
    Finding
        It was accepted, but against the limits or its own check.
    Exception
        Whatever else a decoder raised that is no `VQError`.
    """
    way = rng.random()
    try:
        if way < 0.06:
            vqcodec.info(data, limits=LIMITS)
            return True
        if kind == "codebook":
            _codebook(seed, data)
            return True
        opened = open_container(data, LIMITS)
        if opened.kind in (Kind.FRAMES, Kind.AUDIO):
            _sound(opened, data, seed, rng, way)
        elif opened.kind is Kind.CODEBOOK:
            Codebook.from_bytes(data, LIMITS)
        else:
            _image(opened, data, seed, rng, way)
        return True
    except VQError:
        return False


def _image(opened: Container, data: bytes, seed: Seed, rng: random.Random, way: float) -> None:
    if way < 0.12:
        region = (rng.randrange(40), rng.randrange(40), rng.randrange(50), rng.randrange(50))
        image = vqcodec.decode(data, region=region, codebook=seed.codebook, limits=LIMITS)
        if (image.width, image.height) != region[2:]:
            raise Finding("the region has another size than was asked for")
        return
    damaged: list[str] = []
    if way < 0.2:
        codec = image_codec(opened)
        image = codec.decode(opened, seed.codebook, limits=LIMITS, damaged=damaged)
    else:
        image = vqcodec.decode(data, codebook=seed.codebook, limits=LIMITS)
    samples = image.samples
    if samples.ndim != 3 or samples.shape[0] * samples.shape[1] > LIMITS.pixels:
        raise Finding(f"samples of shape {samples.shape}")
    if opened.kind is not Kind.PALETTE and opened.check and not damaged:
        little = np.ascontiguousarray(samples.astype(samples.dtype.newbyteorder("<")))
        if zlib.crc32(little.tobytes()) != opened.check:
            raise Finding("the samples are not those of the check")


def _sound(opened: Container, data: bytes, seed: Seed, rng: random.Random, way: float) -> None:
    from vqcodec.audio.reader import Reader, StreamReader

    if way < 0.2:
        source = StreamReader(io.BytesIO(data), seed.codebook, LIMITS)
        total = sum(len(block) for block in source.blocks())
    else:
        damaged: list[str] | None = [] if way < 0.35 else None
        reader = Reader(opened, seed.codebook, LIMITS, damaged)
        start = 0
        if way > 0.9:
            start = rng.randrange(reader.frames)
        samples = reader.read(start)
        total = len(samples)
        if not np.isfinite(samples).all():
            raise Finding("samples that are no numbers")
        if total != reader.frames - start:
            raise Finding(f"{total} frames in place of {reader.frames - start}")
    if total > LIMITS.samples:
        raise Finding(f"{total} frames are beyond the limit")


def _codebook(seed: Seed, data: bytes) -> None:
    """Read a codebook, and use it where the one that it was is wanted."""
    book = Codebook.from_bytes(data, LIMITS)
    if book.kind not in KINDS:
        return
    for user in _users(book.kind):
        parts = Parts.of(user.data)
        chunks = [Chunk("R", book.identity) if c.type == "R" else c for c in parts.chunks]
        mutant = Parts(parts.first, parts.header, tuple(chunks), parts.check).pack()
        opened = open_container(mutant, LIMITS)
        try:
            if opened.kind in (Kind.FRAMES, Kind.AUDIO):
                from vqcodec.audio.reader import Reader

                Reader(opened, book, LIMITS).read()
            else:
                vqcodec.decode(mutant, codebook=book, limits=LIMITS)
        except VQError:
            continue


_USERS: dict[str, list[Seed]] = {}


def _users(kind: str) -> list[Seed]:
    if kind not in _USERS:
        _USERS[kind] = [seed for seed in seeds(kind) if open_container(seed.data).has("R")]
    return _USERS[kind]


def describe(error: BaseException) -> dict[str, Any]:
    """Return where and how a decoder failed."""
    trace = error.__traceback__
    places = []
    while trace is not None:
        code = trace.tb_frame.f_code
        places.append(f"{Path(code.co_filename).name}:{trace.tb_lineno} {code.co_name}")
        trace = trace.tb_next
    return {"error": f"{type(error).__name__}: {error}"[:300], "place": places[-4:]}
