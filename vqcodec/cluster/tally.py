# mypy: disable-error-code="no-untyped-def"
"""Equal points counted once: above all colours, 8-bit vectors of up to three dimensions.

A photograph has far fewer colours than pixels, and k-means on distinct colours
with their counts as weights is k-means on all pixels. The distinct colours
come out along a Morton curve, so that neighbours in the array are neighbours
in space and the search can leave out most codewords for whole blocks of them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vqcodec.jit import njit

_FEW = 1024  # points that any sorting is quick for
# The bits of an 8-bit value, two apart, so that three values interleave to 24 bits.
_SPREAD = np.array([sum((v >> b & 1) << 3 * b for b in range(8)) for v in range(256)], np.int32)
# The other way round, for 9 bits of a code and each of its coordinates.
_GATHER = np.array(
    [[sum((c >> 3 * b + j & 1) << b for b in range(3)) for j in range(3)] for c in range(512)],
    np.int32,
)


@dataclass(frozen=True)
class Tally:
    """Distinct points with their multiplicity.

    Attributes
    ----------
    points : (u, d) float32
    weights : (u,) float64
    inverse : (n,) int32
        Which distinct point each original point is.
    ordered : bool
        Whether neighbours in the array are neighbours in space.
    """

    points: np.ndarray
    weights: np.ndarray
    inverse: np.ndarray
    ordered: bool

    def expand(self, labels: np.ndarray) -> np.ndarray:
        """Return the labels of the original points, given those of the distinct ones."""
        return _expand(labels, self.inverse)


def tally(points: np.ndarray, weights: np.ndarray | None) -> Tally | None:
    """Count equal points where this is worth while, None where it is not.

    Many points are counted if they are 8-bit integers in up to 3 dimensions.
    Few points always are, in lexicographic order: then neither their order nor
    whether a point comes twice or weighs double makes any difference.
    """
    if len(points) <= _FEW:
        return tally_few(points, weights)
    if points.dtype != np.float32 or points.shape[1] > 3 or len(points) >= 2**31:
        return None
    codes = np.empty(len(points), np.int32)
    if not _interleave(points, codes):
        return None
    distinct, mass = _count(codes, np.empty(0) if weights is None else weights, points.shape[1])
    return Tally(distinct, mass, codes, ordered=True)


def tally_few(points: np.ndarray, weights: np.ndarray | None) -> Tally | None:
    """Count equal points, in lexicographic order; None if there are too many to bother."""
    if len(points) > _FEW:
        return None
    distinct, inverse = np.unique(points, axis=0, return_inverse=True)
    inverse = inverse.reshape(-1).astype(np.int32)
    return Tally(distinct, np.bincount(inverse, weights).astype(np.float64), inverse, ordered=False)


@njit
def _expand(labels, inverse):
    expanded = np.empty(inverse.shape[0], labels.dtype)
    for i in range(inverse.shape[0]):
        expanded[i] = labels[inverse[i]]
    return expanded


@njit
def _interleave(points, codes):
    """Write the Morton code of every point; return whether they all are 8-bit integers."""
    for i in range(points.shape[0]):
        code = 0
        for j in range(points.shape[1]):
            value = points[i, j]
            if not (0 <= value <= 255):
                return False
            level = np.int64(value)
            if value != level:
                return False
            code |= _SPREAD[level] << j
        codes[i] = code
    return True


@njit
def _ones(word):
    """Return how many bits of a 64-bit word are set."""
    word = word - ((word >> np.uint64(1)) & np.uint64(0x5555555555555555))
    pairs = np.uint64(0x3333333333333333)
    word = (word & pairs) + ((word >> np.uint64(2)) & pairs)
    word = (word + (word >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    return np.int64((word * np.uint64(0x0101010101010101)) >> np.uint64(56))


@njit
def _count(codes, weights, dimensions):
    """Mark every code in a bit map, whose set bits then number the distinct codes in order.

    Returns the distinct points and their weights; the number of its distinct
    point takes the place of every code.
    """
    present = np.zeros(1 << 18, np.uint64)
    for code in codes:
        present[code >> 6] |= np.uint64(1) << np.uint64(code & 63)
    before = np.empty(present.shape[0], np.int32)
    found = 0
    for w in range(present.shape[0]):
        before[w] = found
        found += _ones(present[w])
    distinct, mass = np.empty((found, dimensions), np.float32), np.zeros(found)
    corner = np.zeros(3, np.int32)
    at = 0
    for w in range(present.shape[0]):
        word = present[w]
        if w & 7 == 0:  # eight words make a cell of 8 x 8 x 8 colours
            for j in range(dimensions):
                corner[j] = _GATHER[w >> 12, j] << 6 | _GATHER[w >> 3 & 511, j] << 3
        while word:
            bit = _ones((word & (~word + np.uint64(1))) - np.uint64(1))  # the lowest one set
            word &= word - np.uint64(1)
            low = (w & 7) << 6 | bit
            for j in range(dimensions):
                distinct[at, j] = corner[j] + _GATHER[low, j]
            at += 1
    for i in range(codes.shape[0]):
        code = codes[i]
        lower = (np.uint64(1) << np.uint64(code & 63)) - np.uint64(1)
        rank = before[code >> 6] + _ones(present[code >> 6] & lower)
        mass[rank] += weights[i] if weights.shape[0] > 0 else 1.0
        codes[i] = rank
    return distinct, mass
