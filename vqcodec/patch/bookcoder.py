"""Entropy coding of an embedded codebook.

The encoder sorts the codewords so that neighbours look alike, rounds their
samples to multiples of a step, and codes each sample as the difference from a
prediction: inside a codeword from its left, upper and upper-left samples
(Martucci's median), at its first sample from the codeword before. Adaptive
contexts follow the activity around the sample. The codebook is written first
and the indices refer to what the decoder will read. The order is `ordering.order`'s.
"""

# Kernels are typed by what they are called with:
# mypy: disallow-untyped-defs=False, check-untyped-defs=False

from __future__ import annotations

import numpy as np

from vqcodec.errors import FormatError
from vqcodec.jit import njit
from vqcodec.rangecoder import (
    decode_signed,
    decoder_state,
    encode_signed,
    encoder_state,
    finish,
    new_contexts,
)

_ACTIVITIES = 10
_NUMBER = 65  # contexts of one signed number


@njit(_nrt=False)
def _predict(values, k, j, width, channels):
    """Return the prediction of sample j of codeword k, and its context."""
    line, place = j // width, j % width
    has_left, has_upper = place >= channels, line > 0
    if has_left and has_upper:
        a, b = values[k, j - channels], values[k, j - width]
        c = values[k, j - width - channels]
        prediction = max(min(a, b), min(max(a, b), a + b - c))
        activity = abs(a - c) + abs(b - c)
        context = 3
    elif has_left or has_upper:
        before = j - channels if has_left else j - width
        prediction = values[k, before]
        activity = abs(values[k - 1, j] - values[k - 1, before]) if k > 0 else 0
        context = 3
    elif j > 0:  # the first sample of a further channel: as its neighbour in the last codeword
        prediction = values[k - 1, j] if k > 0 else values[k, j - 1]
        return prediction, 1
    else:
        return (values[k - 1, j] if k > 0 else 0), 0
    while activity > 0 and context < _ACTIVITIES - 1:
        activity >>= 1
        context += 1
    return prediction, context


@njit(_nrt=False)
def _encode(values, width, channels, contexts, state, buffer):
    for k in range(values.shape[0]):
        for j in range(values.shape[1]):
            prediction, context = _predict(values, k, j, width, channels)
            encode_signed(state, buffer, contexts, context * _NUMBER, values[k, j] - prediction)


@njit(_nrt=False)
def _decode(values, width, channels, contexts, low, high, state, data):
    for k in range(values.shape[0]):
        for j in range(values.shape[1]):
            prediction, context = _predict(values, k, j, width, channels)
            value = prediction + decode_signed(state, data, contexts, context * _NUMBER)
            if value < low or value > high:
                return False
            values[k, j] = value
    return True


def encode_codewords(codewords: np.ndarray, step: int, width: int, channels: int) -> bytes:
    """Code codewords (K, d) that `quantize` has rounded; `width` samples make a row of a block."""
    values = np.rint(codewords / step).astype(np.int64)
    buffer = np.zeros(64 + values.size * 8, np.uint8)
    state = encoder_state()
    _encode(values, width, channels, new_contexts(_ACTIVITIES * _NUMBER), state, buffer)
    return finish(state, buffer)


def decode_codewords(
    stream: bytes, count: int, dimension: int, step: int, low: int, high: int, width: int,
    channels: int,
) -> np.ndarray:  # fmt: skip
    """Invert `encode_codewords`; codewords beyond low..high are a `FormatError`."""
    values = np.zeros((count, dimension), np.int64)
    data = np.frombuffer(stream, np.uint8)
    contexts = new_contexts(_ACTIVITIES * _NUMBER)
    bounds = (low - step // 2 - 1) // step, (high + step // 2) // step + 1
    if not _decode(values, width, channels, contexts, *bounds, decoder_state(data), data):
        raise FormatError("the embedded codebook is damaged")
    return np.clip(values * step, low, high)
