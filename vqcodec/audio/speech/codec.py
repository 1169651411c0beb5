"""The speech codec: samples <-> segments, each decodable on its own.

    header    format (1 byte), mode (1 byte), frames of a segment (1 byte),
              the first four bytes of the codebook's identity
    segment   range-coded parameters: see `syntax`

A segment needs the one before it only for what rings on in the filters. The
encoder looks some segments ahead, so that pauses save bits for speech.
"""

from __future__ import annotations

import math
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np

from vqcodec.audio.speech.model import KIND, MODES, Tables
from vqcodec.audio.speech.options import RATES, Options
from vqcodec.codebook import Codebook
from vqcodec.errors import FormatError, ParameterError

FORMAT = 1
SEGMENT = 150  # frames: 3 seconds
AHEAD = 5  # segments whose bits are shared out at once
OVERHEAD = 12  # bytes that the file adds to a segment
LOW_RATE = 3400  # bits a second below which mode 1 is better than mode 0
MARGIN = 0.1  # seconds that the analysis looks beyond the samples it codes
TOLERANCE = 0.01
ATTEMPTS = 5
SLOPE = 1.6  # by which power of the bytes the trade grows
MODEL = Path(__file__).parents[2] / "models" / "celp.vqcb"


@cache
def shipped() -> Codebook:
    """Return the codebook that comes with the package."""
    return Codebook.load(MODEL)


def mode_for(rate: int, bitrate: float) -> int:
    """Return the number of the mode that serves a bit rate best."""
    if rate == 16000:
        return 2
    return 1 if bitrate < LOW_RATE else 0


class Encoder:
    """Codes a sound segment by segment.

    Parameters
    ----------
    rate : int
        8000 or 16000 samples a second.
    channels : int
        1.
    options : Options, optional
    codebook : Codebook, optional
        Of kind ``speech``; the shipped one by default.

    Attributes
    ----------
    header : bytes
        What `Decoder` needs.
    frames : int
        Samples taken in so far; exact after `finish`.

    Raises
    ------
    ParameterError
        The rate or the number of channels is not for speech.
    CodebookError
        The codebook is unfit.
    """

    def __init__(
        self,
        rate: int,
        channels: int,
        options: Options | None = None,
        codebook: Codebook | None = None,
    ) -> None:
        from vqcodec.audio.speech.encode import Tuning, fresh_memories

        if rate not in RATES or channels != 1:
            raise ParameterError(
                f"the speech codec takes mono of 8000 or 16000 Hz, "
                f"not {channels} channels of {rate} Hz"
            )
        self.options = options or Options()
        book = codebook or shipped()
        self._number = mode_for(rate, self.options.bitrate)
        self._tables = Tables.of(book, self._number)
        self._tuning = Tuning.of(self._number, self.options.effort)
        self.header = bytes([FORMAT, self._number, SEGMENT]) + book.identity[:4]
        self.frames = 0
        self.segment_frames = SEGMENT * self._tables.mode.frame
        self._rate = rate
        self._margin = int(MARGIN * rate)
        self._signal = np.zeros(self._margin)  # starts with what has been coded already
        self._filter = np.zeros(2)
        self._memories = fresh_memories(self._tables.mode.order)
        self._trade = 0.0
        self._spent = 0
        self._coded = 0

    def write(self, samples: np.ndarray) -> list[bytes]:
        """Take in float32 (n, 1) in [-1, 1]; return the segments finished so far."""
        samples = np.asarray(samples, np.float64).reshape(-1)
        if not np.isfinite(samples).all():
            raise ParameterError("samples must be finite")
        self.frames += len(samples)
        self._take(samples * 32768.0)
        done: list[bytes] = []
        while self._waiting() >= AHEAD * self.segment_frames:
            done += self._code(AHEAD)
        return done

    def finish(self) -> list[bytes]:
        """Return the remaining segments, the last one filled up with silence."""
        left = self.frames - self._coded * self.segment_frames
        count = -(-left // self.segment_frames)
        if count <= 0:
            return []
        self._take(np.zeros(count * self.segment_frames - left + self._margin))
        return self._code(count, left)

    # --- in private ---

    def _take(self, samples: np.ndarray) -> None:
        from vqcodec.audio.speech.lpc import highpass

        samples = samples.copy()
        highpass(samples, self._filter, self._rate)
        self._signal = np.concatenate([self._signal, samples])

    def _waiting(self) -> int:
        """Return the samples that are there with all that the analysis wants beyond them."""
        return len(self._signal) - 2 * self._margin

    def _code(self, count: int, samples: int = 0) -> list[bytes]:
        """Code `count` segments, or the `samples` of the end that are in them."""
        from vqcodec.audio.speech.encode import analyse

        size = self.segment_frames
        analyses = [
            analyse(self._signal, self._margin + i * size, SEGMENT, self._tables, self._tuning)
            for i in range(count)
        ]
        seconds = (self._coded * size + (samples or count * size)) / self._rate
        budget = self.options.bitrate / 8 * seconds - self._spent
        floor = 0.3 * self.options.bitrate / 8 * (samples or count * size) / self._rate
        segments, spent = self._meet(analyses, max(budget, floor), TOLERANCE * seconds)
        self._spent += spent
        self._coded += count
        self._signal = self._signal[count * size :]
        return segments

    def _meet(self, analyses: list, budget: float, tolerance: float) -> tuple[list[bytes], int]:
        """Code segments at the trade that spends the budget, within `tolerance` seconds.

        The trade is found with one history, which spends about a hundredth more than several.
        """
        tolerance *= self.options.bitrate / 8
        trade = self._trade
        if trade == 0.0 or abs(self._spend(analyses, trade, 1)[1] - budget) > tolerance:
            trade = self._find(analyses, budget, tolerance / 2, trade or self._first_trade())
        segments, spent, memories = self._spend(analyses, trade, self._tuning.alive)
        if abs(spent - budget) > tolerance and 1e-6 < trade < 10.0:
            trade *= min(max(spent / budget, 0.8), 1.25) ** SLOPE
            segments, spent, memories = self._spend(analyses, trade, self._tuning.alive)
        self._memories = memories
        self._trade = min(max(trade, 1e-4), 0.3)
        return segments, spent

    def _find(self, analyses: list, budget: float, tolerance: float, trade: float) -> float:
        """Return the trade at which one history spends the budget."""
        low, high = 0.0, math.inf  # trades known to spend too much, and too little
        for _ in range(ATTEMPTS):
            spent = self._spend(analyses, trade, 1)[1]
            if abs(spent - budget) <= tolerance:
                break
            low, high = (max(low, trade), high) if spent > budget else (low, min(high, trade))
            fixed = OVERHEAD * len(analyses)
            ratio = (spent - fixed) / max(budget - fixed, 1.0)
            guess = trade * min(max(ratio, 0.25), 4.0) ** SLOPE
            if low < guess < high:
                trade = guess
            elif high < math.inf and low > 0.0:
                trade = math.sqrt(low * high)
            else:
                trade *= 0.5 if spent < budget else 2.0
            if not 1e-6 < trade < 10.0:  # nothing is left to gain: silence, say
                break
        return trade

    def _spend(
        self, analyses: list, trade: float, alive: int
    ) -> tuple[list[bytes], int, np.ndarray]:
        """Code segments at a trade; return them, their bytes in a file, and the memories after."""
        from vqcodec.audio.speech.encode import choose, pack

        memories = self._memories.copy()
        tuning = replace(self._tuning, alive=alive)
        segments = [
            pack(choose(a, memories, self._tables, tuning, trade), self._tables.contexts.copy())
            for a in analyses
        ]
        return segments, sum(map(len, segments)) + OVERHEAD * len(segments), memories

    def _first_trade(self) -> float:
        bits = self.options.bitrate / (self._rate / 8000) ** 0.5
        return 0.005 * (7500 / bits) ** 1.8


class Decoder:
    """Decodes the segments of an `Encoder`.

    Parameters
    ----------
    header : bytes
    codebook : Codebook, optional
        The one that the sound was coded with; the shipped one by default.

    Raises
    ------
    FormatError
        The header is illegal.
    CodebookError
        The codebook is unfit, or another one than the sound was coded with.
    """

    channels = 1

    def __init__(self, header: bytes, codebook: Codebook | None = None) -> None:
        if len(header) != 7 or header[0] != FORMAT:
            raise FormatError("the header of coded speech is malformed")
        if header[1] >= len(MODES) or header[2] == 0:
            raise FormatError("the header of coded speech holds an illegal value")
        book = codebook or shipped()
        book.require(KIND)
        if header[3:] != book.identity[:4]:
            raise FormatError("the speech was coded with another codebook than this one")
        self._count = header[2]
        self._tables = Tables.of(book, header[1])
        self.rate = self._tables.mode.rate
        self.segment_frames = self._count * self._tables.mode.frame
        self._last: tuple[bytes, np.ndarray] | None = None

    def decode(self, segment: bytes, previous: bytes | None = None) -> np.ndarray:
        """Return the samples (segment_frames, 1), float32, of a segment.

        Parameters
        ----------
        segment : bytes
        previous : bytes, optional
            The segment before; None at the start, or where it is lost.

        Raises
        ------
        FormatError
            The segment is damaged.
        """
        from vqcodec.audio.speech import decode

        memory = decode.fresh_memory(self._tables)
        if previous is not None:
            if self._last is None or self._last[0] != previous:
                self.decode(previous)
            if self._last is not None:
                memory = self._last[1].copy()
        parameters = decode.unpack(segment, self._tables, self._count)
        speech = decode.synthesize(*parameters, memory, self._tables)
        self._last = (bytes(segment), memory)
        return np.clip(speech / 32768.0, -1.0, 1.0).astype(np.float32)[:, np.newaxis]
