"""The fuzzer at work: two minutes where VQCODEC_FUZZ_SECONDS says so, else a few seconds."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator

import pytest

from tests.fuzz import mutate, targets
from tests.fuzz.__main__ import fuzz
from vqcodec.container import Chunk, Kind, Limits, pack, pack_varint
from vqcodec.errors import LimitError

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


def bombs() -> Iterator[bytes]:
    """Files of at most a hundred bytes that claim 2**31 pixels or more."""
    wide, high = pack_varint((1 << 16) - 1), pack_varint((1 << 15) - 1)
    two, fifteen = pack_varint(1 << 16), pack_varint(1 << 15)
    body = [Chunk("B", b"\x33\x00"), Chunk("I", b""), Chunk("P", b"\0"), Chunk("T", b"")]
    yield pack(Kind.PATCH, b"\x00" + wide + high, body[:2])
    yield pack(Kind.PATCH, b"\x10" + wide + high, body[:2])
    yield pack(Kind.PALETTE, two + fifteen + b"\xff", body[1:3])
    yield pack(Kind.PHOTO, b"\x00" + wide + high + b"\x0f\x50\x00" + bytes(4), body[3:])


@pytest.mark.parametrize("data", list(bombs()))
def test_bombs_are_refused_by_what_they_claim(data, monkeypatch):
    """Before anything of that size is allocated: an array of more than 64 KiB would fail here."""
    import numpy as np

    from vqcodec import api

    assert len(data) <= 100
    for name in ("zeros", "empty", "full"):
        make = getattr(np, name)

        def small(shape, *rest, make=make, **more):
            assert np.prod(shape) < 1 << 16
            return make(shape, *rest, **more)

        monkeypatch.setattr(np, name, small)
    with pytest.raises(LimitError, match="pixels"):
        api.decode(data)


def test_codebooks_that_inflate_are_refused():
    import numpy as np

    from vqcodec.codebook import Codebook

    book = Codebook("patch", {}, {name: np.zeros(1 << 16, np.uint8) for name in "abcd"})
    data = book.to_bytes()
    assert len(data) < 1000
    Codebook.from_bytes(data, Limits(codebook=1 << 18))
    with pytest.raises(LimitError):
        Codebook.from_bytes(data, Limits(codebook=(1 << 18) - 1))
