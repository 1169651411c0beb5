# mypy: allow-untyped-defs, no-check-untyped-defs
"""Which modes are worth coding in full: a first ranking, by Hadamard cost and bits."""

from __future__ import annotations

import numpy as np

from vqcodec.photo.colour import predict_block
from vqcodec.photo.contexts import LUMA
from vqcodec.photo.kernel import kernel
from vqcodec.photo.predict import MODES, PLAIN_MODES, is_horizontal

NEVER = 1e30
U = np.uint64  # for indices, see transform


@kernel(hot=True)
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
def rank_modes(
    kind, size, y, x, luma, first, borders, factors, detail, work, originals, predictions,
    mode_costs, direction_costs, context1, context2, direction, norm,
    bits, bit_weight, left, above, colour_mode, inherited, run, effort, scores, listed, tried,
):  # fmt: skip
    """Predict by the likely modes and score them: Hadamard cost plus weighted bits.

    Directions go from coarse to fine around the best so far. Low efforts begin with the
    direction that the block runs along, `run`, where they know it.

    Returns
    -------
    count : int
        How many modes were tried: the first of `tried`, with `scores` and `bits` by mode.
    best : int
        The best direction, or -1.
    """
    n = 1 << size
    total = np.int64(0)
    best = np.int64(-1)
    for mode in range(MODES):
        scores[mode] = NEVER
    for phase in range(3):
        listed[0], listed[1] = 0, 1
        listed[2], listed[3], listed[4] = left, above, direction // 3
        count = 5
        if phase == 0:
            if kind != LUMA:
                listed[5], listed[6], listed[7], listed[8], listed[9] = 35, 36, 37, 38, colour_mode
                count = 10
                if effort < 7:
                    listed[2], listed[3] = 35, 36
                    listed[4], listed[5], listed[6] = colour_mode, 37, 38
                    count = 7
                if effort == 1:
                    listed[1] = colour_mode
                    count = 4
            elif effort < 3:
                listed[2], listed[3], listed[4] = direction // 3, run, left
                listed[5] = above
                count = 4 if effort == 1 else 6
            elif inherited >= 0:
                listed[5], listed[6] = inherited, run
                count = 7
            else:
                for mode in range(2, PLAIN_MODES, 4):
                    listed[count] = mode
                    count += 1
                listed[count] = run
                count += 1
        else:
            if (kind != LUMA and effort < 8) or (effort == 1 and phase == 2) or best < 0:
                return total, best
            stride = 2 if phase == 1 and effort > 1 else 1
            listed[0], listed[1] = best - stride, best + stride
            count = 2
        for i in range(count):
            mode = listed[i]
            if mode < 0 or mode >= MODES or scores[mode] < NEVER or (mode < 2 and phase > 0):
                continue
            if mode >= PLAIN_MODES and (kind == LUMA or phase > 0):
                continue
            predict_block(
                mode, size, y, x, luma, first, borders, factors, detail,
                predictions, mode,
            )  # fmt: skip
            turned = 1 if is_horizontal(mode) else 0
            cost = _hadamard_cost(originals, turned, predictions, mode, n, work)
            bits[mode] = (
                mode_costs[context1, context2, mode] + direction_costs[direction, mode] + norm
            )
            score = 2 * cost + bit_weight * bits[mode]
            scores[mode] = score
            tried[total] = mode
            total += 1
            if 2 <= mode < PLAIN_MODES and (
                best < 0 or score < scores[best] or (score == scores[best] and mode < best)
            ):
                best = mode
    return total, best
