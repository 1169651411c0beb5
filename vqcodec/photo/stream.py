# mypy: allow-untyped-defs, no-check-untyped-defs
"""The syntax of a plane: partition, modes, coefficients; one walk for both directions.

`code_plane` visits the 32 x 32 units of a plane row by row, and inside a unit
the blocks of its quadtree in z-order. Encoding, it reads what the search
decided from the cells, symbols and values; decoding, it fills them. Either way
it needs nothing but what a decoder knows at that point, and it reconstructs
nothing while encoding, since the search has left the decoded plane behind.
"""

from __future__ import annotations

import numpy as np

from vqcodec.jit import njit
from vqcodec.photo.contexts import (
    BASE,
    BITS,
    CHOICE,
    CODED,
    ESCAPE,
    FEATURES,
    FIRST_SET,
    GREEN,
    LENGTH,
    LUMA,
    MODE,
    NODES,
    PAIR,
    REST,
    SCAN_BIN,
    SECOND_SET,
    SIZE,
    SPLIT,
    advance,
    block_mean,
    coded_level,
    leaf_features,
    neighbour_means,
    pair_level,
    set_cells,
    sixth,
)
from vqcodec.photo.kernel import kernel
from vqcodec.photo.mixing import code_mixed, code_with
from vqcodec.photo.predict import (
    MODE_COUNT,
    MODES,
    NO_MODE,
    border_direction,
    fit_factors,
    gather_references,
    predict_block,
    store_block,
)
from vqcodec.photo.quantizer import ESCAPE_LIMIT, STEPS, VALUE_BITS, dequantise, fill_steps
from vqcodec.photo.transform import COEFFICIENTS, inverse, transform_class
from vqcodec.rangecoder import decode_bit, encode_bit

UNIT = 32
UNIT_OFFSETS = 8  # offsets of a unit's step: -4..3 quarter octaves
QUARTER_OCTAVE = 6


@kernel("void(i8[::1],i8,i8,i8,i8,i8,i8,i8)")
def _place(at, element, c0, c1, c2, c3, c4, c5):
    """Point the six inputs of an element at the rows of their contexts."""
    nodes = NODES[element]
    at[0] = BASE[element, 0] + c0 * nodes
    at[1] = BASE[element, 1] + c1 * nodes
    at[2] = BASE[element, 2] + c2 * nodes
    at[3] = BASE[element, 3] + c3 * nodes
    at[4] = BASE[element, 4] + c4 * nodes
    at[5] = BASE[element, 5] + c5 * nodes


@kernel("i8(i4[:,:,::1],i8,i8,i8)")
def split_context(cells, y, x, size):
    """Count the neighbours (left, upper) that lie in smaller blocks."""
    count = 0
    if x > 0 and cells[y >> 2, (x >> 2) - 1, SIZE] < size:
        count += 1
    if y > 0 and cells[(y >> 2) - 1, x >> 2, SIZE] < size:
        count += 1
    return count


@kernel("UniTuple(i8,2)(i4[:,:,::1],i8,i8)")
def neighbour_modes(cells, y, x):
    """Return the modes to the left and above."""
    left = np.int64(cells[y >> 2, (x >> 2) - 1, MODE]) if x > 0 else NO_MODE
    above = np.int64(cells[(y >> 2) - 1, x >> 2, MODE]) if y > 0 else NO_MODE
    return left, above


@kernel
def _neighbour_class(cells, symbols, classes, order, row, column, size, group):
    """Class of the pair at the same place of a neighbouring block of the same size."""
    if cells[row, column, SIZE] != size:
        return 0
    if group >= cells[row, column, CODED]:
        return 1
    mask = ~((1 << (size - 2)) - 1)
    return np.int64(classes[symbols[order[row & mask, column & mask] * 8 + group]])


@kernel
def _code_offset(state, buffer, encoding, contexts, offsets, row, column):
    """Code the step offset of a unit, in the context of its neighbours'."""
    left = offsets[row, column - 1] if column > 0 else 0
    above = offsets[row - 1, column] if row > 0 else 0
    base = ((left + above + 8) >> 1) * UNIT_OFFSETS
    value = offsets[row, column] + 4
    node = 1
    for shift in range(2, -1, -1):
        bit = (value >> shift) & 1
        if encoding:
            encode_bit(state, buffer, contexts, base + node, bit)
        else:
            bit = decode_bit(state, buffer, contexts, base + node)
        node = 2 * node + bit
    offsets[row, column] = node - UNIT_OFFSETS - 4


@kernel
def _code_split(
    state, buffer, encoding, states, first_w, second_w, at,
    cells, luma_cells, first_cells, kind, raw, y, x, size, step, f, split,
):  # fmt: skip
    n = 1 << size
    row, column = y >> 2, x >> 2
    smaller = split_context(cells, y, x, size)
    left_size = np.int64(cells[row, column - 1, SIZE]) if x > 0 else 0
    above_size = np.int64(cells[row - 1, column, SIZE]) if y > 0 else 0
    left_coded = np.int64(cells[row, column - 1, CODED]) if x > 0 else 0
    above_coded = np.int64(cells[row - 1, column, CODED]) if y > 0 else 0
    neighbour_means(cells, y, x, n, f)
    rough = most = 0
    for i in range(n, 3 * n):
        gap = abs(np.int64(raw[0, i + 1]) - np.int64(raw[0, i]))
        rough += gap
        most = max(most, gap)
    roughness = min(15, (rough * 96) // (n * step))
    peak = min(15, (most * 64) // step)
    if kind == LUMA:
        extra = (peak * 16 + roughness) * 6 + size
    else:
        luma = sixth(block_mean(luma_cells, y, x, n))
        chroma = sixth(block_mean(first_cells, y, x, n)) if kind == GREEN else 0
        covered = np.int64(luma_cells[row + (n >> 3), column + (n >> 3), SIZE])
        extra = ((luma * 6 + covered) * 6 + chroma) * 6 + size
    _place(
        at, SPLIT,
        size * 3 + smaller,
        (left_size * 6 + above_size) * 6 + size,
        (sixth(f[2] >> 1) * 6 + sixth(f[3] >> 1)) * 6 + size,
        roughness * 6 + size,
        (min(left_coded, 15) * 16 + min(above_coded, 15)) * 6 + size,
        extra,
    )  # fmt: skip
    return code_mixed(
        state, buffer, encoding, states, first_w, second_w, at, 0,
        FIRST_SET[SPLIT] + size * 3 + smaller, SECOND_SET[SPLIT] + size, split,
    )  # fmt: skip


@kernel
def _code_mode(
    state, buffer, encoding, states, first_w, second_w, at,
    cells, luma_cells, first_cells, kind, y, x, size, direction, mode,
):  # fmt: skip
    row, column = y >> 2, x >> 2
    left, above = neighbour_modes(cells, y, x)
    corner = np.int64(cells[row - 1, column - 1, MODE]) if x > 0 and y > 0 else NO_MODE
    extra = corner
    if kind != LUMA:
        half = 1 << size >> 3
        extra = np.int64(luma_cells[row + half, column + half, MODE]) * MODE_COUNT
        if kind == GREEN:
            extra += np.int64(first_cells[row + half, column + half, MODE])
    _place(
        at, CHOICE, left, above, left * MODE_COUNT + above, direction, direction * 6 + size, extra
    )
    confidence = direction % 3 if direction > 0 else 3
    node = 1
    for shift in range(5, -1, -1):
        bit = code_mixed(
            state, buffer, encoding, states, first_w, second_w, at, node,
            FIRST_SET[CHOICE] + node, SECOND_SET[CHOICE] + confidence * 64 + node,
            (mode >> shift) & 1,
        )  # fmt: skip
        node = 2 * node + bit
    return min(node - 64, MODES - 1)


@kernel
def _code_count(
    state, buffer, encoding, states, first_w, second_w, at,
    cells, luma_cells, kind, y, x, size, mode, level, f, coded,
):  # fmt: skip
    """Code the number of coded pairs: its bit length in unary, then the bits below the first."""
    row, column = y >> 2, x >> 2
    pairs = COEFFICIENTS[size] // 2
    left_size = np.int64(cells[row, column - 1, SIZE]) if x > 0 else 0
    above_size = np.int64(cells[row - 1, column, SIZE]) if y > 0 else 0
    left_bits = np.int64(BITS[cells[row, column - 1, CODED]]) if x > 0 else 0
    above_bits = np.int64(BITS[cells[row - 1, column, CODED]]) if y > 0 else 0
    occupied = (1 if left_bits > 0 else 0) + (1 if above_bits > 0 else 0)
    group = transform_class(mode)
    low, high, rough = sixth(f[2]), sixth(f[3]), sixth(f[4])
    if kind == LUMA:
        extra = (size * 6 + rough) * 36 + left_size * 6 + above_size
        below = above_bits
    else:
        half = 1 << size >> 3
        below = np.int64(BITS[luma_cells[row + half, column + half, CODED]])
        extra = ((size * 6 + sixth(f[8])) * 6 + sixth(f[9])) * 10 + below
    _place(
        at, LENGTH,
        size * 16 + level,
        (size * 3 + occupied) * 12 + group,
        ((size * 6 + low) * 6 + high) * 6 + rough,
        (size * 10 + left_bits) * 10 + above_bits,
        (size * 12 + group) * 16 + level,
        extra,
    )  # fmt: skip
    length = np.int64(BITS[coded])
    most = np.int64(BITS[pairs])
    count = 0
    while count < most:
        bit = code_mixed(
            state, buffer, encoding, states, first_w, second_w, at, count,
            FIRST_SET[LENGTH] + size * 10 + count, SECOND_SET[LENGTH] + level * 10 + count,
            1 if length > count else 0,
        )  # fmt: skip
        if bit == 0:
            break
        count += 1
    if count < 2:
        return count
    c = size * 10 + count
    _place(
        at,
        REST,
        c,
        c * 16 + level,
        c * 11 + group,
        c * 6 + rough,
        c * 10 + left_bits,
        c * 10 + below,
    )
    value = 1
    for shift in range(count - 2, -1, -1):
        bit = code_mixed(
            state, buffer, encoding, states, first_w, second_w, at,
            value if value < 32 else 32 + shift,
            FIRST_SET[REST] + count, SECOND_SET[REST] + size * 10 + shift, (coded >> shift) & 1,
        )  # fmt: skip
        value = 2 * value + bit
    return min(value, pairs)


@kernel
def _code_escape(
    state, buffer, encoding, states, first_w, second_w, at, size, component, level, position, value
):
    """Code a magnitude beyond the codebook: Elias' gamma code with modelled bits."""
    _place(at, ESCAPE, component, level, component * 6 + size, size, position, component)
    value += 1
    length = 0
    while length < 15:
        more = 1 if value >> (length + 1) > 0 else 0
        more = code_mixed(
            state, buffer, encoding, states, first_w, second_w, at, length,
            FIRST_SET[ESCAPE] + length, SECOND_SET[ESCAPE] + length, more,
        )  # fmt: skip
        if more == 0:
            break
        length += 1
    result = 1
    for shift in range(length - 1, -1, -1):
        bit = (value >> shift) & 1
        if shift == length - 1:
            bit = code_mixed(
                state, buffer, encoding, states, first_w, second_w, at, 16 + length,
                FIRST_SET[ESCAPE] + 16 + length, SECOND_SET[ESCAPE] + 16 + length, bit,
            )  # fmt: skip
        else:
            bit = code_with(state, buffer, encoding, 32768, bit)
        result = 2 * result + bit
    return min(result - 1, ESCAPE_LIMIT - 1)


@kernel
def _code_pairs(
    state, buffer, encoding, states, first_w, second_w, at,
    cells, symbols, classes, order, tree_left, tree_right, path, codewords, weights,
    kind, y, x, size, mode, f, coded, values, pair_base,
):  # fmt: skip
    """Code `coded` pairs of a block; symbols from `pair_base`, values from the same pair on."""
    row, column = y >> 2, x >> 2
    escape = codewords.shape[0]
    low, high = sixth(f[2]), sixth(f[3])
    luma, chroma = sixth(f[8]), sixth(f[9])
    quarter = COEFFICIENTS[size] // 8
    previous = 0
    for group in range(coded):
        position = SCAN_BIN[group]
        level = pair_level(weights, size, position, f)
        near, mid = sixth(f[5]), sixth(f[6])
        left = above = 0
        if x > 0:
            left = _neighbour_class(cells, symbols, classes, order, row, column - 1, size, group)
        if y > 0:
            above = _neighbour_class(cells, symbols, classes, order, row - 1, column, size, group)
        if kind == LUMA:
            extra = previous * 24 + (size - 2) * 6 + max(low, high)
        else:
            extra = (luma * 6 + chroma) * 32 + level
        last = group == coded - 1
        _place(
            at, PAIR,
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
                bit = (path[symbol] >> depth) & 1
            bit = code_mixed(
                state, buffer, encoding, states, first_w, second_w, at, node,
                set1 + slot, set2 + slot, bit,
            )  # fmt: skip
            if node == 0:
                node = -1 if bit == 1 else 1
            else:
                depth += 1
                node = np.int64(tree_right[node]) if bit == 1 else np.int64(tree_left[node])
        symbol = -node - 1
        symbols[pair_base + group] = symbol
        total = 0
        for component in range(2):
            k = 2 * (pair_base + group) + component
            value = np.int64(values[k])
            negative = 1 if value < 0 else 0
            if symbol == escape:
                magnitude = _code_escape(
                    state, buffer, encoding, states, first_w, second_w, at,
                    size, component, level, position, abs(value) >> VALUE_BITS,
                ) << VALUE_BITS  # fmt: skip
            else:
                magnitude = np.int64(codewords[symbol, component])
            total += magnitude
            if magnitude != 0 and code_with(state, buffer, encoding, 32768, negative) == 1:
                magnitude = -magnitude
            values[k] = magnitude
        advance(f, group, total * 8)
        previous = symbol


@njit
def code_plane(
    state, buffer, encoding, states, first_w, second_w, offset_contexts,
    plane, cells, symbols, values, luma, luma_cells, first, first_cells, order, offsets,
    kind, step_index, code_offsets, profile,
    dense4, dense8, pair16, dct32, scans,
    codewords, classes, tree_left, tree_right, path, pair_weights, coded_weights,
):  # fmt: skip
    """Encode or decode a plane whose sides are multiples of 32.

    Parameters
    ----------
    state, buffer
        Of the range coder.
    plane : (height, width) int16
    cells : (height / 4, width / 4, 5) int32
    symbols : (height * width / 2,) int16
    values : (height * width,) int32
        Signed, in 1/64 of a step; those of a block begin at 16 times the
        order of its first cell.
    offsets : (height / 32, width / 32) int64
        Step offsets of the units, coded with this plane if `code_offsets`.
    kind : int
        LUMA, ORANGE or GREEN.

    Everything else is model (see `model.Tables`).
    """
    height, width = plane.shape
    raw = np.zeros((3, 132), np.int32)
    smooth = np.zeros((3, 132), np.int32)
    line = np.zeros(160, np.int32)
    prediction = np.zeros((1, 1024), np.int16)
    other = np.zeros((1, 1024), np.int16)
    detail = np.zeros(1024, np.int32)
    residual = np.zeros(1024, np.int32)
    coefficients = np.zeros(256, np.int32)
    work = np.zeros(1280, np.int32)
    f = np.zeros(FEATURES, np.int64)
    at = np.zeros(6, np.int64)
    factors = np.zeros(2, np.int64)
    histogram = np.zeros(40, np.int64)
    steps = np.zeros((6, 256), np.int64)
    stack = np.zeros((16, 3), np.int64)
    index = -1
    for unit_y in range(0, height, UNIT):
        for unit_x in range(0, width, UNIT):
            if code_offsets:
                _code_offset(
                    state, buffer, encoding, offset_contexts, offsets,
                    unit_y // UNIT, unit_x // UNIT,
                )  # fmt: skip
            wanted = step_index + QUARTER_OCTAVE * offsets[unit_y // UNIT, unit_x // UNIT]
            wanted = min(STEPS - 1, max(0, wanted))
            if wanted != index:
                index = wanted
                fill_steps(index, profile, steps)
            step = steps[5, 15]  # near the pivot of the profile
            stack[0, 0], stack[0, 1], stack[0, 2] = unit_y, unit_x, 5
            depth = 1
            while depth > 0:
                depth -= 1
                y, x, size = stack[depth, 0], stack[depth, 1], stack[depth, 2]
                n = 1 << size
                row, column = y >> 2, x >> 2
                gather_references(plane, order, y, x, n, raw, smooth, 0)
                if size > 2:
                    split = 1 if cells[row, column, SIZE] < size else 0
                    split = _code_split(
                        state, buffer, encoding, states, first_w, second_w, at,
                        cells, luma_cells, first_cells, kind, raw, y, x, size, step, f, split,
                    )  # fmt: skip
                    if split == 1:
                        half = n >> 1
                        for q in range(4):
                            stack[depth, 0] = y + ((3 - q) >> 1) * half
                            stack[depth, 1] = x + ((3 - q) & 1) * half
                            stack[depth, 2] = size - 1
                            depth += 1
                        continue
                leaf_features(cells, luma_cells, first_cells, kind, raw, y, x, n, step, f)
                direction = border_direction(plane, y, x, n, histogram)
                mode = _code_mode(
                    state, buffer, encoding, states, first_w, second_w, at,
                    cells, luma_cells, first_cells, kind, y, x, size, direction,
                    np.int64(cells[row, column, MODE]),
                )  # fmt: skip
                if kind == LUMA:
                    mode = min(mode, 34)
                level = coded_level(coded_weights, size, f)
                coded = _code_count(
                    state, buffer, encoding, states, first_w, second_w, at,
                    cells, luma_cells, kind, y, x, size, mode, level, f,
                    np.int64(cells[row, column, CODED]),
                )  # fmt: skip
                base = np.int64(order[row, column]) * 8
                _code_pairs(
                    state, buffer, encoding, states, first_w, second_w, at,
                    cells, symbols, classes, order, tree_left, tree_right, path, codewords,
                    pair_weights, kind, y, x, size, mode, f, coded, values, base,
                )  # fmt: skip
                if encoding:
                    continue
                if mode > 34:
                    gather_references(luma, order, y, x, n, raw, smooth, 1)
                    gather_references(first, order, y, x, n, raw, smooth, 2)
                    fit_factors(plane, luma, first, y, x, n, step, factors)
                predict_block(
                    mode, size, y, x, luma, first, raw, smooth, line, factors, other, detail,
                    prediction, 0,
                )  # fmt: skip
                if coded > 0:
                    dequantise(values, 2 * base, 2 * coded, steps, size, coefficients)
                    inverse(
                        coefficients, 2 * coded, size, mode,
                        dense4, dense8, pair16, dct32, scans, work, residual,
                    )  # fmt: skip
                store_block(plane, y, x, n, mode, prediction, 0, residual, coded > 0)
                set_cells(cells, y, x, size, mode, coded, values, 2 * base, COEFFICIENTS[size])
