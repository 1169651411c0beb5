# mypy: allow-untyped-defs, no-check-untyped-defs
"""What an error is worth in each band: the encoder's ear.

The decoder derives the steps from thirty energies of a block, and so does not know the masks well.
The encoder does: it finds them as ITU-R BS.1387 does (`vqcodec.metrics.noise_to_mask`), with
slopes that depend on the level and with what loud moments leave behind, four times as fine along
the bark scale. Where the step of a band is small beside what is masked there, its squared
errors count less in the search for what to send, and elsewhere more.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np

from vqcodec.audio.bands import BANDS, EDGES_HZ, LEVELS, Layout
from vqcodec.audio.masking import STEPS_PER_OCTAVE, derive_steps
from vqcodec.audio.mixing import kernel
from vqcodec.audio.partition import FIRST_SHORT
from vqcodec.audio.stereo import COSINE, SINE
from vqcodec.metrics.noise_to_mask import DOWN, SUM_EXPONENT, WIDTH, Ear

_LOWEST = 20.0  # Hz
_CELLS = 1 << (LEVELS - 1)  # smallest blocks of a frame: a window has half as many
_EXPONENT = 0.75  # how far the masks are followed
_REACH = 2.0  # octaves by which an error may count more or less
_SHORT_REACH = 0.75  # by which one in a short block may count less: it may come before the masker
_HEARD = -4  # quarter octaves above the squared step: bands from which the mean is taken
_UP = WIDTH * math.log(10) / 10


class _Tables:
    """The ear at a sampling rate, for the kernel; windows are half a frame long."""

    def __init__(self, rate: int, frame: int) -> None:
        ear = Ear(rate, frame // 2, _LOWEST, min(float(EDGES_HZ[-1]), rate / 2))
        self.window = ear.window.astype(np.float32)
        self.gather = np.ascontiguousarray(ear.gather.T)
        # Bins of each band: from the first to before the last.
        self.reach = np.array([_reach(row) for row in self.gather], np.int64)
        self.bands = np.stack([ear.internal, ear.slope, ear.unit, ear.decay, ear.margin])
        share = np.cumsum(ear.window.reshape(_CELLS // 2, -1).sum(1) ** 2)
        self.share = np.concatenate([[0.0], share / share[-1]])


def _reach(row: np.ndarray) -> tuple[int, int]:
    inside = np.flatnonzero(row)
    return (int(inside[0]), int(inside[-1]) + 1) if len(inside) else (0, 0)


@lru_cache(maxsize=16)
def _tables(rate: int, frame: int) -> _Tables:
    return _Tables(rate, frame)


@kernel("void(f4[:,::1],f8[:,::1],i8[:,::1],f8[:,::1],f8[:,::1],f8[:,::1])")
def _sensitivity(power, gather, reach, table, work, result):
    """Fill the reciprocal of the masked noise of each window, summed up over the bins.

    power : (windows, bins) float32; gather : (bands, bins) float64; reach : (bands, 2) int64
    table : (5, bands) float64, see `_Tables`; work : (4, bands) float64
    result : (windows, bins + 1) float64
    """
    count = gather.shape[0]
    energies, parts, ups, masks = work[0], work[1], work[2], work[3]
    lower = DOWN**SUM_EXPONENT
    for t in range(power.shape[0]):
        for band in range(count):
            total = table[0, band]
            for k in range(reach[band, 0], reach[band, 1]):
                total += np.float64(power[t, k]) * gather[band, k]
            # Slopes upwards are steep for what is soft.
            up = math.exp(min(0.0, table[1, band] + 2 * math.log10(total)) * _UP)
            below = (1 - DOWN ** (band + 1)) / (1 - DOWN)
            above = (1 - up ** (count - band)) / max(1 - up, 1e-9) - 1
            parts[band] = (total / (below + above)) ** SUM_EXPONENT
            ups[band] = up**SUM_EXPONENT
        falling = 0.0
        for band in range(count - 1, -1, -1):
            falling = falling * lower + parts[band]
            energies[band] = falling
        for band in range(count):
            rising = parts[band]
            for other in range(band + 1, count):
                rising *= ups[band]
                energies[other] += rising
        for k in range(result.shape[1]):
            result[t, k] = 0
        for band in range(count):
            energy = energies[band] ** (1 / SUM_EXPONENT) / table[2, band]
            held = (
                energy if t == 0 else table[3, band] * masks[band] + (1 - table[3, band]) * energy
            )
            masks[band] = held
            value = 1 / (max(held, energy) * table[4, band])
            for k in range(reach[band, 0], reach[band, 1]):
                result[t, k + 1] += value * gather[band, k]
        for k in range(1, result.shape[1]):
            result[t, k] += result[t, k - 1]


@kernel("f8(f8[::1],f8)")
def _at(sums, place):
    """Return a running sum between its places."""
    place = min(max(place, 0.0), np.float64(len(sums) - 1))
    k = min(np.int64(place), len(sums) - 2)
    return sums[k] + (sums[k + 1] - sums[k]) * (place - k)


@kernel("void(f8[:,:,::1],f8[::1],i8,i8,i8[::1],i8[:,::1],i8[::1],i8[:,::1],f4[:,:,::1])")
def _worth(sensitivity, share, frame, blocks, levels, edges, counts, angles, worth):
    """Fill the logarithm of what an error is worth in each band of each block.

    share : (cells + 1,) float64, of a window's energy up to each smallest block in it
    worth : (blocks, channels, BANDS) float32, the result
    """
    cell = _CELLS // 4  # by which windows are apart, in smallest blocks
    length = len(share) - 1
    start = _CELLS // 2  # the margin
    bins = sensitivity.shape[2] - 1
    for block in range(blocks):
        level = levels[block]
        stop = start + (_CELLS >> level)
        size = frame >> level
        per = np.float64(bins - 1) / size
        first = max(0, (start - length) // cell)
        for channel in range(worth.shape[1]):
            for band in range(counts[level]):
                low, high = edges[level, band] * per + 0.5, edges[level, band + 1] * per + 0.5
                total = whole = 0.0
                t = first
                while t < sensitivity.shape[1] and t * cell < stop:
                    part = share[min(length, max(0, stop - t * cell))]
                    part -= share[min(length, max(0, start - t * cell))]
                    whole += part
                    sums = sensitivity[channel, t]
                    total += part * (_at(sums, high) - _at(sums, low))
                    t += 1
                worth[block, channel, band] = total / ((high - low) * whole)
        for band in range(counts[level]):
            if worth.shape[1] == 2:
                c, s = COSINE[angles[block, band]], SINE[angles[block, band]]
                left, right = worth[block, 0, band], worth[block, 1, band]
                worth[block, 0, band] = c * c * left + s * s * right
                worth[block, 1, band] = s * s * left + c * c * right
            for channel in range(worth.shape[1]):
                worth[block, channel, band] = math.log2(
                    max(worth[block, channel, band], np.float32(1e-30))
                )
        start = stop


@kernel(
    "void(i8,i8[::1],i8[::1],i8[:,::1],i8[::1],i8[:,::1],i8[:,::1],i8[:,::1],i8[:,::1],i8[:,::1],"
    "i8,i8[::1],i8[:,::1],i8[:,:,::1],i8[:,:,::1],i8[:,::1],f4[:,:,::1],f4[:,:,::1])"
)
def weigh(
    blocks, levels, offsets, edges, counts, up, down, floor, tilt, width, knob, law, angles,
    energies, steps, spread, worth, importance,
):  # fmt: skip
    """Fill steps, and what a squared step of error is worth beside the mean of the segment.

    worth, importance : (blocks, channels, BANDS) float32; the others as in `search.quantise`
    """
    total = 0.0
    heard = 1e-9
    for block in range(blocks):
        level = levels[block]
        derive_steps(energies[block], angles[block], worth.shape[1], level, counts[level], edges,
                     knob - offsets[block] * 128, law, up, down, floor, tilt, width, spread,
                     steps[block])  # fmt: skip
        for channel in range(worth.shape[1]):
            for band in range(counts[level]):
                step = steps[block, channel, band]
                value = worth[block, channel, band] + np.float32(2 * step / STEPS_PER_OCTAVE)
                importance[block, channel, band] = value
                if 4 * energies[block, channel, band] - step > _HEARD:
                    many = edges[level, band + 1] - edges[level, band]
                    total += np.float64(value) * many
                    heard += many
    mean = np.float32(total / heard)
    for block in range(blocks):
        least = -_SHORT_REACH if levels[block] >= FIRST_SHORT else -_REACH
        for channel in range(worth.shape[1]):
            for band in range(counts[levels[block]]):
                octaves = _EXPONENT * (importance[block, channel, band] - mean)
                importance[block, channel, band] = 2 ** min(_REACH, max(least, octaves))


def worth_of(
    x: np.ndarray, bands: Layout, blocks: int, levels: np.ndarray, angles: np.ndarray
) -> np.ndarray:
    """Return the logarithm of what an error is worth, (blocks, channels, BANDS) float32.

    x : (channels, margin + n + margin) float32, samples in 16-bit units
    levels, angles : of the blocks
    """
    from scipy.fft import rfft

    tables = _tables(bands.rate, bands.frame)
    size = len(tables.window)
    windows = np.lib.stride_tricks.sliding_window_view(x, size, axis=1)[:, :: size // 2]
    spectrum = rfft(windows * (tables.window / np.float32(32768)), axis=2)
    power = np.square(spectrum.real) + np.square(spectrum.imag)
    sensitivity = np.zeros((*power.shape[:2], power.shape[2] + 1))
    work = np.zeros((4, tables.bands.shape[1]))
    for channel in range(len(x)):
        _sensitivity(
            power[channel], tables.gather, tables.reach, tables.bands, work, sensitivity[channel]
        )
    worth = np.zeros((blocks, len(x), BANDS), np.float32)
    _worth(
        sensitivity, tables.share, bands.frame, blocks, levels, bands.edges, bands.counts, angles,
        worth,
    )  # fmt: skip
    return worth
