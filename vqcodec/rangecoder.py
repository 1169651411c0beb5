"""Binary adaptive range coder: integer arithmetic, for use inside numba kernels.

Martin's range coder (1979) in the carry-propagating form: the encoder keeps
the lower end `low` and the width `range` of an interval of 48-bit integers,
narrows it with each decision to a part as wide as that decision is probable,
and moves the top byte out whenever the width falls below 2**40. A later carry
runs back through the bytes in the buffer. A decoder that reads beyond the end
of its bytes reads zeros, and the encoder drops the zeros that it would have to
write there.

Everything is a plain function over plain arrays, so that a codec's kernel can
inline it::

    state = encoder_state()                  # or decoder_state(data)
    encode_bit(state, buffer, contexts, 3, bit)
    data = finish(state, buffer)

A context is a row of `contexts` (uint16, n x 2): the probability of a zero in
1/65536, and how many decisions it has seen. The first ones move it by 1/2,
1/3, 1/4 ... (the Krichevsky-Trofimov mean), later ones by at least 1/`2**rate`.
This module is not the model: it knows no codebooks and no images.
"""

# Kernels are typed by what they are called with:
# mypy: disallow-untyped-defs=False, check-untyped-defs=False

from __future__ import annotations

import numpy as np

from vqcodec.errors import VQError
from vqcodec.jit import njit

U = np.uint64
_LOW, _RANGE, _POSITION = range(3)
_TOP = U(1 << 48)
_BOTTOM = U(1 << 40)
_BELOW_TOP_BYTE = U((1 << 40) - 1)
_8, _16, _40 = U(8), U(16), U(40)
_ZERO, _ONE = U(0), U(1)

ADAPTATION_LIMIT = 126
# Step of the adaptation after n decisions, in 1/65536: 1 / (n + 1.5).
_STEP = np.array([65536 * 2 // (2 * n + 3) for n in range(ADAPTATION_LIMIT + 1)], np.int64)


def new_contexts(count: int) -> np.ndarray:
    """Return `count` fresh contexts: both outcomes equally probable, nothing seen."""
    contexts = np.zeros((count, 2), np.uint16)
    contexts[:, 0] = 1 << 15
    return contexts


# --- encoder ------------------------------------------------------------------


def encoder_state() -> np.ndarray:
    """Return the state of a fresh encoder."""
    state = np.zeros(3, np.uint64)
    state[_RANGE] = _TOP
    return state


@njit(inline="always")
def encode_interval(state, buffer, start, width):
    """Narrow the interval to `width` from `start` on, and renormalise."""
    low = state[_LOW] + start
    position = np.int64(state[_POSITION])
    if low >= _TOP:  # a carry runs back through the bytes already written
        low -= _TOP
        place = min(position, buffer.shape[0]) - 1
        while place > 0 and buffer[place] == 255:
            buffer[place] = 0
            place -= 1
        buffer[place] += np.uint8(1)
    while width < _BOTTOM:
        if position < buffer.shape[0]:
            buffer[position] = np.uint8(low >> _40)
        position += 1
        low = (low & _BELOW_TOP_BYTE) << _8
        width <<= _8
    state[_LOW] = low
    state[_RANGE] = width
    state[_POSITION] = U(position)


@njit(inline="always")
def encode_with(state, buffer, probability, bit):
    """Encode one decision; `probability` of a zero is an integer in 1..65535 of 1/65536."""
    width = state[_RANGE]
    zero = (width >> _16) * U(probability)
    encode_interval(state, buffer, zero if bit else _ZERO, width - zero if bit else zero)


@njit(_nrt=False)
def encode_symbol(state, buffer, start, size, total):
    """Encode the symbol that owns `size` of `total` parts, `start` parts up; total < 2**32."""
    part = state[_RANGE] // U(total)
    encode_interval(state, buffer, part * U(start), part * U(size))


@njit(_nrt=False)
def encode_bit(state, buffer, contexts, context, bit):
    """Encode one decision in an adaptive context, and adapt it."""
    encode_with(state, buffer, contexts[context, 0], bit)
    _adapt(contexts, context, bit)


@njit(_nrt=False)
def encode_raw(state, buffer, value, bits):
    """Encode the low `bits` bits of an integer (at most 16), equally probable."""
    encode_symbol(state, buffer, value, 1, 1 << bits)


@njit(_nrt=False)
def encode_tree(state, buffer, contexts, base, value, bits):
    """Encode a `bits`-bit integer, high bits first, in ``2**bits`` contexts from `base` on."""
    node = 1
    for shift in range(bits - 1, -1, -1):
        bit = value >> shift & 1
        encode_bit(state, buffer, contexts, base + node, bit)
        node = node << 1 | bit


@njit(_nrt=False)
def encode_number(state, buffer, contexts, base, value):
    """Encode an integer >= 0 of any size in 64 contexts from `base` on (Elias' gamma code).

    The bit length of ``value + 1`` goes in unary, its second and third bits
    adaptively, the others raw.
    """
    value += 1
    length = 0
    while value >> (length + 1) > 0:
        encode_bit(state, buffer, contexts, base + min(length, 31), 1)
        length += 1
    encode_bit(state, buffer, contexts, base + min(length, 31), 0)
    for shift in range(length - 1, -1, -1):
        bit = value >> shift & 1
        if shift >= length - 1:
            encode_bit(state, buffer, contexts, base + 32 + min(length, 31), bit)
        else:
            encode_raw(state, buffer, bit, 1)


@njit(_nrt=False)
def encode_signed(state, buffer, contexts, base, value):
    """Encode an integer of either sign in 65 contexts from `base` on."""
    encode_number(state, buffer, contexts, base + 1, abs(value))
    if value != 0:
        encode_bit(state, buffer, contexts, base, 1 if value < 0 else 0)


@njit(_nrt=False)
def _flush(state, buffer):
    """Write the bytes of the roundest number inside the final interval; return the length."""
    low, width = state[_LOW], state[_RANGE]
    for bits in (48, 40):  # the width is at least 2**40
        mask = (_ONE << U(bits)) - _ONE
        rounded = (low + mask) & ~mask
        if rounded - low < width:
            encode_interval(state, buffer, rounded - low, _ONE)
            break
    size = np.int64(state[_POSITION])
    if size > buffer.shape[0]:
        return size
    while size > 0 and buffer[size - 1] == 0:
        size -= 1
    return size


def finish(state: np.ndarray, buffer: np.ndarray) -> bytes:
    """End the stream and return its bytes.

    Raises
    ------
    VQError
        The buffer was too small; a kernel checks `overflowed` before it comes to this.
    """
    size = int(_flush(state, buffer))
    if overflowed(state, buffer):
        raise VQError("the buffer of the range coder is too small")
    return buffer[:size].tobytes()


def overflowed(state: np.ndarray, buffer: np.ndarray) -> bool:
    """Return whether the encoder ran out of buffer."""
    return int(state[_POSITION]) > buffer.shape[0]


# --- decoder ------------------------------------------------------------------


def decoder_state(data: np.ndarray) -> np.ndarray:
    """Return the state of a decoder at the start of `data` (uint8)."""
    state = np.zeros(3, np.uint64)
    head = np.zeros(6, np.uint8)
    head[: min(6, data.size)] = data[:6]
    state[_LOW] = int.from_bytes(head.tobytes(), "big")
    state[_RANGE] = _TOP
    state[_POSITION] = 6
    return state


@njit(_nrt=False)
def decode_interval(state, data, start, width):
    """Enter the interval of `width` from `start` on, and renormalise."""
    code = state[_LOW] - start
    while width < _BOTTOM:
        width <<= _8
        code <<= _8
        position = state[_POSITION]
        if position < U(data.shape[0]):
            code |= U(data[position])
        state[_POSITION] = position + _ONE
    state[_LOW] = code
    state[_RANGE] = width


@njit(_nrt=False)
def decode_with(state, data, probability):
    """Decode one decision; the counterpart of `encode_with`."""
    width = state[_RANGE]
    zero = (width >> _16) * U(probability)
    if state[_LOW] < zero:
        decode_interval(state, data, _ZERO, zero)
        return 0
    decode_interval(state, data, zero, width - zero)
    return 1


@njit(_nrt=False)
def decode_target(state, total):
    """Return the part, of `total`, in which the next symbol lies (always below `total`).

    The caller finds the symbol that owns it, and then enters it by `decode_symbol`.
    """
    part = state[_RANGE] // U(total)
    return min(np.int64(state[_LOW] // part), np.int64(total) - 1)


@njit(_nrt=False)
def decode_symbol(state, data, start, size, total):
    """Enter the symbol found at `decode_target`; the counterpart of `encode_symbol`."""
    part = state[_RANGE] // U(total)
    decode_interval(state, data, part * U(start), part * U(size))


@njit(_nrt=False)
def decode_bit(state, data, contexts, context):
    """Decode one decision in an adaptive context, and adapt it."""
    bit = decode_with(state, data, contexts[context, 0])
    _adapt(contexts, context, bit)
    return bit


@njit(_nrt=False)
def decode_raw(state, data, bits):
    """Decode an integer of `bits` equally probable bits (at most 16)."""
    value = decode_target(state, 1 << bits)
    decode_symbol(state, data, value, 1, 1 << bits)
    return value


@njit(_nrt=False)
def decode_tree(state, data, contexts, base, bits):
    """Decode a `bits`-bit integer; the counterpart of `encode_tree`."""
    node = 1
    for _ in range(bits):
        node = node << 1 | decode_bit(state, data, contexts, base + node)
    return node - (1 << bits)


@njit(_nrt=False)
def decode_number(state, data, contexts, base):
    """Decode an integer >= 0; the counterpart of `encode_number`. Damaged data give below 2**33."""
    length = 0
    while length < 32 and decode_bit(state, data, contexts, base + min(length, 31)):
        length += 1
    value = 1
    for shift in range(length - 1, -1, -1):
        if shift >= length - 1:
            bit = decode_bit(state, data, contexts, base + 32 + min(length, 31))
        else:
            bit = decode_raw(state, data, 1)
        value = value << 1 | bit
    return value - 1


@njit(_nrt=False)
def decode_signed(state, data, contexts, base):
    """Decode an integer of either sign; the counterpart of `encode_signed`."""
    value = decode_number(state, data, contexts, base + 1)
    if value != 0 and decode_bit(state, data, contexts, base):
        return -value
    return value


# --- the probability of both --------------------------------------------------


@njit(_nrt=False)
def _adapt(contexts, context, bit):
    probability = np.int64(contexts[context, 0])
    seen = np.int64(contexts[context, 1])
    target = 32 if bit else 65504  # never certain: 11 bits is the dearest decision
    contexts[context, 0] = np.uint16(probability + ((target - probability) * _STEP[seen] >> 16))
    if seen < ADAPTATION_LIMIT:
        contexts[context, 1] = np.uint16(seen + 1)
