"""Giving pixels their palette entries: exactly, through the histogram, or dithered."""

from __future__ import annotations

import numpy as np

from vqcodec import color
from vqcodec.palette import bluenoise, dither
from vqcodec.palette.histogram import Histogram
from vqcodec.palette.space import WHITE, Space, alpha_weight, to_points


class Matcher:
    """A palette made ready for the search of nearest entries.

    Attributes
    ----------
    centers : (k, 4) ndarray of float32
        The points of the entries.
    near, gaps : (k, k - 1) ndarrays of int32 and float32
        For each entry all others, nearest first, and their squared distances.
    """

    def __init__(self, rgba: np.ndarray, space: Space, premultiply: bool = True) -> None:
        self.rgba, self.space, self.premultiply = rgba, space, premultiply
        self.centers = to_points(rgba, space, premultiply)
        self.near, self.gaps = sorted_neighbours(self.centers)


def nearest_entries(points: np.ndarray, centers: np.ndarray) -> np.ndarray:
    """Return the number of the centre nearest to each point, (n,) int32."""
    labels = np.zeros(len(points), np.int32)
    dither.nearest_all(points, centers, *sorted_neighbours(centers), labels)
    return labels


def sorted_neighbours(centers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the numbers of all others for each centre, nearest first, and the squared gaps."""
    gaps = np.zeros((len(centers), len(centers)), np.float32)
    for c in range(4):
        gaps += (centers[:, None, c] - centers[None, :, c]) ** 2
    np.fill_diagonal(gaps, 0.0)
    # The bits of floats from 0 on sort as integers do; with the numbers behind them, one
    # plain sort is several times as fast as an indirect one.
    keys = gaps.view(np.uint32).astype(np.uint64) << 32 | np.arange(len(centers), dtype=np.uint64)
    keys[np.diag_indices(len(centers))] = 0
    keys.sort(axis=1)
    near = (keys[:, 1:] & 0xFFFFFFFF).astype(np.int32)
    return near, (keys[:, 1:] >> 32).astype(np.uint32).view(np.float32)


def paint(image: np.ndarray, histogram: Histogram, lists: np.ndarray) -> np.ndarray:
    """Return the indices (height, width) uint8 of an image whose colours have these entries.

    `lists` (n, m) holds m entries for each colour of the histogram, to be picked
    from by blue noise; one entry is no dithering.
    """
    slots = np.full(1 << max(4, (2 * len(histogram)).bit_length()), -1, np.int32)
    dither.hash_fill(histogram.packed, slots)
    out = np.empty(image.shape[:2], np.uint8)
    dither.paint(image, histogram.packed, slots, lists, bluenoise.ranks(lists.shape[1]), out)
    return out


def blue_noise_lists(points: np.ndarray, matcher: Matcher, strength: float) -> np.ndarray:
    """Return the entries, (n, MIX) uint8, that blue noise picks from for each colour."""
    lists = np.zeros((len(points), dither.MIX), np.uint8)
    lightness = matcher.centers[:, 0] + matcher.centers[:, 1] * np.float32(1e-3)
    dither.mix(
        points, matcher.centers, matcher.near, matcher.gaps, lightness, np.float32(strength), lists
    )
    return lists


class Diffuser:
    """Floyd-Steinberg dithering of images with one palette; the lookup table is shared."""

    def __init__(self, matcher: Matcher, strength: float) -> None:
        self.matcher, self.strength = matcher, np.float32(strength)
        self.entries = (color.premultiply(matcher.rgba) * 255.0).astype(np.float32)
        clear = np.flatnonzero(matcher.rgba[:, 3] == 0)
        self.clear = int(clear[0]) if len(clear) else -1
        self.table = np.full(1 << 18, -1, np.int16)
        self.exact = np.full(1 << 18, -1, np.int16)
        opaque = np.flatnonzero(matcher.rgba[:, 3] == 255)
        levels = matcher.rgba[opaque, :3].astype(np.int64) >> 2
        self.exact[levels @ [1 << 12, 1 << 6, 1]] = opaque
        self.metric = kernel_metric(matcher.space)

    def __call__(self, image: np.ndarray) -> np.ndarray:
        """Return the indices (height, width) uint8 of an image (height, width, 3 or 4)."""
        out = np.empty(image.shape[:2], np.uint8)
        m = self.matcher
        dither.diffuse(
            image, m.rgba.copy(), self.exact, self.entries, m.centers, m.near, m.gaps,
            self.metric, self.strength, self.clear, self.table, out,
        )  # fmt: skip
        return out


def kernel_metric(space: Space) -> np.ndarray:
    """Return what the dithering kernel needs to turn a lookup cell into a point."""
    levels = np.arange(256) / 255
    metric = np.zeros((9, 256), np.float32)
    metric[0] = levels
    if space is Space.OKLAB:
        metric[0] = color.srgb_to_linear(levels)
        metric[1, 0] = 1.0
        metric[2:5, :3] = color.LMS_OF_RGB
        metric[5:8, :3] = color.OKLAB_OF_LMS
    metric[8, :3] = WHITE[space] / 2
    metric[8, 3] = alpha_weight(space)
    return metric
