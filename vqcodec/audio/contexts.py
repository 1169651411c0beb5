# mypy: allow-untyped-defs, no-check-untyped-defs
"""What both sides know of a vector before it is coded: features, level, rows of contexts.

The surroundings of a vector of coefficients are ten integers in 1/64 of the
step: what the band's energy leaves over, the vectors just below in frequency,
the same place in the two blocks before and in the other channel. A regression,
trained for each block size, turns them into the expected magnitude; its
logarithm is the *level*, the most telling context. Every decision then has
`INPUTS` contexts whose opinions `mixing` blends.
"""

from __future__ import annotations

import numpy as np

from vqcodec.audio.mixing import INPUTS, NUMBER_CONTEXTS, kernel

FEATURES = 10
LEVEL_COUNT = 32
OFFSET_LIMIT = 7  # finer steps of a block, in quarter octaves of amplitude
PAD = 8  # cells around a row of amplitudes that stay zero
_CEILING = 32767

# --- tables of the mixed decisions ---

VECTOR, ENERGY, ELEMENTS = range(3)
ENERGY_NODES = 32
# What the state of the trellis says of a vector, see `quantizer`; some contexts hear half of it.
KINDS = 4
# Contexts of each input, for vectors (times the nodes of the codebook's tree) and energies.
VECTOR_ROWS = np.array([96 * KINDS, 768, 576, 288 * KINDS, 1024, 576], np.int64)
ENERGY_ROWS = np.array([192, 60, 90, 96, 27, 90], np.int64)
_energy_base = np.cumsum(ENERGY_ROWS * ENERGY_NODES) - ENERGY_ROWS * ENERGY_NODES
ENERGY_STATES = int((ENERGY_ROWS * ENERGY_NODES).sum())
# In units of the nodes of the tree for vectors, which lie behind the energies.
VECTOR_BASE = np.cumsum(VECTOR_ROWS) - VECTOR_ROWS
BASE = np.array([VECTOR_BASE, _energy_base])
FIRST_SET = np.array([0, 0], np.int64)
SECOND_SET = np.array([0, 6 * ENERGY_NODES], np.int64)
ENERGY_SETS = (6 + 6) * ENERGY_NODES
VECTOR_FIRST, VECTOR_SECOND = 16, LEVEL_COUNT * KINDS


def state_count(nodes: int) -> int:
    """Return the mixed states of a codebook whose tree has so many nodes."""
    return ENERGY_STATES + int(VECTOR_ROWS.sum()) * nodes


def set_count(nodes: int) -> int:
    """Return the sets of weights of such a codebook."""
    return ENERGY_SETS + (VECTOR_FIRST + VECTOR_SECOND) * nodes


# --- the plain decisions ---

SPLITS = 0  # 6 depths x 7 levels of the last block
OFFSETS = SPLITS + 42  # 2 x 8
REPEATS = OFFSETS + 16  # 4
ANGLES = REPEATS + 4  # 17 x 16
NUMBERS = ANGLES + 17 * 16
ESCAPES = NUMBERS + NUMBER_CONTEXTS  # one set of contexts for each fourth level
EMPTY = ESCAPES + (LEVEL_COUNT // 4) * NUMBER_CONTEXTS  # 16 x 2 x 2
PLAIN_STATES = EMPTY + 64

# Bands weaker than this (quarter octaves of power above the squared step) say whether they are
# empty before their vectors.
EMPTY_BELOW = 8


# --- logarithmic classes ---


def _classes(thresholds: list[float], count: int, unit: float) -> np.ndarray:
    return np.searchsorted(np.array(thresholds) * unit, np.arange(count), side="right").astype(
        np.uint8
    )


# Of a magnitude in 1/64: eight, six and four classes, by half that number.
EIGHTH = _classes([0.04, 0.12, 0.25, 0.45, 0.75, 1.25, 2.5], 512, 32)
SIXTH = _classes([0.06, 0.2, 0.45, 0.9, 2.0], 512, 32)
FOURTH = _classes([0.1, 0.4, 1.0], 512, 32)
_rest = np.maximum(np.arange(2048), 0.5) / 32
REST = np.clip(np.floor(2.2 * np.log2(_rest) + 8.5), 0, 15).astype(np.uint8)
_expected = np.maximum(np.arange(4096), 0.5) / 256
LEVEL = np.clip(np.floor(3.2 * np.log2(_expected) + 18), 0, LEVEL_COUNT - 1).astype(np.uint8)
SQUARE_ROOT = np.array([round(np.sqrt(i) * 16) for i in range(4096)], np.int64)


@kernel("i8(i8)")
def square_root(value):
    """Return the square root of an integer below 2**28, times 16, to about 1 %."""
    if value < 4096:
        return SQUARE_ROOT[value]
    if value < 1 << 16:
        return SQUARE_ROOT[value >> 4] << 2
    if value < 1 << 22:
        return SQUARE_ROOT[value >> 10] << 5
    return SQUARE_ROOT[min(value >> 16, 4095)] << 8


@kernel("void(i8[::1],i8[::1],i8[::1],i8[::1],i8[::1],i8,i8,i8,i8,i8)")
def vector_features(f, current, before, older, other, k, d, inverse, rest, running):
    """Fill the (10,) int64 features of the vector at coefficient `k`.

    current, before, older, other : rows of amplitudes, int64, `PAD` cells ahead
        of the first coefficient: this block, the two before, the other channel.
    inverse : 2**30 over the step, which turns amplitudes into 1/64 of it.
    rest : mean power that the band's energy leaves, in 1/256 of the squared step.
    running : mean magnitude of the vectors before, in 1/64.
    """
    at = k + PAD
    f[0] = 64
    f[1] = min(_CEILING, square_root(rest << 4) >> 4)
    f[2] = min(_CEILING, ((current[at - 1] + current[at - 2]) * inverse) >> 25)
    f[3] = min(_CEILING, ((current[at - 3] + current[at - 4]) * inverse) >> 25)
    f[4] = running
    near = before[at - 1] + before[at + d]
    exact = old = across = np.int64(0)
    half = d - 1  # d is 1 or 2: a shift divides by it
    for i in range(at, at + d):
        exact += before[i]
        old += older[i]
        across += other[i]
    f[5] = min(_CEILING, (((exact << 1 >> half) + near) * inverse) >> 26)
    f[6] = min(
        _CEILING,
        ((before[at - 3] + before[at - 2] + before[at + d + 1] + before[at + d + 2]) * inverse)
        >> 26,
    )
    f[7] = min(_CEILING, ((old >> half) * inverse) >> 24)
    f[8] = min(_CEILING, ((across >> half) * inverse) >> 24)
    f[9] = min(
        _CEILING,
        ((other[at - 2] + other[at - 1] + other[at + d] + other[at + d + 1]) * inverse) >> 26,
    )


@kernel("i8(i8[::1],i8[:,:,::1],i8,i8)")
def weighted(f, weights, level, second):
    """Return the weighted sum of the features."""
    total = np.int64(0)
    for i in range(FEATURES):
        total += weights[level, second, i] * f[i]
    return total


@kernel("i8(i8[::1],i8[:,:,::1],i8,i8)")
def vector_level(f, weights, level, second):
    """Return the level 0..31 that the weights of a block size expect from the features."""
    total = weighted(f, weights, level, second)
    return np.int64(LEVEL[min(max(total >> 10, 0), 4095)])


@kernel("void(i8[::1],i8[::1],i8,i8,i8,i8,i8,i8,i8,i8)")
def vector_contexts(at, f, expected, level, channel, band, last, second_last, kind, nodes):
    """Fill the places of the six contexts of a vector.

    last, second_last : sums of magnitudes in steps of the vectors before
    kind : what the state of the trellis says of the vector
    """
    near = np.int64(EIGHTH[min(f[5] >> 1, 511)])
    near6 = np.int64(SIXTH[min(f[5] >> 1, 511)])
    across = np.int64(EIGHTH[min(f[8] >> 1, 511)])
    rest = np.int64(REST[min(f[1] >> 1, 2047)])
    fourth = expected >> 2
    quantizer = kind >> 1
    base = ENERGY_STATES
    row = expected * 3 + min(level, 2)
    at[0] = base + (row * KINDS + kind) * nodes
    side = 0
    if channel > 0:
        side = 1 + min(2, np.int64(FOURTH[min(f[8] >> 1, 511)]))
    row = (rest * 6 + np.int64(SIXTH[min(f[4] >> 1, 511)])) * 4 + side
    at[1] = base + (VECTOR_BASE[1] + row * 2 + quantizer) * nodes
    row = (near * 6 + np.int64(SIXTH[min(f[6] >> 1, 511)])) * 6
    row += np.int64(SIXTH[min(f[2] >> 1, 511)])
    at[2] = base + (VECTOR_BASE[2] + row * 2 + quantizer) * nodes
    row = (min(last, 8) * 4 + min(second_last, 3)) * 8 + fourth
    at[3] = base + (VECTOR_BASE[3] + row * KINDS + kind) * nodes
    row = (band * 8 + fourth) * 2 + channel
    at[4] = base + (VECTOR_BASE[4] + row * 2 + quantizer) * nodes
    row = (across * 6 + np.int64(SIXTH[min(f[9] >> 1, 511)])) * 6 + near6
    at[5] = base + (VECTOR_BASE[5] + row * 2 + quantizer) * nodes


assert INPUTS == len(VECTOR_ROWS) == len(ENERGY_ROWS)
