"""Training of the photo codebook on photographs: reproducible from a seed.

Rounds of coding and fitting, as in any Lloyd iteration: code the pictures with
the present model, then fit transforms (Karhunen-Loeve of the residuals of each
class of prediction), level regressions (non-negative least squares), codewords
and rates (entropy-constrained vector quantization) and all cost tables to what
was coded. At last the pictures are coded without resetting the probabilities,
whose final state is where every tile will start.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from vqcodec.checkpoint import Checkpoint, CheckpointedRun
from vqcodec.codebook import Codebook
from vqcodec.container import DEFAULT_LIMITS, Limits
from vqcodec.errors import CodebookError
from vqcodec.photo.bootstrap import bootstrap
from vqcodec.photo.contexts import TYPES
from vqcodec.photo.crops import Crops
from vqcodec.photo.fit import Statistics, fit
from vqcodec.photo.model import FORMAT, LAMBDA, SHAPES, Tables

if TYPE_CHECKING:
    pass

Progress = Callable[[float, str], "bool | None"]
# Step indices that training visits: half octaves from 1.4 to 64 sample values.
_STEPS = (36, 48, 60, 72, 84, 96, 108, 120, 132, 144, 156, 168)
CHROMA_OFFSET = 6
_EFFORT = 4  # of the encoder's search while training
_COUNT_CAP = 80  # how sure of its probabilities a fresh tile is
_DTYPES = {
    "codewords": "i2", "tree_left": "i1", "tree_right": "i1",
    "dense4": "i2", "dense8": "i2", "pair16": "i2", "scan16": "u1", "dct32": "i2", "scan32": "u1",
    "pair_weights": "u2", "coded_weights": "u4",
    "split_costs": "u1", "mode_costs": "u1", "direction_costs": "i2", "coded_costs": "u1",
    "pair_costs": "u2", "probabilities": "u2", "counts": "u1",
    "first_weights": "i4", "second_weights": "i4", "filters": "i2",
}  # fmt: skip


def train(
    images: Iterable[Any],
    *,
    seed: int = 0,
    rounds: int = 4,
    crops: int = 72,
    prior_crops: int = 600,
    filter_crops: int = 144,
    progress: Progress | None = None,
    provenance: str = "",
    start: Codebook | None = None,
    checkpoint: Checkpoint | None = None,
    limits: Limits = DEFAULT_LIMITS,
) -> Codebook:
    """Train a photo codebook.

    Parameters
    ----------
    images : iterable of paths, arrays or `Image` values
        Photographs; a few dozen of a megapixel each are enough. Paths are read
        when they are wanted, and only some of them are kept in memory.
    seed : int
        Chooses the crops; the same seed and pictures give the same codebook.
    rounds : int
        Rounds of coding and fitting.
    crops : int
        Crops (512 x 384) coded in each round.
    prior_crops : int
        Crops coded to adapt the probabilities.
    filter_crops : int
        Crops coded to fit the restoration filters; with 0 they stay as they are.
    progress : callable, optional
        Called as ``progress(fraction, message)``; False cancels.
    provenance : str
        Stored in the codebook.
    start : Codebook, optional
        Start from this codebook instead of from nothing.
    checkpoint : Checkpoint, optional
        Where the state is kept, after each round and every few seconds of what
        follows: a training that takes it up returns the same codebook as one
        that was never stopped.
    limits : Limits
        Larger images are refused.

    Returns
    -------
    Codebook
        Of kind ``photo``.

    Raises
    ------
    CodebookError
        There are no pictures to train on; a checkpoint that does not fit.
    CancelledError
        `progress` said so.
    """
    if start is not None and start.kind != "photo":
        raise CodebookError(f"a photo codebook cannot start from one of kind {start.kind}")
    crop = Crops(list(images), seed, limits)
    checkpoint = checkpoint or Checkpoint(None)
    kept = checkpoint.load()
    if kept:
        arrays = {name: kept["model_" + name] for name in SHAPES}
    else:
        arrays = dict(Tables.of(start).arrays) if start else bootstrap()
    arrays = {name: np.array(a, np.int64) for name, a in arrays.items()}
    run = CheckpointedRun(rounds * crops + prior_crops + filter_crops, progress, checkpoint, arrays)
    run.done = int(kept["done"]) if kept else 0
    crop.skip(run.done)
    for number in range(run.done // crops, rounds):
        tables = _tables(arrays)
        statistics = [Statistics(kind) for kind in range(TYPES)]
        for i in range(crops):
            step = _STEPS[(i * 5 + number) % len(_STEPS)]
            _code_and_count(tables, crop.next(), step, statistics)
            run.tell(f"round {number + 1}: coding")
        fit(arrays, statistics, transforms=number < max(1, rounds - 1))
        run.save({})
    tables = _tables(arrays)
    first = rounds * crops
    if run.done < first + prior_crops or "states" in kept:
        _adapt(arrays, tables, crop, range(run.done - first, prior_crops), run, kept)
        kept = {}
        run.save({})
    first += prior_crops
    if filter_crops:
        _fit_filters(arrays, tables, crop, range(run.done - first, filter_crops), run, kept)
    return _codebook(arrays, provenance)


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
    from vqcodec.photo.tiles import Quantization, pad, search_tile

    q = Quantization(step, CHROMA_OFFSET, CHROMA_OFFSET)
    for state, number, kind, index in search_tile(planes, tables, q, _EFFORT):
        original = pad(planes[number], state.height, state.width)
        statistics[kind].add(tables, state, number, original, index)


def _adapt(
    arrays: dict[str, np.ndarray],
    tables: Tables,
    crop: Crops,
    numbers: range,
    run: CheckpointedRun,
    kept: dict[str, np.ndarray],
) -> None:
    """Code crops in sequence without resetting the probabilities, and keep where they end.

    Every third crop is coded as for the eye, so that either tuning starts well.
    """
    from vqcodec.photo import visual
    from vqcodec.photo.planes import to_samples
    from vqcodec.photo.tiles import Quantization, TileCoder, search_tile

    priors = [tables.priors(kind) for kind in range(TYPES)]
    if "states" in kept:
        priors = list(zip(kept["states"], kept["weights"], strict=True))
    for i in numbers:
        planes = crop.next()
        step = _STEPS[(i * 5) % len(_STEPS)]
        q = Quantization(step, CHROMA_OFFSET, CHROMA_OFFSET)
        offsets = activity = None
        if i % 3 == 2:
            q = Quantization(step, visual.ORANGE, visual.GREEN, 0, visual.PROFILE, True)
            activity = visual.block_activity(to_samples(planes)).astype(np.float64)
            offsets, activity = visual.adapt(activity - activity.mean())
        coder = TileCoder(q, tables, 1 << 21)
        for decided in search_tile(planes, tables, q, _EFFORT, offsets, activity):
            coder.code_plane(*decided, priors[decided[2]])
        run.tell("adapting the probabilities")
        if run.checkpoint.due:
            states, weights = (np.stack(part) for part in zip(*priors, strict=True))
            run.save({"states": states, "weights": weights})
    for kind, (states, weights) in enumerate(priors):
        probability = (states >> np.uint32(16)).astype(np.int64)
        count = (states & np.uint32(1023)).astype(np.int64)
        arrays["probabilities"][kind] = np.where(count > 0, probability, 1 << 15)
        arrays["counts"][kind] = np.minimum(count, _COUNT_CAP)
        first = arrays["first_weights"][kind]
        first[...] = weights[: first.size].reshape(first.shape)
        arrays["second_weights"][kind] = weights[first.size :].reshape(-1, first.shape[1])


def _fit_filters(
    arrays: dict[str, np.ndarray],
    tables: Tables,
    crop: Crops,
    numbers: range,
    run: CheckpointedRun,
    kept: dict[str, np.ndarray],
) -> None:
    """Least squares of each filter, leaning a little on all filters of its step."""
    from vqcodec.photo import restore
    from vqcodec.photo.tiles import Quantization, pad, search_tile

    shape = (TYPES, restore.BINS, restore.CLASSES, restore.TAPS)
    squares = kept.get("squares", np.zeros((*shape, restore.TAPS)))
    products = kept.get("products", np.zeros(shape))
    for i in numbers:
        planes = crop.next()
        q = Quantization(_STEPS[(i * 5) % len(_STEPS)], CHROMA_OFFSET, CHROMA_OFFSET)
        for state, number, kind, index in search_tile(planes, tables, q, _EFFORT):
            original = pad(planes[number], state.height, state.width)
            restore.accumulate(
                original, state.planes[number], state.cells[number], index,
                squares[kind], products[kind],
            )  # fmt: skip
        run.tell("fitting the restoration filters")
        if run.checkpoint.due:
            run.save({"squares": squares, "products": products})
    squares += np.tril(squares, -1).swapaxes(-1, -2)
    whole, response = squares.sum(2, keepdims=True), products.sum(2, keepdims=True)
    squares, products = squares + 0.005 * whole, products + 0.005 * response
    ridge = np.trace(squares, axis1=-2, axis2=-1)[..., None, None] * 1e-3 / restore.TAPS + 1.0
    weights = np.linalg.solve(squares + ridge * np.eye(restore.TAPS), products[..., None])
    scaled = np.round(weights[..., 0] * (1 << restore.WEIGHT_BITS))
    arrays["filters"][...] = np.clip(scaled, -4096, 4096)
