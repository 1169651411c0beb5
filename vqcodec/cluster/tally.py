# mypy: disable-error-code="no-untyped-def"
"""Equal points counted once: above all colours, 8-bit vectors of up to three dimensions.

A photograph has far fewer colours than pixels, and k-means on distinct colours
with their counts as weights is k-means on all pixels. The distinct colours
come out along a Morton curve, so that neighbours in the array are neighbours
in space and `vqcodec.cluster.colours` can leave out most codewords for whole
cells of them.

Points are first dealt out to bins of 2^15 Morton codes. What follows then stays
within a small part of memory, bin by bin, which is what makes it fast.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vqcodec.jit import njit

_FEW = 1024  # points that any sorting is quick for
_BINS, _BIN_CODES = 512, 1 << 15
_BIN_WORDS = _BIN_CODES // 64  # of a bit map
_MOST_LABELS = 1 << 16
# Nine bits of a Morton code, and the three bits of each coordinate in them.
_GATHER = np.array(
    [[sum((c >> 3 * b + j & 1) << b for b in range(3)) for j in range(3)] for c in range(512)],
    np.uint8,
)


@dataclass(frozen=True)
class Tally:
    """Distinct points with their multiplicity.

    Attributes
    ----------
    points : (u, d) float array, in lexicographic order
    weights : (u,) float64
    inverse : (n,) int32
        Which distinct point each original point is.
    """

    points: np.ndarray
    weights: np.ndarray
    inverse: np.ndarray

    def expand(self, labels: np.ndarray) -> np.ndarray:
        """Return the labels of the original points, given those of the distinct ones."""
        return labels[self.inverse]


@dataclass(frozen=True)
class ColourTally:
    """Distinct colours, of two or three dimensions, with their multiplicity, along a Morton curve.

    Attributes
    ----------
    points : (u, d) uint8, in Fortran order
    weights : (u,) float64
    codes : (n,) int32
        The Morton code of each original point.
    dealt : (n,) uint16
        The original points sorted by bins; which colour of its bin each is.
    ends : (512,) int64
        Where each bin ends in `dealt`.
    before : (513,) int64
        How many colours come before each bin.
    """

    points: np.ndarray
    weights: np.ndarray
    codes: np.ndarray
    dealt: np.ndarray
    ends: np.ndarray
    before: np.ndarray

    def expand(self, labels: np.ndarray) -> np.ndarray:
        """Return the labels of the original points, once: they take the place of `codes`."""
        _collect(labels, self.dealt, self.ends, self.before, self.codes)
        return self.codes


def tally(points: np.ndarray, weights: np.ndarray | None, k: int) -> Tally | ColourTally | None:
    """Count equal points where this is worth while for `k` codewords, None where it is not.

    Many points are counted if they are 8-bit integers in up to 3 dimensions.
    Few points always are, in lexicographic order: then neither their order nor
    whether a point comes twice or weighs double makes any difference.
    """
    if len(points) <= _FEW:
        return tally_few(points, weights)
    if points.dtype != np.float32 or points.shape[1] > 3:
        return None
    if k > _MOST_LABELS or len(points) >= 2**31:
        return None
    return (
        _tally_levels(points, weights) if points.shape[1] == 1 else _tally_colours(points, weights)
    )


def _tally_levels(points: np.ndarray, weights: np.ndarray | None) -> Tally | None:
    """Count numbers of 8 bits."""
    if not _are_colours(points):
        return None
    levels = points.reshape(-1).astype(np.uint8)
    mass = np.bincount(levels, weights, minlength=256).astype(np.float64)
    present = np.bincount(levels, minlength=256) > 0
    numbers = (np.cumsum(present) - 1).astype(np.int32)
    return Tally(
        np.flatnonzero(present)[:, None].astype(np.float32), mass[present], numbers[levels]
    )


def tally_few(points: np.ndarray, weights: np.ndarray | None) -> Tally | None:
    """Count equal points, in lexicographic order; None if there are too many to bother."""
    if len(points) > _FEW:
        return None
    distinct, inverse = np.unique(points, axis=0, return_inverse=True)
    inverse = inverse.reshape(-1).astype(np.int32)
    return Tally(distinct, np.bincount(inverse, weights).astype(np.float64), inverse)


def _tally_colours(points: np.ndarray, weights: np.ndarray | None) -> ColourTally | None:
    from vqcodec.cluster.parallel import chunk_ranges, run_chunks

    if not _are_colours(points[:_FEW]):
        return None
    codes = np.empty(len(points), np.int32)

    def work(_: int, start: int, stop: int) -> np.ndarray | None:
        if not _are_colours(points[start:stop]):
            return None
        return _interleave(points[start:stop], codes[start:stop])

    bins = []
    for counted in run_chunks(work, chunk_ranges(len(points))):
        if counted is None:
            return None
        bins.append(counted)
    ends = np.cumsum(np.sum(bins, axis=0))
    dealt = np.empty(len(points), np.uint16)
    _deal(codes, ends, dealt)
    before = np.zeros(_BINS + 1, np.int64)
    present = np.zeros((_BINS, _BIN_WORDS), np.uint64)
    _mark(dealt, ends, present, before)
    distinct = np.empty((before[-1], points.shape[1]), np.uint8, order="F")
    mass = np.zeros(len(distinct))
    _number(dealt, ends, present, before, distinct, mass)
    if weights is not None:
        mass[:] = 0.0
        _weigh(codes, weights, dealt, ends, before, mass)
    return ColourTally(distinct, mass, codes, dealt, ends, before)


@njit(error_model="numpy")
def _are_colours(points):
    """Say whether all values are 8-bit integers."""
    wrong = np.int32(0)
    values = points.reshape(-1)
    for i in range(np.uint64(values.shape[0])):
        level = np.int32(values[i])
        wrong |= (level & np.int32(-256)) | np.int32(np.float32(level) != values[i])
    return wrong == 0


@njit(error_model="numpy")
def _spread(value):
    """Move the bits of an 8-bit value two apart, so that three values interleave."""
    level = np.int32(value)
    level = (level | (level << np.int32(8))) & np.int32(0x00F00F)
    level = (level | (level << np.int32(4))) & np.int32(0x0C30C3)
    return (level | (level << np.int32(2))) & np.int32(0x249249)


@njit(error_model="numpy")
def _interleave(points, codes):
    """Write the Morton code of every point; return how many there are in each bin."""
    values = points.reshape(-1)
    if points.shape[1] == 3:
        for i in range(np.uint64(codes.shape[0])):
            a, b, c = values[3 * i], values[3 * i + 1], values[3 * i + 2]
            codes[i] = _spread(a) | (_spread(b) << np.int32(1)) | (_spread(c) << np.int32(2))
    else:
        for i in range(np.uint64(codes.shape[0])):
            codes[i] = _spread(values[2 * i]) | (_spread(values[2 * i + 1]) << np.int32(1))
    bins = np.zeros(_BINS, np.int64)
    for i in range(np.uint64(codes.shape[0])):
        bins[np.uint32(codes[i]) >> np.uint32(15)] += 1
    return bins


@njit(error_model="numpy")
def _deal(codes, ends, dealt):
    """Sort the codes by bins, keeping of each what it is within its bin."""
    at = np.zeros(_BINS, np.uint32)
    for b in range(1, _BINS):
        at[b] = ends[b - 1]
    for i in range(np.uint64(codes.shape[0])):
        code = np.uint32(codes[i])
        place = code >> np.uint32(15)
        dealt[at[place]] = code & np.uint32(_BIN_CODES - 1)
        at[place] += np.uint32(1)


@njit
def _ones(word):
    """Return how many bits of a 64-bit word are set."""
    word = word - ((word >> np.uint64(1)) & np.uint64(0x5555555555555555))
    pairs = np.uint64(0x3333333333333333)
    word = (word & pairs) + ((word >> np.uint64(2)) & pairs)
    word = (word + (word >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    return np.int64((word * np.uint64(0x0101010101010101)) >> np.uint64(56))


@njit
def _lowest(word):
    """Return the position of the lowest bit set."""
    return _ones((word & (~word + np.uint64(1))) - np.uint64(1))


@njit(error_model="numpy")
def _mark(dealt, ends, present, before):
    """Set the bits of the codes that occur, and sum up how many these are."""
    at = 0
    for b in range(_BINS):
        for i in range(np.uint64(at), np.uint64(ends[b])):
            present[b, dealt[i] >> 6] |= np.uint64(1) << np.uint64(dealt[i] & 63)
        at = ends[b]
        before[b + 1] = before[b]
        for w in range(_BIN_WORDS):
            before[b + 1] += _ones(present[b, w])


@njit(error_model="numpy")
def _number(dealt, ends, present, before, distinct, mass):
    """Write the colours and how often they occur; number those of each bin in `dealt`."""
    counts, numbers = np.empty(_BIN_CODES, np.int32), np.empty(_BIN_CODES, np.uint16)
    at = 0
    for b in range(_BINS):
        if ends[b] == at:
            continue
        counts[:] = 0
        for i in range(np.uint64(at), np.uint64(ends[b])):
            counts[dealt[i]] += np.int32(1)
        rank = before[b]
        for w in range(_BIN_WORDS):
            word = present[b, w]
            while word:
                low = w << 6 | _lowest(word)
                word &= word - np.uint64(1)
                for j in range(distinct.shape[1]):
                    high = _GATHER[b, j] << 5 | _GATHER[low >> 9, j] << 3
                    distinct[rank, j] = high | _GATHER[low & 511, j]
                mass[rank] = counts[low]
                numbers[low] = rank - before[b]
                rank += 1
        for i in range(np.uint64(at), np.uint64(ends[b])):
            dealt[i] = numbers[dealt[i]]
        at = ends[b]


@njit(error_model="numpy")
def _weigh(codes, weights, dealt, ends, before, mass):
    """Add up the weights of each colour."""
    at = np.zeros(_BINS, np.int64)
    at[1:] = ends[:-1]
    for i in range(codes.shape[0]):
        b = codes[i] >> 15
        mass[before[b] + dealt[at[b]]] += weights[i]
        at[b] += 1


@njit(error_model="numpy")
def _collect(labels, dealt, ends, before, codes):
    """Label what was dealt out, and put the labels back in the place of the codes."""
    at = np.zeros(_BINS, np.uint32)
    for b in range(_BINS):
        first = 0 if b == 0 else ends[b - 1]
        at[b] = first
        for i in range(np.uint64(first), np.uint64(ends[b])):
            dealt[i] = labels[np.uint64(before[b]) + dealt[i]]
    for i in range(np.uint64(codes.shape[0])):
        place = np.uint32(codes[i]) >> np.uint32(15)
        codes[i] = dealt[at[place]]
        at[place] += np.uint32(1)
