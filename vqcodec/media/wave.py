"""WAV through pipes: libsndfile wants to seek in its files, a pipe cannot."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, Protocol

import numpy as np

from vqcodec.errors import MediaError

UNKNOWN = 0xFFFFFFFF  # what programs state where they cannot know a length
_ENDLESS = 0x7FFFF000
_PCM, _FLOAT, _EXTENSIBLE = 1, 3, 0xFFFE
_GUID = b"\x00\x00\x10\x00\x80\x00\x00\xaa\x00\x38\x9b\x71"


class Readable(Protocol):
    def read(self, count: int, /) -> bytes: ...


@dataclass(frozen=True)
class WaveFormat:
    """What the ``fmt`` chunk says: `width` is in bytes, `size` of the data in bytes or None."""

    rate: int
    channels: int
    width: int
    floating: bool = False
    size: int | None = None

    @property
    def subtype(self) -> str:
        """The name that soundfile has for it."""
        if self.floating:
            return "FLOAT" if self.width == 4 else "DOUBLE"
        return "PCM_U8" if self.width == 1 else f"PCM_{8 * self.width}"


def read_head(file: Readable) -> WaveFormat | None:
    """Read up to the first sample; None if it is not WAV, or none of plain PCM or floats."""
    head = file.read(12)
    if head[:4] != b"RIFF" or head[8:] != b"WAVE":
        return None
    found: WaveFormat | None = None
    while True:
        label, size = struct.unpack("<4sI", file.read(8).ljust(8, b"\0"))
        if label == b"data":
            break
        if not label.strip(b"\0") or size > 1 << 24:
            return None
        content = file.read(size + size % 2)
        if label == b"fmt " and size >= 16:
            found = _parse_format(content)
    if found is None:
        return None
    known = None if size >= _ENDLESS or size == 0 else size
    return WaveFormat(found.rate, found.channels, found.width, found.floating, known)


def _parse_format(content: bytes) -> WaveFormat | None:
    code, channels, rate, _, align, bits = struct.unpack_from("<HHIIHH", content)
    if code == _EXTENSIBLE and len(content) >= 26:
        code = struct.unpack_from("<H", content, 24)[0]
    width = bits // 8
    legal = width in (4, 8) if code == _FLOAT else code == _PCM and width in (1, 2, 3, 4)
    if not legal or bits % 8 or not channels or not rate or align != channels * width:
        return None
    return WaveFormat(rate, channels, width, code == _FLOAT)


def read_blocks(file: BinaryIO, form: WaveFormat, frames: int) -> Iterator[np.ndarray]:
    """Yield the samples as float32 (n, channels) of at most so many frames; to be called once.

    Raises
    ------
    MediaError
        The data ends before it should.
    """
    align = form.width * form.channels
    left = form.size
    while left is None or left > 0:
        wanted = frames * align if left is None else min(left, frames * align)
        data = file.read(wanted)
        if left is not None:
            left -= len(data)
            if len(data) < wanted:
                raise MediaError("the sound is truncated: it is shorter than its header says")
        if len(data) < align:
            break
        yield _samples(data[: len(data) // align * align], form)


def _samples(data: bytes, form: WaveFormat) -> np.ndarray:
    flat: np.ndarray
    if form.floating:
        flat = np.frombuffer(data, f"<f{form.width}").astype(np.float32)
    elif form.width == 1:
        flat = (np.frombuffer(data, np.uint8).astype(np.float32) - 128) / np.float32(128)
    elif form.width == 3:
        wide = np.zeros((len(data) // 3, 4), np.uint8)
        wide[:, 1:] = np.frombuffer(data, np.uint8).reshape(-1, 3)
        flat = (wide.view("<i4")[:, 0] / 2**31).astype(np.float32)
    else:
        flat = np.frombuffer(data, f"<i{form.width}") / np.float32(2 ** (8 * form.width - 1))
    return flat.reshape(-1, form.channels).astype(np.float32, copy=False)


def head(form: WaveFormat) -> bytes:
    """Return everything before the first sample."""
    code = _FLOAT if form.floating else _PCM
    align = form.width * form.channels
    plain = form.channels <= 2 and form.width <= 2
    described = struct.pack(
        "<HHIIHH", code if plain else _EXTENSIBLE, form.channels, form.rate,
        min(UNKNOWN, form.rate * align), align, 8 * form.width,
    )  # fmt: skip
    if not plain:
        described += struct.pack("<HHIH", 22, 8 * form.width, 0, code) + b"\0\0" + _GUID
    size = UNKNOWN if form.size is None or form.size > UNKNOWN - 100 else form.size
    whole = UNKNOWN if size == UNKNOWN else 20 + len(described) + size + size % 2
    parts = (b"RIFF", struct.pack("<I", whole), b"WAVEfmt ", struct.pack("<I", len(described)))
    return b"".join((*parts, described, b"data", struct.pack("<I", size)))
