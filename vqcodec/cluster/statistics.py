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
    """Counts, coordinate sums and errors of the clusters of one codebook.

    Attributes
    ----------
    totals : (K, 2 + d) float64
        Of each cluster the weight, the weighted squared error, and the weighted
        coordinate sums.
    remainders : (K, 2 + d) float64
        What rounding the totals left over.
    """

    totals: np.ndarray
    remainders: np.ndarray

    @classmethod
    def empty(cls, k: int, dimensions: int) -> ClusterStatistics:
        """Return the statistics of no points."""
        return cls(np.zeros((k, 2 + dimensions)), np.zeros((k, 2 + dimensions)))

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
        from vqcodec.cluster.parallel import chunk_ranges, run_chunks
        from vqcodec.cluster.sumkernels import accumulate

        nearest = NearestCodeword(codebook, Frame.of(points))
        mass = np.empty(0) if weights is None else weights

        ranges = chunk_ranges(len(points))

        def work(_: int, start: int, stop: int) -> ClusterStatistics:
            part = ClusterStatistics.empty(*codebook.shape) if len(ranges) > 1 else self
            labels = nearest.search(points, start, stop)
            errors = nearest.distances(points, start, labels)
            accumulate(points, start, mass, labels, errors, part.totals, part.remainders)
            return part

        for part in run_chunks(work, ranges):
            if part is not self:
                self.merge(part)

    def merge(self, other: ClusterStatistics) -> None:
        """Add the statistics of another part of the data."""
        if self.totals.shape != other.totals.shape:
            raise ParameterError("statistics of different codebooks cannot be merged")
        total = self.totals + other.totals
        part = total - self.totals  # Knuth's two-sum: what the addition rounded away
        lost = (self.totals - (total - part)) + (other.totals - part)
        self.remainders = self.remainders + other.remainders + lost
        self.totals = total

    def __add__(self, other: ClusterStatistics) -> ClusterStatistics:
        result = ClusterStatistics(self.totals, self.remainders)
        result.merge(other)
        return result

    @property
    def counts(self) -> np.ndarray:
        """The (K,) weights of the points of each cluster."""
        return self._rounded(0)

    @property
    def errors(self) -> np.ndarray:
        """The (K,) weighted squared errors of the clusters."""
        return self._rounded(1)

    @property
    def sums(self) -> np.ndarray:
        """The (K, d) weighted coordinate sums of the clusters."""
        return self._rounded(slice(2, None))

    @property
    def inertia(self) -> float:
        """The weighted squared error of all points."""
        return float(self.errors.sum())

    def means(self, codebook: np.ndarray) -> np.ndarray:
        """Return the means of the clusters; an empty one keeps its codeword of `codebook`."""
        means = np.array(codebook, dtype=np.float64)
        counts = self.counts
        means[counts > 0] = self.sums[counts > 0] / counts[counts > 0, None]
        return means

    def _rounded(self, columns: int | slice) -> np.ndarray:
        return self.totals[:, columns] + self.remainders[:, columns]
