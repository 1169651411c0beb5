"""Cluster statistics that can be taken part by part and merged.

One pass of Lloyd's iteration needs only the count, the coordinate sums and the
squared error of each cluster. Taken over separate parts of the data, on
separate machines even, and merged, they are those of the whole: the sums carry
twice the precision of float64, so that the order of the parts leaves no trace
in the means.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from vqcodec.cluster.assign import Frame, NearestCodeword
from vqcodec.cluster.validate import as_codebook, as_vectors, as_weights
from vqcodec.errors import ParameterError


@dataclass
class ClusterStatistics:
    """Counts, sums and errors of the clusters of one codebook.

    Attributes
    ----------
    counts : (K,) float64
        The weight of the points nearest to each codeword.
    sums, remainders : (K, d) float64
        The weighted coordinate sums, and what their rounding left over.
    errors : (K,) float64
        The weighted squared error of each cluster.
    """

    counts: np.ndarray
    sums: np.ndarray
    remainders: np.ndarray
    errors: np.ndarray

    @classmethod
    def empty(cls, k: int, dimensions: int) -> ClusterStatistics:
        """Return the statistics of no points."""
        shape = (k, dimensions)
        return cls(np.zeros(k), np.zeros(shape), np.zeros(shape), np.zeros(k))

    @classmethod
    def of(cls, points: Any, codebook: Any, weights: Any = None) -> ClusterStatistics:
        """Return the statistics of `points`, each put to its nearest codeword."""
        points = as_vectors(points)
        codewords = as_codebook(codebook, points.shape[1])
        statistics = cls.empty(*codewords.shape)
        statistics.add(points, codewords, as_weights(weights, len(points)))
        return statistics

    def add(
        self, points: np.ndarray, codebook: np.ndarray, weights: np.ndarray | None = None
    ) -> None:
        """Add the statistics of checked `points` to these."""
        from vqcodec.cluster.kernels import accumulate
        from vqcodec.cluster.parallel import chunk_ranges, run_chunks

        nearest = NearestCodeword(codebook, Frame.of(points))
        mass = np.empty(0) if weights is None else weights

        def work(_: int, start: int, stop: int) -> ClusterStatistics:
            part = ClusterStatistics.empty(*codebook.shape)
            labels = nearest.search(points, start, stop)
            distances = nearest.distances(points, start, labels)
            accumulate(
                points,
                start,
                mass,
                labels,
                distances,
                part.counts,
                part.sums,
                part.remainders,
                part.errors,
            )
            return part

        for part in run_chunks(work, chunk_ranges(len(points))):
            self.merge(part)

    def merge(self, other: ClusterStatistics) -> None:
        """Add the statistics of another part of the data."""
        if self.sums.shape != other.sums.shape:
            raise ParameterError("statistics of different codebooks cannot be merged")
        self.counts += other.counts
        self.errors += other.errors
        total = self.sums + other.sums
        part = total - self.sums  # Knuth's two-sum: what the addition rounded away
        lost = (self.sums - (total - part)) + (other.sums - part)
        self.remainders += other.remainders + lost
        self.sums = total

    def __add__(self, other: ClusterStatistics) -> ClusterStatistics:
        result = ClusterStatistics(
            self.counts.copy(), self.sums.copy(), self.remainders.copy(), self.errors.copy()
        )
        result.merge(other)
        return result

    @property
    def inertia(self) -> float:
        """The weighted squared error of all points."""
        return float(self.errors.sum())

    def means(self, codebook: np.ndarray) -> np.ndarray:
        """Return the means of the clusters; an empty one keeps its codeword of `codebook`."""
        means = np.array(codebook, dtype=np.float64)
        occupied = self.counts > 0
        sums = self.sums[occupied] + self.remainders[occupied]
        means[occupied] = sums / self.counts[occupied, None]
        return means
