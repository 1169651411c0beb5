"""Reference decoder of sounds of kind frames, written from docs/format.md."""

from __future__ import annotations

import numpy as np

from tests.reference import container
from tests.reference.container import Book, Bytes, require


def decode(data: bytes, book: Book | None = None) -> np.ndarray:
    """Return the samples, (frames, channels) int16."""
    file = container.read(data)
    require(file.kind == "frames", "another kind")
    file.only("RBSF")
    if file.all("R"):
        require(book is not None and file.one("R") == book.identity, "another codebook")
    else:
        book = container.read_book(file.one("B"))
    assert book is not None
    words = book.arrays["codewords"].astype(np.int64)
    gains = book.arrays["gains"].astype(np.int64)
    source = Bytes(file.header)
    rate, channels = source.number(), source.byte()
    frame, most = source.number(), source.number()
    source.end()
    require(0 < rate <= 768_000 and channels and frame == words.shape[1] and most, "bad header")
    parts = []
    for number, payload in enumerate(file.all("S")):
        source = Bytes(payload)
        require(source.number() == number, "segment out of order")
        count = source.number()
        require(count <= most, "too many frames")
        shapes = _packed(source, count * channels, len(words))
        levels = _packed(source, count * channels, len(gains))
        source.end()
        vectors = (gains[levels][:, None] * words[shapes] + 64) >> 7
        cut = vectors.reshape(count, channels, frame).transpose(0, 2, 1)
        parts.append(cut.reshape(-1, channels))
    total = Bytes(file.one("F")).number()
    require(total and len(parts) == -(-total // (frame * most)), "another length")
    samples = np.clip(np.concatenate(parts), -32768, 32767).astype(np.int16)
    require(total <= len(samples), "too short")
    container.verify(file, samples[:total])
    return samples[:total]


def _packed(source: Bytes, count: int, codewords: int) -> np.ndarray:
    bits = (codewords - 1).bit_length()
    data = np.frombuffer(source.take((count * bits + 7) // 8), np.uint8)
    flags = np.unpackbits(data, count=count * bits).reshape(count, bits).astype(np.int64)
    indices: np.ndarray = flags @ (1 << np.arange(bits)[::-1])
    require(not count or indices.max() < codewords, "index beyond the codebook")
    return indices
