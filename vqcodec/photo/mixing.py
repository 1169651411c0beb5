# mypy: allow-untyped-defs, no-check-untyped-defs
"""Logistic mixing of several adaptive probabilities, in integer arithmetic.

Each decision has six opinions. They are brought to the logistic domain
(`STRETCH`), weighed by two sets of weights that are chosen by context, and the
mean of both results is the probability the range coder uses. Weights learn
online by gradient descent on the code length (Mattern 2012; Mahoney's PAQ), and
each opinion moves towards the outcome by ``1 / (seen + 1.6)``.

A state is an uint32: a probability in 22 bits, over 10 bits of count.
"""

from __future__ import annotations

import numpy as np

from vqcodec import rangecoder
from vqcodec.photo.contexts import INPUTS
from vqcodec.photo.kernel import again, kernel

_p = (np.arange(4096) + 0.5) / 4096
# ln(p / (1 - p)) in 1/256 by the top 12 bits of p, and its inverse in 1/65536.
STRETCH = np.clip(np.round(np.log(_p / (1 - _p)) * 256), -2047, 2047).astype(np.int32)
SQUASH = np.clip(
    np.round(65536 / (1 + np.exp(-(np.arange(4096) - 2048) / 256.0))), 24, 65512
).astype(np.int32)
COUNT_LIMIT = 255
_STEP = np.array([int(65536 / (n + 1.6)) for n in range(COUNT_LIMIT + 1)], np.int64)
_RATE = 10
FRESH = np.uint32(1 << 31)
WEIGHT_ONE = 1 << 16


_encode_interval = again(rangecoder.encode_interval)
_decode_interval = again(rangecoder.decode_interval)


@kernel("i8(u8[::1],u1[::1],b1,i8,i8)")
def code_with(state, buffer, encoding, probability, bit):
    """Encode a decision, or decode it; `probability` of a one in 1/65536; return it."""
    width = state[1]
    zero = (width >> np.uint64(16)) * np.uint64(65536 - probability)
    if encoding:
        one = bit != 0
        start = zero if one else np.uint64(0)
        _encode_interval(state, buffer, start, width - zero if one else zero)
    elif state[0] < zero:
        bit = 0
        _decode_interval(state, buffer, np.uint64(0), zero)
    else:
        bit = 1
        _decode_interval(state, buffer, zero, width - zero)
    return bit


@kernel("i8(u8[::1],u1[::1],b1,u4[::1],i4[:,::1],i4[:,::1],i8[::1],i8,i8,i8,i8)")
def code_mixed(state, buffer, encoding, states, first, second, at, node, set1, set2, bit):
    """Encode a decision, or decode it; return it.

    Parameters
    ----------
    states : (n,) uint32
    first, second : (sets, 6) int32, weights in 1/65536
    at : (6,) int64, row of each context; `node` is added to it.
    set1, set2 : which weights to use.
    """
    dot1 = dot2 = np.int64(0)
    stretched = (
        np.int64(STRETCH[states[at[0] + node] >> np.uint32(20)]),
        np.int64(STRETCH[states[at[1] + node] >> np.uint32(20)]),
        np.int64(STRETCH[states[at[2] + node] >> np.uint32(20)]),
        np.int64(STRETCH[states[at[3] + node] >> np.uint32(20)]),
        np.int64(STRETCH[states[at[4] + node] >> np.uint32(20)]),
        np.int64(STRETCH[states[at[5] + node] >> np.uint32(20)]),
    )
    for i in range(INPUTS):
        dot1 += first[set1, i] * stretched[i]
        dot2 += second[set2, i] * stretched[i]
    p = SQUASH[min(4095, max(0, ((dot1 + dot2) >> 17) + 2048))]
    bit = code_with(state, buffer, encoding, p, bit)
    target = bit << 16
    error1 = (target - SQUASH[min(4095, max(0, (dot1 >> 16) + 2048))]) * _RATE
    error2 = (target - SQUASH[min(4095, max(0, (dot2 >> 16) + 2048))]) * _RATE
    half = 1 << 19
    goal = bit << 22
    for i in range(INPUTS):
        first[set1, i] += np.int32((error1 * stretched[i] + half) >> 20)
        second[set2, i] += np.int32((error2 * stretched[i] + half) >> 20)
        k = at[i] + node
        value = np.int64(states[k])
        seen = value & 1023
        probability = value >> 10
        probability += ((goal - probability) * _STEP[seen]) >> 16
        probability = min(4194303, probability)
        states[k] = np.uint32((probability << 10) | min(seen + 1, COUNT_LIMIT))
    return bit
