"""What a report is about: the original, and what became of it, decoded and measured."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from vqcodec import api
from vqcodec.codebook import Codebook
from vqcodec.container import DEFAULT_LIMITS, Container, Kind, Limits
from vqcodec.errors import CancelledError, ParameterError
from vqcodec.media import Image
from vqcodec.report.pictures import ErrorMap, Plane, error_map, looks_of

Progress = Callable[[float, str], bool | None]
QUALITIES = (40.0, 75.0, 90.0)  # of the files made where none are given
MOST_SWATCHES = 256


@dataclass(frozen=True, eq=False)
class Swatches:
    """Colours and how many pixels have them; `total` says how many colours there are in all."""

    rgba: np.ndarray
    counts: np.ndarray
    total: int


@dataclass(frozen=True, eq=False)
class CodedImage:
    """One coded version of an image.

    Attributes
    ----------
    name : str
    kind : str
        ``photo``, ``patch``, ``palette``, or the format of an ordinary file.
    size : int or None
        Bytes of the file.
    samples : (height, width, channels) ndarray
        What it decodes to, upright.
    scores : dict
        As `vqcodec.compare` gives them.
    errors : ErrorMap
    planes : list of Plane
        The codebooks of a patch file.
    codewords : ndarray or None
        Those of a photo file: pairs of magnitudes.
    palette : Swatches or None
        Of indexed pictures.
    """

    name: str
    kind: str
    size: int | None
    samples: np.ndarray
    scores: dict[str, Any]
    errors: ErrorMap
    planes: list[Plane] = field(default_factory=list)
    codewords: np.ndarray | None = None
    palette: Swatches | None = None


@dataclass(frozen=True, eq=False)
class ImageSubject:
    """An image and its coded versions; `samples` are upright."""

    name: str
    image: Image
    samples: np.ndarray
    size: int | None
    coded: list[CodedImage]
    colors: Swatches | None


def load_image_subject(
    original: Any,
    coded: Sequence[Any],
    codebook: Codebook | None = None,
    limits: Limits = DEFAULT_LIMITS,
    progress: Progress | None = None,
) -> ImageSubject:
    """Load and measure an image and its coded versions; make some where there are none.

    Raises
    ------
    VQError
        A file cannot be read or decoded, or is of another size than the original.
    """
    image = api.load_any(original, codebook, limits)
    samples = image.upright()
    size = size_of(original)
    versions = [(name_of(source), source) for source in coded]
    if not versions:
        for number, quality in enumerate(QUALITIES):
            step(progress, number / (2 * len(QUALITIES)), f"encoding at quality {quality:g}")
            data = api.encode(image, quality=quality, codebook=codebook, limits=limits)
            versions.append((f"quality {quality:g}", data))
    done = []
    for number, (name, source) in enumerate(versions):
        step(progress, 0.5 + number / (2 * len(versions)), f"measuring {name}")
        done.append(_measured(name, source, image, samples, size, codebook, limits))
    reduced_to = any(one.palette is not None for one in done)
    colors = None
    if reduced_to:
        colors = count_colors(samples)
        if colors.total > MOST_SWATCHES:
            colors = group_colors(samples)
    return ImageSubject(name_of(original), image, samples, size, done, colors)


def _measured(
    name: str,
    source: Any,
    image: Image,
    samples: np.ndarray,
    size_before: int | None,
    codebook: Codebook | None,
    limits: Limits,
) -> CodedImage:
    decoded = api.load_any(source, codebook, limits)
    seen = decoded.upright()
    if seen.shape[:2] != samples.shape[:2]:
        raise ParameterError(
            f"{name} is {seen.shape[1]} x {seen.shape[0]} pixels, "
            f"the original {samples.shape[1]} x {samples.shape[0]}"
        )
    scores = api.compare(image, decoded, limits=limits)
    size = size_of(source)
    kind, planes, codewords, palette = "image", [], None, None
    if api.is_coded_source(source):
        with api.opened(source, limits) as container:
            kind = container.kind.name.lower()
            if container.kind is Kind.PATCH:
                planes = patch_planes(container, _book_of(container, source, codebook, limits))
            elif container.kind is Kind.PHOTO:
                book = codebook if codebook is not None else _shipped_photo()
                codewords = book.arrays["codewords"]
        scores |= api.usage(source, codebook=codebook, limits=limits)
    elif decoded.source is not None:
        kind = decoded.source.format or kind
    if kind == "palette" or _few_colors(seen, samples):
        palette = count_colors(seen)
    pixels = samples.shape[0] * samples.shape[1]
    scores |= {
        "bytes": size,
        "bpp": size * 8 / pixels if size else None,
        "ratio_file": size_before / size if size and size_before else None,
        "ratio_raw": image.raw_bytes / size if size else None,
    }
    errors = error_map(samples, seen)
    return CodedImage(name, kind, size, seen, scores, errors, planes, codewords, palette)


def patch_planes(opened: Container, codebook: Codebook | None = None) -> list[Plane]:
    """Return the codebooks of a patch file, as they look, with their use."""
    from vqcodec.patch.books import read_books
    from vqcodec.patch.codec import count_uses
    from vqcodec.patch.form import Form

    form = Form.unpack(opened.header, DEFAULT_LIMITS)
    books = read_books(opened, form, codebook, DEFAULT_LIMITS)
    planes = []
    uses = count_uses(opened, form, books)
    for number, ((shape, book), counts) in enumerate(zip(books, uses, strict=True)):
        names = {"gray": ["gray"], "rgb": ["colour"]}.get(form.layout, ["luma", "chroma"])
        planes.append(
            Plane(
                [*names, "alpha"][number],
                looks_of(book.codewords, shape.block, shape.channels, form.bits),
                counts,
            )
        )
    return planes


def codebook_planes(book: Codebook) -> list[Plane]:
    """Return the planes of a trained patch codebook, with the use it was trained with.

    Raises
    ------
    CodebookError
        It is of another kind.
    """
    from vqcodec.patch.external import suffixes

    config = book.require("patch").config
    layout, blocks = str(config["transform"]), config["shape"]
    names = {"gray": ["gray"], "rgb": ["colour"]}.get(layout, ["luma", "chroma"])
    channels = {"gray": [1], "rgb": [3]}.get(layout, [1, 2])
    planes = []
    for number, suffix in enumerate(suffixes(layout, len(blocks))):
        words = book.array("codewords" + suffix)
        looks = looks_of(words, tuple(blocks[number]), [*channels, 1][number], config["bits"])
        counts = book.array("frequencies" + suffix).astype(np.int64)
        planes.append(Plane([*names, "alpha"][number], looks, counts))
    return planes


def count_colors(samples: np.ndarray, most: int | None = MOST_SWATCHES) -> Swatches:
    """Count the colours of a picture and return the most frequent ones."""
    from vqcodec.media.image import to_eight_bits
    from vqcodec.palette.histogram import count_colors as histogram_of

    if samples.dtype == np.uint16:
        samples = to_eight_bits(samples)
    if samples.shape[2] <= 2:
        samples = np.concatenate([samples[..., :1].repeat(3, 2), samples[..., 1:]], axis=2)
    histogram = histogram_of([np.ascontiguousarray(samples)])
    order = np.argsort(-histogram.counts, kind="stable")[:most]
    return Swatches(histogram.rgba[order], histogram.counts[order], len(histogram))


def group_colors(samples: np.ndarray) -> Swatches:
    """Count similar colours together: cells of 32 levels side by side, shown by their mean."""
    every = count_colors(samples, None)
    cells = every.rgba >> 5
    packed = cells @ np.array([512, 64, 8, 1], np.int64)
    _, place = np.unique(packed, return_inverse=True)
    counts = np.bincount(place, every.counts)
    sums = [np.bincount(place, every.counts * every.rgba[:, c]) for c in range(4)]
    means = (np.stack(sums, 1) / counts[:, None]).round().astype(np.uint8)
    order = np.argsort(-counts, kind="stable")[:MOST_SWATCHES]
    return Swatches(means[order], counts[order], every.total)


def _few_colors(coded: np.ndarray, original: np.ndarray) -> bool:
    """Return whether a picture is one of at most 256 colours, and the original is not."""
    if coded.dtype == np.uint16 or coded.shape[2] <= 2:
        return False
    return count_colors(coded).total <= MOST_SWATCHES < count_colors(original).total


def _book_of(
    container: Container, source: Any, codebook: Codebook | None, limits: Limits
) -> Codebook | None:
    return api.codebook_for(container, source, codebook, (), limits)


def _shipped_photo() -> Codebook:
    from vqcodec.photo.job import shipped_codebook

    return shipped_codebook()


def size_of(source: Any) -> int | None:
    """Return the bytes of a source, where it is a file or the contents of one."""
    if isinstance(source, bytes | bytearray | memoryview):
        return len(source)
    return os.stat(source).st_size if isinstance(source, str | os.PathLike) else None


def name_of(source: Any) -> str:
    """Return what a page calls a source."""
    return Path(source).name if isinstance(source, str | os.PathLike) else "the picture in memory"


def step(progress: Progress | None, fraction: float, message: str) -> None:
    """Report progress.

    Raises
    ------
    CancelledError
        The callback said so.
    """
    if progress is not None and progress(fraction, message) is False:
        raise CancelledError("the report was cancelled")
