"""Mini-batch k-means: codewords follow small samples, each by its own decreasing step.

A codeword is the weighted mean of all points that it has been given so far
(MacQueen 1967; Bottou and Bengio 1995; Sculley 2010). Codewords that hardly
ever win a point start afresh at one of a later batch.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from vqcodec.cluster.statistics import ClusterStatistics


@dataclass
class MiniBatch:
    """A codebook that learns from one batch after the other.

    Attributes
    ----------
    centers : (K, d) float64
    counts : (K,) float64
        The weight of the points that each codeword is the mean of.
    reassignment_ratio : float
        A codeword with less than this share of the largest count may start afresh.
    """

    centers: np.ndarray
    counts: np.ndarray = field(default_factory=lambda: np.zeros(0))
    reassignment_ratio: float = 0.01
    _since_reassignment: float = 0.0

    def __post_init__(self) -> None:
        if len(self.counts) == 0:
            self.counts = np.zeros(len(self.centers))

    def learn(
        self, batch: np.ndarray, weights: np.ndarray | None, generator: np.random.Generator
    ) -> tuple[float, float, np.ndarray]:
        """Move the codewords towards the means of a checked batch.

        Returns
        -------
        inertia : float
            The squared error of the batch before the move.
        shift : float
            The summed squares of the moves.
        counts : (K,) float64
            The weight that each codeword won of the batch.
        """
        statistics = ClusterStatistics.empty(*self.centers.shape)
        statistics.add(batch, self.centers, weights)
        counts, before = statistics.counts, self.centers
        total = self.counts + counts
        share = 1 / np.where(counts > 0, total, np.inf)[:, None]  # 0 where nothing was won
        self.centers = before + (statistics.sums - counts[:, None] * before) * share
        self.counts = total
        if self.reassignment_ratio > 0 and self._is_time(len(batch)):
            self._reassign(batch, generator)
        return statistics.inertia, float(((self.centers - before) ** 2).sum()), counts

    def _is_time(self, size: int) -> bool:
        """Say whether unlucky codewords may start afresh: not before they had a chance."""
        self._since_reassignment += size
        if not self.counts.all() or self._since_reassignment >= 10 * len(self.counts):
            self._since_reassignment = 0.0
            return True
        return False

    def _reassign(self, batch: np.ndarray, generator: np.random.Generator) -> None:
        poor = self.counts < self.reassignment_ratio * self.counts.max()
        most = max(1, len(batch) // 2)
        if np.count_nonzero(poor) > most:
            poorest = np.argsort(self.counts, kind="stable")[:most]
            poor[:] = False
            poor[poorest] = True
        if not poor.any():
            return
        chosen = generator.choice(len(batch), np.count_nonzero(poor), replace=False)
        self.centers[poor] = batch[chosen]
        rich = self.counts[~poor]
        self.counts[poor] = rich.min() if len(rich) else 0.0


class Convergence:
    """Decides from noisy batches when mini-batch training has stopped to gain.

    Parameters
    ----------
    threshold : float
        Stop at moves below this; 0 never does.
    patience : int or None
        Stop after so many batches without a lower smoothed distortion.
    smoothing : float
        The weight of the newest batch in the smoothed distortion.
    """

    def __init__(self, threshold: float, patience: int | None, smoothing: float) -> None:
        self._threshold = threshold
        self._patience = patience
        self._smoothing = min(smoothing, 1.0)
        self._smoothed: float | None = None
        self._lowest = np.inf
        self._waited = 0
        self._steps = 0

    def reason_to_stop(self, inertia: float, shift: float) -> str | None:
        """Take in one batch; return why to stop, or None to go on."""
        self._steps += 1
        if self._steps == 1:  # tells of the seeding only
            return None
        if self._smoothed is None:
            self._smoothed = inertia
        else:
            self._smoothed += self._smoothing * (inertia - self._smoothed)
        if self._threshold > 0 and shift <= self._threshold:
            return "small centers change"
        if self._smoothed < self._lowest:
            self._lowest, self._waited = self._smoothed, 0
        else:
            self._waited += 1
        if self._patience is not None and self._waited >= self._patience:
            return "lack of improvement in inertia"
        return None
