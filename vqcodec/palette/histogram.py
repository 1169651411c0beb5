"""The distinct colours of images with their counts, exactly, and coarser cells of them.

A pixel is packed into one 32-bit integer, alpha in the top byte; packed
pixels are sorted and counted band by band, which needs no tables of
2**24 or 2**32 entries and little memory. NumPy alone does it at memory speed.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

BAND = 1 << 20  # pixels that are packed and sorted at a time
_PENDING = 2  # histograms of bands that wait to be merged: they take memory
OPAQUE = np.uint32(0xFF000000)


@dataclass(frozen=True, eq=False)
class Histogram:
    """Distinct colours, ascending by their packed value, and how many pixels have each."""

    packed: np.ndarray  # (n,) uint32
    counts: np.ndarray  # (n,) float32

    def __len__(self) -> int:
        return len(self.packed)

    @functools.cached_property
    def rgba(self) -> np.ndarray:
        """The colours, (n, 4) uint8."""
        return unpack(self.packed)

    @property
    def opaque(self) -> bool:
        """Whether no colour is transparent in any degree."""
        return len(self) == 0 or int(self.packed[0]) >= int(OPAQUE)


def pack(pixels: np.ndarray) -> np.ndarray:
    """Pack pixels (..., 3 or 4) of uint8 into uint32: alpha, red, green, blue from the top."""
    packed = np.left_shift(pixels[..., 0], 16, dtype=np.uint32)
    packed |= np.left_shift(pixels[..., 1], 8, dtype=np.uint32)
    packed |= pixels[..., 2]
    packed |= (
        np.left_shift(pixels[..., 3], 24, dtype=np.uint32) if pixels.shape[-1] == 4 else OPAQUE
    )
    return packed


def unpack(packed: np.ndarray) -> np.ndarray:
    """Invert `pack`: (..., 4) uint8 in the order red, green, blue, alpha."""
    rgba = np.empty((*packed.shape, 4), np.uint8)
    for channel, shift in enumerate((16, 8, 0, 24)):
        np.right_shift(packed, shift, out=rgba[..., channel], casting="unsafe")
    return rgba


def bands(pixels: np.ndarray) -> Iterable[slice]:
    """Yield slices of rows of an image that hold about `BAND` pixels each."""
    rows = max(1, BAND // max(1, pixels.shape[1]))
    for top in range(0, pixels.shape[0], rows):
        yield slice(top, top + rows)


def count_colors(images: Iterable[np.ndarray], merge_transparent: bool = True) -> Histogram:
    """Count the distinct colours of images.

    Parameters
    ----------
    images : iterable of (height, width, 3 or 4) ndarrays of uint8
    merge_transparent : bool
        Count all fully transparent pixels as one colour, transparent black.
    """
    total = Histogram(np.empty(0, np.uint32), np.empty(0, np.float32))
    pending: list[Histogram] = []
    for image in images:
        for rows in bands(image):
            packed = pack(image[rows]).ravel()
            if merge_transparent and image.shape[-1] == 4:
                packed[packed < 1 << 24] = 0
            packed.sort()
            first = np.flatnonzero(np.concatenate(([True], packed[1:] != packed[:-1])))
            counts = np.diff(first, append=len(packed))
            pending.append(Histogram(packed[first], counts.astype(np.float32)))
            if len(pending) == _PENDING:
                total, pending = merge([total, *pending]), []
    return merge([total, *pending])


def merge(parts: list[Histogram]) -> Histogram:
    """Return the histogram of several together."""
    parts = [part for part in parts if len(part)]
    if len(parts) <= 1:
        return parts[0] if parts else Histogram(np.empty(0, np.uint32), np.empty(0, np.float32))
    packed = np.concatenate([part.packed for part in parts])
    order = np.argsort(packed, kind="stable")
    packed = packed[order]
    counts = np.concatenate([part.counts for part in parts])[order]
    first = np.flatnonzero(np.concatenate(([True], packed[1:] != packed[:-1])))
    return Histogram(packed[first], np.add.reduceat(counts, first, dtype=np.float32))


def lookup(image: np.ndarray, histogram: Histogram, labels: np.ndarray) -> np.ndarray:
    """Return the label, (height, width), of every pixel's colour, by binary search."""
    out = np.empty(image.shape[:2], labels.dtype)
    for rows in bands(image):
        packed = pack(image[rows])
        if len(histogram) and histogram.packed[0] == 0:
            packed[packed < 1 << 24] = 0  # as they were counted
        out[rows] = labels[np.searchsorted(histogram.packed, packed)]
    return out


def group_cells(histogram: Histogram, points: np.ndarray, wanted: int) -> tuple[np.ndarray, ...]:
    """Group colours into cells: 5 bits a channel (alpha: one less), or more until enough.

    Parameters
    ----------
    histogram : Histogram
    points : (n, 4) ndarray of float32
        The colours as points.
    wanted : int
        The least number of cells, if there are so many colours.

    Returns
    -------
    cells : (n,) ndarray of int32
        The cell of each colour, numbered without gaps.
    means : (m, 4) ndarray of float32
        The weighted means of the points in each cell.
    weights : (m,) ndarray of float32
    """
    for bits in (5, 6, 7):
        codes = _cell_codes(histogram, bits)
        used = np.zeros(int(codes.max()) + 1, bool)
        used[codes] = True
        if np.count_nonzero(used) >= wanted:
            break
    return group(codes, points, histogram.counts)


def group(codes: np.ndarray, points: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, ...]:
    """Group weighted points by their codes; return what `group_cells` returns."""
    used = np.zeros(int(codes.max()) + 1, bool)
    used[codes] = True
    cells = (np.cumsum(used, dtype=np.int32) - 1)[codes]
    mass = np.bincount(cells, weights)
    means = np.empty((len(mass), 4), np.float32)
    for c in range(4):
        means[:, c] = np.bincount(cells, weights * points[:, c]) / mass
    return cells, means, mass.astype(np.float32)


def _cell_codes(histogram: Histogram, bits: int) -> np.ndarray:
    packed, drop = histogram.packed, 8 - bits
    mask = np.uint32((1 << bits) - 1)
    codes = packed >> drop & mask
    codes |= (packed >> (8 + drop) & mask) << bits
    codes |= (packed >> (16 + drop) & mask) << 2 * bits
    if not histogram.opaque:
        codes |= packed >> (32 - bits + 1) << 3 * bits
    return codes
