"""Tuning for the eye: finer steps where the picture is calm, coarser ones where it is busy.

Distortion hides in texture. The step of each 32 x 32 unit moves with the
logarithm of its activity (the variance of its 8 x 8 blocks) against the mean
of the picture, the Lagrangian of each block likewise, and the step grows with
frequency. Colour differences are coarser than luma. Under ``tune="psnr"`` only
the Lagrangian moves, and so little that squared error hardly notices while
structure gains.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from vqcodec.photo.kernel import kernel

if TYPE_CHECKING:
    from vqcodec.media.large import Raster

PROFILE = 15  # frequency profile, see quantizer.profile_offsets
ORANGE, GREEN = 24, 24  # steps of the colour differences above luma's
_OFFSET_STRENGTH = 0.8  # quarter octaves of step a doubling of variance
_WEIGHT_STRENGTH = 0.3
_PSNR_STRENGTH = 0.1  # the same under tune="psnr"
_FLOOR = 256.0  # variance that counts as none: 16, in quarter steps
_GRID = 1024  # activities are multiples of 1 / 1024: their sums are exact in any order
_PIXELS = 1 << 22  # of a band


@kernel("void(u1[:,:,::1],i8[:,::1],i8[:,::1])")
def _sum_blocks(samples: np.ndarray, totals: np.ndarray, squares: np.ndarray) -> None:
    """Add luma, in quarter steps, and its square to the sums of the 8 x 8 blocks.

    Blocks may reach beyond the samples: the last row and column go on.
    """
    height, width, channels = samples.shape
    for i in range(8 * totals.shape[0]):
        y = min(i, height - 1)
        for block in range(totals.shape[1]):
            total = square = np.int64(0)
            for j in range(8 * block, 8 * block + 8):
                x = min(j, width - 1)
                value = 4 * np.int64(samples[y, x, 0])
                if channels > 2:
                    value = np.int64(samples[y, x, 0]) + samples[y, x, 2]
                    value += 2 * np.int64(samples[y, x, 1])
                total += value
                square += value * value
            totals[i >> 3, block] += total
            squares[i >> 3, block] += square


def block_activity(samples: np.ndarray | Raster) -> np.ndarray:
    """Return ``log2(variance + floor)`` of the 8 x 8 blocks of a picture's luma.

    Parameters
    ----------
    samples : (height, width, channels) ndarray of uint8, or Raster

    Returns
    -------
    (4 * rows, 4 * columns) ndarray of float32
        For as many units of 32 x 32 as cover the picture. Logarithms differ by the last bit
        from one library to the next: rounding to a grid makes them equal, and their sums exact.
    """
    height, width = samples.shape[:2]
    activity = np.empty((-(-height // 32) * 4, -(-width // 32) * 4), np.float32)
    rows = max(1, _PIXELS // width // 32) * 32  # of a band, to keep memory small
    for top in range(0, height, rows):
        here = activity[top // 8 : (top + rows) // 8]
        totals, squares = np.zeros((2, *here.shape), np.int64)
        band = np.require(samples[top : top + rows], np.uint8, ["C", "W"])
        _sum_blocks(band, totals, squares)
        variance = (squares * 64 - totals * totals) / 4096.0
        here[...] = np.rint(np.log2(variance + _FLOOR) * _GRID) / _GRID
    return activity


def adapt(activity: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return what the eye wants of a tile: step offsets of the units, weights of the blocks.

    Parameters
    ----------
    activity : (height / 8, width / 8) ndarray
        Of the blocks of a tile, above the mean of the whole picture, so that tiles agree at
        their seams.

    Returns
    -------
    offsets : (units, units) ndarray of int64, -2..3 quarter octaves
    weights : (height / 8, width / 8) ndarray of float32
    """
    rows, columns = activity.shape
    units = activity.reshape(rows // 4, 4, columns // 4, 4).mean((1, 3))
    offsets = np.clip(np.round(_OFFSET_STRENGTH * units), -2, 3).astype(np.int64)
    return offsets, _weights(activity, _WEIGHT_STRENGTH)


def adapt_slightly(activity: np.ndarray) -> np.ndarray:
    """Return the weights of the blocks of a tile under ``tune="psnr"``; see `adapt`."""
    return _weights(activity, _PSNR_STRENGTH)


def _weights(activity: np.ndarray, strength: float) -> np.ndarray:
    weights = np.clip(np.exp2(-strength * activity), 0.25, 4.0)
    return (np.rint(weights * _GRID) / _GRID).astype(np.float32)
