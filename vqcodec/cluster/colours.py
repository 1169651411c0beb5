# mypy: disable-error-code="no-untyped-def"
"""Nearest codewords of colours that lie along a curve: few codewords come into question.

Consecutive colours fill a small box. Codewords that are nearest nowhere in it are
left out, by the bisectors of Kanungo et al. (2002): first for an area of several
cells, then for each cell, whose colours then meet the handful that is left.
All coordinates are taken from the centre of the area, where colours are exact
in float32; near ties are settled in float64.

The kernels have three dimensions written out, which doubles their speed; where
colours have fewer, the rest is zero.
"""

from __future__ import annotations

import numpy as np

from vqcodec.cluster.blocks import BLOCK, GROUP, UNREACHED, search_block
from vqcodec.jit import njit

CELL = 96  # colours; blocks of every machine divide it
_AREA = 8  # cells


@njit(error_model="numpy")
def bounding_boxes(points):
    """Return the (cells, 2, 3) lowest and highest values of every cell of 8-bit points."""
    cells = -(-points.shape[0] // CELL)
    boxes = np.zeros((cells, 2, 3), points.dtype)
    for cell in range(cells):
        first, stop = cell * CELL, min((cell + 1) * CELL, points.shape[0])
        for j in range(points.shape[1]):
            low = high = points[first, j]
            for i in range(first + 1, stop):
                low, high = min(low, points[i, j]), max(high, points[i, j])
            boxes[cell, 0, j], boxes[cell, 1, j] = low, high
    return boxes


@njit(fastmath=True, error_model="numpy")
def _keep_candidates(codewords, count, centre, half_width, squares, excess, candidates):
    """List which of `count` codewords (3, K) may be nearest in a box; return how many.

    With w nearest to the box's centre m, codeword c is out when the bisector of
    c and w passes the box by: |m - c|² - |m - w|² > 2 Σ_j half_width_j |c_j - w_j|.
    """
    least = np.float32(UNREACHED)
    for k in range(np.uint64(count)):
        x, y, z = (
            codewords[0, k] - centre[0],
            codewords[1, k] - centre[1],
            codewords[2, k] - centre[2],
        )
        squares[k] = x * x + y * y + z * z
        least = min(least, squares[k])
    nearest = 0
    while squares[nearest] > least:
        nearest += 1
    x, y, z = codewords[0, nearest], codewords[1, nearest], codewords[2, nearest]
    for k in range(np.uint64(count)):
        spread = (
            half_width[0] * abs(codewords[0, k] - x)
            + half_width[1] * abs(codewords[1, k] - y)
            + half_width[2] * abs(codewords[2, k] - z)
        )
        # The allowances are far above the rounding of all terms.
        allowed = np.float32(1e-5) * (squares[k] + spread) + np.float32(1e-3)
        excess[k] = squares[k] - least - np.float32(2) * spread - allowed
    kept = 0
    for k in range(count):
        candidates[kept] = k
        kept += excess[k] <= 0
    return kept


@njit(error_model="numpy")
def _lay_out(codewords, candidates, kept, tiles, bias):
    """Write the tiles of some codewords; return the number of groups."""
    groups = -(-kept // GROUP)
    for i in range(groups * GROUP):
        group, lane = i // GROUP, i % GROUP
        bias[group, lane] = UNREACHED
        if i < kept:
            k = candidates[i]
            x, y, z = codewords[0, k], codewords[1, k], codewords[2, k]
            tiles[group, 0, lane], tiles[group, 1, lane], tiles[group, 2, lane] = -x, -y, -z
            bias[group, lane] = np.float32(0.5) * (x * x + y * y + z * z)
    return groups


@njit(error_model="numpy")
def _settle(points, i, columns, candidates, kept):
    """Return the nearest of the candidates, in float64, the lower index at a tie."""
    best = np.inf
    where = 0
    for n in range(kept):
        value = 0.0
        for j in range(points.shape[1]):
            difference = np.float64(points[i, j]) - columns[j, candidates[n]]
            value += difference * difference
        if value < best:
            best = value
            where = candidates[n]
    return where


@njit(error_model="numpy")
def search_cells(points, start, stop, boxes, columns, labels):
    """Write the nearest codewords of ``points[start:stop]`` to ``labels[:stop - start]``.

    Cells begin at `start`; `columns` (3, K) are the codewords. Returns how many
    points had to be searched in float64.
    """
    count = columns.shape[1]
    listed, candidates = np.empty(count + 1, np.int32), np.empty(count + 1, np.int32)
    away, near = np.empty((3, count), np.float32), np.empty((3, count), np.float32)
    squares, excess = np.empty(count, np.float32), np.empty(count, np.float32)
    groups = -(-count // GROUP)
    tiles = np.zeros((groups, 3, GROUP), np.float32)  # what fills a group up must be finite
    bias = np.empty((groups, GROUP), np.float32)
    vectors = np.zeros((3, BLOCK), np.float32)
    best, second = np.empty(BLOCK, np.float32), np.empty(BLOCK, np.float32)
    index = np.empty(BLOCK, np.int32)
    origin, centre = np.empty(3, np.float32), np.empty(3, np.float32)
    half_width = np.empty(3, np.float32)
    unsure = 0
    last = -(-stop // CELL)
    for area in range(start // CELL, last, _AREA):
        cells = min(_AREA, last - area)
        radius = np.float32(0)
        for j in range(3):
            low, high = boxes[area, 0, j], boxes[area, 1, j]
            for cell in range(area + 1, area + cells):
                low, high = min(low, boxes[cell, 0, j]), max(high, boxes[cell, 1, j])
            middle = 0.5 * (np.float64(low) + high)
            origin[j], half_width[j] = middle, np.float64(high) - middle
            radius += half_width[j] * half_width[j]
            centre[j] = 0
            for k in range(np.uint64(count)):
                away[j, k] = columns[j, k] - middle
        total = _keep_candidates(away, count, centre, half_width, squares, excess, listed)
        reach = np.float32(0)
        for i in range(total):
            reach = max(reach, squares[listed[i]])
            for j in range(3):
                near[j, i] = away[j, listed[i]]
        # Rounding c, |c|²/2 and the sums, each of at most |c|²/2 + |x||c|, of two codewords.
        margin = np.float32(2.0**-19) * (reach + radius)
        for cell in range(area, area + cells):
            first, end = cell * CELL, min((cell + 1) * CELL, stop)
            for j in range(3):
                low, high = np.float32(boxes[cell, 0, j]), np.float32(boxes[cell, 1, j])
                half_width[j] = np.float32(0.5) * (high - low)
                centre[j] = low + half_width[j] - origin[j]
            kept = _keep_candidates(near, total, centre, half_width, squares, excess, candidates)
            if kept == 1:
                labels[first - start : end - start] = listed[candidates[0]]
                continue
            groups = _lay_out(near, candidates, kept, tiles, bias)
            for i in range(kept):
                candidates[i] = listed[candidates[i]]
            for begin in range(first, end, BLOCK):
                size, at = min(BLOCK, end - begin), np.uint64(begin - start)
                for j in range(points.shape[1]):
                    for p in range(np.uint64(size)):
                        vectors[j, p] = np.float32(points[np.uint64(begin) + p, j]) - origin[j]
                search_block(vectors, tiles, bias, groups, 3, best, second, index)
                close = 0
                for p in range(np.uint64(size)):
                    labels[at + p] = candidates[np.uint64(index[p])]
                    close += second[p] - best[p] <= margin
                if close:
                    for p in range(size):
                        if second[p] - best[p] <= margin:
                            nearest = _settle(points, begin + p, columns, candidates, kept)
                            labels[begin - start + p] = nearest
                            unsure += 1
    return unsure
