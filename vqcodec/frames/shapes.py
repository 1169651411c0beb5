"""The codebook of the frames codec: integer shapes times a table of gains.

A frame of samples is ``(gain * shape + 64) >> 7``, clipped to 16 bits. Shapes
are unit vectors in 1/127; gains rise by equal factors, so that the steps are
equally audible at every level, and the first one is zero: silence. Both are
integers that stand in the codebook, so decoders agree to the last bit.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vqcodec.bitpacking import index_bits
from vqcodec.codebook import Codebook
from vqcodec.errors import FormatError
from vqcodec.frames.options import MOST_CODEWORDS, MOST_FRAME

UNIT = 127  # a component of 1 in a stored shape
SHIFT = 7
_MOST_GAIN = 1 << 23  # times 128 is still an int32
_FULL_SCALE = 32768


@dataclass(frozen=True)
class ShapeBook:
    """Shapes and gains, checked.

    Attributes
    ----------
    shapes : (K, frame) ndarray of int32
    gains : (G,) ndarray of int32
        Ascending, the first one 0.
    """

    shapes: np.ndarray
    gains: np.ndarray

    @property
    def frame(self) -> int:
        """Samples of a frame."""
        return self.shapes.shape[1]

    @property
    def shape_bits(self) -> int:
        return index_bits(len(self.shapes))

    @property
    def gain_bits(self) -> int:
        return index_bits(len(self.gains))

    @property
    def bits_per_sample(self) -> float:
        return (self.shape_bits + self.gain_bits) / self.frame


def read_book(codebook: Codebook) -> ShapeBook:
    """Return shapes and gains of a `Codebook` of kind ``frames``; illegal ones are refused."""
    codebook.require("frames")
    shapes, gains = codebook.array("codewords"), codebook.array("gains")
    if shapes.dtype != np.int8 or shapes.ndim != 2 or gains.dtype != np.int32 or gains.ndim != 1:
        raise FormatError("the arrays of the codebook are not those of the frames codec")
    if not (1 <= len(shapes) <= MOST_CODEWORDS and 1 <= shapes.shape[1] <= MOST_FRAME):
        raise FormatError("the codebook has an illegal number of codewords or samples")
    if not 1 <= len(gains) <= 256 or gains[0] != 0 or gains[-1] > _MOST_GAIN:
        raise FormatError("the gains of the codebook are illegal")
    if (np.diff(gains.astype(np.int64)) <= 0).any():
        raise FormatError("the gains of the codebook do not ascend")
    return ShapeBook(shapes.astype(np.int32), gains)


def write_book(units: np.ndarray, gain_bits: int, provenance: str = "") -> Codebook:
    """Return the `Codebook` of unit vectors (K, frame) and ``2**gain_bits`` gains."""
    shapes = np.unique(np.rint(units * UNIT).astype(np.int8), axis=0)
    frame = shapes.shape[1]
    config = {"transform": "none", "shape": [frame], "unit": UNIT}
    arrays = {"codewords": shapes, "gains": gain_table(frame, gain_bits)}
    return Codebook("frames", config, arrays, provenance)


def gain_table(frame: int, gain_bits: int) -> np.ndarray:
    """Return 0 and gains from a frame of full scale down to one of the last bit, in equal steps."""
    low = np.sqrt(frame) * (1 << SHIFT) / UNIT
    steps = (1 << gain_bits) - 2
    gains = np.rint(low * float(_FULL_SCALE) ** (np.arange(steps + 1) / steps))
    return np.concatenate(([0], np.unique(gains))).astype(np.int32)


def reconstruct(book: ShapeBook, shapes: np.ndarray, gains: np.ndarray) -> np.ndarray:
    """Return the samples (n, frame) of int16 for n shape and gain indices in range."""
    products = book.shapes[shapes] * book.gains[gains][:, None]
    return np.clip((products + (1 << (SHIFT - 1))) >> SHIFT, -32768, 32767).astype(np.int16)
