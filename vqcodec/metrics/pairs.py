"""Pairs of images in one form, strip by strip.

Gray becomes RGB if the other image is RGB, 8 bits become 16 (times 257) if the
other has 16, and missing alpha is opaque. Everything is computed in float64 in
strips of rows, so that memory stays within a small multiple of the image.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from vqcodec.errors import ParameterError

# Luma of BT.601, full range, unrounded.
LUMA = np.array([0.299, 0.587, 0.114])
_STRIP = 1 << 20


def comparable(a: Any, b: Any) -> tuple[np.ndarray, np.ndarray]:
    """Bring two images to the same number of channels and bits.

    Raises
    ------
    ParameterError
        They are of different sizes, or no images.
    """
    first, second = (_with_channels(np.asarray(image)) for image in (a, b))
    if first.shape[:2] != second.shape[:2]:
        raise ParameterError(
            f"images of different sizes cannot be compared: {first.shape[1]} x {first.shape[0]} "
            f"and {second.shape[1]} x {second.shape[0]}"
        )
    colour = max(_colours(first), _colours(second))
    alpha = first.shape[2] % 2 == 0 or second.shape[2] % 2 == 0
    first, second = (_expanded(image, colour, alpha) for image in (first, second))
    if "f" in (first.dtype.kind, second.dtype.kind) and first.dtype.kind != second.dtype.kind:
        raise ParameterError(f"{first.dtype} and {second.dtype} images cannot be compared")
    if first.dtype != second.dtype and first.dtype.kind == "u":
        first, second = (
            image.astype(np.uint16) * np.uint16(257) if image.dtype == np.uint8 else image
            for image in (first, second)
        )
    return first, second


def _with_channels(image: np.ndarray) -> np.ndarray:
    if image.ndim == 2:
        image = image[:, :, np.newaxis]
    if image.ndim != 3 or not 1 <= image.shape[2] <= 4 or image.size == 0:
        raise ParameterError(f"an array of shape {image.shape} is not an image")
    if image.dtype not in (np.uint8, np.uint16) and image.dtype.kind != "f":
        raise ParameterError(f"images are uint8, uint16 or float arrays, not {image.dtype}")
    return image


def _colours(image: np.ndarray) -> int:
    return 3 if image.shape[2] >= 3 else 1


def _expanded(image: np.ndarray, colours: int, alpha: bool) -> np.ndarray:
    """Repeat gray into RGB and add opaque alpha where that is wanted and not there."""
    has_alpha = image.shape[2] % 2 == 0
    if _colours(image) == colours and has_alpha == alpha:
        return image
    parts = [image[:, :, : _colours(image)]] * (colours // _colours(image))
    if alpha:
        opaque = np.full((*image.shape[:2], 1), white_of(image), image.dtype)
        parts.append(image[:, :, -1:] if has_alpha else opaque)
    return np.concatenate(parts, axis=2)


def white_of(image: np.ndarray) -> float:
    """Return the value of white: 255, 65535, or 1.0 for floats."""
    return {"u1": 255.0, "u2": 65535.0}.get(image.dtype.str[1:], 1.0)


def strips(height: int, width: int) -> Iterator[tuple[int, int]]:
    """Yield (top, bottom) of strips of about a million pixels."""
    rows = max(1, _STRIP // width)
    for top in range(0, height, rows):
        yield top, min(top + rows, height)


def appearances(image: np.ndarray) -> list[np.ndarray]:
    """Return the colours of a strip in float64, as they look on each background."""
    strip = image.astype(np.float64)
    if image.shape[2] % 2:
        return [strip]
    white = white_of(image)
    opacity = strip[:, :, -1:] / white
    on_black = strip[:, :, :-1] * opacity
    return [on_black, on_black + (white - strip[:, :, -1:])]


def appearing(a: np.ndarray, b: np.ndarray) -> Iterator[list[tuple[np.ndarray, np.ndarray]]]:
    """Yield strips of a comparable pair, as they look on each background."""
    for top, bottom in strips(*a.shape[:2]):
        yield list(zip(appearances(a[top:bottom]), appearances(b[top:bottom]), strict=True))


def luma(image: Any) -> np.ndarray:
    """Return the BT.601 luma, 0.299 R + 0.587 G + 0.114 B, unrounded; of gray, the gray.

    Alpha is left out of account.

    Returns
    -------
    (height, width) ndarray of float64
    """
    return luma_of(_with_channels(np.asarray(image)).astype(np.float64))


def luma_of(strip: np.ndarray) -> np.ndarray:
    """Return the luma of a strip of colours without alpha."""
    return strip[:, :, :3] @ LUMA if strip.shape[2] >= 3 else strip[:, :, 0]
