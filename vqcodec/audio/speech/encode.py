"""One segment from samples to bytes and back: analysis, quantisation, search, bits."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from vqcodec.audio.speech import lpc, lsf, pitch, search, syntax
from vqcodec.audio.speech.model import SPACING, Tables
from vqcodec.rangecoder import encoder_state, finish

BUFFER = 1 << 16


@dataclass(frozen=True)
class Tuning:
    """How the encoder searches; nothing of this is in the stream.

    Attributes
    ----------
    near, far : float
        Bandwidth factors of the weighting filter A(z/near) / A(z/far).
    alive : int
        Histories of the M-algorithm.
    most : int
        Pulses in a subframe.
    envelope : float
        What a bit is worth in the search of envelopes, relative to the excitation's.
    """

    near: float = 0.94
    far: float = 0.6
    alive: int = 4
    most: int = 15
    envelope: float = 0.4
    flatness: float = 0.65
    spread: float = 0.010
    hertz: float = 35.0
    fullness: float = 0.04

    @classmethod
    def of(cls, mode: int, effort: int) -> Tuning:
        """Return what suits a mode at an effort of 1 to 9."""
        return replace(_TUNINGS[mode], alive=_ALIVE[effort - 1])


_ALIVE = (1, 1, 2, 3, 4, 6, 8, 12, 16)
_TUNINGS = (Tuning(), Tuning(), Tuning(far=0.7))


@dataclass(frozen=True, eq=False)
class Analysis:
    """What the encoder knows of one segment before it chooses a bit rate."""

    lsf: np.ndarray  # (F, p)
    a: np.ndarray  # (F * S, p + 1)
    energy: np.ndarray  # (F,)
    weighted: np.ndarray  # (samples,)
    loudness: np.ndarray  # (F * S,)
    lags: np.ndarray  # (F * S,)


def analyse(
    signal: np.ndarray, first: int, frames: int, tables: Tables, tuning: Tuning
) -> Analysis:
    """Analyse `frames` frames of `signal` (full scale 32768) from sample `first` on.

    `signal` should reach some 50 ms beyond on both sides; where it does not it
    counts as silent.
    """
    mode = tables.mode
    order, step, length = mode.order, mode.frame, mode.length
    window = lpc.analysis_window(mode.rate * 32 // 1000)
    lagged = lpc.lag_window(order, mode.rate, tuning.hertz)
    # One frame more on the left: what the first one is interpolated from.
    around = lpc.analyse(signal, first - length // 2, frames + 1, step, window, lagged)
    a = np.zeros((frames * mode.subframes, order + 1))
    search.predictors(around[1:], around[0], mode.subframes, a)
    count = frames * step
    padded = np.zeros(count + step)
    low = max(0, first - step)
    part = signal[low : first + count]
    padded[low - first + step : low - first + step + len(part)] = part
    # Both filters start a frame early, so that they need no memories.
    early = np.concatenate([np.repeat(a[:1], mode.subframes, axis=0), a])
    nothing = np.zeros(order)
    weighted = np.zeros(count + step)
    search.weigh(padded, nothing, early, tuning.near, tuning.far, nothing, weighted)
    residual = np.zeros(count + step)
    search.weigh(padded, nothing, early, 1.0, 0.0, nothing, residual)
    rms = np.sqrt((residual[step:].reshape(frames, step) ** 2).mean(axis=1))
    energy = np.clip(np.rint(2 * np.log2(np.maximum(rms, 1e-3))), 0, 31).astype(np.int64)
    weighted = weighted[step:]
    lags = _open_loop(signal, first, frames, mode.rate, length, mode.subframes)
    return Analysis(
        around[1:], a, energy, weighted,
        _loudness(weighted, length, int(tuning.spread * mode.rate), tuning.flatness), lags,
    )  # fmt: skip


def _open_loop(
    signal: np.ndarray, first: int, frames: int, rate: int, length: int, subframes: int
) -> np.ndarray:
    scale = rate // 8000
    thin = signal[: len(signal) // scale * scale].reshape(-1, scale).mean(axis=1)
    centres = (first + length // 2 + length * np.arange(frames * subframes)) // scale
    correlation = pitch.correlate(thin, centres, 100, 18, 147)
    return pitch.track(correlation, 18, 2.0, 0.06) * scale


def _loudness(weighted: np.ndarray, length: int, reach: int, flatness: float) -> np.ndarray:
    sums = np.concatenate([[0.0], np.cumsum(weighted**2)])
    middle = np.arange(len(weighted) // length) * length + length // 2
    low = np.maximum(middle - length // 2 - reach, 0)
    high = np.minimum(middle + length // 2 + reach, len(weighted))
    power = (sums[high] - sums[low]) / (high - low)
    return length * (power + 30.0) ** flatness * 1e5 ** (1 - flatness)


def fresh_memories(order: int) -> np.ndarray:
    """Return the state of the encoder's filters, (2, order), after silence."""
    return np.zeros((2, order))


@dataclass(frozen=True, eq=False)
class Parameters:
    """The integers of one segment; see `syntax`."""

    frames: np.ndarray
    parts: np.ndarray
    pulses: np.ndarray


def choose(
    analysis: Analysis, memories: np.ndarray, tables: Tables, tuning: Tuning, trade: float
) -> Parameters:
    """Choose the parameters of a segment; `memories` are updated.

    `trade` is what a bit is worth in relative distortion.
    """
    mode = tables.mode
    count = len(analysis.energy)
    frames = np.zeros((count, 2 + syntax.LSF_STAGES), np.int64)
    frames[:, syntax.ENERGY] = analysis.energy
    decoded = np.zeros_like(analysis.lsf)
    lsf.quantize(
        analysis.lsf, analysis.energy, tables.mean, tables.rho, tables.books,
        tables.envelope_costs, tables.envelope_mode_costs, tuning.envelope * trade, SPACING,
        frames[:, syntax.ENVELOPE], frames[:, 2:], decoded,
    )  # fmt: skip
    a = np.zeros_like(analysis.a)
    search.predictors(decoded, decoded[0], mode.subframes, a)
    parts = np.zeros((len(a), 3), np.int64)
    pulses = np.zeros((len(a), mode.length), np.int8)
    search.search(
        analysis.weighted, analysis.loudness, analysis.lags, frames, a, analysis.a,
        tables, tuning, trade, memories, parts, pulses,
    )  # fmt: skip
    return Parameters(frames, parts, pulses)


def pack(parameters: Parameters, contexts: np.ndarray) -> bytes:
    """Return the bytes of a segment; `contexts` adapt."""
    state, buffer = encoder_state(), np.zeros(BUFFER, np.uint8)
    syntax.write(state, buffer, contexts, parameters.frames, parameters.parts, parameters.pulses)
    return finish(state, buffer)
