"""Reference decoder of the fields of coded speech, written from docs/format.md, "speech"."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from tests.reference.container import Book, Bytes, require
from tests.reference.rangecoder import Contexts, Decoder
from tests.reference.sounds import Sound

MODES = ((8000, 160, 4), (8000, 160, 2), (16000, 320, 4))  # rate, samples of a frame, subframes
LAGS = 236
STAGES = 4
# Contexts: where the trees of each field begin.
FIRST, STEP, MODE, ENVELOPE, VOICED = 0, 32, 224, 240, 1264
NEAR, MOVE, LAG, COUNT, BOTH = 1280, 1288, 1352, 1608, 2120
FIXED, ADAPTIVE, END = 2632, 2760, 2776


class Segment(NamedTuple):
    """The fields of a segment: of frames, of subframes, and the pulses."""

    frames: np.ndarray  # (F, 2 + stages): energy, envelope mode, codewords
    parts: np.ndarray  # (F S, 3): lag or -1, pulses, gain
    pulses: np.ndarray  # (F S, samples): -1, 0, 1


def segments(sound: Sound, book: Book) -> list[Segment]:
    """Return the fields of every segment."""
    source = Bytes(sound.header)
    form, mode, count = source.byte(), source.byte(), source.byte()
    require(form == 1 and mode < len(MODES) and count, "illegal header")
    require(book.kind == "speech" and source.rest() == book.identity[:4], "another codebook")
    start = book.arrays[f"{mode}.contexts"]
    require(start.shape == (END, 2), "contexts of another number")
    return [_segment(data, mode, count, start) for data in sound.segments]


def _segment(data: bytes, mode: int, count: int, start: np.ndarray) -> Segment:
    _, size, subframes = MODES[mode]
    length = size // subframes
    coder, contexts = Decoder(data), Contexts(END)
    contexts.states = [(int(p), int(seen)) for p, seen in start]
    frames = np.zeros((count, 2 + STAGES), np.int64)
    parts = np.zeros((count * subframes, 3), np.int64)
    parts[:, 0] = -1
    pulses = np.zeros((count * subframes, length), np.int64)

    def tree(base: int, row: int, bits: int) -> int:
        return coder.tree(contexts, base + (row << bits), bits)

    energy, trend, before = 0, -1, 3
    history = motion = last = 0
    lag = -1
    for f in range(count):
        if trend < 0:
            energy, trend = tree(FIRST, 0, 5), 1
        else:
            step = tree(STEP, trend, 6) - 32
            energy += step
            trend = 1 + (step > 0) - (step < 0)
        require(0 <= energy <= 31, "energy out of range")
        frames[f, 0] = energy
        if energy:
            before = tree(MODE, before, 2)
            require(before <= 2, "illegal envelope mode")
            frames[f, 1] = before
            for stage in range(STAGES if before < 2 else 0):
                frames[f, 2 + stage] = tree(ENVELOPE, before * STAGES + stage, 7)
        for s in range(f * subframes, (f + 1) * subframes):
            if not energy:
                history = motion = last = 0
                lag = -1
                continue
            voiced = tree(VOICED, history, 1)
            history = (history << 1 | voiced) & 7
            if voiced:
                if lag >= 0 and tree(NEAR, motion, 1):
                    step = tree(MOVE, motion, 4) - 8
                    lag += step
                    motion = 1 if step == 0 else 2 if abs(step) <= 2 else 3
                else:
                    lag, motion = tree(LAG, 0, 8), 0
                require(0 <= lag < LAGS, "lag out of range")
                parts[s, 0] = lag
            last = parts[s, 1] = tree(COUNT, voiced * 16 + last, 4)
            few = last - 1 if last <= 2 else 2 if last <= 4 else 3
            if voiced and last:
                parts[s, 2] = tree(BOTH, few, 7)
            elif voiced:
                parts[s, 2] = tree(ADAPTIVE, 0, 4)
            elif last:
                parts[s, 2] = tree(FIXED, few, 5)
            _pulses(coder, pulses[s], int(last))
    check = coder.target(256)
    require(check == _check(frames, parts, pulses), "wrong checksum")
    return Segment(frames, parts, pulses)


def _pulses(coder: Decoder, row: np.ndarray, left: int) -> None:
    """Place so many pulses: every arrangement is equally probable."""
    for n in range(len(row)):
        if not left:
            break
        room = 2 * (len(row) - n)
        target = coder.target(room)
        if target < 2 * left:
            row[n] = 1 if target < left else -1
            coder.symbol(0 if target < left else left, left, room)
            left -= 1
        else:
            coder.symbol(2 * left, room - 2 * left, room)


def _check(frames: np.ndarray, parts: np.ndarray, pulses: np.ndarray) -> int:
    total = 1
    rows = [*frames, *(row for pair in zip(parts, pulses, strict=True) for row in pair)]
    for value in np.concatenate(rows):
        total = (total * 31 + int(value) + 1) & 0xFFFF
    return (total >> 8 ^ total) & 0xFF
