# mypy: allow-untyped-defs, no-check-untyped-defs
"""What both sides know of a block before its coefficients: features, levels, table rows.

A block's surroundings are summed up by ten integers in 1/1024 (`leaf_features`,
`advance`). A non-negative regression, trained for each size and position in
the scan, turns them into the expected magnitude of the next coefficients; its
logarithm is the *level*, the most telling context. Every syntax element has
`INPUTS` contexts, each with rows of adaptive probabilities of its own, whose
opinions `mixing` blends.
"""

from __future__ import annotations

import numpy as np

from vqcodec.photo.kernel import kernel
from vqcodec.photo.predict import MODE_COUNT
from vqcodec.photo.transform import CLASSES

# Fields of a 4 x 4 cell.
SIZE, MODE, CODED, LOW, HIGH, FIELDS = range(6)
FEATURES = 10
LEVELS = 32
SCAN_BINS = 16
_CEILING = 32767

# Plane types: each has its own statistics.
LUMA, ORANGE, GREEN, TYPES = range(4)

# Scan position (in pairs) -> bin: 0, 1, 2, 3, then two bins an octave.
_edges = [0, 1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 1 << 30]
SCAN_BIN = np.searchsorted(_edges, np.arange(128), side="right").astype(np.int64) - 1


def _logarithm(count: int, unit: float, scale: float, offset: float, top: int) -> np.ndarray:
    """Table of ``floor(scale * log2(index / unit) + offset)``, clipped to 0..top."""
    value = np.maximum(np.arange(count), 0.5) / unit
    return np.clip(np.floor(scale * np.log2(value) + offset + 1e-9), 0, top).astype(np.uint8)


LEVEL = _logarithm(4096, 128.0, 5.0, 9.0, LEVELS - 1)  # of magnitude / 8
AGREEMENTS = 21
AGREEMENT = _logarithm(4096, 64.0, 2.0, 8.0, AGREEMENTS - 1)  # of a hint at a sign, see `signs`
CODED_LEVELS = 16
CODED_LEVEL = np.clip(
    np.floor(2 * np.log2(1 + np.arange(4096) / 16.0) + 1e-9), 0, CODED_LEVELS - 1
).astype(np.uint8)
_thresholds = [0.02, 0.12, 0.3, 0.6, 1.2]
SIXTH = np.searchsorted(np.array(_thresholds) * 128, np.arange(512), side="right").astype(
    np.uint8
)  # a magnitude / 8 in six steps
BITS = np.array([int(i).bit_length() for i in range(257)], np.uint8)
RECIPROCAL = np.array([0] + [65536 // i for i in range(1, 257)], np.int64)


@kernel("i8(i8)")
def sixth(value):
    """Return the class 0..5 of a magnitude in 1/1024."""
    return np.int64(SIXTH[min(value >> 3, 511)])


@kernel("void(i4[:,:,::1],i8,i8,i8,i8[::1])")
def neighbour_means(cells, y, x, n, out):
    """Mean LOW and HIGH of the decoded blocks along the left and upper border."""
    row, column, units = y >> 2, x >> 2, n >> 2
    low = high = count = 0
    if x > 0:
        for i in range(units):
            low += cells[row + i, column - 1, LOW]
            high += cells[row + i, column - 1, HIGH]
        count += units
    if y > 0:
        for i in range(units):
            low += cells[row - 1, column + i, LOW]
            high += cells[row - 1, column + i, HIGH]
        count += units
    if count > 0:
        low //= count
        high //= count
    out[2] = low
    out[3] = high


@kernel("i8(i4[:,:,::1],i8,i8,i8)")
def block_mean(cells, y, x, n):
    """Mean LOW of another plane over a block."""
    units = n >> 2
    total = 0
    for i in range(y >> 2, (y >> 2) + units):
        for j in range(x >> 2, (x >> 2) + units):
            total += cells[i, j, LOW]
    return total // (units * units)


@kernel("void(i4[:,:,::1],i4[:,:,::1],i4[:,:,::1],i8,i4[:,::1],i8,i8,i8,i8,i8[::1])")
def leaf_features(cells, luma_cells, first_cells, kind, borders, y, x, n, step, f):
    """Fill the features of a block (int64): its surroundings; what comes inside starts at 0."""
    f[0] = 1024
    f[1] = min(_CEILING, 524288 // step)
    neighbour_means(cells, y, x, n, f)
    rough = 0
    for i in range(n, 3 * n):
        rough += abs(np.int64(borders[0, i + 1]) - np.int64(borders[0, i]))
    f[4] = min(_CEILING, (rough << 13) // (n * step))
    f[5] = 0
    f[6] = 0
    f[7] = 0
    f[8] = block_mean(luma_cells, y, x, n) if kind != LUMA else 0
    f[9] = block_mean(first_cells, y, x, n) if kind == GREEN else 0


@kernel("void(i8[::1],i8,i8)")
def advance(f, group, magnitude):
    """Take the mean magnitude (in 1/1024) of the pair just coded into the running means."""
    m = min(magnitude, _CEILING)
    f[5] += ((m - f[5]) * 158) >> 8
    f[6] += ((m - f[6]) * 58) >> 8
    f[7] += ((m - f[7]) * RECIPROCAL[group + 1]) >> 16


@kernel("i8(i8[:,:,::1],i8,i8,i8[::1])")
def pair_level(weights, size, position, f):
    """Return the level 0..31 that the weights of a size and scan bin expect from the features."""
    total = np.int64(0)
    for i in range(FEATURES):
        total += weights[size, position, i] * f[i]
    return np.int64(LEVEL[min(total >> 13, 4095)])


@kernel("i8(i8[:,::1],i8,i8[::1])")
def coded_level(weights, size, f):
    """Return the level 0..15 of the number of coded pairs that the features announce."""
    total = np.int64(0)
    for i in range(FEATURES):
        total += weights[size, i] * f[i]
    return np.int64(CODED_LEVEL[min(total >> 16, 4095)])


@kernel("void(i4[:,:,::1],i8,i8,i8,i8,i8,i4[::1],i8,i8)")
def set_cells(cells, y, x, size, mode, coded, values, start, count):
    """Record a block in its cells; its coefficients are `values` from `start` on."""
    quarter = count // 4
    low = high = 0
    if size == 5:
        for i in range(2 * coded):
            low += abs(np.int64(values[start + i]))
        low = low * 16 // count
    else:
        for i in range(min(quarter, 2 * coded)):
            low += abs(np.int64(values[start + i]))
        for i in range(quarter, 2 * coded):
            high += abs(np.int64(values[start + i]))
        low = low * 16 // quarter
        high = high * 16 // (count - quarter)
    units = 1 << (size - 2)
    for i in range(y >> 2, (y >> 2) + units):
        for j in range(x >> 2, (x >> 2) + units):
            cells[i, j, SIZE] = size
            cells[i, j, MODE] = mode
            cells[i, j, CODED] = coded
            cells[i, j, LOW] = min(low, _CEILING)
            cells[i, j, HIGH] = min(high, _CEILING)


# --- syntax elements and their tables -----------------------------------------

INPUTS = 6
SPLIT, CHOICE, LENGTH, REST, PAIR, ESCAPE, SIGN, ELEMENTS = range(8)
PAIR_NODES = 32  # at most 31 codewords and the escape
# Nodes of the binary decisions of an element, and rows of each of its six contexts.
NODES = np.array([1, 64, 10, 64, PAIR_NODES, 64, 1], np.int64)
_M = MODE_COUNT
ROWS = np.array(
    [
        [18, 216, 216, 96, 1536, 1536],
        [_M, _M, _M * _M, 3 * _M, 18 * _M, _M * _M],
        [96, 216, 1296, 600, 6 * CLASSES * 16 + 96, 2160],
        [60, 960, 60 * 11, 360, 600, 600],
        [LEVELS, 216, 256, 64, 576, 1152],
        [36, 64, 32, 128, 144, 144],
        [AGREEMENTS * 32, 0, 0, 0, 0, 0],  # not mixed: one opinion
    ],
    np.int64,
)
_sizes = ROWS * NODES[:, None]
BASE = (np.cumsum(_sizes.ravel()) - _sizes.ravel()).reshape(ELEMENTS, INPUTS)
STATES = int(_sizes.sum())
# Sets of mixing weights of each element: chosen by two contexts.
_first = np.array([18, 64, 60, 10, LEVELS * 8, 64, 0], np.int64)
_second = np.array([6, 256, 160, 60, 64 * 8, 9 * 64, 0], np.int64)
FIRST_SET = np.cumsum(_first) - _first
SECOND_SET = np.cumsum(_second) - _second
FIRST_SETS, SECOND_SETS = int(_first.sum()), int(_second.sum())
