"""Entropy coding of palette indices: predictions of several contexts, mixed, range-coded.

Pixels go row by row. A table remembers which index came last where the left, upper,
upper left and upper right neighbours were these; the first decision is whether it
comes again, and in flat pictures the last. Otherwise the index goes bit by bit, high
bits first: with the palette in order of luminance they say dark or light.

Each decision has a probability in several contexts at once, exact neighbourhoods and
blurred ones; they are mixed in the logistic domain by weights that learn (M. Mahoney,
"Adaptive weighing of context models for lossless data compression", 2005). All of it
is integer arithmetic, and one kernel does both directions, so that they cannot differ.
"""

from __future__ import annotations

import math
from functools import cache

import numpy as np

from vqcodec import rangecoder
from vqcodec.errors import FormatError
from vqcodec.jit import njit
from vqcodec.rangecoder import decode_with, encode_with

CONTEXTS = 8
LIMIT = 250  # observations after which a context adapts no slower
RATE = 3  # of the weights
SPAN = 3071  # greatest logit, in 1/256
_MARK = np.uint64(0x9E3779B97F4A7C15)


@cache
def logit_tables() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return stretch (4096 probabilities to logits), squash (its inverse), and 1/(n + 1.6)."""
    stretch = [round(256 * math.log((p + 0.5) / (4095.5 - p))) for p in range(4096)]
    squash = [round(65536 / (1 + math.exp(-x / 256))) for x in range(-SPAN, SPAN + 1)]
    step = [round(65536 / (n + 1.6)) for n in range(LIMIT + 1)]
    return (
        np.array(stretch, np.int32),
        np.clip(np.array(squash, np.int32), 16, 65520),
        np.array(step, np.int32),
    )


def table_bits(pixels: int) -> int:
    """Return the binary logarithm of the slots of one context's table."""
    return min(max(12, pixels.bit_length() + 1), 20)


@njit
def code(
    state: np.ndarray,
    buffer: np.ndarray,
    decoding: bool,
    indices: np.ndarray,
    depth: int,
    tables: np.ndarray,
    last: np.ndarray,
    stretch: np.ndarray,
    squash: np.ndarray,
    step: np.ndarray,
) -> None:
    """Encode `indices` (height, width) into `buffer`, or decode them out of it.

    `tables` (CONTEXTS, 2**n) uint32 holds probabilities of a one (22 bits) and
    how many decisions they have seen (10 bits); the slots of the first decision
    and of four bits lie together. `last` (2**n, 2) uint8 remembers the index of
    a neighbourhood, and how often it came again.
    """
    height, width = indices.shape
    mask = np.uint64(tables.shape[1] - 16)
    last_mask = np.uint64(last.shape[0] - 1)
    weights = np.full((2 + 256, CONTEXTS), 65536 * 3 // CONTEXTS // 2, np.int32)
    base = np.zeros(CONTEXTS, np.uint64)
    block = np.zeros(CONTEXTS, np.int64)
    logits = np.zeros(CONTEXTS, np.int64)
    memory = np.zeros(2, np.int64)
    top = (1 << depth) - 1
    rows = np.zeros((3, width + 3), np.int64)  # this row and two above: two to the left, one right
    for y in range(height):
        for x in range(width + 3):
            rows[2, x] = rows[1, x]
            rows[1, x] = rows[0, x]
        rows[1, width + 2] = rows[1, width + 1]
        rows[0, 0] = rows[0, 1] = rows[1, 2]
        for x in range(width):
            w, ww = rows[0, x + 1], rows[0, x]
            nw, n, ne = rows[1, x + 1], rows[1, x + 2], rows[1, x + 3]
            nn = rows[2, x + 2]
            around = np.uint64(w | n << 8 | nw << 16 | ne << 24)
            place = np.int64((around + np.uint64(1)) * _MARK >> np.uint64(40) & last_mask)
            memory[0] = last[place, 0]
            memory[1] = last[place, 1]
            guess, trust = memory[0], memory[1]
            slope = min(max(w + n - nw, 0), top)
            base[0] = np.uint64(trust)
            base[1] = np.uint64(w)
            base[2] = np.uint64(n)
            base[3] = np.uint64(w | n << 8)
            base[4] = np.uint64(w | n << 8 | nw << 16)
            base[5] = np.uint64(w | n << 8 | ne << 16)
            base[6] = around | np.uint64(ww) << np.uint64(32) | np.uint64(nn) << np.uint64(40)
            base[7] = np.uint64(slope >> 1 | (abs(w - n) >> 2) << 8 | (abs(n - ne) >> 3) << 16)
            for c in range(CONTEXTS):
                base[c] = (base[c] + np.uint64(1)) * _MARK
                block[c] = np.int64(base[c] >> np.uint64(36) & mask)
            index = np.int64(indices[y, x])  # unless decoding, when it is of no use
            node = 0  # the first decision; from 1 on the bits, as in a heap
            inner = 0  # the same within a block of four bits
            left = depth
            same = False
            while left > 0:
                chosen = node if node else 256 + (1 if trust > 3 else 0)
                total = 0
                for c in range(CONTEXTS):
                    slot = tables[c, block[c] + inner]
                    logits[c] = 0
                    if slot & np.uint32(1023):
                        logits[c] = stretch[slot >> np.uint32(20)]
                    total += logits[c] * weights[chosen, c]
                one = np.int64(squash[min(max(total >> 16, -SPAN), SPAN) + SPAN])
                if decoding:
                    bit = decode_with(state, buffer, 65536 - one)
                else:
                    bit = index >> (left - 1) & 1 if node else np.int64(index == guess)
                    encode_with(state, buffer, 65536 - one, bit)
                miss = ((bit << 16) - one) * RATE
                for c in range(CONTEXTS):
                    weights[chosen, c] += (logits[c] * miss + (1 << 13)) >> 14
                    slot = np.int64(tables[c, block[c] + inner])
                    seen = slot & 1023
                    p = slot >> 10
                    p += (((4194303 if bit else 0) - p) * step[seen]) >> 16
                    tables[c, block[c] + inner] = np.uint32(p << 10 | min(seen + 1, LIMIT))
                if node == 0:
                    same = bit == 1
                    if same:
                        break
                    node = inner = 1
                    continue
                node = node << 1 | bit
                inner = inner << 1 | bit
                left -= 1
                if inner >= 16:
                    inner = 1
                    for c in range(CONTEXTS):
                        deep = (base[c] + np.uint64(node)) * _MARK
                        block[c] = np.int64(deep >> np.uint64(36) & mask)
            if decoding:
                index = guess if same else np.int64(node - (1 << depth))
                indices[y, x] = index
            rows[0, x + 2] = index
            last[place, 0] = index
            last[place, 1] = min(trust + 1, 255) if same else 0


def _tables(pixels: int) -> tuple[np.ndarray, ...]:
    size = 1 << table_bits(pixels)
    return (
        np.full((CONTEXTS, size), 1 << 31, np.uint32),
        np.zeros((size, 2), np.uint8),
        *logit_tables(),
    )


def encode_indices(indices: np.ndarray, colors: int) -> bytes:
    """Return the stream of (height, width) uint8 indices below `colors`."""
    if colors == 1:
        return b""
    state = rangecoder.encoder_state()
    buffer = np.empty(2 * indices.size + 64, np.uint8)
    depth = (colors - 1).bit_length()
    code(state, buffer, False, indices.copy(), depth, *_tables(indices.size))
    return rangecoder.finish(state, buffer)


def decode_indices(data: bytes, height: int, width: int, colors: int) -> np.ndarray:
    """Return the (height, width) uint8 indices of a stream.

    Raises
    ------
    FormatError
        An index is not below `colors`.
    """
    indices = np.zeros((height, width), np.uint8)
    if colors == 1:
        return indices
    stream = np.frombuffer(data, np.uint8)
    state = rangecoder.decoder_state(stream)
    depth = (colors - 1).bit_length()
    code(state, stream.copy(), True, indices, depth, *_tables(indices.size))
    if int(indices.max()) >= colors:
        raise FormatError("an index of the file lies outside its palette")
    return indices
