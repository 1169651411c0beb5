"""Training of the photo codebook on photographs: reproducible from a seed.

Rounds of coding and fitting, as in any Lloyd iteration: code the pictures with
the present model, then fit transforms (Karhunen-Loeve of the residuals of each
class of prediction), level regressions (non-negative least squares), codewords
and rates (entropy-constrained vector quantization) and all cost tables to what
was coded. At last the pictures are coded without resetting the probabilities,
whose final state is where every tile will start.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from vqcodec.codebook import Codebook
from vqcodec.errors import CancelledError, CodebookError
from vqcodec.photo.bootstrap import ONE, bootstrap, code_tree, lattice
from vqcodec.photo.contexts import (
    CODED_LEVELS,
    FEATURES,
    LEVEL,
    SCAN_BIN,
    SCAN_BINS,
    TYPES,
)
from vqcodec.photo.model import CODEWORDS, DIRECTIONS, FORMAT, LAMBDA, Tables
from vqcodec.photo.planes import to_planes
from vqcodec.photo.predict import MODE_COUNT, MODES, PLAIN_MODES
from vqcodec.photo.quantizer import COST_LEVELS
from vqcodec.photo.transform import CLASSES

Progress = Callable[[float, str], "bool | None"]
# Step indices that training visits: half octaves from 1.4 to 64 sample values.
_STEPS = (36, 48, 60, 72, 84, 96, 108, 120, 132, 144, 156, 168)
CHROMA_OFFSET = 6
_COUNT_CAP = 80  # how sure of its probabilities a fresh tile is
_DTYPES = {
    "codewords": "i2", "tree_left": "i1", "tree_right": "i1",
    "dense4": "i2", "dense8": "i2", "pair16": "i2", "scan16": "u1", "dct32": "i2", "scan32": "u1",
    "pair_weights": "u2", "coded_weights": "u4",
    "split_costs": "u1", "mode_costs": "u1", "direction_costs": "i2", "coded_costs": "u1",
    "pair_costs": "u2", "probabilities": "u2", "counts": "u1",
    "first_weights": "i4", "second_weights": "i4", "filters": "i2",
}  # fmt: skip


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


def train(
    images: Iterable[Any],
    *,
    seed: int = 0,
    rounds: int = 4,
    crops: int = 72,
    prior_crops: int = 600,
    filter_crops: int = 72,
    progress: Progress | None = None,
    provenance: str = "",
    start: Codebook | None = None,
) -> Codebook:
    """Train a photo codebook.

    Parameters
    ----------
    images : iterable of paths, arrays or `Image` values
        Photographs; a few dozen of a megapixel each are enough.
    seed : int
        Chooses the crops; the same seed and pictures give the same codebook.
    rounds : int
        Rounds of coding and fitting.
    crops : int
        Crops (512 x 384) coded in each round.
    prior_crops : int
        Crops coded to adapt the probabilities.
    filter_crops : int
        Crops coded to fit the restoration filters.
    progress : callable, optional
        Called as ``progress(fraction, message)``; False cancels.
    provenance : str
        Stored in the codebook.
    start : Codebook, optional
        Start from this codebook instead of from nothing.

    Returns
    -------
    Codebook
        Of kind ``photo``.

    Raises
    ------
    CodebookError
        There are no pictures to train on.
    CancelledError
        `progress` said so.
    """
    crop = _Crops(list(images), seed)
    arrays = dict(Tables.of(start).arrays) if start else bootstrap()
    arrays = {name: np.array(a, np.int64) for name, a in arrays.items()}
    total = rounds * crops + prior_crops + filter_crops
    done = 0

    def tell(message: str) -> None:
        nonlocal done
        done += 1
        if progress and progress(min(1.0, done / total), message) is False:
            raise CancelledError("training was cancelled")

    for number in range(rounds):
        tables = _tables(arrays)
        statistics = [Statistics(kind) for kind in range(TYPES)]
        for i in range(crops):
            tell(f"round {number + 1}: coding")
            step = _STEPS[(i * 5 + number) % len(_STEPS)]
            _code_and_count(tables, crop.next(), step, statistics)
        _fit(arrays, statistics, transforms=number < max(1, rounds - 1))
    tables = _tables(arrays)
    _adapt(arrays, tables, crop, prior_crops, tell)
    _fit_filters(arrays, tables, crop, filter_crops, tell)
    return _codebook(arrays, provenance)


class _Crops:
    """An endless, seeded supply of 512 x 384 crops."""

    def __init__(self, images: Sequence[Any], seed: int) -> None:
        if not images:
            raise CodebookError("there are no pictures to train on")
        self.images = images
        self.random = np.random.default_rng(seed)
        self.order: list[int] = []
        self.loaded: dict[int, np.ndarray] = {}

    def next(self) -> np.ndarray:
        """Return the planes of the next crop."""
        if not self.order:
            self.order = list(self.random.permutation(len(self.images)))
        index = self.order.pop()
        if index not in self.loaded:
            self.loaded[index] = _rgb(self.images[index])
        image = self.loaded[index]
        height, width = min(384, image.shape[0]), min(512, image.shape[1])
        top = int(self.random.integers(image.shape[0] - height + 1))
        left = int(self.random.integers(image.shape[1] - width + 1))
        return to_planes(image[top : top + height, left : left + width])


def _rgb(source: Any) -> np.ndarray:
    """Load a picture as 8-bit RGB."""
    from vqcodec.media import load_image

    samples = load_image(source).samples if not isinstance(source, np.ndarray) else source
    if samples.dtype == np.uint16:
        samples = (samples >> 8).astype(np.uint8)
    if samples.ndim == 2:
        samples = samples[..., None]
    return samples[..., :3] if samples.shape[2] >= 3 else np.repeat(samples[..., :1], 3, 2)


def _tables(arrays: dict[str, np.ndarray]) -> Tables:
    tables = Tables(dict(arrays))
    tables._check()
    return tables


def _codebook(arrays: dict[str, np.ndarray], provenance: str) -> Codebook:
    config = {"transform": "klt", "shape": [2], "format": FORMAT, "lambda": LAMBDA}
    packed = {name: array.astype(_DTYPES[name]) for name, array in arrays.items()}
    return Codebook("photo", config, packed, provenance)


def _code_and_count(
    tables: Tables, planes: np.ndarray, step: int, statistics: list[Statistics]
) -> None:
    from vqcodec.photo.partition import search_plane
    from vqcodec.photo.quantizer import profile_offsets
    from vqcodec.photo.tiles import Quantization, TileState, pad, plane_layout

    state = TileState(*planes.shape)
    activity = np.ones((state.height // 8, state.width // 8), np.float32)
    profile = profile_offsets(0)
    q = Quantization(step, CHROMA_OFFSET, CHROMA_OFFSET)
    for number, (kind, index) in enumerate(plane_layout(3, q)):
        original = pad(planes[number], state.height, state.width)
        search_plane(
            original, state.planes[number], state.cells[number], state.symbols, state.values,
            *state.references(kind), state.order, state.offsets,
            kind, index, profile, activity, LAMBDA, 4, *tables.search(kind),
        )  # fmt: skip
        statistics[kind].add(tables, state, number, original, index)


# --- fitting ------------------------------------------------------------------


def _fit(arrays: dict[str, np.ndarray], statistics: list[Statistics], transforms: bool) -> None:
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


def _fit_transforms(arrays: dict[str, np.ndarray], group: int, members: list[Statistics]) -> None:
    for name, floor in (("4", 300.0), ("8", 1500.0)):
        covariance = _pooled(sum(getattr(s, "covariance" + name) for s in members), floor)
        for k in range(CLASSES):
            arrays["dense" + name][group, k] = _klt(covariance[k])
    covariance = _pooled(sum(s.covariance16 for s in members), 1500.0)
    for k in range(CLASSES):
        power = []
        for side in range(2):
            basis = _klt(covariance[k, side])
            arrays["pair16"][group, k, side] = basis
            real = basis / ONE
            power.append(np.einsum("ui,ij,uj->u", real, covariance[k, side], real))
        product = np.outer(power[0], power[1]).ravel()
        arrays["scan16"][group, k] = np.argsort(-product, kind="stable")
    energy = sum(s.energy32 for s in members)
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


def _adapt(
    arrays: dict[str, np.ndarray],
    tables: Tables,
    crop: _Crops,
    crops: int,
    tell: Callable[[str], None],
) -> None:
    """Code crops in sequence without resetting the probabilities, and keep where they end.

    Every third crop is coded as for the eye, so that either tuning starts well.
    """
    from vqcodec import rangecoder
    from vqcodec.photo import visual
    from vqcodec.photo.partition import search_plane
    from vqcodec.photo.quantizer import profile_offsets
    from vqcodec.photo.stream import UNIT_OFFSETS, code_plane
    from vqcodec.photo.tiles import Quantization, TileState, pad, plane_layout

    priors = [tables.priors(kind) for kind in range(TYPES)]
    contexts = rangecoder.new_contexts(8 * UNIT_OFFSETS)
    for i in range(crops):
        tell("adapting the probabilities")
        planes = crop.next()
        step = _STEPS[(i * 5) % len(_STEPS)]
        state = TileState(*planes.shape)
        activity = np.ones((state.height // 8, state.width // 8), np.float32)
        eye = i % 3 == 2
        profile = profile_offsets(visual.PROFILE if eye else 0)
        q = Quantization(step, CHROMA_OFFSET, CHROMA_OFFSET)
        if eye:
            q = Quantization(step, visual.ORANGE, visual.GREEN, offsets=True)
            mean = float(visual.block_activity(planes[0]).mean())
            state.offsets[...], activity = visual.adapt(planes[0], mean)
        for number, (kind, index) in enumerate(plane_layout(3, q)):
            views = (
                state.planes[number], state.cells[number], state.symbols, state.values,
                *state.references(kind), state.order, state.offsets,
            )  # fmt: skip
            search_plane(
                pad(planes[number], state.height, state.width), *views,
                kind, index, profile, activity, LAMBDA, 4, *tables.search(kind),
            )  # fmt: skip
            code_plane(
                rangecoder.encoder_state(), np.zeros(1 << 20, np.uint8), True, *priors[kind],
                contexts, *views, kind, index, q.offsets and number == 0, profile,
                *tables.coding(kind),
            )  # fmt: skip
    for kind, (states, first, second) in enumerate(priors):
        probability = (states >> np.uint32(16)).astype(np.int64)
        count = (states & np.uint32(1023)).astype(np.int64)
        arrays["probabilities"][kind] = np.where(count > 0, probability, 1 << 15)
        arrays["counts"][kind] = np.minimum(count, _COUNT_CAP)
        arrays["first_weights"][kind] = first
        arrays["second_weights"][kind] = second


def _fit_filters(
    arrays: dict[str, np.ndarray],
    tables: Tables,
    crop: _Crops,
    crops: int,
    tell: Callable[[str], None],
) -> None:
    """Least squares of each filter, leaning a little on all filters of its step."""
    from vqcodec.photo import restore
    from vqcodec.photo.tiles import Quantization, encode_tile, pad, plane_layout

    shape = (TYPES, restore.BINS, restore.CLASSES, restore.TAPS)
    squares, products = np.zeros((*shape, restore.TAPS)), np.zeros(shape)
    for i in range(crops):
        tell("fitting the restoration filters")
        planes = crop.next()
        q = Quantization(_STEPS[(i * 5) % len(_STEPS)], CHROMA_OFFSET, CHROMA_OFFSET)
        _, state = encode_tile(planes, tables, q, 4)
        for number, (kind, index) in enumerate(plane_layout(3, q)):
            original = pad(planes[number], state.height, state.width)
            restore.accumulate(
                original, state.planes[number], state.cells[number], index,
                squares[kind], products[kind],
            )  # fmt: skip
    squares += np.tril(squares, -1).swapaxes(-1, -2)
    whole, response = squares.sum(2, keepdims=True), products.sum(2, keepdims=True)
    squares, products = squares + 0.005 * whole, products + 0.005 * response
    ridge = np.trace(squares, axis1=-2, axis2=-1)[..., None, None] * 1e-3 / restore.TAPS + 1.0
    weights = np.linalg.solve(squares + ridge * np.eye(restore.TAPS), products[..., None])
    scaled = np.round(weights[..., 0] * (1 << restore.WEIGHT_BITS))
    arrays["filters"][...] = np.clip(scaled, -4096, 4096)


def images_in(folders: Iterable[str | os.PathLike[str]]) -> list[str]:
    """Return the pictures in folders and files, in a fixed order."""
    found: list[str] = []
    for place in folders:
        path = os.fspath(place)
        if os.path.isdir(path):
            found += sorted(
                os.path.join(path, name)
                for name in os.listdir(path)
                if name.lower().endswith((".png", ".jpg", ".jpeg", ".tif", ".tiff", ".webp"))
            )
        else:
            found.append(path)
    return found
