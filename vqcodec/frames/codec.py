"""The frames codec: for each frame of each channel the number of a shape and of a gain.

    header    rate, channels (1 byte), samples of a frame, frames of a segment and channel
    segment   frames of each channel, then the packed shape indices, then the packed
              gain indices; time by time, channel after channel

All numbers are LEB128 unless a width is given. The rate is fixed, so any frame is found at once,
and decoding is a table look-up in plain NumPy: no entropy coder, no compiled kernel.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from vqcodec import container
from vqcodec.bitpacking import check_indices, pack_indices, packed_size, unpack_indices
from vqcodec.codebook import Codebook
from vqcodec.container import ByteReader, pack_varint
from vqcodec.errors import CodebookError, FormatError, ParameterError
from vqcodec.frames.options import MOST_FRAME, Options
from vqcodec.frames.shapes import SHIFT, ShapeBook, read_book, reconstruct

_MOST_RATE = 1 << 24
_MOST_SEGMENT = 1 << 24  # samples


@dataclass(frozen=True)
class Header:
    """What a decoder knows before the first segment, besides the codebook."""

    rate: int
    channels: int
    frame: int
    count: int
    """Frames of each channel in a segment."""

    @property
    def segment_frames(self) -> int:
        """Sampling instants of a segment."""
        return self.frame * self.count

    def pack(self) -> bytes:
        return b"".join(
            (pack_varint(self.rate), bytes([self.channels]), pack_varint(self.frame),
             pack_varint(self.count))
        )  # fmt: skip

    @classmethod
    def unpack(cls, data: bytes) -> Header:
        """Read a header; impossible values are a `FormatError`."""
        reader = ByteReader(data)
        rate = reader.varint(_MOST_RATE)
        channels = reader.byte()
        header = cls(rate, channels, reader.varint(MOST_FRAME), reader.varint(_MOST_SEGMENT))
        reader.finish()
        if not (rate and channels and header.frame and header.count):
            raise FormatError("the header of the sound holds a zero")
        if header.segment_frames * channels > _MOST_SEGMENT:
            raise FormatError("the segments of the sound are absurdly long")
        return header


def describe(header: bytes) -> dict[str, Any]:
    """Return what a header says, for people."""
    found = Header.unpack(header)
    return {
        "rate": found.rate,
        "channels": found.channels,
        "segment_frames": found.segment_frames,
        "frame": found.frame,
    }


class Encoder:
    """Turns samples into segments as they come.

    Parameters
    ----------
    rate, channels : int
    options : Options
        Only for the interface: the codebook decides everything.
    codebook : Codebook
        Of kind ``frames``.

    Attributes
    ----------
    header : bytes
    frames : int
        Sampling instants written.
    check : int
        CRC-32 of the samples as a decoder will see them, 16 bits little-endian.
    """

    def __init__(
        self, rate: int, channels: int, options: Options, codebook: Codebook | None
    ) -> None:
        if codebook is None:
            raise CodebookError("the frames codec needs a codebook")
        if not 1 <= channels <= 255:
            raise ParameterError(f"a sound has 1 to 255 channels, not {channels}")
        self.book = read_book(codebook)
        count = max(1, min(-(-rate // self.book.frame), _MOST_SEGMENT // (256 * channels)))
        self._header = Header(rate, channels, self.book.frame, count)
        self.header = self._header.pack()
        self.frames = 0
        self.check = 0
        self._waiting: list[np.ndarray] = []
        self._held = 0
        self._units = _unit_vectors(self.book)

    def write(self, samples: np.ndarray) -> list[bytes]:
        """Take in float32 samples (n, channels); return the segments finished by them."""
        self._waiting.append(np.asarray(samples, np.float32) * np.float32(32768))
        self._held += len(samples)
        self.frames += len(samples)
        size = self._header.segment_frames
        if self._held < size:
            return []
        held = np.concatenate(self._waiting)
        whole = len(held) // size * size
        self._waiting, self._held = [held[whole:]], len(held) - whole
        return [self._segment(held[start : start + size]) for start in range(0, whole, size)]

    def finish(self) -> list[bytes]:
        """Return the last segment, if there is one."""
        if not self._held:
            return []
        rest = np.concatenate(self._waiting)
        self._waiting, self._held = [], 0
        return [self._segment(rest)]

    def _segment(self, samples: np.ndarray) -> bytes:
        header, book = self._header, self.book
        count = -(-len(samples) // header.frame)
        padded = np.pad(samples, ((0, count * header.frame - len(samples)), (0, 0)))
        vectors = _to_vectors(padded, header)
        shapes, gains = _nearest(vectors, book, self._units)
        decoded = _from_vectors(reconstruct(book, shapes, gains), header)[: len(samples)]
        self.check = container.sample_check(decoded.astype("<i2").tobytes(), start=self.check)
        return b"".join(
            (
                pack_varint(count),
                pack_indices(shapes, book.shape_bits),
                pack_indices(gains, book.gain_bits),
            )
        )


class Decoder:
    """Turns segments into samples; see the module for the errors.

    Attributes
    ----------
    rate, channels, segment_frames : int
    exact : bool
        Every decoder yields the same samples, to the last bit of 16.
    """

    exact = True

    def __init__(self, header: bytes, codebook: Codebook | None) -> None:
        self._header = Header.unpack(header)
        if codebook is None:
            raise CodebookError("the frames codec needs a codebook")
        self.book = read_book(codebook)
        if self.book.frame != self._header.frame:
            raise FormatError("the frames of the sound and of its codebook differ in length")
        self.rate = self._header.rate
        self.channels = self._header.channels
        self.segment_frames = self._header.segment_frames

    def decode(self, segment: bytes, previous: bytes | None = None) -> np.ndarray:
        """Return the float32 samples (n, channels) of a segment; no other one is needed."""
        header, book = self._header, self.book
        reader = ByteReader(segment, "segment")
        count = reader.varint(header.count)
        total = count * header.channels
        shapes = _indices(reader, total, book.shape_bits, len(book.shapes))
        gains = _indices(reader, total, book.gain_bits, len(book.gains))
        reader.finish()
        samples = _from_vectors(reconstruct(book, shapes, gains), header)
        return samples / np.float32(32768)


def _indices(reader: ByteReader, count: int, bits: int, codewords: int) -> np.ndarray:
    data = reader.take(packed_size(count, bits))
    indices = unpack_indices(data, 0, count, bits)
    check_indices(indices, codewords)
    return indices


def _to_vectors(samples: np.ndarray, header: Header) -> np.ndarray:
    """Cut whole frames: (n, channels) to (n / frame * channels, frame)."""
    cut = samples.reshape(-1, header.frame, header.channels)
    return cut.transpose(0, 2, 1).reshape(-1, header.frame)


def _from_vectors(vectors: np.ndarray, header: Header) -> np.ndarray:
    """Invert `_to_vectors`."""
    cut = vectors.reshape(-1, header.channels, header.frame)
    return cut.transpose(0, 2, 1).reshape(-1, header.channels)


def _unit_vectors(book: ShapeBook) -> np.ndarray:
    lengths = np.linalg.norm(book.shapes, axis=1, keepdims=True)
    return book.shapes / np.maximum(lengths, 1)


def _nearest(
    vectors: np.ndarray, book: ShapeBook, units: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the best shape of each vector, and the nearest gain for it."""
    from vqcodec.cluster.assign import assign

    lengths = np.linalg.norm(vectors, axis=1)
    loud = lengths > 0
    shapes = np.zeros(len(vectors), np.uint16)
    gains = np.zeros(len(vectors), np.uint8)
    if not loud.any():
        return shapes, gains
    directions = vectors[loud] / lengths[loud, None]
    shapes[loud], _ = assign(directions, units)
    chosen = book.shapes[shapes].astype(np.float64)
    energies = np.maximum(np.square(chosen).sum(1), 1)
    wanted = np.einsum("nd,nd->n", vectors, chosen) / energies * (1 << SHIFT)
    middles = (book.gains[1:] + book.gains[:-1].astype(np.float64)) / 2
    gains[:] = np.searchsorted(middles, wanted)
    return shapes, gains
