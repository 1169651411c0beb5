"""Pictures that explain: error heat maps, codebook mosaics, close-ups; and PNG for a page.

All functions take and return arrays; the command line writes the same pictures
to files (``--save-error-image``, ``--save-codebook-image``).
"""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import PIL.Image
import PIL.ImageDraw
import PIL.ImageFont

from vqcodec.metrics.pairs import appearing, comparable, white_of
from vqcodec.report.charts import Axis

LEAST_RANGE = 8.0  # of 255: errors below are never shown as more than a part of the scale
SHARE_IN_RANGE = 99.9  # per cent of the pixels whose error the scale can show
_STOPS = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
_HEAT = ((8, 10, 24), (66, 22, 112), (156, 42, 104), (226, 92, 54), (250, 176, 50), (253, 250, 204))
_GAP = 1


def heat_colors() -> np.ndarray:
    """Return the scale of the heat maps, (256, 3) uint8: dark for none, light for the most."""
    at = np.linspace(0, 1, 256)
    planes = [np.interp(at, _STOPS, [color[c] for color in _HEAT]) for c in range(3)]
    return np.stack(planes, 1).round().astype(np.uint8)


@dataclass(frozen=True, eq=False)
class ErrorMap:
    """The error of every pixel.

    Attributes
    ----------
    values : (height, width) ndarray of float32
        Root mean square over the colours, in units of 1/255. Where there is
        alpha, over a black and a white background.
    top : float
        What the light end of the scale stands for; larger errors look the same.
    """

    values: np.ndarray
    top: float

    def levels(self) -> np.ndarray:
        """Return the numbers of the colours of `heat_colors`, (height, width) uint8."""
        return np.minimum(self.values * (255 / self.top), 255).round().astype(np.uint8)

    def samples(self) -> np.ndarray:
        """Return the picture, (height, width, 3) uint8."""
        return heat_colors()[self.levels()]


def error_map(original: np.ndarray, coded: np.ndarray) -> ErrorMap:
    """Measure the error of every pixel of a pair of images of the same size.

    Raises
    ------
    ParameterError
        They cannot be compared.
    """
    a, b = comparable(original, coded)
    values = np.empty(a.shape[:2], np.float32)
    row = 0
    for pairs in appearing(a, b):
        squares = [np.square(x - y).mean(2) for x, y in pairs]
        rows = len(squares[0])
        values[row : row + rows] = np.sqrt(sum(squares) / len(squares)) * (255 / white_of(a))
        row += rows
    top = max(LEAST_RANGE, math.ceil(float(np.percentile(values, SHARE_IN_RANGE))))
    return ErrorMap(values, top)


def worst_place(values: np.ndarray, side: int) -> tuple[int, int]:
    """Return (y, x) of the square of this side in which the mean squared error is largest."""
    height, width = values.shape
    tall, wide = min(side, height), min(side, width)
    total = np.zeros((height + 1, width + 1))
    total[1:, 1:] = np.square(values, dtype=np.float64).cumsum(0).cumsum(1)
    sums = total[tall:, wide:] - total[:-tall, wide:] - total[tall:, :-wide] + total[:-tall, :-wide]
    y, x = np.unravel_index(int(sums.argmax()), sums.shape)
    return int(y), int(x)


# --- codebooks ------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Plane:
    """The codebook of one plane of a patch file, and how it is used.

    Attributes
    ----------
    name : str
        Such as ``luma``.
    blocks : (K, height, width, 3) ndarray of uint8
        The codewords, as they look.
    counts : (K,) ndarray of int64 or None
        How many blocks of the picture chose each; None if no picture is at hand.
    """

    name: str
    blocks: np.ndarray
    counts: np.ndarray | None = None


def looks_of(codewords: np.ndarray, block: tuple[int, int], channels: int, bits: int) -> np.ndarray:
    """Return codewords (K, dimension) as (K, height, width, 3) uint8 pictures.

    Differences from the mean of a block (codebooks whose means are removed)
    are shown around middle gray, colour differences at middle luma.
    """
    from vqcodec.color import ycbcr_to_rgb

    blocks = codewords.reshape(-1, *block, channels).astype(np.int64)
    if bits == 16:
        blocks = blocks * 255 // 65535
    if blocks.min(initial=0) < 0:
        blocks = blocks + 128
    blocks = blocks.clip(0, 255).astype(np.uint8)
    if channels == 3:
        return blocks
    if channels == 1:
        return blocks.repeat(3, axis=3)
    middle = np.full((*blocks.shape[:3], 1), 128, np.uint8)
    rows = np.concatenate([middle, blocks], axis=3).reshape(-1, 1, 3)
    return ycbcr_to_rgb(rows).reshape(*blocks.shape[:3], 3)


def mosaic(
    blocks: np.ndarray, columns: int | None = None, scale: int = 1, gap: int = _GAP
) -> np.ndarray:
    """Lay codewords out side by side, row by row, as RGBA with transparent gaps.

    Parameters
    ----------
    blocks : (K, height, width, 3) ndarray of uint8
    columns : int, optional
        Codewords in a row; by default the mosaic is about as wide as high.
    scale : int
        Every pixel becomes a square of this side.
    gap : int
        Pixels between codewords.

    Returns
    -------
    (rows, columns, 4) ndarray of uint8
    """
    count, height, width, _ = blocks.shape
    tall, wide = height * scale + gap, width * scale + gap
    columns = columns or max(1, round(math.sqrt(count * tall / wide)))
    rows = -(-count // columns)
    canvas = np.zeros((rows * columns, tall, wide, 4), np.uint8)
    enlarged = blocks.repeat(scale, 1).repeat(scale, 2)
    canvas[:count, : height * scale, : width * scale, :3] = enlarged
    canvas[:count, : height * scale, : width * scale, 3] = 255
    laid = canvas.reshape(rows, columns, tall, wide, 4).swapaxes(1, 2)
    laid = laid.reshape(rows * tall, columns * wide, 4)
    return np.ascontiguousarray(laid[: rows * tall - gap, : columns * wide - gap])


def by_usage(plane: Plane) -> np.ndarray:
    """Return the blocks of a plane, the most used first."""
    if plane.counts is None:
        return plane.blocks
    return plane.blocks[np.argsort(-plane.counts, kind="stable")]


def codebook_image(planes: Sequence[Plane], width: int = 768) -> np.ndarray:
    """Return one picture of all planes' codebooks, one below the other, the most used first.

    Returns
    -------
    (height, width, 4) ndarray of uint8
    """
    pictures = []
    for plane in planes:
        count, _, wide, _ = plane.blocks.shape
        columns = min(count, max(1, round(math.sqrt(count))))
        scale = max(1, (width // columns - 2) // wide)
        pictures.append(mosaic(by_usage(plane), columns, scale, gap=2))
    widest = max(picture.shape[1] for picture in pictures)
    padded = [np.pad(p, ((0, 16), (0, widest - p.shape[1]), (0, 0))) for p in pictures]
    return np.concatenate(padded)[:-16]


def training_image(planes: Sequence[Plane], history: Mapping[str, Sequence[float]]) -> np.ndarray:
    """Return how the error of each plane fell while it was trained, above its codewords.

    Parameters
    ----------
    planes : sequence of Plane
    history : mapping
        The mean squared error at every step; planes without steps are left out.

    Returns
    -------
    (height, width, 4) ndarray of uint8
    """
    charts = [
        _descent(f"{name}: mean squared error by step", steps)
        for name, steps in history.items()
        if steps
    ]
    parts = [*charts, codebook_image(planes)]
    widest = max(part.shape[1] for part in parts)
    padded = [np.pad(p, ((0, 16), (0, widest - p.shape[1]), (0, 0))) for p in parts]
    return np.concatenate(padded)[:-16]


def _descent(
    title: str, values: Sequence[float], width: int = 768, height: int = 240
) -> np.ndarray:
    """Draw values from 0 up over the numbers of their steps, 1 and following."""
    picture = PIL.Image.new("RGBA", (width, height), "white")
    draw = PIL.ImageDraw.Draw(picture)
    font = PIL.ImageFont.load_default()
    left, right, top, bottom = 64, width - 16, 32, height - 32
    x, y = Axis("", 0, len(values) + 1), Axis("", 0, max(values) * 1.05 or 1.0)

    def at(step: float, value: float) -> tuple[float, float]:
        return left + x.place(step) * (right - left), bottom - y.place(value) * (bottom - top)

    draw.text((left, 10), title, "black", font)
    for tick in y.ticks(5):
        level = at(0, tick)[1]
        draw.line((left, level, right, level), "#d8d8d8")
        draw.text((left - 8, level), f"{tick:g}", "#404040", font, anchor="rm")
    for tick in x.ticks(12):
        if tick == int(tick) and 1 <= tick <= len(values):
            draw.text((at(tick, 0)[0], bottom + 8), f"{tick:g}", "#404040", font, anchor="mt")
    places = [at(step, value) for step, value in enumerate(values, 1)]
    draw.line(places, "#1f5fb4", 2)
    for a, b in places:
        draw.ellipse((a - 3, b - 3, a + 3, b + 3), "#1f5fb4")
    return np.asarray(picture)


# --- pages ------------------------------------------------------------------------


def reduced(samples: np.ndarray, most: int) -> tuple[np.ndarray, int]:
    """Average squares of pixels until at most so many are left; return them and the side."""
    height, width = samples.shape[:2]
    side = max(1, math.ceil(math.sqrt(height * width / most)))
    if side == 1:
        return samples, 1
    picture = PIL.Image.fromarray(samples[:, :, 0] if samples.shape[2] == 1 else samples)
    small = np.asarray(picture.reduce(side))
    return small.reshape(*small.shape[:2], -1), side


def data_uri(
    samples: np.ndarray, colors: np.ndarray | None = None, icc: bytes | None = None
) -> str:
    """Return a picture as a ``data:`` address that holds a PNG file.

    Parameters
    ----------
    samples : (height, width, 1 to 4) or (height, width) ndarray of uint8
    colors : (n, 3) ndarray of uint8, optional
        A palette, of which `samples` are the indices.
    icc : bytes, optional
        The colour profile.
    """
    flat = samples.ndim == 3 and samples.shape[2] == 1
    picture = PIL.Image.fromarray(np.ascontiguousarray(samples[:, :, 0] if flat else samples))
    if colors is not None:
        picture.putpalette(colors.astype(np.uint8).tobytes())
    file = io.BytesIO()
    options = {"icc_profile": icc} if icc else {}
    picture.save(file, "PNG", **options)
    return address("image/png", file.getvalue())


def address(media_type: str, data: bytes) -> str:
    """Return bytes as a ``data:`` address."""
    return f"data:{media_type};base64,{base64.b64encode(data).decode()}"
