"""Spectral envelopes: line spectral frequencies <-> indices of a trained multi-stage VQ.

Each coded frame is predicted from the last coded one (or, in intra frames, by the
mean alone), and what is left is the sum of one codeword from each stage
(LeBlanc et al. 1993), searched with the M-algorithm. Distances weigh each
frequency by how close its neighbours are (Laroia et al. 1991), and the search
minimises distance + lambda * bits.
"""

# Kernels are typed by what they are called with:
# mypy: disallow-untyped-defs=False, check-untyped-defs=False

from __future__ import annotations

import math

import numpy as np

from vqcodec.audio.speech.lpc import order_lsf
from vqcodec.audio.speech.syntax import BETWEEN, NOTHING
from vqcodec.jit import njit

SCALE = 8192.0  # codewords and means are integers in units of 1/8192 radian
SURVIVORS = 8
PREDICTED, INTRA = 0, 1


@njit
def predict(mode, previous, mean, rho, apart, guess):
    """Set `guess` to what a frame is expected to be.

    `previous` is the last coded envelope, `apart` frames ago (1 or 2); `mean` is
    (2, p), `rho` (p,).
    """
    for i in range(guess.shape[0]):
        guess[i] = mean[mode, i]
        if mode == PREDICTED:
            share = rho[i] if apart == 1 else rho[i] * rho[i]
            guess[i] += share * (previous[i] - mean[mode, i])


@njit
def dequantize(mode, indices, previous, mean, rho, apart, books, spacing, lsf):
    """Set `lsf` from the mode and the indices of a frame; the result is always stable."""
    predict(mode, previous, mean, rho, apart, lsf)
    for stage in range(indices.shape[0]):
        for i in range(lsf.shape[0]):
            lsf[i] += books[mode, stage, indices[stage], i]
    order_lsf(lsf, spacing)


@njit
def decode(energy, modes, indices, mean, rho, books, spacing, lsf):
    """Set `lsf` (F, p) of a segment.

    Frames of energy 0 keep the last envelope. Frames BETWEEN lie half way
    between the last coded one and the next, or keep the last where the next
    frame is not coded either.
    """
    frames = energy.shape[0]
    previous = mean[INTRA].copy()
    apart = 1
    for f in range(frames):
        if energy[f] > 0 and modes[f] != BETWEEN:
            dequantize(modes[f], indices[f], previous, mean, rho, apart, books, spacing, lsf[f])
            previous[:] = lsf[f]
            apart = 1
            continue
        lsf[f] = previous
        if energy[f] > 0 and f + 1 < frames and energy[f + 1] > 0 and modes[f + 1] != BETWEEN:
            apart = 2
            dequantize(
                modes[f + 1], indices[f + 1], previous, mean, rho, apart, books, spacing, lsf[f]
            )
            for i in range(lsf.shape[1]):
                lsf[f, i] = 0.5 * (lsf[f, i] + previous[i])


# --- encoder ------------------------------------------------------------------------


@njit
def weigh(lsf, weights):
    """Set the inverse harmonic mean weights of Laroia et al."""
    order = lsf.shape[0]
    for i in range(order):
        below = lsf[i] - (lsf[i - 1] if i > 0 else 0.0)
        above = (lsf[i + 1] if i < order - 1 else math.pi) - lsf[i]
        weights[i] = 1.0 / max(below, 0.02) + 1.0 / max(above, 0.02)


@njit
def _search(target, weights, books, costs, trade, best):
    """Set `best` (stages) to the codewords of least distance + trade * bits; return that."""
    stages, size, order = books.shape
    sums = np.zeros((SURVIVORS, order))
    score = np.zeros(SURVIVORS)
    paths = np.zeros((SURVIVORS, stages), np.int64)
    spent = np.zeros(SURVIVORS)
    alive = 1
    for stage in range(stages):
        top = np.full(SURVIVORS, 1e30)
        parent = np.zeros(SURVIVORS, np.int64)
        chosen = np.zeros(SURVIVORS, np.int64)
        for s in range(alive):
            for c in range(size):
                bits = spent[s] + costs[stage, c]
                value = trade * bits
                for i in range(order):
                    d = target[i] - sums[s, i] - books[stage, c, i]
                    value += weights[i] * d * d
                if value < top[SURVIVORS - 1]:
                    place = SURVIVORS - 1
                    while place > 0 and top[place - 1] > value:
                        top[place] = top[place - 1]
                        parent[place] = parent[place - 1]
                        chosen[place] = chosen[place - 1]
                        place -= 1
                    top[place] = value
                    parent[place] = s
                    chosen[place] = c
        new_sums = np.zeros((SURVIVORS, order))
        new_paths = np.zeros((SURVIVORS, stages), np.int64)
        new_spent = np.zeros(SURVIVORS)
        alive = 0
        for s in range(SURVIVORS):
            if top[s] < 1e30:
                p, c = parent[s], chosen[s]
                new_sums[s] = sums[p] + books[stage, c]
                new_paths[s] = paths[p]
                new_paths[s, stage] = c
                new_spent[s] = spent[p] + costs[stage, c]
                alive += 1
        sums, paths, spent, score = new_sums, new_paths, new_spent, top
    best[:] = paths[0]
    return score[0]


@njit
def _code(
    lsf, previous, before, apart, mean, rho, books, costs, mode_costs, trade, spacing,
    indices, result,
):  # fmt: skip
    """Code one frame after mode `before`: set `indices` and `result`; return mode and cost."""
    order = lsf.shape[0]
    weights = np.zeros(order)
    guess = np.zeros(order)
    trial = np.zeros(indices.shape[0], np.int64)
    weigh(lsf, weights)
    least = 1e30
    chosen = INTRA
    for mode in range(INTRA if before == NOTHING else PREDICTED, 2):
        predict(mode, previous, mean, rho, apart, guess)
        value = trade * mode_costs[before, mode]
        value += _search(lsf - guess, weights, books[mode], costs[mode], trade, trial)
        if value < least:
            least = value
            chosen = mode
            indices[:] = trial
    dequantize(chosen, indices, previous, mean, rho, apart, books, spacing, result)
    return chosen, least


def quantize(
    lsf: np.ndarray, energy: np.ndarray, mean: np.ndarray, rho: np.ndarray, books: np.ndarray,
    costs: np.ndarray, mode_costs: np.ndarray, trade: float, spacing: float,
    modes: np.ndarray, indices: np.ndarray, result: np.ndarray,
) -> None:  # fmt: skip
    """Quantise the frames of a segment: set `modes`, `indices` and the decoded `result`.

    The first frame is intra, so that a segment can be decoded without its
    predecessor. A frame is left out (BETWEEN) if that costs less than coding it,
    the frame after it counted in. `costs` (2, stages, size) and `mode_costs`
    (4, 4) are in bits.
    """
    frames, order = lsf.shape
    stages = books.shape[1]
    previous = mean[INTRA].copy()
    weights = np.zeros(order)
    after_indices = np.zeros(stages, np.int64)
    over_indices = np.zeros(stages, np.int64)
    after = np.zeros(order)
    over = np.zeros(order)
    before = NOTHING
    ready = False
    cost = 0.0
    mode = INTRA
    f = 0
    while f < frames:
        if energy[f] == 0:
            result[f] = previous
            f += 1
            continue
        if not ready:
            mode, cost = _code(
                lsf[f], previous, before, 1, mean, rho, books, costs, mode_costs, trade,
                spacing, indices[f], result[f],
            )  # fmt: skip
        ready = False
        modes[f] = mode
        if before < NOTHING and f + 1 < frames and energy[f + 1] > 0:
            after_mode, after_cost = _code(
                lsf[f + 1], result[f], mode, 1, mean, rho, books, costs, mode_costs, trade,
                spacing, after_indices, after,
            )  # fmt: skip
            over_mode, over_cost = _code(
                lsf[f + 1], previous, BETWEEN, 2, mean, rho, books, costs, mode_costs, trade,
                spacing, over_indices, over,
            )  # fmt: skip
            over_cost += trade * mode_costs[before, BETWEEN]
            weigh(lsf[f], weights)
            between = 0.5 * (previous + over)
            over_cost += float(weights @ (lsf[f] - between) ** 2)
            if over_cost < cost + after_cost:
                modes[f] = BETWEEN
                indices[f] = 0
                result[f] = between
                f += 1
                modes[f] = over_mode
                indices[f] = over_indices
                result[f] = over
            else:
                ready = True
                cost = after_cost
        before = modes[f]
        previous[:] = result[f]
        f += 1
        if ready:
            mode = after_mode
            indices[f] = after_indices
            result[f] = after
