# mypy: allow-untyped-defs, no-check-untyped-defs
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

from vqcodec.photo.kernel import kernel
from vqcodec.photo.predict import BASE_MODE

U = np.uint64  # for indices: unsigned ones need no check for being negative
CLASSES = 11
BASIS_BITS = 12
COEFFICIENT_BITS = 4
_SHIFT = np.int32(BASIS_BITS + COEFFICIENT_BITS)
_HALF = np.int32(1 << (BASIS_BITS + COEFFICIENT_BITS - 1))
COEFFICIENTS = np.array([0, 0, 16, 64, 256, 256], np.int64)  # by log2 of the size
KEPT = 16  # frequencies a side that 32 x 32 keeps


@kernel("i8(i8)")
def transform_class(mode):
    """Return the class of a mode: planar, mean, or one of nine pairs of directions."""
    mode = BASE_MODE[mode]
    if mode < 2:
        return mode
    if mode < 18:
        mode = 36 - mode
    return 2 + (mode - 18) // 2


@kernel
def _multiply(a, a_row, rows, inner, b, b_row, columns, out, to):
    """``a @ b``: rows of a are `inner` long, those of b `columns`.

    Matrices are flat rows of larger tables. The innermost loop runs along a
    row of b, in vector instructions since its bound is unsigned.
    """
    for k in range(U(rows * columns)):
        out[0, U(to) + k] = np.float32(0)
    for j in range(inner):
        source = U(j * columns)
        for r in range(rows):
            w = a[a_row, U(r * inner + j)]
            target = U(to + r * columns)
            for c in range(U(columns)):
                out[0, target + c] += w * b[b_row, source + c]


@kernel
def forward(residual, size, mode, dense4, dense8, pair16, dct32, scans, work, out):
    """Transform a residual (float32, one row); return the number of coefficients.

    Bases are flat: `dense4` and `dense8` (class, sample x coefficient);
    `pair16` (two rows a class) and `dct32` (two rows): the first row is
    (frequency, line), the second (column, frequency). `work` is (1, 768).
    """
    kind = transform_class(mode)
    if size == 2:
        _multiply(residual, 0, 1, 16, dense4, kind, 16, out, 0)
        return 16
    if size == 3:
        _multiply(residual, 0, 1, 64, dense8, kind, 64, out, 0)
        return 64
    if size == 4:
        _multiply(residual, 0, 16, 16, pair16, 2 * kind + 1, KEPT, work, 0)
        _multiply(pair16, 2 * kind, KEPT, 16, work, 0, KEPT, work, 512)
    else:
        kind = CLASSES
        _multiply(residual, 0, 32, 32, dct32, 1, KEPT, work, 0)
        _multiply(dct32, 0, KEPT, 32, work, 0, KEPT, work, 512)
    for k in range(256):
        out[0, U(k)] = work[0, U(512 + scans[kind, U(k)])]
    return 256


@kernel("void(i4[::1],i8,i8,i4[:,:,::1],i8,i4[:,:,::1],i8,i4[:,::1],i8,i4[::1],i4[::1])")
def _separable_inverse(values, count, n, rows, row, columns, column, scans, scan, work, out):
    """``rows[row].T @ values @ columns[column]``, skipping zeros; `work` holds 768 values."""
    for k in range(256):
        work[U(k)] = 0
    top = 0
    for k in range(count):
        if values[k] != 0:
            place = scans[scan, k]
            work[U(place)] = values[k]
            top = max(top, place >> 4)
    half = np.int32(1 << (BASIS_BITS - 1))
    for u in range(top + 1):
        base = 256 + u * n
        for j in range(n):
            work[U(base + j)] = half
        for v in range(KEPT):
            value = np.int32(work[U(u * 16 + v)])
            if value != 0:
                for j in range(n):
                    work[U(base + j)] += np.int32(value * columns[column, U(v), U(j)])
        for j in range(n):
            work[U(base + j)] >>= np.int32(BASIS_BITS)
    for i in range(n):
        base = i * n
        for j in range(n):
            out[U(base + j)] = _HALF
        for u in range(top + 1):
            weight = np.int32(rows[row, U(u), U(i)])
            start = 256 + u * n
            for j in range(n):
                out[U(base + j)] += np.int32(weight * work[U(start + j)])
        for j in range(n):
            out[U(base + j)] >>= _SHIFT


@kernel(
    "void(i4[::1],i8,i8,i8,i4[:,:,::1],i4[:,:,::1],i4[:,:,::1],i4[:,:,::1],i4[:,::1],i4[::1],i4[::1])"
)
def inverse(values, count, size, mode, dense4, dense8, pair16, dct32, scans, work, out):
    """Turn the first `count` coefficients (int32, in 1/16) into a residual (int32, flat).

    `dense4` and `dense8` are (class, coefficient, sample), `pair16` is
    (2 class + side, frequency, place), `dct32` (1, frequency, place), `scans`
    (class, 256) with that of 32 x 32 last; all int32.
    """
    kind = transform_class(mode)
    if size == 5:
        _separable_inverse(values, count, 32, dct32, 0, dct32, 0, scans, CLASSES, work, out)
        return
    if size == 4:
        _separable_inverse(
            values, count, 16, pair16, 2 * kind, pair16, 2 * kind + 1, scans, kind, work, out
        )
        return
    n = 1 << (2 * size)
    for q in range(n):
        out[U(q)] = _HALF
    for k in range(count):
        value = np.int32(values[U(k)])
        if value != 0:
            if size == 2:
                for q in range(n):
                    out[U(q)] += np.int32(value * dense4[kind, U(k), U(q)])
            else:
                for q in range(n):
                    out[U(q)] += np.int32(value * dense8[kind, U(k), U(q)])
    for q in range(n):
        out[U(q)] >>= _SHIFT
