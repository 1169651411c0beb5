# mypy: allow-untyped-defs, no-check-untyped-defs
"""Signs of coefficients, foretold by how a block must join its neighbours.

Outside of edges a picture runs on smoothly: the rows above and the columns to
the left, continued by one sample, are nearly what the first row and column of a
block will be. What the prediction lacks of that is the *gap*, and the sign of a
coefficient that would close the gap is the likelier one (the idea of sign
prediction in video coding, after Henry and Clare 2016; here it costs no trial
reconstruction: the gap is projected on the border of each basis vector, and what
is known of the block already is taken away from it).
"""

from __future__ import annotations

import numpy as np

from vqcodec.photo.contexts import AGREEMENT, BASE, LEVEL, SIGN
from vqcodec.photo.kernel import kernel
from vqcodec.photo.mixing import code_adaptive
from vqcodec.photo.predict import is_horizontal
from vqcodec.photo.transform import BASIS_BITS, CLASSES, transform_class

U = np.uint64  # for indices, see transform
_PAIRED = 2


@kernel("void(i2[:,::1],i8,i8,i8,i8,i2[:,::1],i8[:,::1])")
def measure_gaps(plane, y, x, size, mode, prediction, gaps):
    """Fill row 0 of `gaps`: first row, then first column of a block as predicted, in 1/16.

    Rows are int64 and 64 long; row 1 is scratch of `code_sign`.
    """
    n = 1 << size
    turned = is_horizontal(mode)
    for i in range(n):
        above = left = np.int64(0)
        row, column = (i * n, i) if turned else (i, i * n)  # beside which neighbour
        if y > 0:
            above = 2 * np.int64(plane[y - 1, x + i]) - plane[y - 2, x + i] - prediction[0, row]
        if x > 0:
            left = 2 * np.int64(plane[y + i, x - 1]) - plane[y + i, x - 2] - prediction[0, column]
        gaps[0, U(i)] = (left if turned else above) << 4
        gaps[0, U(n + i)] = (above if turned else left) << 4


@kernel("i8(i8,i8,i8,i4[:,:,::1],i4[:,:,::1],i4[:,:,::1],i4[:,:,::1],i4[:,::1],i8[:,::1])")
def _project(k, size, mode, dense4, dense8, pair16, dct32, scans, gaps):
    """Put the border of basis vector k into row 1 of `gaps`; return its product with row 0."""
    n = 1 << size
    kind = transform_class(mode)
    total = np.int64(0)
    if size <= 3:
        basis = dense4 if size == 2 else dense8
        for i in range(U(n)):
            gaps[1, i] = basis[kind, k, i]
            gaps[1, U(n) + i] = basis[kind, k, U(n) * i]
    else:
        table = dct32 if size == 5 else pair16
        rows, columns = (0, 0) if size == 5 else (_PAIRED * kind, _PAIRED * kind + 1)
        place = np.int64(scans[CLASSES if size == 5 else kind, k])
        u, v = place >> 4, place & 15
        top, side = np.int64(table[rows, u, 0]), np.int64(table[columns, v, 0])
        for i in range(U(n)):
            gaps[1, i] = (top * table[columns, v, i]) >> BASIS_BITS
            gaps[1, U(n) + i] = (side * table[rows, u, i]) >> BASIS_BITS
    for i in range(U(2 * n)):
        total += gaps[0, i] * gaps[1, i]
    return total >> BASIS_BITS


@kernel(
    "i8(u8[::1],u1[::1],b1,u4[::1],i8,i8,i8,i8,i8,i8,"
    "i4[:,:,::1],i4[:,:,::1],i4[:,:,::1],i4[:,:,::1],i4[:,::1],i8[:,::1],i8)"
)
def code_sign(
    coder, buffer, encoding, states, k, size, mode, coefficient, step, roughness,
    dense4, dense8, pair16, dct32, scans, gaps, negative,
):  # fmt: skip
    """Code the sign of coefficient k, of a magnitude in 1/16; return 1 for negative."""
    hint = _project(k, size, mode, dense4, dense8, pair16, dct32, scans, gaps)
    agreement = AGREEMENT[min(4095, abs(coefficient * hint) * 64 // (step * step))]
    rough = np.int64(LEVEL[min(4095, roughness >> 3)]) >> 2
    context = BASE[SIGN, 0] + (agreement * 8 + rough) * 4 + size - 2
    against = 1 if hint < 0 else 0  # what is foretold
    negative = against ^ code_adaptive(coder, buffer, encoding, states, context, negative ^ against)
    change = -coefficient if negative == 1 else coefficient
    for i in range(U(2 << size)):
        gaps[0, i] -= (change * gaps[1, i]) >> BASIS_BITS
    return negative
