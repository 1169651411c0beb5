# mypy: disable-error-code="no-untyped-def"
"""Kernels over points whose labels are known: distances, sums and statistics, in float64.

Wherever there are `weights`, an empty array stands for equal weights.
"""

from __future__ import annotations

import numpy as np

from vqcodec.jit import njit

_STRETCH = 32  # points that are passed by together if none of them changed


@njit(error_model="numpy")
def _squared_distance(points, i, codebook, k):
    total = 0.0
    for j in range(points.shape[1]):
        difference = np.float64(points[i, j]) - codebook[k, j]
        total += difference * difference
    return total


@njit(error_model="numpy")
def squared_distances(points, start, codebook, labels, distances):
    """Write the squared distances of points from ``start`` on to their codewords."""
    for i in range(labels.shape[0]):
        distances[i] = _squared_distance(points, start + i, codebook, labels[i])


@njit(error_model="numpy")
def measure(points, start, codebook, labels, weights, counts):
    """Return the squared error of points from ``start`` on; add their weights to `counts`."""
    inertia = 0.0
    for i in range(np.uint64(labels.shape[0])):
        at = np.uint64(start) + i
        weight = weights[at] if weights.shape[0] > 0 else 1.0
        inertia += weight * _squared_distance(points, at, codebook, np.uint64(labels[i]))
        counts[np.uint64(labels[i])] += weight
    return inertia


@njit(error_model="numpy")
def move(points, start, origin, weights, labels, new_labels, sums, counts):
    """Take points whose label changed out of their old cluster's sums and into the new one's.

    `labels` (negative: in no cluster yet) becomes `new_labels`; returns how many changed.
    """
    changed = 0
    for first in range(0, new_labels.shape[0], _STRETCH):
        stop = min(first + _STRETCH, new_labels.shape[0])
        differing = 0
        for i in range(np.uint64(first), np.uint64(stop)):
            differing += labels[np.uint64(start) + i] != new_labels[i]
        if differing == 0:
            continue
        changed += differing
        for i in range(np.uint64(first), np.uint64(stop)):
            at = np.uint64(start) + i
            old, new = labels[at], new_labels[i]
            if old == new:
                continue
            labels[at] = new
            weight = weights[at] if weights.shape[0] > 0 else 1.0
            counts[np.uint64(new)] += weight
            if old >= 0:
                counts[np.uint64(old)] -= weight
            for j in range(points.shape[1]):
                moved = weight * (points[at, j] - origin[j])
                sums[np.uint64(new), j] += moved
                if old >= 0:
                    sums[np.uint64(old), j] -= moved
    return changed


@njit(fastmath=True, error_model="numpy")
def column_ranges(points):
    """Return the lowest, the highest and the mean value of every column, in float64."""
    count, dimensions = points.shape
    low, high = points[0].astype(np.float64), points[0].astype(np.float64)
    total = np.zeros(dimensions)
    for i in range(count):
        for j in range(dimensions):
            x = np.float64(points[i, j])
            low[j], high[j] = min(low[j], x), max(high[j], x)
            total[j] += x
    return low, high, total / count


@njit(error_model="numpy")
def column_variances(points, weights, origin):
    """Return the variance of every column.

    `origin` is any vector near the points, so that little cancels.
    """
    dimensions = points.shape[1]
    total, squares = np.zeros(dimensions), np.zeros(dimensions)
    mass = 0.0
    for i in range(points.shape[0]):
        weight = weights[i] if weights.shape[0] > 0 else 1.0
        mass += weight
        for j in range(dimensions):
            x = points[i, j] - origin[j]
            total[j] += weight * x
            squares[j] += weight * x * x
    return np.maximum(squares / mass - (total / mass) ** 2, 0.0)


@njit(error_model="numpy")
def accumulate(points, start, weights, labels, errors, totals, remainders):
    """Add points from ``start`` on to the totals of their clusters, in doubled precision.

    A row of `totals` holds weight, error and coordinate sums.
    """
    for i in range(labels.shape[0]):
        k = labels[i]
        weight = weights[start + i] if weights.shape[0] > 0 else 1.0
        _add(totals, remainders, k, 0, weight)
        _add(totals, remainders, k, 1, weight * errors[i])
        for j in range(points.shape[1]):
            _add(totals, remainders, k, 2 + j, weight * points[start + i, j])


@njit(error_model="numpy")
def _add(totals, remainders, k, j, x):
    """Add x to a total, and what the addition rounds away (Knuth's two-sum) to its remainder."""
    before = totals[k, j]
    total = before + x
    part = total - before
    remainders[k, j] += (before - (total - part)) + (x - part)
    totals[k, j] = total
