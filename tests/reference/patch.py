"""Reference decoder of patch files, written from docs/format.md, section "patch"."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from tests.reference import container
from tests.reference.container import Book, Bytes, require
from tests.reference.rangecoder import Contexts, Decoder

STEPS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 64, 128, 256, 512, 1024, 2048)
LAYOUTS = ("gray", "rgb", "ycbcr444", "ycbcr420")
NUMBER = 65  # contexts of a signed number


@dataclass
class Plane:
    """A plane: size, channels, block, codewords, frequencies of a trained codebook."""

    height: int
    width: int
    channels: int
    block: tuple[int, int] = (1, 1)
    codewords: np.ndarray | None = None
    frequencies: np.ndarray | None = None

    @property
    def grid(self) -> tuple[int, int]:
        return -(-self.height // self.block[0]), -(-self.width // self.block[1])

    @property
    def dimension(self) -> int:
        return self.block[0] * self.block[1] * self.channels


def decode(data: bytes, book: Book | None = None) -> np.ndarray:
    """Return the samples, (height, width, channels) uint8 or uint16."""
    file = container.read(data)
    require(file.kind == "patch", "another kind")
    file.only("BRI")
    source = Bytes(file.header)
    flags = source.byte()
    width, height = source.number() + 1, source.number() + 1
    wide, tall = width, height
    if flags & 128:
        wide, tall = source.number() + 1, source.number() + 1
    source.end()
    layout, alpha = LAYOUTS[flags & 3], bool(flags & 4)
    bits = 16 if flags & 8 else 8
    fixed, removed, external = bool(flags & 16), bool(flags & 32), bool(flags & 64)
    planes = _planes(height, width, layout, alpha)
    known = 0
    if external:
        require(book is not None and file.one("R") == book.identity, "another codebook")
        assert book is not None
        known = _external(book, planes, layout, bits, removed)
    if known < len(planes):
        _embedded(Bytes(file.one("B")), planes[known:], bits, fixed, removed)
    tiles = file.all("I")
    corners = [(y, x) for y in range(0, height, tall) for x in range(0, width, wide)]
    require(len(tiles) == len(corners), "another number of tiles")
    samples = np.zeros((height, width, sum(p.channels for p in planes)), f"u{bits // 8}")
    for (top, left), payload in zip(corners, tiles, strict=True):
        h, w = min(tall, height - top), min(wide, width - left)
        own = [
            replace(whole, height=part.height, width=part.width)
            for whole, part in zip(planes, _planes(h, w, layout, alpha), strict=True)
        ]
        tile = _tile(payload, own, layout, h, w, bits, fixed, removed)
        samples[top : top + h, left : left + w] = tile
    container.verify(file, samples)
    return samples


def _tile(
    payload: bytes, planes: list[Plane], layout: str, height: int, width: int, bits: int,
    fixed: bool, removed: bool,
) -> np.ndarray:  # fmt: skip
    """Decode a tile: a picture of its own but for the codebooks."""
    whole = []
    for plane, stream in zip(
        planes, _streams(Bytes(payload), planes, bits, fixed, removed), strict=True
    ):
        if fixed:
            indices, means = _fixed_indices(stream, plane, bits, removed)
        else:
            indices, means = _Indices(stream, plane, bits, removed).decode()
        whole.append(_place(plane, indices, means, bits))
    return _join(whole, layout, height, width, bits)


def _planes(height: int, width: int, layout: str, alpha: bool) -> list[Plane]:
    if layout == "gray":
        planes = [Plane(height, width, 1)]
    elif layout == "rgb":
        planes = [Plane(height, width, 3)]
    elif layout == "ycbcr444":
        planes = [Plane(height, width, 1), Plane(height, width, 2)]
    else:
        planes = [Plane(height, width, 1), Plane((height + 1) // 2, (width + 1) // 2, 2)]
    return [*planes, Plane(height, width, 1)] if alpha else planes


# --- codebooks ----------------------------------------------------------------


def _external(book: Book, planes: list[Plane], layout: str, bits: int, removed: bool) -> int:
    config = book.config
    require(book.kind == "patch" and config["transform"] == layout, "another layout")
    require(config["bits"] == bits and config["mean_removed"] == removed, "another form")
    endings = ["", ".chroma", ".alpha"] if layout.startswith("ycbcr") else ["", ".alpha"]
    count = min(config["planes"], len(planes))  # type: ignore[call-overload]
    for number in range(count):
        plane = planes[number]
        plane.block = tuple(config["shape"][number])  # type: ignore[index]
        plane.codewords = book.arrays["codewords" + endings[number]].astype(np.int64)
        plane.frequencies = book.arrays["frequencies" + endings[number]].astype(np.int64)
        require(plane.codewords.shape[1] == plane.dimension, "another vector shape")
    return int(count)


def _embedded(source: Bytes, planes: list[Plane], bits: int, fixed: bool, removed: bool) -> None:
    high = (1 << bits) - 1
    low = -high if removed else 0
    for number, plane in enumerate(planes):
        sides = source.byte()
        plane.block = ((sides >> 4) + 1, (sides & 15) + 1)
        packed = source.number()
        count, step = (packed >> 4) + 1, STEPS[packed & 15]
        require(count <= plane.grid[0] * plane.grid[1], "more codewords than blocks")
        last = number == len(planes) - 1
        stream = source.rest() if last else source.take(source.number())
        if fixed:
            plane.codewords = _stored(stream, count, plane.dimension, low, high)
        else:
            plane.codewords = _coded(stream, count, plane, step, low, high)
    source.end()


def _stored(stream: bytes, count: int, dimension: int, low: int, high: int) -> np.ndarray:
    width = ((high - low).bit_length() + 7) // 8
    raw = np.frombuffer(container.inflate(stream), np.uint8)
    require(raw.size == count * dimension * width, "codebook of another size")
    octets = raw.reshape(width, count, dimension).astype(np.int64)
    values = sum(octets[i] << 8 * i for i in range(width)).cumsum(0)  # type: ignore[union-attr]
    values = (values - low) % (1 << 8 * width) + low
    require(values.max() <= high, "codeword out of range")
    return values


def _coded(stream: bytes, count: int, plane: Plane, step: int, low: int, high: int) -> np.ndarray:
    coder, contexts = Decoder(stream), Contexts(10 * NUMBER)
    line, channels = plane.block[1] * plane.channels, plane.channels
    least, most = (low - step // 2 - 1) // step, (high + step // 2) // step + 1
    values = np.zeros((count, plane.dimension), np.int64)
    for k in range(count):
        v, before = values[k], values[k - 1]
        for j in range(plane.dimension):
            left, upper = j % line >= channels, j >= line
            context = 3
            activity = 0
            if left and upper:
                a, b, c = v[j - channels], v[j - line], v[j - line - channels]
                guess = max(min(a, b), min(max(a, b), a + b - c))
                activity = int(abs(a - c) + abs(b - c))
            elif left or upper:
                near = j - channels if left else j - line
                guess = v[near]
                activity = int(abs(before[j] - before[near])) if k else 0
            elif j:
                guess, context = before[j] if k else v[j - 1], 1
            else:
                guess, context = before[j] if k else 0, 0
            if context == 3:
                context = min(3 + activity.bit_length(), 9)
            v[j] = guess + coder.signed(contexts, context * NUMBER)
            require(least <= v[j] <= most, "codeword out of range")
    return np.clip(values * step, low, high)


# --- indices --------------------------------------------------------------------


def _streams(
    source: Bytes, planes: list[Plane], bits: int, fixed: bool, removed: bool
) -> list[bytes]:
    if not fixed:
        sizes = [source.number() for _ in planes[:-1]]
        return [*(source.take(size) for size in sizes), source.rest()]
    streams = []
    for plane in planes:
        blocks = plane.grid[0] * plane.grid[1]
        assert plane.codewords is not None
        size = (blocks * _width(plane) + 7) // 8
        if removed:
            size += (blocks * plane.channels * bits + 7) // 8
        streams.append(source.take(size))
    source.end()
    return streams


def _width(plane: Plane) -> int:
    assert plane.codewords is not None
    return (len(plane.codewords) - 1).bit_length()


def _unpack(data: bytes, count: int, bits: int) -> np.ndarray:
    flags = np.unpackbits(np.frombuffer(data, np.uint8), count=count * bits).reshape(count, bits)
    return flags.astype(np.int64) @ (1 << np.arange(bits)[::-1])


def _fixed_indices(
    stream: bytes, plane: Plane, bits: int, removed: bool
) -> tuple[np.ndarray, np.ndarray | None]:
    rows, columns = plane.grid
    count, width = rows * columns, _width(plane)
    cut = (count * width + 7) // 8
    indices = _unpack(stream[:cut], count, width).reshape(rows, columns)
    assert plane.codewords is not None
    require(indices.max() < len(plane.codewords), "index beyond the codebook")
    if not removed:
        return indices, None
    means = _unpack(stream[cut:], count * plane.channels, bits)
    return indices, means.reshape(rows, columns, plane.channels)


class _Indices:
    """The entropy-coded indices of a plane: side match as a probability."""

    def __init__(self, stream: bytes, plane: Plane, bits: int, removed: bool) -> None:
        assert plane.codewords is not None
        self.coder, self.contexts = Decoder(stream), Contexts(8 * NUMBER)
        self.plane, self.bits, self.removed = plane, bits, removed
        words = plane.codewords.astype(np.int64)
        count = len(words)
        counts = plane.frequencies
        if counts is None:
            counts = np.full(count, 24, np.int64)
        self.size = -(-count // 1024)  # codewords of a group
        starts = range(0, count, self.size)
        self.sums = [int(counts[s : s + self.size].sum()) for s in starts]
        self.groups = len(self.sums) if self.size > 1 else 0
        if self.groups:
            means = []
            for s in starts:
                part = words[s : s + self.size]
                means.append((part.sum(0) + len(part) // 2) // len(part))
            words = np.concatenate((np.array(means), words))
            counts = np.concatenate((np.array(self.sums), counts))
        self.table = words
        cut = words.reshape(len(words), *plane.block, plane.channels)
        upper = cut[:, 0].reshape(len(words), -1)
        left = cut[:, :, 0].reshape(len(words), -1)
        self.borders = np.concatenate((upper, left), 1) >> (bits - 8)
        self.length = upper.shape[1]
        self.frequencies = counts.copy()
        self.totals = [sum(self.sums), *self.sums]
        fresh = [max(1, round((1 << 17) * math.exp(-0.4 * q))) for q in range(16)]
        self.hits = [list(fresh) for _ in range(48)]
        self.occurrences = [[1 << 17] * 16 for _ in range(48)]
        self.ratios = [[(h << 8) >> 17 for h in fresh] for _ in range(48)]

    def decode(self) -> tuple[np.ndarray, np.ndarray | None]:
        plane = self.plane
        rows, columns = plane.grid
        peak, count = (1 << self.bits) - 1, len(self.table) - self.groups
        indices = np.zeros((rows, columns), np.int64)
        means = np.zeros((rows, columns, plane.channels), np.int64)
        lower: list[np.ndarray] = [np.zeros(0, np.int64)] * columns  # last rows of the row above
        above = [0] * columns  # border errors of the row above
        for row in range(rows):
            before, right = 0, np.zeros(0, np.int64)
            for column in range(columns):
                if self.removed:
                    for channel in range(plane.channels):
                        mean = self._mean(means[..., channel], row, column)
                        means[row, column, channel] = min(max(mean, 0), peak)
                own = means[row, column] if self.removed else 0 * means[row, column]
                upper = self._seen(lower[column], own) if row else None
                left = self._seen(right, own) if column else None
                octave = self._octave(above, before, row, column)
                turn, group = row * columns + column, 0
                first, last = 0, count
                if self.groups:
                    group = self._choose(
                        0, self.groups, upper, left, octave, 24 + octave, turn, 0
                    )[0]  # fmt: skip
                    first = self.groups + group * self.size
                    last = min(first + self.size, self.groups + count)
                entry, error = self._choose(
                    first, last, upper, left, octave, octave, turn, 1 + group
                )  # fmt: skip
                above[column] = before = error
                indices[row, column] = entry - self.groups
                block = self.table[entry].reshape(*plane.block, plane.channels)
                if self.removed:
                    block = np.clip(block + own, 0, peak)
                lower[column], right = block[-1].ravel(), block[:, -1].ravel()
        return indices, means if self.removed else None

    def _mean(self, means: np.ndarray, row: int, column: int) -> int:
        context, guess = 0, 0
        if row and column:
            a, b = int(means[row, column - 1]), int(means[row - 1, column])
            c = int(means[row - 1, column - 1])
            guess = max(min(a, b), min(max(a, b), a + b - c))
            activity = abs(a - c) + abs(b - c)
            context = 2
            while activity > 2 and context < 7:
                activity >>= 1
                context += 1
        elif row or column:
            context = 1
            guess = int(means[row - 1, column] if row else means[row, column - 1])
        return guess + self.coder.signed(self.contexts, context * NUMBER)

    def _seen(self, samples: np.ndarray, own: np.ndarray) -> np.ndarray:
        """Neighbouring samples, less the means of this block, in units of 8-bit samples."""
        return (samples - np.resize(own, samples.size)) >> (self.bits - 8)

    def _octave(self, above: list[int], before: int, row: int, column: int) -> int:
        error = 0
        if row and column:
            right = above[min(column + 1, len(above) - 1)]
            error = (3 * above[column] + 3 * before + 2 * right) >> 3
        elif row:
            error = above[column]
        elif column:
            error = before
        error += 2 * self.borders.shape[1]
        return min(max(error.bit_length() - 1, 2), 23)

    def _choose(
        self, first: int, last: int, upper: np.ndarray | None, left: np.ndarray | None,
        octave: int, row: int, turn: int, total: int,
    ) -> tuple[int, int]:  # fmt: skip
        """Decode one of the entries first..last; return it and its border error."""
        borders, f = self.borders[first:last], self.frequencies[first:last]
        errors = np.zeros(last - first, np.int64)
        if upper is not None:
            errors += ((borders[:, : self.length] - upper) ** 2).sum(1)
        if left is not None:
            errors += ((borders[:, self.length :] - left) ** 2).sum(1)
        if (upper is None) != (left is None):
            errors *= 2
        classes = np.minimum(255, errors >> (octave - 2))
        classes = np.array([math.isqrt(int(q)) for q in classes])
        ratios = np.array(self.ratios[row])
        weights = 1 + (f * ratios[classes] >> 8)
        ends = np.cumsum(weights)
        whole = int(ends[-1])
        target = self.coder.target(whole)
        chosen = int(np.searchsorted(ends, target, side="right"))
        self.coder.symbol(int(ends[chosen] - weights[chosen]), int(weights[chosen]), whole)
        # Learn: which classes occur, which one is used, how often.
        stride = 4 if last - first >= 64 else 1
        hits, occurrences = self.hits[row], self.occurrences[row]
        sampled = 0
        for k in range(turn % stride, last - first, stride):
            occurrences[classes[k]] += int(f[k])
            sampled += int(f[k])
        hits[classes[chosen]] += sampled
        for q in range(16):
            self.ratios[row][q] = min((hits[q] << 8) // occurrences[q], 65535)
        f[chosen] += 64
        self.totals[total] += 64
        if self.totals[total] > 1 << 17:
            f[:] = (f + 1) >> 1
            self.totals[total] = int(f.sum())
        return first + chosen, int(errors[chosen])


# --- pixels -------------------------------------------------------------------


def _place(plane: Plane, indices: np.ndarray, means: np.ndarray | None, bits: int) -> np.ndarray:
    """Put the codewords in place, and cut off what is beyond the plane."""
    rows, columns = plane.grid
    high, wide = plane.block
    assert plane.codewords is not None
    blocks = plane.codewords[indices].reshape(rows, columns, high, wide, plane.channels)
    if means is not None:
        blocks = np.clip(blocks + means[:, :, None, None], 0, (1 << bits) - 1)
    padded = blocks.transpose(0, 2, 1, 3, 4).reshape(rows * high, columns * wide, plane.channels)
    return padded[: plane.height, : plane.width]


def _join(planes: list[np.ndarray], layout: str, height: int, width: int, bits: int) -> np.ndarray:
    dtype = np.uint8 if bits == 8 else np.uint16
    alpha = planes[-1:] if len(planes) > (2 if layout.startswith("ycbcr") else 1) else []
    if not layout.startswith("ycbcr"):
        return np.concatenate([planes[0], *alpha], 2).astype(dtype)
    chroma = planes[1]
    if layout == "ycbcr420":
        chroma = _double(_double(chroma, 0)[:height], 1)[:, :width]
    middle, half = 1 << (bits - 1), 1 << 15
    y = (planes[0][..., 0] << 16) + half
    cb, cr = chroma[..., 0] - middle, chroma[..., 1] - middle
    red, green, blue = y + 91881 * cr, y - 22554 * cb - 46802 * cr, y + 116130 * cb
    colour = np.clip(np.stack((red, green, blue), 2) >> 16, 0, (1 << bits) - 1)
    return np.concatenate([colour, *alpha], 2).astype(dtype)


def _double(plane: np.ndarray, axis: int) -> np.ndarray:
    """Interpolate to twice the samples: weights 3/4 and 1/4, halves down and up in turn."""
    plane = np.moveaxis(plane, axis, 0)
    before = np.concatenate((plane[:1], plane[:-1]))
    after = np.concatenate((plane[1:], plane[-1:]))
    out = np.empty((2 * len(plane), *plane.shape[1:]), np.int64)
    out[0::2] = (3 * plane + before + 1) >> 2
    out[1::2] = (3 * plane + after + 2) >> 2
    return np.moveaxis(out, 0, axis)
