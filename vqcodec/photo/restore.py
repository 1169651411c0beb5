# mypy: allow-untyped-defs, no-check-untyped-defs
"""The restoration filter: after a plane is decoded, towards what it was coded from.

Each 8 x 8 block is classed by activity, dominant direction and the size of the
block that it was coded in; each class has a symmetric filter, fitted by least
squares in training, as in the adaptive loop filter of video codecs (Tsai et
al. 2013). Differences to neighbours are clipped at two heights, so that the
filter smooths noise of the quantizer and leaves edges alone. It runs outside
of the prediction loop: what is predicted from is not filtered.
"""

from __future__ import annotations

import numpy as np

from vqcodec.jit import njit
from vqcodec.photo.contexts import SIZE
from vqcodec.photo.kernel import kernel
from vqcodec.photo.planes import TOP
from vqcodec.photo.quantizer import STEP, STEPS

_PAIRS = [(0, 1), (0, 2), (0, 3), (1, -2), (1, -1), (1, 0), (1, 1), (1, 2)]
_PAIRS += [(2, -1), (2, 0), (2, 1), (3, 0)]
_REACH = 3
_DOWN = np.array([y for y, _ in _PAIRS], np.int64)
_ACROSS = np.array([x for _, x in _PAIRS], np.int64)
_ROWS = 8 + 2 * _REACH
TAPS = 2 * len(_PAIRS)
ACTIVITIES, DIRECTIONS, SIZES = 5, 5, 2
CLASSES = ACTIVITIES * DIRECTIONS * SIZES
_BIN_EDGES = [82, 100, 118, 136, 154]  # step indices
BINS = len(_BIN_EDGES) + 1
STEP_BIN = np.searchsorted(_BIN_EDGES, np.arange(STEPS), side="right").astype(np.int64)
WEIGHT_BITS = 10
U = np.uint64


@kernel("void(i2[:,::1],i8,i2[:,::1])")
def _gather_rows(plane, y, near):
    """Copy 8 rows and three on either side; the border of the plane repeats."""
    height, width = plane.shape
    for i in range(_ROWS):
        row = min(height - 1, max(0, y + i - _REACH))
        for j in range(_REACH):
            near[i, j] = plane[row, 0]
            near[i, width + _REACH + j] = plane[row, width - 1]
        for j in range(U(width)):
            near[U(i), j + U(_REACH)] = plane[U(row), j]


@kernel("void(i2[:,::1],i4[:,::1])")
def _add_differences(near, sums):
    """Sum the second differences of every other row: down, across and both diagonals."""
    for j in range(U(sums.shape[1])):
        sums[0, j] = sums[1, j] = sums[2, j] = sums[3, j] = 0
    for i in range(_REACH, _REACH + 8, 2):
        above, here, below = U(i - 1), U(i), U(i + 1)
        for j in range(U(sums.shape[1])):
            left, centre, right = j + U(_REACH - 1), j + U(_REACH), j + U(_REACH + 1)
            twice = np.int32(2) * np.int32(near[here, centre])
            a = np.int32(twice - np.int32(near[above, centre]) - np.int32(near[below, centre]))
            b = np.int32(twice - np.int32(near[here, left]) - np.int32(near[here, right]))
            c = np.int32(twice - np.int32(near[above, left]) - np.int32(near[below, right]))
            d = np.int32(twice - np.int32(near[above, right]) - np.int32(near[below, left]))
            sums[0, j] += np.int32(abs(a))
            sums[1, j] += np.int32(abs(b))
            sums[2, j] += np.int32(abs(c))
            sums[3, j] += np.int32(abs(d))


@kernel("i8(i4[:,::1],i8,i8,i8)")
def _block_class(sums, x, step, size):
    """Class of a block by its second differences."""
    down = across = falling = rising = 0
    for j in range(x, x + 8):
        down += np.int64(sums[0, j])
        across += np.int64(sums[1, j])
        falling += np.int64(sums[2, j])
        rising += np.int64(sums[3, j])
    level = ((down + across) * 100 * 16) // (32 * step)  # hundredths of a step
    activity = 0
    if level >= 60:
        activity = 4
    elif level >= 25:
        activity = 3
    elif level >= 10:
        activity = 2
    elif level >= 3:
        activity = 1
    straight, straight_less = max(down, across), min(down, across) + 6
    oblique, oblique_less = max(falling, rising), min(falling, rising) + 6
    direction = 0
    if 2 * straight >= 3 * straight_less or 2 * oblique >= 3 * oblique_less:
        if straight * oblique_less >= oblique * straight_less:
            direction = 1 if down > across else 2
        else:
            direction = 3 if falling > rising else 4
    return (activity * DIRECTIONS + direction) * SIZES + (1 if size >= 4 else 0)


def scratch(width: int) -> tuple[np.ndarray, ...]:
    """Return the working arrays of `restore_plane`."""
    return (
        np.zeros((_ROWS, width + 2 * _REACH), np.int16),  # near: eight rows and their surroundings
        np.zeros((4, width), np.int32),  # sums of differences
        np.zeros((8, width), np.int32),  # total
        np.zeros((4, width), np.int16),  # filters: fine and coarse weights of two pairs of taps
        np.zeros((2, width), np.int16),  # limits
        np.zeros((2, width), np.int64),  # places: bin and class of the filter of each block
    )


@kernel
def restore_plane(
    plane, cells, unit_offsets, step_index, weights, out,
    near, sums, total, filters, limits, places,
):  # fmt: skip
    """Filter a plane into `out`.

    Parameters
    ----------
    plane, out : (height, width) int16
    cells : (height / 4, width / 4, fields) int32
    unit_offsets : (height / 32, width / 32) int64
        Step offsets in quarter octaves.
    weights : (bins, classes, taps) int16, in 1/1024
    """
    height, width = plane.shape
    for y in range(0, height, 8):
        _gather_rows(plane, y, near)
        _add_differences(near, sums)
        for x in range(0, width, 8):
            index = step_index + 6 * unit_offsets[y >> 5, x >> 5]
            index = min(STEPS - 1, max(0, index))
            step = STEP[index]
            size = np.int64(cells[y >> 2, x >> 2, SIZE])
            places[0, x] = STEP_BIN[index]
            places[1, x] = _block_class(sums, x, step, size)
            for j in range(x, x + 8):
                limits[0, j] = step * 15 // 1600
                limits[1, j] = step * 80 // 1600
        _filter_rows(near, limits, places, weights, filters, total)
        for i in range(8):
            for j in range(U(width)):
                change = total[U(i), j] >> np.int32(WEIGHT_BITS)
                value = np.int32(near[U(i + _REACH), j + U(_REACH)] + change)
                out[U(y + i), j] = min(np.int32(TOP), max(np.int32(0), value))


@kernel("i4(i2,i2,i2,i2,i2,i2,i2)")
def _taps(centre, ahead, behind, low, high, fine, coarse):
    """Return what a pair of opposite neighbours adds to a sample."""
    a, b = np.int16(ahead - centre), np.int16(behind - centre)
    least, most = np.int16(-low), np.int16(-high)
    narrow = np.int16(min(low, max(least, a)) + min(low, max(least, b)))
    wide = np.int16(min(high, max(most, a)) + min(high, max(most, b)))
    return np.int32(
        np.int32(np.int32(fine) * np.int32(narrow)) + np.int32(np.int32(coarse) * np.int32(wide))
    )


@kernel("void(i2[:,::1],i2[:,::1],i8[:,::1],i2[:,:,::1],i2[:,::1],i4[:,::1])")
def _filter_rows(near, limits, places, weights, filters, total):
    """Sum the taps of 8 rows, two pairs of opposite neighbours at a time, along the rows."""
    width = total.shape[1]
    for i in range(8):
        for j in range(U(width)):
            total[U(i), j] = 1 << (WEIGHT_BITS - 1)
    for pair in range(0, _DOWN.shape[0], 2):
        for x in range(0, width, 8):
            for k in range(4):
                weight = weights[places[0, x], places[1, x], 2 * pair + k]
                for j in range(x, x + 8):
                    filters[U(k), U(j)] = weight
        for i in range(8):
            row, here = U(i), U(i + _REACH)
            ahead, behind = U(i + _REACH + _DOWN[pair]), U(i + _REACH - _DOWN[pair])
            right, left = U(_REACH + _ACROSS[pair]), U(_REACH - _ACROSS[pair])
            ahead2, behind2 = U(i + _REACH + _DOWN[pair + 1]), U(i + _REACH - _DOWN[pair + 1])
            right2, left2 = U(_REACH + _ACROSS[pair + 1]), U(_REACH - _ACROSS[pair + 1])
            for j in range(U(width)):
                centre, low, high = near[here, j + U(_REACH)], limits[0, j], limits[1, j]
                one = _taps(
                    centre, near[ahead, j + right], near[behind, j + left], low, high,
                    filters[0, j], filters[1, j],
                )  # fmt: skip
                two = _taps(
                    centre, near[ahead2, j + right2], near[behind2, j + left2], low, high,
                    filters[2, j], filters[3, j],
                )  # fmt: skip
                total[row, j] += np.int32(one + two)


@kernel("i8(i2[:,::1],i2[:,::1])")
def squared_error(original, plane):
    """Squared error over the part of a plane that is seen."""
    total = np.int64(0)
    for i in range(original.shape[0]):
        row = np.int64(0)
        for j in range(U(original.shape[1])):
            gap = np.int32(original[U(i), j]) - np.int32(plane[U(i), j])
            row += np.int32(gap * gap)
        total += row
    return total


@njit
def accumulate(original, plane, cells, step_index, squares, products):
    """Add a plane to the normal equations of the filters: (bins, classes, taps[, taps])."""
    height, width = plane.shape
    near = np.zeros((_ROWS, width + 2 * _REACH), np.int16)
    sums = np.zeros((4, width), np.int32)
    f = np.zeros(TAPS, np.float64)
    step = STEP[step_index]
    low, high = step * 15 // 1600, step * 80 // 1600
    bin = STEP_BIN[step_index]
    for y in range(0, height, 8):
        _gather_rows(plane, y, near)
        _add_differences(near, sums)
        for x in range(0, width, 8):
            group = _block_class(sums, x, step, np.int64(cells[y >> 2, x >> 2, SIZE]))
            for i in range(_REACH, _REACH + 8):
                for j in range(x + _REACH, x + _REACH + 8):
                    here = np.int64(near[i, j])
                    for pair in range(_DOWN.shape[0]):
                        a = near[i + _DOWN[pair], j + _ACROSS[pair]] - here
                        b = near[i - _DOWN[pair], j - _ACROSS[pair]] - here
                        f[2 * pair] = min(low, max(-low, a)) + min(low, max(-low, b))
                        f[2 * pair + 1] = min(high, max(-high, a)) + min(high, max(-high, b))
                    gap = np.float64(original[y + i - _REACH, j - _REACH]) - here
                    for m in range(TAPS):
                        products[bin, group, m] += f[m] * gap
                        for n in range(m + 1):
                            squares[bin, group, m, n] += f[m] * f[n]
