"""Cells of 6 bits a channel: the colours of photographs, coarsely and exactly.

An opaque image of many colours is counted into 2**18 cells in one pass. Their means
are enough to choose a palette for dithering. A second pass counts the 64 colours of
each cell in use, which is several times as fast as sorting the pixels; the same
tables then lead from a pixel to the entry of its colour.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence

import numpy as np

from vqcodec import color
from vqcodec.jit import njit
from vqcodec.palette.histogram import OPAQUE, Histogram, group
from vqcodec.palette.space import WHITE, Space, alpha_weight

F = np.float32
CELLS = 1 << 18
FINE = 64  # colours of a cell
_U2, _U6, _U12 = np.uint64(2), np.uint64(6), np.uint64(12)
_LOW = np.uint64(3)


@njit(_nrt=False)
def _count(pixels: np.ndarray, table: np.ndarray) -> None:
    """Add to each cell its pixels, and the sums of the low bits of their channels."""
    for i in range(np.uint64(pixels.shape[0])):
        r, g, b = np.uint64(pixels[i, 0]), np.uint64(pixels[i, 1]), np.uint64(pixels[i, 2])
        cell = (r >> _U2) << _U12 | (g >> _U2) << _U6 | b >> _U2
        table[cell, 0] += np.uint32(1)
        table[cell, 1] += np.uint32(r & _LOW)
        table[cell, 2] += np.uint32(g & _LOW)
        table[cell, 3] += np.uint32(b & _LOW)


@njit(_nrt=False)
def _count_fine(pixels: np.ndarray, first: np.ndarray, counts: np.ndarray) -> None:
    """Count each colour; those of a cell begin at ``first[cell]``."""
    for i in range(np.uint64(pixels.shape[0])):
        r, g, b = np.uint64(pixels[i, 0]), np.uint64(pixels[i, 1]), np.uint64(pixels[i, 2])
        cell = (r >> _U2) << _U12 | (g >> _U2) << _U6 | b >> _U2
        low = (r & _LOW) << np.uint64(4) | (g & _LOW) << _U2 | b & _LOW
        counts[np.uint64(first[cell]) + low] += np.uint32(1)


@njit(_nrt=False)
def _list_colors(
    counts: np.ndarray,
    corners: np.ndarray,
    packed: np.ndarray,
    weights: np.ndarray,
    places: np.ndarray,
) -> None:
    """List the colours that were counted: packed, their counts, and where they stand."""
    n = np.uint64(0)
    for i in range(np.uint64(corners.shape[0])):
        for low in range(np.uint64(FINE)):
            place = i * np.uint64(FINE) + low
            if counts[place] > 0:
                inside = (low >> np.uint64(4)) << np.uint64(16) | low & _LOW
                inside |= (low >> _U2 & _LOW) << np.uint64(8)
                packed[n] = np.uint64(corners[i]) | inside
                weights[n] = counts[place]
                places[n] = place
                n += np.uint64(1)


@njit(_nrt=False)
def _paint(pixels: np.ndarray, first: np.ndarray, entries: np.ndarray, out: np.ndarray) -> None:
    """Give each pixel the entry of its colour."""
    for i in range(np.uint64(pixels.shape[0])):
        r, g, b = np.uint64(pixels[i, 0]), np.uint64(pixels[i, 1]), np.uint64(pixels[i, 2])
        cell = (r >> _U2) << _U12 | (g >> _U2) << _U6 | b >> _U2
        low = (r & _LOW) << np.uint64(4) | (g & _LOW) << _U2 | b & _LOW
        out[i] = entries[np.uint64(first[cell]) + low]


class Cells:
    """The cells that hold colours of some opaque images, (height, width, 3) uint8.

    Attributes
    ----------
    codes : (n,) ndarray of int64
        The upper 6 bits of red, green and blue, ascending.
    weights : (n,) ndarray of float32
        Pixels in each.
    means : (n, 3) ndarray of float32
        Mean colours, 0 to 255.
    """

    def __init__(self, images: Sequence[np.ndarray]) -> None:
        self.images = images
        table = np.zeros((CELLS, 4), np.uint32)
        for image in images:
            _count(image.reshape(-1, 3), table)
        self.codes = np.flatnonzero(table[:, 0])
        sums = table[self.codes].astype(np.float64)
        means = sums[:, 1:] / sums[:, :1] + self._corners()
        self.weights, self.means = sums[:, 0].astype(np.float32), means.astype(np.float32)

    def __len__(self) -> int:
        return len(self.codes)

    def _corners(self) -> np.ndarray:
        """Return the lowest colour of each cell, (n, 3)."""
        codes = self.codes
        return np.stack([codes >> 12, codes >> 6 & 63, codes & 63], axis=1) << 2

    def points(self, space: Space) -> np.ndarray:
        """Return the points, (n, 4) float32, of the mean colours."""
        points = np.empty((len(self), 4), np.float32)
        if space is Space.OKLAB:
            levels = color.srgb_to_linear(np.arange(256, dtype=np.uint8)).astype(np.float32)
            steps = np.append(np.diff(levels), F(0))
            below = self.means.astype(np.intp)
            linear = levels[below] + steps[below] * (self.means - below).astype(np.float32)
            points[:, :3] = color.linear_to_oklab(linear)
        else:
            points[:, :3] = self.means / F(255)
        points[:, :3] -= (WHITE[space] / 2).astype(np.float32)
        points[:, 3] = alpha_weight(space)
        return points

    def group(self, points: np.ndarray) -> tuple[np.ndarray, ...]:
        """Group the cells, given their points, into those of 5 bits; see `histogram.group`."""
        codes = self.codes >> 1
        return group(codes >> 12 << 10 | (codes >> 6 & 31) << 5 | codes & 31, points, self.weights)

    @functools.cached_property
    def _first(self) -> np.ndarray:
        first = np.zeros(CELLS, np.int32)
        first[self.codes] = np.arange(0, FINE * len(self), FINE)
        return first

    @functools.cached_property
    def _fine(self) -> tuple[Histogram, np.ndarray]:
        """All colours, cell by cell, and their places among those that the cells could hold."""
        counts = np.zeros(FINE * len(self), np.uint32)
        for image in self.images:
            _count_fine(image.reshape(-1, 3), self._first, counts)
        n = int(np.count_nonzero(counts))
        packed, weights = np.empty(n, np.uint32), np.empty(n, np.float32)
        places = np.empty(n, np.int32)
        corners = self._corners() @ np.array([1 << 16, 1 << 8, 1]) | int(OPAQUE)
        _list_colors(counts, corners.astype(np.uint32), packed, weights, places)
        return Histogram(packed, weights), places

    @property
    def histogram(self) -> Histogram:
        """All colours, cell by cell."""
        return self._fine[0]

    @property
    def owners(self) -> np.ndarray:
        """The number of the cell, (m,), of each colour of the histogram."""
        return self._fine[1] >> 6

    def paint(self, image: np.ndarray, labels: np.ndarray) -> np.ndarray:
        """Return the indices, (height, width) uint8, of one of the images.

        `labels` (m,) uint8 are the entries of the colours of the histogram.
        """
        entries = np.zeros(FINE * len(self), np.uint8)
        entries[self._fine[1]] = labels
        out = np.empty(image.shape[:2], np.uint8)
        _paint(image.reshape(-1, 3), self._first, entries, out.reshape(-1))
        return out
