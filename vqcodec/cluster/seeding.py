"""Where k-means starts: k-means++ and the plain ways."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from vqcodec.cluster.validate import as_codebook
from vqcodec.errors import ParameterError

Init = str | np.ndarray | Callable[..., Any]


def seed_codebook(
    points: np.ndarray,
    k: int,
    weights: np.ndarray | None,
    init: Init,
    generator: np.random.Generator,
) -> np.ndarray:
    """Return (k, d) float64 codewords to start from."""
    if isinstance(init, str):
        if init == "k-means++":
            return plus_plus(points, k, weights, generator)
        if init in ("random", "points"):
            return random_points(points, k, weights, generator)
        raise ParameterError(f"unknown way to start: {init!r}")
    if callable(init):
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
    if probabilities is not None and np.count_nonzero(probabilities) < k:
        raise ParameterError(f"fewer than {k} points have a positive weight")
    chosen = generator.choice(len(points), k, replace=False, p=probabilities)
    return points[chosen].astype(np.float64)


def plus_plus(
    points: np.ndarray, k: int, weights: np.ndarray | None, generator: np.random.Generator
) -> np.ndarray:
    """Greedy k-means++ (Arthur and Vassilvitskii 2007).

    Each next codeword is a point drawn with a probability proportional to its
    squared distance from the codewords so far; of 2 + ln k candidates the one
    that lowers the distortion most is taken.
    """
    from vqcodec.cluster.kernels import squared_distances

    trials = 2 + int(np.log(k))
    mass = np.ones(len(points)) if weights is None else weights
    chosen = np.empty(k, np.int64)
    chosen[0] = _draw(mass, generator.random(1))[0]
    label = np.zeros(len(points), np.int32)
    distance = np.empty(len(points))
    squared_distances(points, 0, points[chosen[:1]].astype(np.float64), label, distance)
    trial = np.empty(len(points))
    for step in range(1, k):
        potential = mass * distance
        if not potential.sum() > 0:
            raise ParameterError(f"there are only {step} distinct points for {k} codewords")
        best = np.inf
        for candidate in _draw(potential, generator.random(trials)):
            squared_distances(points, 0, points[[candidate]].astype(np.float64), label, trial)
            np.minimum(trial, distance, out=trial)
            total = float(mass @ trial)
            if total < best:
                best, chosen[step], kept = total, candidate, trial.copy()
        distance = kept
    return points[chosen].astype(np.float64)


def _draw(mass: np.ndarray, uniform: np.ndarray) -> np.ndarray:
    """Return indices drawn with probabilities proportional to `mass`."""
    cumulative = np.cumsum(mass)
    found = np.searchsorted(cumulative, uniform * cumulative[-1], side="right")
    return np.minimum(found, np.flatnonzero(mass)[-1])
