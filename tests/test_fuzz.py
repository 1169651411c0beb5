"""The fuzzer at work: two minutes where VQCODEC_FUZZ_SECONDS says so, else a few seconds."""

from __future__ import annotations

import os
import random
import tracemalloc
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest

import vqcodec
from tests.fuzz import mutate, targets
from tests.fuzz.__main__ import fuzz
from vqcodec.codebook import Codebook
from vqcodec.container import Chunk, Kind, Limits, open_container, pack, pack_varint
from vqcodec.errors import LimitError, VQError

KINDS = [kind for kind in targets.KINDS if targets.seeds(kind)]


@pytest.mark.skipif(os.name != "posix", reason="limits of memory are those of POSIX")
@pytest.mark.parametrize("bounds", [False, True])
def test_no_mutant_does_what_it_must_not(bounds):
    seconds = float(os.environ.get("VQCODEC_FUZZ_SECONDS", "8")) / 2
    if bounds and "VQCODEC_FUZZ_SECONDS" not in os.environ:
        pytest.skip("kernels that check their indices take a minute to compile")
    report = fuzz(KINDS, 1, seconds, bounds=bounds, exhaustive=not bounds)
    assert report["cases"] > 0
    assert report["findings"] == []


@pytest.mark.parametrize("kind", KINDS)
def test_files_that_are_put_together_again_are_the_same(kind):
    for seed in targets.seeds(kind):
        assert mutate.Parts.of(seed.data).pack() == seed.data


def test_cases_depend_on_their_number_alone():
    data, other = (seed.data for seed in targets.seeds("patch")[:2])
    mutants = [mutate.mutate(random.Random(i), data, other) for i in range(300)]
    assert mutants == [mutate.mutate(random.Random(i), data, other) for i in range(300)]
    assert {name.split("+")[0] for name, _ in mutants} == set(mutate.MUTATIONS)
    assert len({mutant for _, mutant in mutants}) > 200


def identity(model: str) -> bytes:
    """Return what files name a shipped codebook by."""
    folder = Path(vqcodec.__file__).parent / "models"
    return Codebook.load(folder / f"{model}.vqcb").identity


def bombs() -> Iterator[bytes]:
    """Files of at most a hundred bytes that claim 2**31 pixels, samples, codewords or tiles."""
    wide, high = pack_varint((1 << 16) - 1), pack_varint((1 << 15) - 1)
    line = pack_varint((1 << 28) - 1)  # as many pixels as the default limit allows, in one row
    body = [Chunk("B", b"\x33\x00"), Chunk("I", b""), Chunk("P", b"\0"), Chunk("T", b"")]
    photo = b"\x50\x00" + identity("photo")[:4]
    models = b"\0" + identity("music")[:8] + identity("speech")[:8]
    yield pack(Kind.PATCH, b"\x00" + wide + high, body[:2])
    yield pack(Kind.PATCH, b"\x10" + wide + high, body[:2])
    yield pack(Kind.PATCH, b"\x80" + wide + high + b"\0\0", body[:2])
    yield pack(Kind.PATCH, b"\x80" + line + b"\0\0\0", body[:2])  # tiles of one pixel
    lot = b"\x00" + pack_varint((1 << 31) - 1 << 4)
    yield pack(Kind.PATCH, b"\x00" + line + b"\0", [Chunk("B", lot), body[1]])
    yield pack(Kind.PATCH, b"\x10" + line + b"\0", [Chunk("B", lot), body[1]])
    yield pack(Kind.PALETTE, pack_varint(1 << 16) + pack_varint(1 << 15) + b"\xff", body[1:3])
    tiny = pack_varint(1 << 28) + b"\1\0\1\1"
    yield pack(Kind.PALETTE, tiny, body[1:3])
    yield pack(Kind.PHOTO, b"\x00" + wide + high + b"\x0f" + photo, body[3:])
    yield pack(Kind.PHOTO, b"\x00" + line + b"\0" + b"\x05" + photo, body[3:])  # narrow tiles
    sound = [Chunk("S", b"\0\1"), Chunk("F", pack_varint((1 << 33) + 1))]
    rate = pack_varint(48000)
    yield pack(Kind.AUDIO, b"\x00" + rate + b"\x01\x08" + models, sound)
    long = b"\x00" + pack_varint(768_000) + b"\x08\xff"
    segment = Chunk("S", b"\0\1\xff\1" + bytes(3))
    yield pack(Kind.AUDIO, long + models, [segment, Chunk("F", b"\1")])
    yield pack(Kind.AUDIO, b"\x01" + bytes([1, 1, 50]) + identity("celp")[:4], sound)
    yield pack(Kind.FRAMES, rate + b"\x01" + pack_varint(1 << 30) + pack_varint(1 << 30), sound)
    numbers = pack_varint(1 << 16) + pack_varint(1 << 15)
    array = b"\x01a\x00\x02" + numbers + zlib.compress(b"")
    yield pack(Kind.CODEBOOK, b'{"config":{},"kind":"patch"}', [Chunk("A", array)], 1)


@pytest.mark.parametrize("data", list(bombs()))
@pytest.mark.parametrize("damaged", [None, []], ids=["whole", "salvage"])
def test_bombs_are_refused_by_what_they_claim(data, damaged):
    """Before anything of that size is allocated: a megabyte is more than a refusal takes."""
    from vqcodec import api

    assert len(data) <= 100

    def read() -> None:
        if open_container(data).kind is Kind.CODEBOOK:
            Codebook.from_bytes(data)
        else:
            api.decode(data, damaged=None if damaged is None else [])

    def refused() -> None:
        with pytest.raises(VQError):
            read()

    refused()  # modules that this loads are no matter of the file
    tracemalloc.start()
    try:
        refused()
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


def test_codebooks_that_inflate_are_refused():
    import numpy as np

    from vqcodec.codebook import Codebook

    book = Codebook("patch", {}, {name: np.zeros(1 << 16, np.uint8) for name in "abcd"})
    data = book.to_bytes()
    assert len(data) < 1000
    Codebook.from_bytes(data, Limits(codebook=1 << 18))
    with pytest.raises(LimitError):
        Codebook.from_bytes(data, Limits(codebook=(1 << 18) - 1))
