# mypy: allow-untyped-defs, no-check-untyped-defs
"""Logistic mixing of several adaptive probabilities, in integer arithmetic.

Each decision has six opinions. They are brought to the logistic domain
(`STRETCH`), weighed by two sets of weights that are chosen by context, and the
mean of both results is the probability the range coder uses. Weights learn
online by gradient descent on the code length (Mattern 2012; Mahoney's PAQ), and
each opinion moves towards the outcome by ``1 / (seen + 1.6)``.

A state is an uint32: a probability in 22 bits, over 10 bits of count. The coder
is one array of uint64: the registers of the range coder, then the rows of the
six contexts of the syntax element at hand (`place`).
"""

from __future__ import annotations

import numpy as np

from vqcodec import rangecoder
from vqcodec.photo.contexts import BASE, FIRST_SETS, INPUTS, NODES
from vqcodec.photo.kernel import again, kernel

U = np.uint64
REGISTERS = 3
CODER_SIZE = REGISTERS + INPUTS
_p = (np.arange(4096) + 0.5) / 4096
# ln(p / (1 - p)) in 1/256 by the top 12 bits of p, and its inverse in 1/65536.
# Small types, as both share the fastest cache with the states.
STRETCH = np.clip(np.round(np.log(_p / (1 - _p)) * 256), -2047, 2047).astype(np.int16)
SQUASH = np.clip(
    np.round(65536 / (1 + np.exp(-(np.arange(4096) - 2048) / 256.0))), 24, 65512
).astype(np.uint16)
COUNT_LIMIT = 255
_STEP = np.array([int(65536 / (n + 1.6)) for n in range(COUNT_LIMIT + 1)], np.uint16)
_RATE = 10
FRESH = 1 << 31  # a state that has seen nothing

_encode_interval = again(rangecoder.encode_interval)
_decode_interval = again(rangecoder.decode_interval)


@kernel("void(u8[::1],i8,i8,i8,i8,i8,i8,i8)")
def place(coder, element, c0, c1, c2, c3, c4, c5):
    """Point the six inputs at the rows of their contexts of an element."""
    nodes = NODES[element]
    coder[3] = U(BASE[element, 0] + c0 * nodes)
    coder[4] = U(BASE[element, 1] + c1 * nodes)
    coder[5] = U(BASE[element, 2] + c2 * nodes)
    coder[6] = U(BASE[element, 3] + c3 * nodes)
    coder[7] = U(BASE[element, 4] + c4 * nodes)
    coder[8] = U(BASE[element, 5] + c5 * nodes)


@kernel("i8(u8[::1],u1[::1],b1,i8,i8)")
def code_with(coder, buffer, encoding, probability, bit):
    """Encode a decision, or decode it; `probability` of a one in 1/65536; return it."""
    width = coder[1]
    zero = (width >> U(16)) * U(65536 - probability)
    if encoding:
        one = bit != 0
        start = zero if one else U(0)
        _encode_interval(coder, buffer, start, width - zero if one else zero)
    elif coder[0] < zero:
        bit = 0
        _decode_interval(coder, buffer, U(0), zero)
    else:
        bit = 1
        _decode_interval(coder, buffer, zero, width - zero)
    return bit


@kernel("u4(i8,i8)")
def _adapted(state, goal):
    """Return a state after an outcome: `goal` is 0 or 2**22."""
    seen = state & 1023
    change = ((goal - (state >> 10)) * np.int64(_STEP[seen])) >> 16  # never quite to the goal
    return np.uint32(state + (change << 10) + (1 if seen < COUNT_LIMIT else 0))


@kernel("i8(u8[::1],u1[::1],b1,u4[::1],i8,i8)")
def code_adaptive(coder, buffer, encoding, states, k, bit):
    """Encode a decision, or decode it, by a single state; return it."""
    value = np.int64(states[k])
    p = min(65000, max(536, value >> 16))
    bit = code_with(coder, buffer, encoding, p, bit)
    states[k] = _adapted(value, bit << 22)
    return bit


@kernel("i8(u8[::1],u1[::1],b1,u4[::1],i4[::1],i8,i8,i8,i8)")
def code_mixed(coder, buffer, encoding, states, weights, node, set1, set2, bit):
    """Encode a decision, or decode it; return it.

    Parameters
    ----------
    coder : (9,) uint64
    states : (n,) uint32
    weights : (sets * 6,) int32
        In 1/65536; those of the first kind, then those of the second.
    node : int
        Which decision of the element: added to the row of each context.
    set1, set2 : int
        Which weights of each kind to use.
    """
    first, second = U(set1 * INPUTS), U((FIRST_SETS + set2) * INPUTS)
    dot1 = dot2 = np.int64(0)
    for i in range(U(INPUTS)):
        opinion = np.int64(STRETCH[states[coder[U(REGISTERS) + i] + U(node)] >> np.uint32(20)])
        dot1 += weights[first + i] * opinion
        dot2 += weights[second + i] * opinion
    p = np.int64(SQUASH[min(4095, max(0, ((dot1 + dot2) >> 17) + 2048))])
    bit = code_with(coder, buffer, encoding, p, bit)
    target = bit << 16
    error1 = (target - np.int64(SQUASH[min(4095, max(0, (dot1 >> 16) + 2048))])) * _RATE
    error2 = (target - np.int64(SQUASH[min(4095, max(0, (dot2 >> 16) + 2048))])) * _RATE
    half = 1 << 19
    goal = bit << 22
    for i in range(U(INPUTS)):
        k = coder[U(REGISTERS) + i] + U(node)
        value = np.int64(states[k])
        opinion = np.int64(STRETCH[value >> 20])
        weights[first + i] += np.int32((error1 * opinion + half) >> 20)
        weights[second + i] += np.int32((error2 * opinion + half) >> 20)
        states[k] = _adapted(value, goal)
    return bit
