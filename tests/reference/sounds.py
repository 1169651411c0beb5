"""Reference reader of what all sound files share, written from docs/format.md, "Sounds"."""

from __future__ import annotations

from dataclasses import dataclass

from tests.reference import container
from tests.reference.container import Bytes, require


@dataclass
class Sound:
    """A file taken apart: its codec, the codec's header and segments, the frames in all."""

    codec: str
    header: bytes
    segments: list[bytes]
    frames: int


def read(data: bytes) -> Sound:
    """Take a sound file of kind 4 apart."""
    file = container.read(data)
    require(file.kind == "audio", "another kind")
    file.only("RBSF")
    require(file.header[:1] in (b"\0", b"\1"), "unknown codec")
    segments = []
    for number, payload in enumerate(file.all("S")):
        source = Bytes(payload)
        require(source.number() == number, "segment out of order")
        segments.append(source.rest())
    source = Bytes(file.one("F"))
    frames = source.number()
    source.end()
    require(frames > 0 and segments, "no samples")
    return Sound(("audio", "speech")[file.header[0]], file.header[1:], segments, frames)
