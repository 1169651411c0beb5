"""Lloyd's k-means: assign every vector to its nearest codeword, move codewords to the means.

The two conditions of an optimal quantizer (Lloyd 1957; Linde, Buzo and Gray
1980) are met in turn until nothing moves. Every step equals the one of plain
float64 arithmetic; speed comes from the float32 search that only settles near
ties in float64, and from sums that only follow the vectors that changed cluster.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np

from vqcodec.cluster.assign import Frame, NearestCodeword
from vqcodec.cluster.progress import Progress, ProgressCallback
from vqcodec.cluster.seeding import Init, seed_codebook
from vqcodec.cluster.validate import Seed, as_count, as_generator, as_vectors, as_weights
from vqcodec.errors import ParameterError

Empty = Literal["repair", "keep", "warn", "raise"]
Trace = Callable[[str], None]  # gets a line about each step
_SEEDING = 0.3  # of the progress of each start


@dataclass
class Fit:
    """A trained codebook and what belongs to it.

    Attributes
    ----------
    centers : (K, d) float64
        The codewords.
    labels : (n,) int32
        The nearest codeword of every point.
    inertia : float
        The weighted sum of squared distances of the points to these codewords.
    iterations : int
        Lloyd steps done.
    counts : (K,) float64
        The weight of the points in each cluster.
    converged : bool
        Whether the tolerance was met within the limit of iterations.
    """

    centers: np.ndarray
    labels: np.ndarray
    inertia: float
    iterations: int
    counts: np.ndarray
    converged: bool = True


def fit_kmeans(
    points: Any,
    k: int,
    *,
    weights: Any = None,
    init: Init = "k-means++",
    n_init: int = 1,
    max_iter: int = 300,
    tol: float = 1e-4,
    seed: Seed = 0,
    empty: Empty = "repair",
    progress: ProgressCallback | None = None,
    history: list[float] | None = None,
) -> Fit:
    """Train a codebook of `k` codewords that minimises the squared error.

    Parameters
    ----------
    points : (n, d) array of integers or floats
    k : int
        The number of codewords.
    weights : (n,) array, optional
        How often each point counts.
    init : str or (k, d) array or callable
        Where to start: see `vqcodec.cluster.seeding.seed_codebook`.
    n_init : int
        How many starts; the fit of the least distortion wins.
    max_iter : int
        The limit of Lloyd steps in each start.
    tol : float
        Stop when the codewords move by less than this: the summed squares of
        the moves, in units of the mean variance of the coordinates.
    seed : int, Generator, RandomState or None
    empty : {"repair", "keep", "warn", "raise"}
        What becomes of a codeword that no point is nearest to: it moves to the
        point that is farthest from its own codeword, or stays, or stays with a
        `RuntimeWarning` if it is still empty in the end, or raises.
    progress : callable, optional
        ``progress(fraction, message)``; returning False cancels.
    history : list, optional
        Receives the distortion (the summed squared error) at every step, which takes time.

    Returns
    -------
    Fit

    Raises
    ------
    ParameterError
        An argument is out of range, or there are fewer distinct points than codewords.
    CancelledError
        The progress callback returned False.
    """
    points = as_vectors(points)
    k = as_count(k, len(points))
    weights = as_weights(weights, len(points))
    if empty not in get_args(Empty):
        raise ParameterError(f"empty must be one of {', '.join(get_args(Empty))}, got {empty!r}")
    if n_init < 1 or max_iter < 1 or not tol >= 0:
        raise ParameterError("n_init and max_iter must be at least 1 and tol not negative")
    best = train(
        points,
        k,
        weights,
        init,
        as_generator(seed),
        n_init=n_init,
        max_iter=max_iter,
        tol=tol,
        empty=empty,
        progress=Progress(progress),
        history=history,
    )
    occupied = np.count_nonzero(best.counts)
    if occupied < k and empty == "repair":
        raise ParameterError(f"there are only {occupied} distinct points for {k} codewords")
    if occupied < k and empty == "raise":
        raise ParameterError(f"{k - occupied} clusters have become empty")
    if occupied < k and empty == "warn":
        warnings.warn(f"{k - occupied} of {k} clusters are empty", RuntimeWarning, stacklevel=2)
    return best


def train(
    points: np.ndarray,
    k: int,
    weights: np.ndarray | None,
    init: Init,
    generator: np.random.Generator,
    *,
    n_init: int,
    max_iter: int,
    tol: float,
    empty: Empty,
    progress: Progress,
    trace: Trace | None = None,
    history: list[float] | None = None,
) -> Fit:
    """Do the work of `fit_kmeans` on checked arguments.

    With fewer distinct points than codewords some clusters of the result are empty.
    """
    from vqcodec.cluster.colours import bounding_boxes
    from vqcodec.cluster.tally import tally

    distinct = tally(points, weights, k)
    boxes = None
    if distinct is not None:
        points, weights = distinct.points, distinct.weights
        boxes = bounding_boxes(points) if points.dtype == np.uint8 else None
    frame = Frame.of(points)
    threshold = tol * mean_variance(points, weights, frame.origin) if tol else 0.0
    best: Fit | None = None
    for start in range(n_init):
        seeded = start + _SEEDING
        part = Progress(progress.part(start / n_init, seeded / n_init))
        centers = seed_codebook(points, k, weights, init, generator, part)
        if trace:
            trace("Initialization complete")
        part = Progress(progress.part(seeded / n_init, (start + 1) / n_init))
        fit = lloyd(
            points, centers, weights, frame, max_iter, threshold, empty, part, boxes, trace, history
        )
        if best is None or fit.inertia < best.inertia:
            best = fit
    assert best is not None
    if distinct is not None:
        best.labels = distinct.expand(best.labels)
    progress.report(1.0, f"{k} codewords, distortion {best.inertia:.6g}")
    return best


def mean_variance(points: np.ndarray, weights: np.ndarray | None, origin: np.ndarray) -> float:
    """Return the variance of the coordinates, averaged; `origin` is anything near the points."""
    from vqcodec.cluster.sumkernels import column_variances

    weights = np.empty(0) if weights is None else weights
    return float(column_variances(points, weights, origin.astype(np.float64)).mean())


def lloyd(
    points: np.ndarray,
    centers: np.ndarray,
    weights: np.ndarray | None,
    frame: Frame,
    max_iter: int,
    threshold: float,
    empty: Empty,
    progress: Progress,
    boxes: np.ndarray | None = None,
    trace: Trace | None = None,
    history: list[float] | None = None,
) -> Fit:
    """Run Lloyd's iteration from `centers`, which are not changed."""
    sums = ClusterSums(points, weights, frame.origin, len(centers), boxes)
    converged = False
    iterations = 0
    for iterations in range(1, max_iter + 1):
        nearest = NearestCodeword(centers, frame)
        changed = sums.follow(nearest)
        if trace or history is not None:
            distances = nearest.distances(points, 0, sums.labels)
            inertia = distances.sum() if weights is None else distances @ weights
            if history is not None:
                history.append(float(inertia))
            if trace:
                trace(f"Iteration {iterations}, inertia {inertia:.6g}.")
        if changed == 0:
            converged = True
            if trace:
                trace(f"Converged at iteration {iterations}: strict convergence.")
            break
        if not sums.counts.all():
            repair(sums, nearest, empty)
        new_centers = sums.means(centers)
        shift = float(((new_centers - centers) ** 2).sum())
        centers = new_centers
        progress.report(iterations / max_iter, f"step {iterations}, {changed} points moved")
        if shift <= threshold:
            converged = True
            if trace:
                trace(
                    f"Converged at iteration {iterations}: center shift {shift:.6g} "
                    f"within tolerance {threshold:.6g}."
                )
            break
    for _ in range(len(centers) + 1):
        nearest = NearestCodeword(centers, frame)
        counts, inertia = _measured(nearest, points, weights, boxes, sums.labels)
        if empty != "repair" or counts.all():
            break
        # The last step may have emptied a cluster that there is no further step to fill.
        vacant = np.flatnonzero(counts == 0)
        worst = _worst_served(nearest, points, weights, sums.labels, len(vacant))
        if len(worst) == 0:
            break
        centers = centers.copy()
        centers[vacant[: len(worst)]] = points[worst]
    return Fit(centers, sums.labels, inertia, iterations, counts, converged)


def _worst_served(
    nearest: NearestCodeword,
    points: np.ndarray,
    weights: np.ndarray | None,
    labels: np.ndarray,
    count: int,
) -> np.ndarray:
    """Return the indices of points that are farthest from their codewords, none at distance 0."""
    distances = nearest.distances(points, 0, labels)
    if weights is not None and len(weights):
        distances[weights == 0] = 0.0
    farthest = np.argsort(-distances, kind="stable")[:count]
    return farthest[distances[farthest] > 0]


def _measured(
    nearest: NearestCodeword,
    points: np.ndarray,
    weights: np.ndarray | None,
    boxes: np.ndarray | None,
    labels: np.ndarray,
) -> tuple[np.ndarray, float]:
    """Set `labels`; return the weights of the clusters and the squared error of a codebook."""
    from vqcodec.cluster.parallel import chunk_ranges, run_chunks
    from vqcodec.cluster.sumkernels import measure

    mass = np.empty(0) if weights is None else weights

    def work(_: int, start: int, stop: int) -> tuple[np.ndarray, float]:
        labels[start:stop] = nearest.search(points, start, stop, boxes)
        counts = np.zeros(len(nearest.codebook))
        inertia = measure(points, start, nearest.codebook, labels[start:stop], mass, counts)
        return counts, inertia

    parts = run_chunks(work, chunk_ranges(len(points)))
    counts = np.sum([counts for counts, _ in parts], axis=0)
    return counts, float(sum(error for _, error in parts))


def improve(
    points: np.ndarray, codebook: np.ndarray, weights: np.ndarray | None, steps: int
) -> np.ndarray:
    """Return `codebook` after some Lloyd steps with repair of empty clusters."""
    frame = Frame.of(points)
    sums = ClusterSums(points, weights, frame.origin, len(codebook))
    for _ in range(steps):
        nearest = NearestCodeword(codebook, frame)
        if sums.follow(nearest) == 0:
            break
        if not sums.counts.all():
            repair(sums, nearest, "repair")
        codebook = sums.means(codebook)
    return codebook


class ClusterSums:
    """Counts and coordinate sums of clusters that follow the labels from step to step.

    Sums are taken about an origin near the data, so that little cancels in the means.
    """

    def __init__(
        self,
        points: np.ndarray,
        weights: np.ndarray | None,
        origin: np.ndarray,
        k: int,
        boxes: np.ndarray | None = None,
    ) -> None:
        from vqcodec.cluster.parallel import chunk_ranges

        self.points = points
        self.weights = np.empty(0) if weights is None else weights
        self.origin = origin.astype(np.float64)
        self._boxes = boxes
        self.labels = np.full(len(points), -1, np.int32)
        self.sums = np.zeros((k, points.shape[1]))
        self.counts = np.zeros(k)
        self._ranges = chunk_ranges(len(points))

    def follow(self, nearest: NearestCodeword) -> int:
        """Move every point to its nearest codeword; return how many changed cluster."""
        return self._move(lambda start, stop: nearest.search(self.points, start, stop, self._boxes))

    def take(self, labels: np.ndarray) -> int:
        """Move the points to the clusters given by `labels`; return how many changed cluster."""
        return self._move(lambda start, stop: labels[start:stop])

    def _move(self, labelled: Callable[[int, int], np.ndarray]) -> int:
        from vqcodec.cluster.parallel import run_chunks
        from vqcodec.cluster.sumkernels import move

        def work(_: int, start: int, stop: int) -> tuple[int, np.ndarray, np.ndarray]:
            labels = labelled(start, stop)
            sums, counts = np.zeros_like(self.sums), np.zeros_like(self.counts)
            changed = move(
                self.points, start, self.origin, self.weights, self.labels, labels, sums, counts
            )
            return changed, sums, counts

        total = 0
        for changed, sums, counts in run_chunks(work, self._ranges):
            total += changed
            self.sums += sums
            self.counts += counts
        # Weights that came and went leave rounding behind where nothing is left.
        if len(self.weights) and self.counts.min() < 1e-9 * self.counts.max():
            self.counts[np.bincount(self.labels, minlength=len(self.counts)) == 0] = 0.0
        self.sums[self.counts == 0] = 0.0
        return total

    def reassign(self, index: int, label: int) -> None:
        """Put one point into another cluster."""
        weight = self.weights[index] if len(self.weights) else 1.0
        vector = weight * (self.points[index] - self.origin)
        old = self.labels[index]
        self.sums[old] -= vector
        self.counts[old] -= weight
        self.sums[label] += vector
        self.counts[label] += weight
        self.labels[index] = label

    def means(self, centers: np.ndarray) -> np.ndarray:
        """Return the means of the clusters; an empty one keeps its codeword of `centers`."""
        occupied = self.counts > 0
        means = centers.copy()
        means[occupied] = self.origin + self.sums[occupied] / self.counts[occupied, None]
        return means


def repair(sums: ClusterSums, nearest: NearestCodeword, empty: Empty) -> None:
    """Give every empty cluster the point that its own codeword serves worst."""
    vacant = np.flatnonzero(sums.counts == 0)
    if empty in ("keep", "warn"):
        return
    if empty == "raise":
        raise ParameterError(f"{len(vacant)} clusters have become empty")
    farthest = _worst_served(nearest, sums.points, sums.weights, sums.labels, len(vacant))
    for label, index in zip(vacant, farthest, strict=False):
        sums.reassign(int(index), int(label))
