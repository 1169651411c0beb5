# mypy: disable-error-code="no-untyped-def"
"""Merge trees: Ward's hierarchy, which is pairwise nearest neighbour design of codebooks.

Starting with every point as its own cluster, the two clusters are merged whose
union raises the squared error least (Ward 1963; as a codebook design Equitz
1989). Cutting the tree gives a codebook of any size, each nested in the next.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from vqcodec.cluster.validate import as_count, as_vectors, as_weights
from vqcodec.jit import njit


@dataclass(frozen=True)
class MergeTree:
    """The merges of n points, in the order of what they cost.

    Attributes
    ----------
    linkage : (n - 1, 4) float64
        SciPy's format: the two clusters merged, the square root of twice the
        squared error that this adds, and the number of points below.
        ``scipy.cluster.hierarchy.dendrogram`` and ``fcluster`` accept it.
    points : (n, d) float64
    weights : (n,) float64
    """

    linkage: np.ndarray
    points: np.ndarray
    weights: np.ndarray

    def labels(self, k: int) -> np.ndarray:
        """Return (n,) int32 labels of the cut into `k` clusters, numbered as they first appear."""
        count = len(self.points)
        k = as_count(k, count)
        parents = np.arange(2 * count - 1)
        for step, (a, b) in enumerate(self.linkage[: count - k, :2].astype(np.int64)):
            parents[[a, b]] = count + step
        for node in range(2 * count - 2, -1, -1):  # parents come after their children
            parents[node] = parents[parents[node]]
        _, first, labels = np.unique(parents[:count], return_index=True, return_inverse=True)
        rank = np.empty(len(first), np.int32)
        rank[np.argsort(first)] = np.arange(len(first))
        return rank[labels.reshape(-1)]

    def codebook(self, k: int) -> np.ndarray:
        """Return the (k, d) means of the clusters of the cut into `k`."""
        labels = self.labels(k)
        mass = np.bincount(labels, self.weights, minlength=k)
        sums = [np.bincount(labels, self.weights * x, minlength=k) for x in self.points.T]
        return np.stack(sums, axis=1) / mass[:, None]

    def distortions(self) -> np.ndarray:
        """Return the (n,) squared errors of the cuts into 1, 2, ... n clusters."""
        added = 0.5 * self.linkage[:, 2] ** 2
        return np.append(np.cumsum(added)[::-1], 0.0)


def merge_tree(points: Any, *, weights: Any = None) -> MergeTree:
    """Merge points pairwise into Ward's hierarchy.

    Parameters
    ----------
    points : (n, d) array
        Time grows with n², memory with n: some ten thousand points are practical.
    weights : (n,) array, optional
        Positive.

    Returns
    -------
    MergeTree

    Raises
    ------
    ParameterError
        Ill-shaped or unfinite arrays.
    """
    vectors = as_vectors(points).astype(np.float64)
    mass = as_weights(weights, len(vectors))
    mass = np.ones(len(vectors)) if mass is None else np.maximum(mass, 1e-300)
    pairs, costs = _chain(vectors - vectors.mean(axis=0), mass)
    order = np.argsort(costs, kind="stable")
    return MergeTree(_link(pairs[order], costs[order], len(vectors)), vectors, mass)


@njit(error_model="numpy")
def _chain(points, weights):
    """Merge mutual nearest neighbours (the chain of Bruynooghe and of Murtagh 1983).

    Ward's cost never falls by a merge, so a pair of mutual neighbours may be
    merged at once; sorted by cost afterwards, the merges are the greedy ones.
    Each is given by one original point of either side.
    """
    count, dimensions = points.shape
    means, mass = points.copy(), weights.copy()
    active, place = np.arange(count), np.arange(count)
    alive = count
    pairs, costs = np.empty((max(count - 1, 0), 2), np.int64), np.empty(max(count - 1, 0))
    chain = np.empty(count + 1, np.int64)
    length = 0
    for merge in range(count - 1):
        if length == 0:
            chain[0] = active[0]
            length = 1
        while True:
            tip = chain[length - 1]
            previous = chain[length - 2] if length > 1 else -1
            nearest, lowest = -1, np.inf
            if previous >= 0:  # at a tie the previous one wins, or the chain would run in circles
                nearest, lowest = previous, _cost(means, mass, tip, previous)
            for slot in range(alive):
                other = active[slot]
                if other != tip and other != previous:
                    cost = _cost(means, mass, tip, other)
                    if cost < lowest:
                        nearest, lowest = other, cost
            if nearest == previous:
                break
            chain[length] = nearest
            length += 1
        length -= 2
        pairs[merge, 0], pairs[merge, 1], costs[merge] = (
            min(tip, previous),
            max(tip, previous),
            lowest,
        )
        total = mass[tip] + mass[previous]
        for j in range(dimensions):
            means[tip, j] = (
                mass[tip] * means[tip, j] + mass[previous] * means[previous, j]
            ) / total
        mass[tip] = total
        alive -= 1
        last, slot = active[alive], place[previous]
        active[slot], place[last] = last, slot
    return pairs, costs


@njit(error_model="numpy", fastmath={"contract", "reassoc"})
def _cost(means, mass, a, b):
    """Return the squared error that merging two clusters adds."""
    square = 0.0
    for j in range(means.shape[1]):
        difference = means[a, j] - means[b, j]
        square += difference * difference
    return square * mass[a] * mass[b] / (mass[a] + mass[b])


def _link(pairs: np.ndarray, costs: np.ndarray, count: int) -> np.ndarray:
    """Number the clusters of sorted merges as SciPy does."""
    linkage = np.empty((len(pairs), 4))
    parents = np.arange(count)  # a union-find over the points
    names, sizes = np.arange(count), np.ones(count)
    for step, (a, b) in enumerate(pairs):
        a, b = _root(parents, a), _root(parents, b)
        linkage[step] = *sorted((names[a], names[b])), np.sqrt(2 * costs[step]), sizes[a] + sizes[b]
        parents[b], names[a] = a, count + step
        sizes[a] += sizes[b]
    return linkage


def _root(parents: np.ndarray, node: int) -> int:
    while parents[node] != node:
        parents[node] = parents[parents[node]]
        node = parents[node]
    return node
