"""The sound half of `vqcodec.api`: sounds in memory, reports, training."""

from __future__ import annotations

import dataclasses
import importlib
import io
import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from vqcodec.audio import streaming
from vqcodec.audio.files import describe
from vqcodec.audio.reader import Reader
from vqcodec.checkpoint import Checkpoint
from vqcodec.codebook import Codebook
from vqcodec.container import DEFAULT_LIMITS, Container, Limits
from vqcodec.errors import ParameterError
from vqcodec.media.audio import Audio, load_audio
from vqcodec.media.soundin import open_input_sound
from vqcodec.media.soundout import open_output_sound
from vqcodec.metadata import from_chunks
from vqcodec.options import make_options

ProgressCallback = Callable[[float, str], bool | None]


def encode(source: Any, **wishes: Any) -> bytes:
    """Return the .vqa file of a sound; the parameters are those of `streaming.encode`."""
    file = io.BytesIO()
    streaming.encode(source, file, **wishes)
    return file.getvalue()


def decode(
    source: Any,
    target: Any = None,
    *,
    start: int | float | None = None,
    stop: int | float | None = None,
    codebook: Codebook | None = None,
    folders: Sequence[str | os.PathLike[str]] = (),
    damaged: list[str] | None = None,
    progress: ProgressCallback | None = None,
    limits: Limits = DEFAULT_LIMITS,
) -> Audio:
    """Return the sound of a .vqa file, and write it to `target` if there is one."""
    with streaming.open_coded(source, codebook, folders, limits, damaged) as reader:
        assert isinstance(reader, Reader)
        first, last = streaming.span(start, stop, reader.rate, reader.frames)
        samples = np.empty((last - first, reader.channels), np.float32)
        done = 0
        for block in reader.blocks(first, last):
            samples[done : done + len(block)] = block
            done += len(block)
            streaming.report(progress, done / len(samples), "decoding")
        sound = Audio(samples, reader.rate, metadata=reader.metadata)
    if target is not None:
        with open_output_sound(
            target, sound.rate, sound.channels, frames=sound.frames, metadata=sound.metadata
        ) as write:
            write(samples)
    return sound


def check(
    source: Any,
    codebook: Codebook | None,
    folders: Sequence[str | os.PathLike[str]] = (),
    limits: Limits = DEFAULT_LIMITS,
) -> int | None:
    """Decode all of a file, which verifies it; return the check of its samples, if it has one."""
    with streaming.open_coded(source, codebook, folders, limits) as reader:
        assert isinstance(reader, Reader)
        for _ in reader.blocks():
            pass
        return reader.check


def load_any(source: Any, codebook: Codebook | None, limits: Limits, coded: bool) -> Audio:
    """Return a sound from a coded file, or from an ordinary one."""
    return decode(source, codebook=codebook, limits=limits) if coded else load_audio(source, limits)


def describe_coded(opened: Container, limits: Limits) -> dict[str, Any]:
    """Return what a .vqa file says of itself."""
    metadata = from_chunks(opened, limits)
    return {
        **describe(opened, limits),
        "text": dict(metadata.text),
        "cover_bytes": len(metadata.cover) if metadata.cover else None,
    }


def describe_plain(source: Any, limits: Limits) -> dict[str, Any]:
    """Return what an ordinary sound file says of itself; nothing is decoded."""
    with open_input_sound(source, limits) as sound:
        return {
            "kind": "sound",
            "format": sound.format,
            "bytes": sound.bytes,
            "frames": sound.frames,
            "channels": sound.channels,
            "rate": sound.rate,
            "seconds": sound.frames / sound.rate if sound.frames else None,
            "subtype": sound.subtype,
            "text": dict(sound.metadata.text),
            "cover_bytes": len(sound.metadata.cover) if sound.metadata.cover else None,
        }


def train(
    files: Sequence[Any],
    kind: str,
    *,
    progress: ProgressCallback | None,
    limits: Limits,
    provenance: str,
    options: dict[str, Any],
    checkpoint: Checkpoint | None = None,
) -> Codebook:
    """Train a codebook of kind ``audio``, ``speech`` or ``frames`` on sounds.

    Raises
    ------
    ParameterError, CodebookError, MediaError
        As `vqcodec.api.train`.
    """
    if kind == "audio":
        train_audio = importlib.import_module("vqcodec.audio.train").train
        book: Codebook = train_audio(
            files, progress=progress, provenance=provenance, checkpoint=checkpoint, **options
        )
        return book
    if kind == "speech":
        return _train_speech(files, options, progress, limits, provenance, checkpoint)
    from vqcodec.frames.train import train as train_frames

    wishes = make_options("frames", options)
    if wishes.bitrate is not None:
        raise ParameterError(
            "a bitrate is met when encoding; for training give frame and codewords"
        )

    def sounds() -> Iterator[Iterator[np.ndarray]]:
        for number, file in enumerate(files):
            streaming.report(progress, 0.5 * number / len(files), "reading sounds")
            with open_input_sound(file, limits) as sound:
                yield sound.blocks()

    return train_frames(
        sounds(), wishes, 1.0, provenance=provenance,
        progress=streaming.part_of(progress, 0.5, 1.0), checkpoint=checkpoint,
    )  # fmt: skip


class _Loaded(Sequence[tuple[np.ndarray, int]]):
    """Samples and rates of files, each read when it is asked for."""

    def __init__(self, files: Sequence[Any], limits: Limits) -> None:
        self.files, self.limits = files, limits

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, number: Any) -> Any:
        sound = load_audio(self.files[number], self.limits)
        return sound.to_float(), sound.rate


def _train_speech(
    files: Sequence[Any],
    options: dict[str, Any],
    progress: ProgressCallback | None,
    limits: Limits,
    provenance: str,
    checkpoint: Checkpoint | None,
) -> Codebook:
    from vqcodec.audio.speech.train import TrainOptions
    from vqcodec.audio.speech.train import train as train_speech

    known = {field.name for field in dataclasses.fields(TrainOptions)}
    for name in options:
        if name not in known:
            raise ParameterError(f"the training of speech codebooks has no option {name!r}")
    book = train_speech(_Loaded(files, limits), TrainOptions(**options), progress, checkpoint)
    return dataclasses.replace(book, provenance=provenance or book.provenance)
