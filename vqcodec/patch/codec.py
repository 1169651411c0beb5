"""The classical VQ codec: blocks, a codebook, an index for each block.

    header  H   flags, width, height
    'B'         the codebooks of the planes that embed theirs
    'R'         the identity of an external codebook
    'I'         the indices of all planes

The way down and the way up go through the same rooms: planes and blocks
(`blocks`), codebook (`design`, `bookcoder`), indices (`indexcoder`, or
`fixedrate`), container. Entropy-coded streams need compiled kernels and import
them when they are met; fixed-rate decoding is plain NumPy.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from vqcodec import container
from vqcodec.codebook import Codebook
from vqcodec.container import (
    DEFAULT_LIMITS,
    ByteReader,
    Chunk,
    Container,
    Kind,
    Limits,
    pack_varint,
)
from vqcodec.errors import ChecksumError
from vqcodec.media import Image, check_region
from vqcodec.metadata import Metadata, from_chunks, to_chunks
from vqcodec.patch import fixedrate
from vqcodec.patch.blocks import PlaneShape, join_planes, to_vectors
from vqcodec.patch.books import book_shapes, pack_books, read_books, wanted_codebook
from vqcodec.patch.design import PlaneBook
from vqcodec.patch.form import Form

__all__ = ["decode", "describe", "usage", "wanted_codebook"]

KNOWN_CHUNKS = "BRI"
_NO_MEANS = np.zeros((0, 0, 0), np.int64)


@dataclass(frozen=True)
class CodedPlane:
    """One plane on its way: shape, codebook, index stream, and what the decoder will see."""

    shape: PlaneShape
    book: PlaneBook
    stream: bytes
    indices: np.ndarray
    means: np.ndarray


# --- forward ------------------------------------------------------------------


def code_plane(
    padded: np.ndarray, shape: PlaneShape, book: PlaneBook, form: Form, lagrangian: float
) -> CodedPlane:
    """Find and code the indices of one padded plane."""
    means = _NO_MEANS
    if form.means_removed:
        from vqcodec.patch.design import plane_means

        means = plane_means(padded, shape)
    if form.fixed_rate:
        indices = _nearest(padded, shape, book.codewords, means)
        stream = fixedrate.pack_indices(indices, fixedrate.index_bits(book.count))
        if form.means_removed:
            stream += fixedrate.pack_indices(means, form.bits)
    else:
        from vqcodec.patch.indexcoder import encode_indices

        stream, indices = encode_indices(
            padded, means, book.codewords, shape, lagrangian, book.frequencies
        )
    return CodedPlane(shape, book, stream, indices, means)


def _nearest(
    padded: np.ndarray, shape: PlaneShape, codewords: np.ndarray, means: np.ndarray
) -> np.ndarray:
    """Return the nearest codeword of each block."""
    from vqcodec.cluster.assign import assign
    from vqcodec.patch.blocks import remove_means, row_chunks

    kind = np.uint8 if len(codewords) <= 256 else np.uint16
    indices = np.zeros((shape.rows, shape.columns), kind)
    table = codewords.astype(np.float32)
    for rows in row_chunks(shape):
        strip = padded[rows.start * shape.block[0] : rows.stop * shape.block[0]]
        vectors = to_vectors(strip, shape)
        if means.size:
            vectors = remove_means(vectors, shape.channels)[1]
        labels, _ = assign(vectors.astype(np.float32), table)
        indices[rows] = labels.reshape(-1, shape.columns)
    return indices


def pack(
    form: Form, planes: list[CodedPlane], external: Codebook | None, metadata: Metadata, check: int
) -> bytes:
    """Return the whole file."""
    chunks = []
    embedded = [(plane.shape, plane.book) for plane in planes]
    if external is not None:
        chunks.append(Chunk("R", external.identity))
        embedded = embedded[int(external.config["planes"]) :]
    if embedded:
        chunks.append(Chunk("B", pack_books(embedded, form)))
    lengths = b"" if form.fixed_rate else b"".join(pack_varint(len(p.stream)) for p in planes[:-1])
    chunks.append(Chunk("I", b"".join((lengths, *(plane.stream for plane in planes)))))
    return container.pack(Kind.PATCH, form.pack(), [*chunks, *to_chunks(metadata)], check)


def reconstruct(form: Form, planes: list[CodedPlane]) -> np.ndarray:
    """Return the samples (height, width, channels) that a decoder of these planes sees."""
    joined = []
    for plane in planes:
        padded = fixedrate.look_up(
            plane.indices, plane.means, plane.book.codewords, plane.shape, form.dtype
        )
        joined.append(padded[: plane.shape.height, : plane.shape.width])
    return np.ascontiguousarray(join_planes(joined, form.layout, form.height, form.width))


def check_of(samples: np.ndarray) -> int:
    """Return the check of decoded samples: CRC-32 of their little-endian bytes, row by row."""
    little = samples.astype(samples.dtype.newbyteorder("<"), copy=False)
    return container.sample_check(little.data.cast("B"))


# --- inverse ------------------------------------------------------------------


def decode(
    opened: Container,
    codebook: Codebook | None = None,
    region: tuple[int, int, int, int] | None = None,
    limits: Limits = DEFAULT_LIMITS,
) -> Image:
    """Reconstruct the image of a patch file.

    Parameters
    ----------
    opened : Container
    codebook : Codebook, optional
        The external codebook, where the file names one.
    region : (x, y, width, height), optional
        Only this part of the image. At a fixed rate only the indices that it
        needs are read.
    limits : Limits

    Raises
    ------
    FormatError
        Damaged or illegal contents.
    MissingCodebookError, CodebookError
        The external codebook is not there, or is another one.
    """
    opened.refuse_unknown(KNOWN_CHUNKS)
    form = Form.unpack(opened.header, limits)
    books = read_books(opened, form, codebook, limits)
    metadata = from_chunks(opened, limits)
    if region is not None:
        check_region(region, form.width, form.height)
        x, y, width, height = region
        if form.fixed_rate:
            samples = _decode_region(opened, form, books, region)
        else:
            samples = _decode_all(opened, form, books)[y : y + height, x : x + width]
        return Image(np.ascontiguousarray(samples), metadata)
    return Image(_decode_all(opened, form, books), metadata)


def describe(opened: Container, limits: Limits = DEFAULT_LIMITS) -> dict[str, Any]:
    """Return what a patch file says of itself; the codewords are not decoded."""
    form = Form.unpack(opened.header, limits)
    identity = wanted_codebook(opened)
    values = {
        "width": form.width,
        "height": form.height,
        "channels": form.channels,
        "bits": form.bits,
        "layout": form.layout,
        "indices": "fixed rate" if form.fixed_rate else "entropy-coded",
        "mean_removed": form.means_removed,
        "bpp": opened.size * 8 / (form.width * form.height),
        "codebook": identity.hex() if identity else "embedded",
        "codebook_bytes": sum(e.length for e in opened.entries if e.type == "B"),
        "index_bytes": sum(e.length for e in opened.entries if e.type == "I"),
    }
    if identity is None:
        values["planes"] = book_shapes(opened, form, limits)
    return values


def usage(
    opened: Container, codebook: Codebook | None, limits: Limits = DEFAULT_LIMITS
) -> dict[str, Any]:
    """Return, plane by plane, codewords, how many are used, and the perplexity of the indices."""
    form = Form.unpack(opened.header, limits)
    planes = split_streams(opened, form, read_books(opened, form, codebook, limits))
    report: dict[str, list[Any]] = {"codewords": [], "used": [], "perplexity": []}
    for plane in planes:
        counts = np.bincount(plane.indices.ravel(), minlength=plane.book.count)
        share = counts[counts > 0] / counts.sum()
        report["codewords"].append(plane.book.count)
        report["used"].append(len(share))
        report["perplexity"].append(float(2 ** -(share * np.log2(share)).sum()))
    return {name: values[0] if len(values) == 1 else values for name, values in report.items()}


def split_streams(
    opened: Container, form: Form, books: list[tuple[PlaneShape, PlaneBook]]
) -> list[CodedPlane]:
    """Decode the indices of every plane."""
    reader = ByteReader(opened.one("I"), "index chunk")
    if form.fixed_rate:
        sizes = [_fixed_size(shape, book, form) for shape, book in books]
    else:
        sizes = [reader.varint() for _ in books[:-1]]
        sizes.append(max(0, len(reader.data) - reader.position - sum(sizes)))
    planes = []
    for (shape, book), size in zip(books, sizes, strict=True):
        stream = reader.take(size)
        if form.fixed_rate:
            indices, means = _unpack(stream, 0, shape.rows, shape, book, form)
        else:
            from vqcodec.patch.indexcoder import decode_indices

            indices, means = decode_indices(
                stream, book.codewords, shape, form.bits, form.means_removed, book.frequencies
            )
        planes.append(CodedPlane(shape, book, stream, indices, means))
    reader.finish()
    return planes


def _decode_all(
    opened: Container, form: Form, books: list[tuple[PlaneShape, PlaneBook]]
) -> np.ndarray:
    samples = reconstruct(form, split_streams(opened, form, books))
    if opened.check is not None and check_of(samples) != opened.check:
        raise ChecksumError("the decoded samples do not match their checksum: damaged file")
    return samples


def _fixed_size(shape: PlaneShape, book: PlaneBook, form: Form) -> int:
    size = fixedrate.packed_size(shape.blocks, fixedrate.index_bits(book.count))
    if form.means_removed:
        size += fixedrate.packed_size(shape.blocks * shape.channels, form.bits)
    return size


def _unpack(
    stream: bytes, first: int, rows: int, shape: PlaneShape, book: PlaneBook, form: Form
) -> tuple[np.ndarray, np.ndarray]:
    """Unpack indices and means of whole rows of blocks; `stream` holds `rows` from `first` on."""
    bits = fixedrate.index_bits(book.count)
    start, count = first * shape.columns, rows * shape.columns
    indices = fixedrate.unpack_indices(stream, start, count, bits)
    fixedrate.check_indices(indices, book.count)
    means = _NO_MEANS
    if form.means_removed:
        tail = stream[_span(start, count, bits)[1] :]
        means = fixedrate.unpack_indices(
            tail, start * shape.channels, count * shape.channels, form.bits
        ).reshape(rows, shape.columns, shape.channels)
    return indices.reshape(rows, shape.columns), means


def _span(first: int, count: int, bits: int) -> tuple[int, int]:
    """Return offset and length in bytes of `count` integers of `bits` bits from `first` on."""
    offset = first * bits // 8
    return offset, (first * bits + count * bits + 7) // 8 - offset


def _decode_region(
    opened: Container,
    form: Form,
    books: list[tuple[PlaneShape, PlaneBook]],
    region: tuple[int, int, int, int],
) -> np.ndarray:
    """Decode a region of a fixed-rate file, reading only the rows of blocks that it touches."""
    x, y, width, height = region
    entry = opened.entry("I")
    base = 0
    # Interpolated chroma looks one sample beyond: work on an even-aligned window around.
    top, bottom = max(0, y - 2) & ~1, min(form.height, y + height + 2)
    planes = []
    for shape, book in books:
        half = (form.height, form.width) != (shape.height, shape.width)
        first_line, last_line = (top // 2, -(-bottom // 2)) if half else (top, bottom)
        first, last = first_line // shape.block[0], -(-last_line // shape.block[0])
        bits = fixedrate.index_bits(book.count)
        offset, length = _span(first * shape.columns, (last - first) * shape.columns, bits)
        stream = entry.read_part(opened.file, base + offset, length)
        if form.means_removed:
            after = base + fixedrate.packed_size(shape.blocks, bits)
            offset, length = _span(
                first * shape.columns * shape.channels,
                (last - first) * shape.columns * shape.channels,
                form.bits,
            )
            stream += entry.read_part(opened.file, after + offset, length)
        base += _fixed_size(shape, book, form)
        indices, means = _unpack(stream, first, last - first, shape, book, form)
        padded = fixedrate.look_up(indices, means, book.codewords, shape, form.dtype)
        cut = first_line - first * shape.block[0]
        planes.append(padded[cut : cut + last_line - first_line, : shape.width])
    samples = join_planes(planes, form.layout, bottom - top, form.width)
    return samples[y - top : y - top + height, x : x + width]
