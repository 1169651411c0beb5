"""What travels beside the samples: colour profile, EXIF, XMP, text tags, cover art.

Each kind of metadata is one ancillary chunk, compressed by zlib; text tags are
a JSON object. All of it can be dropped without harm to the samples.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from vqcodec.container import DEFAULT_LIMITS, Chunk, Container, Limits, begin, end, pack_chunk
from vqcodec.errors import FormatError, LimitError

_TYPES = {"c": "icc", "x": "exif", "m": "xmp", "t": "text", "a": "cover"}


@dataclass(frozen=True)
class Metadata:
    """Colour profile (`icc`), EXIF and XMP as the bytes the file held, text tags, cover art.

    `cover` is an image file, as a rule JPEG or PNG.
    """

    icc: bytes | None = None
    exif: bytes | None = None
    xmp: bytes | None = None
    text: Mapping[str, str] = field(default_factory=dict)
    cover: bytes | None = None

    def __bool__(self) -> bool:
        return bool(self.icc or self.exif or self.xmp or self.text or self.cover)


def to_chunks(metadata: Metadata) -> list[Chunk]:
    """Return the ancillary chunks that carry this metadata."""
    chunks = []
    for type, name in _TYPES.items():
        value = getattr(metadata, name)
        if not value:
            continue
        if name == "text":
            value = json.dumps(dict(value), ensure_ascii=False, sort_keys=True).encode()
        chunks.append(Chunk(type, zlib.compress(value, 9)))
    return chunks


def from_chunks(container: Container, limits: Limits = DEFAULT_LIMITS) -> Metadata:
    """Return the metadata that a file carries; at most ``limits.metadata`` bytes of it."""
    return from_payloads({type: p for type in _TYPES for p in container.all(type)[:1]}, limits)


def from_payloads(payloads: Mapping[str, bytes], limits: Limits = DEFAULT_LIMITS) -> Metadata:
    """Return the metadata of chunks given by type; other types are passed over."""
    values: dict[str, bytes] = {}
    left = limits.metadata
    for type, name in _TYPES.items():
        if type in payloads:
            values[name] = inflate(payloads[type], left)
            left -= len(values[name])
    text = values.pop("text", None)
    return Metadata(**values, text=_parse_text(text) if text else {})


def replaced(container: Container, metadata: Metadata) -> Iterator[bytes]:
    """Yield the bytes of a file, piece by piece, with other metadata and all else as it was.

    In sounds the metadata stand before the first segment, elsewhere at the end.
    """
    first = next((n for n, e in enumerate(container.entries) if e.type == "S"), None)
    yield begin(container.kind, container.header)
    for number, entry in enumerate(container.entries):
        if number == first:
            yield from map(pack_chunk, to_chunks(metadata))
        if entry.type not in _TYPES:
            yield pack_chunk(entry.read(container.file))
    if first is None:
        yield from map(pack_chunk, to_chunks(metadata))
    yield end(container.check)


def is_metadata(type: str) -> bool:
    """Return whether chunks of this type carry metadata."""
    return type in _TYPES


def inflate(payload: bytes, limit: int) -> bytes:
    """Decompress a zlib payload, refusing results of more than `limit` bytes."""
    engine = zlib.decompressobj()
    try:
        data = engine.decompress(payload, limit + 1)
    except zlib.error:
        raise FormatError("compressed data inside the file is damaged") from None
    if len(data) > limit:
        raise LimitError(f"compressed data inside the file exceeds the limit of {limit} bytes")
    if not engine.eof or engine.unused_data:
        raise FormatError("compressed data inside the file is damaged")
    return data


def _parse_text(data: bytes) -> dict[str, str]:
    try:
        tags = json.loads(data)
    except (ValueError, RecursionError):
        tags = None
    if not isinstance(tags, dict) or not all(isinstance(value, str) for value in tags.values()):
        raise FormatError("the text tags are not a JSON object of strings")
    return tags
