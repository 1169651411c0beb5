"""Entropy coding of the index plane: side match as a probability model.

In side-match VQ (Kim 1992) the decoded neighbours tell which codewords are
likely: those whose upper row and left column continue the picture. Here the
border error becomes a probability instead of a short list. For codeword k

    P(k)  ~  f[k] * g[c][q(k)]

f counts how often k was used of late. q(k) is the class of k's border error
relative to the error that the neighbouring blocks had at their own borders
(the class c), and

    g[c][q]  =  P(the used codeword is of class q) / P(a codeword, drawn by f, is)

is the ratio of two counters, learned while coding. Encoder and decoder count
alike, in integers. The encoder picks, block by block, the index that minimises
squared error + lambda * bits under that very model: entropy-constrained VQ
(Chou, Lookabaugh and Gray 1989) with conditional code lengths.

Codebooks of more than `GROUPS` codewords are searched in two steps by the same
rule: first a group of neighbours in the codebook (its mean stands for it), then
a codeword of the group.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from vqcodec.jit import njit
from vqcodec.patch.blocks import PlaneShape
from vqcodec.rangecoder import (
    decode_signed,
    decode_symbol,
    decode_target,
    decoder_state,
    encode_signed,
    encode_symbol,
    encoder_state,
    finish,
    new_contexts,
    overflowed,
)

GROUPS = 1024
_CANDIDATES = 8  # groups whose codewords the encoder tries
_OCTAVES = 24  # classes c: octaves of the neighbours' border error
_CLASSES = 16  # classes q: half the square root of the relative border error
_SHIFT = 8  # fraction bits of the ratios g
_MOST_RATIO = (1 << 16) - 1
_USE = 64  # what one use adds to f
_FRESH = 24  # f of a codeword not yet used
_TOTAL = 1 << 17  # the sum of f at which all are halved: f forgets after 2,000 blocks
_EVIDENCE = 1 << 17  # weight of the initial ratios
_STRIDE = 4  # of the codewords, every fourth in turn counts for g
_ROOTS = np.array([math.isqrt(i) for i in range(256)], np.uint32)
_COST_SHIFT = 6  # fraction bits of the encoder's costs
# log2 in 1/65536, rounded, so that the encoder decides alike on every machine.
_LOG2 = np.rint(np.log2(np.maximum(np.arange(1 << 16), 1)) * 65536) / 65536
_MEAN_CONTEXTS = 8
_NUMBER = 65  # contexts of one signed number


@dataclass(frozen=True)
class Tables:
    """A plane's codebook in the layouts that the kernels read (columns are codewords)."""

    codewords: np.ndarray  # (dimension, K)
    borders: np.ndarray  # (border length, K) int32: upper row, then left column
    group_codewords: np.ndarray  # (dimension, groups)
    group_borders: np.ndarray
    group_size: int

    @classmethod
    def of(cls, codewords: np.ndarray, shape: PlaneShape, bits: int) -> Tables:
        """Lay out integer codewords (K, dimension) of samples of 8 or 16 bits."""
        count = len(codewords)
        size = -(-count // GROUPS)
        starts = np.arange(0, count, size)
        sums = np.add.reduceat(codewords.astype(np.int64), starts, axis=0)
        sizes = np.diff(np.append(starts, count))[:, None]
        means = (sums + sizes // 2) // sizes
        dtype = np.int32 if bits == 8 else np.int64
        return cls(
            np.ascontiguousarray(codewords.T, dtype),
            _borders(codewords, shape, bits),
            np.ascontiguousarray(means.T, dtype),
            _borders(means, shape, bits),
            size,
        )


def _borders(codewords: np.ndarray, shape: PlaneShape, bits: int) -> np.ndarray:
    cut = codewords.reshape(len(codewords), *shape.block, shape.channels)
    upper = cut[:, 0].reshape(len(cut), -1)
    left = cut[:, :, 0].reshape(len(cut), -1)
    borders = np.concatenate((upper, left), 1).astype(np.int64) >> (bits - 8)
    return np.ascontiguousarray(borders.T, np.int32)


class _Model:
    """The adaptive state of one plane, and scratch space; the same in encoder and decoder."""

    def __init__(self, tables: Tables, frequencies: np.ndarray | None) -> None:
        count = tables.codewords.shape[1]
        groups = tables.group_codewords.shape[1]
        if frequencies is None:
            frequencies = np.full(count, _FRESH)
        self.frequencies = frequencies.astype(np.uint32)
        starts = np.arange(0, count, tables.group_size)
        self.totals = np.add.reduceat(frequencies.astype(np.int64), starts)
        self.group_frequencies = self.totals.astype(np.uint32)
        self.group_totals = self.totals.sum(keepdims=True)
        decay = [max(1, round(_EVIDENCE * math.exp(-0.4 * q))) for q in range(_CLASSES)]
        self.hits = np.tile(np.array(decay, np.int64), (2 * _OCTAVES, 1))
        self.occurrences = np.full((2 * _OCTAVES, _CLASSES), _EVIDENCE, np.int64)
        self.ratios = ((self.hits << _SHIFT) // self.occurrences).astype(np.uint32)
        self.contexts = new_contexts(_MEAN_CONTEXTS * _NUMBER)
        self.errors = np.zeros(max(count, groups), np.int32)
        self.classes = np.zeros(max(count, groups), np.uint32)
        self.weights = np.zeros(max(count, groups), np.uint32)

    def arrays(self) -> tuple[np.ndarray, ...]:
        return (
            self.frequencies,
            self.group_frequencies,
            self.totals,
            self.group_totals,
            self.hits,
            self.occurrences,
            self.ratios,
            self.contexts,
            self.errors,
            self.classes,
            self.weights,
        )


def _tables(tables: Tables) -> tuple[np.ndarray | int, ...]:
    return (tables.borders, tables.group_borders, tables.group_size)


# --- both directions ----------------------------------------------------------


@njit
def _weigh(borders, first, last, upper, left, has_upper, has_left, octave, ratios, frequencies,
           errors, classes, weights):  # fmt: skip
    """Set errors, classes and weights of codewords first..last; return the weights' sum."""
    for k in range(first, last):
        errors[k] = 0
    # A block at the edge has one neighbour: its error counts for both.
    scale = np.int32(1 if has_upper and has_left else 2)
    if has_upper:
        for j in range(upper.shape[0]):
            sample = upper[j]
            for k in range(first, last):
                difference = np.int32(borders[j, k] - sample)
                errors[k] += np.int32(np.int32(difference * difference) * scale)
    if has_left:
        for j in range(left.shape[0]):
            sample = left[j]
            for k in range(first, last):
                difference = np.int32(borders[upper.shape[0] + j, k] - sample)
                errors[k] += np.int32(np.int32(difference * difference) * scale)
    total = 0
    shift = np.uint32(octave - 2)
    for k in range(first, last):
        q = _ROOTS[min(np.uint32(255), np.uint32(errors[k]) >> shift)]
        weight = np.uint32(1 + (frequencies[k] * ratios[q] >> np.uint64(_SHIFT)))
        classes[k] = q
        weights[k] = weight
        total += np.int64(weight)
    return total


@njit
def _learn(first, last, chosen, turn, frequencies, totals, group, classes, hits, occurrences,
           ratios):  # fmt: skip
    """Count one use of a codeword among first..last; return whether f was halved."""
    # A quarter of the codewords, another one each time, stands for all of them.
    stride = _STRIDE if last - first >= 64 else 1
    sampled = np.int64(0)
    for k in range(first + turn % stride, last, stride):
        occurrences[classes[k]] += np.int64(frequencies[k])
        sampled += np.int64(frequencies[k])
    hits[classes[chosen]] += sampled
    for q in range(_CLASSES):
        ratios[q] = min((hits[q] << _SHIFT) // occurrences[q], _MOST_RATIO)
    frequencies[chosen] += np.uint32(_USE)
    totals[group] += _USE
    if totals[group] <= _TOTAL:
        return False
    total = np.int64(0)
    for k in range(first, last):
        frequencies[k] = (frequencies[k] + np.uint32(1)) >> np.uint32(1)
        total += np.int64(frequencies[k])
    totals[group] = total
    return True


@njit
def _octave(above, before, columns, row, column, border):
    """Return the class c: the octave of the border errors of the decoded neighbours."""
    if row > 0 and column > 0:
        right = above[min(column + 1, columns - 1)]
        error = (3 * above[column] + 3 * before + 2 * right) >> 3
    elif row > 0:
        error = above[column]
    elif column > 0:
        error = before
    else:
        error = 0
    error += 2 * border
    octave = 0
    while error >> (octave + 1) > 0:
        octave += 1
    return min(max(octave, 2), _OCTAVES - 1)


@njit
def _mean_context(means, row, column, channel):
    """Predict a block mean from its neighbours' (Martucci's median), and rate the prediction."""
    if row == 0 and column == 0:
        return 0, 0
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
    while activity > 2 and context < _MEAN_CONTEXTS - 1:
        activity >>= 1
        context += 1
    return prediction, context


@njit
def _border_of_neighbours(lower_row, right_column, means, row, column, width, channels, shift,
                          upper, left):  # fmt: skip
    """Copy the decoded samples above and to the left, less this block's means if removed."""
    removed = means.shape[0] > 0
    start = column * width
    for j in range(width):
        offset = means[row, column, j % channels] if removed else 0
        upper[j] = (lower_row[start + j] - offset) >> shift
    for j in range(left.shape[0]):
        offset = means[row, column, j % channels] if removed else 0
        left[j] = (right_column[j] - offset) >> shift


@njit
def _remember(codewords, chosen, means, row, column, width, channels, peak, lower_row,
              right_column):  # fmt: skip
    """Keep the lower row and the right column of the block just decoded."""
    removed = means.shape[0] > 0
    dimension = codewords.shape[0]
    start = column * width
    for j in range(width):
        value = codewords[dimension - width + j, chosen]
        if removed:
            value = min(max(value + means[row, column, j % channels], 0), peak)
        lower_row[start + j] = value
    for j in range(right_column.shape[0]):
        i = j // channels * width + width - channels + j % channels
        value = codewords[i, chosen]
        if removed:
            value = min(max(value + means[row, column, j % channels], 0), peak)
        right_column[j] = value


# --- forward ------------------------------------------------------------------


@njit
def _log2(value):
    """Return log2 of a positive integer; by table, so that it is the same on every machine."""
    bits = 0.0
    while value >= 1 << 16:
        value >>= 1
        bits += 1.0
    return bits + _LOG2[value]


@njit
def _prices(frequencies, first, last, scale, prices):
    """Set the cost of the factor f of codewords first..last."""
    for k in range(first, last):
        prices[k] = np.int64(-scale * _log2(np.int64(frequencies[k])))


@njit
def _distortions(codewords, first, last, vector, distortions):
    for k in range(first, last):
        distortions[k] = 0
    for j in range(vector.shape[0]):
        sample = vector[j]
        for k in range(first, last):
            difference = codewords[j, k] - sample
            distortions[k] += difference * difference


@njit
def _best(first, last, distortions, prices, classes, class_prices, costs):
    """Return the cheapest codeword of first..last, and its cost."""
    best = np.int64(np.iinfo(np.int64).max)
    for k in range(first, last):
        cost = (np.int64(distortions[k]) << _COST_SHIFT) + prices[k] + class_prices[classes[k]]
        costs[k] = cost
        best = min(best, cost)
    for k in range(first, last):
        if costs[k] == best:
            return k, best
    return first, best


@njit
def _search_groups(costs, groups, group_size, count, codewords, borders, vector, upper, left,
                   has_upper, has_left, octave, ratios, frequencies, errors, classes, weights,
                   distortions, prices, scale, group_rates):  # fmt: skip
    """Return the group of the cheapest codeword among those of the cheapest groups."""
    class_prices = np.zeros(_CLASSES, np.int64)
    for q in range(_CLASSES):
        class_prices[q] = np.int64(-scale * _log2(np.int64(ratios[q]) + 1))
    group_costs = costs[:groups].copy()
    best, found = np.int64(np.iinfo(np.int64).max), 0
    for _ in range(min(_CANDIDATES, groups)):
        group = 0
        for g in range(groups):
            if group_costs[g] < group_costs[group]:
                group = g
        first, last = group * group_size, min((group + 1) * group_size, count)
        total = _weigh(borders, first, last, upper, left, has_upper, has_left, octave, ratios,
                       frequencies, errors, classes, weights)  # fmt: skip
        _distortions(codewords, first, last, vector, distortions)
        _, cost = _best(first, last, distortions, prices, classes, class_prices, costs)
        rate_of_total = np.int64(scale * _log2(total))
        if cost + rate_of_total + group_rates[group] < best:
            best = cost + rate_of_total + group_rates[group]
            found = group
        group_costs[group] = np.int64(np.iinfo(np.int64).max)
    return found


@njit
def _put_symbol(state, buffer, weights, first, chosen, total):
    start = 0
    for k in range(first, chosen):
        start += np.int64(weights[k])
    encode_symbol(state, buffer, start, weights[chosen], total)


@njit
def _encode(plane, means, codewords, group_codewords, borders, group_borders, group_size,
            frequencies, group_frequencies, totals, group_totals, hits, occurrences, ratios,
            contexts, errors, classes, weights, distortions, lagrangian, given, peak,
            block_height, indices, state, buffer):  # fmt: skip
    rows, columns = indices.shape
    dimension, count = codewords.shape
    groups = group_codewords.shape[1]
    channels = plane.shape[2]
    width = dimension // block_height
    block_width = width // channels
    shift = 8 if peak > 255 else 0
    removed = means.shape[0] > 0
    lower_row = np.zeros(columns * width, np.int64)
    right_column = np.zeros(block_height * channels, np.int64)
    upper = np.zeros(width, np.int32)
    left = np.zeros(block_height * channels, np.int32)
    above = np.zeros(columns, np.int64)
    vector = np.zeros(dimension, codewords.dtype)
    group_weights = np.zeros(groups, np.uint32)
    group_classes = np.zeros(groups, np.uint32)
    group_distortions = np.zeros(groups, distortions.dtype)
    # Costs are integers: squared error + lambda * bits, with fraction bits.
    scale = lagrangian * (1 << _COST_SHIFT)
    class_prices = np.zeros(_CLASSES, np.int64)
    prices = np.zeros(count, np.int64)
    group_prices = np.zeros(groups, np.int64)
    costs = np.zeros(max(count, groups), np.int64)
    group_rates = np.zeros(groups, np.int64)
    _prices(frequencies, 0, count, scale, prices)
    _prices(group_frequencies, 0, groups, scale, group_prices)
    turn = 0
    for row in range(rows):
        before = 0
        for column in range(columns):
            if removed:
                for channel in range(channels):
                    prediction, context = _mean_context(means, row, column, channel)
                    encode_signed(state, buffer, contexts, context * _NUMBER,
                                  means[row, column, channel] - prediction)  # fmt: skip
            for j in range(dimension):
                line = j // width
                place = column * block_width + j % width // channels
                sample = np.int64(plane[row * block_height + line, place, j % channels])
                if removed:
                    sample -= means[row, column, j % channels]
                vector[j] = sample
            _border_of_neighbours(lower_row, right_column, means, row, column, width, channels,
                                  shift, upper, left)  # fmt: skip
            c = _octave(above, before, columns, row, column, upper.shape[0] + left.shape[0])
            first, last, group, chosen = 0, count, 0, np.int64(indices[row, column])
            turn += 1
            if groups > 1:
                g = _OCTAVES + c
                total = _weigh(group_borders, 0, groups, upper, left, row > 0, column > 0, c,
                               ratios[g], group_frequencies, errors, group_classes,
                               group_weights)  # fmt: skip
                group = chosen // group_size
                if not given:
                    _distortions(group_codewords, 0, groups, vector, group_distortions)
                    for q in range(_CLASSES):
                        class_prices[q] = np.int64(-scale * _log2(np.int64(ratios[g, q]) + 1))
                    _best(0, groups, group_distortions, group_prices, group_classes, class_prices,
                          costs)  # fmt: skip
                    for k in range(groups):
                        group_rates[k] = group_prices[k] + class_prices[group_classes[k]]
                    group = _search_groups(
                        costs, groups, group_size, count, codewords, borders, vector, upper, left,
                        row > 0, column > 0, c, ratios[c], frequencies, errors, classes, weights,
                        distortions, prices, scale, group_rates,
                    )  # fmt: skip
                _put_symbol(state, buffer, group_weights, 0, group, total)
                if _learn(0, groups, group, turn, group_frequencies, group_totals, 0,
                          group_classes, hits[g], occurrences[g], ratios[g]):  # fmt: skip
                    _prices(group_frequencies, 0, groups, scale, group_prices)
                else:
                    _prices(group_frequencies, group, group + 1, scale, group_prices)
                first, last = group * group_size, min((group + 1) * group_size, count)
            total = _weigh(borders, first, last, upper, left, row > 0, column > 0, c, ratios[c],
                           frequencies, errors, classes, weights)  # fmt: skip
            if not given:
                _distortions(codewords, first, last, vector, distortions)
                for q in range(_CLASSES):
                    class_prices[q] = np.int64(-scale * _log2(np.int64(ratios[c, q]) + 1))
                chosen, _ = _best(first, last, distortions, prices, classes, class_prices, costs)
            _put_symbol(state, buffer, weights, first, chosen, total)
            above[column] = before = errors[chosen]
            if _learn(first, last, chosen, turn, frequencies, totals, group, classes, hits[c],
                      occurrences[c], ratios[c]):  # fmt: skip
                _prices(frequencies, first, last, scale, prices)
            else:
                _prices(frequencies, chosen, chosen + 1, scale, prices)
            _remember(codewords, chosen, means, row, column, width, channels, peak, lower_row,
                      right_column)  # fmt: skip
            indices[row, column] = chosen


def encode_indices(
    padded: np.ndarray,
    means: np.ndarray,
    codewords: np.ndarray,
    shape: PlaneShape,
    lagrangian: float,
    frequencies: np.ndarray | None = None,
) -> tuple[bytes, np.ndarray]:
    """Choose and code the indices of a plane.

    Parameters
    ----------
    padded : (rows * block height, columns * block width, channels) ndarray
        Samples, uint8 or uint16, whole blocks.
    means : (rows, columns, channels) ndarray of int64
        Block means to be coded and removed, or an empty array of rank 3.
    codewords : (K, dimension) ndarray of integers
    shape : PlaneShape
    lagrangian : float
        Squared error that a bit is worth; 0 picks the nearest codeword.
    frequencies : (K,) ndarray of positive integers, optional
        What a trained codebook knows of how often its codewords are used.

    Returns
    -------
    stream : bytes
    indices : (rows, columns) ndarray of int32
    """
    indices = np.zeros((shape.rows, shape.columns), np.int32)
    stream = _run(padded, means, codewords, shape, lagrangian, False, indices, frequencies)
    return stream, indices


def encode_given(
    indices: np.ndarray,
    means: np.ndarray,
    codewords: np.ndarray,
    shape: PlaneShape,
    bits: int,
    frequencies: np.ndarray | None = None,
) -> bytes:
    """Code indices that have been chosen; see `encode_indices`."""
    height, width = shape.rows * shape.block[0], shape.columns * shape.block[1]
    dtype = np.uint8 if bits == 8 else np.uint16
    padded = np.zeros((height, width, shape.channels), dtype)
    return _run(padded, means, codewords, shape, 0.0, True, indices.astype(np.int32), frequencies)


def _run(
    padded: np.ndarray,
    means: np.ndarray,
    codewords: np.ndarray,
    shape: PlaneShape,
    lagrangian: float,
    given: bool,
    indices: np.ndarray,
    frequencies: np.ndarray | None,
) -> bytes:
    bits = 8 * padded.itemsize
    tables = Tables.of(codewords, shape, bits)
    distortions = np.zeros(max(tables.codewords.shape), tables.codewords.dtype)
    capacity = 64 + shape.blocks * 2
    while True:
        buffer = np.zeros(capacity, np.uint8)
        state = encoder_state()
        _encode(
            padded, means, tables.codewords, tables.group_codewords, *_tables(tables),
            *_Model(tables, frequencies).arrays(), distortions, float(lagrangian), given,
            (1 << bits) - 1, shape.block[0], indices, state, buffer,
        )  # fmt: skip
        if not overflowed(state, buffer):
            return finish(state, buffer)
        capacity *= 4


# --- inverse ------------------------------------------------------------------


@njit
def _get_symbol(state, data, weights, first, last, total):
    target = decode_target(state, total)
    start, k = 0, first
    while k < last - 1 and start + np.int64(weights[k]) <= target:
        start += np.int64(weights[k])
        k += 1
    decode_symbol(state, data, start, weights[k], total)
    return k


@njit
def _decode(means, codewords, group_codewords, borders, group_borders, group_size, frequencies,
            group_frequencies, totals, group_totals, hits, occurrences, ratios, contexts, errors,
            classes, weights, peak, block_height, channels, indices, state, data):  # fmt: skip
    rows, columns = indices.shape
    dimension, count = codewords.shape
    groups = group_codewords.shape[1]
    width = dimension // block_height
    shift = 8 if peak > 255 else 0
    removed = means.shape[0] > 0
    lower_row = np.zeros(columns * width, np.int64)
    right_column = np.zeros(block_height * channels, np.int64)
    upper = np.zeros(width, np.int32)
    left = np.zeros(block_height * channels, np.int32)
    above = np.zeros(columns, np.int64)
    turn = 0
    for row in range(rows):
        before = 0
        for column in range(columns):
            turn += 1
            if removed:
                for channel in range(channels):
                    prediction, context = _mean_context(means, row, column, channel)
                    mean = prediction + decode_signed(state, data, contexts, context * _NUMBER)
                    means[row, column, channel] = min(max(mean, 0), peak)
            _border_of_neighbours(lower_row, right_column, means, row, column, width, channels,
                                  shift, upper, left)  # fmt: skip
            c = _octave(above, before, columns, row, column, upper.shape[0] + left.shape[0])
            first, last, group = 0, count, 0
            if groups > 1:
                total = _weigh(group_borders, 0, groups, upper, left, row > 0, column > 0, c,
                               ratios[_OCTAVES + c], group_frequencies, errors, classes,
                               weights)  # fmt: skip
                group = _get_symbol(state, data, weights, 0, groups, total)
                _learn(0, groups, group, turn, group_frequencies, group_totals, 0, classes,
                       hits[_OCTAVES + c], occurrences[_OCTAVES + c],
                       ratios[_OCTAVES + c])  # fmt: skip
                first, last = group * group_size, min((group + 1) * group_size, count)
            total = _weigh(borders, first, last, upper, left, row > 0, column > 0, c, ratios[c],
                           frequencies, errors, classes, weights)  # fmt: skip
            chosen = _get_symbol(state, data, weights, first, last, total)
            above[column] = before = errors[chosen]
            _learn(first, last, chosen, turn, frequencies, totals, group, classes, hits[c],
                   occurrences[c], ratios[c])  # fmt: skip
            _remember(codewords, chosen, means, row, column, width, channels, peak, lower_row,
                      right_column)  # fmt: skip
            indices[row, column] = chosen


def decode_indices(
    stream: bytes,
    codewords: np.ndarray,
    shape: PlaneShape,
    bits: int,
    means_removed: bool,
    frequencies: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Decode the indices, and the block means if they were removed; see `encode_indices`.

    Any stream decodes to legal indices: damage is found by the checksums around it.
    """
    tables = Tables.of(codewords, shape, bits)
    indices = np.zeros((shape.rows, shape.columns), np.int32)
    means = np.zeros((*indices.shape, shape.channels) if means_removed else (0, 0, 0), np.int64)
    data = np.frombuffer(stream, np.uint8)
    _decode(
        means, tables.codewords, tables.group_codewords, *_tables(tables),
        *_Model(tables, frequencies).arrays(), (1 << bits) - 1, shape.block[0], shape.channels,
        indices, decoder_state(data), data,
    )  # fmt: skip
    return indices, means
