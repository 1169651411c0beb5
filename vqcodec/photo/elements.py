# mypy: allow-untyped-defs, no-check-untyped-defs
"""What is said of a block before its coefficients: split, mode, number of coded pairs."""

from __future__ import annotations

import numpy as np

from vqcodec.photo.contexts import (
    BITS,
    CHOICE,
    CODED,
    FIRST_SET,
    GREEN,
    LENGTH,
    LUMA,
    MODE,
    REST,
    SECOND_SET,
    SIZE,
    SPLIT,
    block_mean,
    neighbour_means,
    sixth,
)
from vqcodec.photo.kernel import kernel
from vqcodec.photo.mixing import code_mixed, place
from vqcodec.photo.predict import MODE_COUNT, MODES, NO_MODE
from vqcodec.photo.transform import COEFFICIENTS, transform_class


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
def code_split(
    coder, buffer, encoding, states, weights,
    cells, luma_cells, first_cells, kind, borders, y, x, size, step, f, split,
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
        gap = abs(np.int64(borders[0, i + 1]) - np.int64(borders[0, i]))
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
    place(
        coder, SPLIT,
        size * 3 + smaller,
        (left_size * 6 + above_size) * 6 + size,
        (sixth(f[2] >> 1) * 6 + sixth(f[3] >> 1)) * 6 + size,
        roughness * 6 + size,
        (min(left_coded, 15) * 16 + min(above_coded, 15)) * 6 + size,
        extra,
    )  # fmt: skip
    return code_mixed(
        coder, buffer, encoding, states, weights, 0,
        FIRST_SET[SPLIT] + size * 3 + smaller, SECOND_SET[SPLIT] + size, split,
    )  # fmt: skip


@kernel
def code_mode(
    coder, buffer, encoding, states, weights,
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
    place(
        coder,
        CHOICE,
        left,
        above,
        left * MODE_COUNT + above,
        direction,
        direction * 6 + size,
        extra,
    )
    confidence = direction % 3 if direction > 0 else 3
    node = 1
    for shift in range(5, -1, -1):
        bit = code_mixed(
            coder, buffer, encoding, states, weights, node,
            FIRST_SET[CHOICE] + node, SECOND_SET[CHOICE] + confidence * 64 + node,
            (mode >> shift) & 1,
        )  # fmt: skip
        node = 2 * node + bit
    return min(node - 64, MODES - 1)


@kernel
def code_count(
    coder, buffer, encoding, states, weights,
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
    place(
        coder, LENGTH,
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
            coder, buffer, encoding, states, weights, count,
            FIRST_SET[LENGTH] + size * 10 + count, SECOND_SET[LENGTH] + level * 10 + count,
            1 if length > count else 0,
        )  # fmt: skip
        if bit == 0:
            break
        count += 1
    if count < 2:
        return count
    c = size * 10 + count
    place(
        coder,
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
            coder, buffer, encoding, states, weights,
            value if value < 32 else 32 + shift,
            FIRST_SET[REST] + count, SECOND_SET[REST] + size * 10 + shift, (coded >> shift) & 1,
        )  # fmt: skip
        value = 2 * value + bit
    return min(value, pairs)
