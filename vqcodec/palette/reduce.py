"""Kernels for a first palette: greedy cuts across principal axes, then Ward merges."""

from __future__ import annotations

import numpy as np

from vqcodec.jit import njit
from vqcodec.palette.lloyd import distance, principal_axis

F = np.float32
BINS = 64


@njit
def _plan_cut(
    points: np.ndarray,
    weights: np.ndarray,
    order: np.ndarray,
    start: int,
    stop: int,
    axis: np.ndarray,
) -> tuple[float, float]:
    """Find the best cut of a box across its principal axis.

    The axis goes to `axis`. Returns the fall of the squared error along it and
    the threshold on the projection; the projections are sorted into `BINS` bins.
    """
    total = 0.0
    mean = np.zeros(4)
    for place in range(start, stop):
        i = order[place]
        total += weights[i]
        for c in range(4):
            mean[c] += weights[i] * points[i, c]
    for c in range(4):
        mean[c] /= total
    scatter = np.zeros((4, 4))
    for place in range(start, stop):
        i = order[place]
        for c in range(4):
            pull = weights[i] * (points[i, c] - mean[c])
            for d in range(c + 1):
                scatter[c, d] += pull * (points[i, d] - mean[d])
    principal_axis(scatter, axis)
    low, high = np.inf, -np.inf
    for place in range(start, stop):
        along = _project(points, order[place], axis)
        low = min(low, along)
        high = max(high, along)
    if not high > low:
        return 0.0, low
    scale = BINS / (high - low)
    mass = np.zeros((BINS, 2))
    for place in range(start, stop):
        i = order[place]
        along = _project(points, i, axis) - low
        b = min(int(along * scale), BINS - 1)
        mass[b, 0] += weights[i]
        mass[b, 1] += weights[i] * along
    moment = 0.0
    for b in range(BINS):
        moment += mass[b, 1]
    best, threshold = 0.0, low
    left, left_moment = 0.0, 0.0
    for b in range(BINS - 1):
        left += mass[b, 0]
        left_moment += mass[b, 1]
        right = total - left
        if left > 0 and right > 0:
            apart = left_moment / left - (moment - left_moment) / right
            fall = left * right / total * apart * apart
            if fall > best:
                best, threshold = fall, low + (b + 1) / scale
    return best, threshold


@njit
def _project(points: np.ndarray, i: int, axis: np.ndarray) -> float:
    return (
        points[i, 0] * axis[0]
        + points[i, 1] * axis[1]
        + points[i, 2] * axis[2]
        + points[i, 3] * axis[3]
    )


@njit
def cut(points: np.ndarray, weights: np.ndarray, count: int, labels: np.ndarray) -> int:
    """Cut the points into at most `count` boxes, best cut first; return how many they are."""
    order = np.arange(points.shape[0])
    starts = np.zeros(count, np.int64)
    stops = np.zeros(count, np.int64)
    falls = np.zeros(count)
    thresholds = np.zeros(count)
    axes = np.zeros((count, 4))
    stops[0] = points.shape[0]
    boxes, box, other = 1, 0, 0
    while True:
        for b in (box, other):
            if stops[b] > starts[b]:
                falls[b], thresholds[b] = _plan_cut(
                    points, weights, order, starts[b], stops[b], axes[b]
                )
        if boxes == count:
            break
        box = 0
        for b in range(1, boxes):
            if falls[b] > falls[box]:
                box = b
        if falls[box] <= 0:
            break
        left, right = starts[box], stops[box] - 1
        while left <= right:
            i = order[left]
            if _project(points, i, axes[box]) < thresholds[box]:
                left += 1
            else:
                order[left] = order[right]
                order[right] = i
                right -= 1
        left = min(max(left, starts[box] + 1), stops[box] - 1)  # rounding must not empty a half
        other = boxes
        starts[other], stops[other] = left, stops[box]
        stops[box] = left
        boxes += 1
    for b in range(boxes):
        for place in range(starts[b], stops[b]):
            labels[order[place]] = b
    return boxes


@njit
def _merge_cost(centers: np.ndarray, weights: np.ndarray, a: int, b: int) -> float:
    return distance(centers, a, centers, b) * weights[a] * weights[b] / (weights[a] + weights[b])


@njit
def merge(centers: np.ndarray, weights: np.ndarray, count: int, owner: np.ndarray) -> None:
    """Merge clusters pair by pair, always the cheapest, until `count` are left.

    Centres and weights are overwritten; `owner` (n,) int32 becomes the number of
    the merged cluster, 0 to count - 1. The cost of a merge only grows by
    other merges, so a cost that is out of date is a lower bound, and is looked
    at again only when it is the least of all.
    """
    n = centers.shape[0]
    partner = np.zeros(n, np.int32)
    cost = np.full(n, np.inf)
    stale = np.ones(n, np.bool_)
    alive = np.arange(n)
    left = n
    for a in range(n):
        for b in range(a):
            price = _merge_cost(centers, weights, a, b)
            if price < cost[a]:
                cost[a], partner[a] = price, b
        stale[a] = False
        owner[a] = a
    while left > count:
        best = 0
        for place in range(1, left):
            if cost[alive[place]] < cost[alive[best]]:
                best = place
        a = alive[best]
        if not stale[a]:
            b = partner[a]
            total = weights[a] + weights[b]
            for c in range(4):
                centers[b, c] = (centers[a, c] * weights[a] + centers[b, c] * weights[b]) / total
            weights[b] = total
            owner[a] = b
            left -= 1
            for place in range(best, left):  # keeps `alive` ascending: a partner comes before
                alive[place] = alive[place + 1]
            for place in range(left):
                if partner[alive[place]] == a or partner[alive[place]] == b:
                    stale[alive[place]] = True
            a = b
        cost[a] = np.inf
        for place in range(left):
            b = alive[place]
            if b == a:
                break
            price = _merge_cost(centers, weights, a, b)
            if price < cost[a]:
                cost[a], partner[a] = price, b
        stale[a] = False
    number = np.zeros(n, np.int32)
    for place in range(left):
        number[alive[place]] = place
    for i in range(n):
        root = i
        while owner[root] != root:
            root = owner[root]
        cost[i] = number[root]
    for i in range(n):
        owner[i] = np.int32(cost[i])
