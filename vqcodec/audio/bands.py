# mypy: allow-untyped-defs, no-check-untyped-defs
"""Bands of the spectrum, and the coding of their energies.

Bands follow the ear's resolution: edges in hertz, the same for every sampling
rate, rounded to multiples of four coefficients; what falls together in short
blocks is merged. The energy of a band is the mean power of its coefficients in
steps of 3.01 dB, so that it is a power of two: 0 stands for silence. It is
predicted linearly from the block before, the bands below and the other
channel; the difference goes into the range coder.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from vqcodec.audio.contexts import (
    BASE,
    ENERGY,
    ENERGY_NODES,
    FIRST_SET,
    NUMBERS,
    SECOND_SET,
)  # fmt: skip
from vqcodec.audio.header import frame_size
from vqcodec.audio.mixing import code_mixed, code_number, kernel

LEVELS = 6  # block sizes: the frame, halved up to five times
_UNIT = 93.75
_WIDTHS = (
    [1] * 8 + [2] * 4 + [3] * 3 + [4] * 2 + [5, 6, 7, 8, 9, 11, 13, 14, 16, 18, 20, 20, 14, 24]
)
EDGES_HZ = np.concatenate([[0], np.cumsum(_WIDTHS)]) * _UNIT  # up to 20.25 kHz
BANDS = len(_WIDTHS)
ENERGY_LIMIT = 48
ENERGY_UNIT = 256.0  # energies count in 1/256 of the power of a 16-bit sample's last bit
SMALLEST_STEP = 1 / 16


@dataclass(frozen=True, eq=False)
class Layout:
    """The bands at one sampling rate.

    Attributes
    ----------
    rate, frame : int
        Sampling rate in Hz; samples of the largest block, a power of two near 85 ms.
    edges : (6, BANDS + 1) int64
        First coefficient of each band, by level (block size ``frame >> level``).
    counts : (6,) int64
        Bands in use.
    nearest : (6, 6, BANDS) int64
        Band of the level of the second index that corresponds to one of the first.
    barks : (6, BANDS) float64
        Centre of each band.
    hertz : (6, BANDS + 1) float64
        The edges in Hz.
    """

    rate: int
    frame: int
    edges: np.ndarray
    counts: np.ndarray
    nearest: np.ndarray
    barks: np.ndarray
    hertz: np.ndarray


def bark(hertz: np.ndarray) -> np.ndarray:
    """Return critical-band rates (Zwicker and Terhardt 1980)."""
    return 13 * np.arctan(0.00076 * hertz) + 3.5 * np.arctan((hertz / 7500) ** 2)


@lru_cache(maxsize=16)
def layout(rate: int) -> Layout:
    """Return the bands at a sampling rate."""
    frame = frame_size(rate)
    edges = np.zeros((LEVELS, BANDS + 1), np.int64)
    counts = np.zeros(LEVELS, np.int64)
    barks = np.zeros((LEVELS, BANDS))
    hertz = np.zeros((LEVELS, BANDS + 1))
    for level in range(LEVELS):
        size = frame >> level
        places = np.floor(EDGES_HZ / (rate / 2) * size / 4 + 0.5).astype(np.int64) * 4
        places = np.unique(np.minimum(places, size))
        counts[level] = len(places) - 1
        edges[level, : len(places)] = places
        edges[level, len(places) :] = places[-1]
        hertz[level] = edges[level] * (rate / 2) / size
        barks[level] = bark((hertz[level, :-1] + hertz[level, 1:]) / 2)
    nearest = np.zeros((LEVELS, LEVELS, BANDS), np.int64)
    for this in range(LEVELS):
        for other in range(LEVELS):
            distance = abs(barks[this][:, None] - barks[other][None, : counts[other]])
            nearest[this, other] = np.argmin(distance, axis=1)
    return Layout(rate, frame, edges, counts, nearest, barks, hertz)


# --- coding of the energies ---------------------------------------------------

PREDICTORS = 9
_CLIP = 2


@kernel("void(i8[::1],i8[:,::1],i8[:,::1],i8,i8,i8[:,:,::1],i8,i8,i8[::1])")
def energy_features(f, now, before, level, level_before, nearest, channel, band, counts):
    """Fill the (9,) inputs of the prediction of one band's energy, in steps.

    now, before : (channels, BANDS) int64, energies of this block and the last one.
    """
    place = nearest[level, level_before, band]
    top = counts[level_before] - 1
    f[0] = 16
    f[1] = before[channel, place]
    f[2] = before[channel, max(place - 1, 0)]
    f[3] = before[channel, min(place + 1, top)]
    f[4] = now[channel, band - 1] if band > 0 else 0
    f[5] = now[channel, band - 2] if band > 1 else f[4]
    f[6] = f[7] = f[8] = 0
    if channel > 0:
        f[6] = now[0, band]
        f[7] = now[0, band - 1] if band > 0 else f[6]
        f[8] = before[0, place]


@kernel("i8(i8[::1],i8[:,:,:,::1],i8,i8,i8)")
def predict_energy(f, weights, channel, same, band):
    """Return the prediction in 1/16 of a step; weights are in 1/4096."""
    total = np.int64(0)
    for i in range(PREDICTORS):
        total += weights[channel, same, min(band, 2), i] * f[i]
    return min(16 * ENERGY_LIMIT, max(0, (total + 128) >> 8))


@kernel(
    "b1(u8[::1],u1[::1],b1,u4[::1],u4[::1],i4[:,::1],i8,i8[:,:,:,::1],i8[::1],i8[::1],"
    "i8[:,::1],i8[:,::1],i8,i8,i8[:,:,::1],i8[::1],i8,i8[:,::1],i8[:,::1])"
)
def code_energies(
    state, buffer, encoding, states, plain, weights, limit, eweights, at, f,
    now, before, level, level_before, nearest, counts, channel, differences, predictions,
):  # fmt: skip
    """Encode or decode the energies of one channel of a block.

    differences : (2, BANDS) int64, of both channels' energies to their predictions
    predictions : (2, BANDS) int64, in 1/16

    Returns
    -------
    bool
        False if an energy is out of range: the data are damaged.
    """
    same = 0 if level == level_before else (1 if level < level_before else 2)
    beneath = 0
    for band in range(counts[level]):
        energy_features(f, now, before, level, level_before, nearest, channel, band, counts)
        expected = predict_energy(f, eweights, channel, same, band)
        rounded = (expected + 8) >> 4
        predictions[channel, band] = expected
        low = min(_CLIP, max(-_CLIP, beneath)) + _CLIP
        across = 5
        if channel > 0:
            across = min(_CLIP, max(-_CLIP, differences[0, band])) + _CLIP
        step = min(4, max(-4, f[1] - f[4])) + 4
        at[0] = BASE[ENERGY, 0] + (level * 32 + band) * ENERGY_NODES
        at[1] = BASE[ENERGY, 1] + ((low * 2 + channel) * 6 + level) * ENERGY_NODES
        at[2] = BASE[ENERGY, 2] + ((across * 5 + low) * 3 + same) * ENERGY_NODES
        at[3] = BASE[ENERGY, 3] + ((expected & 15) * 6 + level) * ENERGY_NODES
        at[4] = BASE[ENERGY, 4] + (step * 3 + same) * ENERGY_NODES
        at[5] = BASE[ENERGY, 5] + ((rounded >> 1) * 3 + same) * ENERGY_NODES
        set1 = FIRST_SET[ENERGY] + level * ENERGY_NODES
        set2 = SECOND_SET[ENERGY] + (same * 2 + channel) * ENERGY_NODES
        difference = now[channel, band] - rounded
        magnitude = abs(difference)
        size = sign = 0
        if code_mixed(state, buffer, encoding, states, weights, limit, at, 0, set1, set2,
                      1 if magnitude > 0 else 0):  # fmt: skip
            sign = 1
            if rounded > 0:
                sign = code_mixed(state, buffer, encoding, states, weights, limit, at, 1, set1 + 1,
                                  set2 + 1, 1 if difference > 0 else 0)  # fmt: skip
            size = 1
            while size < 15:
                node = 1 + size + 15 * sign
                if code_mixed(state, buffer, encoding, states, weights, limit, at, node,
                              set1 + node, set2 + node,
                              1 if magnitude > size else 0) == 0:  # fmt: skip
                    break
                size += 1
            if size == 15:
                size += code_number(state, buffer, encoding, plain, NUMBERS, magnitude - 15)
        difference = size if sign else -size
        energy = rounded + difference
        if energy < 0 or energy > ENERGY_LIMIT:
            return False
        now[channel, band] = energy
        differences[channel, band] = difference
        beneath = difference
    return True
