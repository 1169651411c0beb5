# mypy: allow-untyped-defs, no-check-untyped-defs
"""From quantized values back to coefficients: scaling, noise filling, stereo.

What a band's energy leaves over after its coded values is filled in as noise
(Schulz 1996), so that coarse quantization does not make holes in the spectrum.
The noise comes from an integer generator that starts from the position of the
block: the same on every machine and wherever decoding begins.
"""

from __future__ import annotations

import numpy as np

from vqcodec.audio.masking import power_of
from vqcodec.audio.mixing import kernel
from vqcodec.audio.stereo import rotate_back

# Step by index in 16-bit sample values, over the 1/64 in which values count.
SCALE = (2.0 ** (np.arange(240) / 8) / 16 / 64).astype(np.float32)
# Reach of uniform noise by energy, in 16-bit sample values over the 2**31 of the generator and
# the 256 of the gain.
LOUDNESS = (np.sqrt(3.0) * 2.0 ** (np.arange(64) / 2) / 16 / 256 / 2.0**31).astype(np.float32)
_MULTIPLIER, _INCREMENT = np.uint32(1664525), np.uint32(1013904223)  # Knuth, Lewis
_SEED = np.uint32(2654435761)


@kernel("u4(f4[::1],i4[::1],i8,i8,i8,i8,i8[::1],i8,u4)")
def fill_noise(x, values, low, high, energy, step, fill, most, seed):
    """Fill one band of `x` from its values, and noise where they are zero; return the seed.

    Parameters
    ----------
    x : (n,) float32, the result; values : (n,) int32, in 1/64 of the step
    energy, step : of the band
    fill : (2,) int64, gain of the noise in 1/256, in empty bands and between coded values
    most : int, greatest power of noise between coded values, in 1/256 of the squared step
    """
    scale = SCALE[step]
    zeros = 0
    spent = np.int64(0)
    for k in range(low, high):
        value = np.int64(values[k])
        x[k] = np.float32(value) * scale
        spent += (value * value) >> 4
        if value == 0:
            zeros += 1
    if zeros == 0 or energy == 0:
        return seed
    # Uniform noise of some power reaches to the root of three times it.
    if spent == 0:
        reach = LOUDNESS[energy] * np.float32(fill[0])
    else:
        rest = power_of(4 * energy - step) * (high - low) - spent
        power = min(max(rest, 0) // zeros, most)
        root = np.float32(np.sqrt(np.float64(3 * power)))
        reach = root * np.float32(fill[1]) * scale * np.float32(1 / 64 / (1 << 31))
    for k in range(low, high):
        if values[k] == 0:
            seed = seed * _MULTIPLIER + _INCREMENT
            x[k] = np.float32(np.int32(seed)) * reach
    return seed


@kernel(
    "void(f4[:,::1],i4[:,::1],i8,i8,i8[::1],i8[:,::1],i8[::1],i8[:,::1],i8[:,:,::1],"
    "i8[:,:,::1],i8[::1],i8)"
)
def reconstruct(
    x, values, frame, blocks, levels, edges, counts, angles, energies, steps, fill, most,
):  # fmt: skip
    """Fill the coefficients `x` (channels, n) float32 of an element from what was coded."""
    start = 0
    for block in range(blocks):
        level = levels[block]
        size = frame >> level
        bands = counts[level]
        for channel in range(x.shape[0]):
            seed = np.uint32(np.uint32(2 * block + channel + 1) * _SEED)
            row, coded = x[channel, start : start + size], values[channel, start : start + size]
            for band in range(bands):
                seed = fill_noise(
                    row, coded, edges[level, band], edges[level, band + 1],
                    energies[block, channel, band], steps[block, channel, band], fill, most, seed,
                )  # fmt: skip
            for k in range(edges[level, bands], size):
                row[k] = 0
        if x.shape[0] == 2:
            for band in range(bands):
                if angles[block, band] != 0:
                    rotate_back(x, start + edges[level, band], start + edges[level, band + 1],
                                angles[block, band])  # fmt: skip
        start += size
