"""`KMeans` and `MiniBatchKMeans`: the trainer behind scikit-learn's estimator interface."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from vqcodec.cluster.assign import Frame, NearestCodeword, assign_all
from vqcodec.cluster.estimator import Clusterer, as_points, warn_of_few_clusters
from vqcodec.cluster.kmeans import mean_variance, train
from vqcodec.cluster.minibatch import Convergence, MiniBatch
from vqcodec.cluster.progress import Progress, ProgressCallback
from vqcodec.cluster.seeding import seed_codebook
from vqcodec.cluster.validate import Seed, as_generator, as_weights
from vqcodec.errors import ParameterError


class KMeans(Clusterer):
    """k-means clustering with the interface of ``sklearn.cluster.KMeans``.

    Parameters
    ----------
    n_clusters : int
        The number of codewords.
    init : {"k-means++", "nested", "breathing", "random", ...}, array or callable
        Where to start: see `vqcodec.cluster.seeding`. A callable is called as
        ``init(X, n_clusters, random_state=generator)``.
    n_init : int or "auto"
        The number of starts; "auto" is 10 for random ones and callables, else 1.
    max_iter, tol
        When to stop, as in `vqcodec.cluster.fit_kmeans`.
    verbose : int
        Print a line for each step.
    random_state : int, Generator, RandomState or None
    copy_x : bool
        Accepted for compatibility; `X` is never changed.
    algorithm : {"lloyd", "elkan"}
        Accepted for compatibility; both give the result of Lloyd's iteration.
    progress : callable, optional
        ``progress(fraction, message)``; returning False cancels.

    Attributes
    ----------
    cluster_centers_ : (n_clusters, d) array of the type of the data
    labels_ : (n,) int32
    inertia_ : float
    n_iter_ : int
    n_features_in_ : int
    feature_names_in_ : (d,) array of str
        Only if the data had column names.
    """

    def __init__(
        self,
        n_clusters: int = 8,
        *,
        init: Any = "k-means++",
        n_init: int | str = "auto",
        max_iter: int = 300,
        tol: float = 1e-4,
        verbose: int = 0,
        random_state: Seed = None,
        copy_x: bool = True,
        algorithm: str = "lloyd",
        progress: ProgressCallback | None = None,
    ) -> None:
        self.n_clusters = n_clusters
        self.init = init
        self.n_init = n_init
        self.max_iter = max_iter
        self.tol = tol
        self.verbose = verbose
        self.random_state = random_state
        self.copy_x = copy_x
        self.algorithm = algorithm
        self.progress = progress

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> KMeans:
        """Train the codebook on the rows of `X`; `y` is ignored."""
        points = self._points_to_fit(X)
        weights = as_weights(sample_weight, len(points))
        init = self._check(points)
        if self.algorithm not in ("lloyd", "elkan"):
            raise ParameterError(f"algorithm must be 'lloyd' or 'elkan', got {self.algorithm!r}")
        if self.algorithm == "elkan" and self.n_clusters == 1:
            warnings.warn(
                "algorithm='elkan' doesn't make sense for a single cluster. Using 'lloyd' instead.",
                RuntimeWarning,
                stacklevel=2,
            )
        fit = train(
            points,
            self.n_clusters,
            weights,
            init,
            as_generator(self.random_state),
            n_init=self._n_init,
            max_iter=self.max_iter,
            tol=self.tol,
            empty="repair",
            progress=Progress(self.progress),
            trace=self._say if self.verbose else None,
        )
        self._keep(points, fit.centers)
        if points.dtype == np.float64:
            self.labels_, self.inertia_ = fit.labels, fit.inertia
        else:  # rounding the codewords may have moved a label
            self._label(points, weights)
        self.n_iter_ = fit.iterations
        found = len(np.unique(self.labels_))
        if found < self.n_clusters:
            warn_of_few_clusters(found, self.n_clusters)
        return self


class MiniBatchKMeans(Clusterer):
    """Mini-batch k-means with the interface of ``sklearn.cluster.MiniBatchKMeans``.

    Parameters
    ----------
    n_clusters, init, n_init, max_iter, tol, verbose, random_state, progress
        As in `KMeans`; `tol` is 0 by default, and "auto" gives 3 random starts.
    batch_size : int
        Points in each batch.
    compute_labels : bool
        Whether to set `labels_` and `inertia_` after the fit.
    max_no_improvement : int or None
        Stop after so many batches without a lower smoothed distortion.
    init_size : int, optional
        Points that each start is made from; three batches by default.
    reassignment_ratio : float
        Codewords with less than this share of the largest count start afresh.

    Attributes
    ----------
    cluster_centers_, labels_, inertia_, n_iter_, n_features_in_, feature_names_in_
        As in `KMeans`; `n_iter_` counts the passes begun.
    n_steps_ : int
        Batches seen.
    """

    _restarts = 3

    def __init__(
        self,
        n_clusters: int = 8,
        *,
        init: Any = "k-means++",
        max_iter: int = 100,
        batch_size: int = 1024,
        verbose: int = 0,
        compute_labels: bool = True,
        random_state: Seed = None,
        tol: float = 0.0,
        max_no_improvement: int | None = 10,
        init_size: int | None = None,
        n_init: int | str = "auto",
        reassignment_ratio: float = 0.01,
        progress: ProgressCallback | None = None,
    ) -> None:
        self.n_clusters = n_clusters
        self.init = init
        self.max_iter = max_iter
        self.batch_size = batch_size
        self.verbose = verbose
        self.compute_labels = compute_labels
        self.random_state = random_state
        self.tol = tol
        self.max_no_improvement = max_no_improvement
        self.init_size = init_size
        self.n_init = n_init
        self.reassignment_ratio = reassignment_ratio
        self.progress = progress

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> MiniBatchKMeans:
        """Train the codebook on random batches of the rows of `X`; `y` is ignored."""
        points = self._points_to_fit(X)
        weights = as_weights(sample_weight, len(points))
        init = self._check(points)
        generator = as_generator(self.random_state)
        pool, chances = _distinct(points, weights)
        state = MiniBatch(
            self._best_start(pool, chances, init, generator),
            reassignment_ratio=self.reassignment_ratio,
        )
        self._say("Initialization complete")
        ends = None if chances is None else np.cumsum(chances)
        size = min(self.batch_size, len(pool))
        steps = max(1, self.max_iter * len(pool) // size)
        threshold = self.tol * mean_variance(pool, chances, pool[0]) if self.tol else 0.0
        convergence = Convergence(threshold, self.max_no_improvement, 2.0 * size / (len(pool) + 1))
        progress = Progress(self.progress)
        step = 0
        for step in range(1, steps + 1):
            drawn = generator.random(size)
            if ends is None:
                batch = pool[(drawn * len(pool)).astype(np.int64)]
            else:
                chosen = np.searchsorted(ends, drawn * ends[-1], side="right")
                batch = pool[np.minimum(chosen, len(pool) - 1)]
            inertia, shift, _ = state.learn(batch, None, generator)
            self._say(f"Minibatch step {step}/{steps}: mean batch inertia: {inertia / size:.6g}")
            progress.report(step / steps, f"batch {step}")
            reason = convergence.reason_to_stop(inertia / size, shift)
            if reason:
                self._say(f"Converged ({reason}) at step {step}/{steps}")
                break
        self._store(points, state, generator)
        self.n_steps_ = step
        self.n_iter_ = int(np.ceil(step * size / len(pool)))
        if self.compute_labels:
            self._label(points, weights)
        return self

    def partial_fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> MiniBatchKMeans:
        """Learn from `X` as one batch; the first one also seeds the codebook."""
        first = not hasattr(self, "cluster_centers_")
        points = self._points_to_fit(X) if first else self._points_to_use(X)
        weights = as_weights(sample_weight, len(points))
        if first:
            init = self._check(points)
            generator = as_generator(self.random_state)
            state = MiniBatch(
                self._best_start(points, weights, init, generator),
                reassignment_ratio=self.reassignment_ratio,
            )
            self.n_steps_ = 0
        else:
            state, generator = self._state, self._generator
            points = points.astype(self.cluster_centers_.dtype, copy=False)
            state.centers = self.cluster_centers_.astype(np.float64)
        state.learn(points, weights, generator)
        self._store(points, state, generator)
        self.n_steps_ += 1
        self.n_iter_ = self.n_steps_
        if self.compute_labels:
            self._label(points, weights)
        return self

    def _store(self, points: np.ndarray, state: MiniBatch, generator: np.random.Generator) -> None:
        self._keep(points, state.centers)
        self._state, self._generator = state, generator

    def _best_start(
        self,
        points: np.ndarray,
        weights: np.ndarray | None,
        init: Any,
        generator: np.random.Generator,
    ) -> np.ndarray:
        """Seed on samples of the data and return the codebook that serves another one best."""
        size = 3 * self.batch_size if self.init_size is None else self.init_size
        if size < self.n_clusters:
            if self.init_size is not None:
                warnings.warn(
                    f"init_size={self.init_size} should be larger than "
                    f"n_clusters={self.n_clusters}. Setting it to three times as many.",
                    RuntimeWarning,
                    stacklevel=3,
                )
            size = 3 * self.n_clusters
        self._init_size = size = min(size, len(points))

        def sample() -> tuple[np.ndarray, np.ndarray | None]:
            if size == len(points):
                return points, weights
            chosen = generator.choice(len(points), size, replace=False)
            mass = None if weights is None else weights[chosen]
            return points[chosen], mass if mass is None or mass.any() else None

        judges, judge_weights = sample()
        frame = Frame.of(judges)
        best, lowest = None, np.inf
        for _ in range(self._n_init):
            some, mass = sample()
            codebook = seed_codebook(some, self.n_clusters, mass, init, generator)
            _, distances = assign_all(NearestCodeword(codebook, frame), judges)
            inertia = distances.sum() if judge_weights is None else distances @ judge_weights
            if inertia < lowest:
                best, lowest = codebook, inertia
        assert best is not None
        return best


def _distinct(
    points: np.ndarray, weights: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray | None]:
    """Return what batches are drawn from, and with which chances.

    Of few points equal ones are merged: then one of weight 2 is as good as two.
    """
    from vqcodec.cluster.tally import tally_few

    if weights is not None:
        points, weights = points[weights > 0], weights[weights > 0]
    few = tally_few(points, weights)
    return (points, weights) if few is None else (few.points, few.weights)


def k_means(
    X: Any,
    n_clusters: int,
    *,
    sample_weight: Any = None,
    return_n_iter: bool = False,
    **params: Any,
) -> tuple[Any, ...]:
    """Return centres, labels and inertia (and the number of steps) of a `KMeans` fit."""
    fit = KMeans(n_clusters, **params).fit(X, sample_weight=sample_weight)
    result = (fit.cluster_centers_, fit.labels_, fit.inertia_)
    return (*result, fit.n_iter_) if return_n_iter else result


def kmeans_plusplus(
    X: Any,
    n_clusters: int,
    *,
    sample_weight: Any = None,
    x_squared_norms: Any = None,
    random_state: Seed = None,
    n_local_trials: int | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Seed by greedy k-means++, as ``sklearn.cluster.kmeans_plusplus`` does.

    Returns
    -------
    centers : (n_clusters, d) array
    indices : (n_clusters,) int64
        The rows of `X` that were chosen.
    """
    from vqcodec.cluster.seeding import plus_plus_indices
    from vqcodec.cluster.validate import as_count

    points = as_points(X)
    k = as_count(n_clusters, len(points), "n_clusters")
    weights = as_weights(sample_weight, len(points))
    if x_squared_norms is not None and len(x_squared_norms) != len(points):
        raise ParameterError(
            f"The length of x_squared_norms {len(x_squared_norms)} should be equal to the "
            f"length of n_samples {len(points)}."
        )
    generator = as_generator(random_state)
    indices = plus_plus_indices(points, k, weights, generator, n_local_trials)
    return points[indices], indices
