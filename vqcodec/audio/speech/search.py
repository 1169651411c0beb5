"""The encoder's search: which parameters make the decoder sound most like the input.

Analysis by synthesis (Schroeder and Atal 1985): every candidate excitation goes
through the decoder's filter, and the perceptually weighted difference counts.
The M-algorithm keeps several histories alive from subframe to subframe, and all
decisions minimise distortion / loudness + lambda * bits, plus a little for
candidates that are weaker or stronger than the target: the least-squares gain
of a poor match is too small, and holes in the spectrum are heard.

`search` is plain Python that calls one kernel a history and subframe: so each
is compiled once.
"""

# Kernels are typed by what they are called with:
# mypy: disallow-untyped-defs=False, check-untyped-defs=False

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from vqcodec.audio.speech.lpc import lsf_to_lpc
from vqcodec.audio.speech.pitch import repeat_past
from vqcodec.audio.speech.syntax import (
    ENERGY,
    GAIN,
    LAG_INDEX,
    LAG_STEPS,
    MOST_PULSES,
    PULSES,
    gain_context,
    step_context,
)
from vqcodec.audio.speech.synthesis import PAST, SHARPEST, blend, level_of, sharpen, widen
from vqcodec.jit import njit

if TYPE_CHECKING:
    from vqcodec.audio.speech.encode import Tuning
    from vqcodec.audio.speech.model import Tables

OPEN_LOOP_SPAN = 10  # grid steps on either side of the open-loop lag, every second one
TRACKED_SPAN = 4  # grid steps on either side of the lag before
LAGS_KEPT = 2


@njit
def predictors(lsf, before, subframes, result):
    """Set `result` (F * S, p + 1) to the predictors of all subframes, interpolated as decoded."""
    order = lsf.shape[1]
    mixed = np.zeros(order)
    work = np.zeros((2, order + 3))
    for s in range(result.shape[0]):
        f = s // subframes
        share = (s % subframes + 1) / subframes
        blend(before if f == 0 else lsf[f - 1], lsf[f], share, mixed)
        lsf_to_lpc(mixed, result[s], work)


@njit
def weigh(speech, past, a, near, far, tail, weighted):
    """Set `weighted` to A(z/near) / A(z/far) of `speech`; `a` (subframes, p + 1).

    `past` holds the p samples before, `tail` (p) the last outputs before; both newest first.
    """
    order = a.shape[1] - 1
    length = speech.shape[0] // a.shape[0]
    top = np.zeros(order + 1)
    bottom = np.zeros(order + 1)
    for n in range(speech.shape[0]):
        if n % length == 0:
            widen(a[n // length], near, top)
            widen(a[n // length], far, bottom)
        value = speech[n]
        for i in range(1, order + 1):
            value += top[i] * (speech[n - i] if n >= i else past[i - n - 1])
            value -= bottom[i] * (weighted[n - i] if n >= i else tail[i - n - 1])
        weighted[n] = value


@njit
def _respond(filters, excitation, inner, outer, output):
    """Filter through W(z) / A(z), updating the memories `inner` and `outer` (p, newest first)."""
    a, top, bottom = filters[0], filters[1], filters[2]
    order = a.shape[0] - 1
    for n in range(excitation.shape[0]):
        sample = excitation[n]
        for i in range(order):
            sample -= a[i + 1] * inner[i]
        value = sample
        for i in range(order):
            value += top[i + 1] * inner[i] - bottom[i + 1] * outer[i]
        for i in range(order - 1, 0, -1):
            inner[i] = inner[i - 1]
            outer[i] = outer[i - 1]
        inner[0] = sample
        outer[0] = value
        output[n] = value


@njit
def _convolve(h, x, y):
    for n in range(x.shape[0]):
        total = 0.0
        for k in range(n + 1):
            total += x[k] * h[n - k]
        y[n] = total


@njit
def _dot(x, y):
    total = 0.0
    for n in range(x.shape[0]):
        total += x[n] * y[n]
    return total


@njit
def _covariance(h, phi):
    """Set phi[i, j] to the inner product of `h` delayed by i and by j."""
    length = h.shape[0]
    for shift in range(length):
        total = 0.0
        for n in range(length - shift):
            total += h[n] * h[n + shift]
            i = length - 1 - n - shift
            phi[i, i + shift] = total
            phi[i + shift, i] = total


@njit
def _best_pulse(c, e, d, cross, own, used):
    """Return the place of the pulse that explains most next to those there, sign, and how much."""
    best = -1.0
    place = 0
    sign = 1.0
    for n in range(d.shape[0]):
        if used[n] == 0:
            for s in (1.0, -1.0):
                top = c + s * d[n]
                if top > 0.0:
                    value = top * top / max(e + 2.0 * s * cross[n] + own[n], 1e-9)
                    if value > best:
                        best = value
                        place = n
                        sign = s
    return place, sign, best


@njit
def _find_pulses(d, phi, u, most, start, rounds, positions, signs, explained):
    """Add pulses one by one up to `most`, or with `rounds` move the `start` that are there.

    `d` is the target seen through the filter, `phi` its covariance, from which
    the direction `u` (the repeated past) is projected out; explained[k] is the
    energy that k pulses explain.
    """
    length = d.shape[0]
    cross = np.zeros(length)
    own = np.zeros(length)
    used = np.zeros(length, np.int64)
    c = 0.0
    e = 0.0
    for n in range(length):
        own[n] = phi[n, n] - u[n] * u[n]
    steps = start + (most if rounds == 0 else rounds * start)
    for step in range(steps):
        k = step if step < start or rounds == 0 else (step - start) % start
        place = positions[k]
        sign = signs[k]
        if step >= start and rounds > 0:  # take it away
            for n in range(length):
                cross[n] -= sign * (phi[place, n] - u[place] * u[n])
            e -= 2.0 * sign * cross[place] + own[place]
            c -= sign * d[place]
            used[place] = 0
        if step >= start:
            place, sign, best = _best_pulse(c, e, d, cross, own, used)
            if rounds == 0:
                explained[k + 1] = best
                if best <= 0.0:
                    return
            elif best <= 0.0:  # nothing fits: put it back
                place = positions[k]
                sign = signs[k]
        e += 2.0 * sign * cross[place] + own[place]
        c += sign * d[place]
        used[place] = 1
        positions[k] = place
        signs[k] = sign
        for n in range(length):
            cross[n] += sign * (phi[place, n] - u[place] * u[n])


@njit
def _thinness(synthetic, energy):
    """Return how far the energy of a candidate lies from the target's, squared octaves."""
    octaves = math.log2((synthetic + 0.01 * energy + 1e-9) / (1.01 * energy + 1e-9))
    return octaves * octaves


@njit
def prepare(a, weights_a, near, far, filters, h, phi):
    """Set `filters` (3, p + 1: 1/A, numerator and denominator of W) and their response."""
    filters[0] = a
    widen(weights_a, near, filters[1])
    widen(weights_a, far, filters[2])
    memory = np.zeros((2, a.shape[0] - 1))
    unit = np.zeros(h.shape[0])
    unit[0] = 1.0
    _respond(filters, unit, memory[0], memory[1], h)
    _covariance(h, phi)


@njit
def _lag_bits(index, lag, motion, costs):
    """Return the bits of a lag after `lag`; `costs` (4, 2 + LAG_STEPS) and (1, lags)."""
    near, far = costs
    step = index - lag
    if lag >= 0 and -LAG_STEPS // 2 <= step < LAG_STEPS // 2:
        return near[motion, 1] + near[motion, 2 + step + LAG_STEPS // 2]
    return far[0, index] + (near[motion, 0] if lag >= 0 else 0.0)


@njit
def extend(
    m, cost, past, memory, status, sharpness, weighted, loudness, level, filters, h, phi, guess,
    lags, interpolation, both, adaptive, fixed, costs_voiced, costs_near, costs_lag, costs_count,
    costs_both, costs_adaptive, costs_fixed, arrangements, trade, fullness, most,
    candidates, next_cost, next_part, next_gain, next_pulses, next_excitation,
):  # fmt: skip
    """Propose successors of history `m`; return how many candidates there are now.

    `memory` (2, p) are its filters' memories, `status` its voicing decisions,
    lag, lag motion and number of pulses; `guess` is the open-loop lag's index;
    `most` is 0 in silent frames, which have neither pulses nor lags.
    """
    length = weighted.shape[0]
    target = np.zeros(length)
    one = np.zeros(length)
    other = np.zeros(length)
    sharp = np.zeros(length)
    d = np.zeros(length)
    u = np.zeros(length)
    code = np.zeros(length)
    z = np.zeros(length)
    sharp_phi = phi
    repeated = np.zeros((LAGS_KEPT, length))
    filtered = np.zeros((LAGS_KEPT, length))
    lag_score = np.zeros(LAGS_KEPT)
    lag_index = np.full(LAGS_KEPT, -1)
    lag_bits = np.zeros(LAGS_KEPT)
    positions = np.zeros(MOST_PULSES, np.int64)
    signs = np.zeros(MOST_PULSES)
    explained = np.zeros(MOST_PULSES + 1)
    trial = np.zeros(MOST_PULSES + 1)
    no_gains = np.zeros((1, 2))
    no_costs = np.zeros((1, 1))
    _respond(filters, target, memory[0].copy(), memory[1].copy(), one)
    for n in range(length):
        target[n] = weighted[n] - one[n]
    energy = _dot(target, target)
    scale = 1.0 / loudness
    press = fullness * energy * scale
    voiced, lag, motion, count = status[0], status[1], status[2], status[3]
    # The repeated past: the best lags by what they explain.
    tried = 0
    if most > 0:
        tried = OPEN_LOOP_SPAN + 3 + (2 * TRACKED_SPAN + 1 if lag >= 0 else 0)
    middle = -1
    for i in range(tried):
        if i <= OPEN_LOOP_SPAN:
            index = guess - OPEN_LOOP_SPAN + 2 * i
        elif i < tried - 2:
            index = lag - TRACKED_SPAN + i - OPEN_LOOP_SPAN - 1
        else:  # both sides of the best so far
            if i == tried - 2:
                middle = lag_index[0]
            if middle < 0:
                break
            index = middle + (1 if i == tried - 2 else -1)
        if not 0 <= index < lags.shape[0] or index == lag_index[0] or index == lag_index[1]:
            continue
        repeat_past(past, PAST, lags[index], interpolation, one)
        _convolve(h, one, other)
        cross = _dot(target, other)
        if cross <= 0.0:
            continue
        bits = _lag_bits(index, lag, motion, (costs_near, costs_lag))
        score = cross * cross / max(_dot(other, other), 1e-9) * scale - trade * bits
        for j in range(LAGS_KEPT):
            if lag_index[j] < 0 or score > lag_score[j]:
                for i2 in range(LAGS_KEPT - 1, j, -1):
                    lag_score[i2] = lag_score[i2 - 1]
                    lag_index[i2] = lag_index[i2 - 1]
                    lag_bits[i2] = lag_bits[i2 - 1]
                    repeated[i2] = repeated[i2 - 1]
                    filtered[i2] = filtered[i2 - 1]
                lag_score[j] = score
                lag_index[j] = index
                lag_bits[j] = bits
                repeated[j] = one
                filtered[j] = other
                break
    # Pulses, with each of the lags and without any.
    for option in range(-1, LAGS_KEPT):
        here = 0
        bits = costs_voiced[voiced, 0]
        yy = 1.0
        xy = 0.0
        sharp[:] = h
        one[:] = 0.0
        other[:] = 0.0
        sharp_phi = phi
        if option >= 0:
            if lag_index[option] < 0:
                continue
            here = 1
            bits = costs_voiced[voiced, 1] + lag_bits[option]
            one[:] = repeated[option]
            other[:] = filtered[option]
            xy = _dot(target, other)
            yy = max(_dot(other, other), 1e-9)
            if lags[lag_index[option]] < 4 * length and sharpness > 0.0:
                sharpen(sharp, lags[lag_index[option]], sharpness)
                sharp_phi = np.zeros((length, length))
                _covariance(sharp, sharp_phi)
        remaining = energy - xy * xy / yy
        for n in range(length):
            total_d = 0.0
            total_u = 0.0
            for k in range(n, length):
                total_d += (target[k] - xy / yy * other[k]) * sharp[k - n]
                total_u += other[k] * sharp[k - n]
            d[n] = total_d
            u[n] = total_u / math.sqrt(yy)
        explained[:] = 0.0
        first_positions = positions.copy()
        first_signs = signs.copy()
        _find_pulses(d, sharp_phi, u, most, 0, 0, first_positions, first_signs, explained)
        for k in range(most + 1):
            trial[k] = 1e30
            if k == 0 or explained[k] > 0.0:
                trial[k] = (remaining - explained[k]) * scale
                trial[k] += trade * (costs_count[here, count, k] + arrangements[k])
        for _ in range(2):  # the two most promising numbers of pulses
            k = 0
            for i in range(most + 1):
                if trial[i] < trial[k]:
                    k = i
            if trial[k] >= 1e30:
                break
            trial[k] = 1e30
            spent = bits + costs_count[here, count, k] + arrangements[k]
            positions[:] = first_positions
            signs[:] = first_signs
            if k > 1:
                _find_pulses(d, sharp_phi, u, most, k, 2, positions, signs, explained)
            code[:] = 0.0
            for i in range(k):
                code[positions[i]] = signs[i]
            _convolve(sharp, code, z)
            unit_gain = level * math.sqrt(length / max(k, 1))
            xz = _dot(target, z) * unit_gain
            yz = _dot(other, z) * unit_gain
            zz = _dot(z, z) * unit_gain * unit_gain
            context = gain_context(max(k, 1))
            book, costs = no_gains, no_costs
            if here and k > 0:
                book, costs = both, costs_both
            elif here:
                book, costs, context = adaptive, costs_adaptive, 0
            elif k > 0:
                book, costs = fixed, costs_fixed
            else:
                context = 0
            least = 1e30
            g = 0
            for i in range(book.shape[0]):
                p = book[i, 0]
                q = book[i, 1]
                full = p * p * yy + 2.0 * p * q * yz + q * q * zz
                value = (energy - 2.0 * (p * xy + q * xz) + full) * scale
                value += trade * costs[context, i]
                value += press * _thinness(full, energy)
                if value < least:
                    least = value
                    g = i
            # Into the list of candidates, which is sorted by cost.
            total = cost + least + trade * spent
            place = candidates
            while place > 0 and next_cost[place - 1] > total:
                place -= 1
            if place >= next_cost.shape[0]:
                continue
            candidates = min(candidates + 1, next_cost.shape[0])
            for i in range(candidates - 1, place, -1):
                next_cost[i] = next_cost[i - 1]
                next_part[i] = next_part[i - 1]
                next_gain[i] = next_gain[i - 1]
                next_pulses[i] = next_pulses[i - 1]
                next_excitation[i] = next_excitation[i - 1]
            next_cost[place] = total
            next_gain[place] = book[g, 0]
            next_part[place, LAG_INDEX] = lag_index[option] if here else -1
            next_part[place, PULSES] = k
            next_part[place, GAIN] = g
            next_part[place, 3] = m
            next_pulses[place] = 0
            for i in range(k):
                next_pulses[place, positions[i]] = np.int8(signs[i])
            if here:
                sharpen(code, lags[lag_index[option]], sharpness)
            for n in range(length):
                next_excitation[place, n] = book[g, 0] * one[n] + book[g, 1] * unit_gain * code[n]
    return candidates


@njit
def advance(
    living, silent, filters, past, memories, status, sharpness, cost,
    next_cost, next_part, next_gain, next_excitation,
):  # fmt: skip
    """Make the best candidates the histories."""
    length = next_excitation.shape[1]
    output = np.zeros(length)
    old_past = past.copy()
    old_memories = memories.copy()
    old_status = status.copy()
    for m in range(living):
        p = next_part[m, 3]
        cost[m] = next_cost[m] - next_cost[0]
        past[m, : PAST - length] = old_past[p, length:]
        past[m, PAST - length :] = next_excitation[m]
        memories[m] = old_memories[p]
        _respond(filters, next_excitation[m], memories[m, 0], memories[m, 1], output)
        sharpness[m] = min(SHARPEST, next_gain[m])
        status[m] = old_status[p]
        if silent:
            status[m] = 0
            status[m, 1] = -1
            continue
        lag = next_part[m, LAG_INDEX]
        status[m, 0] = (status[m, 0] << 1 | (1 if lag >= 0 else 0)) & 7
        if lag >= 0:
            step = lag - status[m, 1]
            close = status[m, 1] >= 0 and -LAG_STEPS // 2 <= step < LAG_STEPS // 2
            status[m, 2] = step_context(step) if close else 0
            status[m, 1] = lag
        status[m, 3] = next_part[m, PULSES]


def search(
    weighted: np.ndarray, loudness: np.ndarray, open_loop: np.ndarray, frames: np.ndarray,
    a: np.ndarray, weights_a: np.ndarray, tables: Tables, tuning: Tuning, trade: float,
    memories: np.ndarray, parts: np.ndarray, pulses: np.ndarray,
) -> None:  # fmt: skip
    """Set `parts` and `pulses` of a segment; `memories` (2, p) of the filters are updated.

    `weighted` is the target, `loudness` (subframes) what distortion is divided
    by, `open_loop` the analysis's lags in samples, `a` and `weights_a` the decoded
    and the original predictors; a bit is worth `trade`.
    """
    total, length = pulses.shape
    subframes = total // len(frames)
    order = a.shape[1] - 1
    alive = tuning.alive
    guesses = np.abs(tables.lags[None, :] - 4 * open_loop[:, None]).argmin(axis=1)
    cost = np.zeros(alive)
    past = np.zeros((alive, PAST))
    states = np.zeros((alive, 2, order))
    states[0] = memories
    status = np.zeros((alive, 4), np.int64)
    status[:, 1] = -1
    sharpness = np.zeros(alive)
    next_cost = np.zeros(alive)
    next_gain = np.zeros(alive)
    next_excitation = np.zeros((alive, length))
    kept_part = np.zeros((total, alive, 4), np.int64)
    kept_pulses = np.zeros((total, alive, length), np.int8)
    filters = np.zeros((3, order + 1))
    h = np.zeros(length)
    phi = np.zeros((length, length))
    living = 1
    for s in range(total):
        energy = int(frames[s // subframes, ENERGY])
        prepare(a[s], weights_a[s], tuning.near, tuning.far, filters, h, phi)
        candidates = 0
        for m in range(living):
            candidates = extend(
                m, cost[m], past[m], states[m], status[m], sharpness[m],
                weighted[s * length : (s + 1) * length], loudness[s], level_of(energy),
                filters, h, phi, guesses[s], tables.lags, tables.taps, *tables.gain_books,
                *tables.search_costs, trade, tuning.fullness,
                min(tuning.most, MOST_PULSES) if energy else 0, candidates,
                next_cost, kept_part[s], next_gain, kept_pulses[s], next_excitation,
            )  # fmt: skip
        living = candidates
        advance(
            living, energy == 0, filters, past, states, status, sharpness, cost,
            next_cost, kept_part[s], next_gain, next_excitation,
        )  # fmt: skip
    memories[:] = states[0]
    m = 0
    for s in range(total - 1, -1, -1):
        parts[s] = kept_part[s, m, :3]
        pulses[s] = kept_pulses[s, m]
        m = kept_part[s, m, 3]
