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

from vqcodec.jit import njit
from vqcodec.photo.contexts import (
    FEATURES,
    GREEN,
    LUMA,
    MODE,
    coded_level,
    leaf_features,
    set_cells,
)
from vqcodec.photo.elements import neighbour_modes, split_context
from vqcodec.photo.kernel import kernel
from vqcodec.photo.predict import (
    MODE_COUNT,
    MODES,
    PLAIN_MODES,
    border_direction,
    fit_factors,
    gather_references,
    is_horizontal,
    predict_block,
    store_block,
)
from vqcodec.photo.quantizer import STEPS, dequantise, fill_steps, quantise
from vqcodec.photo.stream import QUARTER_OCTAVE, UNIT
from vqcodec.photo.transform import COEFFICIENTS, forward, inverse

_NEVER = 1e30
_SPLIT_COST = 2.4  # what four blocks cost at least: some 5 bits each
U = np.uint64  # for indices, see transform


@kernel("f8(i2[:,::1],i8,i2[:,::1],i8,i8,i4[::1])")
def _hadamard_cost(original, turned, prediction, row, n, work):
    """Sum of magnitudes of the 8 x 8 (or 4 x 4) Hadamard-transformed difference, over its size."""
    total = np.int64(0)
    if n == 4:
        for j in range(4):
            a = np.int32(original[turned, j]) - np.int32(prediction[row, j])
            b = np.int32(original[turned, 4 + j]) - np.int32(prediction[row, 4 + j])
            c = np.int32(original[turned, 8 + j]) - np.int32(prediction[row, 8 + j])
            d = np.int32(original[turned, 12 + j]) - np.int32(prediction[row, 12 + j])
            work[j] = a + b + c + d
            work[4 + j] = a - b + c - d
            work[8 + j] = a + b - c - d
            work[12 + j] = a - b - c + d
        for i in range(0, 16, 4):
            a, b, c, d = work[i], work[i + 1], work[i + 2], work[i + 3]
            s, t, u, v = a + b, a - b, c + d, c - d
            total += abs(s + u) + abs(s - u) + abs(t + v) + abs(t - v)
        return total * 0.25
    for top in range(0, n, 8):
        base = top * n
        for j in range(n):
            k = U(base + j)
            a = np.int32(original[turned, k]) - np.int32(prediction[row, k])
            b = np.int32(original[turned, k + U(n)]) - np.int32(prediction[row, k + U(n)])
            c = np.int32(original[turned, k + U(2 * n)]) - np.int32(prediction[row, k + U(2 * n)])
            d = np.int32(original[turned, k + U(3 * n)]) - np.int32(prediction[row, k + U(3 * n)])
            e = np.int32(original[turned, k + U(4 * n)]) - np.int32(prediction[row, k + U(4 * n)])
            f = np.int32(original[turned, k + U(5 * n)]) - np.int32(prediction[row, k + U(5 * n)])
            g = np.int32(original[turned, k + U(6 * n)]) - np.int32(prediction[row, k + U(6 * n)])
            h = np.int32(original[turned, k + U(7 * n)]) - np.int32(prediction[row, k + U(7 * n)])
            a, e = np.int32(a + e), np.int32(a - e)
            b, f = np.int32(b + f), np.int32(b - f)
            c, g = np.int32(c + g), np.int32(c - g)
            d, h = np.int32(d + h), np.int32(d - h)
            a, c = np.int32(a + c), np.int32(a - c)
            b, d = np.int32(b + d), np.int32(b - d)
            e, g = np.int32(e + g), np.int32(e - g)
            f, h = np.int32(f + h), np.int32(f - h)
            work[U(j)] = a + b
            work[U(n + j)] = a - b
            work[U(2 * n + j)] = c + d
            work[U(3 * n + j)] = c - d
            work[U(4 * n + j)] = e + f
            work[U(5 * n + j)] = e - f
            work[U(6 * n + j)] = g + h
            work[U(7 * n + j)] = g - h
        for k in range(0, 8 * n, 8):
            a, e = work[U(k)] + work[U(k + 4)], work[U(k)] - work[U(k + 4)]
            b, f = work[U(k + 1)] + work[U(k + 5)], work[U(k + 1)] - work[U(k + 5)]
            c, g = work[U(k + 2)] + work[U(k + 6)], work[U(k + 2)] - work[U(k + 6)]
            d, h = work[U(k + 3)] + work[U(k + 7)], work[U(k + 3)] - work[U(k + 7)]
            a, c = a + c, a - c
            b, d = b + d, b - d
            e, g = e + g, e - g
            f, h = f + h, f - h
            # |s + t| + |s - t| is twice the larger magnitude
            total += max(abs(a), abs(b)) + max(abs(c), abs(d))
            total += max(abs(e), abs(f)) + max(abs(g), abs(h))
    return total * 0.25


@kernel
def _rank_modes(
    kind, size, y, x, luma, first, raw, smooth, line, factors, other, detail, work,
    originals, predictions, bits, bit_weight, left, above, direction, colour_mode, inherited,
    effort, scores, listed,
):  # fmt: skip
    """Predict by the likely modes and score them: Hadamard cost plus weighted bits.

    Directions go from coarse to fine around the best so far.
    """
    n = 1 << size
    for mode in range(MODES):
        scores[mode] = _NEVER
    for phase in range(3):
        listed[0], listed[1] = 0, 1
        listed[2], listed[3], listed[4] = left, above, direction
        count = 5
        if phase == 0:
            if kind != LUMA:
                listed[5], listed[6], listed[7], listed[8], listed[9] = 35, 36, 37, 38, colour_mode
                count = 10
                if effort < 7:
                    listed[2], listed[3] = 35, 36
                    listed[4], listed[5], listed[6] = colour_mode, 37, 38
                    count = 7
            elif inherited >= 0:
                listed[5] = inherited
                count = 6
            elif effort >= 3:
                for mode in range(2, PLAIN_MODES, 4):
                    listed[count] = mode
                    count += 1
            else:
                listed[5], listed[6], listed[7] = 10, 26, 18
                count = 8
        else:
            if kind != LUMA and effort < 8:
                return
            best = -1
            for mode in range(2, PLAIN_MODES):
                if scores[mode] < _NEVER and (best < 0 or scores[mode] < scores[best]):
                    best = mode
            if best < 0:
                return
            stride = 2 if phase == 1 else 1
            listed[0], listed[1] = best - stride, best + stride
            count = 2
        for i in range(count):
            mode = listed[i]
            if mode < 0 or mode >= MODES or scores[mode] < _NEVER or (mode < 2 and phase > 0):
                continue
            if mode >= PLAIN_MODES and (kind == LUMA or phase > 0):
                continue
            predict_block(
                mode, size, y, x, luma, first, raw, smooth, line, factors, other, detail,
                predictions, mode,
            )  # fmt: skip
            turned = 1 if is_horizontal(mode) else 0
            cost = _hadamard_cost(originals, turned, predictions, mode, n, work)
            scores[mode] = 2 * cost + bit_weight * bits[mode]


@njit
def search_plane(
    original, plane, cells, symbols, values, luma, luma_cells, first, first_cells, order, offsets,
    kind, step_index, profile, activity, weight, effort,
    dense4, dense8, pair16, dct32, scans,
    forward4, forward8, forward16, forward32,
    codewords, pair_weights, coded_weights,
    split_costs, mode_costs, direction_costs, mode_norms, coded_costs, pair_costs, lut,
):  # fmt: skip
    """Decide a plane; fill `plane`, `cells`, `symbols` and `values` (see `stream.code_plane`).

    Parameters
    ----------
    original : (height, width) int16
    activity : (height / 8, width / 8) float32
        Weight of the squared error, by 8 x 8 block.
    weight : float
        Lambda, in squared steps a bit.
    effort : int
        1 to 9.

    The rest is model (see `model.Tables`).
    """
    height, width = original.shape
    smallest = 2 if kind == LUMA or effort >= 7 else 3
    if effort <= 2:
        smallest += 1
    candidates = 1 if effort <= 2 else (2 if effort <= 5 else (3 if effort <= 7 else 5))
    raw = np.zeros((3, 132), np.int32)
    smooth = np.zeros((3, 132), np.int32)
    line = np.zeros(160, np.int32)
    predictions = np.zeros((MODES, 1024), np.int16)
    other = np.zeros((1, 1024), np.int16)
    detail = np.zeros(1024, np.int32)
    work = np.zeros(1280, np.int32)
    originals = np.zeros((2, 1024), np.int16)  # upright, transposed
    residual = np.zeros((1, 1024), np.float32)
    floats = np.zeros((1, 768), np.float32)
    transformed = np.zeros((1, 256), np.float32)
    restored = np.zeros(1024, np.int32)
    coefficients = np.zeros(256, np.int32)
    trial_symbols = np.zeros(128, np.int16)
    trial_values = np.zeros(256, np.int32)
    best_prediction = np.zeros((6, 1024), np.int16)
    best_symbols = np.zeros((6, 128), np.int16)
    best_values = np.zeros((6, 256), np.int32)
    best_mode = np.zeros(6, np.int64)
    best_coded = np.zeros(6, np.int64)
    bits = np.zeros(MODE_COUNT, np.float64)
    scores = np.zeros(MODE_COUNT, np.float64)
    listed = np.zeros(24, np.int64)
    f = np.zeros(FEATURES, np.int64)
    factors = np.zeros(2, np.int64)
    histogram = np.zeros(40, np.int64)
    steps = np.zeros((6, 256), np.int64)
    inverse_steps = np.zeros((6, 256), np.float32)
    # The tree: position, costs and state of each level, by log2 of the size.
    ys, xs, child = np.zeros(6, np.int64), np.zeros(6, np.int64), np.zeros(6, np.int64)
    whole, parts = np.zeros(6), np.zeros(6)
    budget, limit = np.zeros(6), np.zeros(6)
    heir = np.full(7, -1, np.int64)  # best direction, a start for the level below
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
            size = 5
            ys[5], xs[5], budget[5] = unit_y, unit_x, _NEVER
            entering = True
            result = 0.0
            while True:
                settle = False  # code the level as one block
                if entering:
                    y, x, n = ys[size], xs[size], 1 << size
                    row, column = y >> 2, x >> 2
                    for i in range(n):
                        for j in range(n):
                            sample = original[U(y + i), U(x + j)]
                            originals[0, U(i * n + j)] = sample
                            originals[1, U(j * n + i)] = sample
                    possible = True
                    if size == 5:
                        mean = square = np.int64(0)
                        for i in range(n * n):
                            value = np.int64(originals[0, U(i)])
                            mean += value
                            square += value * value
                        variance = (square - mean * mean / 1024.0) / 1024.0
                        possible = variance <= 6.0 * delta * delta
                    smaller = split_context(cells, y, x, size)
                    cost = _NEVER
                    coded = 0
                    heir[size] = -1
                    if possible:
                        gather_references(plane, order, y, x, n, raw, smooth, 0)
                        leaf_features(cells, luma_cells, first_cells, kind, raw, y, x, n, step, f)
                        left, above = neighbour_modes(cells, y, x)
                        colour_mode = 0
                        context1, context2 = left, above
                        if kind != LUMA:
                            gather_references(luma, order, y, x, n, raw, smooth, 1)
                            gather_references(first, order, y, x, n, raw, smooth, 2)
                            fit_factors(plane, luma, first, y, x, n, step, factors)
                            half = n >> 3
                            colour_mode = np.int64(luma_cells[row + half, column + half, MODE])
                            context1, context2 = colour_mode, left
                            if kind == GREEN:
                                context2 = np.int64(first_cells[row + half, column + half, MODE])
                        direction = border_direction(plane, y, x, n, histogram)
                        norm = mode_norms[context1 * MODE_COUNT + context2, direction]
                        for mode in range(MODES):
                            bits[mode] = (
                                mode_costs[context1, context2, mode]
                                + direction_costs[direction, mode]
                                + norm
                            )
                        importance = 0.0
                        span = max(1, n >> 3)
                        for i in range(y >> 3, (y >> 3) + span):
                            for j in range(x >> 3, (x >> 3) + span):
                                importance += activity[i, j]
                        importance /= span * span
                        lagrangian = np.float32(weight / importance)
                        bit_weight = np.sqrt(lagrangian) * delta
                        _rank_modes(
                            kind, size, y, x, luma, first, raw, smooth, line, factors, other,
                            detail, work, originals, predictions, bits, bit_weight,
                            left, above, direction // 3, colour_mode,
                            heir[size + 1] if effort < 8 else -1, effort, scores, listed,
                        )  # fmt: skip
                        for m in range(2, PLAIN_MODES):
                            if scores[m] < _NEVER and (
                                heir[size] < 0 or scores[m] < scores[heir[size]]
                            ):
                                heir[size] = m
                        level = coded_level(coded_weights, size, f)
                        leader = 0.0
                        for trial in range(candidates):
                            mode = 0
                            for m in range(1, MODES):
                                if scores[m] < scores[mode]:
                                    mode = m
                            if scores[mode] >= _NEVER:
                                break
                            if trial == 0:
                                leader = scores[mode]
                            elif scores[mode] > 1.25 * leader + 2 * bit_weight:
                                break
                            scores[mode] = _NEVER
                            turned = 1 if is_horizontal(mode) else 0
                            energy = 0.0
                            for i in range(n * n):
                                k = U(i)
                                gap = np.float32(
                                    np.int32(originals[turned, k]) - np.int32(predictions[mode, k])
                                )
                                residual[0, k] = gap
                                energy += gap * gap
                            count = forward(
                                residual, size, mode, forward4, forward8, forward16,
                                forward32, scans, floats, transformed,
                            )  # fmt: skip
                            kept = 0.0
                            for k in range(count):
                                kept += transformed[0, k] * transformed[0, k]
                                transformed[0, k] *= inverse_steps[size, k]
                            now, j = quantise(
                                transformed, count, size, level, f, pair_weights, lagrangian,
                                coded_costs, pair_costs, lut, codewords,
                                trial_symbols, trial_values,
                            )  # fmt: skip
                            edge = inverse_steps[size, count - 1]
                            j += max(0.0, energy - kept) * edge * edge
                            j += lagrangian * bits[mode]
                            if j * importance < cost:
                                cost = j * importance
                                coded = now
                                best_mode[size] = mode
                                best_coded[size] = now
                                for g in range(now):
                                    best_symbols[size, g] = trial_symbols[g]
                                for k in range(count):
                                    best_values[size, k] = trial_values[k]
                                for i in range(n * n):
                                    best_prediction[size, U(i)] = predictions[mode, U(i)]
                        if size > 2:
                            cost += weight * split_costs[size, smaller, 0]
                    whole[size] = cost
                    if size == smallest or (
                        possible and (cost < _SPLIT_COST or (coded == 0 and cost < 0.02 * n * n))
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
                        settle = whole[size] < _NEVER and whole[size] <= max(
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
                    mode, coded = best_mode[size], best_coded[size]
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
