"""`vq`, `whiten`, `kmeans` and `kmeans2` with the signatures and results of scipy.cluster.vq.

Drop-in functions for code written against SciPy: observations are rows, or
plain numbers in a one-dimensional array, and distances are not squared.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from vqcodec.cluster.assign import Frame, NearestCodeword, assign_all
from vqcodec.cluster.kmeans import ClusterSums
from vqcodec.cluster.seeding import gaussian, random_points
from vqcodec.cluster.validate import Seed, as_codebook, as_count, as_generator, as_vectors
from vqcodec.errors import ParameterError

_EMPTY = "One of the clusters is empty. Re-run kmeans with a different initialization."


class ClusterError(ParameterError):
    """A cluster has become empty, and the caller wanted to hear of it."""


def whiten(obs: Any, check_finite: bool | None = True) -> np.ndarray:
    """Divide every column by its standard deviation.

    Parameters
    ----------
    obs : (n, d) or (n,) array
    check_finite : bool
        NaN and infinity are refused whatever this says.

    Returns
    -------
    ndarray
        Columns without any spread stay as they are, with a `RuntimeWarning`.
    """
    columns, flat = _observations(obs)
    deviations = columns.std(axis=0)
    if not deviations.all():
        deviations[deviations == 0] = 1.0
        warnings.warn(
            "Some columns have standard deviation zero. The values of these columns will not "
            "change.",
            RuntimeWarning,
            stacklevel=2,
        )
    return (columns / deviations).reshape(flat)


def vq(obs: Any, code_book: Any, check_finite: bool = True) -> tuple[np.ndarray, np.ndarray]:
    """Return the index of and the distance to the nearest codeword of every observation.

    Parameters
    ----------
    obs : (n, d) or (n,) array
    code_book : (K, d) or (K,) array
    check_finite : bool
        NaN and infinity are refused whatever this says.

    Returns
    -------
    code : (n,) int32
    dist : (n,) float32 for float32 observations, else float64
    """
    points, _ = _observations(obs)
    codebook, _ = _observations(code_book, "code_book")
    nearest = NearestCodeword(as_codebook(codebook, points.shape[1]), Frame.of(points))
    code, squares = assign_all(nearest, points)
    return code, np.sqrt(squares).astype(points.dtype)


def kmeans(
    obs: Any,
    k_or_guess: Any,
    iter: int = 20,
    thresh: float = 1e-5,
    check_finite: bool = True,
    *,
    rng: Seed = None,
    seed: Seed = None,
) -> tuple[np.ndarray, float]:
    """Find the codebook of the lowest mean distance among several runs of k-means.

    Parameters
    ----------
    obs : (n, d) or (n,) array
    k_or_guess : int or array
        The number of codewords, or the codewords to start from (one run only).
    iter : int
        The number of runs from random observations.
    thresh : float
        A run ends when the mean distance falls by no more than this.
    check_finite : bool
        NaN and infinity are refused whatever this says.
    rng, seed : int, Generator, RandomState or None

    Returns
    -------
    codebook : array
        Codewords that lost all their observations are left out.
    distortion : float
        The mean distance, not squared, to the codebook before the last update.
    """
    points, flat = _observations(obs)
    if iter < 1:
        raise ParameterError(f"iter must be at least 1, got {iter}")
    if np.size(k_or_guess) > 1 or np.ndim(k_or_guess) > 0:
        guess, _ = _observations(k_or_guess, "k_or_guess")
        codebook, distortion = _run(points, as_codebook(guess, points.shape[1]), thresh)
        return _shaped(codebook, points, flat), distortion
    k = as_count(_whole(k_or_guess), len(points))
    generator = as_generator(seed if rng is None else rng)
    runs = (_run(points, random_points(points, k, None, generator), thresh) for _ in range(iter))
    codebook, distortion = min(runs, key=lambda run: run[1])
    return _shaped(codebook, points, flat), distortion


def kmeans2(
    data: Any,
    k: Any,
    iter: int = 10,
    thresh: float = 1e-5,
    minit: str = "random",
    missing: str = "warn",
    check_finite: bool = True,
    *,
    rng: Seed = None,
    seed: Seed = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Do a fixed number of k-means steps.

    Parameters
    ----------
    data : (n, d) or (n,) array
    k : int or array
        The number of codewords, or the codewords to start from.
    iter : int
        The number of steps.
    thresh : float
        Not used, as in SciPy.
    minit : {"random", "points", "++", "matrix"}
        Start from a Gaussian like the data, from observations, from k-means++,
        or from the codewords given as `k`.
    missing : {"warn", "raise"}
        What to do when a cluster becomes empty.
    check_finite : bool
        NaN and infinity are refused whatever this says.
    rng, seed : int, Generator, RandomState or None

    Returns
    -------
    centroid : array
    label : (n,) int32
        The labels that the last step started from.
    """
    points, flat = _observations(data)
    if int(iter) < 1:
        raise ParameterError(f"iter must be at least 1, got {iter}")
    if missing not in ("warn", "raise"):
        raise ParameterError(f"missing must be 'warn' or 'raise', got {missing!r}")
    if minit == "matrix" or np.ndim(k) > 0:
        guess, _ = _observations(k, "k")
        codebook = as_codebook(guess, points.shape[1], "k")
    else:
        codebook = _start(points, _whole(k), minit, as_generator(seed if rng is None else rng))
    frame = Frame.of(points)
    sums = ClusterSums(points, None, frame.origin, len(codebook))
    for _ in range(int(iter)):
        sums.follow(NearestCodeword(codebook, frame))
        if not sums.counts.all():
            if missing == "raise":
                raise ClusterError(_EMPTY)
            warnings.warn(_EMPTY, UserWarning, stacklevel=2)
        codebook = sums.means(codebook)
    return _shaped(codebook, points, flat), sums.labels


def _start(points: np.ndarray, k: Any, minit: str, generator: np.random.Generator) -> np.ndarray:
    if minit == "random":
        return gaussian(points, as_count(k, max(len(points), int(k))), None, generator)
    k = as_count(k, len(points))
    if minit == "points":
        return random_points(points, k, None, generator)
    if minit == "++":
        return _plus_plus(points.astype(np.float64), k, generator)
    raise ParameterError(f"minit must be 'random', 'points', '++' or 'matrix', got {minit!r}")


def _plus_plus(points: np.ndarray, k: int, generator: np.random.Generator) -> np.ndarray:
    """k-means++ without trials, drawing as SciPy does: the same generator, the same start."""
    codebook = points[[generator.integers(len(points))] * k]
    distances = np.full(len(points), np.inf)
    for n in range(1, k):
        distances = np.minimum(distances, ((points - codebook[n - 1]) ** 2).sum(axis=1))
        ends = np.cumsum(distances)
        drawn = np.searchsorted(ends, generator.random() * ends[-1])
        codebook[n] = points[min(drawn, len(points) - 1)]
    return codebook


def _run(points: np.ndarray, codebook: np.ndarray, thresh: float) -> tuple[np.ndarray, float]:
    """Step until the mean distance falls by no more than `thresh`."""
    frame = Frame.of(points)
    previous = np.inf
    while True:
        nearest = NearestCodeword(codebook, frame)
        sums = ClusterSums(points, None, frame.origin, len(codebook))
        sums.follow(nearest)
        distances = nearest.distances(points, 0, sums.labels)
        distortion = float(np.sqrt(distances).mean())
        codebook = sums.means(codebook)[sums.counts > 0]
        if not abs(previous - distortion) > thresh:
            return codebook, distortion
        previous = distortion


def _observations(array: Any, name: str = "obs") -> tuple[np.ndarray, tuple[int, ...]]:
    """Return checked rows, and the shape that answers must have: flat if the numbers were."""
    array = np.asarray(array)
    if array.dtype.kind in "iub":
        array = array.astype(np.float64)
    if array.ndim == 1:
        return as_vectors(array[:, None], name), (-1,)
    return as_vectors(array, name), (-1, array.shape[1] if array.ndim == 2 else 0)


def _shaped(codebook: np.ndarray, points: np.ndarray, flat: tuple[int, ...]) -> np.ndarray:
    return codebook.astype(points.dtype).reshape(flat)


def _whole(k: Any) -> int:
    if int(k) != k:
        raise ParameterError(f"the number of codewords must be whole, got {k!r}")
    return int(k)
