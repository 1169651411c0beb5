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
# Typed, as a plain number would have numba compile `_multiply` for each value.
_ZERO, _ONE, _KEPT = np.int64(0), np.int64(1), np.int64(KEPT)


@kernel("i8(i8)")
def transform_class(mode):
    """Return the class of a mode: planar, mean, or one of nine pairs of directions."""
    mode = BASE_MODE[mode]
    if mode < 2:
        return mode
    if mode < 18:
        mode = 36 - mode
    return 2 + (mode - 18) // 2


@kernel(hot=True)
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


@kernel(hot=True)
def forward(residual, size, mode, dense4, dense8, pair16, dct32, scans, work, out):
    """Transform a residual (float32, one row); return the number of coefficients.

    Bases are flat: `dense4` and `dense8` (class, sample x coefficient);
    `pair16` (two rows a class) and `dct32` (two rows): the first row is
    (frequency, line), the second (column, frequency). `work` is (1, 768).
    """
    kind = transform_class(mode)
    n = _ONE << size
    if size <= 3:
        dense = dense4 if size == 2 else dense8
        _multiply(residual, _ZERO, _ONE, n * n, dense, kind, n * n, out, _ZERO)
        return n * n
    second = _ZERO + 512
    if size == 4:
        _multiply(residual, _ZERO, n, n, pair16, 2 * kind + 1, _KEPT, work, _ZERO)
        _multiply(pair16, 2 * kind, _KEPT, n, work, _ZERO, _KEPT, work, second)
    else:
        kind = _ZERO + CLASSES
        _multiply(residual, _ZERO, n, n, dct32, _ONE, _KEPT, work, _ZERO)
        _multiply(dct32, _ZERO, _KEPT, n, work, _ZERO, _KEPT, work, second)
    for k in range(256):
        out[0, U(k)] = work[0, U(512 + scans[kind, U(k)])]
    return 256


@kernel("void(i4[::1],i8,i8,i4[:,:,::1],i8,i8,i4[:,::1],i8,i4[::1],i4[::1])")
def _separable_inverse(values, count, n, table, row, column, scans, scan, work, out):
    """``table[row].T @ values @ table[column]``, skipping zeros; `work` holds 768 values."""
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
                    work[U(base + j)] += np.int32(value * table[column, U(v), U(j)])
        for j in range(n):
            work[U(base + j)] >>= np.int32(BASIS_BITS)
    for i in range(n):
        base = i * n
        for j in range(n):
            out[U(base + j)] = _HALF
        for u in range(top + 1):
            weight = np.int32(table[row, U(u), U(i)])
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
    if size >= 4:
        table = dct32 if size == 5 else pair16
        rows, columns = (0, 0) if size == 5 else (2 * kind, 2 * kind + 1)
        scan = CLASSES if size == 5 else kind
        _separable_inverse(
            values, count, 1 << size, table, rows, columns, scans, scan, work, out
        )  # fmt: skip
        return
    n = 1 << (2 * size)
    basis = dense4 if size == 2 else dense8
    for q in range(U(n)):
        out[q] = _HALF
    for k in range(count):
        value = np.int32(values[U(k)])
        if value != 0:
            for q in range(U(n)):
                out[q] += np.int32(value * basis[kind, U(k), q])
    for q in range(U(n)):
        out[q] >>= _SHIFT
