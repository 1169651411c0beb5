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

from vqcodec.photo.colour import fit_factors, predict_block
from vqcodec.photo.contexts import (
    CODED,
    FEATURES,
    LUMA,
    MODE,
    SIZE,
    coded_level,
    leaf_features,
    set_cells,
)
from vqcodec.photo.elements import code_count, code_mode, code_split
from vqcodec.photo.kernel import kernel
from vqcodec.photo.mixing import code_adaptive
from vqcodec.photo.pairs import code_pairs
from vqcodec.photo.predict import border_direction, gather_references, new_borders, store_block
from vqcodec.photo.quantizer import STEPS, dequantise, fill_steps
from vqcodec.photo.signs import measure_gaps
from vqcodec.photo.transform import COEFFICIENTS, inverse

UNIT = 32
UNIT_OFFSETS = 8  # offsets of a unit's step: -4..3 quarter octaves
QUARTER_OCTAVE = 6


@kernel
def _code_offset(coder, buffer, encoding, contexts, offsets, row, column):
    """Code the step offset of a unit, in the context of its neighbours'."""
    left = offsets[row, column - 1] if column > 0 else 0
    above = offsets[row - 1, column] if row > 0 else 0
    base = ((left + above + 8) >> 1) * UNIT_OFFSETS
    value = offsets[row, column] + 4
    node = 1
    for shift in range(2, -1, -1):
        bit = (value >> shift) & 1
        bit = code_adaptive(coder, buffer, encoding, contexts, base + node, bit)
        node = 2 * node + bit
    offsets[row, column] = node - UNIT_OFFSETS - 4


def scratch() -> tuple[np.ndarray, ...]:
    """Return the working arrays of `code_plane`; one set for each thread."""
    return (
        new_borders(),
        np.zeros((2, 1024), np.int16),  # prediction
        np.zeros(1024, np.int32),  # detail
        np.zeros(1024, np.int32),  # residual
        np.zeros(256, np.int32),  # coefficients
        np.zeros(1280, np.int32),  # work
        np.zeros(FEATURES, np.int64),
        np.zeros(2, np.int64),  # factors
        np.zeros(40, np.int64),  # histogram
        np.zeros((6, 256), np.int64),  # steps
        np.zeros((16, 3), np.int64),  # stack
        np.zeros((2, 64), np.int64),  # gaps
    )


@kernel
def code_plane(
    coder, buffer, encoding, states, weights, offset_contexts,
    plane, cells, symbols, values, luma, luma_cells, first, first_cells, order, offsets,
    kind, step_index, code_offsets, profile,
    dense4, dense8, pair16, dct32, scans,
    codewords, tree, pair_weights, coded_weights,
    borders, prediction, detail, residual, coefficients, work, f, factors, histogram, steps, stack,
    gaps,
):  # fmt: skip
    """Encode or decode a plane whose sides are multiples of 32.

    Parameters
    ----------
    coder, buffer, states, weights
        See `mixing.code_mixed`.
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

    Everything else is model (see `model.Tables`) and scratch (`scratch`).
    """
    height, width = plane.shape
    index = -1
    for unit_y in range(0, height, UNIT):
        for unit_x in range(0, width, UNIT):
            if code_offsets:
                _code_offset(
                    coder, buffer, encoding, offset_contexts, offsets,
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
                gather_references(plane, order, y, x, n, borders, 0)
                if size > 2:
                    split = 1 if cells[row, column, SIZE] < size else 0
                    split = code_split(
                        coder, buffer, encoding, states, weights,
                        cells, luma_cells, first_cells, kind, borders, y, x, size, step, f, split,
                    )  # fmt: skip
                    if split == 1:
                        half = n >> 1
                        for q in range(4):
                            stack[depth, 0] = y + ((3 - q) >> 1) * half
                            stack[depth, 1] = x + ((3 - q) & 1) * half
                            stack[depth, 2] = size - 1
                            depth += 1
                        continue
                leaf_features(cells, luma_cells, first_cells, kind, borders, y, x, n, step, f)
                direction = border_direction(plane, y, x, n, histogram)
                mode = code_mode(
                    coder, buffer, encoding, states, weights,
                    cells, luma_cells, first_cells, kind, y, x, size, direction,
                    np.int64(cells[row, column, MODE]),
                )  # fmt: skip
                if kind == LUMA:
                    mode = min(mode, 34)
                level = coded_level(coded_weights, size, f)
                coded = code_count(
                    coder, buffer, encoding, states, weights,
                    cells, luma_cells, kind, y, x, size, mode, level, f,
                    np.int64(cells[row, column, CODED]),
                )  # fmt: skip
                base = np.int64(order[row, column]) * 8
                if coded > 0 or not encoding:
                    if mode > 34:
                        gather_references(luma, order, y, x, n, borders, 1)
                        gather_references(first, order, y, x, n, borders, 2)
                        fit_factors(plane, luma, first, y, x, n, step, factors)
                    predict_block(
                        mode, size, y, x, luma, first, borders, factors, detail,
                        prediction, 0,
                    )  # fmt: skip
                if coded > 0:
                    measure_gaps(plane, y, x, size, mode, prediction, gaps)
                    code_pairs(
                        coder, buffer, encoding, states, weights,
                        cells, symbols, order, tree, codewords, pair_weights,
                        kind, y, x, size, mode, f, coded, values, base, steps, step,
                        dense4, dense8, pair16, dct32, scans, gaps,
                    )  # fmt: skip
                if encoding:
                    continue
                if coded > 0:
                    dequantise(values, 2 * base, 2 * coded, steps, size, coefficients)
                    inverse(
                        coefficients, 2 * coded, size, mode,
                        dense4, dense8, pair16, dct32, scans, work, residual,
                    )  # fmt: skip
                store_block(plane, y, x, n, mode, prediction, 0, residual, coded > 0)
                set_cells(cells, y, x, size, mode, coded, values, 2 * base, COEFFICIENTS[size])
