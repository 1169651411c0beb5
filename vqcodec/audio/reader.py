"""Reading of .vqa files: anywhere in a file, as it comes through a pipe, or what is left of it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import BinaryIO

import numpy as np

from vqcodec.audio.files import (
    KNOWN_CHUNKS,
    Book,
    book_chunks,
    check_of,
    make_decoder,
    segment_number,
    total_frames,
)
from vqcodec.container import (
    DEFAULT_LIMITS,
    END,
    Container,
    Entry,
    Limits,
    read_stream,
    split_header,
)
from vqcodec.errors import ChecksumError, FormatError, ParameterError
from vqcodec.metadata import Metadata, from_chunks, from_payloads, is_metadata


class Reader:
    """Decodes any part of a file, touching only the segments it needs.

    Parameters
    ----------
    opened : Container
        Of kind FRAMES or AUDIO.
    codebook : Codebook or callable, optional
        The external codebook, where the file names one, or what finds it by its identity.
    limits : Limits
    damaged : list of str, optional
        Where this is given, lost segments become silence and a sentence about
        each run of them is appended here, in place of an error.

    Attributes
    ----------
    rate, channels : int
    frames : int
        The exact length; of a file that has lost its end, up to there.
    check : int or None
        CRC-32 of the samples, if the file states it.
    metadata : Metadata
    """

    def __init__(
        self,
        opened: Container,
        codebook: Book = None,
        limits: Limits = DEFAULT_LIMITS,
        damaged: list[str] | None = None,
    ) -> None:
        opened.refuse_unknown(KNOWN_CHUNKS)
        order = "".join(entry.type for entry in opened.entries if entry.type in KNOWN_CHUNKS)
        if damaged is None and not re.fullmatch("[RB]?S+F", order):
            raise FormatError("the chunks of the sound are not codebook, segments, length")
        self._file = opened.file
        self.check = opened.check
        self._damaged = damaged
        self._decoder = make_decoder(
            opened.kind, opened.header, book_chunks(opened), codebook, limits
        )
        self.rate = self._decoder.rate
        self.channels = self._decoder.channels
        self.segment_frames = self._decoder.segment_frames
        self.metadata: Metadata = from_chunks(opened, limits)
        self._last: tuple[int, bytes | None] = (-1, None)
        self._entries: dict[int, Entry] = {}
        self._place(opened, limits)

    def _place(self, opened: Container, limits: Limits) -> None:
        """Find the segments, and the length of the sound."""
        found = [entry for entry in opened.entries if entry.type == "S"]
        if self._damaged is None:
            self.frames = total_frames(opened.one("F"), self.channels, limits)
            self._entries = dict(enumerate(found))
            if len(found) != -(-self.frames // self.segment_frames):
                raise FormatError(f"{len(found)} segments do not make {self.frames} frames")
            return
        most = limits.samples // (self.segment_frames * self.channels)
        for entry in found:
            try:
                number = segment_number(entry.read(self._file).payload)[0]
            except FormatError:
                continue
            if number <= most:
                self._entries.setdefault(number, entry)
        if not self._entries:
            raise FormatError("not one segment of the sound is left")
        try:
            self.frames = total_frames(opened.one("F"), self.channels, limits)
        except FormatError:  # the end is lost: all of the last segment counts
            last = max(self._entries)
            self.frames = last * self.segment_frames + 1
            samples = self._decode(last)
            self.frames += -1 if samples is None else min(len(samples), self.segment_frames) - 1

    def read(self, start: int = 0, stop: int | None = None) -> np.ndarray:
        """Return the frames from `start` to `stop`: float32 (n, channels)."""
        parts = list(self.blocks(start, stop))
        return np.concatenate(parts) if parts else np.zeros((0, self.channels), np.float32)

    def blocks(self, start: int = 0, stop: int | None = None) -> Iterator[np.ndarray]:
        """Yield the frames from `start` to `stop`, segment by segment.

        A whole run from the first to the last frame also verifies the check
        of the file, where it has one.
        """
        stop = self.frames if stop is None else stop
        if not 0 <= start <= stop <= self.frames:
            raise ParameterError(
                f"the sound has {self.frames} frames; {start} to {stop} are not among them"
            )
        size = self.segment_frames
        whole = start == 0 and stop == self.frames and self.check is not None
        check = 0
        lost: list[int] = []
        for number in range(start // size, -(-stop // size) if stop > start else 0):
            samples = self._decode(number)
            if samples is None:
                lost.append(number)
                samples = np.zeros((size, self.channels), np.float32)
            first, last = max(start - number * size, 0), min(stop - number * size, size)
            part = samples[first:last]
            if whole:
                check = check_of(part, check)
            yield part
        self._report(lost)
        if whole and check != self.check:
            raise ChecksumError("the decoded samples do not match their checksum: damaged file")

    def _decode(self, number: int) -> np.ndarray | None:
        """Return the samples of a segment, or None if it is lost and may be."""
        try:
            segment = self._segment(number)
            if segment is None:
                return None
            previous = self._segment(number - 1) if number else None
            samples = self._decoder.decode(segment, previous)
            wanted = min(self.segment_frames, self.frames - number * self.segment_frames)
            if samples.shape[1] != self.channels or not wanted <= len(samples):
                raise FormatError(f"segment {number} of the sound is too short")
        except FormatError:
            if self._damaged is None:
                raise
            return None
        self._last = (number, segment)
        return samples

    def _segment(self, number: int) -> bytes | None:
        """Return the bytes of a segment; None if it is lost and that is no error."""
        if self._last[0] == number:
            return self._last[1]
        entry = self._entries.get(number)
        if entry is None:
            return None
        try:
            found, segment = segment_number(entry.read(self._file).payload)
        except FormatError:
            if self._damaged is None:
                raise
            return None
        if found != number:
            raise FormatError(f"segment {found} of the sound stands in the place of {number}")
        return segment

    def _report(self, lost: list[int]) -> None:
        """Say which runs of segments have become silence."""
        if self._damaged is None:
            return
        begin = 0
        for index in range(1, len(lost) + 1):
            if index < len(lost) and lost[index] == lost[index - 1] + 1:
                continue
            first = lost[begin] * self.segment_frames / self.rate
            last = min((lost[index - 1] + 1) * self.segment_frames, self.frames) / self.rate
            self._damaged.append(f"{clock(first)} to {clock(last)} is lost: silence")
            begin = index


class StreamReader:
    """Decodes a file as it comes in, from its beginning to its end.

    Parameters and attributes are those of `Reader`, but the length is not known.
    """

    frames = None

    def __init__(
        self, file: BinaryIO, codebook: Book = None, limits: Limits = DEFAULT_LIMITS
    ) -> None:
        self._limits = limits
        self._chunks = read_stream(file, limits)
        kind, header = split_header(next(self._chunks).payload)
        found: dict[str, bytes] = {}
        for chunk in self._chunks:
            if chunk.type in "SF" + END:
                self._next = chunk
                break
            if chunk.type in "RB" and {"R", "B"} & found.keys():
                raise FormatError("the sound has more than one codebook")
            if chunk.type in "RB" or is_metadata(chunk.type):
                found.setdefault(chunk.type, chunk.payload)
            elif chunk.critical:
                raise FormatError(
                    f"the file needs a feature (chunk {chunk.type!r}) that this version lacks"
                )
        self._decoder = make_decoder(kind, header, found, codebook, limits)
        self.rate = self._decoder.rate
        self.channels = self._decoder.channels
        self.segment_frames = self._decoder.segment_frames
        self.metadata = from_payloads(found, limits)

    def blocks(self) -> Iterator[np.ndarray]:
        """Yield the frames segment by segment; to be called once."""
        size = self.segment_frames
        held: np.ndarray | None = None  # the last segment may be shorter: 'F' tells
        previous: bytes | None = None
        exact = getattr(self._decoder, "exact", False)
        count = check = frames = 0
        chunk = self._next
        while chunk.type != END:
            if chunk.type == "S" and not frames:
                number, segment = segment_number(chunk.payload)
                if number != count:
                    raise FormatError(f"segment {number} stands in the place of {count}")
                samples = self._decoder.decode(segment, previous)
                if held is not None:
                    if len(held) < size:
                        raise FormatError(f"segment {count - 1} of the sound is too short")
                    check = check_of(held, check) if exact else 0
                    yield held
                held, previous, count = samples[:size], segment, count + 1
            elif chunk.type == "F" and not frames:
                frames = total_frames(chunk.payload, self.channels, self._limits)
            elif chunk.critical:
                raise FormatError(f"chunk {chunk.type!r} stands in a wrong place")
            chunk = next(self._chunks)
        stated = int.from_bytes(chunk.payload, "little")
        rest = frames - (count - 1) * size
        if held is None or not 0 < rest <= len(held):
            raise FormatError(f"{count} segments do not make {frames} frames")
        check = check_of(held[:rest], check) if exact else 0
        yield held[:rest]
        if exact and stated and stated != check:
            raise ChecksumError("the decoded samples do not match their checksum: damaged file")


def clock(seconds: float) -> str:
    """Return a time as people read it: 1:02:03.50."""
    minutes, rest = divmod(max(0.0, seconds), 60)
    hours, minutes = divmod(int(minutes), 60)
    return f"{hours}:{minutes:02}:{rest:05.2f}" if hours else f"{minutes}:{rest:05.2f}"
