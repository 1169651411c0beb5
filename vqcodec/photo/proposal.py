# mypy: allow-untyped-defs, no-check-untyped-defs
"""Which blocks to divide, and along which direction they run, told before any mode is tried.

The full search codes every block whole and in parts, three or four times in all. Low
efforts ask a logistic regression first: from the variances of a block and of its
quarters, from what is left of them along the best direction (the smaller eigenvalue of
the structure tensor), and from how the neighbours and luma were divided, it tells the
odds that the full search would divide the block; what is sure is not tried. A block that
was coded whole asks a second time, now with its cost. (Deciding partitions by trained
classifiers is usual in video encoders, as in Shen and Yu 2013. The weights are fitted to
the decisions of effort 5 on 34 crops of the photographs that the codebook is trained on,
each decision as heavy as what a wrong one costs.)

The larger eigenvalue's direction is where a block changes most: prediction runs across it
(after Pan et al. 2005).
"""

from __future__ import annotations

import numpy as np

from vqcodec.photo.contexts import LUMA, SIZE
from vqcodec.photo.kernel import kernel
from vqcodec.photo.predict import FLAT, STEEP

U = np.uint64  # for indices, see transform
_FLOOR = 0.05  # squared steps that count as no variance
_COST_FLOOR = 1e-3
_GRID = 1024.0  # logarithms differ by the last bit between libraries: rounding makes them equal
# Of a block: sums of samples, of their squares and of products of diagonal differences;
# variance and smaller eigenvalue, in squared steps, and their logarithms; mean size in luma.
TOTAL, SQUARE, FALLING, RISING, BOTH, VARIANCE, MINOR, LOG, MINOR_LOG, DEPTH, NOTES = range(11)
# What the odds depend on: log variances (the block's, of the mean of its quarters, mean,
# largest and least of the quarters), log of the squared step; in luma the log of the smaller
# eigenvalue (the block's, of the mean of its quarters, mean of the quarters) and of the sum of
# both, in colour differences the mean size in luma; smaller neighbours; the log of the cost
# per sample of the whole block, and of the number of coded pairs.
NEIGHBOURS, WHOLE, PAIRS, FEATURES = 10, 11, 12, 13
# Log odds before and after the block is coded whole, by luma or difference, and size from 8 x 8:
# the constant, then the weights of the features.
_WEIGHTS = np.array(
    [
        [
            [-6.79, -0.4, -0.38, -0.34, 0.79, -0.3, 0.15, 0.45, 1.17, -1.78, 0.92, 0.89, 0, 0],
            [-3.73, -0.29, -0.92, 0.04, 0.94, -0.53, 0.1, 0.34, 0.73, -1.56, 1.42, 1.32, 0, 0],
            [1.89, 0.07, 0.09, 0.05, 0.12, -0.04, 0.01, 0.12, 0.12, 0.1, 0.29, 0.72, 0, 0],
        ],
        [
            [-9.0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
            [0.1, -0.28, -2.08, 1.1, 1.95, -0.56, -0.01, -0.67, 0, 0, 0, 0.93, 0, 0],
            [3.87, -0.23, -0.16, 0.19, 1.21, -0.27, -0.07, -0.61, 0, 0, 0, 1.08, 0, 0],
        ],
        [
            [7.3, -0.19, -0.08, -0.55, 0.63, -0.17, 0.14, 0.19, 0.92, -1.84, 0.42, 0.7, 4.2, -0.77],
            [2.2, -0.46, -0.23, 0.01, 0.82, -0.3, 0.26, 0.01, 0.74, -1.54, 0.53, 0.89, 2.11, 0.03],
            [-1.14, 0.05, 0.07, 0.03, 0.09, -0.04, 0.05, 0.06, 0.07, 0.05, 0.17, 0.68, 0.29, 0.56],
        ],
        [
            [-9.0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
            [1.04, 0.13, -1.24, -0.31, 1.3, -0.38, 0.24, -0.46, 0, 0, 0, 0.6, 1.43, 0.31],
            [3.33, 0.29, -0.39, -0.37, 0.87, -0.51, 0.19, -0.3, 0, 0, 0, 1.03, 1.31, 0.18],
        ],
    ]
)  # fmt: skip


def scratch() -> tuple[np.ndarray, ...]:
    """Return the working arrays: notes and features, by size and place in the unit."""
    return np.zeros((6, 64, NOTES)), np.zeros((6, 64, FEATURES))


@kernel("f8(f8)")
def _logarithm(value):
    return np.rint(np.log2(value) * _GRID) / _GRID


@kernel("void(f8[:,:,::1],i8,i8,f8,b1)")
def _conclude(notes, size, place, unit, directed):
    """Turn the sums of a block into variance, smaller eigenvalue and logarithms."""
    count = float(1 << (2 * size))
    total = notes[size, place, TOTAL]
    variance = (notes[size, place, SQUARE] - total * total / count) * (unit / count)
    notes[size, place, VARIANCE] = variance
    notes[size, place, LOG] = _logarithm(variance + _FLOOR)
    if directed:
        falling, rising = notes[size, place, FALLING], notes[size, place, RISING]
        gap, both = falling - rising, notes[size, place, BOTH]
        minor = (falling + rising - np.sqrt(gap * gap + 4 * both * both)) * (unit / count)
        notes[size, place, MINOR] = minor
        notes[size, place, MINOR_LOG] = _logarithm(minor + _FLOOR)


@kernel("void(i2[:,::1],i8,i8,i8,i8,f8[:,:,::1],i8)")
def _sum_up(original, y, x, size, place, notes, directed):
    """Take down the sums of a block of 4 x 4 or 8 x 8, with those of gradients or without."""
    n = 1 << size
    total = square = np.int64(0)
    for i in range(n):
        for j in range(n):
            sample = np.int32(original[U(y + i), U(x + j)])
            total += sample
            square += np.int32(sample * sample)
    notes[size, place, TOTAL], notes[size, place, SQUARE] = total, square
    if directed == 0:
        return
    height, width = original.shape
    top = min(y, height - n - 1)  # what gradients need beside the block is taken before it
    left = min(x, width - n - 1)
    falling = rising = both = np.int64(0)
    for i in range(n):
        for j in range(n):
            a, b = original[U(top + i), U(left + j)], original[U(top + i), U(left + j + 1)]
            c, d = original[U(top + i + 1), U(left + j)], original[U(top + i + 1), U(left + j + 1)]
            down, up = np.int32(d) - np.int32(a), np.int32(c) - np.int32(b)
            falling += np.int32(down * down)
            rising += np.int32(up * up)
            both += np.int32(down * up)
    notes[size, place, FALLING], notes[size, place, RISING] = falling, rising
    notes[size, place, BOTH] = both


@kernel("void(i2[:,::1],i4[:,:,::1],i8,i8,i8,f8,f8[:,:,::1],f8[:,:,::1])")
def survey(original, luma_cells, kind, y, x, delta, notes, features):
    """Fill the features of all blocks of the 32 x 32 unit at a place but for the last three.

    `delta` is the step, in the samples' own units.
    """
    unit = 1.0 / (delta * delta)
    directed = kind == LUMA
    least_size = 2 if directed else 3
    side = 32 >> least_size
    for place in range(side * side):
        top, left = y + ((place // side) << least_size), x + ((place % side) << least_size)
        _sum_up(original, top, left, least_size, place, notes, 1 if directed else 0)
        _conclude(notes, least_size, place, unit, directed)
        if not directed:
            depth = 0.0
            for i in range(4):
                depth += luma_cells[(top >> 2) + (i >> 1), (left >> 2) + (i & 1), SIZE]
            notes[least_size, place, DEPTH] = depth / 4
    for size in range(least_size + 1, 6):
        side = 32 >> size
        for place in range(side * side):
            corner = (place // side) * 4 * side + (place % side) * 2
            for m in range(TOTAL, VARIANCE):
                notes[size, place, m] = 0.0
            notes[size, place, DEPTH] = 0.0
            inside = minor = logs = minor_logs = 0.0
            most, least = -1e9, 1e9
            for k in range(4):
                child = corner + (k >> 1) * 2 * side + (k & 1)
                for m in range(TOTAL, VARIANCE):
                    notes[size, place, m] += notes[size - 1, child, m]
                notes[size, place, DEPTH] += notes[size - 1, child, DEPTH] / 4
                inside += notes[size - 1, child, VARIANCE]
                log = notes[size - 1, child, LOG]
                logs += log
                most, least = max(most, log), min(least, log)
                minor += notes[size - 1, child, MINOR]
                minor_logs += notes[size - 1, child, MINOR_LOG]
            _conclude(notes, size, place, unit, directed)
            features[size, place, 0] = notes[size, place, LOG]
            features[size, place, 1] = _logarithm(inside / 4 + _FLOOR)
            features[size, place, 2] = logs / 4
            features[size, place, 3] = most
            features[size, place, 4] = least
            features[size, place, 5] = _logarithm(delta * delta)
            if directed:
                features[size, place, 6] = notes[size, place, MINOR_LOG]
                features[size, place, 7] = _logarithm(minor / 4 + _FLOOR)
                features[size, place, 8] = minor_logs / 4
                trace = notes[size, place, FALLING] + notes[size, place, RISING]
                features[size, place, 9] = _logarithm(trace * unit / (1 << (2 * size)) + _FLOOR)
            else:
                features[size, place, 6] = notes[size, place, DEPTH]


@kernel("f8(f8[:,:,::1],i8,i8,i8,i8)")
def odds_before(features, kind, size, place, smaller):
    """Return the log odds that a block is better divided, `smaller` neighbours being so."""
    features[size, place, NEIGHBOURS] = smaller
    weights = _WEIGHTS[min(kind, 1), size - 3]
    odds = weights[0]
    for k in range(WHOLE):
        odds += weights[1 + k] * features[size, place, k]
    return odds


@kernel("f8(f8[:,:,::1],i8,i8,i8,f8,i8)")
def odds_after(features, kind, size, place, cost, coded):
    """Return the log odds again, now that the cost of the whole block and its pairs are known."""
    features[size, place, WHOLE] = _logarithm(cost / (1 << (2 * size)) + _COST_FLOOR)
    features[size, place, PAIRS] = _logarithm(coded + 1.0)
    weights = _WEIGHTS[2 + min(kind, 1), size - 3]
    odds = weights[0]
    for k in range(FEATURES):
        odds += weights[1 + k] * features[size, place, k]
    return odds


@kernel("i8(f8[:,:,::1],i8,i8)")
def run_of(notes, size, place):
    """Return the direction that a surveyed block of luma runs along, or -1 if it has none."""
    falling, rising = notes[size, place, FALLING], notes[size, place, RISING]
    both = notes[size, place, BOTH]
    across = falling + rising - 2 * both  # squared gradients across and down, and their product
    down = falling + rising + 2 * both
    mixed = falling - rising
    root = np.sqrt((across - down) * (across - down) + 4 * mixed * mixed)
    if root <= 0.0:
        return -1
    if across >= down:
        return STEEP[32 + np.int64(np.rint(64 * mixed / (across - down + root)))]
    return FLAT[32 + np.int64(np.rint(64 * mixed / (down - across + root)))]
