"""Fixed-rate files: indices of ceil(log2 K) bits each, so that any block is found at once.

Everything here is plain NumPy: a decoder without an entropy coder is a table
look-up, and needs no compiled kernel to be fast.
"""

from __future__ import annotations

import zlib

import numpy as np

from vqcodec.bitpacking import check_indices, index_bits, pack_indices, packed_size, unpack_indices
from vqcodec.errors import FormatError
from vqcodec.metadata import inflate
from vqcodec.patch.blocks import PlaneShape, from_vectors

_GATHER = 1 << 12  # blocks that are looked up at a time: they stay in the cache

__all__ = [
    "check_indices",
    "index_bits",
    "look_up",
    "pack_codewords",
    "pack_indices",
    "packed_size",
    "unpack_codewords",
    "unpack_indices",
]


def pack_codewords(codewords: np.ndarray, low: int, high: int) -> bytes:
    """Pack sorted codewords (K, d): differences along the codebook, byte planes, zlib."""
    width = _codeword_bytes(low, high)
    steps = np.mod(np.diff(codewords.astype(np.int64), axis=0, prepend=0), 1 << 8 * width)
    octets = steps.astype("<u4").view(np.uint8).reshape(-1, 4)[:, :width]
    return zlib.compress(octets.T.tobytes(), 9)


def unpack_codewords(data: bytes, count: int, dimension: int, low: int, high: int) -> np.ndarray:
    """Invert `pack_codewords`; samples beyond low..high are a `FormatError`."""
    width = _codeword_bytes(low, high)
    raw = inflate(data, count * dimension * width)
    if len(raw) != count * dimension * width:
        raise FormatError("the embedded codebook is shorter than it says")
    octets = np.frombuffer(raw, np.uint8).reshape(width, count, dimension).astype(np.int64)
    weights = 1 << 8 * np.arange(width)
    values = (octets * weights[:, None, None]).sum(0).cumsum(0)
    modulus = 1 << 8 * width
    values = np.mod(values - low, modulus) + low
    if int(values.max()) > high:
        raise FormatError("the embedded codebook is damaged")
    return values


def _codeword_bytes(low: int, high: int) -> int:
    return ((high - low).bit_length() + 7) // 8


def look_up(
    indices: np.ndarray,
    means: np.ndarray,
    codewords: np.ndarray,
    shape: PlaneShape,
    dtype: np.dtype,
) -> np.ndarray:
    """Put the codewords in place: indices (rows, columns) to a padded plane of `dtype`.

    `means` (rows, columns, channels) are added where they were removed; else
    they are empty. The indices have been checked.
    """
    rows, columns = indices.shape
    bh, bw = shape.block
    width = bw * shape.channels
    out = np.empty((rows * bh, columns * bw, shape.channels), dtype)
    step = max(1, _GATHER // columns)
    strips = [slice(r, min(r + step, rows)) for r in range(0, rows, step)]
    if means.size:
        peak = np.iinfo(dtype).max
        for strip in strips:
            found = codewords[indices[strip].ravel()].reshape(-1, bh * bw, shape.channels)
            blocks = found + means[strip].reshape(-1, 1, shape.channels)
            vectors = np.clip(blocks, 0, peak).astype(dtype).reshape(len(blocks), -1)
            out[strip.start * bh : strip.stop * bh] = from_vectors(vectors, shape)
        return out
    # One row of a block is one item: a gather of a few bytes at a time.
    item = np.dtype((np.void, width * out.itemsize))
    lines = codewords.astype(dtype).reshape(-1, bh, width)
    tables = [np.ascontiguousarray(lines[:, line]).view(item).ravel() for line in range(bh)]
    target = out.reshape(rows, bh, columns * width)
    for strip in strips:
        for line, table in enumerate(tables):
            gathered = np.take(table, indices[strip], mode="clip")
            target[strip, line] = gathered.view(dtype).reshape(len(gathered), -1)
    return out
