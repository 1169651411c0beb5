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
_BAND = 64  # rows at a time, so that what is computed in between stays in the cache


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
    height, width, channels = samples.shape
    planes = np.empty((channels, height, width), np.int16)
    for top in range(0, height, _BAND):
        values = np.moveaxis(samples[top : top + _BAND], 2, 0).astype(np.int16, order="C")
        band = planes[:, top : top + _BAND]
        if channels < 3:
            np.left_shift(values, 2, out=band)
            continue
        red, green, blue = values[:3]
        green += green
        outer = red + blue
        np.add(green, outer, out=band[0])
        np.subtract(green, outer, out=band[2])
        np.subtract(red, blue, out=band[1])
        band[1] += band[1]
        band[1:3] += MIDDLE
        if channels == 4:
            np.left_shift(values[3], 2, out=band[3])
    return planes


def to_samples(planes: np.ndarray) -> np.ndarray:
    """Invert `to_planes`: round to whole steps and clip to 0..255."""
    count, height, width = planes.shape
    samples = np.empty((height, width, count), np.uint8)
    for top in range(0, height, _BAND):
        values = planes[:, top : top + _BAND] + np.int16(2)
        if count >= 3:
            luma, orange, green = values[:3]
            orange -= MIDDLE + 2
            green -= MIDDLE + 2
            outer = luma - green
            green += luma  # as it is in RGB
            np.add(outer, orange, out=luma)  # now red
            np.subtract(outer, orange, out=orange)  # now blue
        values >>= 2
        np.maximum(values, 0, out=values)
        np.minimum(values, 255, out=values)
        for channel, row in enumerate((0, 2, 1, 3)[:count] if count > 2 else range(count)):
            samples[top : top + _BAND, :, channel] = values[row]
    if count in (2, 4):
        _snap(samples[..., count - 1])
    return samples


def _snap(alpha: np.ndarray) -> None:
    """Make nearly transparent and nearly opaque exactly so: these two values matter most."""
    alpha[alpha <= 2] = 0
    alpha[alpha >= 253] = 255
