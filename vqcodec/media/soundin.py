"""Sounds read block by block, so that hours of them need little memory."""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, BinaryIO

import numpy as np

from vqcodec.container import DEFAULT_LIMITS, Limits
from vqcodec.errors import LimitError, MediaError
from vqcodec.media import wave
from vqcodec.media.audio import TAGS, Audio, open_sound, shorter_than_stated
from vqcodec.media.cover import find_cover
from vqcodec.metadata import Metadata

BLOCK = 1 << 15


@dataclass(frozen=True)
class SoundInput:
    """An opened sound.

    Attributes
    ----------
    name : str
        For messages.
    format : str
        As soundfile names it; empty for arrays.
    rate, channels : int
    frames : int or None
        None if it comes through a pipe and does not say.
    subtype : str
        How the samples are stored, as soundfile names it; empty if unknown.
    metadata : Metadata
    bytes : int or None
        Size of the file.
    repeatable : bool
        Whether `blocks` may be called more than once.
    """

    name: str
    format: str
    rate: int
    channels: int
    frames: int | None
    subtype: str
    metadata: Metadata
    bytes: int | None
    repeatable: bool
    _start: Callable[[int], Iterator[np.ndarray]] = field(repr=False)

    def blocks(self, size: int = BLOCK) -> Iterator[np.ndarray]:
        """Yield float32 (n, channels) of at most `size` frames, full scale 1.0, from the start."""
        return self._start(size)

    @property
    def raw_bytes(self) -> int | None:
        """Bytes of the samples as PCM, if the length is known."""
        if self.frames is None:
            return None
        widths = {"PCM_S8": 1, "PCM_U8": 1, "PCM_24": 3, "PCM_32": 4, "FLOAT": 4, "DOUBLE": 8}
        return self.frames * self.channels * widths.get(self.subtype, 2)


@contextlib.contextmanager
def open_input_sound(source: Any, limits: Limits = DEFAULT_LIMITS) -> Iterator[SoundInput]:
    """Open a sound for reading block by block: a path, bytes, a binary file, or `Audio`.

    Of what cannot be sought in, WAV is read as it comes; other formats are
    first copied to a temporary file.

    Raises
    ------
    MediaError
        The source is no sound, is damaged, or cannot be read.
    LimitError
        It has more samples than ``limits.samples``.
    """
    if isinstance(source, Audio):
        yield _of_audio(source)
        return
    with contextlib.ExitStack() as stack:
        if hasattr(source, "read") and not (source.seekable() and source.tell() == 0):
            pipe = _Recorded(source)
            form = wave.read_head(pipe)
            if form is not None:
                yield _of_wave(source, form)
                return
            spool = stack.enter_context(tempfile.TemporaryFile())
            spool.write(pipe.seen)
            shutil.copyfileobj(source, spool)
            spool.seek(0)
            source, name = spool, "standard input"
        else:
            path = isinstance(source, str | os.PathLike)
            name = str(source) if path else str(getattr(source, "name", "<bytes>"))
        yield stack.enter_context(_of_file(source, name, limits))


def _of_audio(audio: Audio) -> SoundInput:
    def blocks(size: int) -> Iterator[np.ndarray]:
        scale = 1.0 if audio.samples.dtype == np.float32 else -np.iinfo(audio.samples.dtype).min
        for start in range(0, audio.frames, size):
            yield (audio.samples[start : start + size] / scale).astype(np.float32)

    name = audio.source.name if audio.source else "<array>"
    size = audio.source.bytes if audio.source else None
    form = audio.source.format if audio.source else ""
    return SoundInput(
        name, form, audio.rate, audio.channels, audio.frames, audio.subtype, audio.metadata, size,
        True, blocks,
    )  # fmt: skip


class _Recorded:
    """Remembers what is read from a pipe, for the case that somebody else must read it again."""

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        self.seen = b""

    def read(self, count: int) -> bytes:
        data = self.file.read(count)
        self.seen += data
        return data


def _of_wave(file: BinaryIO, form: wave.WaveFormat) -> SoundInput:
    frames = None if form.size is None else form.size // (form.width * form.channels)
    return SoundInput(
        "standard input", "WAV", form.rate, form.channels, frames, form.subtype, Metadata(), None,
        False, lambda size: wave.read_blocks(file, form, size),
    )  # fmt: skip


@contextlib.contextmanager
def _of_file(source: Any, name: str, limits: Limits) -> Iterator[SoundInput]:
    cover = _cover_of(source, limits)
    with open_sound(source, name) as (file, size):
        count = file.frames * file.channels
        if count > limits.samples:
            raise LimitError(f"{name} has {count} samples, more than the limit of {limits.samples}")
        if shorter_than_stated(file.extra_info):
            raise MediaError(f"{name} is truncated: it is shorter than its header says")
        if file.frames == 0:
            raise MediaError(f"{name} holds no samples")
        text = {key: value for key in TAGS if (value := getattr(file, key, ""))}

        def blocks(count: int) -> Iterator[np.ndarray]:
            file.seek(0)
            done = 0
            while len(block := file.read(count, dtype="float32", always_2d=True)):
                done += len(block)
                yield block
            if done < file.frames:
                raise MediaError(f"{name} is truncated: {done} of {file.frames} frames are there")

        yield SoundInput(
            name, file.format, file.samplerate, file.channels, file.frames, file.subtype,
            Metadata(text=text, cover=cover), size, True, blocks,
        )  # fmt: skip


def _cover_of(source: Any, limits: Limits) -> bytes | None:
    """Return the cover art of a file that has not been read yet, and rewind it."""
    found = None
    if isinstance(source, bytes | bytearray | memoryview):
        found = find_cover(io.BytesIO(source))
    elif isinstance(source, str | os.PathLike):
        with contextlib.suppress(OSError), open(source, "rb") as file:
            found = find_cover(file)
    else:
        found = find_cover(source)
        source.seek(0)
    return found if found and len(found) < limits.metadata // 2 else None
