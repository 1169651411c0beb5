# mypy: allow-untyped-defs, no-check-untyped-defs
"""One block of the encoder's search: the best mode with the best codewords for it."""

from __future__ import annotations

import numpy as np

from vqcodec.photo.colour import fit_factors
from vqcodec.photo.contexts import GREEN, LUMA, MODE, coded_level, leaf_features
from vqcodec.photo.elements import neighbour_modes
from vqcodec.photo.kernel import kernel
from vqcodec.photo.predict import (
    MODE_COUNT,
    border_direction,
    gather_references,
    is_horizontal,
)
from vqcodec.photo.quantizer import quantise
from vqcodec.photo.ranking import NEVER, rank_modes
from vqcodec.photo.transform import forward

U = np.uint64  # for indices, see transform


@kernel
def search_block(
    plane, cells, luma, luma_cells, first, first_cells, order,
    kind, y, x, size, step, importance, lagrangian, effort, candidates, run,
    originals, borders, predictions, detail, work, residual, floats, transformed,
    f, factors, histogram, bits, scores, listed, tried, trial_symbols, trial_values,
    forward4, forward8, forward16, forward32, scans, codewords, pair_weights, coded_weights,
    mode_costs, direction_costs, mode_norms, coded_costs, pair_costs, lut,
    inverse_steps, heir, best_prediction, best_symbols, best_values, best,
):  # fmt: skip
    """Find mode and codewords of a block; return squared error plus weighted bits.

    `originals` holds the block, upright and transposed; row `size` of
    `best_prediction`, `best_symbols`, `best_values` and `best` (mode, coded
    pairs) receives the result; `heir` the best direction by size.
    """
    n = 1 << size
    row, column = y >> 2, x >> 2
    gather_references(plane, order, y, x, n, borders, 0)
    leaf_features(cells, luma_cells, first_cells, kind, borders, y, x, n, step, f)
    left, above = neighbour_modes(cells, y, x)
    colour_mode = 0
    context1, context2 = left, above
    if kind != LUMA:
        gather_references(luma, order, y, x, n, borders, 1)
        gather_references(first, order, y, x, n, borders, 2)
        fit_factors(plane, luma, first, y, x, n, step, factors)
        half = n >> 3
        colour_mode = np.int64(luma_cells[row + half, column + half, MODE])
        context1, context2 = colour_mode, left
        if kind == GREEN:
            context2 = np.int64(first_cells[row + half, column + half, MODE])
    direction = border_direction(plane, y, x, n, histogram)
    norm = mode_norms[context1 * MODE_COUNT + context2, direction]
    bit_weight = np.sqrt(lagrangian) * step / 16.0
    inherited = -1 if effort >= 8 else heir[size + 1]
    count_tried, heir[size] = rank_modes(
        kind, size, y, x, luma, first, borders, factors, detail, work, originals, predictions,
        mode_costs, direction_costs, context1, context2, direction, norm,
        bits, bit_weight, left, above, colour_mode, inherited, run, effort, scores, listed, tried,
    )  # fmt: skip
    level = coded_level(coded_weights, size, f)
    near, nearer = (1.25, 2.0) if effort > 5 else (1.15, 2.0)
    if effort == 1:
        near, nearer = 1.08, 1.0
    cost = NEVER
    leader = 0.0
    for trial in range(min(candidates, count_tried)):
        place = trial
        for k in range(trial + 1, count_tried):
            gap = scores[tried[k]] - scores[tried[place]]
            if gap < 0.0 or (gap == 0.0 and tried[k] < tried[place]):
                place = k
        mode = tried[place]
        tried[place] = tried[trial]
        if trial == 0:
            leader = scores[mode]
        elif scores[mode] > near * leader + nearer * bit_weight:
            break  # hardly ever the best
        turned = 1 if is_horizontal(mode) else 0
        for k in range(U(n * n)):
            residual[0, k] = np.float32(
                np.int32(originals[turned, k]) - np.int32(predictions[mode, k])
            )
        count = forward(
            residual, size, mode, forward4, forward8, forward16, forward32, scans, floats,
            transformed,
        )  # fmt: skip
        energy = kept = 0.0
        if size == 5:
            for k in range(n * n):
                energy += residual[0, k] * residual[0, k]
            for k in range(count):
                kept += transformed[0, k] * transformed[0, k]
        for k in range(U(count)):
            transformed[0, k] *= inverse_steps[size, k]
        overhead = lagrangian * bits[mode]
        if size == 5:  # what the transform leaves out
            edge = inverse_steps[size, count - 1]
            overhead += max(0.0, energy - kept) * edge * edge
        coded, j = quantise(
            transformed, count, size, level, f, pair_weights, lagrangian,
            coded_costs, pair_costs, lut, codewords, trial_symbols, trial_values,
            np.float32(cost / importance - overhead),
        )  # fmt: skip
        j += overhead
        if j * importance < cost:
            cost = j * importance
            best[size, 0] = mode
            best[size, 1] = coded
            for g in range(coded):
                best_symbols[size, g] = trial_symbols[g]
            for k in range(U(count)):
                best_values[size, k] = trial_values[k]
            for k in range(U(n * n)):
                best_prediction[size, k] = predictions[mode, k]
    return cost


@kernel("f8(i2[:,::1],i2[:,::1],i8,i8,i8,i8,i2[:,::1],i8,i4[::1])")
def seam_error(original, plane, y, x, n, mode, prediction, row, residual):
    """Return by how much a block's steps across its left and upper border are wrong, squared.

    The block is row `row` of `prediction` plus `residual`; its neighbours are in the plane.
    """
    down, across = (1, n) if is_horizontal(mode) else (n, 1)
    total = np.int64(0)
    for k in range(n):
        if x > 0:
            decoded = np.int64(prediction[row, k * down]) + residual[k * down]
            step = np.int64(original[y + k, x]) - original[y + k, x - 1]
            gap = decoded - plane[y + k, x - 1] - step
            total += gap * gap
        if y > 0:
            decoded = np.int64(prediction[row, k * across]) + residual[k * across]
            step = np.int64(original[y, x + k]) - original[y - 1, x + k]
            gap = decoded - plane[y - 1, x + k] - step
            total += gap * gap
    return float(total)
