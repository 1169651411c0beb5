"""Linear prediction: samples -> autocorrelation -> predictor <-> line spectral frequencies.

The predictor is A(z) = 1 + a1 z^-1 + ... + ap z^-p. Line spectral frequencies
(Itakura 1975) are the angles of the zeros of the symmetric and antisymmetric
parts of A on the unit circle, in radians: as long as they ascend, 1/A is
stable, which is what makes them fit for vector quantisation.
"""

# Kernels are typed by what they are called with:
# mypy: disallow-untyped-defs=False, check-untyped-defs=False

from __future__ import annotations

import math

import numpy as np

from vqcodec.jit import njit

GRID = 512  # points on which the zeros are bracketed
BISECTIONS = 12


@njit
def lsf_to_lpc(lsf, a, work):
    """Set `a` (p + 1) from `lsf` (p, ascending, p even); `work` is (2, p + 3) scratch.

    Multiplies out the two polynomials from their quadratic factors.
    """
    order = lsf.shape[0]
    half = order // 2
    for part in range(2):
        poly = work[part]
        poly[:] = 0.0
        poly[0] = 1.0
        for i in range(half):
            b = -2.0 * math.cos(lsf[2 * i + part])
            for n in range(2 * i + 2, 1, -1):
                poly[n] += b * poly[n - 1] + poly[n - 2]
            poly[1] += b
    a[0] = 1.0
    for n in range(1, order + 1):
        symmetric = work[0, n] + work[0, n - 1]
        antisymmetric = work[1, n] - work[1, n - 1]
        a[n] = 0.5 * (symmetric + antisymmetric)


@njit
def order_lsf(lsf, spacing):
    """Make `lsf` ascend with at least `spacing` between neighbours and to 0 and pi."""
    order = lsf.shape[0]
    for i in range(1, order):  # insertion sort
        value = lsf[i]
        j = i - 1
        while j >= 0 and lsf[j] > value:
            lsf[j + 1] = lsf[j]
            j -= 1
        lsf[j + 1] = value
    low = spacing
    for i in range(order):
        lsf[i] = max(lsf[i], low)
        low = lsf[i] + spacing
    high = math.pi - spacing
    for i in range(order - 1, -1, -1):
        lsf[i] = min(lsf[i], high)
        high = lsf[i] - spacing


# --- analysis (encoder and trainer only) -----------------------------------------


def predictors(parts: np.ndarray, lags: np.ndarray) -> np.ndarray:
    """Return the predictors (n, p + 1) of windowed signals (n, samples).

    By the autocorrelation, weighed by `lags` (p + 1), and Levinson's recursion.
    """
    count, length = parts.shape
    order = len(lags) - 1
    r = np.stack(
        [(parts[:, k:] * parts[:, : length - k]).sum(axis=1) for k in range(order + 1)], axis=1
    )
    r *= lags
    a = np.zeros((count, order + 1))
    a[:, 0] = 1.0
    error = r[:, 0] + 1e-3
    for i in range(1, order + 1):
        reflection = -(a[:, :i] * r[:, i:0:-1]).sum(axis=1) / error
        a[:, 1 : i + 1] += reflection[:, None] * a[:, i - 1 :: -1][:, :i]
        error *= 1.0 - reflection**2
    return a


def lpc_to_lsf(a: np.ndarray) -> np.ndarray:
    """Return the line spectral frequencies (n, p) of predictors (n, p + 1), p even.

    On the unit circle both polynomials are cosine series: their changes of sign
    on a grid, bisected. A predictor some of whose zeros are not found gets the
    frequencies of the one before it.
    """
    half = (a.shape[1] - 1) // 2
    flipped = a[:, ::-1]
    series = []
    for sign in (1.0, -1.0):  # symmetric part / (1 + z), antisymmetric part / (1 - z)
        whole = np.zeros((len(a), half + 1))
        whole[:, 0] = 1.0
        for n in range(1, half + 1):
            whole[:, n] = a[:, n] + sign * flipped[:, n - 1] - sign * whole[:, n - 1]
        cosines = 2.0 * whole[:, ::-1]
        cosines[:, 0] *= 0.5
        series.append(cosines)
    grid = np.pi * np.arange(GRID + 1) / GRID
    basis = np.cos(np.outer(np.arange(half + 1), grid))
    result = np.empty((len(a), 2 * half))
    good = np.ones(len(a), bool)
    for part, cosines in enumerate(series):
        below = cosines @ basis < 0.0
        changes = below[:, 1:] != below[:, :-1]
        good &= changes.sum(axis=1) == half
        rows, cells = np.nonzero(changes)
        low, high = grid[cells], grid[cells + 1]
        left = below[rows, cells]
        for _ in range(BISECTIONS):
            middle = 0.5 * (low + high)
            angles = np.arange(half + 1) * middle[:, None]
            same = ((cosines[rows] * np.cos(angles)).sum(axis=1) < 0.0) == left
            low, high = np.where(same, middle, low), np.where(same, high, middle)
        roots = 0.5 * (low + high)
        result[good, part::2] = roots[good[rows]].reshape(-1, half)
    even = np.pi * np.arange(1, 2 * half + 1) / (2 * half + 1)
    for i in np.flatnonzero(~good):
        result[i] = result[i - 1] if i > 0 else even
    return result


def analyse(
    signal: np.ndarray,
    first: int,
    frames: int,
    step: int,
    window: np.ndarray,
    lags: np.ndarray,
) -> np.ndarray:
    """Return the line spectral frequencies (frames, p) around first, first + step, ..."""
    length = len(window)
    starts = first - length // 2 + step * np.arange(frames)
    places = starts[:, None] + np.arange(length)
    inside = (places >= 0) & (places < len(signal))
    parts = np.where(inside, signal[np.clip(places, 0, len(signal) - 1)], 0.0) * window
    return lpc_to_lsf(predictors(parts, lags))


def analysis_window(length: int) -> np.ndarray:
    """Return a Hann window without its zeros."""
    return np.sin(np.pi * (np.arange(length) + 0.5) / length) ** 2


def lag_window(order: int, rate: int, hertz: float = 50.0, floor: float = 1e-4) -> np.ndarray:
    """Return the Gaussian lag window that widens formants by `hertz` (Tohkura 1978)."""
    window = np.exp(-0.5 * (2 * np.pi * hertz * np.arange(order + 1) / rate) ** 2)
    window[0] += floor
    return window


@njit
def highpass(signal, memory, rate):
    """Filter `signal` in place by a second-order Butterworth high-pass at 60 Hz."""
    k = math.tan(math.pi * 60.0 / rate)
    norm = 1.0 / (1.0 + math.sqrt(2.0) * k + k * k)
    a1 = 2.0 * (k * k - 1.0) * norm
    a2 = (1.0 - math.sqrt(2.0) * k + k * k) * norm
    for n in range(signal.shape[0]):
        w = signal[n] - a1 * memory[0] - a2 * memory[1]
        signal[n] = norm * (w - 2.0 * memory[0] + memory[1])
        memory[1] = memory[0]
        memory[0] = w
