"""Sounds: the `Audio` value, and reading and writing it with soundfile."""

from __future__ import annotations

import contextlib
import io
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from vqcodec.container import DEFAULT_LIMITS, Limits
from vqcodec.errors import LimitError, MediaError, ParameterError, VQError
from vqcodec.files import atomic_file
from vqcodec.media.image import Source
from vqcodec.media.reading import open_input, seekable
from vqcodec.metadata import Metadata

MAX_CHANNELS = 255
SUFFIXES = {
    ".wav": "WAV",
    ".flac": "FLAC",
    ".aif": "AIFF",
    ".aiff": "AIFF",
    ".ogg": "OGG",
    ".opus": "OGG",
    ".mp3": "MP3",
    ".caf": "CAF",
    ".au": "AU",
}
TAGS = (
    "title", "copyright", "software", "artist", "comment",
    "date", "album", "license", "tracknumber", "genre",
)  # fmt: skip
_INT16 = {"PCM_16", "PCM_S8", "PCM_U8", "ULAW", "ALAW", "DPCM_8", "DPCM_16", "DWVW_12", "DWVW_16"}
_INT32 = {"PCM_24", "PCM_32", "DWVW_24", "ALAC_20", "ALAC_24", "ALAC_32"}
_FRAMES = 1 << 18


@dataclass(frozen=True, eq=False)
class Audio:
    """A sound in memory.

    Attributes
    ----------
    samples : (frames, channels) ndarray of float32, int16 or int32, C-contiguous
        Full scale is 1.0 in float32, and the whole range in integers.
    rate : int
        Frames a second.
    subtype : str
        How the file stores samples, as soundfile names it (``PCM_24``); empty
        if unknown.
    metadata : Metadata
        Tags, such as ``artist``, in `Metadata.text`.
    source : Source or None

    Raises
    ------
    ParameterError
        The samples are not such an array, hold NaN or infinity, or the rate
        is not positive. A one-dimensional array is taken as mono.
    """

    samples: np.ndarray
    rate: int
    subtype: str = ""
    metadata: Metadata = field(default_factory=Metadata)
    source: Source | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "samples", _checked(self.samples))
        if not 0 < int(self.rate) < 1 << 31:
            raise ParameterError(f"the sampling rate must be positive, not {self.rate}")
        object.__setattr__(self, "rate", int(self.rate))

    @property
    def frames(self) -> int:
        return self.samples.shape[0]

    @property
    def channels(self) -> int:
        return self.samples.shape[1]

    @property
    def seconds(self) -> float:
        return self.frames / self.rate

    @property
    def raw_bytes(self) -> int:
        """Bytes of the samples without any compression, as the file's own PCM."""
        width = {"PCM_S8": 1, "PCM_U8": 1, "PCM_24": 3}.get(self.subtype)
        return self.samples.size * (width or self.samples.dtype.itemsize)

    def to_float(self) -> np.ndarray:
        """Return the samples as float32 with full scale 1.0."""
        if self.samples.dtype == np.float32:
            return self.samples
        scale = -float(np.iinfo(self.samples.dtype).min)
        return (self.samples / scale).astype(np.float32)

    def __repr__(self) -> str:
        kind = self.samples.dtype
        return f"<Audio {self.seconds:.2f} s, {self.channels} channels, {self.rate} Hz, {kind}>"


def _checked(samples: Any) -> np.ndarray:
    if not isinstance(samples, np.ndarray):
        raise ParameterError(f"a sound is an array of samples, not {type(samples).__name__}")
    if samples.ndim == 1:
        samples = samples[:, np.newaxis]
    if samples.ndim != 2 or not 1 <= samples.shape[1] <= MAX_CHANNELS:
        raise ParameterError(
            f"a sound is an array of shape (frames, channels), not {samples.shape}"
        )
    if samples.dtype == np.float64:
        samples = samples.astype(np.float32)
    samples = np.ascontiguousarray(samples, samples.dtype.newbyteorder("="))
    if samples.dtype not in (np.float32, np.int16, np.int32):
        raise ParameterError(
            f"the samples of a sound are float32, int16 or int32, not {samples.dtype}"
        )
    if samples.dtype == np.float32 and not np.isfinite(samples).all():
        raise ParameterError("the samples of the sound hold NaN or infinity")
    return samples


def load_audio(
    source: str | os.PathLike[str] | bytes | BinaryIO | Audio, limits: Limits = DEFAULT_LIMITS
) -> Audio:
    """Read a sound.

    Integer files come as int16 or int32 (24 bits in the upper bits of int32),
    lossy and floating-point ones as float32.

    Raises
    ------
    MediaError
        The source is no sound, is damaged, or cannot be read.
    LimitError
        It has more samples than ``limits.samples``.
    """
    if isinstance(source, Audio):
        return source
    name = source if isinstance(source, str | os.PathLike) else getattr(source, "name", "<bytes>")
    with open_sound(source, str(name)) as (file, size):
        count = file.frames * file.channels
        if count > limits.samples:
            raise LimitError(f"{name} has {count} samples, more than the limit of {limits.samples}")
        if shorter_than_stated(file.extra_info):
            raise MediaError(f"{name} is truncated: it is shorter than its header says")
        if file.frames == 0:
            raise MediaError(f"{name} holds no samples")
        dtype = "float32"
        if file.subtype in _INT16:
            dtype = "int16"
        elif file.subtype in _INT32:
            dtype = "int32"
        samples = file.read(dtype=dtype, always_2d=True)
        if len(samples) < file.frames:
            raise MediaError(
                f"{name} is truncated: {len(samples)} of {file.frames} frames are there"
            )
        text = {key: value for key in TAGS if (value := getattr(file, key, ""))}
        origin = Source(str(name), file.format, size)
        try:
            return Audio(samples, file.samplerate, file.subtype, Metadata(text=text), origin)
        except ParameterError as error:
            raise MediaError(f"cannot use {name}: {error}") from None


def shorter_than_stated(log: str) -> bool:
    """Tell from libsndfile's log whether the samples end before they should.

    For uncompressed files libsndfile takes what is there in silence. Sizes of
    2 GB and more are what programs write into headers of streams whose length
    they cannot know.
    """
    found = re.search(r"^ *(?:data|SSND|Data Size) *: (\d+) \(should be (\d+)\)", log, re.M)
    return found is not None and int(found[2]) < int(found[1]) < 0x7FFFF000


@contextlib.contextmanager
def open_sound(source: Any, name: str) -> Iterator[tuple[Any, int]]:
    """Open a sound with soundfile, turning what goes wrong into our errors."""
    import soundfile

    if isinstance(source, bytes | bytearray | memoryview):
        source = io.BytesIO(source)
    try:
        with contextlib.ExitStack() as stack:
            if isinstance(source, str | os.PathLike):
                source = stack.enter_context(open_input(source, "a sound"))
            source = seekable(source)
            size = source.seek(0, os.SEEK_END)
            source.seek(0)
            if size == 0:
                raise MediaError(f"{name} is empty")
            yield stack.enter_context(soundfile.SoundFile(source)), size
    except VQError:
        raise
    except OSError as error:
        raise MediaError(f"cannot read {name}: {error.strerror or error}") from None
    except MemoryError:
        raise LimitError(f"{name} is too large for the memory of this machine") from None
    except (RuntimeError, ValueError, TypeError):  # libsndfile's errors are RuntimeErrors
        raise MediaError(f"{name} is not a sound that can be read, or is damaged") from None


def save_audio(
    audio: Audio, target: str | os.PathLike[str] | BinaryIO, format: str | None = None
) -> tuple[str, ...]:
    """Write a sound; a path appears whole or not at all.

    Parameters
    ----------
    audio : Audio
    target : path or binary file
    format : str, optional
        A suffix or soundfile's name of the format; by default what the path's
        suffix says, or WAV for binary files.

    Returns
    -------
    tuple of str
        Notes: sentences about what the format could not hold.

    Raises
    ------
    MediaError
        The target cannot be written, or the format holds no such sound.
    ParameterError
        The format is unknown.
    """
    if isinstance(target, str | os.PathLike):
        wanted = format or Path(target).suffix
        name, subtype = storage(audio.subtype, audio.samples.dtype, wanted, str(target))
        with atomic_file(target) as file:
            return _write(audio, file, name, subtype, str(target))
    name, subtype = storage(audio.subtype, audio.samples.dtype, format or "WAV", "the output")
    buffer = io.BytesIO()  # libsndfile seeks back into its headers, which a pipe cannot
    notes = _write(audio, buffer, name, subtype, "the output")
    target.write(buffer.getvalue())
    return notes


def storage(preferred: str, dtype: Any, wanted: str, target: str) -> tuple[str, str]:
    """Return the format, and the subtype that holds samples of a dtype best, or the preferred."""
    import soundfile

    suffix = wanted.lower() if wanted.startswith(".") else f".{wanted.lower()}"
    available = soundfile.available_formats()
    name = SUFFIXES.get(suffix, wanted.upper())
    if name not in available:
        known = ", ".join(s for s, f in SUFFIXES.items() if f in available)
        what = f"{wanted!r} is no sound format that can be written" if wanted else "has no suffix"
        raise ParameterError(f"cannot write {target}: {what}; use one of {known}")
    if suffix == ".opus":
        return name, "OPUS"
    by_dtype = {"int16": ("PCM_16",), "int32": ("PCM_24",), "float32": ("FLOAT", "PCM_24")}
    for subtype in (preferred, *by_dtype[np.dtype(dtype).name]):
        if subtype and soundfile.check_format(name, subtype):
            return name, subtype
    return name, soundfile.default_subtype(name)


def _write(audio: Audio, file: Any, name: str, subtype: str, target: str) -> tuple[str, ...]:
    import soundfile

    samples, notes = audio.samples, []
    if subtype.startswith("PCM") and samples.dtype == np.float32:
        peak = float(abs(samples).max(initial=0.0))
        if peak > 1.0:
            notes.append(f"samples of {target} beyond full scale (peak {peak:.2f}) were clipped")
    try:
        with soundfile.SoundFile(
            file, "w", audio.rate, audio.channels, subtype, format=name
        ) as sound:
            for key, value in audio.metadata.text.items():
                if key in TAGS:
                    setattr(sound, key, value)
            for start in range(0, audio.frames, _FRAMES):
                sound.write(samples[start : start + _FRAMES])
    except (RuntimeError, ValueError, TypeError) as error:
        raise MediaError(f"cannot write {target}: {' '.join(str(error).split())}") from None
    return tuple(notes)
