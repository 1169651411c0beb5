"""Kernels of weighted k-means in 4-D: assignment, sums, and what a swap would bring.

The nearest centre is found exactly but mostly without search: a point starts
from the label it has, at distance d, and only centres closer than 2d to that
one can be nearer (S. J. Phillips, "Acceleration of k-means and related
clustering algorithms", 2002). Each centre keeps the others within twice its
reach (its farthest point), sorted by distance.

Arrays: points (n, 4) and centers (k, 4) float32; labels (n,) int32; sums
(k, 5) float64, the weighted coordinates and the weight of each cluster; near
(k, k) int32, gaps (k, k) float32 squared distances, and lengths (k,) int32 of
the neighbour lists; reach (k,) float32.
"""

from __future__ import annotations

import numpy as np

from vqcodec.jit import njit

F = np.float32
_FAR = F(3e38)
SPLIT_STEPS = 2


@njit(_nrt=False)
def distance(points: np.ndarray, i: int, centers: np.ndarray, k: int) -> float:
    """Return the squared distance of point `i` to centre `k`."""
    a = points[i, 0] - centers[k, 0]
    b = points[i, 1] - centers[k, 1]
    c = points[i, 2] - centers[k, 2]
    d = points[i, 3] - centers[k, 3]
    return a * a + b * b + c * c + d * d


@njit
def gather(
    points: np.ndarray,
    weights: np.ndarray,
    labels: np.ndarray,
    centers: np.ndarray,
    sums: np.ndarray,
    reach: np.ndarray,
) -> float:
    """Sum up the clusters that the labels make, and measure their reach from the centres.

    Returns the sum of the weighted squared lengths of the points.
    """
    energy = 0.0
    sums[:] = 0.0
    reach[:] = F(0)
    for i in range(points.shape[0]):
        k = labels[i]
        far = distance(points, i, centers, k)
        if far > reach[k]:
            reach[k] = far
        weight = weights[i]
        for c in range(4):
            sums[k, c] += weight * points[i, c]
        sums[k, 4] += weight
        length = 0.0
        for c in range(4):
            length += np.float64(points[i, c]) * points[i, c]
        energy += weight * length
    for k in range(reach.shape[0]):
        reach[k] = np.sqrt(reach[k])
    return energy


@njit(_nrt=False)
def center(centers: np.ndarray, sums: np.ndarray, reach: np.ndarray, fixed: int) -> float:
    """Move the centres from number `fixed` on to the means of their clusters.

    `reach` grows by the way that they moved. Returns sum(w |c|^2 - 2 c·s): with the
    sum of w |x|^2 that is the squared error.
    """
    moments = 0.0
    for k in range(centers.shape[0]):
        mass = sums[k, 4]
        if k >= fixed and mass > 0:
            moved = F(0)
            for c in range(4):
                mean = F(sums[k, c] / mass)
                moved += (mean - centers[k, c]) * (mean - centers[k, c])
                centers[k, c] = mean
            reach[k] += np.sqrt(moved)
        for c in range(4):
            moments += centers[k, c] * (centers[k, c] * mass - 2 * sums[k, c])
    return moments


@njit
def find_neighbours(
    centers: np.ndarray,
    reach: np.ndarray,
    least: int,
    near: np.ndarray,
    gaps: np.ndarray,
    lengths: np.ndarray,
) -> None:
    """List for each centre the others within twice its reach, at least `least`, nearest first.

    Every row of `near` holds all the other centres, the listed ones first; they are
    visited in the order of the last time, so that there is little left to sort.
    """
    n = centers.shape[0]
    columns = np.empty((4, n), np.float32)
    for k in range(n):
        for c in range(4):
            columns[c, k] = centers[k, c]
    row = np.empty(n, np.float32)
    for k in range(n):
        a, b, c, d = centers[k, 0], centers[k, 1], centers[k, 2], centers[k, 3]
        for j in range(np.uint64(n)):
            e, f = columns[0, j] - a, columns[1, j] - b
            g, h = columns[2, j] - c, columns[3, j] - d
            row[j] = e * e + f * f + g * g + h * h
        count = 0
        limit = F(4.0001) * reach[k] * reach[k]
        for place in range(n - 1):
            j = near[k, place]
            gap = row[j]
            if gap < limit or count < least or (least > 0 and gap < gaps[k, least - 1]):
                near[k, place] = near[k, count]
                rank = count
                while rank > 0 and gaps[k, rank - 1] > gap:
                    gaps[k, rank] = gaps[k, rank - 1]
                    near[k, rank] = near[k, rank - 1]
                    rank -= 1
                gaps[k, rank] = gap
                near[k, rank] = j
                count += 1
        lengths[k] = count


@njit
def assign(
    points: np.ndarray,
    weights: np.ndarray,
    centers: np.ndarray,
    near: np.ndarray,
    gaps: np.ndarray,
    lengths: np.ndarray,
    labels: np.ndarray,
    sums: np.ndarray,
    reach: np.ndarray,
) -> int:
    """Move each point to its nearest centre; return how many moved.

    `sums` and `reach` become those of the new clusters (about the old centres).
    """
    sums[:] = 0.0
    reach[:] = F(0)
    moved = 0
    for i in range(points.shape[0]):
        first = labels[i]
        best = first
        least = distance(points, i, centers, first)
        limit = F(4) * least
        for place in range(lengths[first]):
            if gaps[first, place] >= limit:
                break
            j = near[first, place]
            far = distance(points, i, centers, j)
            if far < least:
                least = far
                best = j
        if best != first:
            labels[i] = best
            moved += 1
        if least > reach[best]:
            reach[best] = least
        weight = weights[i]
        for c in range(4):
            sums[best, c] += weight * points[i, c]
        sums[best, 4] += weight
    for k in range(reach.shape[0]):
        reach[k] = np.sqrt(reach[k])
    return moved


@njit
def second_nearest(
    points: np.ndarray,
    weights: np.ndarray,
    centers: np.ndarray,
    near: np.ndarray,
    gaps: np.ndarray,
    lengths: np.ndarray,
    labels: np.ndarray,
    second: np.ndarray,
    loss: np.ndarray,
    spread: np.ndarray,
) -> None:
    """Find each point's second nearest centre, and each cluster's loss without its centre.

    `loss` (k,) float64 is the rise of the error if the cluster's points went to
    their second nearest centres; `spread` (k, 4, 4) float64 is its scatter matrix.
    """
    loss[:] = 0.0
    spread[:] = 0.0
    offset = np.zeros(4, np.float32)
    for i in range(points.shape[0]):
        k = labels[i]
        own = distance(points, i, centers, k)
        root = np.sqrt(own)
        least = _FAR
        limit = _FAR
        best = near[k, 0]
        for place in range(lengths[k]):
            if gaps[k, place] >= limit:
                break
            j = near[k, place]
            far = distance(points, i, centers, j)
            if far < least:
                least = far
                best = j
                bound = root + np.sqrt(least)
                limit = bound * bound
        second[i] = best
        weight = weights[i]
        loss[k] += weight * (least - own)
        for c in range(4):
            offset[c] = points[i, c] - centers[k, c]
            for d in range(c + 1):
                spread[k, c, d] += weight * offset[c] * offset[d]


@njit
def principal_axis(scatter: np.ndarray, axis: np.ndarray) -> None:
    """Put the dominant eigenvector of a symmetric 4x4 matrix into `axis`.

    A dozen power iterations from the longest column; only the lower triangle is read.
    """
    longest = 0
    for c in range(4):
        if scatter[c, c] > scatter[longest, longest]:
            longest = c
    for c in range(4):
        axis[c] = scatter[max(c, longest), min(c, longest)]
    image = np.zeros(4)
    for _ in range(12):
        norm = 0.0
        for c in range(4):
            norm += axis[c] * axis[c]
        norm = np.sqrt(norm)
        if norm < 1e-30:
            for c in range(4):
                axis[c] = 1.0 if c == longest else 0.0
            return
        for c in range(4):
            axis[c] /= norm
        for c in range(4):
            image[c] = 0.0
            for d in range(4):
                image[c] += scatter[max(c, d), min(c, d)] * axis[d]
        for c in range(4):
            axis[c] = image[c]


@njit
def halve(
    points: np.ndarray,
    weights: np.ndarray,
    centers: np.ndarray,
    labels: np.ndarray,
    sums: np.ndarray,
    spread: np.ndarray,
    side: np.ndarray,
    gain: np.ndarray,
) -> None:
    """Split every cluster in two: `side` of each point, and the fall of the error it would bring.

    Two-means inside each cluster, started from the sign of the projection onto
    its principal axis.
    """
    count = centers.shape[0]
    axis = np.zeros((count, 4))
    threshold = np.zeros(count)
    half = np.zeros((count, 5))
    for k in range(count):
        principal_axis(spread[k], axis[k])
    for _ in range(SPLIT_STEPS):
        half[:] = 0.0
        for i in range(points.shape[0]):
            k = labels[i]
            along = 0.0
            for c in range(4):
                along += (points[i, c] - centers[k, c]) * axis[k, c]
            side[i] = along > threshold[k]
            if side[i]:
                for c in range(4):
                    half[k, c] += weights[i] * points[i, c]
                half[k, 4] += weights[i]
        for k in range(count):
            one = half[k, 4]
            other = sums[k, 4] - one
            gain[k] = 0.0
            if one > 0 and other > 0:
                apart = 0.0
                middle = 0.0
                for c in range(4):
                    mean = half[k, c] / one
                    rest = (sums[k, c] - half[k, c]) / other
                    axis[k, c] = mean - rest
                    apart += axis[k, c] * axis[k, c]
                    middle += axis[k, c] * ((mean + rest) / 2 - centers[k, c])
                threshold[k] = middle
                gain[k] = one * other / sums[k, 4] * apart
