# mypy: disable-error-code="no-untyped-def"
"""Equal points counted once: above all colours, 8-bit vectors of up to three dimensions.

A photograph has far fewer colours than pixels, and k-means on distinct colours
with their counts as weights is k-means on all pixels. The distinct colours
come out ordered cell by cell along a Morton curve, so that neighbours in the
array are neighbours in space and the search can leave out most codewords for
whole blocks of them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vqcodec.jit import njit

_FEW = 1024  # points that any sorting is quick for
_PLACE_BITS = 9  # of 24: cells of 8 x 8 x 8 colours
_PLACES, _CELLS = 1 << _PLACE_BITS, 1 << (24 - _PLACE_BITS)
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
def _coordinate(code, j):
    """Return coordinate j of a Morton code."""
    high, middle, low = _GATHER[code >> 18, j], _GATHER[code >> 9 & 511, j], _GATHER[code & 511, j]
    return high << 6 | middle << 3 | low


@njit
def _count(codes, weights, dimensions):
    """Sort codes into cells by counting, then tally each cell in a small table.

    Returns the distinct points and their weights; the index of its distinct
    point takes the place of every code.
    """
    fill = np.zeros(_CELLS + 1, np.int64)
    for code in codes:
        fill[code // _PLACES + 1] += 1
    fill = np.cumsum(fill)
    order, places = np.empty(codes.shape[0], np.int32), np.empty(codes.shape[0], np.uint16)
    for i in range(codes.shape[0]):
        cell = codes[i] // _PLACES
        order[fill[cell]], places[fill[cell]] = i, codes[i] % _PLACES
        fill[cell] += 1
    # Now fill[cell] is the end of the cell.
    present, rank = np.zeros(_PLACES, np.float64), np.empty(_PLACES, np.int32)
    room = min(codes.shape[0], 1 << 24)
    distinct, mass = np.empty((room, dimensions), np.float32), np.empty(room)
    found, start = 0, 0
    for cell in range(_CELLS):
        stop = fill[cell]
        if stop == start:
            continue
        present[:] = -1.0
        for at in range(start, stop):
            weight = weights[order[at]] if weights.shape[0] > 0 else 1.0
            present[places[at]] = max(present[places[at]], 0.0) + weight
        for place in range(_PLACES):
            if present[place] >= 0.0:
                rank[place] = found
                mass[found] = present[place]
                for j in range(dimensions):
                    distinct[found, j] = _coordinate(cell * _PLACES + place, j)
                found += 1
        for at in range(start, stop):
            codes[order[at]] = rank[places[at]]
        start = stop
    return distinct[:found].copy(), mass[:found].copy()
