"""Integers of equal length, packed without gaps, so that any of them is found at once."""

from __future__ import annotations

import numpy as np

from vqcodec.errors import FormatError

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


def check_indices(indices: np.ndarray, count: int) -> None:
    """Refuse indices beyond the codebook, before anything is looked up."""
    if indices.size and count < 1 << (8 * indices.itemsize) and int(indices.max()) >= count:
        raise FormatError("an index of the file points beyond its codebook")
