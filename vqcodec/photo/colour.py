# mypy: allow-untyped-defs, no-check-untyped-defs
"""Prediction of a colour difference from luma, and of a block by any mode.

Modes 35 to 38 add to one of four base modes what luma (and the first difference)
departs from *its* prediction, scaled by factors that both sides fit to the decoded
border: they cost no bits (cross-component prediction, Zhang et al. 2018, here of
residuals and with both planes at once).
"""

from __future__ import annotations

import numpy as np

from vqcodec.photo.kernel import kernel
from vqcodec.photo.planes import MIDDLE, TOP
from vqcodec.photo.predict import BASE_MODE, PLAIN_MODES, is_horizontal, predict

U = np.uint64  # for indices, see predict
_BORDER = 4  # decoded samples on either side that the factors are fitted to
_FACTOR_BITS = 8


@kernel("void(i2[:,::1],i2[:,::1],i2[:,::1],i8,i8,i8,i8,i8[::1])")
def fit_factors(plane, luma, first, y, x, n, step, factors):
    """Fit the plane to luma and the first difference on the decoded border (ridge regression).

    `factors` receives two integers in 1/256, within -2..2.
    """
    count = s = s0 = s1 = s00 = s01 = s11 = t0 = t1 = 0
    for part in range(2):
        if part == 0:
            top, bottom, left, right = max(0, y - _BORDER), y, max(0, x - _BORDER), x + n
        else:
            top, bottom, left, right = y, y + n, max(0, x - _BORDER), x
        for i in range(top, bottom):
            for j in range(left, right):
                value = np.int64(plane[i, j]) - MIDDLE
                a = np.int64(luma[i, j]) - MIDDLE
                b = np.int64(first[i, j]) - MIDDLE
                count += 1
                s += value
                s0 += a
                s1 += b
                s00 += a * a
                s01 += a * b
                s11 += b * b
                t0 += a * value
                t1 += b * value
    factors[0] = 0
    factors[1] = 0
    if count == 0:
        return
    # The ridge grows with the quantisation noise, step in 1/16.
    ridge = count * (16 + step * step // 5120)
    a00 = s00 - s0 * s0 // count + ridge
    a01 = s01 - s0 * s1 // count
    a11 = s11 - s1 * s1 // count + ridge
    u = t0 - s0 * s // count
    v = t1 - s1 * s // count
    determinant = max(1, a00 * a11 - a01 * a01)
    limit = 2 << _FACTOR_BITS
    factors[0] = min(limit, max(-limit, ((u * a11 - v * a01) << _FACTOR_BITS) // determinant))
    factors[1] = min(limit, max(-limit, ((a00 * v - a01 * u) << _FACTOR_BITS) // determinant))


@kernel("void(i8,i8,i8,i8,i2[:,::1],i2[:,::1],i8,i8,i4[::1])")
def add_colour_detail(mode, n, y, x, source, base, row, factor, out):
    """Add `factor` times what the decoded `source` plane departs from its own prediction.

    `out` holds 1/256 steps; row `row` of `base` is the prediction of the source
    block, in the orientation of the mode.
    """
    weight = np.int32(factor)
    turned = is_horizontal(mode)
    for i in range(n):
        for j in range(n):
            k = U(i * n + j)
            if turned:
                gap = np.int32(source[U(y + j), U(x + i)]) - np.int32(base[row, k])
            else:
                gap = np.int32(source[U(y + i), U(x + j)]) - np.int32(base[row, k])
            out[k] += np.int32(weight * np.int32(gap))


@kernel("void(i8,i8,i8,i8,i2[:,::1],i2[:,::1],i4[:,::1],i8[::1],i4[::1],i2[:,::1],i8)")
def predict_block(mode, size, y, x, luma, first, borders, factors, detail, out, row):
    """Predict a block by any mode into row `row` of `out`.

    The references of the plane itself, luma and the first difference are in
    rows 0, 1 and 2 of `borders`. `detail` and the last row of `out` are scratch.
    """
    predict(BASE_MODE[mode], size, borders, 0, out, row)
    if mode < PLAIN_MODES:
        return
    n = 1 << size
    spare = out.shape[0] - 1
    for i in range(n * n):
        detail[U(i)] = 1 << (_FACTOR_BITS - 1)
    for k in range(2):
        if factors[k] != 0:
            predict(BASE_MODE[mode], size, borders, 1 + k, out, spare)
            if k == 0:
                add_colour_detail(mode, n, y, x, luma, out, spare, factors[0], detail)
            else:
                add_colour_detail(mode, n, y, x, first, out, spare, factors[1], detail)
    for i in range(n * n):
        value = np.int32(np.int32(out[row, U(i)]) + (detail[U(i)] >> np.int32(_FACTOR_BITS)))
        out[row, U(i)] = min(np.int32(TOP), max(np.int32(0), value))
