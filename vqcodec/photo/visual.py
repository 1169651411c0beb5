"""Tuning for the eye: finer steps where the picture is calm, coarser ones where it is busy.

Distortion hides in texture. The step of each 32 x 32 unit moves with the
logarithm of its activity (the variance of its 8 x 8 blocks) against the mean
of the picture, the Lagrangian of each block likewise, and the step grows with
frequency. Colour differences are coarser than luma. Under ``tune="psnr"`` none
of this is in force.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from vqcodec.media.large import Raster

PROFILE = 15  # frequency profile, see quantizer.profile_offsets
ORANGE, GREEN = 24, 24  # steps of the colour differences above luma's
_OFFSET_STRENGTH = 0.8  # quarter octaves of step a doubling of variance
_WEIGHT_STRENGTH = 0.3
_FLOOR = 256.0  # variance that counts as none: 16, in quarter steps
_GRID = 1024  # activities are multiples of 1 / 1024: their sums are exact in any order
_PIXELS = 1 << 22  # of a band


def block_activity(luma: np.ndarray) -> np.ndarray:
    """Return ``log2(variance + floor)`` of the 8 x 8 blocks of a plane of quarter steps.

    Logarithms differ by the last bit from one library to the next: rounding to a
    grid makes them equal.
    """
    height, width = -(-luma.shape[0] // 32) * 32, -(-luma.shape[1] // 32) * 32
    more = ((0, height - luma.shape[0]), (0, width - luma.shape[1]))
    blocks = np.pad(luma, more, mode="edge").reshape(height // 8, 8, width // 8, 8)
    total = blocks.sum((1, 3), dtype=np.int64)
    squares = (blocks.astype(np.int32) ** 2).sum((1, 3), dtype=np.int64)
    variance = (squares * 64 - total * total) / 4096.0
    return np.rint(np.log2(variance + _FLOOR) * _GRID) / _GRID


def mean_activity(samples: np.ndarray | Raster) -> float:
    """Return the mean activity of a picture, by bands to keep memory small."""
    total, count = 0.0, 0
    rows = max(1, _PIXELS // samples.shape[1] // 32) * 32
    for top in range(0, samples.shape[0], rows):
        values = samples[top : top + rows].astype(np.int16)
        if values.shape[2] < 3:
            luma = values[..., 0] << 2
        else:
            luma = values[..., 0] + 2 * values[..., 1] + values[..., 2]
        activity = block_activity(luma)
        total += float(activity.sum())
        count += activity.size
    return total / count


def adapt(luma: np.ndarray, mean: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the step offsets of the units and the weights of the 8 x 8 blocks of a tile.

    Parameters
    ----------
    luma : (height, width) ndarray of int16
    mean : float
        Mean activity of the whole picture, so that tiles agree at their seams.

    Returns
    -------
    offsets : (units, units) ndarray of int64, -2..3 quarter octaves
    weights : (height / 8, width / 8) ndarray of float32
    """
    activity = block_activity(luma) - mean
    rows, columns = activity.shape
    units = activity.reshape(rows // 4, 4, columns // 4, 4).mean((1, 3))
    offsets = np.clip(np.round(_OFFSET_STRENGTH * units), -2, 3).astype(np.int64)
    weights = np.clip(np.exp2(-_WEIGHT_STRENGTH * activity), 0.25, 4.0)
    return offsets, (np.rint(weights * _GRID) / _GRID).astype(np.float32)
