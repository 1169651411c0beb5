"""docs/format.md says what the code does: its worked example, limits, tables of numbers."""

from __future__ import annotations

import re
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest

import vqcodec
from tests.fuzz.mutate import Parts
from tests.reference import patch, rangecoder
from vqcodec.audio.reader import Reader, StreamReader
from vqcodec.codebook import KINDS, Codebook
from vqcodec.container import Chunk, Kind, Limits, open_container
from vqcodec.errors import FormatError
from vqcodec.metadata import _TYPES
from vqcodec.patch import ordering

GOLDEN = Path(__file__).parent / "golden"
TEXT = (Path(__file__).parents[1] / "docs" / "format.md").read_text()
PICTURE = np.array([[10, 10, 200, 200]] * 2, np.uint8)


def example() -> bytes:
    block = re.search(r"^```\n( 8f 56 51 .*?)^```", TEXT, re.MULTILINE | re.DOTALL)
    assert block is not None
    lines = [line for line in block[1].splitlines() if re.match(r" [0-9a-f]{2} ", line)]
    return bytes.fromhex("".join(re.match(r"[0-9a-f ]+(?=  |$)", line)[0] for line in lines))


def test_worked_example_is_what_the_encoder_writes():
    data = vqcodec.encode(PICTURE, kind="patch", block=2, codewords=2, lagrangian=0)
    assert example() == data
    assert f"file of {len(data)} bytes" in TEXT
    np.testing.assert_array_equal(vqcodec.decode(example()).samples[..., 0], PICTURE)


def test_worked_example_decodes_as_it_says(monkeypatch):
    rows, symbols = [], []

    class Watched(rangecoder.Decoder):
        def decision(self, probability):
            before = (self.code, self.width, (self.width >> 16) * probability)
            bit = super().decision(probability)
            rows.append("".join(f" {value:x} |" for value in (*before, bit)))
            return bit

        def target(self, total):
            target = super().target(total)
            symbols.append((total, self.width // total, target))
            return target

    monkeypatch.setattr(patch, "Decoder", Watched)
    np.testing.assert_array_equal(patch.decode(example())[..., 0], PICTURE)
    said = re.findall(r"^\| (?:L:|first bit).*?\|(.*\|)$", TEXT, re.MULTILINE)
    assert len(said) == 5
    assert said == rows[:5]
    flat = " ".join(TEXT.split())
    for total, part, target in symbols[-2:]:
        assert f"total {total}" in flat or f"total is {total}" in flat
        assert str(part) in flat
        assert f"part = {target}" in flat or f"target = {target}" in flat


def test_limits_are_those_of_the_code():
    stated = {
        name: 1 << int(power)
        for name, power in re.findall(r"^\| (\w+) \| 2\^(\d+) \|", TEXT, re.MULTILINE)
    }
    assert stated == vars(Limits())


def test_kinds_steps_and_metadata_are_those_of_the_code():
    kinds = re.search(r"^ kind: (.*)$", TEXT, re.MULTILINE)[1].split()
    assert kinds == [word for kind in Kind for word in (str(int(kind)), kind.name.lower())]
    steps = re.search(r"step = ([\d ]+) \[s\]", TEXT)[1].split()
    assert tuple(map(int, steps)) == ordering.STEPS
    for letter in _TYPES:
        assert re.search(rf"^\| `{letter}` \|", TEXT, re.MULTILINE), letter
    kinds = re.search(r"`kind` is one of `([\w, ]+)`", TEXT)[1].split(", ")
    assert sorted(kinds) == sorted(KINDS)


@pytest.mark.parametrize("name", ["patch-gray.vqi", "photo-one-pixel.vqi"])
def test_a_codebook_is_external_in_header_and_chunks_or_in_neither(name):
    parts = Parts.of((GOLDEN / name).read_bytes())
    book = Codebook.load(GOLDEN / "patch.vqcb")
    named = replace(parts, chunks=(Chunk("R", book.identity), *parts.chunks)).pack()
    with pytest.raises(FormatError, match="external"):
        vqcodec.decode(named, codebook=book)
    flag = 64 if name.startswith("patch") else 16
    header = bytes([parts.header[0] | flag]) + parts.header[1:]
    with pytest.raises(FormatError):
        vqcodec.decode(replace(parts, header=header).pack(), codebook=book)


@pytest.mark.parametrize("order", ["BSSF", "FSSB", "BSFS", "BBSSF", "RBSSF", "SBSF", "BSS"])
def test_sounds_have_their_chunks_in_order(order):
    parts = Parts.of((GOLDEN / "frames-mono.vqa").read_bytes())
    segments = iter([chunk for chunk in parts.chunks if chunk.type == "S"] * 2)
    one = {chunk.type: chunk for chunk in parts.chunks} | {"R": Chunk("R", bytes(16))}
    chunks = tuple(next(segments) if letter == "S" else one[letter] for letter in order)
    data = replace(parts, chunks=chunks).pack()
    whole = "".join(chunk.type for chunk in parts.chunks if chunk.type.isupper())
    for read in (
        lambda: Reader(open_container(data)),
        lambda: list(StreamReader(BytesIO(data)).blocks()),
    ):
        if order == whole:
            read()
        else:
            with pytest.raises(FormatError):
                read()
