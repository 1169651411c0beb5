# mypy: allow-untyped-defs, no-check-untyped-defs
"""What only the encoder computes: angles, energies, and the vectors' symbols."""

from __future__ import annotations

import math

import numpy as np

from vqcodec.audio.bands import ENERGY_LIMIT
from vqcodec.audio.masking import derive_steps
from vqcodec.audio.mixing import kernel
from vqcodec.audio.stereo import COSINE, SINE, TURNS, rotate
from vqcodec.audio.stream import resample
from vqcodec.audio.trellis import quantise_channel


@kernel("f8(f8,f8,f8,f8,f8)")
def _pair_bits(a, b, count, noise_a, noise_b):
    """Return the bits of two bands of given mean powers at given noise powers."""
    return 0.5 * count * (math.log2(1 + a / noise_a) + math.log2(1 + b / noise_b))


@kernel("void(f4[:,::1],i8,i8[:,::1],i8,i8,i8[::1],f8[::1],f8,i8[::1])")
def choose_angles(x, start, edges, level, bands, expected, thresholds, gamma, turns):
    """Choose the angle of each band of a block and rotate the coefficients `x` (2, n).

    expected : (BANDS,) int64, angles of the block before in the bands of this one
    thresholds : (BANDS,) float64, noise power at the power 1; gamma : float, its exponent
    turns : (BANDS,) int64, the result
    """
    for band in range(bands):
        low, high = start + edges[level, band], start + edges[level, band + 1]
        count = high - low
        ll = rr = lr = 1e-9
        for k in range(low, high):
            left, right = np.float64(x[0, k]), np.float64(x[1, k])
            ll += left * left
            rr += right * right
            lr += left * right
        ll /= count
        rr /= count
        lr /= count
        axis = 0.5 * math.atan2(2 * lr, ll - rr)
        principal = math.floor(axis * (TURNS / math.pi) + 0.5) % TURNS
        noise_left = thresholds[band] * ll**gamma + 1e-3
        noise_right = thresholds[band] * rr**gamma + 1e-3
        best = 1e300
        choice = 0
        for candidate in range(4):
            if candidate == 0:
                turn = expected[band]
            elif candidate == 1:
                turn = 0
            elif candidate == 2:
                turn = principal
            else:
                turn = turns[band - 1] if band > 0 else 0
            c, s = np.float64(COSINE[turn]), np.float64(SINE[turn])
            one = c * c * ll + s * s * rr + 2 * c * s * lr
            two = max(0.0, ll + rr - one)
            noise_one = 1 / (c * c / noise_left + s * s / noise_right)
            noise_two = 1 / (s * s / noise_left + c * c / noise_right)
            bits = _pair_bits(one, two, count, noise_one, noise_two)
            if turn != expected[band]:
                bits += 6.0
            if bits < best:
                best = bits
                choice = turn
        turns[band] = choice
        if choice != 0:
            rotate(x, low, high, choice)


@kernel(
    "void(f4[:,::1],i8,i8,i8[::1],i8[:,::1],i8[::1],i8[:,:,::1],i8[:,::1],i8,f8[:,::1],f8,b1,"
    "i8[:,::1],i8[:,:,::1],i8[::1])"
)
def measure(
    x, frame, blocks, levels, edges, counts, nearest, floor, quiet, thresholds, gamma, stereo,
    angles, energies, expected,
):  # fmt: skip
    """Fill angles and energies of an element, rotating its coefficients in place.

    x : (channels, n) float32; floor : (6, BANDS) int64, see `masking`
    quiet : int, bands this far below the floor (logarithm) are silenced
    thresholds : (6, BANDS) float64
    expected : (BANDS,) int64, work space
    """
    start = 0
    level_before = levels[0]
    for block in range(blocks):
        level = levels[block]
        bands = counts[level]
        if x.shape[0] == 2 and stereo:
            for band in range(bands):
                place = nearest[level, level_before, band]
                expected[band] = angles[block - 1, place] if block > 0 else 0
            choose_angles(x, start, edges, level, bands, expected, thresholds[level], gamma,
                          angles[block])  # fmt: skip
        for channel in range(x.shape[0]):
            for band in range(bands):
                low, high = start + edges[level, band], start + edges[level, band + 1]
                total = 0.0
                for k in range(low, high):
                    total += np.float64(x[channel, k]) * np.float64(x[channel, k])
                octaves = math.log2(256 * total / (high - low) + 1e-9)
                energy = np.int64(math.floor(octaves + 0.5))
                if octaves * 256 < floor[level, band] - quiet:
                    energy = 0
                energies[block, channel, band] = min(ENERGY_LIMIT, max(0, energy))
        level_before = level
        start += frame >> level


@kernel(
    "void(f4[:,::1],i8,i8,i8[::1],i8[::1],i8[:,::1],i8[::1],i8[:,::1],i8[:,::1],i8[:,::1],"
    "i8[:,::1],i8[:,::1],i8,i8[::1],i8,i8[:,::1],i8[:,:,::1],i8[:,:,::1],i8[:,:,::1],f4,f4[:,:,::1],"
    "i8[::1],i8,i8[:,:,::1],i8[:,:,::1],i8[:,:,::1],i8[::1],i2[:,::1],i4[:,::1],i1[:,::1],f4[:,:,::1],"
    "i8[:,::1],i8[:,::1],f4[:,:,::1],i8[:,::1],f4[:,::1],i8[:,:,::1],f8[:,::1])"
)
def quantise(
    x, frame, blocks, levels, offsets, edges, counts, up, down, floor, tilt, width, knob, law,
    skip, angles, energies, steps, level_weights, lagrangian, costs, index, side, codewords,
    rows, small, f, symbols, values, expectations, importance, trail, emptied, carried, desk, sizes,
    numbers, cost,
):  # fmt: skip
    """Choose all symbols of an element; the arrays are those of `stream.code_element`.

    costs : (KINDS, levels, symbols) float32, bits of each symbol with its signs
    importance : (blocks, channels, BANDS) float32, what a squared step of error counts
    expectations : (channels, n / d) int8, level of each vector, -1 where none is coded
    The last seven are the arrays of a `trellis.Search`.
    """
    start = 0
    level_before = 0
    rows[:] = 0
    turn = 0
    for block in range(blocks):
        level = levels[block]
        size = frame >> level
        bands = counts[level]
        if level != level_before:
            for channel in range(x.shape[0]):
                for row in range(3):
                    resample(rows[channel, row], size, frame >> level_before)
        derive_steps(energies[block], angles[block], x.shape[0], level, bands, edges,
                     knob - offsets[block] * 128, law, up, down, floor, tilt, width, small[3],
                     steps[block])  # fmt: skip
        new, one, two = turn, (turn + 2) % 3, (turn + 1) % 3
        for channel in range(x.shape[0]):
            other = rows[0, new] if channel > 0 else rows[x.shape[0] - 1, one]
            second = 1 if channel > 0 else 0
            quantise_channel(
                x[channel, start : start + size], f, second, level, bands, edges,
                energies[block, channel], steps[block, channel], importance[block, channel], skip,
                level_weights, lagrangian, costs, index, side, codewords, rows[channel, new],
                rows[channel, one], rows[channel, two], other, symbols[channel], values[channel],
                start, expectations[channel], trail, emptied, carried, desk, sizes, numbers, cost,
            )  # fmt: skip
        turn = (turn + 1) % 3
        start += size
        level_before = level
