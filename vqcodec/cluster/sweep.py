"""How many codewords? A sweep over K, judged by elbow, silhouette and gap statistic.

For compression the answer is a rate: distortion falls with every codeword, and
the table shows what each bit buys. For data that has clusters, the elbow, the
silhouette (Rousseeuw 1987) and the gap statistic (Tibshirani, Walther and
Hastie 2001) each point at their number; where they agree, believe them.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from vqcodec.cluster.kmeans import fit_kmeans
from vqcodec.cluster.progress import Progress, ProgressCallback
from vqcodec.cluster.validate import Seed, as_generator, as_vectors
from vqcodec.errors import ParameterError


@dataclass(frozen=True)
class Row:
    """One codebook size of a sweep.

    Attributes
    ----------
    k : int
    distortion : float
        The mean squared error of a vector.
    rate : float
        log2 K, the bits for a vector at fixed rate.
    silhouette : float
        -1 to 1, of a sample of the points; NaN for K = 1.
    gap, gap_error : float
        How much lower the log-distortion is than on uniform data, and the
        standard error of that; NaN without reference sets.
    """

    k: int
    distortion: float
    rate: float
    silhouette: float
    gap: float
    gap_error: float


@dataclass(frozen=True)
class Sweep:
    """The table of a sweep over K; `str` prints it."""

    rows: tuple[Row, ...]

    @property
    def elbow(self) -> int:
        """The K farthest below the chord of the curve of log-distortion over bits.

        In these terms a codebook without clusters to find follows a straight line.
        """
        rates = np.array([row.rate for row in self.rows])
        logs = np.log([max(row.distortion, 1e-300) for row in self.rows])
        if len(rates) < 3 or logs[0] <= logs[-1]:
            return self.rows[0].k
        x = (rates - rates[0]) / (rates[-1] - rates[0])
        y = (logs - logs[-1]) / (logs[0] - logs[-1])
        return self.rows[int(np.argmax(1 - x - y))].k

    @property
    def silhouette(self) -> int | None:
        """The K of the largest silhouette, or None."""
        scores = [-np.inf if np.isnan(row.silhouette) else row.silhouette for row in self.rows]
        best = int(np.argmax(scores))
        return self.rows[best].k if np.isfinite(scores[best]) else None

    @property
    def gap(self) -> int | None:
        """The first K whose gap the next one does not pass by more than its error, or None."""
        for row, after in zip(self.rows, self.rows[1:], strict=False):
            if row.gap >= after.gap - after.gap_error:
                return row.k
        return None if np.isnan(self.rows[-1].gap) else self.rows[-1].k

    def __str__(self) -> str:
        lines = [
            "| K | bits | distortion | silhouette | gap |",
            "|--:|-----:|-----------:|-----------:|----:|",
        ]
        lines += [
            f"| {row.k} | {row.rate:.2f} | {row.distortion:.6g} | {_cell(row.silhouette)} "
            f"| {_cell(row.gap)} |"
            for row in self.rows
        ]
        lines.append(f"\nelbow {self.elbow}, silhouette {self.silhouette}, gap {self.gap}")
        return "\n".join(lines)

    def picture(self, target: str | os.PathLike[str]) -> None:
        """Draw the curves to an image file; needs matplotlib.

        Raises
        ------
        ParameterError
            matplotlib is not installed.
        """
        try:
            from matplotlib.figure import Figure
        except ImportError:
            raise ParameterError("a picture of the sweep needs matplotlib") from None
        figure = Figure(figsize=(10, 3.2), layout="constrained")
        ks = [row.k for row in self.rows]
        curves = (
            ("distortion", [row.distortion for row in self.rows], self.elbow),
            ("silhouette", [row.silhouette for row in self.rows], self.silhouette),
            ("gap", [row.gap for row in self.rows], self.gap),
        )
        for axes, (name, values, best) in zip(figure.subplots(1, 3), curves, strict=True):
            axes.plot(ks, values, "o-")
            axes.set_title(name if best is None else f"{name}: K = {best}")
            axes.set_xscale("log", base=2)
            axes.set_xlabel("K")
            if best is not None:
                axes.axvline(best, linestyle=":", color="gray")
        figure.savefig(target)


def _cell(value: float) -> str:
    return "" if np.isnan(value) else f"{value:.3f}"


def choose_k(
    points: Any,
    ks: Iterable[int],
    *,
    references: int = 5,
    sample: int = 2000,
    n_init: int = 3,
    seed: Seed = 0,
    progress: ProgressCallback | None = None,
) -> Sweep:
    """Train a codebook of every size in `ks` and judge them.

    Parameters
    ----------
    points : (n, d) array
    ks : iterable of int
    references : int
        Uniform data sets that the gap statistic compares with; 0 leaves it out.
    sample : int
        Points that the silhouette is taken of; its time grows with the square.
    n_init : int
        Starts of each fit.
    seed : int, Generator, RandomState or None
    progress : callable, optional
        ``progress(fraction, message)``; returning False cancels.

    Returns
    -------
    Sweep
    """
    vectors = as_vectors(points)
    sizes = sorted(set(ks))
    if not sizes or references < 0 or sample < 2:
        raise ParameterError("ks must not be empty, references not negative, sample at least 2")
    generator = as_generator(seed)
    reports = Progress(progress)
    some = np.sort(generator.permutation(len(vectors))[:sample])
    low, high = vectors.min(axis=0), vectors.max(axis=0)
    uniform = [generator.uniform(low, high, vectors.shape) for _ in range(references)]
    rows = []
    for done, k in enumerate(sizes):
        start = int(generator.integers(2**31))
        fit = fit_kmeans(vectors, k, n_init=n_init, seed=start)
        logs = np.array(
            [
                np.log(max(fit_kmeans(data, k, n_init=n_init, seed=start).inertia, 1e-300))
                for data in uniform
            ]
        )
        gap = error = float("nan")
        if references:
            gap = float(logs.mean() - np.log(max(fit.inertia, 1e-300)))
            error = float(logs.std() * np.sqrt(1 + 1 / references))
        score = silhouette(vectors[some], fit.labels[some])
        rows.append(Row(k, fit.inertia / len(vectors), float(np.log2(k)), score, gap, error))
        reports.report((done + 1) / len(sizes), f"K = {k}")
    return Sweep(tuple(rows))


def silhouette(points: np.ndarray, labels: np.ndarray) -> float:
    """Return the mean silhouette of labelled points; NaN if they have one label only.

    For each point it compares the mean distance a to its own cluster with the
    mean distance b to the nearest other one: (b - a) / max(a, b).
    """
    from scipy.spatial.distance import cdist

    found, numbers = np.unique(labels, return_inverse=True)
    if len(found) < 2:
        return float("nan")
    sizes = np.bincount(numbers)
    member = np.eye(len(found))[numbers]
    scores = np.zeros(len(points))
    for start in range(0, len(points), 512):
        rows = np.arange(start, min(start + 512, len(points)))
        sums = cdist(points[rows], points) @ member
        own = numbers[rows]
        inside = sums[np.arange(len(rows)), own] / np.maximum(sizes[own] - 1, 1)
        others = sums / sizes
        others[np.arange(len(rows)), own] = np.inf
        outside = others.min(axis=1)
        larger = np.maximum(inside, outside)
        alone = (sizes[own] == 1) | (larger == 0)
        scores[rows] = np.where(alone, 0.0, (outside - inside) / np.where(larger == 0, 1, larger))
    return float(scores.mean())
