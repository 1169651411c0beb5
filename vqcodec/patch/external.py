"""Codebooks outside the file: trained on many images, or taken out of one.

The `Codebook` of kind ``patch`` holds, for each plane, an array of codewords
and one of frequencies (how often each was used in training: the index coder
starts from them).
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from vqcodec.checkpoint import Checkpoint
from vqcodec.codebook import Codebook
from vqcodec.container import DEFAULT_LIMITS, Limits, open_container
from vqcodec.errors import CancelledError, CodebookError, FormatError, ParameterError
from vqcodec.media import Image
from vqcodec.metadata import from_chunks
from vqcodec.patch.blocks import LAYOUTS, PlaneShape, plane_shapes
from vqcodec.patch.books import read_books
from vqcodec.patch.codec import CodedPlane, count_uses, pack, split_tiles, tile_payload
from vqcodec.patch.design import (
    Band,
    PlaneBook,
    band_of,
    design,
    require_range,
    train_centres,
    training_vectors,
)
from vqcodec.patch.form import Form
from vqcodec.patch.options import Options
from vqcodec.patch.planes import Picture

if TYPE_CHECKING:
    from vqcodec.media.large import LargeImage
    from vqcodec.patch.encoder import Point

_VECTORS = 1 << 19  # of all images together, at least 16 a codeword
_BAND_BLOCKS = 1 << 17  # blocks of all images together that the coder steps look at
_LEAST_BAND = 1 << 10
_FREQUENCY_TOTAL = 1 << 15


def suffixes(layout: str, planes: int) -> list[str]:
    """Return what the array names of each plane end with."""
    names = ["", ".chroma", ".alpha"] if layout.startswith("ycbcr") else ["", ".alpha"]
    return names[:planes]


def form_of(codebook: Codebook, image: Image | LargeImage) -> tuple[str, bool]:
    """Return the layout and the mean removal that a codebook is for; it must fit the image."""
    config = codebook.require("patch").config
    layout, bits = config.get("transform"), config.get("bits")
    if layout not in LAYOUTS or bits not in (8, 16):
        raise FormatError("the configuration of the codebook is damaged")
    if bits != image.bits:
        raise CodebookError(f"the codebook is for {bits}-bit images, this one has {image.bits}")
    if layout != "gray" and image.channels <= 2:
        raise CodebookError(f"the codebook is for colour images ({layout}), this one is gray")
    return layout, bool(config.get("mean_removed"))


def plane_books(codebook: Codebook, form: Form) -> list[tuple[PlaneShape, PlaneBook]]:
    """Return shape and codebook of the planes that an external codebook covers.

    Raises
    ------
    FormatError
        The arrays of the codebook do not belong to its configuration.
    CodebookError
        It is for another kind of image.
    """
    config = codebook.require("patch").config
    same = (
        config.get("transform") == form.layout,
        config.get("bits") == form.bits,
        bool(config.get("mean_removed")) == form.means_removed,
    )
    if not all(same):
        raise CodebookError("the codebook is for images of another form than this file")
    blocks, planes = config.get("shape"), config.get("planes")
    if not isinstance(blocks, list) or planes != len(blocks) or not 1 <= len(blocks) <= 3:
        raise FormatError("the configuration of the codebook is damaged")
    books = []
    wanted = len(form.shapes((1, 1)))
    for number, suffix in enumerate(suffixes(form.layout, min(planes, wanted))):
        sides = blocks[number]
        if not (isinstance(sides, list) and len(sides) == 2 and all(
            isinstance(side, int) and 1 <= side <= 16 for side in sides
        )):  # fmt: skip
            raise FormatError("the configuration of the codebook is damaged")
        shape = form.shapes((sides[0], sides[1]))[number]
        codewords = codebook.array("codewords" + suffix).astype(np.int64)
        frequencies = codebook.array("frequencies" + suffix).astype(np.int64)
        if codewords.ndim != 2 or codewords.shape[1] != shape.dimension:
            raise FormatError("the codewords do not have the vector shape of the codebook")
        require_range(codewords, form.bits, form.means_removed)
        if frequencies.shape != codewords.shape[:1] or frequencies.min() < 1:
            raise FormatError("the frequencies of the codebook are damaged")
        if int(frequencies.max()) > 1 << 16:
            raise FormatError("the frequencies of the codebook are damaged")
        books.append((shape, PlaneBook(codewords, 1, frequencies)))
    return books


def codebook_of(
    layout: str, bits: int, means_removed: bool, books: Sequence[tuple[PlaneShape, PlaneBook]],
    usage: Sequence[np.ndarray], provenance: str,
) -> Codebook:  # fmt: skip
    """Return the `Codebook` value of these planes; `usage` counts the uses of each codeword."""
    config = {
        "transform": layout,
        "shape": [list(shape.block) for shape, _ in books],
        "bits": bits,
        "mean_removed": means_removed,
        "planes": len(books),
    }
    low_dtype = np.int32 if means_removed else np.uint16
    dtype = (np.int16 if means_removed else np.uint8) if bits == 8 else low_dtype
    arrays = {}
    for suffix, (_, book), counts in zip(suffixes(layout, len(books)), books, usage, strict=True):
        arrays["codewords" + suffix] = book.codewords.astype(dtype)
        share = counts * (_FREQUENCY_TOTAL / max(1, int(counts.sum())))
        arrays["frequencies" + suffix] = (8 + share).astype(np.uint16)
    return Codebook("patch", config, arrays, provenance)


def detach(data: bytes, limits: Limits = DEFAULT_LIMITS) -> tuple[bytes, Codebook]:
    """Split a file into an index file and its codebook.

    The indices are coded anew, as the decoder will know the frequencies of the
    codewords beforehand; the decoded image stays the same.
    """
    opened = open_container(io.BytesIO(data), limits)
    form = Form.unpack(opened.header, limits)
    if form.external:
        raise ParameterError("the file has no codebook of its own")
    books = read_books(opened, form, None, limits)
    usage = count_uses(opened, form, books)
    words = "taken out of one image"
    codebook = codebook_of(form.layout, form.bits, form.means_removed, books, usage, words)
    outside = replace(form, external=True)
    frequencies = [book.frequencies for _, book in plane_books(codebook, outside)]
    tiles = []
    for tile, planes in split_tiles(opened, form, books):
        recoded = [_recode(p, f, tile) for p, f in zip(planes, frequencies, strict=True)]
        tiles.append(tile_payload(tile, recoded))
    metadata = from_chunks(opened, limits)
    return pack(outside, books, tiles, codebook, metadata, opened.check or 0), codebook


def _recode(plane: CodedPlane, frequencies: np.ndarray | None, form: Form) -> CodedPlane:
    """Code the same indices with the frequencies of an external codebook."""
    if form.fixed_rate:
        return plane
    from vqcodec.patch.indexcoder import encode_given

    stream = encode_given(
        plane.indices, plane.means, plane.book.codewords, plane.shape, form.bits, frequencies
    )
    return replace(plane, stream=stream)


# --- training -----------------------------------------------------------------


def train(
    images: Callable[[int], Iterator[Image | LargeImage]],
    count: int,
    options: Options,
    *,
    max_iter: int = 25,
    provenance: str = "",
    progress: Callable[[float, str], bool | None] | None = None,
    checkpoint: Checkpoint | None = None,
    history: list[list[float]] | None = None,
) -> Codebook:
    """Train one codebook on many images, read one at a time.

    Parameters
    ----------
    images : callable
        Given a number, returns an iterator over the images from that one on;
        it is called once.
    count : int
        How many images there are.
    options : Options
        Codewords, block, colour, mean removal, lambda or quality, seed.
    max_iter : int
        Lloyd steps at most.
    provenance : str
        Goes into the codebook.
    progress : callable, optional
    checkpoint : Checkpoint, optional
        Where the state is kept: a training that takes it up returns the same
        codebook as one that was never stopped.
    history : list, optional
        Receives a list for each plane: the mean squared error of a sample at every
        step of the training. It is empty for a plane taken up from a checkpoint.

    Raises
    ------
    CodebookError
        Images of different sample sizes, gray ones among colour, or fewer
        blocks than codewords; a checkpoint that does not fit.
    """
    from vqcodec.patch.encoder import operating_point

    checkpoint = checkpoint or Checkpoint(None)
    point = operating_point(options.wanted_quality, 1 << 22, options)
    state = _Gathered(point, options, count)
    kept = checkpoint.load()
    state.take_up(kept)
    for number, image in enumerate(images(state.images), state.images):
        _say(progress, 0.3 * number / count, "reading images")
        state.add(image)
        if checkpoint.due:
            checkpoint.save(state.arrays())
    if not state.layout:
        raise CodebookError("there is no image to train on")
    lagrangian = point.lagrangian * (1.0 if state.bits == 8 else 257.0**2)
    books, usage = [], []
    arrays = state.arrays() if checkpoint.path else {}
    planes = len(state.vectors)
    for plane in range(planes):
        wanted = point.codewords if plane == 0 else max(2, point.codewords // 4)
        vectors = np.concatenate(state.vectors[plane])
        if wanted > len(vectors):
            raise CodebookError(
                f"{wanted} codewords were asked for, but the images have only {len(vectors)} blocks"
            )
        start, span = 0.3 + 0.7 * plane / planes, 0.7 / planes
        name = f"centres{plane}"
        centres = kept.get(name)
        steps: list[float] | None = None
        if history is not None:
            history.append(steps := [])
        if centres is None:
            say = _part_of(progress, start, 0.8 * span)
            centres = train_centres(vectors, wanted, options.seed, max_iter, say, steps)
        arrays[name] = centres
        if checkpoint.due:
            checkpoint.save(arrays)
        bands = state.bands[plane]
        book, counts = design(
            bands, centres, lagrangian, options.mean_removed, not options.fixed_rate, stored=False
        )
        books.append((bands[0].shape, book))
        usage.append(counts)
    _say(progress, 1.0, "done")
    removed = options.mean_removed
    return codebook_of(state.layout, state.bits, removed, books, usage, provenance)


class _Gathered:
    """What the training keeps of the images: some vectors and some bands, never the images."""

    def __init__(self, point: Point, options: Options, count: int) -> None:
        self.point, self.options = point, options
        self.share = max(1, max(_VECTORS, 16 * point.codewords) // count)
        self.band_blocks = max(_LEAST_BAND, _BAND_BLOCKS // count)
        self.stride = -(-count * self.band_blocks // _BAND_BLOCKS)  # a band of every so many images
        self.layout, self.bits, self.images = "", 8, 0
        self.vectors: list[list[np.ndarray]] = []
        self.bands: list[list[Band]] = []

    def add(self, image: Image | LargeImage) -> None:
        """Draw from one image."""
        channels = image.channels
        if not self.layout:
            self.layout, self.bits = self.options.layout(channels), image.bits
        if image.bits != self.bits:
            raise CodebookError("images of 8 and of 16 bits cannot share a codebook")
        samples = image.samples
        if isinstance(samples, np.ndarray):
            samples = samples[..., : channels - (channels in (2, 4))]
        picture = Picture(samples, self.layout)
        shapes = plane_shapes(image.height, image.width, self.layout, False, self.point.block)
        for plane, shape in enumerate(shapes):
            padded = picture.padded(plane, shape)
            if len(self.vectors) == plane:
                self.vectors.append([])
                self.bands.append([])
            self.vectors[plane].append(
                training_vectors(
                    padded, shape, self.point.codewords, self.options.mean_removed,
                    self.options.seed, self.share,
                )
            )  # fmt: skip
            if self.images % self.stride == 0:
                self.bands[plane].append(band_of(padded, shape, self.band_blocks))
        self.images += 1

    def arrays(self) -> dict[str, np.ndarray]:
        """Return the state for a checkpoint."""
        out: dict[str, np.ndarray] = {
            "images": np.array(self.images),
            "layout": np.array(self.layout),
            "bits": np.array(self.bits),
        }
        for plane, (vectors, bands) in enumerate(zip(self.vectors, self.bands, strict=True)):
            out[f"vectors{plane}"] = np.concatenate(vectors)
            for number, band in enumerate(bands):
                shape = band.shape
                out[f"band{plane}.{number}"] = band.padded
                out[f"shape{plane}.{number}"] = np.array(
                    [shape.height, shape.width, shape.channels, *shape.block]
                )
        return out

    def take_up(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Restore the state of a checkpoint, if there is one."""
        if not arrays:
            return
        self.images, self.bits = int(arrays["images"]), int(arrays["bits"])
        self.layout = str(arrays["layout"])
        while f"vectors{len(self.vectors)}" in arrays:
            plane = len(self.vectors)
            self.vectors.append([arrays[f"vectors{plane}"]])
            self.bands.append([])
            while "band" + (name := f"{plane}.{len(self.bands[plane])}") in arrays:
                height, width, channels, *block = map(int, arrays["shape" + name])
                shape = PlaneShape(height, width, channels, (block[0], block[1]))
                self.bands[plane].append(Band(arrays["band" + name], shape))


def _part_of(
    progress: Callable[[float, str], bool | None] | None, start: float, span: float
) -> Callable[[float, str], bool | None] | None:
    """Return a progress callback whose 0 to 1 is `start` to ``start + span`` of another."""
    if progress is None:
        return None
    whole = progress
    return lambda part, words: whole(start + span * part, words)


def _say(
    progress: Callable[[float, str], bool | None] | None, fraction: float, message: str
) -> None:
    if progress is not None and progress(fraction, message) is False:
        raise CancelledError("training was cancelled")
