"""Mutations of coded files that know how the files are made.

A mutant is damaged raw, as a disk or a network would; or taken apart, changed
inside, and put together again with lengths and checksums in order, so that the
parsers and decoders behind the checksums are reached.
"""

from __future__ import annotations

import random
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from vqcodec import container
from vqcodec.container import ByteReader, Chunk, pack_varint
from vqcodec.errors import VQError

NUMBERS = (0, 1, 2, 3, 7, 8, 15, 16, 31, 63, 64, 127, 128, 255, 256, 1023, 4095, 16383, 16384,
           65535, 65536, (1 << 24) - 1, (1 << 28) - 1, 1 << 28, (1 << 31) - 1, (1 << 32) - 1,
           (1 << 35) - 1)  # fmt: skip
TYPES = "BIRTPASFEHabtxz"


@dataclass(frozen=True)
class Parts:
    """A file taken apart."""

    first: int
    """Version and kind."""
    header: bytes
    chunks: tuple[Chunk, ...]
    check: int

    @classmethod
    def of(cls, data: bytes) -> Parts:
        opened = container.open_container(data)
        chunks = tuple(entry.read(opened.file) for entry in opened.entries)
        first = container.VERSION << 4 | opened.kind
        return cls(first, opened.header, chunks, opened.check or 0)

    def pack(self) -> bytes:
        """Put the file together, its checksums in order."""
        head = container.pack_chunk(Chunk("H", bytes([self.first]) + self.header))
        body = b"".join(map(container.pack_chunk, self.chunks))
        return container.MAGIC + head + body + container.end(self.check)


# --- bytes ----------------------------------------------------------------------


def change_bytes(rng: random.Random, data: bytes) -> bytes:
    """Change a run of bytes: bits, values, order, length."""
    if not data:
        return rng.randbytes(rng.randrange(8))
    out = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        if not out:
            break
        place = rng.randrange(len(out))
        if rng.random() < 0.5:  # most of what matters stands at the front
            place = min(place, rng.randrange(12))
        act = rng.randrange(9)
        if act <= 1:
            out[place] ^= 1 << rng.randrange(8)
        elif act == 2:
            out[place] = rng.choice((0, 1, 0x7F, 0x80, 0xFE, 0xFF, rng.randrange(256)))
        elif act == 3:
            del out[place:]
        elif act == 4:
            del out[place : place + rng.choice((1, 1, 2, 4, 16))]
        elif act == 5:
            out[place:place] = rng.randbytes(rng.choice((1, 1, 2, 4, 16)))
        elif act == 6:
            out[place : place + 1] = pack_varint(rng.choice(NUMBERS))
        elif act == 7:
            start = rng.randrange(len(out))
            piece = out[start : start + rng.randrange(1, 32)]
            out[place : place + len(piece)] = piece
        else:
            size = rng.choice((1, 2, 4, 8))
            out[place : place + size] = rng.choice((b"\x00", b"\xff", b"\x80")) * size
    return bytes(out)


def change_number(rng: random.Random, data: bytes) -> bytes:
    """Change one LEB128 number of a header, found by reading from a random byte on."""
    if not data:
        return data
    place = rng.randrange(min(len(data), 24))
    reader = ByteReader(data[place:])
    try:
        value = reader.varint()
    except VQError:
        value = 0
    value = rng.choice((value + 1, max(0, value - 1), value * 2, value ^ 1, rng.choice(NUMBERS)))
    return data[:place] + pack_varint(value) + data[place + max(1, reader.position) :]


def change_inside(rng: random.Random, data: bytes) -> bytes:
    """Change what zlib has compressed, wherever it begins, and compress it again."""
    for start in range(min(len(data), 64)):
        if data[start] == 0x78:
            engine = zlib.decompressobj()
            try:
                inner = engine.decompress(data[start:], 1 << 20)
            except zlib.error:
                continue
            if engine.eof:
                act = rng.randrange(8)
                inner = inner * rng.choice((0, 2, 3)) if act == 0 else change_bytes(rng, inner)
                return data[:start] + zlib.compress(inner, 1) + engine.unused_data
    return change_bytes(rng, data)


# --- files ------------------------------------------------------------------------


def _raw(rng: random.Random, data: bytes, other: bytes) -> bytes:
    return change_bytes(rng, data)


def _joined(rng: random.Random, data: bytes, other: bytes) -> bytes:
    return data[: rng.randrange(len(data) + 1)] + other[rng.randrange(len(other) + 1) :]


def _inner(change: Callable[[random.Random, bytes], bytes]) -> Callable[..., bytes]:
    def apply(rng: random.Random, data: bytes, other: bytes) -> bytes:
        parts = Parts.of(data)
        place = rng.randrange(-1, len(parts.chunks))
        if place < 0:
            return replace(parts, header=change(rng, parts.header)).pack()
        chunks = list(parts.chunks)
        chunks[place] = Chunk(chunks[place].type, change(rng, chunks[place].payload))
        return replace(parts, chunks=tuple(chunks)).pack()

    return apply


def _header(rng: random.Random, data: bytes, other: bytes) -> bytes:
    parts = Parts.of(data)
    change = rng.choice((change_bytes, change_number, change_number))
    return replace(parts, header=change(rng, parts.header)).pack()


def _order(rng: random.Random, data: bytes, other: bytes) -> bytes:
    parts = Parts.of(data)
    chunks = list(parts.chunks)
    foreign = Parts.of(other)
    for _ in range(rng.choice((1, 1, 2, 3))):
        place = rng.randrange(len(chunks) + 1)
        act = rng.randrange(6)
        if act == 0 and chunks:
            chunks.insert(place, rng.choice(chunks))
        elif act == 1 and chunks:
            del chunks[place % len(chunks)]
        elif act == 2:
            rng.shuffle(chunks)
        elif act == 3 and chunks:
            old = chunks[place % len(chunks)]
            chunks[place % len(chunks)] = Chunk(rng.choice(TYPES), old.payload)
        elif act == 4 and foreign.chunks:
            chunks.insert(place, rng.choice(foreign.chunks))
        elif chunks and foreign.chunks:
            taken = rng.choice(foreign.chunks)
            for number, chunk in enumerate(chunks):
                if chunk.type == taken.type:
                    chunks[number] = taken
    return replace(parts, chunks=tuple(chunks)).pack()


def _heads(rng: random.Random, data: bytes, other: bytes) -> bytes:
    """Give a file the header, or the kind, of another."""
    parts, foreign = Parts.of(data), Parts.of(other)
    act = rng.randrange(4)
    if act == 0:
        return replace(parts, first=rng.randrange(256)).pack()
    if act == 1:
        return replace(parts, header=foreign.header).pack()
    if act == 2:
        return replace(parts, header=foreign.header, first=foreign.first).pack()
    return replace(parts, check=rng.choice((0, 1, foreign.check))).pack()


def _lengths(rng: random.Random, data: bytes, other: bytes) -> bytes:
    """Lie about the length of a chunk."""
    opened = container.open_container(data)
    if not opened.entries:
        return change_bytes(rng, data)
    entry = rng.choice(opened.entries)
    was = pack_varint(entry.length)
    start = entry.offset - len(was)
    number = rng.choice((entry.length + 1, max(0, entry.length - 1), rng.choice(NUMBERS)))
    return data[:start] + pack_varint(number) + data[entry.offset :]


MUTATIONS: dict[str, tuple[int, Callable[[random.Random, bytes, bytes], bytes]]] = {
    "raw": (1, _raw),
    "joined": (1, _joined),
    "lengths": (1, _lengths),
    "header": (4, _header),
    "inside": (3, _inner(change_inside)),
    "payload": (6, _inner(change_bytes)),
    "number": (3, _inner(change_number)),
    "order": (2, _order),
    "heads": (1, _heads),
}
_NAMES = [name for name, (weight, _) in MUTATIONS.items() for _ in range(weight)]


def mutate(rng: random.Random, data: bytes, other: bytes) -> tuple[str, bytes]:
    """Return the name of a mutation and the mutant of `data`; `other` lends its parts."""
    name = rng.choice(_NAMES)
    mutant = MUTATIONS[name][1](rng, data, other)
    if rng.random() < 0.15:
        try:
            again = rng.choice(("payload", "header", "number"))
            return f"{name}+{again}", MUTATIONS[again][1](rng, mutant, other)
        except (VQError, ValueError):
            pass
    return name, mutant


def exhaustive(data: bytes) -> Iterator[bytes]:
    """Yield every truncation, raw and inside each chunk, and every bit of the header flipped."""
    for length in range(len(data)):
        yield data[:length]
    parts = Parts.of(data)
    for number, chunk in enumerate(parts.chunks):
        for length in range(len(chunk.payload)):
            chunks = list(parts.chunks)
            chunks[number] = Chunk(chunk.type, chunk.payload[:length])
            yield replace(parts, chunks=tuple(chunks)).pack()
    for bit in range(8 * len(parts.header)):
        header = bytearray(parts.header)
        header[bit // 8] ^= 1 << bit % 8
        yield replace(parts, header=bytes(header)).pack()
