"""Colour spaces: integer YCbCr for the codecs that decide bits."""

from __future__ import annotations

import numpy as np

# Full-range BT.601 (JFIF) in 16.16 fixed point: the rows of each matrix sum to
# 1 (luma) or 0 (chroma), so grays stay exactly gray.
_SHIFT = 16
_FORWARD = np.array(
    [[19595, 38470, 7471], [-11059, -21709, 32768], [32768, -27439, -5329]], np.int64
)
_RED_CR, _GREEN_CB, _GREEN_CR, _BLUE_CB = 91881, -22554, -46802, 116130
_ROWS = 256


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
