"""The audio codec: samples to segments and back.

The sound is cut into frames of about 85 ms, half a frame after its start, and
some two to four seconds of frames make a segment. A segment is decoded with
the help of the one before, whose last half frame overlaps with it, so the
samples of a segment are known half a frame before its last coefficients end:
every segment but the last yields the same number of them.

The header, before the first segment:

    rate          varint, 1000 to 768000 Hz
    channels      1 byte, 1 to 8
    frames        1 byte, of a segment
    codebook      1 byte: 0 = the shipped ones, 1 = one of the user's
    identities    8 bytes of each shipped codebook (music, speech), or 16 of the user's
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import lru_cache
from importlib import resources
from typing import TYPE_CHECKING, Any

import numpy as np

from vqcodec.audio import mdct
from vqcodec.audio.header import CHANNELS, RATES, check_values, frame_size
from vqcodec.audio.model import Tables, tables_of
from vqcodec.audio.options import DEFAULT_QUALITY, Options, quality_knob
from vqcodec.audio.segment import FIRST, SPEECH, Coder, elements, parse, sizes_of
from vqcodec.codebook import Codebook
from vqcodec.container import ByteReader, pack_varint
from vqcodec.errors import FormatError, MissingCodebookError, ParameterError

if TYPE_CHECKING:
    from vqcodec.audio.plan import Plan

SEGMENT_SECONDS = 4.0
MODELS: tuple[str, ...] = ("music", "speech")
SPEECH_RATE = 16000  # up to which the codebook for speech is tried
_PREFIX = 8
_FULL_SCALE = 32768.0
_GROUP = 8  # segments whose bits are shared out together when a bitrate is asked for
_KNOB_RANGE = (-6144, 8192)  # at finer steps the largest magnitudes would not fit
_SAMPLED = 4  # one in so many tells how the bits of a group go with the knob
_TOLERANCE = 0.015  # octaves of bits by which a group may miss; the next ones make up for it


@lru_cache(maxsize=2)
def shipped(model: str) -> Codebook:
    """Return a codebook that comes with the package: ``music`` or ``speech``."""
    data = resources.files("vqcodec.models").joinpath(f"{model}.vqcb").read_bytes()
    return Codebook.from_bytes(data).require("audio")


class Encoder:
    """Codes a sound as it comes.

    Parameters
    ----------
    rate : int
        Frames per second.
    channels : int
        1 to 8; consecutive pairs are coded jointly.
    options : Options, optional
    codebook : Codebook, optional
        Of kind ``audio``; by default one of the shipped ones.

    Attributes
    ----------
    header : bytes
        Everything a decoder needs before the first segment.
    frames : int
        Frames written; exact after `finish`.

    Raises
    ------
    ParameterError
        Rate or channels are out of range.
    CodebookError
        The codebook is of another kind.
    """

    def __init__(
        self,
        rate: int,
        channels: int,
        options: Options | None = None,
        codebook: Codebook | None = None,
    ) -> None:
        if not RATES[0] <= rate <= RATES[1]:
            raise ParameterError(f"the sampling rate is {RATES[0]} to {RATES[1]} Hz, not {rate}")
        if not 1 <= channels <= CHANNELS:
            raise ParameterError(f"a sound has 1 to {CHANNELS} channels, not {channels}")
        self.rate, self.channels = rate, channels
        self.options = options or Options()
        self.frames = 0
        self._frame = frame_size(rate)
        self._count = max(1, round(SEGMENT_SECONDS * rate / self._frame))
        # The codebooks to choose from, by the flag that tells the decoder. Speech of a higher rate
        # is coded as well by that for music.
        names: tuple[str, ...] = (self.options.model,)
        if self.options.model == "auto":
            names = MODELS if rate <= SPEECH_RATE else MODELS[:1]
        self._coders = {
            SPEECH if name == "speech" else 0: Coder(rate, tables_of(shipped(name)))
            for name in (names if codebook is None else ())
        }
        if codebook is not None:
            self._coders[0] = Coder(rate, tables_of(codebook))
        self._model = next(iter(self._coders))
        head = pack_varint(rate) + bytes([channels, self._count, codebook is not None])
        if codebook is not None:
            self.header = head + codebook.identity
        else:
            self.header = head + b"".join(shipped(name).identity[:_PREFIX] for name in MODELS)
        self._pieces: list[np.ndarray] = []  # what has been written but not yet taken up
        self._waiting = 0
        # From half a frame and a margin before the next segment's first block on.
        self._buffer: np.ndarray | None = None
        self._segments = 0
        self._before = [0] * len(elements(channels))
        self._knob = quality_knob(DEFAULT_QUALITY)
        if self.options.quality is not None:
            self._knob = quality_knob(self.options.quality)
        elif self.options.bitrate is not None:  # where the search begins: a bit a sample is much
            octaves = math.log2(self.options.bitrate / (rate * channels))
            self._knob = quality_knob(min(10.0, max(0.0, DEFAULT_QUALITY + 2 * octaves)))
        self._group: list[Plan] = []
        self._group_frames = 0
        self._owed = 0.0  # bits that earlier groups left over
        self._slope = -1 / 700  # octaves of bits per unit of the knob

    def write(self, samples: Any) -> list[bytes]:
        """Take (n, channels) samples, full scale 1.0; return the segments finished so far.

        Raises
        ------
        ParameterError
            The samples are of another shape, or not all finite.
        """
        samples = np.asarray(samples, np.float32)
        if samples.ndim == 1 and self.channels == 1:
            samples = samples[:, np.newaxis]
        if samples.ndim != 2 or samples.shape[1] != self.channels:
            raise ParameterError(f"samples are (n, {self.channels}), not {samples.shape}")
        if not np.isfinite(samples).all():
            raise ParameterError("the samples hold values that are not finite (NaN or infinity)")
        self.frames += len(samples)
        self._pieces.append(samples.T * np.float32(_FULL_SCALE))
        self._waiting += len(samples)
        finished: list[bytes] = []
        # A segment needs the frame after it to be decided, and that one's surroundings.
        while self._waiting >= self._needed():
            self._take_up()
            finished += self._emit(self._segment_frames(), last=False)
        return finished

    def finish(self) -> list[bytes]:
        """End the sound; return the remaining segments."""
        if self.frames == 0:
            return []
        self._take_up()
        assert self._buffer is not None
        finished: list[bytes] = []
        size = self._frame
        total = -(-self.frames // (self._count * size))  # segments in all
        while self._segments < total:
            last = self._segments == total - 1
            frames = self._segment_frames()
            if last:
                start = self._segments * self._count * size + (size // 2 if self._segments else 0)
                start -= 0 if self._segments else size // 2
                frames = min(frames, max(1, -(-(self.frames - start) // size)))
            missing = (frames + 2) * size - self._buffer.shape[1]
            if missing > 0:
                self._buffer = _extend(self._buffer, missing, size)
            finished += self._emit(frames, last)
        return finished + self._flush()

    # --- inside ---

    def _segment_frames(self) -> int:
        return self._count + (self._segments == 0)

    def _needed(self) -> int:
        held = 0 if self._buffer is None else self._buffer.shape[1]
        # The first segment finds a mirror image of its first frame in front.
        front = self._frame if self._buffer is None else 0
        return (self._segment_frames() + 2) * self._frame - held - front

    def _take_up(self) -> None:
        if not self._pieces:
            return
        fresh = np.concatenate(self._pieces, axis=1)
        self._pieces, self._waiting = [], 0
        if self._buffer is None:
            self._buffer = np.pad(fresh, ((0, 0), (self._frame, 0)), mode="symmetric")
        else:
            self._buffer = np.concatenate([self._buffer, fresh], axis=1)

    def _emit(self, frames: int, last: bool) -> list[bytes]:
        """Plan the next segment and drop what only it needed."""
        assert self._buffer is not None
        size = self._frame
        segment = b""
        if self._segments % _GROUP == 0 and len(self._coders) > 1:
            # Both codebooks code the first segment of a group: that one which takes fewer bytes
            # codes the others.
            plans = {flag: self._plan(flag, frames, last) for flag in self._coders}
            segments = {flag: plan.code(self._knob) for flag, plan in plans.items()}
            self._model = min(segments, key=lambda flag: len(segments[flag]))
            plan, segment = plans[self._model], segments[self._model]
        else:
            plan = self._plan(self._model, frames, last)
        self._before = plan.after
        self._buffer = self._buffer[:, frames * size :].copy()
        self._segments += 1
        if self.options.bitrate is None:
            return [segment or plan.code(self._knob)]
        self._group.append(plan)
        self._group_frames += self._count * size
        return self._flush() if len(self._group) == _GROUP else []

    def _plan(self, flag: int, frames: int, last: bool) -> Plan:
        """Return the plan of the segment at the start of the buffer, with one of the codebooks."""
        from vqcodec.audio.plan import Plan

        assert self._buffer is not None
        return Plan(
            self._coders[flag], self._buffer[:, : (frames + 2) * self._frame], frames,
            self._before, last, self._knob, flag | (FIRST if self._segments == 0 else 0),
        )  # fmt: skip

    def _flush(self) -> list[bytes]:
        """Code the segments that wait for their common knob."""
        if not self._group or self.options.bitrate is None:
            return []
        played = min(self.frames, self._segments * self._count * self._frame)
        played -= (self._segments - len(self._group)) * self._count * self._frame
        wanted = self.options.bitrate * played / self.rate
        target = max(wanted / 4, wanted + self._owed)
        segments = self._search(target)
        self._owed += wanted - 8 * sum(map(len, segments))
        self._group = []
        return segments

    def _search(self, target: float) -> list[bytes]:
        """Return the segments of the group at the knob that comes nearest to some bits."""
        low, high = _KNOB_RANGE
        knob = self._knob
        best: list[bytes] = []
        nearest = math.inf
        points: list[tuple[int, float]] = []
        for _ in range(12):
            segments = [plan.code(knob) for plan in self._group]
            excess = math.log2(8 * sum(map(len, segments)) / target)
            if abs(excess) < abs(nearest):
                best, nearest, self._knob = segments, excess, knob
            if abs(excess) < _TOLERANCE or high - low <= 1:
                break
            points.append((knob, excess))
            if excess > 0:
                low = max(low, knob)
            else:
                high = min(high, knob)
            slope = self._slope
            if len(points) > 1:
                (k0, e0), (k1, e1) = sorted(points, key=lambda p: abs(p[1]))[:2]
                if k0 != k1 and e0 != e1:
                    slope = self._slope = min(-1 / 3000, (e1 - e0) / (k1 - k0))
            knob = round(self._knob - nearest / slope)
            if low < knob < high:
                knob = self._corrected(knob, best, nearest)
            if not low < knob < high:
                knob = (low + high) // 2
        return best

    def _corrected(self, knob: int, best: list[bytes], excess: float) -> int:
        """Return a better guess than `knob`, from what it makes of every fourth segment.

        best : the segments at the knob that is nearest so far, which miss by `excess` octaves.
        """
        few = range(1, len(self._group), _SAMPLED)
        if len(self._group) < _SAMPLED or knob == self._knob:
            return knob
        now, before = (
            sum(map(len, parts))
            for parts in ([self._group[i].code(knob) for i in few], [best[i] for i in few])
        )
        factor = -excess / math.log2(now / before) if now != before else 1.0
        return round(self._knob + (knob - self._knob) * min(2.0, max(0.5, factor)))


def _extend(x: np.ndarray, missing: int, fade: int) -> np.ndarray:
    """Continue a sound by its mirror image, faded out."""
    extended = np.pad(x, ((0, 0), (0, missing)), mode="symmetric")
    n = np.minimum((np.arange(missing) + 0.5) / fade, 1.0)
    extended[:, x.shape[1] :] *= (np.cos(np.pi / 2 * n) ** 2).astype(np.float32)
    return extended


class Decoder:
    """Decodes segments.

    Parameters
    ----------
    header : bytes
        Of the encoder.
    codebook : Codebook, optional
        Needed where the sound was not coded with a shipped one.

    Attributes
    ----------
    rate, channels : int
    segment_frames : int
        Frames that every segment but the last yields.

    Raises
    ------
    FormatError
        The header is damaged, or the codebook another one.
    MissingCodebookError
        The user's codebook is needed.
    """

    def __init__(self, header: bytes, codebook: Codebook | None = None) -> None:
        reader = ByteReader(bytes(header), "audio header")
        self.rate = reader.varint()
        self.channels = reader.byte()
        self._count = reader.byte()
        kind = reader.byte()
        check_values(self.rate, self.channels, self._count)
        if kind > 1:
            raise FormatError("the audio header holds an illegal value")
        self._own: Tables | None = None
        if kind == 1:
            identity = reader.take(16)
            if codebook is None:
                raise MissingCodebookError(
                    f"the sound was coded with the external codebook {identity.hex()}; "
                    "name it with --codebook"
                )
            if codebook.identity != identity:
                raise FormatError(
                    f"the sound was coded with the codebook {identity.hex()}, not {codebook.name}"
                )
            self._own = tables_of(codebook)
        else:
            for name in MODELS:
                if shipped(name).identity[:_PREFIX] != reader.take(_PREFIX):
                    raise FormatError(f"the sound was coded with another {name} codebook")
        reader.finish()
        self._frame = frame_size(self.rate)
        self.segment_frames = self._count * self._frame
        self._coders: dict[int, Coder] = {}
        self._last: tuple[bytes, list[tuple[np.ndarray, int]]] | None = None

    def decode(self, segment: bytes, previous: bytes | None = None) -> np.ndarray:
        """Return the samples of a segment, (frames, channels) float32, full scale 1.0.

        Parameters
        ----------
        segment : bytes
        previous : bytes, optional
            The segment before; None at the start of the sound or where it is lost, when
            the first half frame cannot be told and stays silent.

        Raises
        ------
        FormatError
            The segment is damaged.
        """
        segment = bytes(segment)
        half = self._frame // 2
        tails = None
        if previous is not None:
            previous = bytes(previous)
            if self._last is None or self._last[0] != previous:
                self._blocks(previous)
            assert self._last is not None
            tails = self._last[1]
        flags = parse(segment, self._count)[0]
        parts = list(self._blocks(segment))
        result = []
        for i, (x, sizes) in enumerate(parts):
            if flags & FIRST:
                result.append(x[:, half:])
                continue
            tail = np.zeros((len(x), half), np.float32)
            whole = np.concatenate([tail, x], axis=1)
            if tails is not None:
                whole[:, :half] = tails[i][0]
                mdct.unfold(whole, half, min(tails[i][1], int(sizes[0])))
            result.append(whole)
        samples = np.concatenate(result)[:, : self.segment_frames]
        return np.ascontiguousarray(samples.T) * np.float32(1 / _FULL_SCALE)

    def _blocks(self, segment: bytes) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Decode a segment but for its outer boundaries, and remember how it ends."""
        flags, frames, knob, data = parse(segment, self._count)
        coder = self._coder(flags)
        half = self._frame // 2
        decoded, tails = [], []
        for part in coder.read(data, frames, knob, self.channels):
            sizes = sizes_of(part, self._frame)
            x = mdct.inverse(coder.coefficients(part), sizes)
            decoded.append((x, sizes))
            tails.append((x[:, -half:].copy(), int(sizes[-1])))
        self._last = (segment, tails)
        return iter(decoded)

    def _coder(self, flags: int) -> Coder:
        model = 1 if flags & SPEECH else 0
        if model not in self._coders:
            tables = self._own or tables_of(shipped(MODELS[model]))
            self._coders[model] = Coder(self.rate, tables)
        return self._coders[model]
