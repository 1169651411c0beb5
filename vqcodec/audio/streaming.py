"""From sound to sound file and back, block by block: hours of sound in bounded memory."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from vqcodec.audio.files import KNOWN_CHUNKS, MOST_RATE, Writer, codec_module
from vqcodec.audio.reader import Reader, StreamReader, clock
from vqcodec.codebook import Codebook, find_codebook
from vqcodec.container import DEFAULT_LIMITS, Limits, open_container, open_damaged
from vqcodec.errors import CancelledError, CodebookError, LimitError, ParameterError
from vqcodec.files import atomic_file
from vqcodec.media.reading import open_input
from vqcodec.media.soundin import SoundInput, open_input_sound
from vqcodec.media.soundout import open_output_sound
from vqcodec.metadata import Metadata
from vqcodec.options import make_options

ProgressCallback = Callable[[float, str], bool | None]
Source = Any
Target = str | os.PathLike[str] | BinaryIO
Moment = int | float
_OVERTURE = 60  # seconds of a pipe that its own codebook is trained on
# Where the options of each codec stand; up to which bitrate speech is better coded as such.
_OPTIONS = {"audio": "audio", "speech": "audio.speech", "frames": "frames"}
SPEECH_LIMITS = {8000: 12_000, 16000: 16_000}
_ONLY_FRAMES = {"frame", "codewords", "gain_bits", "max_iter", "seed"}


@dataclass(frozen=True)
class Report:
    """What became of a sound.

    Attributes
    ----------
    codec : str
        ``frames``, ``audio`` or ``speech``; empty after decoding.
    rate, channels, frames : int
    bytes : int or None
        Size of the coded file.
    source_bytes, raw_bytes : int or None
        Of encoding: the size of the source, and of its samples as PCM.
    peak : float
        The largest magnitude in the source.
    """

    codec: str
    rate: int
    channels: int
    frames: int
    bytes: int | None = None
    source_bytes: int | None = None
    raw_bytes: int | None = None
    peak: float = 0.0

    @property
    def seconds(self) -> float:
        return self.frames / self.rate

    @property
    def kbps(self) -> float | None:
        return self.bytes * 8 / self.seconds / 1000 if self.bytes and self.frames else None


# --- forward ------------------------------------------------------------------


def encode(
    source: Source,
    target: Target,
    *,
    kind: str = "auto",
    codebook: Codebook | None = None,
    strip: bool = False,
    save_codebook: Callable[[Codebook], object] | None = None,
    progress: ProgressCallback | None = None,
    limits: Limits = DEFAULT_LIMITS,
    notes: list[str] | None = None,
    **options: Any,
) -> Report:
    """Encode a sound into a .vqa file.

    Parameters
    ----------
    source : path, bytes, binary file or `vqcodec.media.Audio`
        Files that cannot be sought in are read as they come.
    target : path or binary file
        A path appears when it is whole; until then the part that is done
        stands in a hidden file beside it, which ``decode --salvage`` can read
        if this process dies. A binary file gets the segments as they are done.
    kind : {'auto', 'audio', 'speech', 'frames'}
        ``auto`` takes ``audio``; but what the codebook is for, if one is given;
        ``frames`` where an option is given that only it has; and ``speech`` for
        mono of 8 or 16 kHz at a low bitrate, unless `model` is ``music``.
    codebook : Codebook, optional
        An external codebook: the file then holds its hash only.
    strip : bool
        Leave tags and cover art out.
    save_codebook : callable, optional
        Kind ``frames``: gets the codebook trained on the sound, which then is external.
    progress : callable, optional
        Called with a fraction and a message; returning False cancels.
    limits : Limits
    notes : list of str, optional
        Sentences that the user should hear are appended to it.
    **options
        Of the codec: see `vqcodec.frames.options.Options` and
        `vqcodec.audio.options.Options`.

    Raises
    ------
    VQError
        `MediaError`, `LimitError` (the source), `ParameterError` (an option,
        or NaN among the samples), `CodebookError`, `CancelledError`.
    """
    kind = _kind_of(kind, codebook, options)
    with contextlib.ExitStack() as stack:
        sound = stack.enter_context(open_input_sound(source, limits))
        codec = _codec_of(kind, sound, options)
        wishes = make_options(_OPTIONS[codec], options)
        if sound.rate > MOST_RATE:
            raise ParameterError(f"{sound.name} has {sound.rate} Hz, more than {MOST_RATE}")
        blocks = sound.blocks()
        book, embed = codebook, False
        if codec == "frames" and book is None:
            book, blocks = _own_codebook(sound, blocks, wishes, progress)
            embed = save_codebook is None
            if save_codebook is not None:
                save_codebook(book)
        encoder = codec_module(codec).Encoder(sound.rate, sound.channels, wishes, book)
        path = isinstance(target, str | os.PathLike)
        file = stack.enter_context(atomic_file(target)) if path else target  # type: ignore[arg-type]
        metadata = Metadata() if strip else sound.metadata
        with Writer(file, codec, encoder, sound.channels, book, embed, metadata) as writer:  # type: ignore[arg-type]
            for block in blocks:
                writer.write(block)
                if writer.frames * sound.channels > limits.samples:
                    raise LimitError(f"the sound has more than {limits.samples} samples")
                share = writer.frames / sound.frames if sound.frames else 0.0
                report(progress, share, clock(writer.frames / sound.rate))
        if writer.peak > 1.0 and notes is not None:
            notes.append(f"samples beyond full scale (peak {writer.peak:.2f}) were clipped")
        raw = sound.raw_bytes or 2 * writer.frames * sound.channels
        return Report(
            codec, sound.rate, sound.channels, writer.frames, writer.bytes, sound.bytes, raw,
            writer.peak,
        )  # fmt: skip


def _kind_of(kind: str, codebook: Codebook | None, options: dict[str, Any]) -> str:
    """Choose the kind: of the codebook, or of the options that only one has."""
    if kind != "auto" and kind not in _OPTIONS:
        raise ParameterError(f"there is no sound codec {kind!r}")
    if codebook is not None:
        if codebook.kind not in _OPTIONS:
            raise CodebookError(f"a codebook of kind {codebook.kind!r} cannot code a sound")
        if kind == "auto":
            kind = codebook.kind
        codebook.require(kind)
    return "frames" if kind == "auto" and _ONLY_FRAMES & set(options) else kind


def _own_codebook(
    sound: SoundInput,
    blocks: Iterator[np.ndarray],
    wishes: Any,
    progress: ProgressCallback | None,
) -> tuple[Codebook, Iterator[np.ndarray]]:
    """Train the codebook of one sound; return it, and the blocks from the start on.

    What cannot be read twice is trained on its first minute.
    """
    from vqcodec.frames.train import train

    report(progress, 0.0, "training")
    samples_per_second = sound.rate * sound.channels
    if sound.repeatable:
        book = train([blocks], wishes, samples_per_second, strict=False)
        return book, sound.blocks()
    overture: list[np.ndarray] = []
    for block in blocks:
        overture.append(block)
        if sum(map(len, overture)) >= _OVERTURE * sound.rate:
            break
    book = train([overture], wishes, samples_per_second, strict=False)
    return book, chain(overture, blocks)


def _codec_of(kind: str, sound: SoundInput, options: dict[str, Any]) -> str:
    """Choose between the transform codec and the low-rate speech codec."""
    limit = SPEECH_LIMITS.get(sound.rate, 0) if sound.channels == 1 else 0
    bitrate = options.get("bitrate")
    low = bitrate is not None and bitrate <= limit
    if kind == "auto" and low and options.get("model", "auto") != "music":
        options.pop("model", None)
        return "speech"
    return "audio" if kind == "auto" else kind


# --- inverse ------------------------------------------------------------------


@contextlib.contextmanager
def open_coded(
    source: Source,
    codebook: Codebook | None = None,
    folders: Sequence[str | os.PathLike[str]] = (),
    limits: Limits = DEFAULT_LIMITS,
    damaged: list[str] | None = None,
    anywhere: bool = True,
) -> Iterator[Reader | StreamReader]:
    """Open a .vqa file for reading.

    Parameters
    ----------
    source : path, bytes or binary file
    codebook : Codebook, optional
        Else an external one is looked for in the file's own folder, in
        `folders`, and in those of the variable VQCODEC_CODEBOOKS.
    folders : sequence of paths
    limits : Limits
    damaged : list of str, optional
        Read what is left of a damaged file; what is lost is told here.
    anywhere : bool
        A `Reader` is needed: what comes through a pipe is first copied to a
        temporary file. Otherwise it is a `StreamReader`.
    """
    places = [Path(folder) for folder in folders]
    if isinstance(source, str | os.PathLike):
        places.insert(0, Path(source).parent)

    def find(identity: bytes) -> Codebook:
        return codebook or find_codebook(identity, list(dict.fromkeys(places)), limits)

    with contextlib.ExitStack() as stack:
        if isinstance(source, str | os.PathLike):
            source = stack.enter_context(open_input(source, "a vqcodec file"))
        elif isinstance(source, bytes | bytearray | memoryview):
            source = bytes(source)
        elif not source.seekable():
            if not anywhere and damaged is None:
                yield StreamReader(source, find, limits)
                return
            spool = stack.enter_context(tempfile.TemporaryFile())
            shutil.copyfileobj(source, spool)
            source = spool
        if damaged is None:
            yield Reader(open_container(source, limits), find, limits)
        else:
            opened, notes = open_damaged(source, KNOWN_CHUNKS, limits)
            damaged.extend(notes)
            yield Reader(opened, find, limits, damaged)


def decode(
    source: Source,
    target: Target,
    *,
    start: Moment | None = None,
    stop: Moment | None = None,
    format: str | None = None,
    bits: str = "16",
    codebook: Codebook | None = None,
    folders: Sequence[str | os.PathLike[str]] = (),
    damaged: list[str] | None = None,
    progress: ProgressCallback | None = None,
    limits: Limits = DEFAULT_LIMITS,
    notes: list[str] | None = None,
) -> Report:
    """Decode a .vqa file into a sound file.

    Parameters
    ----------
    source : path, bytes or binary file
        Files that cannot be sought in are decoded as they come.
    target : path or binary file
        A path's suffix says the format; a binary file gets WAV as it is decoded.
    start, stop : int or float, optional
        This part only: frames if int, seconds if float. Only the segments
        that it touches are read.
    format : str, optional
        A suffix, in place of the target's.
    bits : {'16', '24', 'float'}
        Of formats that store samples as they are.
    codebook, folders
        See `open_coded`.
    damaged : list of str, optional
        Decode what is left of a damaged file; lost parts become silence and
        are told here.
    progress, limits, notes
        As in `encode`.

    Raises
    ------
    VQError
        `FormatError` (damaged or foreign bytes), `MissingCodebookError`,
        `ParameterError` (no such part, or format), `MediaError` (the target).
    """
    part = start is not None or stop is not None
    with open_coded(source, codebook, folders, limits, damaged, anywhere=part) as reader:
        total = reader.frames
        if isinstance(reader, Reader):
            first, last = span(start, stop, reader.rate, reader.frames)
            blocks, total = reader.blocks(first, last), last - first
        else:
            blocks = reader.blocks()
        done = 0
        with open_output_sound(
            target, reader.rate, reader.channels, format=format, bits=bits, frames=total,
            metadata=reader.metadata, notes=notes,
        ) as write:  # fmt: skip
            for block in blocks:
                write(block)
                done += len(block)
                report(progress, done / total if total else 0.0, clock(done / reader.rate))
        return Report("", reader.rate, reader.channels, done)


def span(start: Moment | None, stop: Moment | None, rate: int, frames: int) -> tuple[int, int]:
    """Return the frames that a part stands for; the end may lie beyond that of the sound."""
    first = _frame(start, rate) if start is not None else 0
    last = min(_frame(stop, rate), frames) if stop is not None else frames
    if not 0 <= first < last:
        raise ParameterError(
            f"the sound has {frames} frames ({clock(frames / rate)}); "
            f"frames {first} to {last} are no part of it"
        )
    return first, last


def _frame(moment: Moment, rate: int) -> int:
    return round(moment * rate) if isinstance(moment, float) else int(moment)


def report(progress: ProgressCallback | None, fraction: float, message: str) -> None:
    """Report progress; raises `CancelledError` if the callback says so."""
    if progress is not None and progress(min(1.0, fraction), message) is False:
        raise CancelledError("cancelled")


def part_of(
    progress: ProgressCallback | None, start: float, stop: float
) -> ProgressCallback | None:
    """Return a progress callback whose 0 to 1 is `start` to `stop` of another."""
    if progress is None:
        return None
    whole = progress
    return lambda share, message: whole(start + (stop - start) * share, message)
