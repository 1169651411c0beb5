"""Sounds that are rendered, not recorded: for training and for the pre-echo benchmark.

    python -m tests.bench.sounds FOLDER

writes them as 48 kHz stereo FLAC. The same seed gives the same sounds.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

RATE = 48000
Generator = np.random.Generator


def _pan(sound: np.ndarray, place: float) -> np.ndarray:
    return sound[:, None] * np.array([np.cos(place * np.pi / 2), np.sin(place * np.pi / 2)])


def _room(sound: np.ndarray, generator: Generator, seconds: float, wet: float) -> np.ndarray:
    """Add reverberation: decaying noise, independent left and right."""
    from scipy.signal import fftconvolve

    n = int(RATE * seconds)
    tail = generator.normal(size=(n, 2)) * np.exp(-np.arange(n) / n * 6.9)[:, None]
    tail /= np.sqrt(np.square(tail).sum(0))
    return sound + wet * fftconvolve(sound, tail, axes=0)[: len(sound)]


def pluck(pitch: float, seconds: float, generator: Generator, brightness: float) -> np.ndarray:
    """A plucked string (Karplus and Strong 1983)."""
    from scipy.signal import lfilter

    n, delay = int(RATE * seconds), max(2, int(RATE / pitch - 0.5))
    burst = np.zeros(n)
    burst[:delay] = generator.uniform(-1, 1, delay)
    burst = lfilter([brightness], [1, brightness - 1], burst)
    loop = np.zeros(delay + 2)
    loop[0], loop[delay], loop[delay + 1] = 1, -0.498, -0.498
    return np.asarray(lfilter([1.0], loop, burst))


def plucks(generator: Generator, seconds: float) -> np.ndarray:
    sound = np.zeros((int(RATE * seconds), 2))
    for start in np.arange(0.2, seconds - 0.3, 0.23):
        pitch = 82.4 * 2 ** (generator.integers(0, 36) / 12)
        note = pluck(pitch, min(1.5, seconds - start), generator, generator.uniform(0.3, 0.9))
        at = int(start * RATE)
        note = note[: len(sound) - at]
        sound[at : at + len(note)] += 0.25 * _pan(note, generator.uniform(0.2, 0.8))
    return sound


def clicks(generator: Generator, seconds: float) -> np.ndarray:
    """Wooden clicks: short bursts of a few damped resonances."""
    sound = np.zeros((int(RATE * seconds), 2))
    n = int(0.06 * RATE)
    t = np.arange(n) / RATE
    for start in np.cumsum(generator.uniform(0.08, 0.4, int(seconds * 4))):
        at = int(start * RATE)
        if at + n >= len(sound):
            break
        hit = np.exp(-t * 1500) * generator.normal(size=n)
        for _ in range(4):
            damping, pitch = generator.uniform(80, 400), generator.uniform(600, 6000)
            hit += np.exp(-t * damping) * np.sin(2 * np.pi * pitch * t)
        sound[at : at + n] += _pan(hit, generator.uniform(0.3, 0.7)) * generator.uniform(0.05, 0.2)
    return sound


def bells(generator: Generator, seconds: float) -> np.ndarray:
    """Frequency modulation (Chowning 1973)."""
    sound = np.zeros((int(RATE * seconds), 2))
    for start in np.arange(0.1, seconds - 0.3, 0.4):
        n = len(sound) - int(start * RATE)
        t = np.arange(n) / RATE
        pitch = 220 * 2 ** (generator.integers(0, 30) / 12)
        index = generator.uniform(1, 6) * np.exp(-t * 3)
        wave = np.sin(2 * np.pi * pitch * t + index * np.sin(2 * np.pi * pitch * 1.414 * t))
        wave *= np.exp(-t * generator.uniform(2, 6)) * np.minimum(1, t / 0.002)
        sound[-n:] += 0.15 * _pan(wave, generator.uniform(0.1, 0.9))
    return sound


def pads(generator: Generator, seconds: float) -> np.ndarray:
    """Slow chords of detuned sawtooth partials."""
    n = int(RATE * seconds)
    t = np.arange(n) / RATE
    sound = np.zeros((n, 2))
    for pitch in (
        110 * 2 ** (np.array([0, 4, 7, 11, 14]) / 12) * generator.choice([1.0, 1.189, 1.5])
    ):
        for side in range(2):
            base = pitch * (1 + generator.normal() * 0.002)
            for partial in range(1, int(9000 / base)):
                phase = generator.uniform(0, 6.28)
                swell = 1 + 0.5 * np.sin(2 * np.pi * generator.uniform(0.1, 0.6) * t + phase)
                level = partial**-1.2 * np.exp(-partial * base / 5000)
                sound[:, side] += level * swell * np.sin(2 * np.pi * base * partial * t + phase)
    return 0.05 * sound


def winds(generator: Generator, seconds: float) -> np.ndarray:
    """Vibrato notes with breath noise, formants and room."""
    from scipy.signal import butter, lfilter

    n = int(RATE * seconds)
    t = np.arange(n) / RATE
    notes = 262 * 2 ** (
        np.repeat(generator.integers(0, 18, int(seconds * 2) + 1), RATE // 2)[:n] / 12
    )
    phase = np.cumsum(notes * (1 + 0.006 * np.sin(2 * np.pi * 5.5 * t))) * 2 * np.pi / RATE
    wave = sum(k**-1.5 * np.sin(k * phase) for k in range(1, 14))
    gate = np.clip(np.minimum((t % 0.5) / 0.05, (0.5 - t % 0.5) / 0.06), 0, 1)
    breath = lfilter(*butter(2, [1500 / 24000, 9000 / 24000], "band"), generator.normal(size=n))
    return _room(_pan(0.15 * (wave + 0.1 * breath) * gate, 0.45), generator, 1.5, 0.4)


def band(generator: Generator, seconds: float) -> np.ndarray:
    """Drums, bass and chords together."""
    n = int(RATE * seconds)
    sound = 0.6 * pads(generator, seconds) + 0.5 * plucks(generator, seconds)
    for beat, start in enumerate(np.arange(0.05, seconds - 0.4, 0.25)):
        at, length = int(start * RATE), int(0.3 * RATE)
        t = np.arange(length) / RATE
        if beat % 4 == 0:
            hit = 0.6 * np.sin(2 * np.pi * (50 * t + 4 * (1 - np.exp(-t * 40)))) * np.exp(-t * 14)
        elif beat % 4 == 2:
            hit = generator.normal(size=length) * np.exp(-t * 22) * 0.2
            hit += 0.2 * np.sin(2 * np.pi * 190 * t) * np.exp(-t * 25)
        else:
            noise = np.diff(generator.normal(size=length + 2), 2)
            hit = noise * np.exp(-t * 60) * 0.05
        end = min(n, at + length)
        sound[at:end] += _pan(hit[: end - at], 0.5 + 0.1 * (beat % 3 - 1))
    return _room(sound, generator, 0.8, 0.15)


def sweeps(generator: Generator, seconds: float) -> np.ndarray:
    t = np.arange(int(RATE * seconds)) / RATE
    sound = np.zeros((len(t), 2))
    for place in (0.1, 0.5, 0.9):
        low, high = generator.uniform(60, 300), generator.uniform(2000, 12000)
        phase = 2 * np.pi * low * seconds / np.log(high / low) * (high / low) ** (t / seconds)
        sound += _pan(0.1 * np.sin(phase) + 0.03 * np.sin(3 * phase), place)
    return sound


def noises(generator: Generator, seconds: float) -> np.ndarray:
    """Noise of changing colour, partly common to both sides: applause, surf."""
    from scipy.signal import lfilter

    n = int(RATE * seconds)
    common, own = generator.normal(size=(n, 1)), generator.normal(size=(n, 2))
    sound = 0.5 * common + 0.8 * own
    sound = lfilter([1.0], [1, -generator.uniform(0.3, 0.95)], sound, axis=0)
    swell = 1 + 0.8 * np.sin(2 * np.pi * generator.uniform(0.2, 2) * np.arange(n) / RATE)
    return 0.05 * sound * swell[:, None]


def damped(generator: Generator, seconds: float) -> np.ndarray:
    """Plucked notes, each silenced before the next: their onsets stand alone."""
    sound = np.zeros((int(RATE * seconds), 2))
    for start in np.arange(0.2, seconds - 0.3, 0.27):
        pitch = 110 * 2 ** (generator.integers(0, 30) / 12)
        note = pluck(pitch, 0.24, generator, generator.uniform(0.3, 0.9))
        note *= np.exp(-np.arange(len(note)) / RATE * 14) * np.linspace(1, 0, len(note)) ** 0.5
        at = int(start * RATE)
        sound[at : at + len(note)] += 0.3 * _pan(note, generator.uniform(0.2, 0.8))
    return sound


KINDS: dict[str, Callable[[Generator, float], np.ndarray]] = {
    "plucks": plucks, "clicks": clicks, "bells": bells, "pads": pads,
    "winds": winds, "band": band, "sweeps": sweeps, "noises": noises,
}  # fmt: skip


MEASURED: dict[str, Callable[[Generator, float], np.ndarray]] = {"damped": damped}  # not trained on


def render(name: str, seed: int = 0, seconds: float = 6.0) -> np.ndarray:
    """Return one sound, (frames, 2) float32, at most 0.9 of full scale."""
    makers = KINDS | MEASURED
    generator = np.random.default_rng([seed, list(makers).index(name)])
    sound = makers[name](generator, seconds)
    return (sound * min(1.0, 0.9 / np.abs(sound).max())).astype(np.float32)


def main() -> None:
    import soundfile

    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for seed in range(3):
        for name in KINDS:
            soundfile.write(folder / f"{name}{seed}.flac", render(name, seed), RATE)


if __name__ == "__main__":
    main()
