"""The planes of a picture as the encoder reads them: at once, or in parts from the disk.

Training looks at rows of blocks of one plane, coding at one tile of all planes.
A picture in memory is split once; of one on the disk (`vqcodec.media.large`)
only what is asked for is read and split.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from vqcodec.patch.blocks import PlaneShape, pad, split_planes
from vqcodec.patch.form import Form
from vqcodec.tiling import Place

if TYPE_CHECKING:
    from vqcodec.media.large import Raster

TILE, FIXED_RATE_TILE = 1024, 256  # sides, about, of tiles that nobody has chosen


class Picture:
    """Samples and planes of a picture, for any part of it; gray becomes colour where it must."""

    def __init__(self, samples: np.ndarray | Raster, layout: str) -> None:
        self.layout = layout
        self._to_luma = layout == "gray" and samples.shape[2] > 2
        self._to_colour = layout != "gray" and samples.shape[2] == 1
        if isinstance(samples, np.ndarray):
            samples = self._converted(samples)
            self._to_luma = self._to_colour = False
        self._samples = samples
        self.height, self.width, channels = samples.shape
        self.channels = channels - 2 * self._to_luma + 2 * self._to_colour
        self.itemsize = samples.dtype.itemsize
        self._planes: list[np.ndarray] | None = None

    def samples(self, place: Place) -> np.ndarray:
        """Return the samples of a rectangle."""
        top, left, height, width = place
        return self._converted(self._samples[top : top + height, left : left + width])

    def _converted(self, samples: np.ndarray) -> np.ndarray:
        if self._to_luma:
            return luma(samples)
        return np.repeat(samples, 3, 2) if self._to_colour else samples

    def planes(self, place: Place) -> list[np.ndarray]:
        """Return the planes of a rectangle; with chroma at half resolution its corner is even."""
        if not isinstance(self._samples, np.ndarray):
            return split_planes(self.samples(place), self.layout)
        if self._planes is None:
            self._planes = split_planes(self._samples, self.layout)
        top, left, height, width = place
        bottom, right = top + height, left + width
        planes = []
        for number, plane in enumerate(self._planes):
            s = scale_of(self.layout, number)
            planes.append(plane[top // s : -(-bottom // s), left // s : -(-right // s)])
        return planes

    def padded(self, number: int, shape: PlaneShape) -> np.ndarray | Rows:
        """Return a whole plane, extended to whole blocks."""
        if isinstance(self._samples, np.ndarray):
            whole = self.planes(Place(0, 0, self.height, self.width))
            return pad(whole[number], shape)
        return Rows(self, number, shape)


@dataclass(frozen=True)
class Rows:
    """A padded plane of a picture on the disk, as an array of which rows of blocks are taken."""

    picture: Picture
    number: int
    shape: PlaneShape

    def __getitem__(self, rows: slice) -> np.ndarray:
        """Return rows of blocks, given by their first and last sample rows."""
        whole, s = self.shape, scale_of(self.picture.layout, self.number)
        first, last, _ = rows.indices(whole.rows * whole.block[0])
        top, bottom = first * s, min(last * s, self.picture.height)
        plane = self.picture.planes(Place(top, 0, bottom - top, self.picture.width))[self.number]
        return pad(plane, PlaneShape(len(plane), whole.width, whole.channels, whole.block))


def scale_of(layout: str, number: int) -> int:
    """Return how many rows of the picture make one of a plane."""
    return 2 if layout == "ycbcr420" and number == 1 else 1


def tile_sides(
    form: Form, blocks: list[tuple[int, int]], side: int | None
) -> tuple[int, int] | None:
    """Return height and width of the tiles: whole blocks of every plane; None for one piece."""
    side = side or (FIXED_RATE_TILE if form.fixed_rate else TILE)
    scales = [scale_of(form.layout, number) for number in range(len(blocks))]
    unit = [
        math.lcm(*(b[axis] * s for b, s in zip(blocks, scales, strict=True))) for axis in (0, 1)
    ]
    height, width = (max(1, side // one) * one for one in unit)
    return (height, width) if form.height > height or form.width > width else None


def luma(samples: np.ndarray) -> np.ndarray:
    """Return the luma of RGB or RGBA samples, with the alpha if there is one."""
    from vqcodec.color import rgb_to_ycbcr

    gray = rgb_to_ycbcr(np.ascontiguousarray(samples[..., :3]), 8 * samples.itemsize)[..., :1]
    return np.concatenate((gray, samples[..., 3:]), 2)
