"""From parameters to sound: excitation, 1/A(z), post-filter.

Everything here is float64 without shortcuts in a fixed order, and no bit of
the stream depends on it.
"""

# Kernels are typed by what they are called with:
# mypy: disallow-untyped-defs=False, check-untyped-defs=False

from __future__ import annotations

import math

import numpy as np

from vqcodec.audio.speech.lpc import lsf_to_lpc
from vqcodec.audio.speech.pitch import repeat_past
from vqcodec.audio.speech.syntax import ENERGY, GAIN, LAG_INDEX, PULSES
from vqcodec.jit import njit

PAST = 640  # samples of excitation a lag may reach back, filters included
SHARPEST = 0.8  # bound of the gain with which short lags repeat pulses


@njit
def level_of(energy):
    """Return the root mean square of an energy level: steps of 3 dB, full scale 32768."""
    return 2.0 ** (0.5 * energy)


@njit
def sharpen(vector, lag, gain):
    """Repeat what `vector` holds after `lag` quarter samples, times `gain`, if it is that long."""
    whole = (lag + 2) // 4
    for n in range(whole, vector.shape[0]):
        vector[n] += gain * vector[n - whole]


@njit
def blend(before, after, share, mixed):
    """Set `mixed` to the envelope `share` of the way from one frame's to the next's."""
    for i in range(mixed.shape[0]):
        mixed[i] = (1.0 - share) * before[i] + share * after[i]


@njit
def excite(frames, parts, pulses, lags, filters, both, fixed, adaptive, excitation):
    """Set `excitation` (PAST + samples), of which the first PAST samples are given."""
    length = pulses.shape[1]
    subframes = parts.shape[0] // frames.shape[0]
    repeated = np.zeros(length)
    code = np.zeros(length)
    sharpness = 0.0
    for s in range(parts.shape[0]):
        place = PAST + s * length
        f = s // subframes
        if frames[f, ENERGY] == 0:
            excitation[place : place + length] = 0.0
            sharpness = 0.0
            continue
        level = level_of(frames[f, ENERGY])
        lag, count, gain = parts[s, LAG_INDEX], parts[s, PULSES], parts[s, GAIN]
        pitch_gain = 0.0
        code_gain = 0.0
        if lag >= 0 and count > 0:
            pitch_gain = both[gain, 0]
            code_gain = both[gain, 1]
        elif lag >= 0:
            pitch_gain = adaptive[gain]
        elif count > 0:
            code_gain = fixed[gain]
        if count > 0:
            code_gain *= level * math.sqrt(length / count)
            for n in range(length):
                code[n] = pulses[s, n]
        if lag >= 0:
            repeat_past(excitation, place, lags[lag], filters, repeated)
            if count > 0:
                sharpen(code, lags[lag], sharpness)
        for n in range(length):
            excitation[place + n] = pitch_gain * repeated[n] if lag >= 0 else 0.0
            if count > 0:
                excitation[place + n] += code_gain * code[n]
        sharpness = min(SHARPEST, pitch_gain)


@njit
def filter_through(lsf, subframes, excitation, near, far, memory, speech, output):
    """Set `speech` to `excitation` (PAST + samples) through 1/A(z), `output` to it post-filtered.

    The post-filter A(z/near) / A(z/far) deepens the valleys between formants (Chen and
    Gersho 1995) and keeps the energy. `memory` holds the last p samples of `speech`,
    the last p of the post-filter, newest first, and its gain.
    """
    order = lsf.shape[1]
    length = speech.shape[0] // (lsf.shape[0] * subframes)
    mixed = np.zeros(order)
    a = np.zeros(order + 1)
    top = np.zeros(order + 1)
    bottom = np.zeros(order + 1)
    work = np.zeros((2, order + 3))
    spoken = memory[:order].copy()
    polished = memory[order : 2 * order].copy()
    gain = memory[2 * order]
    for part in range(lsf.shape[0] * subframes):
        f = part // subframes
        blend(lsf[max(f - 1, 0)], lsf[f], (part % subframes + 1) / subframes, mixed)
        lsf_to_lpc(mixed, a, work)
        widen(a, near, top)
        widen(a, far, bottom)
        energy = 1.0
        filtered = 1.0
        start = part * length
        for n in range(start, start + length):
            value = excitation[PAST + n]
            for i in range(order):
                value -= a[i + 1] * spoken[i]
            result = value
            for i in range(order):
                result += top[i + 1] * spoken[i] - bottom[i + 1] * polished[i]
            for i in range(order - 1, 0, -1):
                spoken[i] = spoken[i - 1]
                polished[i] = polished[i - 1]
            spoken[0] = value
            polished[0] = result
            speech[n] = value
            output[n] = result
            energy += value * value
            filtered += result * result
        target = math.sqrt(energy / filtered)
        for n in range(length):
            output[start + n] *= gain + (target - gain) * (n + 1) / length
        gain = target
    memory[:order] = spoken
    memory[order : 2 * order] = polished
    memory[2 * order] = gain


@njit
def widen(a, factor, result):
    """Set `result` to A(z / factor)."""
    power = 1.0
    for i in range(a.shape[0]):
        result[i] = a[i] * power
        power *= factor
