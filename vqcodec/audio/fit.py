# mypy: allow-untyped-defs, no-check-untyped-defs
"""What training counts, and the tables it fits to the counts."""

from __future__ import annotations

import numpy as np

from vqcodec.audio.bands import BANDS, LEVELS, PREDICTORS, energy_features, predict_energy
from vqcodec.audio.contexts import (
    EMPTY_BELOW,
    FEATURES,
    KINDS,
    LEVEL_COUNT,
    PAD,
    vector_features,
    vector_level,
)
from vqcodec.audio.masking import INVERSE, STEP, power_of
from vqcodec.audio.plan import Plan
from vqcodec.audio.quantizer import KIND, NEXT, ONE, STATES, VALUE_BITS, WIDTH, Lattice
from vqcodec.audio.reconstruct import SCALE
from vqcodec.audio.stream import _AMPLITUDE_LIMIT, resample
from vqcodec.jit import njit

_BITS = 256
_SIGN_BIT = 1


@njit(_nrt=False)
def _count_energies(energies, levels, blocks, counts, nearest, weights, f, products, targets):
    """Add up the normal equations of the prediction of the energies."""
    for block in range(1, blocks):
        level, level_before = levels[block], levels[block - 1]
        same = 0 if level == level_before else (1 if level < level_before else 2)
        for channel in range(energies.shape[1]):
            for band in range(counts[level]):
                energy_features(f, energies[block], energies[block - 1], level, level_before,
                                nearest, channel, band, counts)  # fmt: skip
                actual = energies[block, channel, band]
                expected = predict_energy(f, weights, channel, same, band) / 16
                if actual == 0 and expected < 0.5:
                    continue
                miss = abs(actual - expected)
                trust = 1 / (1 + miss)  # iteratively reweighted: towards least absolute error
                k = min(band, 2)
                for i in range(PREDICTORS):
                    targets[channel, same, k, i] += trust * f[i] * actual
                    for j in range(PREDICTORS):
                        products[channel, same, k, i, j] += trust * f[i] * f[j]


@njit(_nrt=False)
def _count_vectors(
    x, symbols, values, energies, steps, levels, blocks, frame, edges, counts, skip,
    level_weights, d, after, rows, f, products, targets, tallies, sums, visits,
):  # fmt: skip
    """Add up what levels, costs and codewords are fitted to; mirrors `stream.code_channel`."""
    start = 0
    level_before = 0
    turn = 0
    rows[:] = 0
    for block in range(blocks):
        level = levels[block]
        size = frame >> level
        bands = counts[level]
        if level != level_before:
            for channel in range(x.shape[0]):
                for row in range(3):
                    resample(rows[channel, row], size, frame >> level_before)
        new, one, two = turn, (turn + 2) % 3, (turn + 1) % 3
        for channel in range(x.shape[0]):
            second = 1 if channel > 0 else 0
            other = rows[0, new] if channel > 0 else rows[x.shape[0] - 1, one]
            current = rows[channel, new]
            running = np.int64(0)
            trellis = np.int64(0)
            for band in range(bands):
                low, high = edges[level, band], edges[level, band + 1]
                step = steps[block, channel, band]
                ratio = 4 * energies[block, channel, band] - step
                empty = energies[block, channel, band] == 0 or ratio < skip
                if not empty and ratio < EMPTY_BELOW:
                    empty = True
                    for i in range((start + low) // d, (start + high) // d):
                        empty = empty and symbols[channel, i] == 0
                if empty:
                    for k in range(low, high):
                        current[PAD + k] = 0
                    running >>= 2
                    continue
                rest = power_of(ratio) * (high - low)
                scale = np.float64(1 / 64) / np.float64(SCALE[step])
                for k in range(low, high, d):
                    vector_features(f, current, rows[channel, one], rows[channel, two], other, k,
                                    d, INVERSE[step], rest // (high - k), running)  # fmt: skip
                    expected = vector_level(f, level_weights, level, second)
                    symbol = np.int64(symbols[channel, (start + k) // d])
                    tallies[KIND[trellis], expected, symbol] += 1
                    escaped = symbol == after.shape[1]
                    following = trellis if escaped else after[trellis, symbol]
                    actual = 0.0
                    mean = np.int64(0)
                    for i in range(d):
                        y = abs(np.float64(x[channel, start + k + i])) * scale
                        actual += min(y, 100.0) / d
                        magnitude = abs(np.int64(values[channel, start + k + i]))
                        mean += magnitude
                        rest -= (magnitude * magnitude) >> 4
                        current[PAD + k + i] = min(
                            _AMPLITUDE_LIMIT, (magnitude * STEP[step]) >> VALUE_BITS
                        )
                        if escaped:
                            number = (magnitude + WIDTH // 2) // WIDTH
                            following = NEXT[following, number & 1]
                        else:
                            sums[trellis, symbol, i] += y
                    if not escaped:
                        visits[trellis, symbol] += 1
                    trellis = following
                    rest = max(rest, 0)
                    running += ((min(mean // d, 32767) - running) * 77) >> 8
                    # Deviations in proportion to what is expected count alike.
                    trust = 2.0 ** (-2 * (expected - 18) / 3.2)
                    for i in range(FEATURES):
                        targets[level, second, i] += trust * f[i] * actual * 64
                        for j in range(FEATURES):
                            products[level, second, i, j] += trust * f[i] * f[j]
            for k in range(edges[level, bands], edges[level, bands] + PAD):
                current[PAD + k] = 0
        turn = (turn + 1) % 3
        start += size
        level_before = level


class Statistics:
    """Counts over coded segments."""

    def __init__(self, symbols: Lattice, d: int) -> None:
        self.d = d
        self.energy = (
            np.zeros((2, 3, 3, PREDICTORS, PREDICTORS)),
            np.zeros((2, 3, 3, PREDICTORS)),
        )
        self.level = np.zeros((LEVELS, 2, FEATURES, FEATURES)), np.zeros((LEVELS, 2, FEATURES))
        self.tallies = np.zeros((KINDS, LEVEL_COUNT, symbols.escape + 1))
        self.sums = np.zeros((STATES, symbols.escape, d))
        self.visits = np.zeros((STATES, symbols.escape))
        self.after = symbols.after

    def count(self, plan: Plan) -> None:
        """Count a quantized plan."""
        coder = plan.coder
        tables, bands = coder.tables, coder.bands
        f = np.zeros(PREDICTORS, np.int64)
        for part, x in zip(plan.parts, plan.spectra, strict=True):
            _count_energies(
                part.energies, part.levels, part.blocks, bands.counts, bands.nearest,
                tables.energy_weights, f, *self.energy,
            )  # fmt: skip
            _count_vectors(
                x, part.symbols, part.values, part.energies, part.steps, part.levels, part.blocks,
                bands.frame, bands.edges, bands.counts, tables.numbers["skip"],
                tables.level_weights, self.d, self.after, coder.rows(len(x)), coder.features,
                *self.level,
                self.tallies, self.sums, self.visits,
            )  # fmt: skip


def fit(arrays: dict[str, np.ndarray], statistics: Statistics, symbols: Lattice) -> None:
    """Replace regressions, codewords and costs by what the statistics say."""
    products, targets = statistics.energy
    for at in np.ndindex(2, 3, 3):
        if products[at][0, 0] > 50 * 256:
            arrays["energy_weights"][at] = _ridge(products[at], targets[at])
    squares, sides = statistics.level
    joint = squares.sum((0, 1)), sides.sum((0, 1))
    for at in np.ndindex(LEVELS, 2):
        share = 2e3 / max(joint[0][0, 0] / 4096, 1.0)  # as much as two thousand vectors of all
        weights = _non_negative(squares[at] + share * joint[0], sides[at] + share * joint[1])
        arrays["level_weights"][at] = np.clip(np.round(weights * 4096), 0, 65535)
    nominal = symbols.nominal
    visits = statistics.visits[..., np.newaxis]
    strength = 20.0
    centre = (statistics.sums * ONE + strength * nominal) / (visits + strength)
    centre = np.where(nominal > 0, np.clip(centre, nominal - WIDTH / 3, nominal + WIDTH / 3), 0)
    arrays["codewords"] = np.round(centre).astype(np.int64)
    total = statistics.tallies
    smooth = total + 0.5 * np.roll(total, 1, 1) + 0.5 * np.roll(total, -1, 1)
    prior = 2.0 ** (-arrays["costs"] / _BITS)
    chance = smooth + 30 * prior / prior.sum(2, keepdims=True) + 1e-3
    chance /= chance.sum(2, keepdims=True)
    arrays["costs"] = np.round(-np.log2(chance) * _BITS).astype(np.int64)


def _ridge(products: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Return the weights in 1/4096 that predict best, kept near zero where nothing is known."""
    regular = products + np.eye(len(targets)) * (1e-3 * np.trace(products) / len(targets) + 1e-6)
    weights = np.linalg.solve(regular, targets)
    return np.clip(np.round(weights * 4096), -32767, 32767).astype(np.int64)


def _non_negative(products: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Solve non-negative least squares from the normal equations."""
    from scipy.optimize import nnls

    values, vectors = np.linalg.eigh(products)
    values = np.maximum(values, values.max() * 1e-9)
    root = (vectors * np.sqrt(values)).T
    return np.asarray(nnls(root, (vectors / np.sqrt(values)).T @ targets)[0])


__all__ = ["BANDS", "Statistics", "fit"]
