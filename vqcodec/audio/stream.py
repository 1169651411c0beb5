# mypy: allow-untyped-defs, no-check-untyped-defs
"""The syntax of a segment: one kernel that writes it, or reads it.

For each element (one channel or a pair) and each frame: the tree of block
sizes; for each block: offset of the steps, angles (pairs), then for each
channel the energies, then for each channel the vectors of all bands that are
loud enough to matter. Everything is an integer here.
"""

from __future__ import annotations

import numpy as np

from vqcodec.audio.bands import BANDS, LEVELS, code_energies
from vqcodec.audio.contexts import (
    EMPTY,
    EMPTY_BELOW,
    ENERGY_SETS,
    KINDS,
    OFFSET_LIMIT,
    OFFSETS,
    PAD,
    REST,
    SPLITS,
    VECTOR_FIRST,
    vector_contexts,
    vector_features,
    vector_level,
)
from vqcodec.audio.masking import INVERSE, STEP, derive_steps, power_of
from vqcodec.audio.mixing import code_plain, code_with, kernel
from vqcodec.audio.quantizer import KIND, VALUE_BITS, code_vector
from vqcodec.audio.stereo import code_angles

MARK = 0x5A3
_AMPLITUDE_LIMIT = 1 << 26


@kernel("UniTuple(i8,2)(u8[::1],u1[::1],b1,u4[::1],i8[::1],i8,i8)")
def code_tree(state, buffer, encoding, plain, levels, block, last):
    """Encode or decode the block sizes of one frame, from `levels[block]` on.

    Returns the number of the block after the frame, and the level of its last block.
    """
    depth = 0
    place = 0  # in smallest blocks
    while place < 1 << (LEVELS - 1):
        while depth < LEVELS - 1:
            split = 1 if levels[block] > depth else 0
            if code_plain(state, buffer, encoding, plain, SPLITS + depth * 7 + last, split) == 0:
                break
            depth += 1
        levels[block] = depth
        last = depth
        block += 1
        place += 1 << (LEVELS - 1 - depth)
        # The next block is as deep as its position allows: the left edge of a subtree.
        depth = 0
        while depth < LEVELS - 1 and place & ((1 << (LEVELS - 1 - depth)) - 1):
            depth += 1
    return block, last


@kernel("void(i8[::1],i8,i8)")
def resample(row, size, size_before):
    """Bring the amplitudes of a block of another size to this one, in place."""
    if size < size_before:
        ratio = size_before // size
        for k in range(size):
            total = np.int64(0)
            for i in range(ratio):
                total += row[PAD + k * ratio + i]
            row[PAD + k] = total // ratio
        for k in range(size, size + PAD):
            row[PAD + k] = 0
    else:
        ratio = size // size_before
        for k in range(size - 1, -1, -1):
            row[PAD + k] = row[PAD + k // ratio]
        for k in range(size, size + PAD):
            row[PAD + k] = 0


@kernel(
    "void(u8[::1],u1[::1],b1,u4[::1],u4[::1],i4[:,::1],i8,i8[::1],i8[::1],i8,i8,i8,i8[:,::1],"
    "i8[::1],i8[::1],i8,i8[:,:,::1],i8[::1],i8[::1],i8[::1],i8[:,:,::1],i8[:,::1],i8,i8[::1],"
    "i8[::1],i8[::1],i8[::1],i2[::1],i4[::1],i8,i8[::1],i8[::1],i8[::1])"
)
def code_channel(
    state, buffer, encoding, states, plain, weights, limit, at, f, channel, level, bands, edges,
    energies, steps, skip, level_weights, left, right, ways, codewords, after, nodes,
    current, before, older, other, symbols, values, start, nearest, occupied, occupied_before,
):  # fmt: skip
    """Encode or decode the vectors of one channel of a block."""
    d = codewords.shape[2]
    trellis = np.int64(0)
    second = 1 if channel > 0 else 0
    running = np.int64(0)
    last = second_last = np.int64(0)
    lower = 1
    for band in range(bands):
        low, high = edges[level, band], edges[level, band + 1]
        step = steps[band]
        ratio = 4 * energies[band] - step
        empty = 1 if energies[band] == 0 or ratio < skip else 0
        if not empty and ratio < EMPTY_BELOW:
            empty = 1
            for i in range((start + low) // d, (start + high) // d):
                empty = 0 if symbols[i] != 0 else empty
            row = min(15, max(0, (ratio + 24) >> 1)) * 2 + lower
            place = EMPTY + row * 2 + occupied_before[nearest[band]]
            empty = code_plain(state, buffer, encoding, plain, place, empty)
        lower = 1 - empty
        occupied[band] = lower
        if empty:
            for k in range(low, high):
                current[PAD + k] = 0
                values[start + k] = 0
            for i in range((start + low) // d, (start + high) // d):
                symbols[i] = 0
            running >>= 2
            last = second_last = 0
            continue
        inverse = INVERSE[step]
        rest = power_of(ratio) * (high - low)
        for k in range(low, high, d):
            vector_features(f, current, before, older, other, k, d, inverse, rest // (high - k),
                            running)  # fmt: skip
            expected = vector_level(f, level_weights, level, second)
            kind = KIND[trellis]
            vector_contexts(at, f, expected, level, channel, band, last, second_last, kind, nodes)
            set1 = ENERGY_SETS + np.int64(REST[min(f[1] >> 1, 2047)]) * nodes
            set2 = ENERGY_SETS + (VECTOR_FIRST + expected * KINDS + kind) * nodes
            symbol = np.int64(symbols[(start + k) // d])
            symbol, trellis = code_vector(
                state, buffer, encoding, states, plain, weights, limit, at, set1, set2, left,
                right, ways[symbol], codewords, after, expected, symbol, values, start + k, trellis,
            )  # fmt: skip
            symbols[(start + k) // d] = symbol
            second_last = last
            last = np.int64(0)
            mean = np.int64(0)
            for i in range(d):
                magnitude = abs(np.int64(values[start + k + i]))
                mean += magnitude
                last += (magnitude + 32) >> VALUE_BITS
                rest -= (magnitude * magnitude) >> 4
                current[PAD + k + i] = min(_AMPLITUDE_LIMIT, (magnitude * STEP[step]) >> VALUE_BITS)
            rest = max(rest, 0)
            running += ((min(mean >> (d - 1), 32767) - running) * 77) >> 8
    for k in range(edges[level, bands], edges[level, bands] + PAD):
        current[PAD + k] = 0


@kernel(
    "i8(u8[::1],u1[::1],b1,i8,i8,i8[:,::1],i8[::1],i8[:,:,::1],i8[:,::1],i8[:,::1],i8[:,::1],"
    "i8[:,::1],i8[:,::1],i8,i8[::1],i8,u4[::1],u4[::1],i4[:,::1],i8,i8[:,:,:,::1],i8[:,:,::1],"
    "i8[::1],i8[::1],i8[::1],i8[:,:,::1],i8[:,::1],i8,i8[::1],i8[::1],i8[:,::1],i8[:,:,::1],"
    "i8[:,:,::1],"
    "i2[:,::1],i4[:,::1],i8[:,:,::1],i8[:,:,::1],i8[::1],i8[::1])"
)
def code_element(
    state, buffer, encoding, frames, frame, edges, counts, nearest, up, down, floor, tilt, width,
    knob, law, skip, states, plain, weights, limit, energy_weights, level_weights, left, right,
    ways, codewords, after, nodes, levels, offsets, angles, energies, steps, symbols, values,
    rows, small, at, f,
):  # fmt: skip
    """Encode or decode one element of a segment.

    Parameters
    ----------
    levels, offsets : (blocks,) int64
    angles : (blocks, BANDS) int64
    energies, steps : (blocks, channels, BANDS) int64
    symbols : (channels, n / d) int16; values : (channels, n) int32
    rows : (channels, 3, frame + 2 PAD) int64, amplitudes; zero at the start
    small : (7, 2, BANDS) int64, work space

    Returns
    -------
    int
        Blocks, or -1 where the data are damaged.
    """
    channels = values.shape[0]
    block = 0
    last = 0
    level_before = 0
    start = 0
    before, differences, predictions, spread = small[0], small[1], small[2], small[3]
    angles_before = small[4, 0]
    offset_before = 0
    small[:] = 0
    rows[:] = 0
    turn = 0
    for _ in range(frames):
        end, last = code_tree(state, buffer, encoding, plain, levels, block, last)
        while block < end:
            level = levels[block]
            size = frame >> level
            bands = counts[level]
            if level != level_before:
                for channel in range(channels):
                    resample(rows[channel, 0], size, frame >> level_before)
                    resample(rows[channel, 1], size, frame >> level_before)
                    resample(rows[channel, 2], size, frame >> level_before)
            offset = 0
            while offset < OFFSET_LIMIT:
                more = 1 if offsets[block] > offset else 0
                place = OFFSETS + (8 if offset_before > 0 else 0) + offset
                if code_plain(state, buffer, encoding, plain, place, more) == 0:
                    break
                offset += 1
            offsets[block] = offset
            offset_before = offset
            if channels == 2:
                code_angles(state, buffer, encoding, plain, angles[block], angles_before,
                            nearest[level, level_before], bands)  # fmt: skip
            for channel in range(channels):
                if not code_energies(
                    state, buffer, encoding, states, plain, weights, limit, energy_weights, at, f,
                    energies[block], before, level, level_before, nearest, counts, channel,
                    differences, predictions,
                ):  # fmt: skip
                    return -1
            derive_steps(energies[block], angles[block], channels, level, bands, edges,
                         knob - offset * 128, law, up, down, floor, tilt, width, spread,
                         steps[block])  # fmt: skip
            new, one, two = turn, (turn + 2) % 3, (turn + 1) % 3
            for channel in range(channels):
                other = rows[0, new] if channel > 0 else rows[channels - 1, one]
                code_channel(
                    state, buffer, encoding, states, plain, weights, limit, at, f, channel, level,
                    bands, edges, energies[block, channel], steps[block, channel], skip,
                    level_weights, left, right, ways, codewords, after, nodes, rows[channel, new],
                    rows[channel, one],
                    rows[channel, two], other, symbols[channel], values[channel], start,
                    nearest[level, level_before], small[5, channel], small[6, channel],
                )  # fmt: skip
                for band in range(BANDS):
                    small[6, channel, band] = small[5, channel, band] if band < bands else 0
                    before[channel, band] = energies[block, channel, band] if band < bands else 0
                    angles_before[band] = angles[block, band] if band < bands else 0
            turn = (turn + 1) % 3
            start += size
            level_before = level
            block += 1
    return block


@kernel("b1(u8[::1],u1[::1],b1)")
def code_mark(state, buffer, encoding):
    """Encode the mark at the end of a segment, or decode it; return whether it is right."""
    mark = 0
    for shift in range(11, -1, -1):
        mark = mark << 1 | code_with(state, buffer, encoding, 32768, (MARK >> shift) & 1)
    return mark == MARK
