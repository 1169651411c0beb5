# mypy: allow-untyped-defs, no-check-untyped-defs
"""Prediction of a block from its decoded neighbours, in integer arithmetic.

Modes 0 to 34 are the planar, mean and 33 directional predictors of HEVC
(Lainema et al. 2012) on references that are smoothed by [1 2 1] where the
direction is oblique. Modes 35 to 38, for colour differences, are in `colour`.

A horizontal direction (modes 2 to 17) is computed transposed, so that every
direction runs down the rows; the transform works on the block in that
orientation, and `store_block` turns it back.
"""

from __future__ import annotations

import numpy as np

from vqcodec.photo.kernel import kernel
from vqcodec.photo.planes import MIDDLE, TOP

U = np.uint64  # for indices: unsigned ones need no check for being negative
PLANAR, MEAN = 0, 1
DIRECTIONS = 33
PLAIN_MODES = 35
MODES = 39
NO_MODE = 39  # outside of the picture
MODE_COUNT = 40

# Displacement per row in 1/32 sample, by mode; the inverse angle in 1/256 where it is negative.
_SLOPES = [32, 26, 21, 17, 13, 9, 5, 2, 0, -2, -5, -9, -13, -17, -21, -26]
ANGLE = np.array([0, 0, *_SLOPES, -32, *_SLOPES[::-1]], np.int64)
INVERSE = np.array([(8192 + -a // 2) // -a if a < 0 else 0 for a in ANGLE], np.int64)
# The base mode of modes 35..38: planar, mean, horizontal, vertical.
_BASE = np.array([0, 1, 10, 26], np.int64)
BASE_MODE = np.concatenate([np.arange(PLAIN_MODES), _BASE, [0]]).astype(np.int64)
# The direction nearest to a displacement of -32..32 per row, and per column.
_gap = np.abs(ANGLE[18:35][None] - np.arange(-32, 33)[:, None])
STEEP = 18 + _gap.argmin(1)
FLAT = 2 + np.abs(ANGLE[2:19][None] - np.arange(-32, 33)[:, None]).argmin(1)
# References are smoothed if the direction is further than this from the axes.
_SMOOTH_BEYOND = np.array([0, 0, 100, 7, 1, 0], np.int64)  # by log2 of the size
# Rows of the borders: three planes' references, the same smoothed, and a line of scratch.
SMOOTHED, LINE, BORDER_ROWS, BORDER_LENGTH = 3, 6, 7, 160

# How strongly a smooth prediction is pulled to the border, in 1/64, by scale and distance.
_PULL = np.array([[32 >> min(31, (2 * x) >> s) for x in range(32)] for s in range(3)], np.int32)


def new_borders() -> np.ndarray:
    """Return room for the references of a block."""
    return np.zeros((BORDER_ROWS, BORDER_LENGTH), np.int32)


@kernel("b1(i8)")
def is_horizontal(mode):
    """Return whether a mode is computed transposed."""
    return (2 <= mode < 18) or mode == 37


@kernel("void(i2[:,::1],i4[:,::1],i8,i8,i8,i4[:,::1],i8)")
def gather_references(plane, order, y, x, n, borders, slot):
    """Collect the 4n + 1 decoded neighbours, lower left over the corner to upper right.

    They go to row `slot` of `borders`, and smoothed to row `SMOOTHED` + `slot`. `order`
    numbers the 4 x 4 cells in coding order: what comes later is not yet
    decoded and repeats the nearest neighbour that is.
    """
    height, width = plane.shape
    row, column = y >> 2, x >> 2
    here = order[row, column]
    corner = 2 * n
    found = -1
    for unit in range(0, corner, 4):
        below = y + corner - 4 - unit
        if x > 0 and below < height and order[below >> 2, column - 1] < here:
            for i in range(4):
                borders[slot, unit + i] = plane[below + 3 - i, x - 1]
            if found < 0:
                found = unit
        elif found >= 0:
            for i in range(4):
                borders[slot, unit + i] = borders[slot, unit - 1]
    if x > 0 and y > 0:
        borders[slot, corner] = plane[y - 1, x - 1]
        if found < 0:
            found = corner
    elif found >= 0:
        borders[slot, corner] = borders[slot, corner - 1]
    for unit in range(0, corner, 4):
        right = x + unit
        at = corner + 1 + unit
        if y > 0 and right < width and order[row - 1, right >> 2] < here:
            for i in range(4):
                borders[slot, at + i] = plane[y - 1, right + i]
            if found < 0:
                found = at
        elif found >= 0:
            for i in range(4):
                borders[slot, at + i] = borders[slot, at - 1]
    last = 4 * n
    if found < 0:
        for i in range(last + 1):
            borders[slot, i] = MIDDLE
    else:
        for i in range(found):
            borders[slot, i] = borders[slot, found]
    borders[SMOOTHED + slot, 0] = borders[slot, 0]
    borders[SMOOTHED + slot, last] = borders[slot, last]
    for i in range(1, last):
        total = (
            borders[slot, U(i - 1)] + np.int32(2) * borders[slot, U(i)] + borders[slot, U(i + 1)]
        )
        borders[SMOOTHED + slot, U(i)] = np.int32(np.int32(total) + np.int32(2)) >> np.int32(2)


@kernel("void(i8,i4[:,::1],i8,i2[:,::1],i8)")
def lean_on_border(size, borders, slot, out, row):
    """Pull a smooth prediction towards the border, less with each sample of distance.

    After the position dependent prediction combination of Pfaff et al. 2021.
    """
    n = 1 << size
    corner = 2 * n
    scale = (size - 1) >> 1
    reach = min(n, 3 << scale)
    for y in range(n):
        left = np.int32(borders[slot, corner - 1 - y])
        down = _PULL[scale, y]
        base = U(y * n)
        for x in range(U(n if y < reach else reach)):
            value = np.int32(out[row, base + x])
            across = np.int32(_PULL[scale, x] * np.int32(left - value))
            above = np.int32(borders[slot, U(corner + 1) + x] - value)
            change = np.int32(across + np.int32(down * above))
            out[row, base + x] = value + (np.int32(change + np.int32(32)) >> np.int32(6))


@kernel("void(i8,i8,i4[:,::1],i8,i2[:,::1],i8)")
def predict(mode, size, borders, slot, out, row):
    """Predict a block of ``2**size`` squared from its references, by a mode below 35.

    Row `row` of `out` (int16) receives it line by line, transposed for
    horizontal modes. References are those in row `slot`.
    """
    n = 1 << size
    corner = 2 * n
    if mode == PLANAR:
        source = SMOOTHED + slot if n >= 8 else slot
        for i in range(U(4 * n + 1)):
            borders[LINE, i] = borders[source, i]
        right, bottom = (
            np.int32(borders[LINE, corner + 1 + n]),
            np.int32(borders[LINE, corner - 1 - n]),
        )
        for y in range(n):
            left = np.int32(borders[LINE, corner - 1 - y])
            start = np.int32((n - 1) * left + right + (y + 1) * bottom + n)
            slope = np.int32(right - left)
            weight = np.int32(n - 1 - y)
            base = U(y * n)
            for x in range(U(n)):
                above = np.int32(borders[LINE, U(corner + 1) + x])
                total = np.int32(np.int32(weight * above) + np.int32(slope * np.int32(x)))
                out[row, base + x] = np.int32(total + start) >> np.int32(size + 1)
        lean_on_border(size, borders, slot, out, row)
        return
    if mode == MEAN:
        total = n
        for i in range(n):
            total += borders[slot, corner + 1 + i] + borders[slot, corner - 1 - i]
        mean = total >> (size + 1)
        for i in range(U(n * n)):
            out[row, i] = mean
        lean_on_border(size, borders, slot, out, row)
        return
    smoothed = min(abs(mode - 10), abs(mode - 26)) > _SMOOTH_BEYOND[size]
    angle = ANGLE[mode]
    sign = 1 if mode >= 18 else -1
    reach = min(n + ((n * max(0, angle)) >> 5) + 2, corner + 1)
    for i in range(reach):
        k = U(corner + sign * i)
        borders[LINE, U(n + i)] = borders[SMOOTHED + slot, k] if smoothed else borders[slot, k]
    if angle < 0:
        inverse = INVERSE[mode]
        for i in range(-1, (n * angle) >> 5, -1):
            k = U(corner - sign * ((i * -inverse + 128) >> 8))
            borders[LINE, U(n + i)] = borders[SMOOTHED + slot, k] if smoothed else borders[slot, k]
    for y in range(n):
        shift = (y + 1) * angle
        start = n + (shift >> 5) + 1
        fraction = np.int32(shift & 31)
        base = y * n
        if fraction == 0:
            for x in range(n):
                out[row, U(base + x)] = borders[LINE, U(start + x)]
        else:
            rest = np.int32(32) - fraction
            for x in range(n):
                a = np.int32(rest * borders[LINE, U(start + x)])
                b = np.int32(fraction * borders[LINE, U(start + x + 1)])
                out[row, U(base + x)] = np.int32(np.int32(a + b) + np.int32(16)) >> np.int32(5)
    if n < 32 and angle == 0:
        for y in range(n):
            gap = borders[slot, corner - sign * (1 + y)] - borders[slot, corner]
            out[row, y * n] = min(TOP, max(0, out[row, y * n] + (gap >> 1)))


@kernel("void(i2[:,::1],i8,i8,i8,i8,i2[:,::1],i8,i4[::1],b1)")
def store_block(plane, y, x, n, mode, prediction, row, residual, coded):
    """Write row `row` of the prediction, plus the residual if `coded`, into the plane, upright.

    `residual` is scratch afterwards.
    """
    turned = is_horizontal(mode)
    if coded:
        for k in range(n * n):
            value = np.int32(np.int32(prediction[row, U(k)]) + residual[U(k)])
            residual[U(k)] = min(np.int32(TOP), max(np.int32(0), value))
    else:
        for k in range(n * n):
            residual[U(k)] = prediction[row, U(k)]
    for i in range(n):
        for j in range(n):
            value = residual[U(i * n + j)]
            if turned:
                plane[U(y + j), U(x + i)] = value
            else:
                plane[U(y + i), U(x + j)] = value


@kernel("i8(i2[:,::1],i8,i8,i8,i8[::1])")
def border_direction(plane, y, x, n, histogram):
    """Estimate the dominant direction of the decoded border (after DIMD, Abdoli et al. 2020).

    Returns ``3 * mode + confidence`` with confidence 0..2, or 0 where there is none.
    """
    if y < 3 or x < 3:
        return 0
    for i in range(PLAIN_MODES):
        histogram[i] = 0
    total = 0
    for t in range(2 * n - 1):
        cy, cx = y - 2, x - 2
        if t < n - 1:
            cx = x + t
        elif t < 2 * n - 2:
            cy = y + t - (n - 1)
        i, j = U(cy), U(cx)
        a, b, c = plane[i - U(1), j - U(1)], plane[i - U(1), j], plane[i - U(1), j + U(1)]
        d, e = plane[i, j - U(1)], plane[i, j + U(1)]
        f, g, h = plane[i + U(1), j - U(1)], plane[i + U(1), j], plane[i + U(1), j + U(1)]
        across = np.int64(c) + 2 * np.int64(e) + h - a - 2 * np.int64(d) - f
        down = np.int64(f) + 2 * np.int64(g) + h - a - 2 * np.int64(b) - c
        weight = abs(across) + abs(down)
        if weight < 32:
            continue
        if abs(across) >= abs(down):
            best = STEEP[32 + 32 * down // across]
        else:
            best = FLAT[32 + 32 * across // down]
        histogram[best] += weight
        total += weight
    if total < 256:
        return 0
    best, most = 2, -1
    for mode in range(2, PLAIN_MODES):
        before = histogram[mode - 1] if mode > 2 else histogram[34]
        after = histogram[mode + 1] if mode < 34 else histogram[2]
        value = 2 * histogram[mode] + before + after
        if value > most:
            best, most = mode, value
    confidence = 0
    if most * 5 > total * 4:
        confidence = 1
    if most * 5 > total * 6:
        confidence = 2
    return 3 * best + confidence
