"""From an image and wishes to a file: operating points, and the search for a target.

An operating point is a block size, a codebook size and lambda. Quality walks
along a line of such points; a target (bits per pixel, bytes, PSNR) is met by
bisection along that line. Trained centres are kept between the steps.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from vqcodec.codebook import Codebook
from vqcodec.errors import CancelledError, TargetError
from vqcodec.media import Image
from vqcodec.metadata import Metadata
from vqcodec.patch.codec import Books, check_of, code_tile, pack, reconstruct, tile_payload
from vqcodec.patch.design import (
    PlaneBook,
    band_of,
    design,
    require_vectors,
    train_centres,
    training_vectors,
)
from vqcodec.patch.form import Form
from vqcodec.patch.options import DEFAULT_QUALITY, Options
from vqcodec.patch.planes import Picture, tile_sides
from vqcodec.tiling import Place, in_order

if TYPE_CHECKING:
    from vqcodec.media.large import LargeImage

ProgressCallback = Callable[[float, str], bool | None]
_TRIALS = 14
_LEAST_QUALITY = -40.0  # where the search for a target ends: lambda is 2**18


@dataclass(frozen=True)
class Point:
    """An operating point: block height and width, codewords of the first plane, lambda."""

    block: tuple[int, int]
    codewords: int
    lagrangian: float


@dataclass(frozen=True)
class Coded:
    """A finished file, with what was asked of it."""

    data: bytes
    psnr: float
    note: str | None = None
    """What the user should hear: by how much a target was missed."""

    @property
    def bits(self) -> int:
        return 8 * len(self.data)


def encode(
    image: Image | LargeImage,
    options: Options,
    codebook: Codebook | None = None,
    progress: ProgressCallback | None = None,
) -> Coded:
    """Encode an image as a patch file.

    Raises
    ------
    ParameterError
        Options out of range (they check themselves when they are made).
    CodebookError
        More codewords than vectors, or an external codebook that does not fit.
    TargetError
        The size, rate or quality asked for cannot be met; the message says how
        near the best setting comes.
    CancelledError
        `progress` returned False.
    """
    job = _Job(image, options, codebook, progress)
    for name in ("bpp", "size", "psnr"):
        if getattr(options, name) is not None:
            return _meet(job, name, float(getattr(options, name)))
    job.expected = 1
    return job.attempt(job.line(options.wanted_quality))


# Measured on photographs: from which lambda on (squared error per bit, 8-bit
# samples) which block side and how many codewords give the least rate at 0.4
# megapixels.
_LINE = ((600.0, 8, 64), (130.0, 4, 128), (50.0, 4, 256), (12.0, 3, 512), (1.0, 2, 512))
_FINEST = (1, 256)
_LINE_PIXELS = 393216


def operating_point(quality: float, pixels: int, options: Options) -> Point:
    """Return the operating point of a quality for an image of so many pixels."""
    lagrangian = options.lagrangian
    if options.fixed_rate:
        count = 2 ** min(16, max(1, round(0.5 + quality / 10)))
        return Point(options.block_shape or (4, 4), options.codewords or count, 0.0)
    if lagrangian is None:
        lagrangian = 2 ** ((104 - quality) / 8) - 2**0.5 if quality < 100 else 0.0
    side, count = next((line[1:] for line in _LINE if lagrangian >= line[0]), _FINEST)
    scaled = count * min(1.0, math.sqrt(pixels / _LINE_PIXELS))
    return Point(
        options.block_shape or (side, side), options.codewords or max(2, round(scaled)), lagrangian
    )


def _meet(job: _Job, name: str, target: float) -> Coded:
    """Walk along the line of operating points until the file meets a target.

    Regula falsi, kept inside the bracket. Where the line jumps from one block
    or codebook size to the next and the target lies in the gap, the finer of
    the two goes on alone, with a larger lambda.
    """

    def measure(coded: Coded) -> float:
        if name == "psnr":
            return coded.psnr
        return math.log(coded.bits if name == "size" else coded.bits / job.pixels)

    goal = target if name == "psnr" else math.log(target * 8 if name == "size" else target)
    tolerance = 0.1 if name == "psnr" else 0.02
    tried: list[tuple[float, Coded]] = []
    low, low_miss, high, high_miss = 0.0, math.nan, 100.0, math.nan
    quality, family = DEFAULT_QUALITY, None
    for _ in range(_TRIALS):
        coded = job.attempt(job.line(quality, family))
        miss = measure(coded) - goal
        tried.append((miss, coded))
        if abs(miss) <= tolerance or (quality == 100.0 and miss < 0):
            break
        if miss > 0:
            high, high_miss = quality, miss
        else:
            low, low_miss = quality, miss
        if math.isnan(low_miss):  # above the target everywhere so far
            if high <= _LEAST_QUALITY:
                break
            quality = max(_LEAST_QUALITY, high - 30)
        elif not math.isfinite(high_miss):
            quality = (low + high) / 2 if high - low > 8 or high < 100 else high
        elif high - low > 0.5:
            share = -low_miss / (high_miss - low_miss)
            quality = low + (high - low) * min(0.9, max(0.1, share))
        elif family is None and not job.options.fixed_rate:
            family = job.line(high)
            low, low_miss, quality = high - 30, math.nan, high - 5
        else:
            break
    return _choose(job, name, target, tried)


def _choose(job: _Job, name: str, target: float, tried: list[tuple[float, Coded]]) -> Coded:
    """Return the attempt that meets the target; or the nearest permissible one, with a word."""
    unit = {"psnr": " dB", "bpp": " bits a pixel", "size": " bytes"}[name]
    wanted = f"{target:.6g}{unit}"
    permissible = 0.5 if name == "psnr" else 0.05
    near = [item for item in tried if abs(item[0]) <= permissible]
    if near:
        return min(near, key=lambda item: abs(item[0]))[1]
    # A smaller file, or a better picture, than was asked for is no failure.
    good = [item for item in tried if (item[0] > 0) == (name == "psnr")]
    best = min(good or tried, key=lambda item: abs(item[0]))[1]
    reached = {
        "psnr": f"{best.psnr:.2f} dB",
        "bpp": f"{best.bits / job.pixels:.4f} bits a pixel",
        "size": f"{best.bits // 8} bytes",
    }[name]
    settings = "codebook" if job.codebook else "block and codebook size"
    if good:
        return replace(best, note=f"{wanted} is out of reach with this {settings}: got {reached}")
    raise TargetError(f"{wanted} cannot be met with this {settings}: the nearest is {reached}")


class _Job:
    """One image on its way to a file; remembers what does not change between attempts."""

    def __init__(
        self,
        image: Image | LargeImage,
        options: Options,
        codebook: Codebook | None,
        progress: ProgressCallback | None,
    ) -> None:
        self.options = options
        self.codebook = codebook
        self.progress = progress
        self.expected = _TRIALS
        self.done = 0
        layout = options.layout(image.channels)
        removed = options.mean_removed
        if codebook is not None:
            from vqcodec.patch.external import form_of

            layout, removed = form_of(codebook, image)
        self.picture = Picture(image.samples, layout)
        self.metadata = Metadata() if options.strip else image.metadata
        self.form = Form(
            width=self.picture.width,
            height=self.picture.height,
            layout=layout,
            alpha=self.picture.channels in (2, 4),
            bits=8 * self.picture.itemsize,
            fixed_rate=options.fixed_rate,
            means_removed=removed,
            external=codebook is not None,
        )
        self.centres: dict[tuple[int, tuple[int, int], int], np.ndarray] = {}

    @property
    def pixels(self) -> int:
        return self.form.width * self.form.height

    def line(self, quality: float, family: Point | None = None) -> Point:
        """Return the point of a quality, with the block and codebook size of a given one."""
        point = operating_point(quality, self.pixels, self.options)
        return replace(family, lagrangian=point.lagrangian) if family else point

    def say(self, part: float, message: str) -> None:
        """Report progress; `part` is how much of the present attempt is done."""
        if self.progress is not None:
            fraction = min(1.0, (self.done + part) / self.expected)
            if self.progress(fraction, message) is False:
                raise CancelledError("encoding was cancelled")

    def attempt(self, point: Point) -> Coded:
        """Encode at one operating point."""
        lagrangian = point.lagrangian * (1.0 if self.form.bits == 8 else 257.0**2)
        books = self._books(point, lagrangian)
        sides = tile_sides(self.form, [shape.block for shape, _ in books], self.options.tile)
        form = replace(self.form, tile=sides)

        def work(place: Place) -> tuple[bytes, np.ndarray, float]:
            tile = form.of_tile(place)
            planes = code_tile(self.picture.planes(place), tile, books, lagrangian)
            decoded = reconstruct(tile, planes)
            error = squared_error(self.picture.samples(place), decoded)
            return tile_payload(tile, planes), decoded, error

        payloads, band, check, error = [], [], 0, 0.0
        for number, (payload, decoded, lost) in enumerate(in_order(work, form.grid.places(), None)):
            payloads.append(payload)
            error += lost
            band.append(decoded)
            if len(band) == form.grid.across:
                rows = np.concatenate(band, 1) if len(band) > 1 else decoded
                check = check_of(rows, check)
                band = []
            self.say(0.5 + 0.5 * (number + 1) / form.grid.total, "coding")
        data = pack(form, books, payloads, self.codebook, self.metadata, check)
        error /= self.pixels * form.channels
        peak = (1 << form.bits) - 1
        self.done += 1
        return Coded(data, 10 * math.log10(peak**2 / error) if error else math.inf)

    def _books(self, point: Point, lagrangian: float) -> Books:
        """Return shape and codebook of every plane: those that are given, then trained ones."""
        books: Books = []
        if self.codebook is not None:
            from vqcodec.patch.external import plane_books

            books = plane_books(self.codebook, self.form)
        shapes = self.form.shapes(point.block)
        for number in range(len(books), len(shapes)):
            self.say(0.5 * number / len(shapes), "training")
            books.append((shapes[number], self._design(number, point, lagrangian)))
        return books

    def _design(self, number: int, point: Point, lagrangian: float) -> PlaneBook:
        """Train the codebook of a plane; chroma and alpha take a quarter of the codewords."""
        form, options = self.form, self.options
        shape = form.shapes(point.block)[number]
        count = point.codewords if number == 0 else max(2, point.codewords // 4)
        if options.codewords is not None and number == 0:
            require_vectors(shape, count)
        count = min(count, shape.blocks)
        padded = self.picture.padded(number, shape)
        key = (number, point.block, count)
        if key not in self.centres:
            vectors = training_vectors(padded, shape, count, form.means_removed, options.seed)
            self.centres[key] = train_centres(vectors, count, options.seed)
        return design(
            [band_of(padded, shape)], self.centres[key], lagrangian, form.means_removed,
            not form.fixed_rate, shape.blocks * shape.dimension,
        )[0]  # fmt: skip


def squared_error(a: np.ndarray, b: np.ndarray) -> float:
    """Return the sum of squared differences of two images, without large temporaries."""
    total = 0
    for top in range(0, len(a), 64):
        difference = a[top : top + 64].astype(np.int64) - b[top : top + 64]
        total += int(np.vdot(difference, difference))
    return float(total)
