"""The spaces in which colours are compared: 8-bit RGBA to points in 4-D and back.

Distances between points are plain Euclidean ones. For opaque colours they are
those of Oklab (what eyes see) or of sRGB (what mean squared error sees). With
alpha, the point of premultiplied colour p and coverage α is (p - m α/2, c α),
where m marks the channels that a white background lifts: its squared distance
is then exactly the mean of the squared distances over a black and over a white
background.
"""

from __future__ import annotations

import enum

import numpy as np

from vqcodec import color


class Space(enum.StrEnum):
    """Where colours are compared: Oklab for the eye, sRGB for mean squared error."""

    OKLAB = "oklab"
    SRGB = "srgb"


_BLOCK = 1 << 16  # colours at a time

# The channels that a white background adds to; the weight of alpha follows from them.
WHITE = {Space.OKLAB: np.array([1.0, 0.0, 0.0]), Space.SRGB: np.ones(3)}


def alpha_weight(space: Space) -> float:
    return float(np.sqrt(WHITE[space].sum())) / 2


def to_points(rgba: np.ndarray, space: Space, premultiply: bool = True) -> np.ndarray:
    """Return the points of colours.

    Parameters
    ----------
    rgba : (n, 4) ndarray of uint8
    space : Space
    premultiply : bool
        False treats alpha as a fourth channel of its own, so that the colour
        under transparent pixels counts too.

    Returns
    -------
    (n, 4) ndarray of float32
    """
    points = np.empty((len(rgba), 4), np.float32)
    for start in range(0, len(rgba), _BLOCK):
        block = slice(start, start + _BLOCK)
        _fill(points[block], rgba[block], space, premultiply)
    return points


def _fill(points: np.ndarray, rgba: np.ndarray, space: Space, premultiply: bool) -> None:
    if space is Space.OKLAB:
        linear = color.srgb_to_linear(np.arange(256, dtype=np.uint8)).astype(np.float32)
        points[:, :3] = color.linear_to_oklab(linear[rgba[:, :3]])
        alpha = rgba[:, 3:] / np.float32(255)
    else:
        np.multiply(rgba, np.float32(1 / 255), out=points)
        alpha = points[:, 3:].copy()
    if premultiply:
        points[:, :3] -= (WHITE[space] / 2).astype(np.float32)
        if alpha.min(initial=1) < 1:
            points[:, :3] *= alpha
    points[:, 3:] = alpha * np.float32(alpha_weight(space))


def from_points(points: np.ndarray, space: Space, premultiply: bool = True) -> np.ndarray:
    """Return the (n, 4) uint8 colours nearest to points; the inverse of `to_points`."""
    alpha = np.clip(points[:, 3:].astype(np.float64) / alpha_weight(space), 0.0, 1.0)
    colors = points[:, :3].astype(np.float64)
    if premultiply:
        visible = alpha >= 0.5 / 255
        colors = np.divide(colors, alpha, out=np.zeros_like(colors), where=visible)
        colors = np.where(visible, colors + WHITE[space] / 2, 0.0)
    if space is Space.OKLAB:
        colors = color.oklab_to_srgb(colors)
    scaled = np.concatenate([colors, alpha], axis=1) * 255.0
    return np.rint(scaled).clip(0, 255).astype(np.uint8)
