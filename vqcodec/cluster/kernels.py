# mypy: disable-error-code="no-untyped-def"
"""Kernels of the trainer: nearest codewords, cluster sums, distances.

The nearest codeword minimises |c|²/2 - x·c (plus a penalty in entropy-constrained
search). `search` computes it in float32 for a block of points at once, points
in the SIMD lanes and four codewords by four dimensions held in registers, and
keeps the best and the second-best value. Where these are closer than the
rounding errors can be, the point is searched again in float64, so that the
labels are those of float64 arithmetic, with ties going to the lower index.
"""

from __future__ import annotations

import math

import numpy as np

from vqcodec.jit import njit

BLOCK = 384  # points searched together: their vectors stay in the fast caches up to d = 64
TILE = 4  # codewords, and dimensions, held in registers
_HUGE = np.float32(1e38)


def tile_codebook(
    codebook: np.ndarray, penalty: np.ndarray, origin: np.ndarray, scale: float
) -> tuple[np.ndarray, np.ndarray, float, float]:
    """Lay a codebook out for `search`.

    Returns
    -------
    tiles : (G, D, 4) float32
        Negated codewords in the scaled frame, D the next multiple of 4.
    bias : (G, 4) float32
        Half the squared norm plus the penalty; huge for codewords that only fill up a group.
    largest_norm, largest_bias : float
        What the rounding errors of `search` are proportional to.
    """
    count, dimensions = codebook.shape
    groups = -(-count // TILE)
    centred = (codebook - origin) * scale
    halves = 0.5 * np.einsum("kd,kd->k", centred, centred)
    biases = halves + 0.5 * scale * scale * penalty
    padded = np.zeros((groups * TILE, -(-dimensions // TILE) * TILE), np.float32)
    padded[:count, :dimensions] = -centred
    tiles = np.ascontiguousarray(padded.reshape(groups, TILE, -1).transpose(0, 2, 1))
    bias = np.full(groups * TILE, _HUGE, np.float32)
    bias[:count] = biases
    return (
        tiles,
        bias.reshape(groups, TILE),
        math.sqrt(2 * float(halves.max())),
        float(np.abs(biases).max()),
    )


@njit(fastmath=True, error_model="numpy")
def _search_block(vectors, tiles, bias, best, second, index, a0, a1, a2, a3):
    """Find the best and second-best value of every lane of (D, BLOCK) `vectors`."""
    last = vectors.shape[0] - TILE
    for p in range(BLOCK):
        best[p] = _HUGE
        second[p] = _HUGE
        index[p] = 0
    for g in range(tiles.shape[0]):
        h0, h1, h2, h3 = bias[g, 0], bias[g, 1], bias[g, 2], bias[g, 3]
        for p in range(BLOCK):
            a0[p] = h0
            a1[p] = h1
            a2[p] = h2
            a3[p] = h3
        for j in range(0, last, TILE):
            c = tiles[g, j : j + TILE]
            c00, c01, c02, c03 = c[0, 0], c[0, 1], c[0, 2], c[0, 3]
            c10, c11, c12, c13 = c[1, 0], c[1, 1], c[1, 2], c[1, 3]
            c20, c21, c22, c23 = c[2, 0], c[2, 1], c[2, 2], c[2, 3]
            c30, c31, c32, c33 = c[3, 0], c[3, 1], c[3, 2], c[3, 3]
            for p in range(BLOCK):
                x0, x1, x2, x3 = (
                    vectors[j, p],
                    vectors[j + 1, p],
                    vectors[j + 2, p],
                    vectors[j + 3, p],
                )
                a0[p] = a0[p] + x0 * c00 + x1 * c10 + x2 * c20 + x3 * c30
                a1[p] = a1[p] + x0 * c01 + x1 * c11 + x2 * c21 + x3 * c31
                a2[p] = a2[p] + x0 * c02 + x1 * c12 + x2 * c22 + x3 * c32
                a3[p] = a3[p] + x0 * c03 + x1 * c13 + x2 * c23 + x3 * c33
        c = tiles[g, last : last + TILE]
        c00, c01, c02, c03 = c[0, 0], c[0, 1], c[0, 2], c[0, 3]
        c10, c11, c12, c13 = c[1, 0], c[1, 1], c[1, 2], c[1, 3]
        c20, c21, c22, c23 = c[2, 0], c[2, 1], c[2, 2], c[2, 3]
        c30, c31, c32, c33 = c[3, 0], c[3, 1], c[3, 2], c[3, 3]
        k0 = np.int32(TILE * g)
        for p in range(BLOCK):
            x0, x1, x2, x3 = (
                vectors[last, p],
                vectors[last + 1, p],
                vectors[last + 2, p],
                vectors[last + 3, p],
            )
            v0 = a0[p] + x0 * c00 + x1 * c10 + x2 * c20 + x3 * c30
            v1 = a1[p] + x0 * c01 + x1 * c11 + x2 * c21 + x3 * c31
            v2 = a2[p] + x0 * c02 + x1 * c12 + x2 * c22 + x3 * c32
            v3 = a3[p] + x0 * c03 + x1 * c13 + x2 * c23 + x3 * c33
            low, next_low, where = best[p], second[p], index[p]
            next_low = min(next_low, max(low, v0))
            where = k0 if v0 < low else where
            low = min(low, v0)
            next_low = min(next_low, max(low, v1))
            where = k0 + np.int32(1) if v1 < low else where
            low = min(low, v1)
            next_low = min(next_low, max(low, v2))
            where = k0 + np.int32(2) if v2 < low else where
            low = min(low, v2)
            next_low = min(next_low, max(low, v3))
            where = k0 + np.int32(3) if v3 < low else where
            low = min(low, v3)
            best[p] = low
            second[p] = next_low
            index[p] = where


@njit(error_model="numpy")
def _search_exactly(point, codebook, penalty):
    """Return the nearest codeword of one point in float64, the lower index at a tie."""
    best = np.inf
    where = 0
    for k in range(codebook.shape[0]):
        value = penalty[k]
        for j in range(codebook.shape[1]):
            difference = np.float64(point[j]) - codebook[k, j]
            value += difference * difference
        if value < best:
            best = value
            where = k
    return where


@njit(error_model="numpy")
def search(
    points,
    start,
    stop,
    origin,
    scale,
    tiles,
    bias,
    largest_norm,
    largest_bias,
    codebook,
    penalty,
    labels,
):
    """Write the nearest codewords of ``points[start:stop]`` to ``labels[:stop - start]``."""
    dimensions = points.shape[1]
    vectors = np.zeros((tiles.shape[1], BLOCK), np.float32)
    best, second = np.empty(BLOCK, np.float32), np.empty(BLOCK, np.float32)
    index = np.empty(BLOCK, np.int32)
    a0, a1 = np.empty(BLOCK, np.float32), np.empty(BLOCK, np.float32)
    a2, a3 = np.empty(BLOCK, np.float32), np.empty(BLOCK, np.float32)
    # Both values carry the rounding of the factors and of the sum of D products.
    unit = 2.0 * (tiles.shape[1] + 6) * 2.0**-24
    for first in range(start, stop, BLOCK):
        count = min(BLOCK, stop - first)
        for p in range(count):
            for j in range(dimensions):
                vectors[j, p] = np.float32((points[first + p, j] - origin[j]) * scale)
        _search_block(vectors, tiles, bias, best, second, index, a0, a1, a2, a3)
        for p in range(count):
            norm = np.float32(0.0)
            for j in range(dimensions):
                norm += vectors[j, p] * vectors[j, p]
            a0[p] = norm
        for p in range(count):
            margin = unit * (largest_bias + 1.01 * math.sqrt(a0[p]) * largest_norm)
            label = index[p]
            if not second[p] - best[p] > margin:
                label = _search_exactly(points[first + p], codebook, penalty)
            labels[first - start + p] = label


@njit(error_model="numpy")
def squared_distances(points, start, codebook, labels, distances):
    """Write the float64 squared distances of points from ``start`` on to their codewords."""
    for i in range(labels.shape[0]):
        total = 0.0
        k = labels[i]
        for j in range(points.shape[1]):
            difference = np.float64(points[start + i, j]) - codebook[k, j]
            total += difference * difference
        distances[i] = total


@njit(error_model="numpy")
def move(points, start, origin, weights, labels, new_labels, sums, counts):
    """Take points whose label changed out of their old cluster's sums and into the new one's.

    `labels` (negative: in no cluster yet) becomes `new_labels`; returns how many changed.
    `weights` is empty for equal weights.
    """
    changed = 0
    for i in range(new_labels.shape[0]):
        old, new = labels[start + i], new_labels[i]
        if old == new:
            continue
        changed += 1
        labels[start + i] = new
        weight = weights[start + i] if weights.shape[0] > 0 else 1.0
        counts[new] += weight
        for j in range(points.shape[1]):
            sums[new, j] += weight * (points[start + i, j] - origin[j])
        if old >= 0:
            counts[old] -= weight
            for j in range(points.shape[1]):
                sums[old, j] -= weight * (points[start + i, j] - origin[j])
    return changed
