"""Colour planes: samples to and from YCoCg in quarter steps, without loss.

Malvar and Sullivan (2003) split RGB into a luma ``(R + 2G + B) / 4`` and the
two differences ``(R - B) / 2`` and ``(2G - R - B) / 4``, which need no
multiplications and decorrelate photographs a little better than YCbCr. Planes
hold four times those values, so that the transform is exactly invertible in
10 bits, and prediction and transform work two bits finer than the samples.
"""

from __future__ import annotations

import numpy as np

MIDDLE = 512  # the zero of the difference planes, and the value of what is unknown
TOP = 1023


def to_planes(samples: np.ndarray) -> np.ndarray:
    """Return the planes of 8-bit samples.

    Parameters
    ----------
    samples : (height, width, channels) ndarray of uint8
        1 to 4 channels: gray, gray and alpha, RGB, RGBA.

    Returns
    -------
    (planes, height, width) ndarray of int16
        Luma (then the two differences of a colour image), then alpha, all in
        quarter steps: 0..1020, differences about 512.
    """
    values = samples.astype(np.int16)
    channels = samples.shape[2]
    if channels < 3:
        return np.ascontiguousarray(np.moveaxis(values << 2, 2, 0))
    red, green, blue = values[..., 0], values[..., 1], values[..., 2]
    planes = np.empty((channels, *samples.shape[:2]), np.int16)
    planes[0] = red + 2 * green + blue
    planes[1] = 2 * (red - blue) + MIDDLE
    planes[2] = 2 * green - red - blue + MIDDLE
    if channels == 4:
        planes[3] = values[..., 3] << 2
    return planes


def to_samples(planes: np.ndarray) -> np.ndarray:
    """Invert `to_planes`: round to whole steps and clip to 0..255."""
    count = planes.shape[0]
    samples = np.empty((*planes.shape[1:], count), np.uint8)
    if count < 3:
        rounded = (planes + 2) >> 2
        samples[...] = np.clip(np.moveaxis(rounded, 0, 2), 0, 255)
    else:
        luma, orange, green = planes[0] + 2, planes[1] - MIDDLE, planes[2] - MIDDLE
        samples[..., 0] = np.clip((luma - green + orange) >> 2, 0, 255)
        samples[..., 1] = np.clip((luma + green) >> 2, 0, 255)
        samples[..., 2] = np.clip((luma - green - orange) >> 2, 0, 255)
        if count == 4:
            samples[..., 3] = np.clip((planes[3] + 2) >> 2, 0, 255)
    if count in (2, 4):
        _snap(samples[..., count - 1])
    return samples


def _snap(alpha: np.ndarray) -> None:
    """Make nearly transparent and nearly opaque exactly so: these two values matter most."""
    alpha[alpha <= 2] = 0
    alpha[alpha >= 253] = 255
