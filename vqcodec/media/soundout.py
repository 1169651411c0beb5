"""Sounds written block by block, to files and into pipes."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from vqcodec.errors import MediaError, ParameterError
from vqcodec.files import atomic_file
from vqcodec.media import wave
from vqcodec.media.audio import TAGS, storage
from vqcodec.media.cover import add_to_flac
from vqcodec.metadata import Metadata

SUBTYPES = {"16": "PCM_16", "24": "PCM_24", "float": "FLOAT"}
_MOST_WAV = 0xFFFF0000
_PIECE = 1 << 16  # frames

Write = Callable[[np.ndarray], None]


@contextlib.contextmanager
def open_output_sound(
    target: str | os.PathLike[str] | BinaryIO,
    rate: int,
    channels: int,
    *,
    format: str | None = None,
    bits: str = "16",
    frames: int | None = None,
    metadata: Metadata | None = None,
    notes: list[str] | None = None,
) -> Iterator[Write]:
    """Open a sound for writing; gives the function that takes float32 (n, channels) blocks.

    A path appears whole or not at all. A binary file gets WAV as it comes;
    other formats are made in a temporary file first, as libsndfile seeks.

    Parameters
    ----------
    target : path or binary file
    rate, channels : int
    format : str, optional
        A suffix; by default that of the path, or WAV.
    bits : {'16', '24', 'float'}
        Of formats that store samples as they are.
    frames : int, optional
        The length, if it is known.
    metadata : Metadata, optional
        Tags, and for FLAC the cover art, are written.
    notes : list of str, optional
        What the format cannot hold is told here.

    Raises
    ------
    MediaError
        The target cannot be written, or the format holds no such sound.
    ParameterError
        The format is unknown.
    """
    metadata, notes = metadata or Metadata(), notes if notes is not None else []
    if bits not in SUBTYPES:
        raise ParameterError(f"bits are one of {', '.join(SUBTYPES)}, not {bits!r}")
    path = isinstance(target, str | os.PathLike)
    wanted = format or (Path(target).suffix if path else ".wav")  # type: ignore[arg-type]
    name, subtype = storage(SUBTYPES[bits], np.int16, wanted, str(target) if path else "the output")
    if name == "WAV" and frames and frames * channels * 4 > _MOST_WAV:
        name = "RF64"
    if metadata.cover and name != "FLAC":
        notes.append(f"the cover art cannot be written to {name} and is left out")
    if not path and name in ("WAV", "RF64"):
        yield _into_pipe(target, rate, channels, subtype, frames)  # type: ignore[arg-type]
        if subtype == "PCM_24" and frames and frames % 2 and channels % 2:
            target.write(b"\0")  # type: ignore[union-attr]  # RIFF wants even chunks
        return
    with contextlib.ExitStack() as stack:
        if path:
            file = stack.enter_context(atomic_file(target))  # type: ignore[arg-type]
        else:
            file = stack.enter_context(tempfile.TemporaryFile())
        with _written(file, rate, channels, name, subtype, metadata, str(target)) as write:
            yield write
        if metadata.cover and name == "FLAC":
            add_to_flac(file, metadata.cover)
        if not path:
            file.seek(0)
            shutil.copyfileobj(file, target)  # type: ignore[arg-type]


@contextlib.contextmanager
def _written(
    file: Any, rate: int, channels: int, name: str, subtype: str, metadata: Metadata, target: str
) -> Iterator[Write]:
    """Write with soundfile, turning what goes wrong there into our errors."""
    import soundfile

    try:
        sound = soundfile.SoundFile(file, "w", rate, channels, subtype, format=name)
    except (RuntimeError, ValueError, TypeError) as error:
        reason = " ".join(str(error).split())
        raise MediaError(
            f"cannot write {target}: {name} holds no sound of {rate} Hz and {channels} channels "
            f"({reason})"
        ) from None

    def write(samples: np.ndarray) -> None:
        try:
            # In one piece libsndfile's Vorbis encoder overflows its stack.
            for start in range(0, len(samples), _PIECE):
                sound.write(convert(samples[start : start + _PIECE], subtype))
        except (RuntimeError, ValueError, TypeError) as error:
            raise MediaError(f"cannot write {target}: {' '.join(str(error).split())}") from None

    with sound:
        for key, value in metadata.text.items():
            if key in TAGS:
                setattr(sound, key, value)
        yield write


def _into_pipe(file: BinaryIO, rate: int, channels: int, subtype: str, frames: int | None) -> Write:
    """Write a WAV header; return the function that writes samples behind it."""
    width = {"PCM_16": 2, "PCM_24": 3, "FLOAT": 4}[subtype]
    size = None if frames is None else frames * channels * width
    file.write(wave.head(wave.WaveFormat(rate, channels, width, subtype == "FLOAT", size)))

    def write(samples: np.ndarray) -> None:
        raw = convert(samples, subtype)
        if subtype == "PCM_24":
            octets = raw.astype("<i4").view(np.uint8).reshape(-1, 4)
            file.write(octets[:, 1:].tobytes())
        else:
            file.write(raw.astype(raw.dtype.newbyteorder("<"), copy=False).tobytes())
        file.flush()

    return write


def convert(samples: np.ndarray, subtype: str) -> np.ndarray:
    """Return float32 samples as integers, rounded and clipped, where they are stored as such.

    libsndfile scales by 32767 on the way out and by 32768 on the way in: here
    both are 32768, so that 16-bit samples come back as they were.
    """
    if subtype == "PCM_16":
        return np.clip(np.rint(samples * np.float32(32768)), -32768, 32767).astype(np.int16)
    if subtype in ("PCM_24", "PCM_32"):
        scaled = np.rint(samples.astype(np.float64) * (1 << 23))
        return np.clip(scaled, -(1 << 23), (1 << 23) - 1).astype(np.int32) << 8
    return np.ascontiguousarray(samples, np.float32)
