"""Pitch: the grid of lags, the interpolation of the past, and the open-loop track.

Lags lie on a grid that is about even on a logarithmic scale: quarters of a
sample for the highest voices, whole samples for the lowest (after Kroon and
Atal 1991). They are kept in quarter samples.
"""

# Kernels are typed by what they are called with:
# mypy: disallow-untyped-defs=False, check-untyped-defs=False

from __future__ import annotations

import numpy as np

from vqcodec.jit import njit

STEP = 12  # samples by which a pitch track moves at most, but for jumps
REACH = 8  # samples on either side that the interpolation looks at


def lag_grid(rate: int) -> np.ndarray:
    """Return the legal lags in quarter samples, ascending; at most 255."""
    grid = [*range(72, 160, 1), *range(160, 320, 2), *range(320, 592, 4)]
    return np.array(grid, np.int64) * (rate // 8000)


def taps() -> np.ndarray:
    """Return the interpolation filters (4 phases, 2 * REACH): a windowed sinc."""
    n = np.arange(-REACH + 1, REACH + 1)
    x = np.arange(4)[:, None] / 4 - n[None, :]
    return np.sinc(x) * np.cos(np.pi * x / (2 * REACH + 1)) ** 2


@njit
def repeat_past(past, place, lag, filters, vector):
    """Set `vector` to the excitation `past` (read up to `place`) of `lag` quarter samples ago.

    Where the lag is shorter than the vector it repeats itself. Lags must be at
    least 4 * (REACH + 1) and the past long enough.
    """
    length = vector.shape[0]
    whole = (lag + 3) // 4
    phase = whole * 4 - lag  # the sample lies phase / 4 after `whole` samples ago
    for n in range(length):
        start = n - whole - REACH + 1
        total = 0.0
        if phase == 0:
            total = past[place + n - whole] if n < whole else vector[n - whole]
        else:
            for j in range(2 * REACH):
                m = start + j
                value = past[place + m] if m < 0 else vector[m]
                total += filters[phase, j] * value
        vector[n] = total


# --- open-loop analysis (encoder only) ---------------------------------------------


def correlate(
    signal: np.ndarray, centres: np.ndarray, half: int, shortest: int, longest: int
) -> np.ndarray:
    """Return the normalised correlations (centres, lags) of windows of 2 * half samples.

    Negative ones count as zero. Windows are centred between a sample and its past.
    """
    result = np.zeros((len(centres), longest - shortest + 1))
    squares = np.concatenate([[0.0], np.cumsum(signal**2)])
    for lag in range(shortest, longest + 1):
        products = np.zeros(len(signal) + 1)
        np.cumsum(signal[lag:] * signal[:-lag], out=products[lag + 1 :])
        low = np.clip(centres - half + lag // 2, lag, len(signal))
        high = np.clip(centres + half + lag // 2, lag, len(signal))
        here = squares[high] - squares[low] + 1.0
        there = squares[high - lag] - squares[low - lag] + 1.0
        cross = products[high] - products[low]
        result[:, lag - shortest] = np.maximum(cross, 0.0) / np.sqrt(here * there)
    return result


def track(correlation: np.ndarray, shortest: int, bend: float, favour: float) -> np.ndarray:
    """Return the path of lags that maximises correlation less `bend` * log-ratio of steps.

    Dynamic programming over all frames (Viterbi 1967); `favour` prefers short
    lags against their multiples. A jump anywhere costs half a unit.
    """
    frames, count = correlation.shape
    logs = np.log(shortest + np.arange(count))
    origins = np.clip(np.arange(count)[:, None] + np.arange(-STEP, STEP + 1), 0, count - 1)
    prices = bend * np.abs(logs[:, None] - logs[origins])
    gains = correlation * (1.0 - favour * (logs - logs[0]))
    back = np.zeros((frames, count), np.int64)
    score = gains[0].copy() if frames else np.zeros(count)
    everywhere = np.arange(count)
    for i in range(1, frames):
        best = int(score.argmax())
        values = score[origins] - prices
        choice = values.argmax(axis=1)
        near = values[everywhere, choice]
        jumped = score[best] - np.minimum(0.5, bend * np.abs(logs - logs[best]))
        back[i] = np.where(jumped > near, best, origins[everywhere, choice])
        score = gains[i] + np.maximum(near, jumped)
    path = np.zeros(frames, np.int64)
    k = int(score.argmax())
    for i in range(frames - 1, -1, -1):
        path[i] = shortest + k
        k = back[i, k]
    return path
