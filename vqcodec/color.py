"""Colour spaces: integer YCbCr for the codecs that decide bits, floats for the eye.

The float part knows sRGB (IEC 61966-2-1), its linear light, Oklab (B. Ottosson, "A
perceptual color space for image processing", 2020) and premultiplied alpha; all values are
in 0..1, and 8-bit sRGB goes in as it is.
"""

from __future__ import annotations

import numpy as np

# Full-range BT.601 (JFIF) in 16.16 fixed point: the rows of each matrix sum to
# 1 (luma) or 0 (chroma), so grays stay exactly gray.
_SHIFT = 16
_FORWARD = np.array(
    [[19595, 38470, 7471], [-11059, -21709, 32768], [32768, -27439, -5329]], np.int64
)
_RED_CR, _GREEN_CB, _GREEN_CR, _BLUE_CB = 91881, -22554, -46802, 116130
_ROWS = 32  # of a strip: the intermediate results are eight times as large as the samples


def rgb_to_ycbcr(rgb: np.ndarray, bits: int = 8) -> np.ndarray:
    """Convert RGB to full-range YCbCr in integer arithmetic.

    Parameters
    ----------
    rgb : (height, width, 3) ndarray of uint8 or uint16
    bits : int
        Bits per sample, 8 or 16; chroma is centred on ``2**(bits - 1)``.

    Returns
    -------
    (height, width, 3) ndarray of the dtype of `rgb`
    """
    out = np.empty_like(rgb)
    offset = (np.array([0, 1, 1]) << (bits - 1 + _SHIFT)) + (1 << (_SHIFT - 1))
    for top in range(0, rgb.shape[0], _ROWS):
        rows = rgb[top : top + _ROWS].astype(np.int64) @ _FORWARD.T
        rows += offset
        rows >>= _SHIFT
        out[top : top + _ROWS] = np.clip(rows, 0, (1 << bits) - 1)
    return out


def ycbcr_to_rgb(ycbcr: np.ndarray, bits: int = 8) -> np.ndarray:
    """Invert `rgb_to_ycbcr` (up to its rounding), in integer arithmetic."""
    out = np.empty_like(ycbcr)
    middle, half, top_value = 1 << (bits - 1), 1 << (_SHIFT - 1), (1 << bits) - 1
    for top in range(0, ycbcr.shape[0], _ROWS):
        rows = ycbcr[top : top + _ROWS].astype(np.int64)
        y = (rows[..., 0] << _SHIFT) + half
        cb, cr = rows[..., 1] - middle, rows[..., 2] - middle
        target = out[top : top + _ROWS]
        target[..., 0] = np.clip((y + _RED_CR * cr) >> _SHIFT, 0, top_value)
        target[..., 1] = np.clip((y + _GREEN_CB * cb + _GREEN_CR * cr) >> _SHIFT, 0, top_value)
        target[..., 2] = np.clip((y + _BLUE_CB * cb) >> _SHIFT, 0, top_value)
    return out


# --- sRGB, linear light, Oklab ---------------------------------------------------

LMS_OF_RGB = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
)
OKLAB_OF_LMS = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
)


def _expand(srgb: np.ndarray) -> np.ndarray:
    return np.where(srgb <= 0.04045, srgb / 12.92, ((np.maximum(srgb, 0) + 0.055) / 1.055) ** 2.4)


_LINEAR_OF_BYTE = _expand(np.arange(256) / 255)


def srgb_to_linear(srgb: np.ndarray) -> np.ndarray:
    """Convert sRGB samples (uint8, or floats in 0..1) to linear light (float64 in 0..1)."""
    if srgb.dtype == np.uint8:
        return _LINEAR_OF_BYTE[srgb]
    return _expand(np.asarray(srgb, np.float64))


def linear_to_srgb(linear: np.ndarray) -> np.ndarray:
    """Convert linear light in 0..1 to sRGB in 0..1; what lies outside is clipped."""
    linear = np.clip(linear, 0.0, 1.0)
    return np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055)


def linear_to_oklab(linear: np.ndarray) -> np.ndarray:
    """Convert linear light (..., 3) to Oklab: lightness in 0..1, then a and b about 0.

    float32 stays float32.
    """
    kind = np.result_type(linear, np.float32)
    return np.cbrt(linear @ LMS_OF_RGB.T.astype(kind)) @ OKLAB_OF_LMS.T.astype(kind)


def oklab_to_linear(oklab: np.ndarray) -> np.ndarray:
    """Invert `linear_to_oklab`; colours outside the sRGB gamut leave 0..1."""
    return (oklab @ np.linalg.inv(OKLAB_OF_LMS).T) ** 3 @ np.linalg.inv(LMS_OF_RGB).T


def srgb_to_oklab(srgb: np.ndarray) -> np.ndarray:
    """Convert sRGB (..., 3), uint8 or floats in 0..1, to Oklab (float64)."""
    return linear_to_oklab(srgb_to_linear(srgb))


def oklab_to_srgb(oklab: np.ndarray) -> np.ndarray:
    """Convert Oklab (..., 3) to sRGB in 0..1, clipped to the gamut."""
    return linear_to_srgb(oklab_to_linear(oklab))


# --- alpha -------------------------------------------------------------------------


def premultiply(rgba: np.ndarray) -> np.ndarray:
    """Return (..., 4) floats in 0..1 with the colours multiplied by alpha (last channel)."""
    out = rgba / 255.0 if rgba.dtype == np.uint8 else np.array(rgba, np.float64)
    out[..., :3] *= out[..., 3:]
    return out


def unpremultiply(rgba: np.ndarray) -> np.ndarray:
    """Invert `premultiply`, in floats; fully transparent pixels become black."""
    out = np.array(rgba, np.float64)
    alpha = out[..., 3:]
    np.divide(out[..., :3], alpha, out=out[..., :3], where=alpha > 0)
    out[..., :3][np.broadcast_to(alpha <= 0, out[..., :3].shape)] = 0.0
    return out
