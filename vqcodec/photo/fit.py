"""Fitting the photo model to what was coded: transforms, regressions, codewords, costs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from vqcodec.photo.bootstrap import ONE, code_tree, lattice
from vqcodec.photo.contexts import CODED_LEVELS, FEATURES, LEVEL, SCAN_BIN, SCAN_BINS
from vqcodec.photo.model import CODEWORDS, DIRECTIONS, LAMBDA, Tables
from vqcodec.photo.predict import MODE_COUNT, MODES, PLAIN_MODES
from vqcodec.photo.quantizer import COST_LEVELS
from vqcodec.photo.transform import CLASSES


@dataclass
class Statistics:
    """Sums over coded planes of one plane type (transforms: one group)."""

    kind: int
    capacity: int = 600_000
    covariance4: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        self.covariance4 = np.zeros((CLASSES, 16, 16))
        self.covariance8 = np.zeros((CLASSES, 64, 64))
        self.covariance16 = np.zeros((CLASSES, 2, 16, 16))
        self.energy32 = np.zeros(256)
        self.samples = np.zeros((self.capacity, 2), np.float32)
        self.sample_features = np.zeros((self.capacity, FEATURES), np.int32)
        self.sample_places = np.zeros((self.capacity, 2), np.int16)
        self.leaf_rows = np.zeros((self.capacity, FEATURES), np.int32)
        self.leaf_places = np.zeros((self.capacity, 2), np.int16)
        self.split_counts = np.zeros((6, 3, 2))
        self.mode_counts = np.zeros((MODE_COUNT, MODE_COUNT, MODE_COUNT))
        self.direction_counts = np.zeros((DIRECTIONS, MODE_COUNT))
        self.filled = np.zeros(2, np.int64)

    def add(self, tables: Tables, state: Any, number: int, original: np.ndarray, step: int) -> None:
        """Count plane `number` of an encoded tile."""
        from vqcodec.photo.statistics import gather

        transforms = tables._transforms[min(self.kind, 1)]
        gather(
            original, state.planes[number], state.cells[number], state.symbols, state.values,
            *state.references(self.kind), state.order, self.kind, step, 12345 + step,
            20000, *tables._forward[min(self.kind, 1)], transforms[4],
            self.covariance4, self.covariance8, self.covariance16, self.energy32,
            self.samples, self.sample_features, self.sample_places,
            self.leaf_rows, self.leaf_places,
            self.split_counts, self.mode_counts, self.direction_counts, self.filled,
        )  # fmt: skip


def fit(arrays: dict[str, np.ndarray], statistics: list[Statistics], transforms: bool) -> None:
    """Fit everything but probabilities and filters; `statistics` has one entry a plane type."""
    groups = [statistics[:1], statistics[1:]]
    samples, levels = [], []
    for g, members in enumerate(groups):
        if transforms:
            _fit_transforms(arrays, g, members)
        _fit_pair_weights(arrays, g, members)
        _fit_coded_weights(arrays, g, members)
    for s in statistics:
        count = s.filled[0]
        samples.append(np.abs(s.samples[:count]))
        levels.append(_levels(arrays["pair_weights"][min(s.kind, 1)], s) >> 1)
    weights = _fit_codewords(arrays, samples, levels)
    arrays["tree_left"][...], arrays["tree_right"][...] = code_tree(arrays["codewords"], weights)
    for s in statistics:
        _fit_costs(arrays, s)


def _klt(covariance: np.ndarray) -> np.ndarray:
    """Return eigenvectors as rows, by falling eigenvalue, signs fixed, in integers."""
    vectors = np.linalg.eigh(covariance)[1][:, ::-1].T
    signs = np.sign(vectors[np.arange(len(vectors)), np.abs(vectors).argmax(1)])
    return np.round(vectors * signs[:, None] * ONE).astype(np.int64)


def _pooled(covariance: np.ndarray, floor: float) -> np.ndarray:
    """Shrink the covariance of each class towards that of all, more where it saw little."""
    trace = np.trace(covariance, axis1=-2, axis2=-1)[..., None, None] + 1e-9
    everything = covariance.sum(0, keepdims=True)
    everything /= np.trace(everything, axis1=-2, axis2=-1)[..., None, None] + 1e-9
    n = covariance.shape[-1]
    share = floor / (trace + floor)
    return covariance / trace * (1 - share) + everything * share + np.eye(n) * 1e-6


def _total(members: list[Statistics], name: str) -> np.ndarray:
    """Sum an array over plane types."""
    return np.sum([getattr(s, name) for s in members], axis=0)


def _fit_transforms(arrays: dict[str, np.ndarray], group: int, members: list[Statistics]) -> None:
    for name, floor in (("4", 300.0), ("8", 1500.0)):
        covariance = _pooled(_total(members, "covariance" + name), floor)
        for k in range(CLASSES):
            arrays["dense" + name][group, k] = _klt(covariance[k])
    covariance = _pooled(_total(members, "covariance16"), 1500.0)
    for k in range(CLASSES):
        power = []
        for side in range(2):
            basis = _klt(covariance[k, side])
            arrays["pair16"][group, k, side] = basis
            real = basis / ONE
            power.append(np.einsum("ui,ij,uj->u", real, covariance[k, side], real))
        product = np.outer(power[0], power[1]).ravel()
        arrays["scan16"][group, k] = np.argsort(-product, kind="stable")
    energy = _total(members, "energy32")
    if energy.sum() > 0:
        arrays["scan32"][group] = np.argsort(-(energy + 1e-9 * np.arange(256)[::-1]), kind="stable")


def _nonnegative(rows: np.ndarray, target: np.ndarray, floor: float) -> np.ndarray:
    """Non-negative least squares of relative errors, by reweighting."""
    from scipy.optimize import nnls

    weight = np.ones(len(rows))
    solution = np.zeros(rows.shape[1])
    for _ in range(4):
        solution = nnls(rows * weight[:, None], target * weight)[0]
        weight = 1 / (rows @ solution + floor)
    return solution


def _fit_pair_weights(arrays: dict[str, np.ndarray], group: int, members: list[Statistics]) -> None:
    for size in range(2, 6):
        last = None
        for position in range(SCAN_BINS):
            rows, target = [], []
            for s in members:
                places = s.sample_places[: s.filled[0]]
                chosen = np.flatnonzero(
                    (places[:, 0] == size) & (SCAN_BIN[places[:, 1]] == position)
                )[:12000]
                rows.append(s.sample_features[chosen] / 1024.0)
                target.append(np.minimum(np.abs(s.samples[chosen]).mean(1), 20))
            x, y = np.concatenate(rows), np.concatenate(target)
            if len(x) >= 100:
                last = np.clip(np.round(1024 * _nonnegative(x, y, 0.1)), 0, 65535)
            if last is not None:
                arrays["pair_weights"][group, size, position] = last


def _fit_coded_weights(
    arrays: dict[str, np.ndarray], group: int, members: list[Statistics]
) -> None:
    for size in range(2, 6):
        rows, target = [], []
        for s in members:
            places = s.leaf_places[: s.filled[1]]
            chosen = np.flatnonzero(places[:, 0] == size)[:30000]
            rows.append(s.leaf_rows[chosen] / 1024.0)
            target.append(places[chosen, 1].astype(np.float64))
        x, y = np.concatenate(rows), np.concatenate(target)
        x[:, 5:8] = 0
        if len(x) >= 200:
            weights = np.round(1024 * _nonnegative(x, y, 0.5))
            arrays["coded_weights"][group, size] = np.clip(weights, 0, 1 << 24)


def _levels(weights: np.ndarray, s: Statistics) -> np.ndarray:
    """Levels 0..31 of the samples under new weights."""
    places = s.sample_places[: s.filled[0]]
    row = weights[places[:, 0], SCAN_BIN[places[:, 1]]]
    total = (row * s.sample_features[: s.filled[0]].astype(np.int64)).sum(1)
    return LEVEL[np.minimum(total >> 13, 4095)].astype(np.int64)


def _rates(counts: np.ndarray) -> np.ndarray:
    """Bits of each symbol by level, smoothed over neighbouring levels."""
    smooth = counts.copy()
    smooth[1:] += 0.15 * counts[:-1]
    smooth[:-1] += 0.15 * counts[1:]
    mean = counts.sum(0) + 0.05
    mean /= mean.sum()
    return -np.log2((smooth + 60 * mean) / (smooth.sum(1, keepdims=True) + 60))


def _assign(
    samples: np.ndarray, levels: np.ndarray, codewords: np.ndarray, bits: np.ndarray
) -> np.ndarray:
    """Symbol of every sample by distortion plus rate; `CODEWORDS` is the escape."""
    chosen = np.empty(len(samples), np.int64)
    for at in range(0, len(samples), 50000):
        x, level = samples[at : at + 50000], levels[at : at + 50000]
        cost = ((x[:, None] - codewords[None]) ** 2).sum(2) + LAMBDA * bits[level, :CODEWORDS]
        best = cost.argmin(1)
        escape = LAMBDA * (np.maximum(bits[level, CODEWORDS], 5) + 8) + 0.17
        far = (cost[np.arange(len(x)), best] > escape) & (x.max(1) > 4)
        chosen[at : at + 50000] = np.where(far, CODEWORDS, best)
    return chosen


def _fit_codewords(
    arrays: dict[str, np.ndarray], samples: list[np.ndarray], levels: list[np.ndarray]
) -> np.ndarray:
    """Entropy-constrained vector quantization; returns the mean probability of every symbol."""
    points = arrays["codewords"] / 64.0
    zero = lattice() == 0
    signs = (~zero).sum(1)
    x, at = np.concatenate(samples), np.concatenate(levels)
    bits = arrays["pair_costs"].mean(0) / 16.0
    symbols = np.zeros(len(x), np.int64)
    for iteration in range(10):
        symbols = _assign(x, at, points, bits)
        if iteration > 1:
            for k in range(1, CODEWORDS):
                mine = x[symbols == k]
                if len(mine) > 3:
                    points[k] = np.where(zero[k], 0, mine.mean(0))
        counts = np.zeros((COST_LEVELS, CODEWORDS + 1))
        np.add.at(counts, (at, symbols), 1)
        bits = _rates(counts) + np.append(signs, 0)
    arrays["codewords"][...] = np.round(points * 64)
    for kind, (mine, level) in enumerate(zip(samples, levels, strict=True)):
        counts = np.zeros((COST_LEVELS, CODEWORDS + 1))
        np.add.at(counts, (level, _assign(mine, level, points, bits)), 1)
        own = _rates(counts) + np.append(signs, 0)
        arrays["pair_costs"][kind] = np.clip(np.round(16 * own), 0, 65535)
    frequency = np.bincount(symbols, minlength=CODEWORDS + 1) + 0.5
    return frequency / frequency.sum()


def _fit_costs(arrays: dict[str, np.ndarray], s: Statistics) -> None:
    """Bits of splits, modes and numbers of coded pairs, in sixteenths."""

    def bits(probability: np.ndarray) -> np.ndarray:
        return np.clip(np.round(-16 * np.log2(probability)), 0, 255)

    splits = s.split_counts + 2
    arrays["split_costs"][s.kind] = bits(splits / splits.sum(2, keepdims=True))
    modes = s.mode_counts[..., :MODES] if s.kind else s.mode_counts[..., :PLAIN_MODES]
    used = modes.shape[2]
    everything = modes.sum((0, 1)) + 1
    everything /= everything.sum()
    by_first = modes.sum(1)
    by_first = (by_first + 20 * everything) / (by_first.sum(1, keepdims=True) + 20)
    by_second = modes.sum(0)
    by_second = (by_second + 20 * everything) / (by_second.sum(1, keepdims=True) + 20)
    product = by_first[:, None] * by_second[None] / everything
    product /= product.sum(2, keepdims=True)
    table = (modes + 25 * product) / (modes.sum(2, keepdims=True) + 25)
    arrays["mode_costs"][s.kind] = 255
    arrays["mode_costs"][s.kind, ..., :used] = bits(table)
    direction = s.direction_counts[:, :used]
    mean = direction.sum(0) + 1
    mean /= mean.sum()
    table = (direction + 15 * mean) / (direction.sum(1, keepdims=True) + 15)
    arrays["direction_costs"][s.kind] = 0
    arrays["direction_costs"][s.kind, :, :used] = np.round(-16 * np.log2(table / mean))
    places, rows = s.leaf_places[: s.filled[1]], s.leaf_rows[: s.filled[1]]
    for size in range(2, 6):
        chosen = places[:, 0] == size
        if chosen.sum() < 200:
            continue
        pairs = min(128, 4**size // 2)
        weights = arrays["coded_weights"][min(s.kind, 1), size]
        features = rows[chosen].astype(np.int64)
        features[:, 5:8] = 0
        value = np.minimum((features @ weights) >> 16, 4095) / 16.0
        level = np.clip(np.floor(2 * np.log2(1 + value)), 0, CODED_LEVELS - 1).astype(int)
        counts = np.zeros((CODED_LEVELS, pairs + 1))
        np.add.at(counts, (level, places[chosen, 1]), 1)
        smooth = counts.copy()
        for e in range(2, pairs + 1):
            reach = max(1, e // 6)
            smooth[:, e] = counts[:, max(1, e - reach) : min(pairs, e + reach) + 1].mean(1)
        spread = smooth.copy()
        spread[1:] += 0.2 * smooth[:-1]
        spread[:-1] += 0.2 * smooth[1:]
        mean = spread.sum(0) + 0.5
        mean /= mean.sum()
        table = (spread + 30 * mean) / (spread.sum(1, keepdims=True) + 30)
        table /= table.sum(1, keepdims=True)
        arrays["coded_costs"][s.kind, size, :, : pairs + 1] = bits(table)
