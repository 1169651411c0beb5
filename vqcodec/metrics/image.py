"""Distortion of images: MSE, PSNR, largest error, and the report with everything.

Transparency. Colours under a transparent pixel do not show, so images with
alpha are compared as they look on a black and on a white background
(composited in floating point, unrounded): squared errors and similarities are
the mean of the two, the largest error is the larger. For opaque images that is
the ordinary definition. Only `channel_mse` looks at the channels as stored.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from vqcodec.metrics.pairs import appearing, comparable, luma_of, strips, white_of
from vqcodec.metrics.similarity import similarities


def mse(a: Any, b: Any) -> float:
    """Return the mean squared error over all pixels and colours.

    Parameters
    ----------
    a, b : (height, width) or (height, width, 1 to 4) arrays of uint8, uint16 or float
        Floats are from 0 to 1.

    Returns
    -------
    float
        In squared units of the samples. For transparency see the module.
    """
    a, b = comparable(a, b)
    total = count = 0.0
    for pairs in appearing(a, b):
        for x, y in pairs:
            x -= y
            total += float(np.vdot(x, x))
            count += x.size
    return total / count


def psnr_of_mse(error: float, data_range: float) -> float:
    """Return the peak signal-to-noise ratio in decibels; infinite where there is no error."""
    return math.inf if error == 0 else 10 * math.log10(data_range**2 / error)


def psnr(a: Any, b: Any) -> float:
    """Return the PSNR over all colours jointly, in decibels: from the `mse`, not a mean of PSNRs.

    The peak is 255 for uint8, 65535 for uint16, 1 for floats.
    """
    a, b = comparable(a, b)
    return psnr_of_mse(mse(a, b), white_of(a))


def channel_mse(a: Any, b: Any) -> np.ndarray:
    """Return the mean squared error of every channel as it is stored, alpha included.

    Returns
    -------
    (channels,) ndarray of float64
    """
    a, b = comparable(a, b)
    total = np.zeros(a.shape[2])
    for top, bottom in strips(*a.shape[:2]):
        difference = a[top:bottom].astype(np.float64)
        difference -= b[top:bottom]
        total += np.square(difference, out=difference).sum((0, 1))
    return total / (a.shape[0] * a.shape[1])


def psnr_y(a: Any, b: Any) -> float:
    """Return the PSNR of the `luma`, in decibels."""
    a, b = comparable(a, b)
    return psnr_of_mse(_errors(a, b)[1], white_of(a))


def max_error(a: Any, b: Any) -> float:
    """Return the largest absolute difference of two samples."""
    return _errors(*comparable(a, b))[2]


def _errors(a: np.ndarray, b: np.ndarray) -> tuple[float, float, float]:
    """Return the MSE, the MSE of the luma, and the largest error, of a comparable pair."""
    total = total_y = largest = 0.0
    samples = pixels = 0
    for pairs in appearing(a, b):
        for x, y in pairs:
            x -= y
            difference_y = luma_of(x)
            total += float(np.vdot(x, x))
            total_y += float(np.vdot(difference_y, difference_y))
            largest = max(largest, float(x.max()), -float(x.min()))
            samples += x.size
            pixels += difference_y.size
    return total / samples, total_y / pixels, largest


def image_report(original: Any, coded: Any) -> dict[str, Any]:
    """Return every measure of a pair of images by name.

    Returns
    -------
    dict
        ``mse``, ``psnr``, ``psnr_y``, ``psnr_channels`` (by name of channel, as
        stored), ``ssim``, ``ms_ssim``, ``max_error``; ratios in decibels are
        infinite where nothing differs.
    """
    a, b = comparable(original, coded)
    white = white_of(a)
    error, error_y, largest = _errors(a, b)
    names = ("gray", "alpha") if a.shape[2] < 3 else ("red", "green", "blue", "alpha")
    channels = zip(names, channel_mse(a, b), strict=False)
    similarity, multi_scale = similarities(a, b)
    return {
        "mse": error,
        "psnr": psnr_of_mse(error, white),
        "psnr_y": psnr_of_mse(error_y, white),
        "psnr_channels": {name: psnr_of_mse(float(value), white) for name, value in channels},
        "ssim": similarity,
        "ms_ssim": multi_scale,
        "max_error": largest,
    }
