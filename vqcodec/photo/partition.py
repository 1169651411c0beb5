# mypy: allow-untyped-defs, no-check-untyped-defs
"""The encoder's search: quadtree, mode and codewords of every block, by rate and distortion.

Each 32 x 32 unit is divided down to 4 x 4 where that lowers squared error (in
steps) plus lambda times bits; bits come from the model's static tables. Modes
are ranked by the Hadamard-transformed residual, and the best few are coded in
full. The tree is walked iteratively, so that the big kernels are compiled
into one place each.
"""

from __future__ import annotations

import numpy as np

from vqcodec.photo.block import seam_error, search_block
from vqcodec.photo.contexts import FEATURES, LUMA, set_cells
from vqcodec.photo.elements import split_context
from vqcodec.photo.kernel import kernel
from vqcodec.photo.predict import MODE_COUNT, MODES, new_borders, store_block
from vqcodec.photo.proposal import odds_after, odds_before, run_of, survey
from vqcodec.photo.proposal import scratch as proposal_scratch
from vqcodec.photo.quantizer import STEPS, dequantise, fill_steps
from vqcodec.photo.ranking import NEVER
from vqcodec.photo.stream import QUARTER_OCTAVE, UNIT
from vqcodec.photo.transform import COEFFICIENTS, inverse

_SPLIT_COST = 2.4  # what four blocks cost at least: some 5 bits each
U = np.uint64  # for indices, see transform


def scratch() -> tuple[np.ndarray, ...]:
    """Return the working arrays of `search_plane`; rows are by log2 of the size."""
    return (
        new_borders(),
        np.zeros((MODES + 1, 1024), np.int16),  # predictions
        np.zeros(1024, np.int32),  # detail
        np.zeros(1280, np.int32),  # work
        np.zeros((2, 1024), np.int16),  # originals, upright and transposed
        np.zeros((1, 1024), np.float32),  # residual
        np.zeros((1, 768), np.float32),  # floats
        np.zeros((1, 256), np.float32),  # transformed
        np.zeros(1024, np.int32),  # restored
        np.zeros(256, np.int32),  # coefficients
        np.zeros(128, np.int16),  # trial symbols
        np.zeros(256, np.int32),  # trial values
        np.zeros((6, 1024), np.int16),  # best prediction
        np.zeros((6, 128), np.int16),  # best symbols
        np.zeros((6, 256), np.int32),  # best values
        np.zeros((6, 2), np.int64),  # best mode and number of coded pairs
        np.zeros(MODE_COUNT),  # bits
        np.zeros(MODE_COUNT),  # scores
        np.zeros(24, np.int64),  # listed
        np.zeros(MODE_COUNT, np.int64),  # tried
        np.zeros(FEATURES, np.int64),
        np.zeros(2, np.int64),  # factors
        np.zeros(40, np.int64),  # histogram
        np.zeros((6, 256), np.int64),  # steps
        np.zeros((6, 256), np.float32),  # inverse steps
        *proposal_scratch(),
        # The tree: position and child; the best direction, where the level below starts; costs.
        *(np.zeros(6, np.int64) for _ in range(3)),
        np.full(7, -1, np.int64),
        *(np.zeros(6) for _ in range(4)),
    )


@kernel("void(i2[:,::1],i8,i8,i8,i2[:,::1])")
def _take(original, y, x, n, originals):
    """Copy a block, upright and transposed."""
    for i in range(n):
        row, column, base = U(y + i), U(x), U(i * n)
        for j in range(U(n)):
            originals[0, base + j] = original[row, column + j]
    for j in range(n):
        base = U(j * n)
        for i in range(U(n)):
            originals[1, base + i] = originals[0, i * U(n) + U(j)]


@kernel("f8(i2[:,::1],i8)")
def _variance(originals, count):
    """Return the variance of a block's samples."""
    total = square = np.int64(0)
    for k in range(U(count)):
        sample = np.int32(originals[0, k])
        total += sample
        square += np.int32(sample * sample)
    return (square - total * total / count) / count


@kernel
def search_plane(
    original, plane, cells, symbols, values, luma, luma_cells, first, first_cells, order, offsets,
    kind, step_index, profile, activity, weight, seams, effort,
    dense4, dense8, pair16, dct32, scans,
    forward4, forward8, forward16, forward32,
    codewords, pair_weights, coded_weights,
    split_costs, mode_costs, direction_costs, mode_norms, coded_costs, pair_costs, lut,
    borders, predictions, detail, work, originals, residual, floats, transformed,
    restored, coefficients, trial_symbols, trial_values,
    best_prediction, best_symbols, best_values, best,
    bits, scores, listed, tried, f, factors, histogram, steps, inverse_steps,
    notes, features,
    ys, xs, child, heir, whole, parts, budget, limit,
):  # fmt: skip
    """Decide a plane; fill `plane`, `cells`, `symbols` and `values` (see `stream.code_plane`).

    Parameters
    ----------
    original : (height, width) int16
    activity : (height / 8, width / 8) float32
        Weight of the squared error, by 8 x 8 block.
    weight : float
        Lambda, in squared steps a bit.
    seams : float
        Weight, at coarse steps, of wrong steps across the borders of 32 x 32 blocks with a
        residual: the cosines of one do not know of those of the next. 0 leaves them alone.
    effort : int
        1 to 9.

    The rest is model (see `model.Tables`) and scratch (`scratch`).
    """
    height, width = original.shape
    smallest = 2 if kind == LUMA or effort >= 7 else 3
    surveyed = effort < 5
    # The log odds of a division from which on the whole block is not tried, and up to which
    # the division is not, once the whole block is known.
    busy = (1.0, 1.0, 1.5, 2.0, NEVER)[min(effort, 5) - 1]
    calm = (0.0, -0.5, -1.0, -1.5, -NEVER)[min(effort, 5) - 1]
    candidates = (2, 2, 3, 4, 5, 6, 8, 8, 8)[effort - 1]  # modes coded in full
    if kind != LUMA:
        busy = (0.0, 0.5, 1.0, 1.5, NEVER)[min(effort, 5) - 1]
        calm = (NEVER, 0.0, -0.5, -1.0, -NEVER)[min(effort, 5) - 1]
        if effort <= 5:
            candidates = (1, 2, 2, 3, 3)[effort - 1]
    busiest = 6.0  # the variance, in squared steps, above which 32 x 32 is not tried
    heir[6] = -1
    index = -1
    total = 0.0
    for unit_y in range(0, height, UNIT):
        for unit_x in range(0, width, UNIT):
            wanted = step_index + QUARTER_OCTAVE * offsets[unit_y // UNIT, unit_x // UNIT]
            wanted = min(STEPS - 1, max(0, wanted))
            if wanted != index:
                index = wanted
                fill_steps(index, profile, steps)
                for s in range(2, 6):
                    for k in range(256):
                        inverse_steps[s, k] = np.float32(16.0 / steps[s, k])
            step = steps[5, 15]
            delta = step / 16.0
            joint = seams * min(1.0, max(0.0, (index - 84) / 48)) / (delta * delta)
            if surveyed:
                survey(original, luma_cells, kind, unit_y, unit_x, delta, notes, features)
            size = np.int64(5)
            ys[5], xs[5], budget[5] = unit_y, unit_x, NEVER
            entering = True
            result = 0.0
            while True:
                settle = False  # code the level as one block
                if entering:
                    y, x, n = ys[size], xs[size], 1 << size
                    place = ((y & 31) >> size) * (32 >> size) + ((x & 31) >> size)
                    smaller = split_context(cells, y, x, size)
                    possible = True
                    if size > smallest and surveyed:
                        possible = odds_before(features, kind, size, place, smaller) < busy
                    if possible:
                        _take(original, y, x, n, originals)
                        if size == 5 and not surveyed:
                            possible = _variance(originals, n * n) <= busiest * delta * delta
                    cost = NEVER
                    best[size, 1] = 0
                    heir[size] = -1
                    sure = False
                    if possible:
                        importance = 0.0
                        span = max(1, n >> 3)
                        for i in range(y >> 3, (y >> 3) + span):
                            for j in range(x >> 3, (x >> 3) + span):
                                importance += activity[i, j]
                        importance /= span * span
                        run = np.int64(-1)
                        if surveyed and kind == LUMA:
                            run = run_of(notes, size, place)
                        cost = search_block(
                            plane, cells, luma, luma_cells, first, first_cells, order,
                            kind, y, x, size, step, importance, np.float32(weight / importance),
                            effort, candidates, run,
                            originals, borders, predictions, detail, work, residual, floats,
                            transformed, f, factors, histogram, bits, scores, listed, tried,
                            trial_symbols, trial_values,
                            forward4, forward8, forward16, forward32, scans, codewords,
                            pair_weights, coded_weights,
                            mode_costs, direction_costs, mode_norms, coded_costs, pair_costs, lut,
                            inverse_steps, heir, best_prediction, best_symbols, best_values, best,
                        )  # fmt: skip
                        if size == 5 and joint > 0.0 and best[5, 1] > 0:
                            mode, coded = best[5, 0], best[5, 1]
                            dequantise(best_values[5], 0, 2 * coded, steps, 5, coefficients)
                            inverse(
                                coefficients, 2 * coded, 5, mode,
                                dense4, dense8, pair16, dct32, scans, work, restored,
                            )  # fmt: skip
                            cost += joint * importance * seam_error(
                                original, plane, y, x, n, mode, best_prediction, 5, restored
                            )  # fmt: skip
                        if size > 2:
                            cost += weight * split_costs[size, smaller, 0]
                        if surveyed and size > smallest:
                            coded = best[size, 1]
                            sure = odds_after(features, kind, size, place, cost, coded) <= calm
                    whole[size] = cost
                    if size == smallest or (
                        possible
                        and (
                            cost < _SPLIT_COST
                            or (best[size, 1] == 0 and cost < 0.02 * n * n)
                            or sure
                        )
                    ):
                        settle = True
                    else:
                        parts[size] = weight * split_costs[size, smaller, 1]
                        limit[size] = min(budget[size], cost)
                        child[size] = 0
                else:
                    size += 1
                    parts[size] += result
                    child[size] += 1
                    if parts[size] >= limit[size] or child[size] == 4:
                        settle = whole[size] < NEVER and whole[size] <= max(
                            parts[size], limit[size]
                        )
                        if child[size] == 4 and parts[size] < whole[size]:
                            settle = False
                        if not settle:
                            result = parts[size]
                            if size == 5:
                                break
                            continue
                if settle:
                    y, x, n = ys[size], xs[size], 1 << size
                    mode, coded = best[size, 0], best[size, 1]
                    base = np.int64(order[y >> 2, x >> 2]) * 8
                    for g in range(coded):
                        symbols[base + g] = best_symbols[size, g]
                    for k in range(2 * coded):
                        values[2 * base + k] = best_values[size, k]
                    if coded > 0:
                        dequantise(values, 2 * base, 2 * coded, steps, size, coefficients)
                        inverse(
                            coefficients, 2 * coded, size, mode,
                            dense4, dense8, pair16, dct32, scans, work, restored,
                        )  # fmt: skip
                    store_block(plane, y, x, n, mode, best_prediction, size, restored, coded > 0)
                    set_cells(cells, y, x, size, mode, coded, values, 2 * base, COEFFICIENTS[size])
                    result = whole[size]
                    entering = False
                    if size == 5:
                        break
                    continue
                half = 1 << (size - 1)
                part = child[size]
                ys[size - 1] = ys[size] + (part >> 1) * half
                xs[size - 1] = xs[size] + (part & 1) * half
                budget[size - 1] = limit[size] - parts[size]
                size -= 1
                entering = True
            total += result
    return total
