"""Transforms of the prediction residual: trained for each kind of prediction.

The residual of a directional prediction has its own statistics, so each class
of modes has its own Karhunen-Loeve transform (Ye and Karczewicz 2008): dense
ones for 4 x 4 and 8 x 8, a separable pair for 16 x 16; blocks of 32 x 32 keep
the 16 x 16 low frequencies of a DCT. Blocks come in the orientation of their
prediction (see `predict`), so mirrored directions share a class.

The bases are integers in 1/4096. Only the inverse is normative; it works on
coefficients in 1/16 modulo 2**32. The forward transform is the encoder's own
and uses the same bases in floating point.
"""

from __future__ import annotations

import numpy as np

from vqcodec.jit import njit
from vqcodec.photo.predict import BASE_MODE

CLASSES = 11
BASIS_BITS = 12
COEFFICIENT_BITS = 4
_SHIFT = np.int32(BASIS_BITS + COEFFICIENT_BITS)
_HALF = np.int32(1 << (BASIS_BITS + COEFFICIENT_BITS - 1))
COEFFICIENTS = np.array([0, 0, 16, 64, 256, 256], np.int64)  # by log2 of the size
KEPT = 16  # frequencies a side that 32 x 32 keeps


@njit
def transform_class(mode):
    """Return the class of a mode: planar, mean, or one of nine pairs of directions."""
    mode = BASE_MODE[mode]
    if mode < 2:
        return mode
    if mode < 18:
        mode = 36 - mode
    return 2 + (mode - 18) // 2


@njit
def _separable_forward(residual, n, rows, columns, scan, work, out):
    """``rows @ residual @ columns.T`` in scan order; `rows` and `columns` are (16, n)."""
    for u in range(KEPT):
        base = u * n
        for j in range(n):
            work[base + j] = 0
        for i in range(n):
            weight = rows[u, i]
            for j in range(n):
                work[base + j] += weight * residual[i * n + j]
    for k in range(KEPT * KEPT):
        u, v = scan[k] >> 4, scan[k] & 15
        a = b = c = d = np.float32(0)
        for j in range(0, n, 4):
            a += work[u * n + j] * columns[v, j]
            b += work[u * n + j + 1] * columns[v, j + 1]
            c += work[u * n + j + 2] * columns[v, j + 2]
            d += work[u * n + j + 3] * columns[v, j + 3]
        out[k] = (a + b) + (c + d)


@njit
def forward(residual, size, mode, dense4, dense8, pair16, scan16, dct32, scan32, work, out):
    """Transform a residual (float32, flat); return the number of coefficients.

    `dense4` and `dense8` are (class, sample, coefficient): transposed bases.
    """
    kind = transform_class(mode)
    if size == 5:
        _separable_forward(residual, 32, dct32, dct32, scan32, work, out)
        return 256
    if size == 4:
        _separable_forward(residual, 16, pair16[kind, 0], pair16[kind, 1], scan16[kind], work, out)
        return 256
    n = 1 << (2 * size)
    basis = dense4[kind] if size == 2 else dense8[kind]
    for k in range(n):
        out[k] = 0
    for q in range(n):
        value = residual[q]
        for k in range(n):
            out[k] += value * basis[q, k]
    return n


@njit
def _separable_inverse(values, count, n, rows, columns, scan, work, out):
    """``rows.T @ values @ columns``, skipping rows of zeros."""
    grid = work[:256]
    for k in range(256):
        grid[k] = 0
    top = 0
    for k in range(count):
        if values[k] != 0:
            grid[scan[k]] = values[k]
            top = max(top, scan[k] >> 4)
    half = np.int32(1 << (BASIS_BITS - 1))
    for u in range(top + 1):
        base = 256 + u * n
        for j in range(n):
            work[base + j] = half
        for v in range(KEPT):
            value = grid[u * 16 + v]
            if value != 0:
                for j in range(n):
                    work[base + j] += np.int32(value * columns[v, j])
        for j in range(n):
            work[base + j] >>= np.int32(BASIS_BITS)
    for i in range(n * n):
        out[i] = _HALF
    for i in range(n):
        base = i * n
        for u in range(top + 1):
            weight = rows[u, i]
            start = 256 + u * n
            for j in range(n):
                out[base + j] += np.int32(weight * work[start + j])
    for i in range(n * n):
        out[i] >>= _SHIFT


@njit
def inverse(values, count, size, mode, dense4, dense8, pair16, scan16, dct32, scan32, work, out):
    """Turn the first `count` coefficients (int32, in 1/16) into a residual (int32, flat).

    `dense4` and `dense8` are (class, coefficient, sample); all int32.
    """
    kind = transform_class(mode)
    if size == 5:
        _separable_inverse(values, count, 32, dct32, dct32, scan32, work, out)
        return
    if size == 4:
        _separable_inverse(
            values, count, 16, pair16[kind, 0], pair16[kind, 1], scan16[kind], work, out
        )
        return
    n = 1 << (2 * size)
    basis = dense4[kind] if size == 2 else dense8[kind]
    for q in range(n):
        out[q] = _HALF
    for k in range(count):
        value = values[k]
        if value != 0:
            for q in range(n):
                out[q] += np.int32(value * basis[k, q])
    for q in range(n):
        out[q] >>= _SHIFT
