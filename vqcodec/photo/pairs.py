# mypy: allow-untyped-defs, no-check-untyped-defs
"""The coefficients of a block: codewords and signs, coded pair by pair in scan order."""

from __future__ import annotations

import numpy as np

from vqcodec.photo.contexts import (
    BITS,
    CODED,
    ESCAPE,
    FIRST_SET,
    LEVEL,
    LUMA,
    PAIR,
    SCAN_BIN,
    SECOND_SET,
    SIZE,
    advance,
    pair_level,
    sixth,
)
from vqcodec.photo.kernel import kernel
from vqcodec.photo.mixing import code_mixed, code_with, place
from vqcodec.photo.quantizer import ESCAPE_LIMIT, VALUE_BITS, dequantised
from vqcodec.photo.signs import code_sign
from vqcodec.photo.transform import COEFFICIENTS

# Rows of the codeword tree: class of each symbol, children of each node (-1 - symbol
# at the leaves), decisions from the root to each symbol.
CLASS, LEFT, RIGHT, PATH = range(4)


@kernel
def _neighbour_class(cells, symbols, tree, order, row, column, size, group):
    """Class of the pair at the same place of a neighbouring block of the same size."""
    if cells[row, column, SIZE] != size:
        return 0
    if group >= cells[row, column, CODED]:
        return 1
    mask = ~((1 << (size - 2)) - 1)
    return tree[CLASS, symbols[order[row & mask, column & mask] * 8 + group]]


@kernel
def _code_escape(
    coder, buffer, encoding, states, weights,
    f, size, component, first, level, position, value,
):  # fmt: skip
    """Code a magnitude of a pair beyond the codebook: Elias' gamma code with modelled bits.

    `first` is the bit length of the first of both, where `component` is the second.
    """
    near = np.int64(LEVEL[min(4095, f[5] >> 3)]) >> 1
    around = np.int64(LEVEL[min(4095, max(f[2], f[3]) >> 3)]) >> 1
    known = 0 if component == 0 else 1 + first
    place(
        coder, ESCAPE,
        known * 4 + size - 2,
        component * 32 + level,
        component * 16 + near,
        (component * 4 + size - 2) * 16 + position,
        known * 16 + (level >> 1),
        known * 16 + around,
    )  # fmt: skip
    value += 1
    length = 0
    while length < 15:
        more = 1 if value >> (length + 1) > 0 else 0
        more = code_mixed(
            coder, buffer, encoding, states, weights, length,
            FIRST_SET[ESCAPE] + length, SECOND_SET[ESCAPE] + known * 64 + length, more,
        )  # fmt: skip
        if more == 0:
            break
        length += 1
    result = 1
    for shift in range(length - 1, -1, -1):
        bit = (value >> shift) & 1
        below = length - 1 - shift  # the leading one
        if below < 2:
            node = 16 * (1 + below + (result & below)) + length
            bit = code_mixed(
                coder, buffer, encoding, states, weights, node,
                FIRST_SET[ESCAPE] + node, SECOND_SET[ESCAPE] + known * 64 + node, bit,
            )  # fmt: skip
        else:
            bit = code_with(coder, buffer, encoding, 32768, bit)
        result = 2 * result + bit
    return min(result - 1, ESCAPE_LIMIT - 1)


@kernel
def code_pairs(
    coder, buffer, encoding, states, weights,
    cells, symbols, order, tree, codewords, pair_weights,
    kind, y, x, size, mode, f, coded, values, pair_base, steps, step,
    dense4, dense8, pair16, dct32, scans, gaps,
):  # fmt: skip
    """Code `coded` pairs of a block; symbols from `pair_base`, values from the same pair on."""
    row, column = y >> 2, x >> 2
    escape = codewords.shape[0]
    low, high = sixth(f[2]), sixth(f[3])
    luma, chroma = sixth(f[8]), sixth(f[9])
    quarter = COEFFICIENTS[size] // 8
    first_value = 2 * pair_base
    previous = 0
    for group in range(coded):
        position = SCAN_BIN[group]
        level = pair_level(pair_weights, size, position, f)
        near, mid = sixth(f[5]), sixth(f[6])
        left = above = 0
        if x > 0:
            left = _neighbour_class(cells, symbols, tree, order, row, column - 1, size, group)
        if y > 0:
            above = _neighbour_class(cells, symbols, tree, order, row - 1, column, size, group)
        if kind == LUMA:
            extra = previous * 24 + (size - 2) * 6 + max(low, high)
        else:
            extra = (luma * 6 + chroma) * 32 + level
        last = group == coded - 1
        place(
        coder, PAIR,
            level,
            near * 36 + mid * 6 + (high if group > quarter else low),
            position * 16 + (level >> 1),
            min(3, coded - 1 - group) * 16 + (level >> 1),
            (left * 6 + above) * 16 + position,
            extra,
        )  # fmt: skip
        set1 = FIRST_SET[PAIR] + level * 8
        set2 = SECOND_SET[PAIR] + ((size - 2) * 16 + position) * 8
        symbol = np.int64(symbols[pair_base + group])
        # The last coded pair is never zero; every other one says whether it is. Then
        # the codeword by its path in a binary tree, whose root is node 1.
        node = 1 if last else 0
        depth = 0
        while node >= 0:
            if node == 0:
                slot = 0
                bit = 1 if symbol == 0 else 0
            else:
                slot = min(7, depth + 1)
                bit = (tree[PATH, symbol] >> depth) & 1
            bit = code_mixed(
                coder, buffer, encoding, states, weights, node,
                set1 + slot, set2 + slot, bit,
            )  # fmt: skip
            if node == 0:
                node = -1 if bit == 1 else 1
            else:
                depth += 1
                node = tree[RIGHT, node] if bit == 1 else tree[LEFT, node]
        symbol = -node - 1
        symbols[pair_base + group] = symbol
        total = first = 0
        for component in range(2):
            k = 2 * (pair_base + group) + component
            value = np.int64(values[k])
            negative = 1 if value < 0 else 0
            if symbol == escape:
                magnitude = _code_escape(
                    coder, buffer, encoding, states, weights,
                    f, size, component, first, level, position, abs(value) >> VALUE_BITS,
                ) << VALUE_BITS  # fmt: skip
                first = np.int64(BITS[min(255, (magnitude >> VALUE_BITS) + 1)]) - 1
            else:
                magnitude = np.int64(codewords[symbol, component])
            total += magnitude
            if magnitude != 0:
                coefficient = dequantised(magnitude, steps[size, k - first_value])
                negative = code_sign(
                    coder, buffer, encoding, states, k - first_value, size, mode, coefficient,
                    step, f[4], dense4, dense8, pair16, dct32, scans, gaps, negative,
                )  # fmt: skip
                if negative == 1:
                    magnitude = -magnitude
            values[k] = magnitude
        advance(f, group, total * 8)
        previous = symbol
