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
_STRIDE = 16  # of the neighbourhood of a block, 14 x 14 used
_REACH = 3
OFFSETS = np.array([y * _STRIDE + x for y, x in _PAIRS], np.int64)
TAPS = 2 * len(_PAIRS)
ACTIVITIES, DIRECTIONS, SIZES = 5, 5, 2
CLASSES = ACTIVITIES * DIRECTIONS * SIZES
_BIN_EDGES = [82, 100, 118, 136, 154]  # step indices
BINS = len(_BIN_EDGES) + 1
STEP_BIN = np.searchsorted(_BIN_EDGES, np.arange(STEPS), side="right").astype(np.int64)
WEIGHT_BITS = 10
U = np.uint64
_CENTRE = _REACH * _STRIDE + _REACH


@kernel("void(i2[:,::1],i8,i8,i4[::1])")
def _neighbourhood(plane, y, x, near):
    """Copy the 14 x 14 samples around an 8 x 8 block; the border of the plane repeats."""
    height, width = plane.shape
    for i in range(14):
        row = min(height - 1, max(0, y + i - _REACH))
        if x >= _REACH and x + 11 <= width:
            for j in range(14):
                near[U(i * _STRIDE + j)] = plane[U(row), U(x + j - _REACH)]
        else:
            for j in range(14):
                near[i * _STRIDE + j] = plane[row, min(width - 1, max(0, x + j - _REACH))]


@kernel("i8(i4[::1],i8,i8)")
def _block_class(near, step, size):
    """Class of a block by the second differences of every other row."""
    down = across = falling = rising = np.int32(0)
    for i in range(0, 8, 2):
        for j in range(8):
            k = _CENTRE + i * _STRIDE + j
            twice = np.int32(near[U(k)] + near[U(k)])
            a = np.int32(twice - np.int32(near[U(k - _STRIDE)] + near[U(k + _STRIDE)]))
            b = np.int32(twice - np.int32(near[U(k - 1)] + near[U(k + 1)]))
            c = np.int32(twice - np.int32(near[U(k - _STRIDE - 1)] + near[U(k + _STRIDE + 1)]))
            d = np.int32(twice - np.int32(near[U(k - _STRIDE + 1)] + near[U(k + _STRIDE - 1)]))
            down = np.int32(down + np.int32(abs(a)))
            across = np.int32(across + np.int32(abs(b)))
            falling = np.int32(falling + np.int32(abs(c)))
            rising = np.int32(rising + np.int32(abs(d)))
    level = (np.int64(down + across) * 100 * 16) // (32 * step)  # hundredths of a step
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


@njit
def restore_plane(plane, cells, unit_offsets, step_index, weights, out):
    """Filter a plane into `out`.

    Parameters
    ----------
    plane, out : (height, width) int16
    cells : (height / 4, width / 4, fields) int32
    unit_offsets : (height / 32, width / 32) int64
        Step offsets in quarter octaves.
    weights : (bins, classes, taps) int32, in 1/1024
    """
    height, width = plane.shape
    near = np.zeros(_STRIDE * 15, np.int32)
    total = np.zeros(8 * _STRIDE, np.int32)
    for y in range(0, height, 8):
        for x in range(0, width, 8):
            index = step_index + 6 * unit_offsets[y >> 5, x >> 5]
            _restore_block(
                plane, y, x, min(STEPS - 1, max(0, index)), np.int64(cells[y >> 2, x >> 2, SIZE]),
                weights, near, total, out,
            )  # fmt: skip


@kernel("void(i2[:,::1],i8,i8,i8,i8,i4[:,:,::1],i4[::1],i4[::1],i2[:,::1])")
def _restore_block(plane, y, x, index, size, weights, near, total, out):
    step = STEP[index]
    _neighbourhood(plane, y, x, near)
    group = _block_class(near, step, size)
    bin = STEP_BIN[index]
    low, high = np.int32(step * 15 // 1600), np.int32(step * 80 // 1600)
    for k in range(8 * _STRIDE):
        total[U(k)] = 1 << (WEIGHT_BITS - 1)
    for pair in range(OFFSETS.shape[0]):
        fine = np.int32(weights[bin, group, 2 * pair])
        coarse = np.int32(weights[bin, group, 2 * pair + 1])
        ahead, behind = _CENTRE + OFFSETS[pair], _CENTRE - OFFSETS[pair]
        for k in range(7 * _STRIDE + 8):
            here = near[U(_CENTRE + k)]
            a = np.int32(near[U(ahead + k)] - here)
            b = np.int32(near[U(behind + k)] - here)
            narrow = np.int32(min(low, max(-low, a)) + min(low, max(-low, b)))
            wide = np.int32(min(high, max(-high, a)) + min(high, max(-high, b)))
            total[U(k)] += np.int32(np.int32(fine * narrow) + np.int32(coarse * wide))
    for i in range(8):
        for j in range(8):
            k = i * _STRIDE + j
            value = np.int32(near[U(_CENTRE + k)] + (total[U(k)] >> np.int32(WEIGHT_BITS)))
            out[U(y + i), U(x + j)] = min(np.int32(TOP), max(np.int32(0), value))


@njit
def accumulate(original, plane, cells, step_index, squares, products):
    """Add a plane to the normal equations of the filters: (bins, classes, taps[, taps])."""
    height, width = plane.shape
    near = np.zeros(_STRIDE * 15, np.int32)
    f = np.zeros(TAPS, np.float64)
    step = STEP[step_index]
    low, high = step * 15 // 1600, step * 80 // 1600
    bin = STEP_BIN[step_index]
    for y in range(0, height, 8):
        for x in range(0, width, 8):
            _neighbourhood(plane, y, x, near)
            group = _block_class(near, step, np.int64(cells[y >> 2, x >> 2, SIZE]))
            for i in range(8):
                for j in range(8):
                    k = _CENTRE + i * _STRIDE + j
                    for pair in range(OFFSETS.shape[0]):
                        a = np.int64(near[k + OFFSETS[pair]] - near[k])
                        b = np.int64(near[k - OFFSETS[pair]] - near[k])
                        f[2 * pair] = min(low, max(-low, a)) + min(low, max(-low, b))
                        f[2 * pair + 1] = min(high, max(-high, a)) + min(high, max(-high, b))
                    gap = np.float64(original[y + i, x + j]) - near[k]
                    for m in range(TAPS):
                        products[bin, group, m] += f[m] * gap
                        for n in range(m + 1):
                            squares[bin, group, m, n] += f[m] * f[n]
