# mypy: allow-untyped-defs, no-check-untyped-defs
"""Vector quantization of the coefficients: pairs, one codebook, rate against distortion.

Coefficients in scan order are divided by the step of their frequency and taken
in pairs. A codeword (Chou, Lookabaugh and Gray 1989: trained for distortion
plus lambda times rate) gives the two magnitudes; signs follow (`signs`). Pairs beyond
the codebook escape to the integer lattice. Values are in 1/64 of a step.

Steps are sixths of a quarter octave: index 0 is half a sample value, 24 more
double it. A frequency profile makes high frequencies coarser.
"""

from __future__ import annotations

import math

import numpy as np

from vqcodec.photo.contexts import SCAN_BIN, advance, pair_level
from vqcodec.photo.kernel import kernel

U = np.uint64  # for indices, see transform
STEPS = 224
STEPS_PER_OCTAVE = 24
# Step by index, in 1/16 of a quarter sample value (so 64 is a whole one).
STEP = np.array([round(32 * 2 ** (i / STEPS_PER_OCTAVE)) for i in range(STEPS)], np.int64)
VALUE_BITS = 6
ESCAPE_LIMIT = 1 << 15
_COEFFICIENT_LIMIT = (1 << 19) - 1
LUT_CELLS, LUT_RESOLUTION = 110, 20  # the search table covers 0..5.5 in cells of 1/20
COST_LEVELS = 16
_PIVOT = 61  # where the profile crosses zero: 0.239 of the square root of the frequency


def profile_offsets(profile: int) -> np.ndarray:
    """Return the (6, 256) offsets of the step index by log2 of the size and frequency.

    A profile of 15 runs from 0.9 to 1.4 times the step along the square root
    of the scan position.
    """
    offsets = np.zeros((6, 256), np.int64)
    for size in range(2, 6):
        count = min(256, 4**size)
        for k in range(count):
            root = math.isqrt(65536 * k // (count - 1))
            offsets[size, k] = (profile * (root - _PIVOT) + 128) >> 8
    return offsets


@kernel("void(i8,i8[:,::1],i8[:,::1])")
def fill_steps(index, offsets, steps):
    """Fill the steps of all sizes and frequencies for a step index."""
    for size in range(2, 6):
        for k in range(256):
            steps[size, k] = STEP[min(STEPS - 1, max(0, index + offsets[size, k]))]


@kernel("i8(i8,i8)")
def dequantised(value, step):
    """Return the coefficient, in 1/16 of a quarter sample value, of a value in 1/64 of a step."""
    product = (value * step + 32) >> VALUE_BITS
    return min(_COEFFICIENT_LIMIT, max(-_COEFFICIENT_LIMIT, product))


@kernel("void(i4[::1],i8,i8,i8[:,::1],i8,i4[::1])")
def dequantise(values, start, count, steps, size, out):
    """Turn the values of a block into coefficients."""
    for k in range(count):
        value = np.int64(values[start + k])
        out[k] = dequantised(value, steps[size, k]) if value != 0 else 0


@kernel
def escape_bits(value):
    """Approximate bits of a magnitude that escapes the codebook."""
    bits = 1.0
    value += 1
    while value > 1:
        value >>= 1
        bits += 1.5
    return bits


@kernel(hot=True)
def quantise(
    x,
    count,
    size,
    level,
    f,
    weights,
    weight,
    coded_costs,
    pair_costs,
    lut,
    codewords,
    symbols,
    values,
    limit,
):
    """Choose codewords and the number of coded pairs of a block: the encoder's search.

    Parameters
    ----------
    x : (1, 256) float32
        Coefficients divided by their steps; `count` of them.
    size, level : int
        Log2 of the block's size; level of its number of coded pairs.
    f : (10,) int64
        Features of the block.
    weights : (6, bins, 10) int64
        Regression of the level, by size and scan bin.
    weight : float
        Lagrangian: squared steps a bit.
    coded_costs : (6, 16, pairs + 1) float32
        Bits to announce that many pairs, by size and level.
    pair_costs : (16, 32) float32
        Bits of each codeword with its signs, and of the escape, by level.
    lut : (16, cells * cells) uint8
        Best codeword of each cell of the positive quadrant, by level.
    codewords : (31, 2) int32
    symbols, values : int16 and int32 arrays that receive the result.
    limit : float
        Cost above which the result is of no use, and unfinished.

    Returns
    -------
    coded : int
        Number of pairs to code.
    cost : float
        Squared error in steps plus `weight` times bits.
    """
    escape = codewords.shape[0]
    last = count // 2 - 1
    # Four sums at once: each waits for its last addition.
    tail = second = third = fourth = np.float32(0)
    for k in range(0, count, 4):
        tail += x[0, U(k)] * x[0, U(k)]
        second += x[0, U(k + 1)] * x[0, U(k + 1)]
        third += x[0, U(k + 2)] * x[0, U(k + 2)]
        fourth += x[0, U(k + 3)] * x[0, U(k + 3)]
    tail = (tail + second) + (third + fourth)
    while last >= 0 and abs(x[0, 2 * last]) <= 0.42 and abs(x[0, 2 * last + 1]) <= 0.42:
        last -= 1
    best = tail + weight * coded_costs[size, level, 0]
    coded = 0
    f[5] = 0
    f[6] = 0
    f[7] = 0
    spent = np.float32(0)
    for group in range(last + 1):
        a, b = x[0, 2 * group], x[0, 2 * group + 1]
        size_a, size_b = abs(a), abs(b)
        energy = a * a + b * b
        expected = pair_level(weights, size, SCAN_BIN[group], f) >> 1
        symbol = 0
        cost = energy + weight * pair_costs[expected, 0]
        most = max(size_a, size_b)
        value_a = value_b = 0
        if most > 0.35:
            if most < 5.49:
                cell = int(size_a * LUT_RESOLUTION) * LUT_CELLS + int(size_b * LUT_RESOLUTION)
                k = np.int64(lut[expected, cell])
                if k != 0:
                    da = size_a - codewords[k, 0] * np.float32(1 / 64)
                    db = size_b - codewords[k, 1] * np.float32(1 / 64)
                    other = da * da + db * db + weight * pair_costs[expected, k]
                    if other < cost:
                        cost = other
                        symbol = k
                        value_a, value_b = codewords[k, 0], codewords[k, 1]
            if most > 4.0:
                na, nb = int(size_a + np.float32(0.45)), int(size_b + np.float32(0.45))
                na, nb = min(na, ESCAPE_LIMIT - 1), min(nb, ESCAPE_LIMIT - 1)
                bits = pair_costs[expected, escape] + escape_bits(na) + escape_bits(nb)
                da, db = size_a - np.float32(na), size_b - np.float32(nb)
                other = da * da + db * db + weight * np.float32(bits)
                if other < cost:
                    cost = other
                    symbol = escape
                    value_a, value_b = na << VALUE_BITS, nb << VALUE_BITS
        symbols[group] = symbol
        values[2 * group] = value_a if a >= 0 else -value_a
        values[2 * group + 1] = value_b if b >= 0 else -value_b
        advance(f, group, (value_a + value_b) * 8)
        spent += cost
        tail -= energy
        if spent >= limit and best >= limit:
            return coded, best  # neither more pairs nor fewer can get below it
        if symbol != 0:
            total = spent + tail + weight * coded_costs[size, level, group + 1]
            if total < best:
                best = total
                coded = group + 1
    for k in range(2 * coded, count):
        values[k] = 0
    return coded, best
