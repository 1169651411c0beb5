"""Pixels to vectors and back: colour planes, blocks, and their edges.

An image becomes planes (`split_planes`): one joint plane (gray or RGB), or a
luma plane and a chroma plane (Cb and Cr jointly, at full or half resolution),
and an alpha plane where there is alpha. A plane is cut into blocks; a block is
one vector of ``height * width * channels`` samples, row by row. Planes whose
size is no multiple of the block repeat their last row and column.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from vqcodec.color import rgb_to_ycbcr, ycbcr_to_rgb

if TYPE_CHECKING:
    from vqcodec.patch.planes import Rows

LAYOUTS = ("gray", "rgb", "ycbcr444", "ycbcr420")
CHUNK_VECTORS = 1 << 16
_ROWS = 256  # rows of a strip; even, so that strips do not split a chroma sample


@dataclass(frozen=True)
class PlaneShape:
    """Size of a plane, and of its blocks."""

    height: int
    width: int
    channels: int
    block: tuple[int, int]
    """Block height and width."""

    @property
    def rows(self) -> int:
        return -(-self.height // self.block[0])

    @property
    def columns(self) -> int:
        return -(-self.width // self.block[1])

    @property
    def blocks(self) -> int:
        return self.rows * self.columns

    @property
    def dimension(self) -> int:
        return self.block[0] * self.block[1] * self.channels


def plane_shapes(
    height: int, width: int, layout: str, alpha: bool, block: tuple[int, int]
) -> list[PlaneShape]:
    """Return the shapes of the planes that an image of this size has, in coding order."""
    if layout == "gray":
        shapes = [PlaneShape(height, width, 1, block)]
    elif layout == "rgb":
        shapes = [PlaneShape(height, width, 3, block)]
    else:
        half = layout == "ycbcr420"
        size = (-(-height // 2), -(-width // 2)) if half else (height, width)
        shapes = [PlaneShape(height, width, 1, block), PlaneShape(*size, 2, block)]
    if alpha:
        shapes.append(PlaneShape(height, width, 1, block))
    return shapes


def split_planes(samples: np.ndarray, layout: str) -> list[np.ndarray]:
    """Split an image into its planes.

    Parameters
    ----------
    samples : (height, width, 1..4) ndarray of uint8 or uint16
        Gray, gray and alpha, RGB, or RGB and alpha.
    layout : str
        One of `LAYOUTS`.

    Returns
    -------
    list of (height, width, channels) ndarray
    """
    channels = samples.shape[2]
    alpha = channels in (2, 4)
    colour = samples[..., : channels - alpha]
    joint = layout in ("gray", "rgb")
    planes = [colour] if joint else _split_ycbcr(colour, layout == "ycbcr420")
    if alpha:
        planes.append(samples[..., channels - 1 :])
    return [np.ascontiguousarray(plane) for plane in planes]


def _split_ycbcr(colour: np.ndarray, half: bool) -> list[np.ndarray]:
    """Return luma and chroma planes; strip by strip, so that a large image needs little more."""
    height, width, _ = colour.shape
    luma = np.empty((height, width, 1), colour.dtype)
    size = (-(-height // 2), -(-width // 2)) if half else (height, width)
    chroma = np.empty((*size, 2), colour.dtype)
    for top in range(0, height, _ROWS):
        ycbcr = rgb_to_ycbcr(colour[top : top + _ROWS], 8 * colour.itemsize)
        luma[top : top + _ROWS] = ycbcr[..., :1]
        if half:
            chroma[top // 2 : (top + _ROWS) // 2] = _halve(ycbcr[..., 1:])
        else:
            chroma[top : top + _ROWS] = ycbcr[..., 1:]
    return [luma, chroma]


def join_planes(planes: list[np.ndarray], layout: str, height: int, width: int) -> np.ndarray:
    """Invert `split_planes`; half-resolution chroma is interpolated."""
    if layout in ("gray", "rgb"):
        colour, rest = planes[0], planes[1:]
    else:
        luma, chroma, rest = planes[0], planes[1], planes[2:]
        colour = np.empty((height, width, 3), luma.dtype)
        for top in range(0, height, _ROWS):
            bottom = min(top + _ROWS, height)
            strip = chroma[top:bottom]
            if layout == "ycbcr420":
                strip = _double(_double_rows(chroma, top, bottom), 1, width)
            ycbcr = np.concatenate((luma[top:bottom], strip), 2)
            colour[top:bottom] = ycbcr_to_rgb(ycbcr, 8 * luma.itemsize)
    return np.concatenate((colour, *rest), 2) if rest else colour


def _halve(plane: np.ndarray) -> np.ndarray:
    """Return the rounded means of 2 x 2 samples."""
    height, width, _ = plane.shape
    plane = np.pad(plane, ((0, height % 2), (0, width % 2), (0, 0)), "edge")
    rows = plane[0::2].astype(np.uint32)
    rows += plane[1::2]
    return ((rows[:, 0::2] + rows[:, 1::2] + 2) >> 2).astype(plane.dtype)


def _double_rows(plane: np.ndarray, top: int, bottom: int) -> np.ndarray:
    """Return rows top..bottom (top even) of the plane interpolated to twice its rows."""
    first = max(0, top // 2 - 1)
    last = min(len(plane), -(-bottom // 2) + 1)
    grown = _double(plane[first:last], 0, 2 * (last - first))
    return grown[top - 2 * first : bottom - 2 * first]


def _double(plane: np.ndarray, axis: int, length: int) -> np.ndarray:
    """Interpolate to twice the samples along an axis (weights 3/4 and 1/4), cut at `length`."""
    plane = np.moveaxis(plane, axis, 0)
    out = np.empty((length, *plane.shape[1:]), plane.dtype)
    before = np.concatenate((plane[:1], plane[:-1]))
    after = np.concatenate((plane[1:], plane[-1:]))
    for start, neighbour in ((0, before), (1, after)):
        count = len(out[start::2])
        mixed = plane[:count].astype(np.uint32) * 3
        mixed += neighbour[:count]
        mixed += 1 + start  # halves round down and up in turn, without a bias
        out[start::2] = mixed >> 2
    return np.ascontiguousarray(np.moveaxis(out, 0, axis))


# --- blocks -------------------------------------------------------------------


def pad(plane: np.ndarray, shape: PlaneShape) -> np.ndarray:
    """Extend a plane to whole blocks by repeating its last row and column."""
    bottom = shape.rows * shape.block[0] - shape.height
    right = shape.columns * shape.block[1] - shape.width
    if not (bottom or right):
        return plane
    return np.pad(plane, ((0, bottom), (0, right), (0, 0)), "edge")


def to_vectors(padded: np.ndarray, shape: PlaneShape) -> np.ndarray:
    """Return the blocks of a padded plane, or of some whole rows of blocks, as (n, d)."""
    bh, bw = shape.block
    rows = padded.shape[0] // bh
    cut = padded.reshape(rows, bh, shape.columns, bw * shape.channels).swapaxes(1, 2)
    return cut.reshape(-1, shape.dimension)


def from_vectors(vectors: np.ndarray, shape: PlaneShape) -> np.ndarray:
    """Invert `to_vectors` for whole rows of blocks; the result is still padded."""
    bh, bw = shape.block
    rows = len(vectors) // shape.columns
    cut = vectors.reshape(rows, shape.columns, bh, bw * shape.channels).swapaxes(1, 2)
    return cut.reshape(rows * bh, shape.columns * bw, shape.channels)


def row_chunks(shape: PlaneShape) -> Iterator[slice]:
    """Yield slices of block rows that hold about `CHUNK_VECTORS` vectors each."""
    step = max(1, CHUNK_VECTORS // shape.columns)
    for first in range(0, shape.rows, step):
        yield slice(first, min(first + step, shape.rows))


def sample_vectors(
    padded: np.ndarray | Rows, shape: PlaneShape, most: int, seed: int
) -> np.ndarray:
    """Return at most `most` of the vectors of a padded plane, drawn without replacement."""
    if shape.blocks <= most:
        return to_vectors(padded[:], shape)
    chosen = np.sort(np.random.default_rng(seed).choice(shape.blocks, most, replace=False))
    bh = shape.block[0]
    parts = []
    for rows in row_chunks(shape):
        here = chosen[(chosen >= rows.start * shape.columns) & (chosen < rows.stop * shape.columns)]
        strip = to_vectors(padded[rows.start * bh : rows.stop * bh], shape)
        parts.append(strip[here - rows.start * shape.columns])
    return np.concatenate(parts)


def remove_means(vectors: np.ndarray, channels: int) -> tuple[np.ndarray, np.ndarray]:
    """Split vectors into rounded means, one a channel (n, channels), and residuals (int32)."""
    cut = vectors.reshape(len(vectors), -1, channels)
    size = cut.shape[1]
    means = (cut.sum(1, dtype=np.int64) + size // 2) // size
    residuals = cut.astype(np.int32) - means[:, None].astype(np.int32)
    return means, residuals.reshape(vectors.shape)
