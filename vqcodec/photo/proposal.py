# mypy: allow-untyped-defs, no-check-untyped-defs
"""Which blocks to divide, told from variances alone, before any mode is tried.

The full search codes every block whole and in parts, three or four times in all. Low
efforts ask a logistic regression first: from the variances of a block, its quarters
and its 4 x 4 cells, in squared steps, and from how finely luma was divided there, it
tells the odds that the full search would divide the block, and what is sure is not
tried. (Deciding partitions by trained classifiers is usual in video encoders, as in
Shen and Yu 2013; the weights are fitted to the decisions of effort 5 on 20 crops of the
photographs that the codebook is trained on.)
"""

from __future__ import annotations

import numpy as np

from vqcodec.photo.contexts import LUMA, SIZE
from vqcodec.photo.kernel import kernel

U = np.uint64  # for indices, see transform
_FLOOR = 0.05  # squared steps that count as no variance
_GRID = 1024.0  # logarithms differ by the last bit between libraries: rounding makes them equal
TOTAL, SQUARE, VARIANCE, LOG, CELLS, DEPTH, NOTES = range(7)
# Log odds by luma or difference, and size from 8 x 8: constant; weights of log variances
# (the block's, of the mean of its quarters, mean, largest and least of the quarters, mean of
# the cells), of the mean size in luma, and of the log of the squared step.
_WEIGHTS = np.array(
    [
        [
            [-4.41, -0.34, -0.10, -0.01, 1.01, -0.27, -0.01, 0.0, 0.19],
            [-0.16, -0.64, -1.12, 0.60, 1.40, -0.44, 0.85, 0.0, 0.10],
            [2.94, -0.11, -0.49, 0.03, 1.08, -0.54, 1.65, 0.0, 0.14],
        ],
        [
            [-9.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0],
            [1.98, -0.25, -1.98, 0.90, 1.77, -0.49, 0.39, -0.55, -0.09],
            [3.46, 0.08, -1.77, 0.87, 1.77, -0.46, -0.05, -0.62, -0.12],
        ],
    ]
)


def scratch() -> tuple[np.ndarray, ...]:
    """Return the working arrays of `weigh_splits`: notes, and odds by size and place."""
    return np.zeros((NOTES, 6, 64)), np.zeros((6, 64))


@kernel("f8(f8)")
def _logarithm(value):
    return np.rint(np.log2(value + _FLOOR) * _GRID) / _GRID


@kernel("void(i2[:,::1],i4[:,:,::1],i8,i8,i8,f8,f8[:,:,::1],f8[:,::1])")
def weigh_splits(original, luma_cells, kind, y, x, delta, notes, odds):
    """Fill `odds`: by log2 of the size and place in the 32 x 32 unit, the log odds of a split."""
    square_step = delta * delta
    for cell in range(64):
        top, left = y + (cell >> 3) * 4, x + (cell & 7) * 4
        total = square = np.int64(0)
        for i in range(4):
            for j in range(4):
                sample = np.int64(original[U(top + i), U(left + j)])
                total += sample
                square += sample * sample
        notes[TOTAL, 2, cell], notes[SQUARE, 2, cell] = total, square
        variance = (square - total * total / 16.0) / (16.0 * square_step)
        notes[VARIANCE, 2, cell] = variance
        notes[LOG, 2, cell] = notes[CELLS, 2, cell] = _logarithm(variance)
        notes[DEPTH, 2, cell] = 0.0 if kind == LUMA else luma_cells[top >> 2, left >> 2, SIZE]
    for size in range(3, 6):
        side = 32 >> size
        count = float(1 << (2 * size))
        row = _WEIGHTS[min(kind, 1), size - 3]
        for place in range(side * side):
            corner = (place // side) * 4 * side + (place % side) * 2
            total = square = inside = logs = cells = depth = 0.0
            most, least = -1e9, 1e9
            for k in range(4):
                child = corner + (k >> 1) * 2 * side + (k & 1)
                total += notes[TOTAL, size - 1, child]
                square += notes[SQUARE, size - 1, child]
                inside += notes[VARIANCE, size - 1, child]
                cells += notes[CELLS, size - 1, child]
                depth += notes[DEPTH, size - 1, child]
                log = notes[LOG, size - 1, child]
                logs += log
                most, least = max(most, log), min(least, log)
            variance = (square - total * total / count) / (count * square_step)
            own = _logarithm(variance)
            notes[TOTAL, size, place], notes[SQUARE, size, place] = total, square
            notes[VARIANCE, size, place], notes[LOG, size, place] = variance, own
            notes[CELLS, size, place], notes[DEPTH, size, place] = cells / 4, depth / 4
            odds[size, place] = (
                row[0]
                + row[1] * own
                + row[2] * _logarithm(inside / 4)
                + row[3] * logs / 4
                + row[4] * most
                + row[5] * least
                + row[6] * cells / 4
                + row[7] * depth / 4
                + row[8] * _logarithm(square_step - _FLOOR)
            )
