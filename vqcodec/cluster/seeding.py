"""Where k-means starts.

| init | codewords |
|---|---|
| ``k-means++`` | greedy k-means++ (Arthur and Vassilvitskii 2007) on all points |
| ``nested`` | k-means++ on a sample, moved about there, then short k-means on growing samples |
| ``breathing`` | nested, then codewords moved about on all points: for the lowest distortion |
| ``random`` | points drawn at random |
| ``gaussian`` | draws from the Gaussian with the mean and covariance of the points |
| ``pnn`` | a sample merged pairwise (Ward; Equitz 1989) down to k |
| ``splitting`` | the mean, split in two again and again (Linde, Buzo and Gray 1980) |
| array, callable | what it says; called as ``init(points, k, generator)`` |
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from vqcodec.cluster.assign import Frame
from vqcodec.cluster.progress import Progress
from vqcodec.cluster.validate import as_codebook
from vqcodec.errors import ParameterError

Init = str | np.ndarray | Callable[..., Any]

_SAMPLE = 64  # points for each codeword in the first sample of nested seeding
_TRIALS = 2  # candidates for each of its codewords: moving them about mends the rest
_FIRST_STEPS, _LATER_STEPS = 6, 4  # of Lloyd on the first sample, and on each larger one
_FEW_BREATHS, _BREATHS = 4, 8  # on the first sample; on all points
_BREATH_STEPS = 2  # of Lloyd after breathing in, and after breathing out
_SPLIT_STEPS = 12  # of Lloyd between two splits
_PNN_SAMPLE = 4096


def seed_codebook(
    points: np.ndarray,
    k: int,
    weights: np.ndarray | None,
    init: Init,
    generator: np.random.Generator,
    progress: Progress | None = None,
) -> np.ndarray:
    """Return (k, d) float64 codewords to start from, as `init` says.

    Raises
    ------
    ParameterError
        Unknown or ill-shaped `init`.
    """
    if isinstance(init, str):
        if init not in _WAYS:
            raise ParameterError(f"init must be one of {', '.join(_WAYS)}, or an array: {init!r}")
        available = len(points) if weights is None else int(np.count_nonzero(weights))
        if init == "k-means++":  # the slow one
            chosen = plus_plus_indices(
                points, min(k, available), weights, generator, progress=progress
            )
            codebook = points[chosen].astype(np.float64)
        else:
            points = points.astype(np.float32) if points.dtype == np.uint8 else points
            codebook = _WAYS[init](points, min(k, available), weights, generator)
        return np.resize(codebook, (k, points.shape[1]))
    if callable(init):
        points = points.astype(np.float32) if points.dtype == np.uint8 else points
        init = init(points, k, generator)
    codebook = as_codebook(init, points.shape[1], "init")
    if len(codebook) != k:
        raise ParameterError(f"init has {len(codebook)} codewords, k is {k}")
    return codebook


def random_points(
    points: np.ndarray, k: int, weights: np.ndarray | None, generator: np.random.Generator
) -> np.ndarray:
    """Draw k different points, with probabilities proportional to their weights."""
    probabilities = None if weights is None else weights / weights.sum()
    chosen = generator.choice(len(points), k, replace=False, p=probabilities)
    return points[chosen].astype(np.float64)


def gaussian(
    points: np.ndarray, k: int, weights: np.ndarray | None, generator: np.random.Generator
) -> np.ndarray:
    """Draw k vectors from the Gaussian with the mean and the covariance of the points."""
    mean = np.average(points.astype(np.float64), axis=0, weights=weights)
    centred = points - mean
    if len(points) <= points.shape[1]:  # a covariance without full rank: combine the points
        factor = centred / np.sqrt(max(len(points) - 1, 1))
    else:
        covariance = np.atleast_2d(np.cov(centred.T, aweights=weights))
        values, vectors = np.linalg.eigh(covariance)
        factor = np.sqrt(values.clip(0))[:, None] * vectors.T
    return mean + generator.standard_normal((k, len(factor))) @ factor


def plus_plus(
    points: np.ndarray, k: int, weights: np.ndarray | None, generator: np.random.Generator
) -> np.ndarray:
    """Greedy k-means++.

    Each next codeword is a point drawn with a probability proportional to its
    squared distance from the codewords so far; of 2 + ln k candidates the one
    that lowers the distortion most is taken.
    """
    return points[plus_plus_indices(points, k, weights, generator)].astype(np.float64)


def plus_plus_indices(
    points: np.ndarray,
    k: int,
    weights: np.ndarray | None,
    generator: np.random.Generator,
    trials: int | None = None,
    progress: Progress | None = None,
) -> np.ndarray:
    """Return the (k,) indices of the points that greedy k-means++ chooses."""
    from vqcodec.cluster.parallel import run_chunks
    from vqcodec.cluster.seedkernels import LANES, LONG, copy_blocks, locate, lower, potentials

    trials = trials or 2 + int(np.log(k))
    frame = Frame.of(points)
    kind = np.float64 if points.dtype == np.float64 else np.float32
    origin, scale = frame.origin.astype(kind), kind(frame.scale)
    count = -(-len(points) // LANES)
    blocks = np.empty((0, points.shape[1], LANES), np.float32)
    if points.shape[1] >= LONG:
        blocks = copy_blocks(points, origin, scale)
    mass = np.zeros((0 if weights is None else count, LANES), np.float32)
    if weights is not None:
        np.divide(weights, weights.max(), out=mass.reshape(-1)[: len(points)], casting="same_kind")
    nearest = np.zeros((count, LANES), np.float32)
    nearest.reshape(-1)[: len(points)] = 1.0
    step = max(64, -(-count // 32))
    ranges = [(b, min(b + step, count)) for b in range(0, count, step)]
    first = nearest if weights is None else mass
    shares = np.array([first[b:stop].sum(dtype=np.float64) for b, stop in ranges])

    def draw(count: int) -> np.ndarray:
        ends = np.cumsum(shares)
        chosen = np.empty(count, np.int64)
        for i, target in enumerate(generator.random(count) * ends[-1]):
            chunk = min(int(np.searchsorted(ends, target, side="right")), len(ends) - 1)
            while shares[chunk] <= 0:
                chunk -= 1
            before = ends[chunk] - shares[chunk]
            chosen[i] = locate(mass, nearest, *ranges[chunk], target - before)
        return chosen

    def vector(index: int) -> np.ndarray:
        return ((points[index] - origin) * scale).astype(np.float32)

    def best_of(candidates: np.ndarray) -> int:
        vectors = np.array([vector(i) for i in candidates])

        def work(_: int, first: int, stop: int) -> np.ndarray:
            return potentials(points, origin, scale, blocks, first, stop, mass, nearest, vectors)

        return int(candidates[np.sum(run_chunks(work, ranges), axis=0).argmin()])

    def join(newest: np.ndarray) -> np.ndarray:
        def work(_: int, first: int, stop: int) -> float:
            return lower(points, origin, scale, blocks, first, stop, mass, nearest, newest)

        return np.array(run_chunks(work, ranges))

    chosen = np.empty(k, np.int64)
    chosen[0] = draw(1)[0]
    nearest.reshape(-1)[: len(points)] = np.inf
    shares = join(vector(chosen[0]))
    for n in range(1, k):
        if not shares.sum() > 0:  # fewer distinct points than codewords
            chosen[n:] = np.resize(chosen[:n], k - n)
            break
        candidates = draw(trials)
        chosen[n] = best_of(candidates) if trials > 1 else candidates[0]
        shares = join(vector(chosen[n]))
        if progress:
            progress.report(n / k, f"{n} of {k} codewords seeded")
    return chosen


def nested(
    points: np.ndarray, k: int, weights: np.ndarray | None, generator: np.random.Generator
) -> np.ndarray:
    """k-means++ on a sample of 64 points for each codeword, then Lloyd on growing samples."""
    from vqcodec.cluster.kmeans import improve

    order = generator.permutation(len(points))
    size = _SAMPLE * k
    if size * 2 > len(points):
        return plus_plus(points, k, weights, generator)
    codebook = None
    while size * 2 <= len(points):
        sample = np.sort(order[:size])
        some, mass = points[sample], None if weights is None else weights[sample]
        if codebook is None:
            chosen = plus_plus_indices(some, k, mass, generator, _TRIALS)
            codebook = improve(some, some[chosen].astype(np.float64), mass, _FIRST_STEPS)
            codebook = breathe(some, codebook, mass, generator, _FEW_BREATHS)
        else:
            codebook = improve(some, codebook, mass, _LATER_STEPS)
        size *= 4
    assert codebook is not None
    return codebook


def breathing(
    points: np.ndarray, k: int, weights: np.ndarray | None, generator: np.random.Generator
) -> np.ndarray:
    """Nested seeding, whose codewords are then moved about on all points."""
    from vqcodec.cluster.kmeans import improve

    codebook = improve(points, nested(points, k, weights, generator), weights, _FIRST_STEPS)
    return breathe(points, codebook, weights, generator, _BREATHS)


def breathe(
    points: np.ndarray,
    codebook: np.ndarray,
    weights: np.ndarray | None,
    generator: np.random.Generator,
    breaths: int,
) -> np.ndarray:
    """Move codewords from where they hardly matter to where the distortion is.

    Breathing k-means (Fritzke 2020): add a codeword beside each of those with the
    largest error, then remove as many that cost least, with Lloyd steps between.
    A breath that gains nothing is taken back, and the next one is half as deep.
    """
    from vqcodec.cluster.kmeans import improve
    from vqcodec.cluster.statistics import ClusterStatistics

    (k, dimensions), depth = codebook.shape, max(1, len(codebook) // 8)
    held = ClusterStatistics.of(points, codebook, weights)
    for _ in range(breaths):
        worst = np.argsort(-held.errors, kind="stable")[:depth]
        spread = np.sqrt(held.errors[worst] / held.counts[worst].clip(1e-300) / dimensions)
        offsets = 0.1 * spread[:, None] * generator.standard_normal((depth, dimensions))
        larger = np.concatenate([codebook, codebook[worst] + offsets])
        larger = improve(points, larger, weights, _BREATH_STEPS)
        counts = ClusterStatistics.of(points, larger, weights).counts
        smaller = improve(points, larger[_worth_keeping(larger, counts, k)], weights, _BREATH_STEPS)
        found = ClusterStatistics.of(points, smaller, weights)
        if found.inertia < held.inertia:
            codebook, held = smaller, found
        else:
            depth = max(1, depth // 2)
    return codebook


def _worth_keeping(codebook: np.ndarray, counts: np.ndarray, k: int) -> np.ndarray:
    """Choose k codewords: the others go, but never both of two nearest ones if that can be."""
    squares = (codebook * codebook).sum(axis=1)
    distances = (squares[:, None] + squares - 2.0 * codebook @ codebook.T).clip(0.0)
    np.fill_diagonal(distances, np.inf)
    both = counts[:, None] + counts
    costs = counts[:, None] * counts / both.clip(1e-300) * distances  # of Ward's merging
    mate, order = costs.argmin(axis=1), np.argsort(costs.min(axis=1), kind="stable")
    kept, needed = np.ones(len(codebook), bool), np.zeros(len(codebook), bool)
    surplus = len(codebook) - k
    for i in order:
        if surplus and not needed[i]:
            kept[i], needed[mate[i]] = False, True
            surplus -= 1
    kept[order[kept[order]][:surplus]] = False
    return kept


def pairwise_nearest(
    points: np.ndarray, k: int, weights: np.ndarray | None, generator: np.random.Generator
) -> np.ndarray:
    """Merge a sample of points down to k codewords, always where it costs least."""
    from vqcodec.cluster.hierarchy import merge_tree

    if len(points) > max(_PNN_SAMPLE, 2 * k):
        sample = generator.choice(len(points), max(_PNN_SAMPLE, 2 * k), replace=False)
        points, weights = points[sample], None if weights is None else weights[sample]
    return merge_tree(points, weights=weights).codebook(k)


def splitting(
    points: np.ndarray, k: int, weights: np.ndarray | None, generator: np.random.Generator
) -> np.ndarray:
    """Split the codeword of most distortion along its principal axis until there are k.

    Linde, Buzo and Gray double the codebook at each turn, so that k is a power
    of two; here as many are split as are still wanted.
    """
    from vqcodec.cluster.kmeans import improve
    from vqcodec.cluster.structured import split_directions

    codebook = np.average(points.astype(np.float64), axis=0, weights=weights)[None]
    while len(codebook) < k:
        directions, distortions = split_directions(points, codebook, weights)
        worst = np.argsort(-distortions, kind="stable")[: k - len(codebook)]
        moved = codebook[worst] + directions[worst]
        codebook[worst] -= directions[worst]
        codebook = improve(points, np.concatenate([codebook, moved]), weights, _SPLIT_STEPS)
    return codebook


_WAYS: dict[str, Callable[..., np.ndarray]] = {
    "k-means++": plus_plus,
    "nested": nested,
    "breathing": breathing,
    "random": random_points,
    "gaussian": gaussian,
    "pnn": pairwise_nearest,
    "splitting": splitting,
}
