# mypy: allow-untyped-defs, no-check-untyped-defs
"""Binary decisions: adaptive probabilities, mixed in the logistic domain, into the range coder.

A mixed decision has `INPUTS` opinions, one from each context. They are
stretched to logits, weighed by two sets of weights that contexts of their own
choose, and the mean of both sums is squashed into the probability that the
range coder uses. The weights follow the gradient of the code length online
(Mahoney's PAQ; Mattern 2012), each opinion moves towards the outcome by
``1 / (seen + 1.6)``. A plain decision has one opinion. All of it is integer
arithmetic: the encoder and every decoder hold the same numbers.

A state is an uint32: the probability of a one in 22 bits, over 10 bits of count.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from vqcodec import rangecoder
from vqcodec.jit import njit

_INNER: dict[str, Any] = {"_nrt": False}


def kernel(signature):
    """Decorate an inner function: it allocates nothing, so it counts no references.

    It is compiled once, for the types of the signature.
    """
    return njit(signature=signature, **_INNER)


INPUTS = 6
FRESH = 1 << 31
WEIGHT_ONE = 1 << 16
COUNT_LIMIT = 1023  # of any state; `limit` says how slowly they may move
_p = (np.arange(4096) + 0.5) / 4096
# ln(p / (1 - p)) in 1/256 by the top 12 bits of p, and its inverse in 1/65536.
# Small types, as all three share the fastest cache with the states.
STRETCH = np.clip(np.round(np.log(_p / (1 - _p)) * 256), -2047, 2047).astype(np.int16)
SQUASH = np.clip(
    np.round(65536 / (1 + np.exp(-(np.arange(4096) - 2048) / 256.0))), 24, 65512
).astype(np.uint16)
_STEP = np.array([int(65536 / (n + 1.6)) for n in range(COUNT_LIMIT + 1)], np.uint16)
_RATE = 10
_PLAIN_LIMIT = 255

_encode_interval = njit(**_INNER)(rangecoder.encode_interval.py_func)
_decode_interval = njit(**_INNER)(rangecoder.decode_interval.py_func)


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


@kernel("i8(u8[::1],u1[::1],b1,u4[::1],i4[:,::1],i8,i8[::1],i8,i8,i8,i8)")
def code_mixed(state, buffer, encoding, states, weights, limit, at, node, set1, set2, bit):
    """Encode a decision, or decode it, by the opinions of six contexts; return it.

    Parameters
    ----------
    states : (n,) uint32
    weights : (sets, 6) int32, in 1/65536
    limit : int, count at which the opinions stop slowing down
    at : (6,) int64, where the contexts lie in `states`; `node` is added to it.
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
        dot1 += weights[set1, i] * stretched[i]
        dot2 += weights[set2, i] * stretched[i]
    p = np.int64(SQUASH[min(4095, max(0, ((dot1 + dot2) >> 17) + 2048))])
    bit = code_with(state, buffer, encoding, p, bit)
    target = bit << 16
    error1 = (target - np.int64(SQUASH[min(4095, max(0, (dot1 >> 16) + 2048))])) * _RATE
    error2 = (target - np.int64(SQUASH[min(4095, max(0, (dot2 >> 16) + 2048))])) * _RATE
    half = 1 << 19
    goal = bit << 22
    for i in range(INPUTS):
        weights[set1, i] += np.int32((error1 * stretched[i] + half) >> 20)
        weights[set2, i] += np.int32((error2 * stretched[i] + half) >> 20)
        k = at[i] + node
        value = np.int64(states[k])
        seen = value & 1023
        probability = value >> 10
        probability += ((goal - probability) * np.int64(_STEP[seen])) >> 16
        probability = min(4194303, probability)
        states[k] = np.uint32((probability << 10) | min(seen + 1, limit))
    return bit


@kernel("i8(u8[::1],u1[::1],b1,u4[::1],i8,i8)")
def code_plain(state, buffer, encoding, states, k, bit):
    """Encode a decision, or decode it, by the opinion of one context; return it."""
    value = np.int64(states[k])
    seen = value & 1023
    probability = value >> 10
    bit = code_with(state, buffer, encoding, min(65504, max(32, probability >> 6)), bit)
    probability += (((bit << 22) - probability) * np.int64(_STEP[seen])) >> 16
    states[k] = np.uint32((min(4194303, probability) << 10) | min(seen + 1, _PLAIN_LIMIT))
    return bit


NUMBER_CONTEXTS = 40
NUMBER_BITS = 19


@kernel("i8(u8[::1],u1[::1],b1,u4[::1],i8,i8)")
def code_number(state, buffer, encoding, states, base, value):
    """Encode an integer of 0..2**20 - 2, or decode it; return it (Elias' gamma code).

    The bit length of ``value + 1`` is unary, its second highest bit adaptive, the rest raw.
    """
    value += 1
    length = 0
    while length < NUMBER_BITS:
        more = 1 if value >> (length + 1) > 0 else 0
        if code_plain(state, buffer, encoding, states, base + length, more) == 0:
            break
        length += 1
    result = 1
    for shift in range(length - 1, -1, -1):
        bit = (value >> shift) & 1
        if shift == length - 1:
            bit = code_plain(state, buffer, encoding, states, base + 20 + length, bit)
        else:
            bit = code_with(state, buffer, encoding, 32768, bit)
        result = result << 1 | bit
    return result - 1
