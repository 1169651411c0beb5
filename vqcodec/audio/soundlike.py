"""`read`, `write`, `info` and `blocks`, with the parameters that soundfile gives them."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from vqcodec.audio import streaming
from vqcodec.audio.files import KNOWN_CHUNKS, describe
from vqcodec.audio.reader import Reader
from vqcodec.codebook import Codebook
from vqcodec.container import DEFAULT_LIMITS, Limits
from vqcodec.errors import ParameterError
from vqcodec.media.audio import Audio
from vqcodec.metadata import Metadata, from_chunks

_DTYPES = ("float64", "float32", "int32", "int16")


def read(
    file: Any,
    frames: int = -1,
    start: int = 0,
    stop: int | None = None,
    dtype: str = "float64",
    always_2d: bool = False,
    fill_value: float | None = None,
    *,
    codebook: Codebook | None = None,
    limits: Limits = DEFAULT_LIMITS,
) -> tuple[np.ndarray, int]:
    """Read a .vqa file, or a part of it.

    Parameters
    ----------
    file : path, bytes or binary file
    frames : int
        How many to read from `start` on; -1 for all. Not together with `stop`.
    start, stop : int
        From where, up to before where; negative counts from the end.
    dtype : {'float64', 'float32', 'int32', 'int16'}
        Floats have full scale 1.0, integers the whole range.
    always_2d : bool
        Return a mono sound as (frames, 1), not as (frames,).
    fill_value : float, optional
        If `frames` reach beyond the end, fill up with this.
    codebook : Codebook, optional
        The external codebook, where the file names one.
    limits : Limits

    Returns
    -------
    data : (frames, channels) or (frames,) ndarray
    samplerate : int

    Raises
    ------
    FormatError
        The file is damaged, or no sound file of vqcodec.
    ParameterError
        An argument is out of range.
    """
    require_dtype(dtype)
    with streaming.open_coded(file, codebook, limits=limits) as reader:
        assert isinstance(reader, Reader)
        first, last = _range(frames, start, stop, reader.frames)
        data = _converted(reader.read(first, last), dtype)
        missing = frames - len(data)
        if fill_value is not None and missing > 0:
            data = np.pad(data, ((0, missing), (0, 0)), constant_values=fill_value)
        return _shaped(data, always_2d), reader.rate


def blocks(
    file: Any,
    blocksize: int,
    overlap: int = 0,
    frames: int = -1,
    start: int = 0,
    stop: int | None = None,
    dtype: str = "float64",
    always_2d: bool = False,
    fill_value: float | None = None,
    *,
    codebook: Codebook | None = None,
    limits: Limits = DEFAULT_LIMITS,
) -> Iterator[np.ndarray]:
    """Yield a .vqa file in blocks of `blocksize` frames that overlap by `overlap`.

    The last block is shorter unless `fill_value` fills it up. Further
    parameters are those of `read`. Memory does not grow with the sound.
    """
    require_dtype(dtype)
    if blocksize < 1 or not 0 <= overlap < blocksize:
        raise ParameterError("blocksize must be positive and overlap smaller than it")
    with streaming.open_coded(file, codebook, limits=limits) as reader:
        assert isinstance(reader, Reader)
        first, last = _range(frames, start, stop, reader.frames)
        held = np.zeros((0, reader.channels), np.float32)
        fresh = 0  # frames of `held` that no block has shown yet
        for segment in reader.blocks(first, last):
            held, fresh = np.concatenate((held, segment)), fresh + len(segment)
            while len(held) >= blocksize:
                yield _shaped(_converted(held[:blocksize], dtype), always_2d)
                held = held[blocksize - overlap :]
                fresh = len(held) - overlap
        if fresh > 0:
            rest = _converted(held, dtype)
            if fill_value is not None:
                missing = blocksize - len(rest)
                rest = np.pad(rest, ((0, missing), (0, 0)), constant_values=fill_value)
            yield _shaped(rest, always_2d)


def write(
    file: Any,
    data: Any,
    samplerate: int,
    *,
    tags: Mapping[str, str] | None = None,
    cover: bytes | None = None,
    codebook: Codebook | None = None,
    kind: str = "auto",
    **options: Any,
) -> bytes:
    """Write samples to a .vqa file.

    Parameters
    ----------
    file : path, binary file or None
    data : (frames, channels) or (frames,) array of floats, int16 or int32
        Floats beyond 1.0 are clipped.
    samplerate : int
    tags : mapping of str to str, optional
        Such as ``{"artist": "..."}``.
    cover : bytes, optional
        An image file.
    codebook, kind, **options
        As in `vqcodec.audio.encode`: ``quality``, ``bitrate``, ...

    Returns
    -------
    bytes
        The file, if `file` is None, else nothing.

    Raises
    ------
    ParameterError
        NaN among the samples, a wrong shape or dtype, or an option out of range.
    MediaError
        There are no samples, or the file cannot be written.
    """
    metadata = Metadata(text=dict(tags or {}), cover=cover)
    sound = Audio(np.asarray(data), samplerate, metadata=metadata)
    target = io.BytesIO() if file is None else file
    streaming.encode(sound, target, codebook=codebook, kind=kind, **options)
    return target.getvalue() if file is None else b""


@dataclass(frozen=True)
class Info:
    """What a .vqa file says of itself; the first four are named as soundfile names them."""

    samplerate: int
    channels: int
    frames: int
    duration: float
    kind: str
    tags: Mapping[str, str] = field(default_factory=dict)
    cover: bytes | None = field(default=None, repr=False)
    details: Mapping[str, Any] = field(default_factory=dict, repr=False)


def info(file: Any, *, limits: Limits = DEFAULT_LIMITS) -> Info:
    """Return what a .vqa file says of itself, without decoding it."""
    from vqcodec.api import opened

    with opened(file, limits) as container:
        container.refuse_unknown(KNOWN_CHUNKS)
        values = describe(container, limits)
        metadata = from_chunks(container, limits)
        return Info(
            values["rate"], values["channels"], values["frames"], values["seconds"],
            values["codec"], metadata.text, metadata.cover, values,
        )  # fmt: skip


def require_dtype(dtype: str) -> None:
    if str(np.dtype(dtype)) not in _DTYPES:
        raise ParameterError(f"dtype is one of {', '.join(_DTYPES)}, not {dtype!r}")


def _range(frames: int, start: int, stop: int | None, total: int) -> tuple[int, int]:
    """Resolve frames, start and stop as soundfile does."""
    if frames >= 0 and stop is not None:
        raise ParameterError("frames and stop contradict each other: give only one")
    first, last, _ = slice(start, stop).indices(total)
    last = max(first, last)
    return first, min(last, first + frames) if frames >= 0 else last


def _converted(samples: np.ndarray, dtype: str) -> np.ndarray:
    wanted = np.dtype(dtype)
    if wanted.kind == "f":
        return samples.astype(wanted)
    bound = 2.0 ** (8 * wanted.itemsize - 1)
    return np.clip(np.rint(samples.astype(np.float64) * bound), -bound, bound - 1).astype(wanted)


def _shaped(samples: np.ndarray, always_2d: bool) -> np.ndarray:
    return samples[:, 0] if samples.shape[1] == 1 and not always_2d else samples
