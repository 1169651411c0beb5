"""Distortion of sounds: SNR, segmental SNR, log-spectral distance.

Functions take (frames,) or (frames, channels) arrays, float (full scale 1.0)
or integer (full scale the dtype's). Lengths may differ: what one is longer is
compared with silence. Computed in blocks, so hours of sound need little memory.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from vqcodec.errors import ParameterError

SEGMENT = 0.020  # seconds
SEGMENT_RANGE = (-10.0, 35.0)  # decibels
WINDOW = 2048  # frames
FLOOR = -100.0  # decibels below full scale
_BLOCK = 1 << 18


def _comparable(a: Any, b: Any) -> tuple[np.ndarray, np.ndarray]:
    first, second = (_with_channels(np.asarray(sound)) for sound in (a, b))
    if first.shape[1] != second.shape[1]:
        raise ParameterError(
            f"sounds of {first.shape[1]} and {second.shape[1]} channels cannot be compared"
        )
    if not len(first) or not len(second):
        raise ParameterError("a sound without samples cannot be compared")
    return first, second


def _with_channels(sound: np.ndarray) -> np.ndarray:
    if sound.ndim == 1:
        sound = sound[:, np.newaxis]
    if sound.ndim != 2 or sound.dtype.kind not in "if":
        raise ParameterError(f"an array of {sound.dtype}, shape {sound.shape}, is not a sound")
    return sound


def _part(sound: np.ndarray, start: int, stop: int) -> np.ndarray:
    """Return frames as float64 of full scale 1.0, silence beyond the end."""
    scale = -float(np.iinfo(sound.dtype).min) if sound.dtype.kind == "i" else 1.0
    part = sound[start:stop].astype(np.float64) / scale
    return np.pad(part, ((0, stop - start - len(part)), (0, 0)))


def _blocks(a: np.ndarray, b: np.ndarray, unit: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield both sounds in blocks of whole units, the last one filled up with silence."""
    length = -(-max(len(a), len(b)) // unit) * unit
    step = max(1, _BLOCK // unit) * unit
    for start in range(0, length, step):
        stop = min(start + step, length)
        yield _part(a, start, stop), _part(b, start, stop)


def _ratio(signal: float, noise: float) -> float:
    if noise == 0:
        return math.inf
    return 10 * math.log10(signal / noise) if signal > 0 else -math.inf


def snr(a: Any, b: Any) -> float:
    """Return the signal-to-noise ratio in decibels, over all frames and channels jointly."""
    a, b = _comparable(a, b)
    signal = noise = 0.0
    for x, y in _blocks(a, b, 1):
        signal += float(np.vdot(x, x))
        y -= x
        noise += float(np.vdot(y, y))
    return _ratio(signal, noise)


def segmental_snr(a: Any, b: Any, rate: int) -> float:
    """Return the mean of the signal-to-noise ratios of short segments, in decibels.

    Segments of 20 ms without overlap, each channel apart, each ratio clipped
    to -10 to 35 dB (Deller, Hansen, Proakis: Discrete-time processing of
    speech signals, 1993). Segments in which the original is silent (mean power
    below -100 dB of full scale) do not count; if all are, the result is 35 dB
    where nothing differs, else -10 dB.
    """
    a, b = _comparable(a, b)
    unit = max(1, round(SEGMENT * rate))
    low, high = SEGMENT_RANGE
    total, count, differs = 0.0, 0, False
    for x, y in _blocks(a, b, unit):
        shape = (-1, unit, x.shape[1])
        signal = np.square(x).reshape(shape).mean(1)
        noise = np.square(x - y).reshape(shape).mean(1)
        loud = signal > 10 ** (FLOOR / 10)
        ratios = 10 * np.log10(signal[loud] / np.maximum(noise[loud], 1e-30))
        total += float(np.clip(ratios, low, high).sum())
        count += int(loud.sum())
        differs = differs or bool(noise.any())
    return total / count if count else (low if differs else high)


def log_spectral_distance(a: Any, b: Any) -> float:
    """Return the log-spectral distance in decibels.

    The mean, over windows and channels, of the root-mean-square difference of
    the two power spectra in decibels (Gray, Markel 1976). Hann windows of 2048
    frames that overlap by half; power below -100 dB of a full-scale sine
    counts as -100 dB.
    """
    a, b = _comparable(a, b)
    length = max(len(a), len(b), WINDOW)
    window = np.hanning(WINDOW + 1)[:-1, np.newaxis]
    floor = (window.sum() / 2) ** 2 * 10 ** (FLOOR / 10)
    total = count = 0.0
    for start in range(0, length - WINDOW // 2, WINDOW // 2):
        spectra = []
        for sound in (a, b):
            spectrum = np.fft.rfft(_part(sound, start, start + WINDOW) * window, axis=0)
            spectra.append(10 * np.log10(np.maximum(np.abs(spectrum) ** 2, floor)))
        total += float(np.sqrt(np.square(spectra[0] - spectra[1]).mean(0)).sum())
        count += a.shape[1]
    return total / count


def audio_report(original: Any, coded: Any, rate: int) -> dict[str, Any]:
    """Return every measure of a pair of sounds by name, all in decibels."""
    return {
        "snr": snr(original, coded),
        "segmental_snr": segmental_snr(original, coded, rate),
        "log_spectral_distance": log_spectral_distance(original, coded),
    }
