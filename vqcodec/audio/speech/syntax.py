"""The bits of a segment: integer parameters <-> range coder, adaptive from trained priors.

A segment is three arrays of integers, and this file knows nothing else of them:

* `frames` (F, 2 + stages): energy level, envelope mode, codeword of each stage;
* `parts` (F * S, 3), one row a subframe: lag index or -1, number of pulses, gain index;
* `pulses` (F * S, L): -1, 0 or 1 for each sample.

A frame of energy 0 has nothing else. The last symbol is a checksum.
All but pulses are binary trees of adaptive decisions.
"""

# Kernels are typed by what they are called with:
# mypy: disallow-untyped-defs=False, check-untyped-defs=False

from __future__ import annotations

import numpy as np

from vqcodec.jit import njit
from vqcodec.rangecoder import (
    decode_symbol,
    decode_target,
    decode_tree,
    encode_symbol,
    encode_tree,
)

ENERGY_BITS, STEP_BITS = 5, 6
LSF_BITS, LSF_STAGES = 7, 4
LAG_BITS, LAG_STEP_BITS = 8, 4
LAG_STEPS = 1 << LAG_STEP_BITS
COUNT_BITS = 4
MOST_PULSES = (1 << COUNT_BITS) - 1
BOTH_BITS, FIXED_BITS, ADAPTIVE_BITS = 7, 5, 4
BETWEEN = 2  # the envelope mode of frames without one: half way to the next
NOTHING = 3  # what is before the first envelope mode
CHECK = 256

# Where the contexts of each parameter begin: a tree of n bits has 2**n.
ENERGY_FIRST = 0
ENERGY_STEP = ENERGY_FIRST + (1 << ENERGY_BITS)
MODE = ENERGY_STEP + (3 << STEP_BITS)
LSF = MODE + (4 << 2)
VOICED = LSF + (2 * LSF_STAGES << LSF_BITS)
LAG_NEAR = VOICED + (8 << 1)
LAG_STEP = LAG_NEAR + (4 << 1)
LAG = LAG_STEP + (4 << LAG_STEP_BITS)
COUNT = LAG + (1 << LAG_BITS)
GAIN_BOTH = COUNT + (2 * 16 << COUNT_BITS)
GAIN_FIXED = GAIN_BOTH + (4 << BOTH_BITS)
GAIN_ADAPTIVE = GAIN_FIXED + (4 << FIXED_BITS)
CONTEXTS = GAIN_ADAPTIVE + (1 << ADAPTIVE_BITS)

ENERGY, ENVELOPE = 0, 1  # columns of `frames`
LAG_INDEX, PULSES, GAIN = 0, 1, 2  # columns of `parts`

# The fields of a frame and of a subframe, in this order.
_ENERGY, _MODE, _STAGES, _FRAME_END = 0, 1, 2, 2 + LSF_STAGES
_VOICED, _NEAR, _LAG, _COUNT, _GAIN, _PART_END = range(_FRAME_END, _FRAME_END + 6)

# What contexts are chosen by; _HISTORY are the voicing decisions before, _HERE is this one.
_LEVEL, _TREND, _LAST_MODE, _HISTORY, _HERE, _LAST_LAG, _IS_NEAR, _MOTION, _LAST_COUNT = range(9)


@njit
def step_context(step):
    """Return the context that a lag step leaves behind: 0 none, 1 still, 2 near, 3 moving."""
    distance = abs(step)
    if distance == 0:
        return 1
    return 2 if distance <= 2 else 3


@njit
def gain_context(count):
    """Return the context of gains after a number of pulses >= 1."""
    if count <= 2:
        return count - 1
    return 2 if count <= 4 else 3


@njit
def _forget(now):
    """Begin afresh, as after a silent frame."""
    now[_HISTORY] = 0
    now[_LAST_LAG] = -1
    now[_MOTION] = 0
    now[_LAST_COUNT] = 0


@njit
def _tree(field, now):
    """Return where the tree of a field begins, and its bits: 0 if the field is absent."""
    if field == _ENERGY:
        if now[_TREND] < 0:
            return ENERGY_FIRST, ENERGY_BITS
        return ENERGY_STEP + (now[_TREND] << STEP_BITS), STEP_BITS
    if now[_LEVEL] == 0:
        return 0, 0
    if field == _MODE:
        return MODE + (now[_LAST_MODE] << 2), 2
    if field < _FRAME_END:
        if now[_LAST_MODE] >= BETWEEN:
            return 0, 0
        return LSF + ((now[_LAST_MODE] * LSF_STAGES + field - _STAGES) << LSF_BITS), LSF_BITS
    if field == _VOICED:
        return VOICED + (now[_HISTORY] << 1), 1
    if field == _NEAR:
        return LAG_NEAR + (now[_MOTION] << 1), 1 if now[_HERE] and now[_LAST_LAG] >= 0 else 0
    if field == _LAG:
        if now[_IS_NEAR]:
            return LAG_STEP + (now[_MOTION] << LAG_STEP_BITS), LAG_STEP_BITS
        return LAG, LAG_BITS if now[_HERE] else 0
    if field == _COUNT:
        return COUNT + ((now[_HERE] * 16 + now[_LAST_COUNT]) << COUNT_BITS), COUNT_BITS
    count = now[_LAST_COUNT]
    if now[_HERE] and count > 0:
        return GAIN_BOTH + (gain_context(count) << BOTH_BITS), BOTH_BITS
    if now[_HERE]:
        return GAIN_ADAPTIVE, ADAPTIVE_BITS
    if count > 0:
        return GAIN_FIXED + (gain_context(count) << FIXED_BITS), FIXED_BITS
    return 0, 0


@njit
def _learn(field, value, now):
    """Take note of the value of a field; an absent one has the value 0."""
    if field == _ENERGY:
        if now[_TREND] < 0:
            now[_LEVEL] = value
            now[_TREND] = 1
        else:
            step = value - (1 << STEP_BITS >> 1)
            now[_LEVEL] += step
            now[_TREND] = 1 + (step > 0) - (step < 0)
    elif field == _MODE:
        if now[_LEVEL] > 0:
            now[_LAST_MODE] = value
    elif field == _VOICED:
        now[_HERE] = value
        now[_HISTORY] = (now[_HISTORY] << 1 | value) & 7
        now[_IS_NEAR] = 0
    elif field == _NEAR:
        now[_IS_NEAR] = value
    elif field == _LAG and now[_HERE]:
        if now[_IS_NEAR]:
            step = value - LAG_STEPS // 2
            now[_LAST_LAG] += step
            now[_MOTION] = step_context(step)
        else:
            now[_LAST_LAG] = value
            now[_MOTION] = 0
    elif field == _COUNT:
        now[_LAST_COUNT] = value


@njit
def _start():
    now = np.zeros(9, np.int64)
    _forget(now)
    now[_TREND] = -1
    now[_LAST_MODE] = NOTHING
    return now


@njit
def _check(frames, parts, pulses):
    total = 1
    for row in frames:
        for value in row:
            total = (total * 31 + value + 1) & 0xFFFF
    for s in range(parts.shape[0]):
        for value in parts[s]:
            total = (total * 31 + value + 1) & 0xFFFF
        for value in pulses[s]:
            total = (total * 31 + value + 1) & 0xFFFF
    return (total >> 8 ^ total) & 0xFF


# --- writing ------------------------------------------------------------------------


@njit
def _value(field, now, frame, part):
    """Return what a field holds in the tree: the inverse of `_store`."""
    if field == _ENERGY:
        if now[_TREND] < 0:
            return frame[ENERGY]
        return frame[ENERGY] - now[_LEVEL] + (1 << STEP_BITS >> 1)
    if field < _FRAME_END:
        return frame[field]
    step = part[LAG_INDEX] - now[_LAST_LAG]
    if field == _VOICED:
        return np.int64(part[LAG_INDEX] >= 0)
    if field == _NEAR:
        return np.int64(-LAG_STEPS // 2 <= step < LAG_STEPS // 2)
    if field == _LAG:
        return step + LAG_STEPS // 2 if now[_IS_NEAR] else part[LAG_INDEX]
    return part[PULSES] if field == _COUNT else part[GAIN]


@njit
def write(state, buffer, contexts, frames, parts, pulses):
    """Encode a segment."""
    subframes = parts.shape[0] // frames.shape[0]
    length = pulses.shape[1]
    now = _start()
    for s in range(parts.shape[0]):
        f = s // subframes
        for field in range(_ENERGY if s % subframes == 0 else _VOICED, _PART_END):
            base, bits = _tree(field, now)
            value = 0
            if bits > 0:
                value = _value(field, now, frames[f], parts[s])
                encode_tree(state, buffer, contexts, base, value, bits)
            _learn(field, value, now)
        if now[_LEVEL] == 0:
            _forget(now)
            continue
        left = now[_LAST_COUNT]
        n = 0
        while left > 0:  # every arrangement of pulses and signs is equally probable
            room = 2 * (length - n)
            start, size = 2 * left, room - 2 * left
            if pulses[s, n] != 0:
                start, size = (0, left) if pulses[s, n] > 0 else (left, left)
                left -= 1
            encode_symbol(state, buffer, start, size, room)
            n += 1
    encode_symbol(state, buffer, _check(frames, parts, pulses), 1, CHECK)


# --- reading ------------------------------------------------------------------------


@njit
def _store(field, value, now, frame, part):
    """Put a field where it belongs, after `_learn`."""
    if field == _ENERGY:
        frame[ENERGY] = now[_LEVEL]
    elif field < _FRAME_END:
        frame[field] = value
    elif field == _LAG:
        part[LAG_INDEX] = now[_LAST_LAG] if now[_HERE] else -1
    elif field == _COUNT:
        part[PULSES] = value
    elif field == _GAIN:
        part[GAIN] = value


@njit
def read(state, data, contexts, lags, frames, parts, pulses):
    """Decode a segment into zeroed arrays; return whether it is well-formed.

    `lags` is the number of legal lag indices. All indices are in range afterwards.
    """
    subframes = parts.shape[0] // frames.shape[0]
    length = pulses.shape[1]
    now = _start()
    for s in range(parts.shape[0]):
        f = s // subframes
        for field in range(_ENERGY if s % subframes == 0 else _VOICED, _PART_END):
            base, bits = _tree(field, now)
            value = 0
            if bits > 0:
                value = decode_tree(state, data, contexts, base, bits)
            elif field == _VOICED:
                now[_HERE] = 0
            _learn(field, value, now)
            _store(field, value, now, frames[f], parts[s])
            if not 0 <= now[_LEVEL] < 1 << ENERGY_BITS or now[_LAST_LAG] >= lags:
                return False
            if field == _MODE and value > BETWEEN:
                return False
            if field == _LAG and now[_HERE] and now[_LAST_LAG] < 0:
                return False
        if now[_LEVEL] == 0:
            _forget(now)
            continue
        left = now[_LAST_COUNT]
        n = 0
        while left > 0:
            room = 2 * (length - n)
            target = decode_target(state, room)
            start, size = 2 * left, room - 2 * left
            if target < 2 * left:
                start, size = (0, left) if target < left else (left, left)
                pulses[s, n] = 1 if target < left else -1
                left -= 1
            decode_symbol(state, data, start, size, room)
            n += 1
    check = decode_target(state, CHECK)
    return check == _check(frames, parts, pulses)


# --- what decisions cost, for the search ------------------------------------------------


def tree_bits(probabilities: np.ndarray, bits: int) -> np.ndarray:
    """Return the bits (..., 2**bits) of each value from the contexts' probabilities of a zero.

    `probabilities` is (..., 2**bits), in 1/65536.
    """
    zero = -np.log2(probabilities / 65536.0)
    one = -np.log2(1 - probabilities / 65536.0)
    values = np.arange(1 << bits)
    total = np.zeros(probabilities.shape)
    for shift in range(bits):
        node = (values | 1 << bits) >> (shift + 1)
        bit = values >> shift & 1
        total += np.where(bit, one[..., node], zero[..., node])
    return total
