# mypy: disable-error-code="no-untyped-def"
"""Kernels of k-means++: how much each candidate would lower the distortion."""

from __future__ import annotations

import numpy as np

from vqcodec.jit import njit

LANES = 96  # points side by side; sums go by lane, so that they round alike on every machine


@njit(error_model="numpy")
def pack(points, origin, scale):
    """Lay points out as (blocks, d, LANES) float32; the last block repeats the last point."""
    count, dimensions = points.shape
    blocks = np.empty((-(-count // LANES), dimensions, LANES), np.float32)
    for b in range(blocks.shape[0]):
        for p in range(LANES):
            i = min(b * LANES + p, count - 1)
            for j in range(dimensions):
                blocks[b, j, p] = (points[i, j] - origin[j]) * scale
    return blocks


@njit(fastmath={"nnan", "nsz", "contract"}, error_model="numpy")
def _distances(block, candidate, sums):
    for p in range(LANES):
        sums[p] = 0
    for j in range(block.shape[0]):
        c = candidate[j]
        for p in range(LANES):
            difference = block[j, p] - c
            sums[p] += difference * difference


@njit(fastmath={"nnan", "nsz", "contract"}, error_model="numpy")
def potentials(blocks, first, stop, mass, nearest, candidates):
    """Return the distortion of some blocks of points if each candidate joined the codewords.

    `nearest` and `mass` (blocks, LANES) hold the squared distances to the
    codewords so far and the weights, zero in lanes without a point.
    """
    totals = np.zeros((candidates.shape[0], LANES))
    sums = np.empty(LANES, np.float32)
    for b in range(first, stop):
        for t in range(candidates.shape[0]):
            _distances(blocks[b], candidates[t], sums)
            for p in range(LANES):
                totals[t, p] += mass[b, p] * min(sums[p], nearest[b, p])
    return totals.sum(axis=1)


@njit(fastmath={"nnan", "nsz", "contract"}, error_model="numpy")
def lower(blocks, first, stop, mass, nearest, candidate):
    """Let a candidate join the codewords; return the distortion of these blocks."""
    totals = np.zeros(LANES)
    sums = np.empty(LANES, np.float32)
    for b in range(first, stop):
        _distances(blocks[b], candidate, sums)
        for p in range(LANES):
            nearest[b, p] = min(sums[p], nearest[b, p])
            totals[p] += mass[b, p] * nearest[b, p]
    return totals.sum()


@njit(error_model="numpy")
def locate(mass, nearest, first, stop, target):
    """Return the point at which the running sum of the potential passes `target`.

    A target beyond the sum, by rounding, gives the last point that has a potential.
    """
    running, last = 0.0, first * LANES
    for b in range(first, stop):
        for p in range(LANES):
            potential = np.float64(mass[b, p]) * nearest[b, p]
            if potential > 0.0:
                running += potential
                last = b * LANES + p
                if running > target:
                    return last
    return last
