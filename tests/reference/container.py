"""Reference reader of the container and of codebooks, written from docs/format.md.

These modules import nothing of vqcodec and compile nothing: they are a second,
slow, plain reading of the specification. Anything illegal is an `Illegal`.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from dataclasses import dataclass

import numpy as np

MAGIC = b"\x8fVQ"
KINDS = ("codebook", "patch", "photo", "palette", "audio", "frames")
DTYPES = ("<u1", "<i1", "<u2", "<i2", "<u4", "<i4", "<i8")


class Illegal(Exception):
    """The file is not what the specification allows."""


def require(condition: object, what: str) -> None:
    if not condition:
        raise Illegal(what)


class Bytes:
    """Bytes read from front to back."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.place = 0

    def take(self, count: int) -> bytes:
        require(self.place + count <= len(self.data), "too short")
        self.place += count
        return self.data[self.place - count : self.place]

    def byte(self) -> int:
        return self.take(1)[0]

    def number(self) -> int:
        """LEB128: at most ten bytes, none of them needless."""
        value = shift = 0
        while True:
            byte = self.byte()
            value |= (byte & 127) << shift
            if byte < 128:
                require(byte or not shift, "needless zero byte")
                require(value < 1 << 35, "beyond 35 bits")
                return value
            shift += 7
            require(shift <= 63, "overlong number")

    def rest(self) -> bytes:
        return self.take(len(self.data) - self.place)

    def end(self) -> None:
        require(self.place == len(self.data), "stray bytes")


@dataclass
class File:
    """A file taken apart: kind, header without its first byte, chunks, check."""

    kind: str
    header: bytes
    chunks: list[tuple[str, bytes]]
    check: int

    def all(self, type: str) -> list[bytes]:
        return [payload for own, payload in self.chunks if own == type]

    def one(self, type: str) -> bytes:
        found = self.all(type)
        require(len(found) == 1, f"{len(found)} chunks of type {type}")
        return found[0]

    def only(self, known: str) -> None:
        for type, _ in self.chunks:
            require(type.islower() or type in known, f"unknown critical chunk {type}")


def read(data: bytes) -> File:
    """Take a file apart; every checksum is verified."""
    source = Bytes(data)
    require(source.take(3) == MAGIC, "wrong magic")
    chunks = []
    while True:
        tag = source.take(1)
        require(tag.isalpha(), "no chunk type")
        if tag == b"E":
            check = int.from_bytes(source.take(4), "little")
            source.end()
            break
        length = source.number()
        payload = source.take(length)
        stated = int.from_bytes(source.take(4), "little")
        require(zlib.crc32(tag + payload) == stated, "wrong checksum")
        chunks.append((tag.decode(), payload))
    require(chunks and chunks[0][0] == "H" and chunks[0][1], "no header")
    require([type for type, _ in chunks].count("H") == 1, "second header")
    header = chunks.pop(0)[1]
    require(header[0] >> 4 == 1, "another version")
    require(header[0] & 15 < len(KINDS), "unknown kind")
    return File(KINDS[header[0] & 15], header[1:], chunks, check)


def inflate(data: bytes) -> bytes:
    engine = zlib.decompressobj()
    try:
        out = engine.decompress(data)
    except zlib.error:
        raise Illegal("damaged zlib data") from None
    require(engine.eof and not engine.unused_data, "damaged zlib data")
    return out


@dataclass
class Book:
    """A codebook: kind, configuration, arrays, identity."""

    kind: str
    config: dict[str, object]
    arrays: dict[str, np.ndarray]
    identity: bytes


def read_book(data: bytes) -> Book:
    """Read a codebook file."""
    file = read(data)
    require(file.kind == "codebook", "no codebook")
    file.only("A")
    header = json.loads(file.header)
    canonical = {"kind": header["kind"], "config": header["config"]}
    digest = hashlib.sha256(json.dumps(canonical, sort_keys=True, separators=(",", ":")).encode())
    arrays, raw = {}, {}
    for payload in file.all("A"):
        source = Bytes(payload)
        name = source.take(source.number()).decode()
        dtype, rank = source.byte(), source.byte()
        require(dtype < len(DTYPES) and rank <= 8, "unknown type of array")
        shape = [source.number() for _ in range(rank)]
        head = payload[: source.place]
        values = np.frombuffer(inflate(source.rest()), DTYPES[dtype])
        require(values.size == np.prod(shape, dtype=int), "array of another size")
        require(name not in arrays, "array twice")
        arrays[name] = values.reshape(shape)
        raw[name] = head + values.tobytes()
    for name in sorted(raw):
        digest.update(raw[name])
    identity = digest.digest()[:16]
    require(zlib.crc32(identity) == file.check, "wrong check")
    return Book(header["kind"], header["config"], arrays, identity)


def verify(file: File, samples: np.ndarray) -> None:
    """Compare samples with the check of the file, if it states one."""
    little = samples.astype(samples.dtype.newbyteorder("<"))
    require(not file.check or zlib.crc32(little.tobytes()) == file.check, "wrong samples")
