# mypy: disable-error-code="no-untyped-def"
"""Kernels of k-means++: how much each candidate would lower the distortion.

Points are worked on in blocks laid out for SIMD. A copy of all of them in this
layout is worth its memory where vectors are long; short ones are laid out anew
in each pass.
"""

from __future__ import annotations

import numpy as np

from vqcodec.cluster.blocks import GROUP, WIDTH, distances_of_group, distances_of_one
from vqcodec.jit import njit

LANES = WIDTH  # points side by side; sums go by lane, so that they round alike on every machine
LONG = 4  # dimensions from which on a copy is worth its memory


@njit(error_model="numpy")
def lay_out(points, b, origin, scale, block):
    """Lay block `b` of the points out as (d, LANES) float32; the last point fills it up."""
    dimensions = points.shape[1]
    first = np.uint64(b * LANES)
    if (b + 1) * LANES > points.shape[0]:
        last = points.shape[0] - 1
        for j in range(dimensions):
            for p in range(LANES):
                block[j, p] = (points[min(b * LANES + p, last), j] - origin[j]) * scale
    elif dimensions <= 8:
        for j in range(dimensions):
            for p in range(np.uint64(LANES)):
                block[j, p] = (points[first + p, j] - origin[j]) * scale
    else:  # the rows are too far apart to be read down the columns
        for p in range(np.uint64(LANES)):
            for j in range(dimensions):
                block[j, p] = (points[first + p, j] - origin[j]) * scale


@njit(error_model="numpy")
def copy_blocks(points, origin, scale):
    """Return all points as (blocks, d, LANES) float32."""
    blocks = np.empty((-(-points.shape[0] // LANES), points.shape[1], LANES), np.float32)
    for b in range(blocks.shape[0]):
        lay_out(points, b, origin, scale, blocks[b])
    return blocks


@njit(fastmath={"nnan", "nsz", "contract"}, error_model="numpy")
def potentials(points, origin, scale, blocks, first, stop, mass, nearest, candidates):
    """Return the distortion of some blocks of points if each candidate joined the codewords.

    `nearest` (blocks, LANES) holds the squared distances to the codewords so far,
    zero in lanes without a point, and `mass` the weights, if there are any;
    `blocks` is empty where points are to be laid out here.
    """
    count, dimensions = candidates.shape
    groups = -(-count // GROUP)
    tiles = np.zeros((groups, dimensions, GROUP), np.float32)
    for t in range(count):
        for j in range(dimensions):
            tiles[t // GROUP, j, t % GROUP] = candidates[t, j]
    totals = np.zeros((groups * GROUP, LANES))
    distances = np.empty((GROUP, LANES), np.float32)
    block = np.empty((dimensions, LANES), np.float32)
    for b in range(first, stop):
        if blocks.shape[0] > 0:
            block = blocks[b]
        else:
            lay_out(points, b, origin, scale, block)
        for g in range(groups):
            distances_of_group(block, tiles[g], dimensions, distances)
            for t in range(GROUP):
                if mass.shape[0] > 0:
                    for p in range(LANES):
                        totals[g * GROUP + t, p] += mass[b, p] * min(distances[t, p], nearest[b, p])
                else:
                    for p in range(LANES):
                        totals[g * GROUP + t, p] += min(distances[t, p], nearest[b, p])
    potential = np.zeros(count)
    for t in range(count):
        for p in range(LANES):
            potential[t] += totals[t, p]
    return potential


@njit(fastmath={"nnan", "nsz", "contract"}, error_model="numpy")
def lower(points, origin, scale, blocks, first, stop, mass, nearest, candidate):
    """Let a candidate join the codewords; return the distortion of these blocks."""
    totals = np.zeros(LANES)
    newest = candidate.reshape(-1, 1)
    distances = np.empty((1, LANES), np.float32)
    block = np.empty((points.shape[1], LANES), np.float32)
    for b in range(first, stop):
        if blocks.shape[0] > 0:
            block = blocks[b]
        else:
            lay_out(points, b, origin, scale, block)
        distances_of_one(block, newest, points.shape[1], distances)
        for p in range(LANES):
            nearest[b, p] = min(distances[0, p], nearest[b, p])
        for p in range(LANES):
            totals[p] += mass[b, p] * nearest[b, p] if mass.shape[0] > 0 else nearest[b, p]
    potential = 0.0
    for p in range(LANES):
        potential += totals[p]
    return potential


@njit(error_model="numpy")
def locate(mass, nearest, first, stop, target):
    """Return the point at which the running sum of the potential passes `target`.

    A target beyond the sum, by rounding, gives the last point that has a potential.
    """
    running, last = 0.0, first * LANES
    for b in range(first, stop):
        for p in range(LANES):
            weight = np.float64(mass[b, p]) if mass.shape[0] > 0 else 1.0
            potential = weight * nearest[b, p]
            if potential > 0.0:
                running += potential
                last = b * LANES + p
                if running > target:
                    return last
    return last
