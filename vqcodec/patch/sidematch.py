"""Side match as a probability model for the indices.

In side-match VQ (Kim 1992) the decoded neighbours tell which codewords are
likely: those whose upper row and left column continue the picture. Here the
border error becomes a probability instead of a short list. For codeword k

    P(k)  ~  f[k] * g[c][q(k)]

f counts how often k was used of late. q(k) is the class of k's border error
relative to the error that the neighbouring blocks had at their own borders
(the class c), and

    g[c][q]  =  P(the used codeword is of class q) / P(a codeword, drawn by f, is)

is the ratio of two counters, learned while coding. Encoder and decoder count
alike, in integers.

Codebooks of more than `GROUPS` codewords are coded in two steps by the same
rule: first a group of neighbours in the codebook (its mean stands for it), then
a codeword of the group. The groups stand before the codewords in every table:
columns ``0..groups`` are groups, the others are codewords.
"""

# Kernels are typed by what they are called with:
# mypy: disallow-untyped-defs=False, check-untyped-defs=False

from __future__ import annotations

import math
from typing import Any

import numpy as np

from vqcodec.jit import njit
from vqcodec.patch.blocks import PlaneShape

U = np.uint64
GROUPS = 1024
OCTAVES = 24  # classes c: octaves of the neighbours' border error
CLASSES = 16  # classes q: half the square root of the relative border error
_SHIFT = 8  # fraction bits of the ratios g
_MOST_RATIO = (1 << 16) - 1
_USE = 64  # what one use adds to f
_FRESH = 24  # f of a codeword not yet used
_TOTAL = 1 << 17  # the sum of f at which all are halved: f forgets after 2,000 blocks
_EVIDENCE = 1 << 17  # weight of the initial ratios
_STRIDE = 4  # of the codewords, every fourth in turn counts for g
_ROOTS = np.array([math.isqrt(i) for i in range(256)], np.uint32)


class Model:
    """Tables, counters and scratch space of one plane; the same in encoder and decoder.

    Attributes
    ----------
    groups, group_size : int
        0 groups if the codewords are coded in one step.
    table : (dimension, groups + K) ndarray of int32, or of int64 for 16-bit samples
    borders : (border length, groups + K) ndarray of int32
        Upper row, then left column, in units of 8-bit samples.
    """

    def __init__(
        self,
        codewords: np.ndarray,
        shape: PlaneShape,
        bits: int,
        frequencies: np.ndarray | None = None,
    ) -> None:
        codewords = codewords.astype(np.int64)
        count = len(codewords)
        size = -(-count // GROUPS)
        starts = np.arange(0, count, size)
        if frequencies is None:
            frequencies = np.full(count, _FRESH)
        sums = np.add.reduceat(frequencies.astype(np.int64), starts)
        if size > 1:
            sizes = np.diff(np.append(starts, count))[:, None]
            means = (np.add.reduceat(codewords, starts, axis=0) + sizes // 2) // sizes
            codewords = np.concatenate((means, codewords))
            frequencies = np.concatenate((sums, frequencies))
        self.groups = len(starts) if size > 1 else 0
        self.group_size = size
        self.table = np.ascontiguousarray(codewords.T, np.int32 if bits == 8 else np.int64)
        cut = codewords.reshape(len(codewords), *shape.block, shape.channels)
        sides = [cut[:, 0].reshape(len(cut), -1), cut[:, :, 0].reshape(len(cut), -1)]
        borders = np.concatenate(sides, 1) >> (bits - 8)
        self.borders = np.ascontiguousarray(borders.T, np.int32)
        self.frequencies = frequencies.astype(np.uint32)
        self.totals = np.append(sums.sum(), sums)
        decay = [max(1, round(_EVIDENCE * math.exp(-0.4 * q))) for q in range(CLASSES)]
        self.hits = np.tile(np.array(decay, np.int64), (2 * OCTAVES, 1))
        self.occurrences = np.full((2 * OCTAVES, CLASSES), _EVIDENCE, np.int64)
        self.ratios = ((self.hits << _SHIFT) // self.occurrences).astype(np.uint32)
        self.errors = np.zeros(len(cut), np.int32)
        self.classes = np.zeros(len(cut), np.uint32)
        self.weights = np.zeros(len(cut), np.uint32)
        # What the decoded neighbours leave behind: samples above and to the left,
        # and the border errors of the blocks above.
        width = shape.block[1] * shape.channels
        self.lower_row = np.zeros(shape.columns * width, np.int64)
        self.right_column = np.zeros(shape.block[0] * shape.channels, np.int64)
        self.upper = np.zeros(width, np.int32)
        self.left = np.zeros(shape.block[0] * shape.channels, np.int32)
        self.above = np.zeros(shape.columns, np.int64)

    def arrays(self) -> tuple[Any, ...]:
        """Return what the kernels take, in their order."""
        return (
            self.table, self.borders, self.groups, self.group_size, self.frequencies, self.totals,
            self.hits, self.occurrences, self.ratios, self.errors, self.classes, self.weights,
            self.lower_row, self.right_column, self.upper, self.left, self.above,
        )  # fmt: skip


@njit(_nrt=False)
def weigh(borders, first, last, upper, left, has_upper, has_left, octave, ratios, frequencies,
          errors, classes, weights):  # fmt: skip
    """Set errors, classes and weights of entries first..last; return the sum of the weights."""
    begin, end = U(first), U(last)  # unsigned: an index that cannot be negative is vectorised
    for k in range(begin, end):
        errors[k] = 0
    # A block at the edge has one neighbour: its error counts for both.
    scale = np.int32(1 if has_upper and has_left else 2)
    if has_upper:
        for j in range(upper.shape[0]):
            sample = upper[j]
            for k in range(begin, end):
                difference = np.int32(borders[j, k] - sample)
                errors[k] += np.int32(np.int32(difference * difference) * scale)
    if has_left:
        for j in range(left.shape[0]):
            sample = left[j]
            for k in range(begin, end):
                difference = np.int32(borders[upper.shape[0] + j, k] - sample)
                errors[k] += np.int32(np.int32(difference * difference) * scale)
    total = np.int64(0)
    shift = np.uint32(octave - 2)
    for k in range(begin, end):
        q = _ROOTS[min(np.uint32(255), np.uint32(errors[k]) >> shift)]
        weight = np.uint32(1 + (frequencies[k] * ratios[q] >> np.uint64(_SHIFT)))
        classes[k] = q
        weights[k] = weight
        total += np.int64(weight)
    return total


@njit(_nrt=False)
def learn(first, last, chosen, turn, total, frequencies, totals, classes, hits, occurrences,
          ratios):  # fmt: skip
    """Count a use of entry `chosen` of first..last; return whether their f were halved."""
    begin, end = U(first), U(last)
    # A quarter of the entries, another one each time, stands for all of them.
    stride = _STRIDE if last - first >= 64 else 1
    sampled = np.int64(0)
    for k in range(begin + U(turn % stride), end, U(stride)):
        occurrences[classes[k]] += np.int64(frequencies[k])
        sampled += np.int64(frequencies[k])
    hits[classes[chosen]] += sampled
    for q in range(CLASSES):
        ratios[q] = min((hits[q] << _SHIFT) // occurrences[q], _MOST_RATIO)
    frequencies[chosen] += np.uint32(_USE)
    totals[total] += _USE
    if totals[total] <= _TOTAL:
        return False
    halved = np.int64(0)
    for k in range(begin, end):
        frequencies[k] = (frequencies[k] + np.uint32(1)) >> np.uint32(1)
        halved += np.int64(frequencies[k])
    totals[total] = halved
    return True


@njit(_nrt=False)
def octave_of(above, before, columns, row, column, border):
    """Return the class c: the octave of the border errors of the decoded neighbours."""
    if row > 0 and column > 0:
        right = above[min(column + 1, columns - 1)]
        error = (3 * above[column] + 3 * before + 2 * right) >> 3
    elif row > 0:
        error = above[column]
    elif column > 0:
        error = before
    else:
        error = np.int64(0)
    error += 2 * border
    octave = 0
    while error >> (octave + 1) > 0:
        octave += 1
    return min(max(octave, 2), OCTAVES - 1)


@njit(_nrt=False)
def look_around(lower_row, right_column, means, row, column, shift, upper, left):
    """Copy the decoded samples above and to the left, less this block's means if removed."""
    channels = means.shape[2]
    for j in range(upper.shape[0]):
        offset = means[row, column, j % channels] if channels else 0
        upper[j] = (lower_row[column * upper.shape[0] + j] - offset) >> shift
    for j in range(left.shape[0]):
        offset = means[row, column, j % channels] if channels else 0
        left[j] = (right_column[j] - offset) >> shift


@njit(_nrt=False)
def leave_behind(table, entry, means, row, column, channels, peak, lower_row, right_column):
    """Keep the lower row and the right column of the block just decoded."""
    dimension = table.shape[0]
    lines = right_column.shape[0] // channels
    width = dimension // lines
    removed = means.shape[2] > 0
    for j in range(width):
        value = np.int64(table[dimension - width + j, entry])
        if removed:
            value = min(max(value + means[row, column, j % channels], 0), peak)
        lower_row[column * width + j] = value
    for j in range(right_column.shape[0]):
        value = np.int64(table[j // channels * width + width - channels + j % channels, entry])
        if removed:
            value = min(max(value + means[row, column, j % channels], 0), peak)
        right_column[j] = value


# --- block means --------------------------------------------------------------

MEAN_CONTEXTS = 8


@njit(_nrt=False)
def mean_context(means, row, column, channel):
    """Predict a block mean from its neighbours' (Martucci's median), and rate the prediction."""
    if row == 0 and column == 0:
        return np.int64(0), 0
    if row == 0:
        return means[row, column - 1, channel], 1
    if column == 0:
        return means[row - 1, column, channel], 1
    a = means[row, column - 1, channel]
    b = means[row - 1, column, channel]
    c = means[row - 1, column - 1, channel]
    prediction = max(min(a, b), min(max(a, b), a + b - c))
    activity = abs(a - c) + abs(b - c)
    context = 2
    while activity > 2 and context < MEAN_CONTEXTS - 1:
        activity >>= 1
        context += 1
    return prediction, context
