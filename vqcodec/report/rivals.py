"""What other codecs make of the same picture or sound, computed on the spot.

Images go through Pillow (JPEG, WebP, AVIF), sounds through libsndfile (MP3,
Vorbis, Opus), at a handful of settings each; sizes are those of the whole files.
A codec that this installation lacks, or that cannot hold the samples, is left
out and named.
"""

from __future__ import annotations

import io
import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from vqcodec.errors import CancelledError

Progress = Callable[[float, str], bool | None]

_QUALITIES = {
    "JPEG": (5, 10, 20, 35, 50, 65, 80, 90, 96),
    "WebP": (1, 10, 25, 45, 65, 80, 90, 97),
    "AVIF": (8, 20, 35, 50, 62, 74, 85, 93),
}
_OPTIONS: dict[str, dict[str, Any]] = {
    "JPEG": {"optimize": True, "progressive": True},
    "WebP": {"method": 6},
    "AVIF": {"speed": 6},
}
_SOUNDS = {
    "MP3": ("MP3", "MPEG_LAYER_III", (0.98, 0.8, 0.6, 0.4, 0.2, 0.0)),
    "Vorbis": ("OGG", "VORBIS", (1.0, 0.85, 0.7, 0.5, 0.3, 0.1)),
    "Opus": ("OGG", "OPUS", (0.97, 0.9, 0.8, 0.65, 0.45, 0.2)),
}
_OPUS_RATE = 48_000


@dataclass(frozen=True)
class Point:
    """One file that another codec made: its setting, size and scores."""

    codec: str
    setting: str
    bytes: int
    scores: dict[str, Any]


@dataclass(frozen=True)
class Rivals:
    """All points of all codecs, and sentences about those that are missing."""

    points: list[Point]
    notes: list[str]

    def codecs(self) -> dict[str, list[Point]]:
        """Return the points by codec, the smallest file first."""
        grouped: dict[str, list[Point]] = {}
        for point in self.points:
            grouped.setdefault(point.codec, []).append(point)
        return {name: sorted(found, key=lambda p: p.bytes) for name, found in grouped.items()}


def images(samples: np.ndarray, progress: Progress | None = None) -> Rivals:
    """Encode a picture with the other codecs and measure what they decode to.

    Parameters
    ----------
    samples : (height, width, 1 to 4) ndarray of uint8 or uint16
    progress : callable, optional

    Raises
    ------
    CancelledError
    """
    from vqcodec.media.image import to_eight_bits

    notes = []
    narrow = samples
    if samples.dtype == np.uint16:
        narrow = to_eight_bits(samples)
        notes.append("JPEG, WebP and AVIF hold 8 of the 16 bits here.")
    points: list[Point] = []
    jobs = [(name, quality) for name, settings in _QUALITIES.items() for quality in settings]
    failed: set[str] = set()
    for number, (name, quality) in enumerate(jobs):
        _step(progress, number / len(jobs), f"{name} at quality {quality}")
        if name in failed:
            continue
        try:
            points.append(_image_point(samples, narrow, name, quality))
        except (OSError, ValueError, KeyError) as error:
            failed.add(name)
            notes.append(f"{name} is left out: {' '.join(str(error).split())}.")
    return Rivals(points, notes)


def _image_point(samples: np.ndarray, narrow: np.ndarray, name: str, quality: int) -> Point:
    import PIL.Image

    from vqcodec import metrics

    if name == "JPEG" and samples.shape[2] in (2, 4):
        raise ValueError("it holds no transparency")
    picture = PIL.Image.fromarray(narrow[:, :, 0] if narrow.shape[2] == 1 else narrow)
    file = io.BytesIO()
    picture.save(file, name.upper(), quality=quality, **_OPTIONS[name])
    size = len(file.getvalue())
    modes = ("L", "LA", "RGB", "RGBA")
    decoded = np.asarray(PIL.Image.open(file).convert(modes[samples.shape[2] - 1]))
    decoded = decoded.reshape(narrow.shape)
    scores = {
        "psnr": metrics.psnr(samples, decoded),
        "ms_ssim": metrics.ms_ssim(samples, decoded),
    }
    return Point(name, f"quality {quality}", size, scores)


def sounds(samples: np.ndarray, rate: int, progress: Progress | None = None) -> Rivals:
    """Encode a sound with the other codecs and measure what they decode to.

    Parameters
    ----------
    samples : (frames, channels) ndarray of float32
    rate : int
    progress : callable, optional

    Raises
    ------
    CancelledError
    """
    points: list[Point] = []
    notes = []
    jobs = [(name, level) for name, (*_, levels) in _SOUNDS.items() for level in levels]
    failed: set[str] = set()
    at_opus_rate = samples
    for number, (name, level) in enumerate(jobs):
        _step(progress, number / len(jobs), name)
        if name in failed:
            continue
        original, own_rate = samples, rate
        if name == "Opus" and rate not in (8000, 12000, 16000, 24000, _OPUS_RATE):
            if at_opus_rate is samples:
                at_opus_rate = _resampled(samples, rate, _OPUS_RATE)
                notes.append(f"Opus codes the sound resampled to {_OPUS_RATE // 1000} kHz.")
            original, own_rate = at_opus_rate, _OPUS_RATE
        try:
            points.append(_sound_point(original, own_rate, name, level))
        except (RuntimeError, ValueError, TypeError) as error:
            failed.add(name)
            notes.append(f"{name} is left out: {' '.join(str(error).split())}.")
    return Rivals(points, notes)


def _sound_point(samples: np.ndarray, rate: int, name: str, level: float) -> Point:
    import soundfile

    from vqcodec import metrics

    format, subtype, _ = _SOUNDS[name]
    file = io.BytesIO()
    with soundfile.SoundFile(
        file, "w", rate, samples.shape[1], subtype, format=format, compression_level=level
    ) as sound:
        for start in range(0, len(samples), rate):  # Vorbis in libsndfile wants small portions
            sound.write(samples[start : start + rate])
    size = len(file.getvalue())
    file.seek(0)
    decoded, _ = soundfile.read(file, dtype="float32", always_2d=True)
    scores = metrics.audio_report(samples, decoded[: len(samples)], rate)
    return Point(name, f"compression level {level:g}", size, scores)


def _resampled(samples: np.ndarray, rate: int, wanted: int) -> np.ndarray:
    from scipy.signal import resample_poly

    common = math.gcd(rate, wanted)
    return resample_poly(samples, wanted // common, rate // common, axis=0).astype(np.float32)


def _step(progress: Progress | None, fraction: float, message: str) -> None:
    if progress is not None and progress(fraction, message) is False:
        raise CancelledError("the report was cancelled")


def size_at(points: Sequence[Point], metric: str, value: float) -> float | None:
    """Return the bytes at which a codec reaches a score, or None if that is outside its points.

    Between two points the logarithm of the size is interpolated.
    """
    for low, high in itertools.pairwise(sorted(points, key=lambda point: point.bytes)):
        a, b = low.scores[metric], high.scores[metric]
        if a <= value <= b and a < b:
            part = (value - a) / (b - a)
            return float(low.bytes ** (1 - part) * high.bytes**part)
    return None
