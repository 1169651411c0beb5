"""Reference decoder of what audio segments say, written from docs/format.md, "audio".

Energies, step indices, symbols and values, all integers; how they become
samples is floating point, and no part of this.
"""

from __future__ import annotations

import itertools
from typing import NamedTuple

import numpy as np

from tests.reference.container import Book, Bytes, require
from tests.reference.rangecoder import Decoder
from tests.reference.sounds import Sound

LEVELS, BANDS, PAD = 6, 35, 8
WIDTHS = [1] * 8 + [2] * 4 + [3] * 3 + [4] * 2
WIDTHS += [5, 6, 7, 8, 9, 11, 13, 14, 16, 18, 20, 20, 14, 24]
HERTZ = np.concatenate([[0], np.cumsum(WIDTHS)]) * 93.75
P = (np.arange(4096) + 0.5) / 4096
STRETCH = np.clip(np.round(np.log(P / (1 - P)) * 256), -2047, 2047).astype(int).tolist()
X = (np.arange(4096) - 2048) / 256
SQUASH = np.clip(np.round(65536 / (1 + np.exp(-X))), 24, 65512).astype(int).tolist()
RATE = [int(65536 / (n + 1.6)) for n in range(1024)]
STEP = [round(2 ** (i / 8)) for i in range(240)]
INVERSE = [round(2 ** (30 - i / 8)) for i in range(240)]
POWER = {i: round(256 * 2 ** (i / 4)) for i in range(-40, 161)}
LOG2 = [0] + [round(256 * np.log2(i)) for i in range(1, 2048)]
SUM = [round(256 * np.log2(1 + 2 ** (-i / 256))) for i in range(2561)]
TURN = np.arange(16) * np.pi / 16
SQUARES = np.round(256 * np.stack([np.cos(TURN) ** 2, np.sin(TURN) ** 2], 1)).astype(int)
LOG_SQUARES = np.round(256 * np.log2(np.maximum(SQUARES, 1e-6) / 256)).astype(int)
ROOT = [round(np.sqrt(i) * 16) for i in range(4096)]
REFERENCE = round(256 * np.log2(1e4 * 256))
VECTOR_ROWS = (384, 768, 576, 1152, 1024, 576)
ENERGY_ROWS = (192, 60, 90, 96, 27, 90)
SPLITS, OFFSETS, REPEATS, ANGLES, NUMBERS, ESCAPES, EMPTY = 0, 42, 58, 62, 334, 374, 694
GREATEST = {1: 15, 2: 6}
NEXT = ((0, 1), (2, 3), (5, 4), (7, 6), (1, 0), (3, 2), (4, 5), (6, 7))


def classes(thresholds: list[float], count: int, unit: float) -> list[int]:
    return np.searchsorted(np.array(thresholds) * unit, np.arange(count), side="right").tolist()


EIGHTH = classes([0.04, 0.12, 0.25, 0.45, 0.75, 1.25, 2.5], 512, 32)
SIXTH = classes([0.06, 0.2, 0.45, 0.9, 2.0], 512, 32)
FOURTH = classes([0.1, 0.4, 1.0], 512, 32)
_r = np.maximum(np.arange(2048), 0.5) / 32
REST = np.clip(np.floor(2.2 * np.log2(_r) + 8.5), 0, 15).astype(int).tolist()
_e = np.maximum(np.arange(4096), 0.5) / 256
LEVEL = np.clip(np.floor(3.2 * np.log2(_e) + 18), 0, 31).astype(int).tolist()


class Block(NamedTuple):
    """A block of an element: lists by channel and band, by channel and coefficient."""

    level: int
    offset: int
    angles: list[int]
    energies: list[list[int]]
    steps: list[list[int]]
    values: list[list[int]]


# --- tables of a sampling rate ------------------------------------------------------


def frame_of(rate: int) -> int:
    size = 256
    while size * size * 2 < (rate * 0.0853) ** 2:
        size *= 2
    return size


def threshold(hertz: np.ndarray) -> np.ndarray:
    f = np.maximum(hertz, 40) / 1000
    return 3.64 * f**-0.8 - 6.5 * np.exp(-0.6 * (f - 3.3) ** 2) + 1e-3 * f**4


class Bands:
    """Edges, and the integer tables of masking, of each block size."""

    def __init__(self, rate: int, tilt: int, quiet: int) -> None:
        self.frame = frame_of(rate)
        self.edges, self.counts, barks = [], [], []
        self.up, self.down, self.floor, self.tilt, self.width = ([] for _ in range(5))
        for level in range(LEVELS):
            size = self.frame >> level
            places = np.floor(HERTZ / (rate / 2) * size / 4 + 0.5).astype(int) * 4
            places = np.unique(np.minimum(places, size))
            hertz = places * (rate / 2) / size
            middle = (hertz[:-1] + hertz[1:]) / 2
            z = 13 * np.arctan(0.00076 * middle) + 3.5 * np.arctan((middle / 7500) ** 2)
            count, gap = np.diff(places), np.diff(z)
            low, high = hertz[:-1], hertz[1:]
            quietest = np.min([threshold(low + (high - low) * t) for t in (0.1, 0.5, 0.9)], 0)
            power = 0.339 * 10 ** (np.minimum(quietest, 70) / 10)
            self.edges.append(places.tolist())
            self.counts.append(len(count))
            barks.append(z)
            self.up.append([0, *np.round(256 * 10 ** (-1.0 * gap)).astype(int).tolist()])
            self.down.append([*np.round(256 * 10 ** (-2.5 * gap)).astype(int).tolist(), 0])
            least = quiet + np.round(256 * np.log2(12 * 256 * power * size / count))
            self.floor.append(least.astype(int).tolist())
            self.tilt.append(np.round(tilt * z).astype(int).tolist())
            self.width.append(np.round(256 * np.log2(count)).astype(int).tolist())
        self.nearest = [
            [np.argmin(abs(a[:, None] - b[None]), 1).tolist() for b in barks] for a in barks
        ]


def tree_of(d: int) -> tuple[list[tuple[int, ...]], dict[int, tuple[int, int]], int]:
    """Return the lattice points, the children of each node, and the size of the tree."""
    side = GREATEST[d] + 1
    points = [p for p in itertools.product(range(side), repeat=d) if sum(p) < side]
    points.sort(key=lambda p: (sum(p), p))
    groups = [[i for i, p in enumerate(points) if sum(p) == total] for total in range(side)]
    groups.append([len(points)])
    children: dict[int, tuple[int, int]] = {}
    spine = list(range(1, side + 1))
    fresh = itertools.count(side + 1)

    def inside(symbols: list[int]) -> int:
        if len(symbols) == 1:
            return -1 - symbols[0]
        node, half = next(fresh), len(symbols) // 2
        first = inside(symbols[:half])
        children[node] = first, inside(symbols[half:])
        return node

    for i, node in enumerate(spine):
        rest = spine[i + 1] if i + 1 < len(spine) else -1 - len(points)
        children[node] = inside(groups[i]), rest
    return points, children, 1 << len(children).bit_length()


# --- decisions ----------------------------------------------------------------------


class Coder:
    """The range decoder of a segment with the states of a codebook."""

    def __init__(self, data: bytes, book: Book) -> None:
        arrays = book.arrays
        self.raw = Decoder(data)
        self.limit = int(book.config["limit"])  # type: ignore[call-overload]
        pairs = zip(arrays["probabilities"], arrays["counts"], strict=True)
        self.states = [(int(p) << 6, int(n)) for p, n in pairs]
        pairs = zip(arrays["plain_probabilities"], arrays["plain_counts"], strict=True)
        self.plain_states = [(int(p) << 6, int(n)) for p, n in pairs]
        self.weights = arrays["weights"].astype(int).tolist()

    def with_one(self, one: int) -> int:
        return self.raw.decision(65536 - one)

    def plain(self, place: int) -> int:
        p, seen = self.plain_states[place]
        bit = self.with_one(min(65504, max(32, p >> 6)))
        self.plain_states[place] = moved(p, seen, bit, 255)
        return bit

    def mixed(self, places: list[int], first: int, second: int) -> int:
        one, two = self.weights[first], self.weights[second]
        opinions = [STRETCH[self.states[place][0] >> 10] for place in places]
        dot1 = sum(w * o for w, o in zip(one, opinions, strict=True))
        dot2 = sum(w * o for w, o in zip(two, opinions, strict=True))
        bit = self.with_one(squash((dot1 + dot2) >> 17))
        for set_, dot in ((one, dot1), (two, dot2)):
            error = ((bit << 16) - squash(dot >> 16)) * 10
            for i, opinion in enumerate(opinions):
                set_[i] += (error * opinion + (1 << 19)) >> 20
        for place in places:
            self.states[place] = moved(*self.states[place], bit, self.limit)
        return bit

    def number(self, base: int) -> int:
        length = 0
        while length < 19 and self.plain(base + length):
            length += 1
        value = 1
        for i in range(length):
            bit = self.plain(base + 20 + length) if i == 0 else self.with_one(32768)
            value = value << 1 | bit
        return value - 1


def squash(x: int) -> int:
    return SQUASH[min(4095, max(0, x + 2048))]


def moved(p: int, seen: int, bit: int, limit: int) -> tuple[int, int]:
    p += (((bit << 22) - p) * RATE[seen]) >> 16
    return min(p, (1 << 22) - 1), min(seen + 1, limit)


# --- segments -----------------------------------------------------------------------


def segments(sound: Sound, books: dict[str, Book]) -> list[list[list[Block]]]:
    """Return the blocks of every element of every segment; `books` are music and speech."""
    source = Bytes(sound.header)
    rate, channels, most, kind = source.number(), source.byte(), source.byte(), source.byte()
    require(1000 <= rate <= 768000 and 1 <= channels <= 8 and most and kind == 0, "bad header")
    for name in ("music", "speech"):
        require(source.take(8) == books[name].identity[:8], "another codebook")
    source.end()
    found = []
    for data in sound.segments:
        source = Bytes(data)
        flags, frames = source.byte(), source.number()
        knob = int.from_bytes(source.take(2), "little", signed=True)
        require(flags < 4 and 1 <= frames <= most + (flags & 1), "bad segment")
        require(abs(knob) <= 1 << 14, "bad knob")
        reader = Reader(source.rest(), rate, books["speech" if flags & 2 else "music"])
        found.append(reader.elements(channels, frames, knob))
    return found


class Reader:
    """Reads the elements of one segment."""

    def __init__(self, data: bytes, rate: int, book: Book) -> None:
        require(book.kind == "audio" and book.config["format"] == 3, "no codebook of audio")
        self.coder = Coder(data, book)
        self.numbers: dict[str, int] = book.config  # type: ignore[assignment]
        self.bands = Bands(rate, self.numbers["tilt"], self.numbers["quiet"])
        self.d = book.config["shape"][0]  # type: ignore[index]
        self.points, self.children, self.nodes = tree_of(self.d)
        self.codewords = book.arrays["codewords"].astype(int).tolist()
        self.energy_weights = book.arrays["energy_weights"].astype(int).tolist()
        self.level_weights = book.arrays["level_weights"].astype(int).tolist()
        self.energy_base = np.cumsum([0, *ENERGY_ROWS]).tolist()
        self.vector_base = np.cumsum([0, *VECTOR_ROWS]).tolist()

    def elements(self, channels: int, frames: int, knob: int) -> list[list[Block]]:
        pairs = [min(2, channels - i) for i in range(0, channels, 2)]
        found = [self._element(count, frames, knob) for count in pairs]
        mark = 0
        for _ in range(12):
            mark = mark << 1 | self.coder.with_one(32768)
        require(mark == 0x5A3, "wrong mark")
        return found

    def _element(self, channels: int, frames: int, knob: int) -> list[Block]:
        b, frame = self.bands, self.bands.frame
        blank = [0] * (frame + 2 * PAD)
        rows = [[list(blank) for _ in range(3)] for _ in range(channels)]  # new, before, older
        energies = [[0] * BANDS for _ in range(channels)]
        occupied = [[0] * BANDS for _ in range(channels)]
        angles = [0] * BANDS
        level_before = last = offset = 0
        blocks: list[Block] = []
        for _ in range(frames):
            levels, last = self._tree(last)
            for level in levels:
                if level != level_before:
                    size, was = frame >> level, frame >> level_before
                    for row in itertools.chain(*rows):
                        resample(row, size, was)
                nearest, count = b.nearest[level][level_before], b.counts[level]
                busy, offset = offset > 0, 0
                while offset < 7 and self.coder.plain(OFFSETS + 8 * busy + offset):
                    offset += 1
                if channels == 2:
                    angles = self._angles(angles, nearest, count)
                now, gaps = [], []
                for channel in range(channels):
                    self._energies(now, gaps, energies, level, level_before, channel)
                steps = self._steps(now, angles, level, knob - offset * 128)
                values = []
                for channel in range(channels):
                    other = rows[0][0] if channel else rows[-1][1]
                    busy_bands, own = self._channel(
                        now[channel], steps[channel], level, channel, *rows[channel], other,
                        nearest, occupied[channel],
                    )  # fmt: skip
                    occupied[channel] = busy_bands + [0] * (BANDS - count)
                    values.append(own)
                energies = [row + [0] * (BANDS - count) for row in now]
                blocks.append(Block(level, offset, angles[:count], now, steps, values))
                angles = angles[:count] + [0] * (BANDS - count)
                rows = [[older, new, before] for new, before, older in rows]
                level_before = level
        return blocks

    def _tree(self, last: int) -> tuple[list[int], int]:
        """Read the block sizes of a frame."""
        levels = []
        place = depth = 0
        while place < 32:
            while depth < 5 and self.coder.plain(SPLITS + depth * 7 + last):
                depth += 1
            levels.append(depth)
            last = depth
            place += 32 >> depth
            depth = 0
            while depth < 5 and place & ((32 >> depth) - 1):
                depth += 1
        return levels, last

    def _angles(self, before: list[int], nearest: list[int], count: int) -> list[int]:
        now = []
        repeated, lower = 1, 0
        for band in range(count):
            expected = before[nearest[band]]
            repeated = self.coder.plain(REPEATS + repeated * 2 + (lower == expected))
            if not repeated:
                node = 1
                for _ in range(4):
                    node = node << 1 | self.coder.plain(ANGLES + lower * 16 + node)
                expected = node - 16
            now.append(expected)
            lower = expected
        return now

    def _energies(
        self, now: list[list[int]], gaps: list[list[int]], before: list[list[int]], level: int,
        level_before: int, channel: int,
    ) -> None:  # fmt: skip
        """Read the energies of a channel; append them, and their errors of prediction."""
        b = self.bands
        same = 0 if level == level_before else 1 if level < level_before else 2
        own: list[int] = []
        errors: list[int] = []
        past, top = before[channel], b.counts[level_before] - 1
        for band in range(b.counts[level]):
            place = b.nearest[level][level_before][band]
            f = [16, past[place], past[max(place - 1, 0)], past[min(place + 1, top)], 0, 0, 0, 0, 0]
            f[4] = own[band - 1] if band else 0
            f[5] = own[band - 2] if band > 1 else f[4]
            if channel:
                f[6] = now[0][band]
                f[7] = now[0][band - 1] if band else f[6]
                f[8] = before[0][place]
            weights = self.energy_weights[channel][same][min(band, 2)]
            total = sum(w * v for w, v in zip(weights, f, strict=True))
            expected = min(768, max(0, (total + 128) >> 8))
            rounded = (expected + 8) >> 4
            low = clip(errors[-1], 2) + 2 if errors else 2
            across = clip(gaps[0][band], 2) + 2 if channel else 5
            step = clip(f[1] - f[4], 4) + 4
            rows = (
                level * 32 + band, (low * 2 + channel) * 6 + level,
                (across * 5 + low) * 3 + same, (expected & 15) * 6 + level, step * 3 + same,
                (rounded >> 1) * 3 + same,
            )  # fmt: skip
            places = [(base + row) * 32 for base, row in zip(self.energy_base, rows, strict=False)]
            first, second = level * 32, (6 + same * 2 + channel) * 32

            def decide(node: int, p: list[int] = places, a: int = first, b: int = second) -> int:
                return self.coder.mixed([x + node for x in p], a + node, b + node)

            error = 0
            if decide(0):
                positive = decide(1) if rounded else 1
                error = 1
                while error < 15 and decide(1 + error + 15 * positive):
                    error += 1
                if error == 15:
                    error += self.coder.number(NUMBERS)
                error = error if positive else -error
            require(0 <= rounded + error <= 48, "energy out of range")
            own.append(rounded + error)
            errors.append(error)
        now.append(own)
        gaps.append(errors)

    def _steps(
        self, energies: list[list[int]], angles: list[int], level: int, knob: int
    ) -> list[list[int]]:
        b, count = self.bands, self.bands.counts[level]
        edges, up, down = b.edges[level], b.up[level], b.down[level]
        floor, tilt, width = b.floor[level], b.tilt[level], b.width[level]
        spread = [[1 << e if e else 0 for e in row] for row in energies]
        if len(spread) == 2:
            for band in range(count):
                if angles[band]:
                    one, two, c = spread[0][band], spread[1][band], int(SQUARES[angles[band], 0])
                    spread[0][band] = (one * c + two * (256 - c)) >> 8
                    spread[1][band] = (two * c + one * (256 - c)) >> 8
        for s in spread:
            previous = above = loudness = 0
            for band in range(count):
                mine = s[band] * (edges[band + 1] - edges[band])
                s[band] = previous = (previous * up[band] >> 8) + mine
            for band in reversed(range(count)):
                below = s[band - 1] if band else 0
                mine = s[band] - (below * up[band] >> 8)
                above = above * down[band] >> 8
                s[band] += above
                above += mine
            for band in range(count):
                s[band] = logarithm(max(1, s[band])) - width[band]
                loudness += max(s[band], floor[band])
            follow, gamma = self.numbers["follow"], self.numbers["gamma"]
            reference = REFERENCE + (follow * (loudness // count - REFERENCE) >> 8)
            for band in range(count):
                value = (gamma * (s[band] - reference) >> 8) - tilt[band]
                s[band] = max(reference + knob + value, floor[band] + min(0, knob + 1536))
        steps: list[list[int]] = [[] for _ in spread]
        for band in range(count):
            for channel, own in enumerate(steps):
                value = spread[channel][band]
                if len(spread) == 2 and angles[band]:
                    a = int(LOG_SQUARES[angles[band], channel]) - spread[0][band]
                    c = int(LOG_SQUARES[angles[band], 1 - channel]) - spread[1][band]
                    value = -(max(a, c) + SUM[min(abs(a - c), 2560)])
                own.append(min(239, max(0, (value + 32) >> 6)))
        return steps

    def _channel(
        self, energies: list[int], steps: list[int], level: int, channel: int,
        current: list[int], before: list[int], older: list[int], other: list[int],
        nearest: list[int], busy_before: list[int],
    ) -> tuple[list[int], list[int]]:  # fmt: skip
        """Read the vectors of a channel; return which bands hold any, and the values."""
        coder, d, edges = self.coder, self.d, self.bands.edges[level]
        values = [0] * (self.bands.frame >> level)
        busy: list[int] = []
        running = last = second_last = trellis = 0
        lower = 1
        for band, (energy, step) in enumerate(zip(energies, steps, strict=True)):
            low, high = edges[band], edges[band + 1]
            ratio = 4 * energy - step
            empty = int(energy == 0 or ratio < self.numbers["skip"])
            if not empty and ratio < 8:
                row = min(15, max(0, (ratio + 24) >> 1)) * 2 + lower
                empty = coder.plain(EMPTY + row * 2 + busy_before[nearest[band]])
            lower = 1 - empty
            busy.append(lower)
            if empty:
                current[PAD + low : PAD + high] = [0] * (high - low)
                running >>= 2
                last = second_last = 0
                continue
            rest = POWER[min(160, max(-40, ratio))] * (high - low)
            for k in range(low, high, d):
                f = features(
                    current, before, older, other, k, d, INVERSE[step], rest // (high - k), running
                )
                weights = self.level_weights[level][int(channel > 0)]
                total = sum(w * v for w, v in zip(weights, f, strict=True))
                expected = LEVEL[min(max(total >> 10, 0), 4095)]
                kind = 2 * (trellis & 1) + (NEXT[trellis][0] & 1)
                places = self._places(f, expected, level, channel, band, last, second_last, kind)
                rest_class = REST[min(f[1] >> 1, 2047)]
                own, trellis = self._vector(places, expected, rest_class, kind, trellis)
                values[k : k + d] = own
                second_last, last, mean = last, 0, 0
                for i, value in enumerate(own):
                    size = abs(value)
                    mean += size
                    last += (size + 32) >> 6
                    rest -= size * size >> 4
                    current[PAD + k + i] = min(1 << 26, size * STEP[step] >> 6)
                rest = max(rest, 0)
                running += (min(mean // d, 32767) - running) * 77 >> 8
        end = PAD + edges[-1]
        current[end : end + PAD] = [0] * PAD
        return busy, values

    def _places(
        self, f: list[int], expected: int, level: int, channel: int, band: int, last: int,
        second_last: int, kind: int,
    ) -> list[int]:  # fmt: skip
        def of(table: list[int], value: int) -> int:
            return table[min(value >> 1, 511)]

        side = 1 + min(2, of(FOURTH, f[8])) if channel else 0
        fourth = expected >> 2
        rows = (
            expected * 3 + min(level, 2),
            (REST[min(f[1] >> 1, 2047)] * 6 + of(SIXTH, f[4])) * 4 + side,
            (of(EIGHTH, f[5]) * 6 + of(SIXTH, f[6])) * 6 + of(SIXTH, f[2]),
            (min(last, 8) * 4 + min(second_last, 3)) * 8 + fourth,
            (band * 8 + fourth) * 2 + channel,
            (of(EIGHTH, f[8]) * 6 + of(SIXTH, f[9])) * 6 + of(SIXTH, f[5]),
        )
        start, half = sum(ENERGY_ROWS) * 32, kind >> 1
        told = [(4, kind), (2, half), (2, half), (4, kind), (2, half), (2, half)]
        triples = zip(self.vector_base, rows, told, strict=False)
        return [start + (base + row * n + s) * self.nodes for base, row, (n, s) in triples]

    def _vector(
        self, places: list[int], expected: int, rest: int, kind: int, trellis: int
    ) -> tuple[list[int], int]:
        """Return the values, and the state of the trellis after them."""
        sets = 12 * 32
        node = 1
        while node > 0:
            first = sets + rest * self.nodes
            second = sets + (16 + 4 * expected + kind) * self.nodes
            bit = self.coder.mixed([p + node for p in places], first + node, second + node)
            node = self.children[node][bit]
        symbol = -1 - node
        own = []
        start = trellis
        for i in range(self.d):
            if symbol == len(self.points):
                number = min(self.coder.number(ESCAPES + (expected >> 2) * 40), 32767)
                size = 72 * number - (36 if number and trellis & 1 else 0)
            else:
                number = self.points[symbol][i]
                size = self.codewords[start][symbol][i] if symbol else 0
            trellis = NEXT[trellis][number & 1]
            own.append(-size if size and self.coder.with_one(32768) else size)
        return own, trellis


def clip(value: int, most: int) -> int:
    return min(most, max(-most, value))


def resample(row: list[int], size: int, was: int) -> None:
    """Bring the amplitudes of a block to another size, in place."""
    if size < was:
        ratio = was // size
        for k in range(size):
            row[PAD + k] = sum(row[PAD + k * ratio : PAD + (k + 1) * ratio]) // ratio
    else:
        for k in reversed(range(size)):
            row[PAD + k] = row[PAD + k // (size // was)]
    row[PAD + size : PAD + size + PAD] = [0] * PAD


def logarithm(value: int) -> int:
    octaves = max(0, value.bit_length() - 11)
    return LOG2[value >> octaves] + 256 * octaves


def root(value: int) -> int:
    if value < 1 << 12:
        return ROOT[value]
    if value < 1 << 16:
        return ROOT[value >> 4] << 2
    if value < 1 << 22:
        return ROOT[value >> 10] << 5
    return ROOT[min(value >> 16, 4095)] << 8


def features(
    current: list[int], before: list[int], older: list[int], other: list[int], k: int, d: int,
    inverse: int, rest: int, running: int,
) -> list[int]:  # fmt: skip
    at, end = k + PAD, k + PAD + d
    exact, old, across = (sum(row[at:end]) for row in (before, older, other))
    near = before[at - 1] + before[end]
    far = before[at - 3] + before[at - 2] + before[end + 1] + before[end + 2]
    beside = other[at - 2] + other[at - 1] + other[end] + other[end + 1]
    f = [
        64, root(rest << 4) >> 4,
        (current[at - 1] + current[at - 2]) * inverse >> 25,
        (current[at - 3] + current[at - 4]) * inverse >> 25, running,
        ((exact << 1) // d + near) * inverse >> 26, far * inverse >> 26,
        old // d * inverse >> 24, across // d * inverse >> 24, beside * inverse >> 26,
    ]  # fmt: skip
    return [min(32767, value) for value in f]
