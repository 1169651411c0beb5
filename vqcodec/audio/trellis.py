# mypy: allow-untyped-defs, no-check-untyped-defs
"""The encoder's way through the trellis: which numbers to send for a channel of a block.

Viterbi's algorithm (1967) with one survivor for each state: squared error, weighed by what
it is worth in the band, plus lambda times rate (in squared steps), with rates from a table by level
that training has filled. Each survivor carries what the coder will have seen of the
block if it wins, so that its rates are those of its own past.
"""

from __future__ import annotations

import math

import numpy as np

from vqcodec.audio.contexts import EMPTY_BELOW, LEVEL, PAD, vector_features, weighted
from vqcodec.audio.masking import INVERSE, STEP, power_of
from vqcodec.audio.mixing import kernel
from vqcodec.audio.quantizer import ESCAPE_LIMIT, KIND, NEXT, STATES, VALUE_BITS, WIDTH
from vqcodec.audio.reconstruct import SCALE
from vqcodec.audio.stream import _AMPLITUDE_LIMIT

_FLAG_BITS = np.float32(0.5)  # what announcing vectors costs more than announcing none
_HOPELESS = 1e30
_BEHIND = 0.7  # squared steps: survivors that cost so much more are given up
# Magnitudes in steps: below the first only zero is tried, above the second it is not.
_ZERO_ONLY, _ZERO_BELOW = np.float32(0.45), np.float32(1.3)
# Parts of a width: nearer to the lower number only that is tried, nearer to the upper only this.
_LOWER_ONLY, _UPPER_ONLY = np.float32(0.28), np.float32(0.8)
_HALF = np.float32(0.5)
_UNIT = np.float32(1 / (1 << VALUE_BITS))
_PER_STEP = np.float32((1 << VALUE_BITS) / WIDTH)
_NUMBER_BITS = 16
# Rows of what survivors carry: the last four amplitudes, the mean magnitude of late, what is left
# of the band's energy, whether the band holds anything.
_LAST, _RUNNING, _REST, _ANY, CARRIED = 0, 4, 5, 6, 7
_LEVEL, _ORIGIN, _SENT, _SIZE = range(4)  # rows of the desk
_DECAY = np.float32(77 / 256)


class Search:
    """Work space of the search of one channel at a time."""

    def __init__(self, vectors: int, bands: int) -> None:
        # Numbers, origin and level of each survivor at each vector; bands left empty.
        trail = np.zeros((vectors, STATES), np.int64)
        emptied = np.zeros((bands, STATES), np.int64)
        # Survivors now, next, and at the start of the band.
        carried = np.zeros((3, CARRIED, STATES), np.float32)
        desk = np.zeros((4, STATES), np.int64)
        sizes = np.zeros((2, STATES), np.float32)
        numbers = np.zeros((2, 2, 4), np.int64)
        self.arrays = trail, emptied, carried, desk, sizes, numbers, np.zeros((3, STATES))


@kernel("void(f4,i8,i8[::1])")
def candidates(y, quantizer, numbers):
    """Fill the numbers worth a try for a magnitude in steps, behind how many they are."""
    place = y * _PER_STEP + _HALF * np.float32(quantizer)
    low = min(np.int64(place), np.int64(ESCAPE_LIMIT - 2))
    part = place - np.float32(low)
    numbers[0] = 1
    numbers[1] = low
    if y < _ZERO_ONLY:
        numbers[1] = 0
        return
    if part > _UPPER_ONLY:
        numbers[1] = low + 1
    elif part > _LOWER_ONLY:
        numbers[0] = 2
        numbers[2] = low + 1
    if y < _ZERO_BELOW and numbers[1] > 0:
        numbers[0] += 1
        numbers[numbers[0]] = 0


@kernel("void(f8,f4,f4[:,:,::1],f8[::1],f8[::1],i8[:,::1],f4[:,::1],i8)")
def extend_by_zeros(energy, lagrangian, costs, cost, fresh, desk, sizes, d):
    """Extend the survivors by a vector of which nothing but zeros is worth a try."""
    for s in range(STATES):
        end = NEXT[s, 0] if d == 1 else NEXT[NEXT[s, 0], 0]
        fresh[end] = cost[s] + energy + np.float64(lagrangian * costs[KIND[s], desk[_LEVEL, s], 0])
        desk[_ORIGIN, end] = s
        desk[_SENT, end] = 0
        sizes[0, end] = sizes[1, end] = 0


@kernel(
    "void(f4,f4,f4,f4,f4[:,:,::1],i8[::1],i8,i8[:,:,::1],i8[:,:,::1],f8[::1],f8[::1],i8[:,::1],"
    "f4[:,::1])"
)
def extend(
    y0, y1, weight, lagrangian, costs, index, side, codewords, numbers, cost, fresh, desk, sizes
):
    """Extend the survivors by one vector of magnitudes in steps; `y1` is 0 where d is 1.

    Parameters
    ----------
    weight : float32, what a squared step of error counts
    costs : (KINDS, levels, symbols) float32, bits of each symbol with its signs
    numbers : (2, 2, 4) int64
        What to try, see `candidates`, by coefficient and quantizer.
    cost : (STATES,) float64, of the survivors so far; fresh : likewise, the result
    desk : (4, STATES) int64
        Level of the vector for each survivor; and of each new one, where it comes from, and its
        numbers, the first in the low bits.
    sizes : (2, STATES) float32, magnitudes of each new survivor, in 1/64 of a step
    """
    d = codewords.shape[2]
    escape = codewords.shape[1]
    least = _HOPELESS
    for s in range(STATES):
        fresh[s] = _HOPELESS
        least = min(least, cost[s])
    for s in range(STATES):
        if cost[s] > least + _BEHIND:
            continue
        bits = costs[KIND[s], desk[_LEVEL, s]]
        own = codewords[s]
        for a in range(1, numbers[0, s & 1, 0] + 1):
            one = numbers[0, s & 1, a]
            following = NEXT[s, one & 1]
            second = following & 1
            for b in range(1, (numbers[1, second, 0] if d == 2 else 1) + 1):
                two = np.int64(0)
                end = following
                symbol = escape
                if d == 2:
                    two = numbers[1, second, b]
                    end = NEXT[following, two & 1]
                    if one < side and two < side:
                        symbol = index[one * side + two]
                elif one < side:
                    symbol = index[one]
                total = lagrangian * bits[symbol]
                size1 = np.float32(0)
                if symbol < escape:
                    size0 = np.float32(own[symbol, 0])
                    if d == 2:
                        size1 = np.float32(own[symbol, 1])
                else:
                    size0, size1 = np.float32(point(s, one)), np.float32(point(following, two))
                    total += lagrangian * (_escape_bits(one) + (_escape_bits(two) if d == 2 else 0))
                total += weight * (y0 - size0 * _UNIT) * (y0 - size0 * _UNIT)
                total += weight * (y1 - size1 * _UNIT) * (y1 - size1 * _UNIT)
                whole = cost[s] + np.float64(total)
                if whole < fresh[end]:
                    fresh[end] = whole
                    desk[_ORIGIN, end] = s
                    desk[_SENT, end] = one | (two << _NUMBER_BITS)
                    sizes[0, end], sizes[1, end] = size0, size1


@kernel("i8(i8,i8)")
def point(state, number):
    """Return what a number stands for in a state, in 1/64 of a step."""
    return number * WIDTH - (WIDTH // 2 if state & 1 and number > 0 else 0)


@kernel("f4(i8)")
def _escape_bits(number):
    """Return about how many bits a number takes behind an escape, with its sign."""
    return np.float32(1.5) + np.float32(1.6) * np.float32(math.log2(1.0 + number))


@kernel("i8(i8,i8,i8[::1],i8,i8[:,:,::1],i8[::1])")
def magnitudes(state, sent, index, side, codewords, result):
    """Fill the magnitudes that numbers stand for in a state, in 1/64 of a step.

    Returns their symbol.
    """
    d = codewords.shape[2]
    one, two = sent & ((1 << _NUMBER_BITS) - 1), sent >> _NUMBER_BITS
    symbol = codewords.shape[1]
    if one < side and two < side:
        symbol = index[one * side + two] if d == 2 else index[one]
    if symbol < codewords.shape[1]:
        for i in range(d):
            result[i] = codewords[state, symbol, i]
    else:
        result[0] = point(state, one)
        if d == 2:
            result[1] = point(NEXT[state, one & 1], two)
    return symbol


@kernel("void(f4[:,::1],f4[:,::1],f4,i8[:,::1],f4[:,::1],i8,i8[::1])")
def carry(old, new, scale, desk, sizes, d, trail):
    """Fill what the new survivors carry, and note on the trail where they come from.

    scale : amplitude of 1/64 of a step
    """
    per = np.float32(1) if d == 1 else _HALF
    for s in range(STATES):
        origin = desk[_ORIGIN, s]
        trail[s] = (desk[_LEVEL, origin] * STATES + origin) << 32 | desk[_SENT, s]
        size0, size1 = sizes[0, s], sizes[1, s]
        if d == 2:
            new[_LAST, s], new[_LAST + 1, s] = size1 * scale, size0 * scale
            new[_LAST + 2, s], new[_LAST + 3, s] = old[_LAST, origin], old[_LAST + 1, origin]
        else:
            new[_LAST, s], new[_LAST + 1, s] = size0 * scale, old[_LAST, origin]
            new[_LAST + 2, s], new[_LAST + 3, s] = old[_LAST + 1, origin], old[_LAST + 2, origin]
        spent = (size0 * size0 + size1 * size1) * np.float32(1 / 16)
        new[_REST, s] = max(old[_REST, origin] - spent, np.float32(0))
        mean = (size0 + size1) * per
        new[_RUNNING, s] = old[_RUNNING, origin] + (mean - old[_RUNNING, origin]) * _DECAY
        new[_ANY, s] = old[_ANY, origin] + size0 + size1


@kernel("void(f4[:,::1],i8[:,::1],f4,f4,f4,f4,f4,f4)")
def expect(carried, desk, common, last, far, running, rest, share):
    """Fill the level of a vector for each survivor.

    common, last, far, running, rest : what the features of all have in common, and the weights of
        the others, so that the sum is in steps of `LEVEL`
    share : one over the coefficients left
    """
    for s in range(STATES):
        total = common + running * carried[_RUNNING, s]
        total += last * (carried[_LAST, s] + carried[_LAST + 1, s])
        total += far * (carried[_LAST + 2, s] + carried[_LAST + 3, s])
        total += rest * np.sqrt(carried[_REST, s] * share)
        desk[_LEVEL, s] = LEVEL[np.int64(min(max(total, np.float32(0)), np.float32(4095)))]


@kernel(
    "void(f4[::1],i8[::1],i8,i8,i8,i8[:,::1],i8[::1],i8[::1],f4[::1],i8,i8[:,:,::1],f4,f4[:,:,::1],"
    "i8[::1],i8,i8[:,:,::1],i8[::1],i8[::1],i8[::1],i8[::1],i2[::1],i4[::1],i8,i1[::1],"
    "i8[:,::1],i8[:,::1],f4[:,:,::1],i8[:,::1],f4[:,::1],i8[:,:,::1],f8[:,::1])"
)
def quantise_channel(
    x, f, second, level, bands, edges, energies, steps, importance, skip, level_weights, lagrangian,
    costs, index, side, codewords, current, before, older, other, symbols, values, start,
    expectations, trail, emptied, carried, desk, sizes, numbers, cost,
):  # fmt: skip
    """Choose the symbols of one channel of a block; mirrors `stream.code_channel`.

    The last seven are the arrays of a `Search`.
    """
    d = codewords.shape[2]
    now = 0
    for s in range(STATES):
        cost[0, s] = _HOPELESS
        for i in range(CARRIED):
            carried[0, i, s] = 0
    cost[0, 0] = 0
    weights = level_weights[level, second]
    for band in range(bands):
        low, high = edges[level, band], edges[level, band + 1]
        step = steps[band]
        ratio = 4 * energies[band] - step
        coded = energies[band] != 0 and ratio >= skip
        flagged = ratio < EMPTY_BELOW
        for s in range(STATES):
            emptied[band, s] = 0
            if coded:
                carried[now, _REST, s] = np.float32(power_of(ratio) * (high - low))
                carried[now, _ANY, s] = 0
                if flagged:
                    cost[2, s] = cost[now, s]
                    carried[2, _RUNNING, s] = carried[now, _RUNNING, s]
            else:
                leave_empty(carried[now], carried[now], s)
                emptied[band, s] = 1
        if not coded:
            continue
        inverse = INVERSE[step]
        per_step = np.float32(inverse) / np.float32(1 << 25)
        scale = _UNIT / SCALE[step]
        energy = 0.0
        for k in range(low, high, d):
            y0, y1 = abs(x[k]) * scale, np.float32(0)
            if d == 2:
                y1 = abs(x[k + 1]) * scale
            own = np.float64(importance[band] * (y0 * y0 + y1 * y1))
            energy += own
            vector_features(f, current, before, older, other, k, d, inverse, 0, 0)
            f[2] = f[3] = 0
            common = np.float32(weighted(f, level_weights, level, second)) / np.float32(1024)
            expect(carried[now], desk, common, np.float32(weights[2]) * per_step / np.float32(1024),
                   np.float32(weights[3]) * per_step / np.float32(1024),
                   np.float32(weights[4]) / np.float32(1024),
                   np.float32(weights[1]) / np.float32(256),
                   np.float32(1) / np.float32(high - k))  # fmt: skip
            then = 1 - now
            if y0 < _ZERO_ONLY and y1 < _ZERO_ONLY:
                extend_by_zeros(own, lagrangian, costs, cost[now], cost[then], desk, sizes, d)
            else:
                for quantizer in range(2):
                    candidates(y0, quantizer, numbers[0, quantizer])
                    candidates(y1, quantizer, numbers[1, quantizer])
                extend(y0, y1, importance[band], lagrangian, costs, index, side, codewords, numbers,
                       cost[now], cost[then], desk, sizes)  # fmt: skip
            carry(carried[now], carried[then], np.float32(STEP[step]) * _UNIT, desk, sizes, d,
                  trail[k // d])  # fmt: skip
            now = then
        if flagged:
            # An empty band is announced by one flag; the trellis stands still.
            for s in range(STATES):
                cost[now, s] += lagrangian * _FLAG_BITS
                if carried[now, _ANY, s] == 0 or cost[2, s] + energy < cost[now, s]:
                    cost[now, s] = min(cost[2, s] + energy, _HOPELESS)
                    leave_empty(carried[2], carried[now], s)
                    emptied[band, s] = 1
    best = 0
    for s in range(STATES):
        if cost[now, s] < cost[now, best]:
            best = s
    for band in range(bands - 1, -1, -1):
        low, high = edges[level, band], edges[level, band + 1]
        step = steps[band]
        empty = emptied[band, best] != 0
        for k in range(high - d, low - d, -d):
            at = (start + k) // d
            if empty:
                symbols[at] = 0
                expectations[at] = -1
                for i in range(d):
                    values[start + k + i] = 0
                    current[PAD + k + i] = 0
                continue
            way = trail[k // d, best] >> 32
            sent = trail[k // d, best] & ((1 << 32) - 1)
            best = way % STATES
            expectations[at] = way // STATES
            symbols[at] = magnitudes(best, sent, index, side, codewords, desk[_SIZE])
            for i in range(d):
                size = desk[_SIZE, i]
                values[start + k + i] = -size if x[k + i] < 0 else size
                current[PAD + k + i] = min(_AMPLITUDE_LIMIT, (size * STEP[step]) >> VALUE_BITS)
    for k in range(edges[level, bands], edges[level, bands] + PAD):
        current[PAD + k] = 0


@kernel("void(f4[:,::1],f4[:,::1],i8)")
def leave_empty(old, new, s):
    """Fill what a survivor carries behind an empty band."""
    new[_RUNNING, s] = old[_RUNNING, s] * np.float32(0.25)
    for i in range(4):
        new[_LAST + i, s] = 0
