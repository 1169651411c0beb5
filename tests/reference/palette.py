"""Reference decoder of palette files, written from docs/format.md, section "palette"."""

from __future__ import annotations

import math

import numpy as np

from tests.reference import container
from tests.reference.container import Bytes, require
from tests.reference.rangecoder import Decoder

STRETCH = [round(256 * math.log((p + 0.5) / (4095.5 - p))) for p in range(4096)]
SQUASH = {
    x: min(max(round(65536 / (1 + math.exp(-x / 256))), 16), 65520) for x in range(-3071, 3072)
}
STEP = [round(65536 / (n + 1.6)) for n in range(251)]
MARK, WORD = 0x9E3779B97F4A7C15, (1 << 64) - 1


def decode(data: bytes) -> np.ndarray:
    """Return the samples, (height, width, 3 or 4) uint8."""
    file = container.read(data)
    require(file.kind == "palette", "another kind")
    file.only("PI")
    source = Bytes(file.header)
    width, height, colors = source.number(), source.number(), source.byte() + 1
    wide, tall = width, height
    if source.place < len(source.data):
        wide, tall = source.number(), source.number()
    source.end()
    require(width and height and wide and tall, "no pixels")
    payload = file.one("P")
    require(payload[:1] in (b"\0", b"\1"), "unknown palette")
    channels = 3 + payload[0]
    steps = np.frombuffer(container.inflate(payload[1:]), np.uint8)
    require(steps.size == channels * colors, "another number of colours")
    entries = np.cumsum(steps.reshape(channels, colors), 1, dtype=np.uint8).T
    corners = [(y, x) for y in range(0, height, tall) for x in range(0, width, wide)]
    streams = file.all("I")
    require(len(streams) == len(corners), "another number of tiles")
    indices = np.zeros((height, width), np.uint8)
    for (top, left), stream in zip(corners, streams, strict=True):
        part = indices[top : top + tall, left : left + wide]
        if colors == 1:
            require(not stream, "indices of one colour")
        else:
            part[:] = _indices(stream, *part.shape, colors)
    require(int(indices.max()) < colors, "an index beyond the palette")
    container.verify(file, indices)
    return entries[indices]


def _indices(stream: bytes, height: int, width: int, colors: int) -> np.ndarray:
    coder = Decoder(stream)
    depth = (colors - 1).bit_length()
    bits = min(max(12, (height * width).bit_length() + 1), 20)
    size = 1 << bits
    tables = [[(1 << 21, 0)] * size for _ in range(8)]  # probability of a one in 2**-22, seen
    last = [(0, 0)] * size  # index, times it came again
    weights = [[65536 * 3 // 8 // 2] * 8 for _ in range(258)]
    out = np.zeros((height, width), np.uint8)
    above = [0] * (width + 3)  # of the row: two places to the left of it, one to the right
    second = above
    for y in range(height):
        row = [above[2], above[2]] + [0] * (width + 1)
        for x in range(width):
            w, ww, nn = row[x + 1], row[x], second[x + 2]
            nw, n, ne = above[x + 1], above[x + 2], above[x + 3]
            around = w | n << 8 | nw << 16 | ne << 24
            place = ((around + 1) * MARK & WORD) >> 40 & (size - 1)
            guess, trust = last[place]
            slope = min(max(w + n - nw, 0), (1 << depth) - 1)
            numbers = [
                trust, w, n, w | n << 8, w | n << 8 | nw << 16, w | n << 8 | ne << 16,
                around | ww << 32 | nn << 40,
                slope >> 1 | (abs(w - n) >> 2) << 8 | (abs(n - ne) >> 3) << 16,
            ]  # fmt: skip
            hashes = [(number + 1) * MARK & WORD for number in numbers]
            blocks = [h >> 36 & (size - 16) for h in hashes]
            node = inner = 0
            index = -1
            while index < 0:
                chosen = weights[node or 256 + (trust > 3)]
                states = [tables[c][blocks[c] + inner] for c in range(8)]
                logits = [STRETCH[p >> 10] if seen else 0 for p, seen in states]
                total = sum(a * b for a, b in zip(logits, chosen, strict=True)) >> 16
                one = SQUASH[min(max(total, -3071), 3071)]
                bit = coder.decision(65536 - one)
                miss = ((bit << 16) - one) * 3
                for c, (p, seen) in enumerate(states):
                    chosen[c] += (logits[c] * miss + (1 << 13)) >> 14
                    p += (((1 << 22) - 1 if bit else 0) - p) * STEP[seen] >> 16
                    tables[c][blocks[c] + inner] = (p, min(seen + 1, 250))
                if node == 0:
                    if bit:
                        index = guess
                    node = inner = 1
                    continue
                node, inner = node << 1 | bit, inner << 1 | bit
                if node >= 1 << depth:
                    index = node - (1 << depth)
                elif inner >= 16:
                    inner = 1
                    blocks = [((h + node) * MARK & WORD) >> 36 & (size - 16) for h in hashes]
            last[place] = (index, min(trust + 1, 255) if node == 1 else 0)
            out[y, x] = row[x + 2] = index
        row[width + 2] = row[width + 1]  # right of the row: its last index
        second, above = above, row
    return out
