"""Reference decoder of photo files, written from docs/format.md, section "photo"."""

from __future__ import annotations

import math

import numpy as np

from tests.reference import container
from tests.reference.container import Book, Bytes, require
from tests.reference.rangecoder import Decoder

MIDDLE, TOP, NO_MODE = 512, 1023, 39
STEP = [round(32 * 2 ** (i / 24)) for i in range(224)]
SLOPES = [32, 26, 21, 17, 13, 9, 5, 2, 0, -2, -5, -9, -13, -17, -21, -26]
ANGLE = [0, 0, *SLOPES, -32, *SLOPES[::-1], 32]
BASE_MODE = [*range(35), 0, 1, 10, 26]
COEFFICIENTS = {2: 16, 3: 64, 4: 256, 5: 256}
EDGES = (0, 1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96)
SCAN_BIN = [sum(k >= edge for edge in EDGES) - 1 for k in range(128)]
PAIRS = (
    (0, 1), (0, 2), (0, 3), (1, -2), (1, -1), (1, 0), (1, 1), (1, 2), (2, -1), (2, 0), (2, 1),
    (3, 0),
)  # fmt: skip

# --- probabilities ----------------------------------------------------------------

_p = (np.arange(4096) + 0.5) / 4096
STRETCH = [int(v) for v in np.clip(np.round(np.log(_p / (1 - _p)) * 256), -2047, 2047)]
SQUASH = [
    min(max(round(65536 / (1 + math.exp(-(i - 2048) / 256))), 24), 65512) for i in range(4096)
]
RATE = [int(65536 / (n + 1.6)) for n in range(256)]
LEVEL = [
    min(max(math.floor(5 * math.log2(max(i, 0.5) / 128) + 9 + 1e-9), 0), 31) for i in range(4096)
]
AGREEMENT = [
    min(max(math.floor(2 * math.log2(max(i, 0.5) / 64) + 8 + 1e-9), 0), 20) for i in range(4096)
]
CODED_LEVEL = [min(math.floor(2 * math.log2(1 + i / 16) + 1e-9), 15) for i in range(4096)]
SPLIT, CHOICE, LENGTH, REST, PAIR, ESCAPE, SIGN = range(7)
NODES = (1, 64, 10, 64, 32, 64, 1)
ROWS = (
    (18, 216, 216, 96, 1536, 1536), (40, 40, 1600, 120, 720, 1600),
    (96, 216, 1296, 600, 1152, 2160), (60, 960, 660, 360, 600, 600),
    (32, 216, 256, 64, 576, 1152), (36, 64, 32, 128, 144, 144), (672, 0, 0, 0, 0, 0),
)  # fmt: skip
FIRST, SECOND = (18, 64, 60, 10, 256, 64, 0), (6, 256, 160, 60, 512, 576, 0)


def sixth(value: int) -> int:
    """A magnitude in 1/1024 in six steps."""
    m = min(value >> 3, 511) / 128
    return sum(m >= edge for edge in (0.02, 0.12, 0.3, 0.6, 1.2))


def clip(value: int, low: int, high: int) -> int:
    return min(max(value, low), high)


class Model:
    """The adaptive part of a plane type: states and weights, fresh for each plane of a tile."""

    def __init__(self, coder: Decoder, book: Book, kind: int) -> None:
        a = book.arrays
        self.coder = coder
        self.p = [int(p) << 6 for p in a["probabilities"][kind]]
        self.seen = [int(n) for n in a["counts"][kind]]
        self.first = a["first_weights"][kind].astype(int).tolist()
        self.second = a["second_weights"][kind].astype(int).tolist()
        self.at = [0] * 6
        self.base, start = [], 0
        for nodes, rows in zip(NODES, ROWS, strict=True):
            self.base.append([])
            for count in rows:
                self.base[-1].append(start)
                start += count * nodes

    def place(self, element: int, *contexts: int) -> None:
        pairs = zip(self.base[element], contexts, strict=True)
        self.at = [base + c * NODES[element] for base, c in pairs]
        self.set1, self.set2 = sum(FIRST[:element]), sum(SECOND[:element])

    def decide(self, node: int, set1: int, set2: int) -> int:
        first, second = self.first[self.set1 + set1], self.second[self.set2 + set2]
        places = [place + node for place in self.at]
        opinions = [STRETCH[self.p[k] >> 10] for k in places]
        dot1 = sum(w * o for w, o in zip(first, opinions, strict=True))
        dot2 = sum(w * o for w, o in zip(second, opinions, strict=True))
        one = SQUASH[clip(((dot1 + dot2) >> 17) + 2048, 0, 4095)]
        bit = self.coder.decision(65536 - one)
        miss1 = ((bit << 16) - SQUASH[clip((dot1 >> 16) + 2048, 0, 4095)]) * 10
        miss2 = ((bit << 16) - SQUASH[clip((dot2 >> 16) + 2048, 0, 4095)]) * 10
        for i, k in enumerate(places):
            first[i] += (miss1 * opinions[i] + (1 << 19)) >> 20
            second[i] += (miss2 * opinions[i] + (1 << 19)) >> 20
            self.p[k], self.seen[k] = adapted(self.p[k], self.seen[k], bit)
        return bit

    def decide_alone(self, element: int, context: int) -> int:
        k = self.base[element][0] + context
        bit = self.coder.decision(65536 - clip(self.p[k] >> 6, 536, 65000))
        self.p[k], self.seen[k] = adapted(self.p[k], self.seen[k], bit)
        return bit


def adapted(p: int, seen: int, bit: int) -> tuple[int, int]:
    p += (((bit << 22) - p) * RATE[seen]) >> 16
    return min(p, (1 << 22) - 1), min(seen + 1, 255)


# --- files --------------------------------------------------------------------------


def decode(data: bytes, book: Book) -> np.ndarray:
    """Return the samples, (height, width, channels) uint8; `book` is the codebook."""
    file = container.read(data)
    require(file.kind == "photo", "another kind")
    file.only("TR")
    source = Bytes(file.header)
    flags = source.byte()
    require(flags < 32, "unknown flag")
    channels = (flags & 3) + 1
    width, height = source.number() + 1, source.number() + 1
    tile, step = source.byte(), source.byte()
    more = [0, 0]
    if channels >= 3:
        more = [int.from_bytes(source.take(1), "little", signed=True) for _ in range(2)]
    alpha = source.byte() if channels in (2, 4) else 0
    profile = source.byte()
    named = file.one("R") if flags & 16 else source.take(4)
    source.end()
    require(5 <= tile <= 15 and step < 224 and alpha < 224 and profile < 64, "out of range")
    require(book.identity.startswith(named), "another codebook")
    side = 1 << tile
    layout = [(0, step)]
    if channels >= 3:
        layout += [(1, clip(step + more[0], 0, 223)), (2, clip(step + more[1], 0, 223))]
    if channels in (2, 4):
        layout.append((0, alpha))
    places = [(t, x) for t in range(0, height, side) for x in range(0, width, side)]
    payloads = file.all("T")
    require(len(payloads) == len(places), "another number of tiles")
    samples = np.zeros((height, width, channels), np.uint8)
    for (top, left), payload in zip(places, payloads, strict=True):
        high, wide = min(side, height - top), min(side, width - left)
        one = Tile(payload, book, layout, high, wide, profile, bool(flags & 4), bool(flags & 8))
        planes = np.stack([plane.samples[:high, :wide] for plane in one.planes])
        samples[top : top + high, left : left + wide] = to_samples(planes)
    container.verify(file, samples)
    return samples


def to_samples(planes: np.ndarray) -> np.ndarray:
    count = len(planes)
    if count < 3:
        out = [(plane + 2) >> 2 for plane in planes]
    else:
        luma, orange, green = planes[0] + 2, planes[1] - MIDDLE, planes[2] - MIDDLE
        out = [(luma - green + orange) >> 2, (luma + green) >> 2, (luma - green - orange) >> 2]
        out += [(plane + 2) >> 2 for plane in planes[3:]]
    samples = np.clip(np.stack(out, 2), 0, 255)
    if count in (2, 4):
        alpha = samples[..., -1]
        alpha[alpha <= 2] = 0
        alpha[alpha >= 253] = 255
    return samples.astype(np.uint8)


class Plane:
    """A plane of a tile: samples, and what each 4 x 4 cell remembers of its block."""

    def __init__(self, height: int, width: int) -> None:
        shape = (height // 4, width // 4)
        self.samples = np.full((height, width), MIDDLE, np.int64)
        self.size = np.zeros(shape, np.int64)
        self.mode = np.zeros(shape, np.int64)
        self.coded = np.zeros(shape, np.int64)
        self.low = np.zeros(shape, np.int64)
        self.high = np.zeros(shape, np.int64)
        self.done = np.zeros(shape, bool)
        self.pairs: dict[tuple[int, int], list[int]] = {}  # symbols, by the block's first cell


class Tile:
    """One tile, decoded when it is made."""

    def __init__(
        self, data: bytes, book: Book, layout: list[tuple[int, int]], height: int, width: int,
        profile: int, offsets: bool, restored: bool,
    ) -> None:  # fmt: skip
        self.coder, self.book, self.layout = Decoder(data), book, layout
        self.height, self.width = -(-height // 32) * 32, -(-width // 32) * 32
        self.offsets = np.zeros((self.height // 32, self.width // 32), np.int64)
        self.contexts = [(1 << 21, 0)] * 64
        self.a = {name: array.astype(np.int64) for name, array in book.arrays.items()}
        self.profile = {
            size: [
                (profile * (math.isqrt(65536 * k // (count - 1)) - 61) + 128) >> 8
                for k in range(count)
            ]
            for size, count in COEFFICIENTS.items()
        }
        self.planes: list[Plane] = []
        for number, (kind, step) in enumerate(layout):
            self.kind, self.group = kind, min(kind, 1)
            self.plane = Plane(self.height, self.width)
            self.model = Model(self.coder, book, kind)
            blank = Plane(self.height, self.width)
            blank.mode[:] = NO_MODE
            self.luma = self.planes[0] if kind else blank
            self.first = self.planes[1] if kind == 2 else blank
            self.code(step, offsets and number == 0)
            self.planes.append(self.plane)
        if restored:
            for plane, (kind, step) in zip(self.planes, layout, strict=True):
                if self.coder.raw(1):
                    plane.samples = self.restore(plane, kind, step)

    def code(self, step_index: int, with_offsets: bool) -> None:
        for top in range(0, self.height, 32):
            for left in range(0, self.width, 32):
                if with_offsets:
                    self.offset(top // 32, left // 32)
                index = clip(step_index + 6 * int(self.offsets[top // 32, left // 32]), 0, 223)
                self.steps = {
                    size: [STEP[clip(index + more, 0, 223)] for more in row]
                    for size, row in self.profile.items()
                }
                self.step = self.steps[5][15]
                self.unit(top, left, 5)

    def offset(self, row: int, column: int) -> None:
        left = int(self.offsets[row, column - 1]) if column else 0
        above = int(self.offsets[row - 1, column]) if row else 0
        base, node = ((left + above + 8) >> 1) * 8, 1
        for _ in range(3):
            p, seen = self.contexts[base + node]
            bit = self.coder.decision(65536 - clip(p >> 6, 536, 65000))
            self.contexts[base + node] = adapted(p, seen, bit)
            node = 2 * node + bit
        self.offsets[row, column] = node - 12

    def unit(self, y: int, x: int, size: int) -> None:
        border = self.references(self.plane, y, x, size)
        if size > 2 and self.split(y, x, size, border):
            half = 1 << (size - 1)
            for dy, dx in ((0, 0), (0, half), (half, 0), (half, half)):
                self.unit(y + dy, x + dx, size - 1)
            return
        self.block(y, x, size, border)

    # --- what the neighbours tell ---

    def references(self, plane: Plane, y: int, x: int, size: int) -> list[int]:
        """The 4n + 1 neighbours, lower left over the corner to upper right."""
        n = 1 << size
        done, s = self.plane.done, plane.samples
        line: list[int | None] = []
        for unit in range(0, 2 * n, 4):
            below = y + 2 * n - 4 - unit
            if x > 0 and below < self.height and done[below >> 2, (x >> 2) - 1]:
                line += [int(s[below + 3 - i, x - 1]) for i in range(4)]
            else:
                line += [None] * 4
        line.append(int(s[y - 1, x - 1]) if x and y else None)
        for unit in range(0, 2 * n, 4):
            right = x + unit
            if y > 0 and right < self.width and done[(y >> 2) - 1, right >> 2]:
                line += [int(s[y - 1, right + i]) for i in range(4)]
            else:
                line += [None] * 4
        known = next((value for value in line if value is not None), MIDDLE)
        out = []
        for value in line:
            known = known if value is None else value
            out.append(known)
        return out

    def means(self, y: int, x: int, n: int) -> tuple[int, int]:
        row, column, units = y >> 2, x >> 2, n >> 2
        low = high = count = 0
        if x:
            low += int(self.plane.low[row : row + units, column - 1].sum())
            high += int(self.plane.high[row : row + units, column - 1].sum())
            count += units
        if y:
            low += int(self.plane.low[row - 1, column : column + units].sum())
            high += int(self.plane.high[row - 1, column : column + units].sum())
            count += units
        return (low // count, high // count) if count else (0, 0)

    def mean_of(self, plane: Plane, y: int, x: int, n: int) -> int:
        units = n >> 2
        part = plane.low[y >> 2 : (y >> 2) + units, x >> 2 : (x >> 2) + units]
        return int(part.sum()) // (units * units)

    def left(self, field: np.ndarray, y: int, x: int, other: int = 0) -> int:
        return int(field[y >> 2, (x >> 2) - 1]) if x else other

    def above(self, field: np.ndarray, y: int, x: int, other: int = 0) -> int:
        return int(field[(y >> 2) - 1, x >> 2]) if y else other

    # --- syntax ---

    def split(self, y: int, x: int, size: int, border: list[int]) -> int:
        n, p = 1 << size, self.plane
        left_size, above_size = self.left(p.size, y, x), self.above(p.size, y, x)
        smaller = (x > 0 and left_size < size) + (y > 0 and above_size < size)
        low, high = self.means(y, x, n)
        gaps = [abs(border[i + 1] - border[i]) for i in range(n, 3 * n)]
        rough = min(15, sum(gaps) * 96 // (n * self.step))
        if self.kind == 0:
            extra = (min(15, max(gaps) * 64 // self.step) * 16 + rough) * 6 + size
        else:
            luma = sixth(self.mean_of(self.luma, y, x, n))
            first = sixth(self.mean_of(self.first, y, x, n)) if self.kind == 2 else 0
            covered = int(self.luma.size[(y >> 2) + (n >> 3), (x >> 2) + (n >> 3)])
            extra = ((luma * 6 + covered) * 6 + first) * 6 + size
        left, above = self.left(p.coded, y, x), self.above(p.coded, y, x)
        self.model.place(
            SPLIT, size * 3 + smaller, (left_size * 6 + above_size) * 6 + size,
            (sixth(low >> 1) * 6 + sixth(high >> 1)) * 6 + size, rough * 6 + size,
            (min(left, 15) * 16 + min(above, 15)) * 6 + size, extra,
        )  # fmt: skip
        return self.model.decide(0, size * 3 + smaller, size)

    def block(self, y: int, x: int, size: int, border: list[int]) -> None:
        n, p = 1 << size, self.plane
        f = [1024, min(32767, 524288 // self.step), *self.means(y, x, n), 0, 0, 0, 0, 0, 0]
        rough = sum(abs(border[i + 1] - border[i]) for i in range(n, 3 * n))
        f[4] = min(32767, (rough << 13) // (n * self.step))
        if self.kind:
            f[8] = self.mean_of(self.luma, y, x, n)
        if self.kind == 2:
            f[9] = self.mean_of(self.first, y, x, n)
        mode = self.mode_of(y, x, size)
        kind = self.class_of(mode)
        coded = self.count(y, x, size, kind, f)
        prediction = self.predict_any(y, x, size, mode, border)
        values: list[int] = []
        if coded:
            turned = 2 <= mode < 18 or mode == 37
            gaps = self.gaps(y, x, n, prediction.T if turned else prediction)
            gaps = np.concatenate(gaps[::-1] if turned else gaps)
            values = self.coefficients(y, x, size, f, coded, kind, gaps)
            prediction = np.clip(prediction + self.inverse(values, size, kind), 0, TOP)
        if 2 <= mode < 18 or mode == 37:
            prediction = prediction.T
        p.samples[y : y + n, x : x + n] = prediction
        total = COEFFICIENTS[size]
        sizes = [abs(value) for value in values]
        if size == 5:
            low, high = sum(sizes) * 16 // total, 0
        else:
            low = sum(sizes[: total // 4]) * 16 // (total // 4)
            high = sum(sizes[total // 4 :]) * 16 // (total - total // 4)
        cells = slice(y >> 2, (y + n) >> 2), slice(x >> 2, (x + n) >> 2)
        p.size[cells], p.mode[cells], p.coded[cells], p.done[cells] = size, mode, coded, True
        p.low[cells], p.high[cells] = min(low, 32767), min(high, 32767)

    def mode_of(self, y: int, x: int, size: int) -> int:
        p, half = self.plane, 1 << size >> 3
        left = self.left(p.mode, y, x, NO_MODE)
        above = self.above(p.mode, y, x, NO_MODE)
        extra = int(p.mode[(y >> 2) - 1, (x >> 2) - 1]) if x and y else NO_MODE
        if self.kind:
            cell = (y >> 2) + half, (x >> 2) + half
            extra = int(self.luma.mode[cell]) * 40
            extra += int(self.first.mode[cell]) if self.kind == 2 else 0
        direction = self.direction(y, x, 1 << size)
        self.model.place(
            CHOICE, left, above, left * 40 + above, direction, direction * 6 + size, extra
        )
        confidence = direction % 3 if direction else 3
        node = 1
        for _ in range(6):
            node = 2 * node + self.model.decide(node, node, confidence * 64 + node)
        return min(node - 64, 38 if self.kind else 34)

    def direction(self, y: int, x: int, n: int) -> int:
        """Three times the dominant direction of the border, plus its confidence; or 0."""
        if y < 3 or x < 3:
            return 0
        s = self.plane.samples
        votes = [0] * 35
        places = [(y - 2, x + t) for t in range(n - 1)] + [(y + t, x - 2) for t in range(n - 1)]
        for cy, cx in [*places, (y - 2, x - 2)]:
            (a, b, c), (d, _, e), (g, h, i) = s[cy - 1 : cy + 2, cx - 1 : cx + 2].tolist()
            across = c + 2 * e + i - a - 2 * d - g
            down = g + 2 * h + i - a - 2 * b - c
            weight = abs(across) + abs(down)
            if weight < 32:
                continue
            if abs(across) >= abs(down):
                slope, modes = 32 * down // across, range(18, 35)
            else:
                slope, modes = 32 * across // down, range(2, 19)
            votes[min(modes, key=lambda mode: abs(ANGLE[mode] - slope))] += weight
        total = sum(votes)
        if total < 256:
            return 0
        ring = votes[2:]
        blurred = [2 * v + ring[i - 1] + ring[(i + 1) % 33] for i, v in enumerate(ring)]
        most = max(blurred)
        best = blurred.index(most) + 2
        return 3 * best + (most * 5 > total * 4) + (most * 5 > total * 6)

    def class_of(self, mode: int) -> int:
        mode = BASE_MODE[mode]
        if mode < 2:
            return mode
        return 2 + ((36 - mode if mode < 18 else mode) - 18) // 2

    def count(self, y: int, x: int, size: int, kind: int, f: list[int]) -> int:
        p, m, pairs = self.plane, self.model, COEFFICIENTS[size] // 2
        weights = self.a["coded_weights"][self.group][size]
        level = CODED_LEVEL[min(int(weights @ f) >> 16, 4095)]
        left_size, above_size = self.left(p.size, y, x), self.above(p.size, y, x)
        left = self.left(p.coded, y, x).bit_length()
        above = self.above(p.coded, y, x).bit_length()
        low, high, rough = sixth(f[2]), sixth(f[3]), sixth(f[4])
        if self.kind == 0:
            extra, below = (size * 6 + rough) * 36 + left_size * 6 + above_size, above
        else:
            half = 1 << size >> 3
            below = int(self.luma.coded[(y >> 2) + half, (x >> 2) + half]).bit_length()
            extra = ((size * 6 + sixth(f[8])) * 6 + sixth(f[9])) * 10 + below
        occupied = (left > 0) + (above > 0)
        m.place(
            LENGTH, size * 16 + level, (size * 3 + occupied) * 12 + kind,
            ((size * 6 + low) * 6 + high) * 6 + rough, (size * 10 + left) * 10 + above,
            (size * 12 + kind) * 16 + level, extra,
        )  # fmt: skip
        length = 0
        while length < pairs.bit_length() and m.decide(
            length, size * 10 + length, level * 10 + length
        ):
            length += 1
        if length < 2:
            return length
        c = size * 10 + length
        m.place(
            REST, c, c * 16 + level, c * 11 + kind, c * 6 + rough, c * 10 + left, c * 10 + below
        )
        value = 1
        for shift in range(length - 2, -1, -1):
            node = value if value < 32 else 32 + shift
            value = 2 * value + m.decide(node, length, size * 10 + shift)
        return min(value, pairs)

    def gaps(self, y: int, x: int, n: int, upright: np.ndarray) -> list[np.ndarray]:
        """What the prediction lacks of a smooth continuation, in 1/16: first row, first column."""
        s = self.plane.samples
        row = column = np.zeros(n, np.int64)
        if y:
            row = (2 * s[y - 1, x : x + n] - s[y - 2, x : x + n] - upright[0]) * 16
        if x:
            column = (2 * s[y : y + n, x - 1] - s[y : y + n, x - 2] - upright[:, 0]) * 16
        return [row, column]

    def footprint(self, k: int, size: int, kind: int) -> np.ndarray:
        """First row and first column of a basis vector."""
        n, a, g = 1 << size, self.a, self.group
        if size <= 3:
            basis = a[f"dense{n}"][g, kind, k].reshape(n, n)
            return np.concatenate((basis[0], basis[:, 0]))
        scan = a["scan32"][g] if size == 5 else a["scan16"][g, kind]
        u, v = divmod(int(scan[k]), 16)
        rows, columns = (a["dct32"],) * 2 if size == 5 else a["pair16"][g, kind]
        return np.concatenate((rows[u, 0] * columns[v] >> 12, columns[v, 0] * rows[u] >> 12))

    def sign(
        self, k: int, size: int, kind: int, magnitude: int, rough: int, gaps: np.ndarray
    ) -> int:
        """Decode a sign; what the coefficient does to the border is taken off the gaps."""
        limit = (1 << 19) - 1
        coefficient = min((magnitude * self.steps[size][k] + 32) >> 6, limit)
        border = self.footprint(k, size, kind)
        hint = int(gaps @ border) >> 12
        agreement = AGREEMENT[min(4095, abs(coefficient * hint) * 64 // self.step**2)]
        context = (agreement * 8 + (LEVEL[min(4095, rough >> 3)] >> 2)) * 4 + size - 2
        negative = self.model.decide_alone(SIGN, context) ^ (hint < 0)
        gaps -= (-coefficient if negative else coefficient) * border >> 12
        return negative

    def coefficients(
        self, y: int, x: int, size: int, f: list[int], coded: int, kind: int, gaps: np.ndarray
    ) -> list[int]:
        m, words = self.model, self.a["codewords"]
        low, high = sixth(f[2]), sixth(f[3])
        symbols: list[int] = []
        values: list[int] = []
        previous = 0
        for group in range(coded):
            position = SCAN_BIN[group]
            weights = self.a["pair_weights"][self.group][size, position]
            level = LEVEL[min(int(weights @ f) >> 13, 4095)]
            near, mid = sixth(f[5]), sixth(f[6])
            left = self.neighbour(y, x - 4, size, group) if x else 0
            above = self.neighbour(y - 4, x, size, group) if y else 0
            extra = previous * 24 + (size - 2) * 6 + max(low, high)
            if self.kind:
                extra = (sixth(f[8]) * 6 + sixth(f[9])) * 32 + level
            far = high if group > COEFFICIENTS[size] // 8 else low
            m.place(
                PAIR, level, near * 36 + mid * 6 + far, position * 16 + (level >> 1),
                min(3, coded - 1 - group) * 16 + (level >> 1),
                (left * 6 + above) * 16 + position, extra,
            )  # fmt: skip
            set2 = ((size - 2) * 16 + position) * 8
            symbol, node, depth = 0, 1, 0
            if group == coded - 1 or not m.decide(0, level * 8, set2):
                while node >= 0:
                    slot = min(7, depth + 1)
                    bit = m.decide(node, level * 8 + slot, set2 + slot)
                    node = int(self.a["tree_right" if bit else "tree_left"][node])
                    depth += 1
                symbol = -node - 1
            total = first = 0
            for component in range(2):
                if symbol == len(words):
                    value = self.escape(size, component, first, level, position, f)
                    size_of, first = value << 6, min(255, value + 1).bit_length() - 1
                else:
                    size_of = int(words[symbol, component])
                total += size_of
                k = 2 * group + component
                sign = self.sign(k, size, kind, size_of, f[4], gaps) if size_of else 0
                values.append(-size_of if sign else size_of)
            mean = min(total * 8, 32767)
            f[5] += ((mean - f[5]) * 158) >> 8
            f[6] += ((mean - f[6]) * 58) >> 8
            f[7] += ((mean - f[7]) * (65536 // (group + 1))) >> 16
            symbols.append(symbol)
            previous = symbol
        self.plane.pairs[y, x] = symbols
        return values

    def neighbour(self, y: int, x: int, size: int, group: int) -> int:
        """The class of the pair at the same place of a neighbouring block of the same size."""
        p = self.plane
        if p.size[y >> 2, x >> 2] != size:
            return 0
        if group >= p.coded[y >> 2, x >> 2]:
            return 1
        symbol = p.pairs[y >> size << size, x >> size << size][group]
        words = self.a["codewords"]
        if symbol == 0:
            return 1
        if symbol == len(words):
            return 5
        energy = int((words[symbol] ** 2).sum()) / 4096
        return 2 + sum(energy >= edge for edge in (1.7, 3.5, 8.0))

    def escape(
        self, size: int, component: int, first: int, level: int, position: int, f: list[int]
    ) -> int:
        m, known = self.model, 1 + first if component else 0
        near = LEVEL[min(4095, f[5] >> 3)] >> 1
        around = LEVEL[min(4095, max(f[2], f[3]) >> 3)] >> 1
        m.place(
            ESCAPE, known * 4 + size - 2, component * 32 + level, component * 16 + near,
            (component * 4 + size - 2) * 16 + position, known * 16 + (level >> 1),
            known * 16 + around,
        )  # fmt: skip
        length = 0
        while length < 15 and m.decide(length, length, known * 64 + length):
            length += 1
        value = 1
        for place in range(length):
            if place < 2:
                node = (16, 32, 48)[place and value - 1] + length
                bit = m.decide(node, node, known * 64 + node)
            else:
                bit = self.coder.decision(32768)
            value = 2 * value + bit
        return min(value - 1, 32767)

    # --- samples ---

    def predict_any(self, y: int, x: int, size: int, mode: int, border: list[int]) -> np.ndarray:
        out = predict(BASE_MODE[mode], size, border)
        if mode < 35:
            return out
        n = 1 << size
        detail = np.full((n, n), 128, np.int64)
        factors = self.factors(y, x, n)
        for factor, plane in zip(factors, (self.luma, self.first), strict=True):
            if factor:
                base = predict(BASE_MODE[mode], size, self.references(plane, y, x, size))
                seen = plane.samples[y : y + n, x : x + n]
                detail += factor * ((seen.T if mode == 37 else seen) - base)
        return np.clip(out + (detail >> 8), 0, TOP)

    def factors(self, y: int, x: int, n: int) -> tuple[int, int]:
        """Factors in 1/256 that fit the plane to luma and the first difference (ridge)."""
        parts = []
        for plane in (self.plane, self.luma, self.first):
            s, l4 = plane.samples, max(0, x - 4)
            upper, lower = s[max(0, y - 4) : y, l4 : x + n], s[y : y + n, l4:x]
            parts.append(np.concatenate((upper.ravel(), lower.ravel())) - MIDDLE)
        v, a, b = parts
        count = len(v)
        if not count:
            return 0, 0

        def covariance(p: np.ndarray, q: np.ndarray) -> int:
            return int((p * q).sum()) - int(p.sum()) * int(q.sum()) // count

        ridge = count * (16 + self.step * self.step // 5120)
        a00, a11, a01 = covariance(a, a) + ridge, covariance(b, b) + ridge, covariance(a, b)
        u, w = covariance(a, v), covariance(b, v)
        determinant = max(1, a00 * a11 - a01 * a01)
        return (
            clip(((u * a11 - w * a01) << 8) // determinant, -512, 512),
            clip(((a00 * w - a01 * u) << 8) // determinant, -512, 512),
        )

    def inverse(self, values: list[int], size: int, kind: int) -> np.ndarray:
        n, steps, a, g = 1 << size, self.steps[size], self.a, self.group
        limit = (1 << 19) - 1
        c = [clip((v * s + 32) >> 6, -limit, limit) for v, s in zip(values, steps, strict=False)]
        if size <= 3:
            basis = a[f"dense{n}"][g, kind]
            out = sum(v * basis[k] for k, v in enumerate(c)) + (1 << 15)
            return (wrap(out) >> 16).reshape(n, n)  # type: ignore[no-any-return]
        scan = a["scan32"][g] if size == 5 else a["scan16"][g, kind]
        grid = np.zeros(256, np.int64)
        grid[scan[: len(c)]] = c
        rows, columns = (a["dct32"],) * 2 if size == 5 else a["pair16"][g, kind]
        inner = wrap(grid.reshape(16, 16) @ columns + (1 << 11)) >> 12
        return wrap(rows.T @ inner + (1 << 15)) >> 16

    def restore(self, plane: Plane, kind: int, step_index: int) -> np.ndarray:
        near = np.pad(plane.samples, 3, mode="edge")
        out = np.empty_like(plane.samples)
        for y in range(0, self.height, 8):
            for x in range(0, self.width, 8):
                index = clip(step_index + 6 * int(self.offsets[y >> 5, x >> 5]), 0, 223)
                step = STEP[index]
                big = int(plane.size[y >> 2, x >> 2]) >= 4
                group = texture(near[y : y + 14, x : x + 14], step) * 2 + big
                bin = sum(index >= edge for edge in (82, 100, 118, 136, 154))
                weights = self.a["filters"][kind, bin, group]
                low, high = step * 15 // 1600, step * 80 // 1600
                here = near[y + 3 : y + 11, x + 3 : x + 11]
                total = np.full((8, 8), 512, np.int64)
                for number, (dy, dx) in enumerate(PAIRS):
                    for sign in (1, -1):
                        top, left = y + 3 + sign * dy, x + 3 + sign * dx
                        gap = near[top : top + 8, left : left + 8] - here
                        total += weights[2 * number] * np.clip(gap, -low, low)
                        total += weights[2 * number + 1] * np.clip(gap, -high, high)
                out[y : y + 8, x : x + 8] = np.clip(here + (total >> 10), 0, TOP)
        return out


def wrap(values: np.ndarray) -> np.ndarray:
    """Arithmetic modulo 2**32, signed."""
    return (values + (1 << 31)) % (1 << 32) - (1 << 31)


def texture(near: np.ndarray, step: int) -> int:
    """Activity (0..4) times 5 plus direction (0..4) of an 8 x 8 block and its surroundings."""
    centre = 2 * near[3:11:2, 3:11]

    def second(dy: int, dx: int) -> int:
        one = near[3 - dy : 11 - dy : 2, 3 - dx : 11 - dx]
        two = near[3 + dy : 11 + dy : 2, 3 + dx : 11 + dx]
        return int(np.abs(centre - one - two).sum())

    down, across, falling, rising = second(1, 0), second(0, 1), second(1, 1), second(1, -1)
    level = (down + across) * 1600 // (32 * step)
    activity = sum(level >= edge for edge in (3, 10, 25, 60))
    straight, less = max(down, across), min(down, across) + 6
    oblique, oblique_less = max(falling, rising), min(falling, rising) + 6
    direction = 0
    if 2 * straight >= 3 * less or 2 * oblique >= 3 * oblique_less:
        if straight * oblique_less >= oblique * less:
            direction = 1 if down > across else 2
        else:
            direction = 3 if falling > rising else 4
    return activity * 5 + direction


def predict(mode: int, size: int, border: list[int]) -> np.ndarray:
    """Predict a block from its border by a mode below 35; horizontal ones come transposed."""
    n = 1 << size
    corner = 2 * n
    smooth = list(border)
    for i in range(1, 4 * n):
        smooth[i] = (border[i - 1] + 2 * border[i] + border[i + 1] + 2) >> 2
    out = np.zeros((n, n), np.int64)
    if mode == 0:
        line = smooth if n >= 8 else border
        right, bottom = line[corner + 1 + n], line[corner - 1 - n]
        for y in range(n):
            for x in range(n):
                left, above = line[corner - 1 - y], line[corner + 1 + x]
                across = (n - 1 - x) * left + (x + 1) * right
                out[y, x] = (across + (n - 1 - y) * above + (y + 1) * bottom + n) >> (size + 1)
        return lean(out, size, border)
    if mode == 1:
        total = n + sum(border[corner + 1 + i] + border[corner - 1 - i] for i in range(n))
        out[:] = total >> (size + 1)
        return lean(out, size, border)
    beyond = {2: 100, 3: 7, 4: 1, 5: 0}[size]
    line = smooth if min(abs(mode - 10), abs(mode - 26)) > beyond else border
    sign, angle = (1 if mode >= 18 else -1), ANGLE[mode]
    for y in range(n):
        shift = (y + 1) * angle
        for x in range(n):
            values = []
            for place in ((shift >> 5) + 1 + x, (shift >> 5) + 2 + x):
                if place < 0:  # beyond the corner: from the other side
                    inverse = (8192 + -angle // 2) // -angle
                    place = -((place * -inverse + 128) >> 8)
                values.append(line[clip(corner + sign * place, 0, 4 * n)])
            fraction = shift & 31
            out[y, x] = ((32 - fraction) * values[0] + fraction * values[1] + 16) >> 5
    if n < 32 and angle == 0:
        for y in range(n):
            gap = border[corner - sign * (1 + y)] - border[corner]
            out[y, 0] = clip(int(out[y, 0]) + (gap >> 1), 0, TOP)
    return out


def lean(out: np.ndarray, size: int, border: list[int]) -> np.ndarray:
    """Pull a smooth prediction towards the border, less with each sample of distance."""
    n, scale = 1 << size, (size - 1) >> 1
    for y in range(n):
        for x in range(n):
            across = 32 >> min(31, (2 * x) >> scale)
            down = 32 >> min(31, (2 * y) >> scale)
            value = int(out[y, x])
            change = across * (border[2 * n - 1 - y] - value)
            change += down * (border[2 * n + 1 + x] - value)
            out[y, x] = value + ((change + 32) >> 6)
    return out
