# mypy: disable-error-code="no-untyped-def"
"""Kernels of the search for nearest codewords.

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

from vqcodec.cluster.blocks import BLOCK, GROUP, UNREACHED, search_block
from vqcodec.jit import njit


def tile_codebook(
    codebook: np.ndarray, penalty: np.ndarray, origin: np.ndarray, scale: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Lay a codebook out for `search`.

    Returns
    -------
    tiles : (G, D, 4) float32
        Negated codewords in the scaled frame, filled up to whole groups.
    bias : (G, 4) float32
        Half the squared norm plus the penalty; huge for codewords that only fill up a group.
    rows : (D, 4 G) float32
        The negated codewords transposed.
    """
    count, dimensions = codebook.shape
    groups = -(-count // GROUP)
    centred = (codebook - origin) * scale
    padded = np.zeros((groups * GROUP, dimensions), np.float32)
    padded[:count] = -centred
    tiles = np.ascontiguousarray(padded.reshape(groups, GROUP, -1).transpose(0, 2, 1))
    bias = np.full(groups * GROUP, UNREACHED, np.float32)
    bias[:count] = 0.5 * np.einsum("kd,kd->k", centred, centred) + 0.5 * scale * scale * penalty
    return tiles, bias.reshape(groups, GROUP), np.ascontiguousarray(padded.T)


@njit(error_model="numpy")
def _pack(block, origin, scale, vectors):
    """Lay a block of points out with one point in each lane."""
    if block.shape[1] <= 32:
        for j in range(block.shape[1]):
            for p in range(block.shape[0]):
                vectors[j, p] = (block[p, j] - origin[j]) * scale
    else:  # the rows are too far apart to be read down the columns
        for p in range(block.shape[0]):
            for j in range(block.shape[1]):
                vectors[j, p] = (block[p, j] - origin[j]) * scale


@njit(fastmath={"contract", "nnan", "nsz"}, error_model="numpy")
def _screen(vectors, lane, rows, bias, values):
    """Compute the values of one lane for all codewords once more, codewords side by side."""
    groups = bias.shape[0]
    for g in range(groups):
        for i in range(GROUP):
            values[g * GROUP + i] = bias[g, i]
    for j in range(rows.shape[0]):
        x = vectors[j, lane]
        for k in range(values.shape[0]):
            values[k] += rows[j, k] * x


@njit(error_model="numpy")
def _settle(point, columns, penalty, values, limit):
    """Return the nearest of the codewords up to a limit, in float64, the lower index at a tie."""
    best = np.inf
    where = 0
    for k in range(columns.shape[1]):
        if values[k] > limit:
            continue
        value = penalty[k]
        for j in range(columns.shape[0]):
            difference = np.float64(point[j]) - columns[j, k]
            value += difference * difference
        if value < best:
            best = value
            where = k
    return where


@njit(fastmath=True, error_model="numpy")
def _margins(vectors, best, margins):
    """Compute what `second - best` must exceed in each lane to be sure of the label.

    Let w be the codeword found, d its distance from x (with the penalty), and
    c a nearer one: then |x - c| <= d and |c| <= |x| + d =: R. The sum for
    either starts at |c|²/2 and, as x·c adds up, stays within R²/2 + d R + d²/2 of
    zero; each of its D + 1 roundings is 2^-24 of that at most. Rounding x and c
    themselves moves x·c by some 2^-24 |x| R.
    """
    terms = np.float32(vectors.shape[0] + 2)
    unit = np.float32(2.1 * 2.0**-24)
    vague = np.float32((vectors.shape[0] + 8) * 2.0**-21)
    tiny = np.float32(1e-35)  # what underflow may hide
    half = np.float32(0.5)
    for p in range(BLOCK):
        margins[p] = 0
    for j in range(vectors.shape[0]):
        for p in range(BLOCK):
            margins[p] += vectors[j, p] * vectors[j, p]
    for p in range(BLOCK):
        # The square of d is itself a difference of rounded values.
        square = max(margins[p] + np.float32(2) * best[p], np.float32(0)) + vague * margins[p]
        norm, distance = math.sqrt(margins[p]), math.sqrt(square)
        reach = norm + distance
        largest = half * (reach * reach + square) + distance * reach
        margins[p] = unit * (terms * largest + np.float32(3) * norm * reach) + tiny


@njit(error_model="numpy")
def search(points, start, stop, origin, scale, tiles, bias, rows, columns, penalty, labels):
    """Write the nearest codewords of ``points[start:stop]`` to ``labels[:stop - start]``.

    Returns how many points had to be searched in float64.
    """
    dimensions = points.shape[1]
    vectors = np.zeros((dimensions, BLOCK), np.float32)
    best, second = np.empty(BLOCK, np.float32), np.empty(BLOCK, np.float32)
    margins, index = np.empty(BLOCK, np.float32), np.empty(BLOCK, np.int32)
    screened = np.empty(rows.shape[1], np.float32)
    unsure = 0
    for first in range(start, stop, BLOCK):
        size = min(BLOCK, stop - first)
        _pack(points[first : first + size], origin, scale, vectors)
        search_block(vectors, tiles, bias, tiles.shape[0], dimensions, best, second, index)
        _margins(vectors, best, margins)
        for p in range(size):
            label = index[p]
            if not second[p] - best[p] > margins[p]:
                _screen(vectors, p, rows, bias, screened)
                limit = best[p] + margins[p]
                label = _settle(points[first + p], columns, penalty, screened, limit)
                unsure += 1
            labels[first - start + p] = label
    return unsure
