# mypy: allow-untyped-defs, no-check-untyped-defs
"""Step sizes from the band energies alone: no bit is spent on them.

Both sides spread the decoded energies along the bark scale (a masker reaches
far upwards and little downwards: Schroeder, Atal and Hall 1979; the slopes are
near those of ITU-R BS.1387), and the squared step follows a power of the
result, but not below the threshold of hearing, unless the highest quality is to
be exceeded. One number, the *knob*, moves all steps. Logarithms are integers in
1/256 of an octave of power, from tables, so that encoder and decoder find the
same steps on every machine.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from vqcodec.audio.bands import BANDS, ENERGY_UNIT, LEVELS, Layout
from vqcodec.audio.mixing import kernel
from vqcodec.audio.stereo import LOG_SQUARES, SQUARES

STEPS = 240
STEPS_PER_OCTAVE = 8  # of amplitude
# Step by index, in 1/16 of the last bit of a 16-bit sample, and 2**30 over it.
STEP = np.array([round(2 ** (i / STEPS_PER_OCTAVE)) for i in range(STEPS)], np.int64)
INVERSE = np.array([round(2 ** (30 - i / STEPS_PER_OCTAVE)) for i in range(STEPS)], np.int64)
_POWER_LOW, _POWER_HIGH = -40, 160
# 2**(i / 4) in 1/256, clipped at both ends.
POWER = np.array([round(256 * 2 ** (i / 4)) for i in range(_POWER_LOW, _POWER_HIGH + 1)], np.int64)
OCTAVE = 256
LOGARITHM = np.array([0] + [round(OCTAVE * np.log2(i)) for i in range(1, 2048)], np.int64)
# log2(1 + 2**-(i / 256)): what the smaller adds to the larger of two logarithms.
_SUM = np.array([round(OCTAVE * np.log2(1 + 2 ** (-i / OCTAVE))) for i in range(2561)], np.int64)

REFERENCE = round(OCTAVE * np.log2(1e4 * ENERGY_UNIT))  # power at which the knob is the step
_UP, _DOWN = 10.0, 25.0  # dB per bark: how masking falls off above and below a masker
_FACTOR_BITS = 8
# The knob below which steps leave the threshold of hearing behind: that of the highest quality.
BEYOND = -1536
_SILENCE_DB = 0.339  # power of a sine at 0 dB of sound pressure, if full scale plays at 92 dB


@dataclass(frozen=True, eq=False)
class Masking:
    """Integer tables of one layout.

    Attributes
    ----------
    up, down : (6, BANDS) int64
        What arrives in a band from the band below or above it, in 1/256.
    floor : (6, BANDS) int64
        Least squared step, by the threshold of hearing; logarithm.
    tilt : (6, BANDS) int64
        Finer steps towards high frequencies; logarithm.
    width : (6, BANDS) int64
        Logarithm of the number of coefficients.
    """

    up: np.ndarray
    down: np.ndarray
    floor: np.ndarray
    tilt: np.ndarray
    width: np.ndarray


def hearing_threshold(hertz: np.ndarray) -> np.ndarray:
    """Return the threshold in quiet in dB (Terhardt 1979)."""
    f = np.maximum(hertz, 40.0) / 1000
    return 3.64 * f**-0.8 - 6.5 * np.exp(-0.6 * (f - 3.3) ** 2) + 1e-3 * f**4


def masking(bands: Layout, tilt: int, quiet: int) -> Masking:
    """Return the tables; `tilt` in 1/256 octave of power per bark, `quiet` likewise."""
    return _masking(bands.rate, tilt, quiet)


@lru_cache(maxsize=16)
def _masking(rate: int, tilt_per_bark: int, quiet: int) -> Masking:
    from vqcodec.audio.bands import layout

    bands = layout(rate)
    up, down, floor, tilt, width = (np.zeros((LEVELS, BANDS), np.int64) for _ in range(5))
    for level in range(LEVELS):
        n = bands.counts[level]
        z, low, high = bands.barks[level, :n], bands.hertz[level, :n], bands.hertz[level, 1 : n + 1]
        count = np.diff(bands.edges[level, : n + 1])
        distance = np.diff(z)
        scale = 1 << _FACTOR_BITS
        up[level, 1:n] = np.round(scale * 10 ** (-_UP / 10 * distance))
        down[level, : n - 1] = np.round(scale * 10 ** (-_DOWN / 10 * distance))
        quietest = np.min([hearing_threshold(low + (high - low) * t) for t in (0.1, 0.5, 0.9)], 0)
        power = _SILENCE_DB * 10 ** (np.minimum(quietest, 70) / 10)
        size = bands.frame >> level
        floor[level, :n] = quiet + np.round(
            OCTAVE * np.log2(12 * ENERGY_UNIT * power * size / count)
        )
        tilt[level, :n] = np.round(tilt_per_bark * z)
        width[level, :n] = np.round(OCTAVE * np.log2(count))
    return Masking(up, down, floor, tilt, width)


@kernel("i8(i8)")
def logarithm(value):
    """Return the base 2 logarithm of a positive integer in 1/256."""
    octaves = 0
    while value >= 2048:
        value >>= 1
        octaves += 1
    return LOGARITHM[value] + OCTAVE * octaves


@kernel("i8(i8,i8)")
def add_logarithms(a, b):
    """Return the logarithm of the sum of two powers given by their logarithms."""
    high = max(a, b)
    return high + _SUM[min(high - min(a, b), 2560)]


@kernel("i8(i8)")
def power_of(quarters):
    """Return 2**(quarters / 4) in 1/256."""
    return POWER[min(_POWER_HIGH, max(_POWER_LOW, quarters)) - _POWER_LOW]


@kernel(
    "void(i8[:,::1],i8[::1],i8,i8,i8,i8[:,::1],i8,i8[::1],i8[:,::1],i8[:,::1],i8[:,::1],i8[:,::1],"
    "i8[:,::1],i8[:,::1],i8[:,::1])"
)
def derive_steps(
    energies, angles, channels, level, bands, edges, knob, law, up, down, floor, tilt, width,
    spread, steps,
):  # fmt: skip
    """Fill the step indices of a block from its energies.

    Parameters
    ----------
    energies : (channels, BANDS) int64, of the rotated channels
    angles : (BANDS,) int64
    knob : int, logarithm
    law : (2,) int64, exponents in 1/256: of a band within its block, of the whole block
    spread : (2, BANDS) int64, work space; steps : (channels, BANDS) int64, the result
    """
    for channel in range(channels):
        for band in range(bands):
            energy = energies[channel, band]
            spread[channel, band] = np.int64(1) << energy if energy > 0 else 0
    if channels == 2:
        for band in range(bands):
            if angles[band] != 0:
                # Energies of left and right, had both rotated channels nothing in common.
                one, two = spread[0, band], spread[1, band]
                c = np.int64(SQUARES[angles[band], 0])
                spread[0, band] = (one * c + two * (256 - c)) >> 8
                spread[1, band] = (two * c + one * (256 - c)) >> 8
    for channel in range(channels):
        previous = np.int64(0)
        for band in range(bands):
            mine = spread[channel, band] * (edges[level, band + 1] - edges[level, band])
            previous = ((previous * up[level, band]) >> 8) + mine
            spread[channel, band] = previous
        above = np.int64(0)
        for band in range(bands - 1, -1, -1):
            # What goes down is what the band itself holds and what came from above.
            below = spread[channel, band - 1] if band > 0 else np.int64(0)
            mine = spread[channel, band] - ((below * up[level, band]) >> 8)
            above = (above * down[level, band]) >> 8
            spread[channel, band] += above
            above += mine
        loudness = np.int64(0)
        for band in range(bands):
            value = logarithm(max(1, spread[channel, band])) - width[level, band]
            spread[channel, band] = value
            loudness += max(value, floor[level, band])
        # Loud blocks may have larger errors in proportion, loud bands only less than that.
        reference = REFERENCE + ((law[1] * (loudness // bands - REFERENCE)) >> 8)
        beyond = min(0, knob - BEYOND)
        for band in range(bands):
            value = ((law[0] * (spread[channel, band] - reference)) >> 8) - tilt[level, band]
            spread[channel, band] = max(reference + knob + value, floor[level, band] + beyond)
    for band in range(bands):
        for channel in range(channels):
            value = spread[channel, band]
            if channels == 2 and angles[band] != 0:
                # Noise of a rotated channel reaches both: the weighted harmonic mean.
                a = LOG_SQUARES[angles[band], channel]
                b = LOG_SQUARES[angles[band], 1 - channel]
                value = -add_logarithms(a - spread[0, band], b - spread[1, band])
            steps[channel, band] = min(STEPS - 1, max(0, (value + 32) >> 6))
