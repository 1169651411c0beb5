"""The noise-to-mask ratio: how far below what the ear can notice the errors of a sound lie.

After the ear model of ITU-R BS.1387 (PEAQ, basic version, FFT-based): power
spectra of Hann windows of 2048 frames at 48 kHz, weighted by the outer and
middle ear, gathered in quarter-bark bands with the ear's internal noise, spread
along the bark scale with level-dependent slopes, smeared in time; the mask lies
3 to 6 dB below that. The noise is the difference of the magnitude spectra.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from vqcodec.errors import ParameterError

RATE = 48000
_WINDOW, _HOP = 2048, 1024
WIDTH = 0.25  # bark
_LOUDEST = 92.0  # dB of sound pressure of a full-scale sine
_CALIBRATION = 1019.5  # Hz
_TIME_CONSTANTS = 0.008, 0.030  # seconds: at high frequencies, at 100 Hz
SUM_EXPONENT = 0.4  # how the contributions of maskers add up
DOWN = 10 ** (-2.7 * WIDTH)  # of an energy, in the band below


class Ear:
    """Tables of the model.

    Parameters
    ----------
    rate : int
    window : int
        Frames of a spectrum; each begins half of that after the last.
    lowest, highest : float
        Hz between which there are bands.
    """

    def __init__(
        self, rate: int = RATE, window: int = _WINDOW, lowest: float = 80.0, highest: float = 18e3
    ) -> None:
        hop = window // 2
        self.hop = hop
        low, high = _to_bark(lowest), _to_bark(highest)
        count = int(np.ceil((high - low) / WIDTH))
        steps = low + WIDTH * np.arange(count + 1)
        edges = _from_bark(np.minimum(steps, high))
        self.centres = _from_bark((_to_bark(edges[:-1]) + _to_bark(edges[1:])) / 2)
        bins = np.arange(hop + 1) * rate / window
        half = rate / window / 2
        overlap = np.minimum(edges[1:, None], bins + half) - np.maximum(
            edges[:-1, None], bins - half
        )
        khz = np.maximum(bins, 1.0) / 1000
        weight = -2.184 * khz**-0.8 + 6.5 * np.exp(-0.6 * (khz - 3.3) ** 2) - 1e-3 * khz**3.6
        self.window = np.hanning(window + 1)[:-1]
        sine = np.sin(2 * np.pi * _CALIBRATION / rate * np.arange(window))
        level = 10 ** (_LOUDEST / 10) / np.square(self.magnitudes(sine)).max()
        power = level * 10 ** (weight / 10)
        power[0] = 0
        self.gather = (np.maximum(0, overlap) / (2 * half) * power).T
        self.internal = 10 ** (0.1456 * (self.centres / 1000) ** -0.8)
        self.slope = -24 - 230 / self.centres  # dB per bark, upwards, at the energy 1
        barks = _to_bark(self.centres)
        offset = np.where(barks - barks[0] <= 12, 3.0, 0.25 * (barks - barks[0]))
        self.margin = 10 ** (-offset / 10)
        fast, slow = _TIME_CONSTANTS
        tau = fast + 100 / self.centres * (slow - fast)
        self.decay = np.exp(-hop / (rate * tau))
        self.unit = np.ones(count)
        self.unit = self.spread(np.ones((1, count)))[0]

    def spread(self, energy: np.ndarray) -> np.ndarray:
        """Spread (frames, bands) of energies; one of equal energies stays as it is."""
        count = energy.shape[1]
        slope = self.slope + 2 * np.log10(np.maximum(energy, 1e-12))
        up = 10 ** (np.minimum(0, slope) * WIDTH / 10)
        down = DOWN
        places = np.arange(count)
        total = (1 - down ** (places + 1)) / (1 - down)
        total = total + (1 - up ** (count - places)) / np.maximum(1 - up, 1e-9) - 1
        part = (energy / total) ** SUM_EXPONENT
        result = np.zeros_like(energy)
        falling = np.zeros(len(energy))
        for band in range(count - 1, -1, -1):
            falling = falling * down**SUM_EXPONENT + part[:, band]
            result[:, band] = falling
        up **= SUM_EXPONENT
        for band in range(count - 1):
            result[:, band + 1 :] += part[:, band, None] * up[:, band, None] ** np.arange(
                1, count - band
            )
        return np.asarray(result ** (1 / SUM_EXPONENT) / self.unit)

    def magnitudes(self, x: np.ndarray) -> np.ndarray:
        frames = np.lib.stride_tricks.sliding_window_view(x, len(self.window))[:: self.hop]
        return np.asarray(np.abs(np.fft.rfft(frames * self.window, axis=1)))


def _to_bark(hertz: Any) -> Any:
    return 7 * np.arcsinh(hertz / 650)


def _from_bark(barks: Any) -> Any:
    return 650 * np.sinh(barks / 7)


@lru_cache(maxsize=1)
def _ear() -> Ear:
    return Ear()


def noise_to_mask(a: Any, b: Any, rate: int) -> np.ndarray:
    """Return the ratio of noise to mask in each channel, frame and band.

    Parameters
    ----------
    a, b : (frames,) or (frames, channels) float arrays, full scale 1.0
        The original and what has become of it, aligned; of equal length, at least 2048.
    rate : int
        48000.

    Returns
    -------
    (channels, windows, 109) float64
        Power ratios. Windows in which the original is digital silence are left out
        if they are silent in all channels.
    """
    if rate != RATE:
        raise ParameterError("the noise-to-mask ratio is defined at 48 kHz only")
    a, b = (np.asarray(s, np.float64).reshape(len(s), -1) for s in (a, b))
    if a.shape != b.shape or len(a) < _WINDOW:
        raise ParameterError("the sounds must have one shape, and at least 2048 frames")
    ear = _ear()
    result, active = [], np.zeros((len(a) - _WINDOW) // _HOP + 1, bool)
    for channel in range(a.shape[1]):
        original, coded = ear.magnitudes(a[:, channel]), ear.magnitudes(b[:, channel])
        spread = ear.spread(np.maximum(original**2 @ ear.gather, 1e-12) + ear.internal)
        mask = np.empty_like(spread)
        state = np.zeros(spread.shape[1])
        for t, frame in enumerate(spread):
            state = ear.decay * state + (1 - ear.decay) * frame
            mask[t] = np.maximum(state, frame)
        noise = np.maximum((original - coded) ** 2 @ ear.gather, 1e-12)
        result.append(noise / (mask * ear.margin))
        active |= original.any(1)
    return np.array(result)[:, active]


def noise_to_mask_ratio(a: Any, b: Any, rate: int) -> float:
    """Return the total noise-to-mask ratio in decibels: the mean of the channels' ratios.

    Negative is good: below about -10 dB few hear a difference (ITU-R BS.1387). See
    `noise_to_mask` for the parameters.
    """
    ratios = noise_to_mask(a, b, rate)
    if not ratios.size:
        return 0.0
    return float(np.mean(10 * np.log10(ratios.mean((1, 2)))))
