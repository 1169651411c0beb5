# mypy: allow-untyped-defs, no-check-untyped-defs
"""Stereo: each band of a pair of channels may be rotated before it is coded.

A rotation by the angle of the principal axis packs what both channels share
into the first of two (van der Waal and Veldhuis 1991); 0 is left and right,
a quarter of pi mid and side. Being orthogonal it adds no noise of its own.
Angles go in sixteenths of pi, band by band, mostly "as in the block before".
"""

from __future__ import annotations

import numpy as np

from vqcodec.audio.contexts import ANGLES, REPEATS
from vqcodec.audio.mixing import code_plain, kernel

TURNS = 16
_radians = np.arange(TURNS) * np.pi / TURNS
COSINE = np.cos(_radians).astype(np.float32)
SINE = np.sin(_radians).astype(np.float32)
# Squared cosine and sine in 1/256, and their base 2 logarithms in 1/256.
SQUARES = np.round(256 * np.stack([np.cos(_radians) ** 2, np.sin(_radians) ** 2], 1)).astype(
    np.int64
)
LOG_SQUARES = np.round(256 * np.log2(np.maximum(SQUARES, 1e-6) / 256)).astype(np.int64)


@kernel("void(f4[:,::1],i8,i8,i8)")
def rotate(x, start, stop, angle):
    """Turn left and right into the rotated channels, in place; x is (2, n) float32."""
    c, s = COSINE[angle], SINE[angle]
    for k in range(start, stop):
        left, right = x[0, k], x[1, k]
        x[0, k] = c * left + s * right
        x[1, k] = c * right - s * left


@kernel("void(f4[:,::1],i8,i8,i8)")
def rotate_back(x, start, stop, angle):
    """Undo `rotate`."""
    c, s = COSINE[angle], SINE[angle]
    for k in range(start, stop):
        first, second = x[0, k], x[1, k]
        x[0, k] = c * first - s * second
        x[1, k] = s * first + c * second


@kernel("void(u8[::1],u1[::1],b1,u4[::1],i8[::1],i8[::1],i8[::1],i8)")
def code_angles(state, buffer, encoding, plain, now, before, nearest, bands):
    """Encode or decode the angles of a block.

    now, before : (BANDS,) int64, of this block and the last; nearest : (BANDS,) int64,
    the band of the last block that corresponds to each.
    """
    repeated = 1
    lower = 0
    for band in range(bands):
        expected = before[nearest[band]]
        same = 1 if now[band] == expected else 0
        context = REPEATS + repeated * 2 + (1 if lower == expected else 0)
        repeated = code_plain(state, buffer, encoding, plain, context, same)
        if repeated:
            now[band] = expected
        else:
            node = 1
            for shift in range(3, -1, -1):
                bit = (now[band] >> shift) & 1
                place = ANGLES + lower * 16 + node
                node = node << 1 | code_plain(state, buffer, encoding, plain, place, bit)
            now[band] = node - 16
        lower = now[band]
