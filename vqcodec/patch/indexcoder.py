"""Entropy coding of the index plane, and the choice of the indices.

The encoder takes, block by block, the index that minimises squared error +
lambda * bits: entropy-constrained VQ (Chou, Lookabaugh and Gray 1989), with
the conditional code lengths of the very model that codes them (`sidematch`).
Costs are integers, so that the choice is the same on every machine.
"""

# Kernels are typed by what they are called with:
# mypy: disallow-untyped-defs=False, check-untyped-defs=False

from __future__ import annotations

import numpy as np

from vqcodec.jit import njit
from vqcodec.patch.blocks import PlaneShape
from vqcodec.patch.sidematch import (
    CLASSES,
    MEAN_CONTEXTS,
    OCTAVES,
    Model,
    U,
    learn,
    leave_behind,
    look_around,
    mean_context,
    octave_of,
    weigh,
)
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

_CANDIDATES = 8  # groups whose codewords the encoder tries
_COST_SHIFT = 6  # fraction bits of the costs
_FAR = np.int64(1 << 62)
_NUMBER = 65  # contexts of one signed number
# log2 in 1/65536, rounded.
_LOG2 = np.rint(np.log2(np.maximum(np.arange(1 << 16), 1)) * 65536) / 65536


# --- forward ------------------------------------------------------------------


@njit(_nrt=False)
def _log2(value):
    bits = 0.0
    while value >= 1 << 16:
        value >>= 1
        bits += 1.0
    return bits + _LOG2[value]


@njit(_nrt=False)
def _evaluate(table, first, last, vector, ratios, classes, scale, prices, class_prices,
              distortions, costs):  # fmt: skip
    """Set the costs of entries first..last, but for the bits common to all; return the cheapest."""
    begin, end = U(first), U(last)
    for q in range(CLASSES):
        class_prices[q] = np.int64(-scale * _log2(np.int64(ratios[q]) + 1))
    for k in range(begin, end):
        distortions[k] = 0
    for j in range(vector.shape[0]):
        sample = vector[j]
        for k in range(begin, end):
            difference = table[j, k] - sample
            distortions[k] += difference * difference
    best = _FAR
    for k in range(begin, end):
        cost = (np.int64(distortions[k]) << _COST_SHIFT) + prices[k] + class_prices[classes[k]]
        costs[k] = cost
        best = min(best, cost)
    for k in range(begin, end):
        if costs[k] == best:
            return np.int64(k)
    return first


@njit(_nrt=False)
def _cheapest(costs, last):
    found = 0
    for k in range(1, last):
        if costs[k] < costs[found]:
            found = k
    return found


@njit(_nrt=False)
def _put(state, buffer, weights, first, entry, total):
    start = np.int64(0)
    for k in range(U(first), U(entry)):
        start += np.int64(weights[k])
    encode_symbol(state, buffer, start, weights[entry], total)


@njit(_nrt=False)
def _load(lines, means, row, column, block_height, channels, vector):
    """Copy a block into a vector, less its means if they are removed."""
    width = vector.shape[0] // block_height
    for line in range(block_height):
        for i in range(width):
            sample = np.int64(lines[row * block_height + line, column * width + i])
            if means.shape[2] > 0:
                sample -= means[row, column, i % channels]
            vector[line * width + i] = sample


@njit(_nrt=False)
def _encode(lines, channels, means, indices, given, scale, peak, contexts, vector, prices,
            class_prices, distortions, costs, state, buffer, table, borders, groups, group_size,
            frequencies, totals, hits, occurrences, ratios, errors, classes, weights, lower_row,
            right_column, upper, left, above):  # fmt: skip
    rows, columns = indices.shape
    count = table.shape[1] - groups
    block_height = lines.shape[0] // rows
    shift = 8 if peak > 255 else 0
    for k in range(table.shape[1]):
        prices[k] = np.int64(-scale * _log2(np.int64(frequencies[k])))
    for row in range(rows):
        before = np.int64(0)
        for column in range(columns):
            turn = row * columns + column
            for channel in range(means.shape[2]):
                prediction, context = mean_context(means, row, column, channel)
                encode_signed(state, buffer, contexts, context * _NUMBER,
                              means[row, column, channel] - prediction)  # fmt: skip
            _load(lines, means, row, column, block_height, channels, vector)
            look_around(lower_row, right_column, means, row, column, shift, upper, left)
            c = octave_of(above, before, columns, row, column, borders.shape[0])
            wanted = groups + np.int64(indices[row, column])
            total, first, last, group = np.int64(0), np.int64(0), count, np.int64(0)
            if groups:
                group_total = weigh(borders, 0, groups, upper, left, row > 0, column > 0, c,
                                    ratios[OCTAVES + c], frequencies, errors, classes,
                                    weights)  # fmt: skip
                group = (wanted - groups) // group_size
                if not given:
                    _evaluate(table, 0, groups, vector, ratios[OCTAVES + c], classes, scale,
                              prices, class_prices, distortions, costs)  # fmt: skip
            best = _FAR
            for _ in range(1 if given or not groups else min(_CANDIDATES, groups)):
                trial = group
                if groups and not given:
                    trial = _cheapest(costs, groups)
                    if costs[trial] == _FAR:
                        break
                start = groups + trial * group_size if groups else np.int64(0)
                end = min(start + group_size, groups + count) if groups else count
                part = weigh(borders, start, end, upper, left, row > 0, column > 0, c, ratios[c],
                             frequencies, errors, classes, weights)  # fmt: skip
                entry, cost = wanted, np.int64(0)
                if not given:
                    # The group's own squared error is no part of the cost.
                    if groups:
                        cost = costs[trial] - (np.int64(distortions[trial]) << _COST_SHIFT)
                        costs[trial] = _FAR
                    entry = _evaluate(table, start, end, vector, ratios[c], classes, scale,
                                      prices, class_prices, distortions, costs)  # fmt: skip
                    cost += costs[entry] + np.int64(scale * _log2(part))
                if cost < best:
                    best, group, total, first, last, wanted = cost, trial, part, start, end, entry
            if groups:
                _put(state, buffer, weights, 0, group, group_total)
                halved = learn(0, groups, group, turn, 0, frequencies, totals, classes,
                               hits[OCTAVES + c], occurrences[OCTAVES + c],
                               ratios[OCTAVES + c])  # fmt: skip
                for k in range(0 if halved else group, groups if halved else group + 1):
                    prices[k] = np.int64(-scale * _log2(np.int64(frequencies[k])))
            _put(state, buffer, weights, first, wanted, total)
            above[column] = before = np.int64(errors[wanted])
            halved = learn(first, last, wanted, turn, 1 + group, frequencies, totals, classes,
                           hits[c], occurrences[c], ratios[c])  # fmt: skip
            for k in range(first if halved else wanted, last if halved else wanted + 1):
                prices[k] = np.int64(-scale * _log2(np.int64(frequencies[k])))
            leave_behind(table, wanted, means, row, column, channels, peak, lower_row,
                         right_column)  # fmt: skip
            indices[row, column] = wanted - groups


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
    capacity = 64 + shape.blocks * 2
    while True:
        model = Model(codewords, shape, bits, frequencies)
        entries, dtype = model.table.shape[1], model.table.dtype
        buffer = np.zeros(capacity, np.uint8)
        state = encoder_state()
        _encode(
            padded.reshape(len(padded), -1), shape.channels, means, indices, given,
            float(lagrangian) * (1 << _COST_SHIFT), (1 << bits) - 1,
            new_contexts(MEAN_CONTEXTS * _NUMBER), np.zeros(shape.dimension, dtype),
            np.zeros(entries, np.int64), np.zeros(CLASSES, np.int64), np.zeros(entries, dtype),
            np.zeros(entries, np.int64), state, buffer, *model.arrays(),
        )  # fmt: skip
        if not overflowed(state, buffer):
            return finish(state, buffer)
        capacity *= 4


# --- inverse ------------------------------------------------------------------


@njit(_nrt=False)
def _get(state, data, weights, first, last, total):
    target = decode_target(state, total)
    start, k = np.int64(0), first
    while k + 32 < last:  # 32 at a time, then one at a time
        part = np.int64(0)
        for i in range(U(k), U(k + 32)):
            part += np.int64(weights[i])
        if start + part > target:
            break
        start += part
        k += 32
    while k < last - 1 and start + np.int64(weights[k]) <= target:
        start += np.int64(weights[k])
        k += 1
    decode_symbol(state, data, start, weights[k], total)
    return k


@njit(_nrt=False)
def _decode(means, indices, channels, peak, contexts, state, data, table, borders, groups,
            group_size, frequencies, totals, hits, occurrences, ratios, errors, classes, weights,
            lower_row, right_column, upper, left, above):  # fmt: skip
    rows, columns = indices.shape
    count = table.shape[1] - groups
    shift = 8 if peak > 255 else 0
    for row in range(rows):
        before = np.int64(0)
        for column in range(columns):
            turn = row * columns + column
            for channel in range(means.shape[2]):
                prediction, context = mean_context(means, row, column, channel)
                mean = prediction + decode_signed(state, data, contexts, context * _NUMBER)
                means[row, column, channel] = min(max(mean, 0), peak)
            look_around(lower_row, right_column, means, row, column, shift, upper, left)
            c = octave_of(above, before, columns, row, column, borders.shape[0])
            first, last, group = np.int64(0), count, np.int64(0)
            if groups:
                total = weigh(borders, 0, groups, upper, left, row > 0, column > 0, c,
                              ratios[OCTAVES + c], frequencies, errors, classes,
                              weights)  # fmt: skip
                group = _get(state, data, weights, 0, groups, total)
                learn(0, groups, group, turn, 0, frequencies, totals, classes, hits[OCTAVES + c],
                      occurrences[OCTAVES + c], ratios[OCTAVES + c])  # fmt: skip
                first = groups + group * group_size
                last = min(first + group_size, groups + count)
            total = weigh(borders, first, last, upper, left, row > 0, column > 0, c, ratios[c],
                          frequencies, errors, classes, weights)  # fmt: skip
            entry = _get(state, data, weights, first, last, total)
            above[column] = before = np.int64(errors[entry])
            learn(first, last, entry, turn, 1 + group, frequencies, totals, classes, hits[c],
                  occurrences[c], ratios[c])  # fmt: skip
            leave_behind(table, entry, means, row, column, channels, peak, lower_row,
                         right_column)  # fmt: skip
            indices[row, column] = entry - groups


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
    indices = np.zeros((shape.rows, shape.columns), np.int32)
    means = np.zeros((*indices.shape, shape.channels) if means_removed else (0, 0, 0), np.int64)
    data = np.frombuffer(stream, np.uint8)
    _decode(
        means, indices, shape.channels, (1 << bits) - 1, new_contexts(MEAN_CONTEXTS * _NUMBER),
        decoder_state(data), data, *Model(codewords, shape, bits, frequencies).arrays(),
    )  # fmt: skip
    return indices, means
