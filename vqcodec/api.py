"""The whole pipeline on one page: what the command line and Python users call.

Every function accepts paths, bytes, open binary files, arrays, Pillow images
and `vqcodec.media` values alike; a `target` is a path or an open binary file
and gets the result written, whole or not at all.
"""

from __future__ import annotations

import contextlib
import importlib
import inspect
import io
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import PIL.Image

from vqcodec.codebook import Codebook, find_codebook
from vqcodec.container import (
    DEFAULT_LIMITS,
    Container,
    Kind,
    Limits,
    looks_like,
    open_container,
    open_damaged,
)
from vqcodec.errors import CodebookError, FormatError, MediaError, ParameterError
from vqcodec.files import atomic_file, write_atomically
from vqcodec.media import Audio, Image, load_image, save_image
from vqcodec.media.audio import SUFFIXES
from vqcodec.media.large import LargeImage, open_large
from vqcodec.media.sniffing import is_coded_sound, is_sound
from vqcodec.metadata import Metadata
from vqcodec.options import make_options

Source = Any
Target = str | os.PathLike[str] | BinaryIO
ProgressCallback = Callable[[float, str], bool | None]
_LANDMARKS = "TRIB"  # chunks of images, by which what follows damage is found


def encode(
    source: Source,
    target: Target | None = None,
    *,
    kind: str = "auto",
    codebook: Codebook | str | os.PathLike[str] | None = None,
    progress: ProgressCallback | None = None,
    limits: Limits = DEFAULT_LIMITS,
    notes: list[str] | None = None,
    verify: bool = False,
    **options: Any,
) -> bytes:
    """Encode an image or a sound.

    Parameters
    ----------
    source : path, bytes, binary file, array, Pillow image, `Image` or `Audio` of `vqcodec.media`
        Large uncompressed PNM and TIFF files are read tile by tile.
        Hours of sound are for `vqcodec.audio.encode`, which keeps none of it in memory.
    target : path or binary file, optional
        Where to write the .vqi or .vqa file.
    kind : {'auto', 'patch', 'photo', 'audio', 'speech', 'frames'}
        The codec. For images ``auto`` takes ``photo``, but ``patch`` for 16-bit
        images and where an option is given that only `patch` has (codewords,
        block, fixed_rate, ...); for sounds see `vqcodec.audio.encode`.
    codebook : Codebook or path, optional
        An external codebook: the file then holds its hash only.
    progress : callable, optional
        Called with a fraction and a message; returning False cancels.
    limits : Limits
    notes : list of str, optional
        Sentences that the user should hear are appended to it.
    verify : bool
        Decode the file as it is read back from the disk, and compare with what
        the encoder reconstructed, before it takes the place of `target`.
    **options
        Of the codec: see `Options` of `vqcodec.patch.options`,
        `vqcodec.photo.options`, `vqcodec.audio.options` and `vqcodec.frames.options`.

    Returns
    -------
    bytes
        The .vqi or .vqa file.

    Raises
    ------
    VQError
        `MediaError`, `LimitError` (the source), `ParameterError` (an option),
        `CodebookError` (the codebook), `TargetError` (a rate or quality that
        cannot be met), `CancelledError`.

    Examples
    --------
    >>> import numpy, vqcodec
    >>> picture = numpy.arange(64, dtype="uint8").reshape(8, 8)
    >>> data = vqcodec.encode(picture, block=2, codewords=4)
    >>> vqcodec.decode(data).samples.shape
    (8, 8, 1)
    """
    book = _as_codebook(codebook, limits)

    def decodes(data: bytes) -> int | None:
        return check(data, codebook=book, limits=limits)

    if is_sound_source(source):
        from vqcodec.audio import pipeline

        data = pipeline.encode(
            source, kind=kind, codebook=book, progress=progress, limits=limits, notes=notes,
            **options,
        )  # fmt: skip
        _write(target, data, decodes if verify else None)
        return data
    image = open_large(source, limits) or load_image(source, limits)
    if kind == "auto":
        kind = _best_kind(image, book, options)
    if kind not in ("patch", "photo"):
        raise ParameterError(f"there is no image codec {kind!r}")
    wishes = make_options(kind, options)
    if kind == "photo":
        from vqcodec.photo import codec

        if notes is not None and image.bits == 16:
            notes.append("the photo codec keeps 8 of 16 bits; --kind patch keeps them all")
        data = codec.encode(image, wishes, book, progress)
    else:
        from vqcodec.patch import encoder

        coded = encoder.encode(image, wishes, book, progress)
        data = coded.data
        if notes is not None and coded.note:
            notes.append(coded.note)
    _write(target, data, decodes if verify else None)
    return data


def _best_kind(
    image: Image | LargeImage, codebook: Codebook | None, options: dict[str, Any]
) -> str:
    """Choose the codec: of the codebook, of the options that only one has, for the image."""
    if codebook is not None:
        if codebook.kind not in ("patch", "photo"):
            raise CodebookError(f"a codebook of kind {codebook.kind!r} cannot code an image")
        return codebook.kind
    only_patch = {"codewords", "block", "fixed_rate", "color", "chroma", "mean_removed"}
    only_patch |= {"lagrangian", "seed"}
    if image.bits == 16 or only_patch & set(options):
        return "patch"
    return "photo"


def decode(
    source: Source,
    target: Target | None = None,
    *,
    region: tuple[int, int, int, int] | None = None,
    codebook: Codebook | str | os.PathLike[str] | None = None,
    folders: Sequence[str | os.PathLike[str]] = (),
    progress: ProgressCallback | None = None,
    limits: Limits = DEFAULT_LIMITS,
    damaged: list[str] | None = None,
    start: int | float | None = None,
    stop: int | float | None = None,
) -> Any:
    """Decode a .vqi or .vqa file.

    Parameters
    ----------
    source : path, bytes or binary file
    target : path or binary file, optional
        Where to write the image or the sound; the suffix says the format (PNG
        or WAV for files).
    region : (x, y, width, height), optional
        Decode this part only.
    codebook : Codebook or path, optional
        The external codebook. Else it is looked for in the file's own folder,
        in `folders`, and in those of the variable VQCODEC_CODEBOOKS.
    folders : sequence of paths
    progress : callable, optional
        Called with a fraction and a message; returning False cancels.
    limits : Limits
    damaged : list of str, optional
        Where this is given, what can be decoded of a damaged file is decoded,
        lost tiles are gray and lost parts of a sound silent, and sentences
        about what is lost are appended here.
    start, stop : int or float, optional
        This part of a sound only: frames if int, seconds if float.

    Returns
    -------
    vqcodec.media.Image or vqcodec.media.Audio

    Raises
    ------
    VQError
        `FormatError` (damaged or foreign bytes), `LimitError` (larger than the
        limits), `MissingCodebookError`, `CodebookError`, `MediaError` (the
        file cannot be read, or the target not written).
    """
    if is_coded_sound_source(source):
        from vqcodec.audio import pipeline

        return pipeline.decode(
            source, target, start=start, stop=stop, codebook=_as_codebook(codebook, limits),
            folders=folders, damaged=damaged, progress=progress, limits=limits,
        )  # fmt: skip
    with opened(source, limits, damaged) as container:
        codec = image_codec(container)
        book = codebook_for(container, source, codebook, folders, limits)
        image: Image = codec.decode(container, book, region, limits, damaged=damaged)
    if progress is not None:
        progress(1.0, "decoded")
    if target is not None:
        save_image(image, target, None if isinstance(target, str | os.PathLike) else "png")
    return image


def check(
    source: Source,
    *,
    codebook: Codebook | str | os.PathLike[str] | None = None,
    folders: Sequence[str | os.PathLike[str]] = (),
    limits: Limits = DEFAULT_LIMITS,
) -> int | None:
    """Verify a coded file: every checksum, and that it decodes to what its encoder saw.

    Returns
    -------
    int or None
        The CRC-32 of the decoded samples, which the file states; None if it states none.

    Raises
    ------
    ChecksumError
        The bytes or the decoded samples are not those that were written.
    VQError
        As `decode`.
    """
    with opened(source, limits) as container:
        container.verify()
        if container.kind is Kind.CODEBOOK:
            Codebook._from_container(container, limits)
        elif container.kind in (Kind.AUDIO, Kind.FRAMES):
            from vqcodec.audio import pipeline

            return pipeline.check(source, _as_codebook(codebook, limits), folders, limits)
        else:
            book = codebook_for(container, source, codebook, folders, limits)
            image_codec(container).decode(container, book, None, limits)
        return container.check


def codebook_for(
    container: Container,
    source: Source,
    codebook: Codebook | str | os.PathLike[str] | None,
    folders: Sequence[str | os.PathLike[str]],
    limits: Limits,
) -> Codebook | None:
    """Return the codebook given, or the external one that the file names, wherever it is found."""
    if codebook is not None or not container.has("R"):
        return _as_codebook(codebook, limits)
    places = [Path(folder) for folder in folders]
    if isinstance(source, str | os.PathLike):
        places.insert(0, Path(source).parent)
    identity = image_codec(container).wanted_codebook(container)
    if identity is None:
        return None
    return find_codebook(identity, list(dict.fromkeys(places)), limits)


def image_codec(container: Container) -> Any:
    """Return the module that decodes the images of a container."""
    names = {Kind.PATCH: "patch", Kind.PHOTO: "photo", Kind.PALETTE: "palette"}
    if container.kind not in names:
        raise FormatError(f"this {container.kind.name.lower()} file holds no image")
    return importlib.import_module(f"vqcodec.{names[container.kind]}.codec")


def train(
    sources: Any,
    target: Target | None = None,
    *,
    kind: str = "patch",
    progress: ProgressCallback | None = None,
    limits: Limits = DEFAULT_LIMITS,
    provenance: str = "",
    checkpoint: str | os.PathLike[str] | None = None,
    resume: bool = False,
    history: list[list[float]] | None = None,
    **options: Any,
) -> Codebook:
    """Train a codebook of one's own, for ``encode(..., codebook=...)``.

    Parameters
    ----------
    sources : sequence of images or sounds, or of paths of such files and folders
    target : path or binary file, optional
        Where to write the .vqcb file.
    kind : {'patch', 'photo', 'audio', 'speech', 'frames'}
        The last three are trained on sounds.
    progress : callable, optional
    limits : Limits
    provenance : str
        A word on where it comes from, kept in the file.
    checkpoint : path, optional
        Where the state of a long training is kept, every ten seconds or so;
        deleted when the training is done.
    resume : bool
        Take up the training whose state is in `checkpoint`, if it exists; the
        codebook is the same as if it had never been stopped.
    history : list, optional
        For ``patch``: receives a list for each plane, the mean squared error of a
        sample at every step of the training.
    **options
        For ``patch``: `max_iter` (Lloyd steps at most) and the options of the
        codec (codewords, block, color, mean_removed, quality, lagrangian,
        seed); for ``photo`` see `vqcodec.photo.train.train`, for ``audio``
        `vqcodec.audio.train.train`, for ``frames`` `vqcodec.frames.options.Options`.

    Raises
    ------
    VQError
        As `encode`; `CodebookError` if the images do not suffice.
    """
    if kind not in ("patch", "photo", "audio", "speech", "frames"):
        raise ParameterError(f"there is no training for kind {kind!r}")
    sounds = kind in ("audio", "speech", "frames")
    files = list(_expand(sources, sounds))
    if not files:
        raise MediaError(f"there is no {'sound' if sounds else 'image'} to train on")
    from vqcodec.checkpoint import Checkpoint, key_of

    key = key_of(kind, sorted(options.items()), sources=files) if checkpoint is not None else ""
    state = Checkpoint(checkpoint, key, resume)
    if sounds:
        from vqcodec.audio import pipeline

        book = pipeline.train(
            files, kind, progress=progress, limits=limits, provenance=provenance, options=options,
            checkpoint=state,
        )  # fmt: skip
        _write(target, book.to_bytes())
        state.remove()
        return book
    if kind == "photo":
        from vqcodec.photo.train import train as train_photo

        _refuse_unknown(options, train_photo, "the training of photo codebooks")
        book = train_photo(
            files,
            limits=limits,
            progress=progress,
            provenance=provenance,
            checkpoint=state,
            **options,
        )
    else:
        from vqcodec.patch import external

        steps = {"max_iter": options.pop("max_iter")} if "max_iter" in options else {}
        book = external.train(
            lambda first: (open_large(f, limits) or load_image(f, limits) for f in files[first:]),
            len(files),
            make_options("patch", options),
            provenance=provenance,
            progress=progress,
            checkpoint=state,
            history=history,
            **steps,
        )
    if target is not None:
        _write(target, book.to_bytes())
    state.remove()
    return book


def _refuse_unknown(options: dict[str, Any], function: Callable[..., Any], what: str) -> None:
    known = inspect.signature(function).parameters
    for name in options:
        if name not in known:
            raise ParameterError(f"{what} has no option {name!r}")


def detach(data: bytes, *, limits: Limits = DEFAULT_LIMITS) -> tuple[bytes, Codebook]:
    """Split a .vqi file that embeds its codebook into an index file and the codebook."""
    with opened(data, limits) as container:
        if container.kind is not Kind.PATCH:
            raise ParameterError("only files of kind patch have a codebook of their own")
    from vqcodec.patch import external

    return external.detach(data, limits)


def compare(
    original: Source,
    coded: Source,
    *,
    codebook: Codebook | str | os.PathLike[str] | None = None,
    progress: ProgressCallback | None = None,
    limits: Limits = DEFAULT_LIMITS,
) -> dict[str, Any]:
    """Report distortion and compression ratio.

    Parameters
    ----------
    original, coded : path, bytes, binary file, array or image
        Either may be a coded file or an ordinary one; two sounds compare too.
        Images are compared upright, as their EXIF orientation says.

    Returns
    -------
    dict
        For images ``mse, psnr, psnr_y, ssim, ms_ssim, max_error``; for sounds
        ``snr, segmental_snr, log_spectral_distance``; for both ``bytes, bpp``
        or ``kbps``, ``ratio_file, ratio_raw`` (None where unknown); for files
        with a codebook ``codewords, used, perplexity``. A PSNR of identical
        images is infinite.
    """
    from vqcodec import metrics

    if any(is_sound_source(one) or is_coded_sound_source(one) for one in (original, coded)):
        return _compare_sounds(original, coded, _as_codebook(codebook, limits), limits)
    first = load_any(original, codebook, limits)
    second = load_any(coded, codebook, limits)
    if progress is not None:
        progress(0.2, "comparing")
    report = metrics.image_report(first.upright(), second.upright())
    size = _size_of(coded)
    before = _size_of(original)
    pixels = first.width * first.height
    report |= {
        "bytes": size,
        "bpp": size * 8 / pixels if size else None,
        "ratio_file": before / size if size and before else None,
        "ratio_raw": first.raw_bytes / size if size else None,
    }
    if is_coded_source(coded):
        report |= usage(coded, codebook=codebook, limits=limits)
    return report


def usage(
    source: Source,
    *,
    codebook: Codebook | str | os.PathLike[str] | None = None,
    limits: Limits = DEFAULT_LIMITS,
) -> dict[str, Any]:
    """Report how a patch file uses its codebook: codewords, used ones, perplexity, by plane."""
    with opened(source, limits) as container:
        if container.kind is not Kind.PATCH:
            return {}
        from vqcodec.patch import codec

        book = codebook_for(container, source, codebook, (), limits)
        return codec.usage(container, book, limits)


def info(source: Source, *, limits: Limits = DEFAULT_LIMITS) -> dict[str, Any]:
    """Return what a file says of itself, without decoding it: .vqi, .vqa, .vqcb, or an image."""
    if is_sound_source(source):
        from vqcodec.audio import pipeline

        return pipeline.describe_plain(source, limits)
    if not is_coded_source(source):
        return _describe_image(source, limits)
    with opened(source, limits) as container:
        container.verify()
        values: dict[str, Any] = {"kind": container.kind.name.lower(), "bytes": container.size}
        if container.kind is Kind.CODEBOOK:
            book = Codebook._from_container(container, limits)
            arrays = {name: list(array.shape) for name, array in book.arrays.items()}
            return {
                "kind": "codebook",
                "for": book.kind,
                "bytes": container.size,
                "identity": book.name,
                **book.config,
                "arrays": arrays,
                "provenance": book.provenance,
            }
        if container.kind in (Kind.AUDIO, Kind.FRAMES):
            from vqcodec.audio import pipeline

            return values | pipeline.describe_coded(container, limits)
        values |= image_codec(container).describe(container, limits)
        from vqcodec.metadata import from_chunks

        metadata = from_chunks(container, limits)
        values |= {
            "icc_bytes": len(metadata.icc) if metadata.icc else None,
            "exif_bytes": len(metadata.exif) if metadata.exif else None,
            "text": dict(metadata.text),
        }
        return values


def retag(
    path: str | os.PathLike[str],
    change: Callable[[Metadata], Metadata] | None = None,
    *,
    limits: Limits = DEFAULT_LIMITS,
) -> Metadata:
    """Change the metadata of a coded file in place; return what it then carries.

    Nothing is coded anew: every other chunk is copied as it is.

    Parameters
    ----------
    path : path
        A .vqi or .vqa file.
    change : callable, optional
        Gets the metadata of the file and returns what takes its place;
        without it the file is only read.

    Raises
    ------
    VQError
        As `info`; `ParameterError` if the metadata exceed the limits.
    """
    from vqcodec.metadata import from_chunks, replaced

    with opened(path, limits) as container:
        if container.kind is Kind.CODEBOOK:
            raise ParameterError(f"{path} is a codebook: it has no tags")
        before = from_chunks(container, limits)
        if change is None:
            return before
        after = change(before)
        text = sum(len(key) + 6 * len(value) for key, value in after.text.items())
        parts = (after.icc, after.exif, after.xmp, after.cover)
        if text + sum(len(part or b"") for part in parts) > limits.metadata:
            raise ParameterError(f"tags and cover exceed the limit of {limits.metadata} bytes")
        with atomic_file(path) as file:
            file.writelines(replaced(container, after))
        return after


# --- sources ------------------------------------------------------------------


@contextlib.contextmanager
def opened(
    source: Source, limits: Limits = DEFAULT_LIMITS, damaged: list[str] | None = None
) -> Iterator[Container]:
    """Open a coded file: a path, bytes, or a binary file; with `damaged`, what is left of it."""
    from vqcodec.media.reading import open_input

    with contextlib.ExitStack() as stack:
        if isinstance(source, str | os.PathLike):
            source = stack.enter_context(open_input(source, "a vqcodec file"))
        elif isinstance(source, bytes | bytearray | memoryview):
            source = bytes(source)
        elif not (hasattr(source, "seekable") and source.seekable()):
            source = source.read()
        if damaged is None:
            yield open_container(source, limits)
            return
        container, notes = open_damaged(source, _LANDMARKS, limits)
        damaged.extend(notes)
        yield container


def load_any(
    source: Source,
    codebook: Codebook | str | os.PathLike[str] | None = None,
    limits: Limits = DEFAULT_LIMITS,
) -> Image:
    """Return an image from a coded file, an ordinary one, an array or an image."""
    if is_coded_source(source):
        return decode(source, codebook=codebook, limits=limits)
    return load_image(source, limits)


def _head(source: Source) -> bytes:
    """Return the first bytes of a source, without consuming them."""
    if isinstance(source, bytes | bytearray | memoryview):
        return bytes(source[:64])
    if isinstance(source, str | os.PathLike):
        try:
            with Path(source).open("rb") as file:
                return file.read(64)
        except OSError:
            return b""
    if isinstance(source, io.IOBase) and source.seekable():
        position = source.tell()
        head: bytes = source.read(64)
        source.seek(position)
        return head
    return b""


def is_coded_source(source: Source) -> bool:
    """Return whether a source is a file of ours, by its first bytes, without consuming these."""
    return looks_like(_head(source))


def is_sound_source(source: Source) -> bool:
    """Return whether a source is an ordinary sound."""
    return isinstance(source, Audio) or is_sound(_head(source))


def is_coded_sound_source(source: Source) -> bool:
    """Return whether a source is a .vqa file."""
    return is_coded_sound(_head(source))


def _compare_sounds(
    original: Source, coded: Source, codebook: Codebook | None, limits: Limits
) -> dict[str, Any]:
    from vqcodec import metrics
    from vqcodec.audio import pipeline

    first, second = (
        pipeline.load_any(one, codebook, limits, is_coded_sound_source(one))
        for one in (original, coded)
    )
    report = metrics.audio_report(first.samples, second.samples, first.rate)
    size, before = _size_of(coded), _size_of(original)
    raw = first.raw_bytes
    seconds = len(first.samples) / first.rate
    report |= {
        "bytes": size,
        "kbps": size * 8 / seconds / 1000 if size and seconds else None,
        "ratio_file": before / size if size and before else None,
        "ratio_raw": raw / size if size else None,
    }
    return report


def _size_of(source: Source) -> int | None:
    if isinstance(source, bytes | bytearray | memoryview):
        return len(source)
    if isinstance(source, str | os.PathLike):
        return os.stat(source).st_size
    return None


def _describe_image(source: Source, limits: Limits) -> dict[str, Any]:
    image = load_image(source, limits)
    return {
        "kind": "image",
        "format": image.source.format if image.source else None,
        "bytes": _size_of(source),
        "width": image.width,
        "height": image.height,
        "channels": image.channels,
        "bits": image.bits,
        "icc_bytes": len(image.metadata.icc) if image.metadata.icc else None,
        "exif_bytes": len(image.metadata.exif) if image.metadata.exif else None,
        "text": dict(image.metadata.text),
    }


def _expand(sources: Any, sounds: bool = False) -> Iterator[Source]:
    """Yield every source; of folders, the images (or sounds) in them and below."""
    if isinstance(sources, str | os.PathLike | bytes) or hasattr(sources, "read"):
        sources = [sources]
    for source in sources:
        if isinstance(source, str | os.PathLike) and Path(source).is_dir():
            known = SUFFIXES if sounds else PIL.Image.registered_extensions()
            found = (path for path in sorted(Path(source).rglob("*")) if path.is_file())
            yield from (path for path in found if path.suffix.lower() in known)
        else:
            yield source


def _as_codebook(
    codebook: Codebook | str | os.PathLike[str] | None, limits: Limits
) -> Codebook | None:
    if codebook is None or isinstance(codebook, Codebook):
        return codebook
    if isinstance(codebook, str | os.PathLike):
        return Codebook.load(codebook, limits)
    raise CodebookError(f"a codebook or its path is needed, not {type(codebook).__name__}")


def _write(
    target: Target | None, data: bytes, verify: Callable[[bytes], object] | None = None
) -> None:
    if isinstance(target, str | os.PathLike):
        write_atomically(target, data, verify)
        return
    if verify is not None:
        verify(data)
    if target is not None:
        target.write(data)
