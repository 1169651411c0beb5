"""Entropy-constrained vector quantization: codewords that are cheap to name win.

Minimises squared error + lagrangian · bits, the bits of a codeword being
-log2 of its share of the points (Chou, Lookabaugh and Gray 1989). A codeword
that no point chooses any more costs infinitely many bits, and is dropped.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from vqcodec.cluster.assign import Frame, NearestCodeword
from vqcodec.cluster.kmeans import ClusterSums, Fit, fit_kmeans
from vqcodec.cluster.progress import Progress, ProgressCallback
from vqcodec.cluster.validate import Seed, as_codebook, as_count, as_vectors, as_weights
from vqcodec.errors import ParameterError

_KMEANS_STEPS = 10  # before the rate is looked at
_ENOUGH = 1e-5  # relative gain of a step below which it stops


@dataclass
class EntropyFit(Fit):
    """A `Fit` with the ideal code length of every codeword.

    Attributes
    ----------
    lengths : (K,) float64
        -log2 of the share of each codeword, in bits. `inertia` is the squared
        error alone; ``labels`` minimise it plus the Lagrangian times the bits.
    """

    lengths: np.ndarray = None  # type: ignore[assignment]


def fit_ecvq(
    points: Any,
    k: int,
    lagrangian: float,
    *,
    weights: Any = None,
    init: Any = None,
    max_iter: int = 50,
    seed: Seed = 0,
    progress: ProgressCallback | None = None,
) -> EntropyFit:
    """Train at most `k` codewords that minimise squared error + lagrangian · bits.

    Parameters
    ----------
    points : (n, d) array of integers or floats
    k : int
        The number of codewords to start with; fewer may come back.
    lagrangian : float
        The squared error that one bit is worth; 0 gives k-means.
    weights : (n,) array, optional
        How often each point counts.
    init : (K, d) array, optional
        Codewords to start from instead of a short k-means.
    max_iter : int
        The limit of steps.
    seed : int, Generator, RandomState or None
    progress : callable, optional
        ``progress(fraction, message)``; returning False cancels.

    Returns
    -------
    EntropyFit

    Raises
    ------
    ParameterError
        An argument is out of range.
    CancelledError
        The progress callback returned False.
    """
    points = as_vectors(points)
    k = as_count(k, len(points))
    weights = as_weights(weights, len(points))
    if not (np.isfinite(lagrangian) and lagrangian >= 0):
        raise ParameterError(f"lagrangian must be finite and not negative, got {lagrangian}")
    if max_iter < 1:
        raise ParameterError("max_iter must be at least 1")
    reports = Progress(progress)
    if init is None:
        centers = fit_kmeans(
            points,
            k,
            weights=weights,
            max_iter=_KMEANS_STEPS,
            seed=seed,
            progress=reports.part(0.0, 0.2),
        ).centers
    else:
        centers = as_codebook(init, points.shape[1], "init")
    frame = Frame.of(points)
    lengths = np.zeros(len(centers))
    previous = np.inf
    total = float(len(points) if weights is None else weights.sum())
    for step in range(1, max_iter + 1):
        sums = ClusterSums(points, weights, frame.origin, len(centers))
        nearest = NearestCodeword(centers, frame, lagrangian * lengths)
        sums.follow(nearest)
        distances = nearest.distances(points, 0, sums.labels)
        inertia = float(distances.sum() if weights is None else distances @ weights)
        cost = inertia + lagrangian * float(lengths @ sums.counts)
        used = sums.counts > 0
        if step == max_iter or (used.all() and previous - cost <= _ENOUGH * cost):
            break
        previous = cost if step > 1 else np.inf  # the first step had no lengths yet
        centers = sums.means(centers)[used]
        lengths = -np.log2(sums.counts[used] / total)
        reports.report(0.2 + 0.8 * step / max_iter, f"step {step}, {len(centers)} codewords")
    return _finish(centers, lengths, sums, inertia, step, total, used)


def _finish(
    centers: np.ndarray,
    lengths: np.ndarray,
    sums: ClusterSums,
    inertia: float,
    step: int,
    total: float,
    used: np.ndarray,
) -> EntropyFit:
    """Drop what the last search left unused; labels and distortion stay those of that search."""
    counts = sums.counts[used]
    renumbered = (np.cumsum(used) - 1).astype(np.int32)
    return EntropyFit(
        centers[used],
        renumbered[sums.labels],
        inertia,
        step,
        counts,
        lengths=-np.log2(counts / total),
    )
