"""Fixed-rate files: indices of ceil(log2 K) bits each, so that any block is found at once.

Everything here is plain NumPy: a decoder without an entropy coder is a table
look-up, and needs no compiled kernel to be fast.
"""

from __future__ import annotations

import zlib

import numpy as np

from vqcodec.errors import FormatError
from vqcodec.metadata import inflate
from vqcodec.patch.blocks import PlaneShape, from_vectors

_CHUNK = 1 << 18  # indices at a time; a multiple of 8, so that chunks end on whole bytes


def index_bits(count: int) -> int:
    """Return the bits of an index into `count` codewords."""
    return (count - 1).bit_length()


def packed_size(indices: int, bits: int) -> int:
    """Return the bytes that so many indices take."""
    return (indices * bits + 7) // 8


def pack_indices(indices: np.ndarray, bits: int) -> bytes:
    """Pack integers below ``2**bits`` (bits <= 16), the highest bit of each first."""
    flat = indices.ravel()
    if bits in (8, 16):
        return flat.astype(f">u{bits // 8}").tobytes()
    parts = []
    for start in range(0, flat.size, _CHUNK):
        words = flat[start : start + _CHUNK].astype(">u2").view(np.uint8).reshape(-1, 2)
        planes = np.unpackbits(words, axis=1)[:, 16 - bits :]
        parts.append(np.packbits(planes).tobytes())
    return b"".join(parts)


def unpack_indices(data: bytes, first: int, count: int, bits: int) -> np.ndarray:
    """Return integers `first` to ``first + count`` of packed ones.

    `data` begins at the byte that holds the highest bit of integer `first`.
    The result is uint8 or uint16.
    """
    dtype = np.uint8 if bits <= 8 else np.uint16
    if bits == 0:
        return np.zeros(count, dtype)
    if bits in (8, 16):
        return np.frombuffer(data, f">u{bits // 8}", count).astype(dtype, copy=False)
    source = np.frombuffer(data, np.uint8)
    skipped = first * bits % 8
    out = np.empty(count, dtype)
    for start in range(0, count, _CHUNK):
        size = min(_CHUNK, count - start)
        begin = skipped + start * bits
        piece = np.unpackbits(source[begin // 8 : (begin + size * bits + 7) // 8])
        planes = piece[begin % 8 : begin % 8 + size * bits].reshape(size, bits)
        words = np.zeros((size, 16), np.uint8)
        words[:, 16 - bits :] = planes
        out[start : start + size] = np.packbits(words, axis=1).view(">u2")[:, 0]
    return out


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


def check_indices(indices: np.ndarray, count: int) -> None:
    """Refuse indices beyond the codebook, before anything is looked up."""
    if indices.size and count < 1 << (8 * indices.itemsize) and int(indices.max()) >= count:
        raise FormatError("an index of the file points beyond its codebook")


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
    if means.size:
        peak = np.iinfo(dtype).max
        for row in range(rows):
            blocks = codewords[indices[row]].reshape(columns, bh * bw, -1) + means[row][:, None]
            vectors = np.clip(blocks, 0, peak).astype(dtype).reshape(columns, -1)
            out[row * bh : row * bh + bh] = from_vectors(vectors, shape)
        return out
    # One row of a block is one item: the copy is a gather of a few bytes at a time.
    item = np.dtype((np.void, width * out.itemsize))
    lines = codewords.astype(dtype).reshape(-1, bh, width)
    tables = [np.ascontiguousarray(lines[:, line]).view(item).ravel() for line in range(bh)]
    target = out.reshape(rows, bh, columns * width).view(item)
    for row in range(rows):
        for line in range(bh):
            np.take(tables[line], indices[row], out=target[row, line], mode="clip")
    return out
