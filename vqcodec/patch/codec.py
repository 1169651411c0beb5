"""The classical VQ codec: blocks, a codebook, an index for each block.

    header  H   flags, width, height
    'B'         the codebooks of the planes that embed theirs
    'R'         the identity of an external codebook
    'I'         the indices of all planes; if the picture is cut into tiles, one for each

A tile is a picture of its own but for its codebook: it is coded by any thread,
a region decodes only the tiles that it touches, and damage stays in its tile.
The way down and the way up go through the same rooms: planes and blocks
(`blocks`), codebook (`design`, `bookcoder`), indices (`indexcoder`, or
`fixedrate`), container. Entropy-coded streams need compiled kernels and import
them when they are met; fixed-rate decoding is plain NumPy.
"""

from __future__ import annotations

from collections.abc import Iterator
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
    Entry,
    Kind,
    Limits,
    pack_varint,
)
from vqcodec.errors import ChecksumError
from vqcodec.media import Image, check_region
from vqcodec.metadata import Metadata, from_chunks, to_chunks
from vqcodec.patch import fixedrate
from vqcodec.patch.blocks import PlaneShape, join_planes, pad, to_vectors
from vqcodec.patch.books import book_shapes, pack_books, read_books, wanted_codebook
from vqcodec.patch.design import PlaneBook
from vqcodec.patch.form import Form
from vqcodec.tiling import Place, in_order, read_tile, shared_part, tile_chunks

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


Books = list[tuple[PlaneShape, PlaneBook]]
Planes = list[CodedPlane]


# --- forward ------------------------------------------------------------------


def code_tile(planes: list[np.ndarray], tile: Form, books: Books, lagrangian: float) -> Planes:
    """Find and code the indices of the planes of a tile."""
    coded = []
    for number, (plane, (whole, book)) in enumerate(zip(planes, books, strict=True)):
        shape = tile.shapes(whole.block)[number]
        padded = np.ascontiguousarray(pad(plane, shape))
        means = _NO_MEANS
        if tile.means_removed:
            from vqcodec.patch.design import plane_means

            means = plane_means(padded, shape)
        if tile.fixed_rate:
            indices = _nearest(padded, shape, book.codewords, means)
            stream = fixedrate.pack_indices(indices, fixedrate.index_bits(book.count))
            if tile.means_removed:
                stream += fixedrate.pack_indices(means, tile.bits)
        else:
            from vqcodec.patch.indexcoder import encode_indices

            stream, indices = encode_indices(
                padded, means, book.codewords, shape, lagrangian, book.frequencies
            )
        coded.append(CodedPlane(shape, book, stream, indices, means))
    return coded


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


def tile_payload(form: Form, planes: Planes) -> bytes:
    """Return chunk I of a tile, or of a picture that is one piece."""
    lengths = b"" if form.fixed_rate else b"".join(pack_varint(len(p.stream)) for p in planes[:-1])
    return b"".join((lengths, *(plane.stream for plane in planes)))


def pack(
    form: Form, books: Books, tiles: list[bytes], external: Codebook | None, metadata: Metadata,
    check: int,
) -> bytes:  # fmt: skip
    """Return the whole file."""
    chunks = []
    embedded = books
    if external is not None:
        chunks.append(Chunk("R", external.identity))
        embedded = books[int(external.config["planes"]) :]
    if embedded:
        chunks.append(Chunk("B", pack_books(embedded, form)))
    chunks += [Chunk("I", payload) for payload in tiles]
    return container.pack(Kind.PATCH, form.pack(), [*chunks, *to_chunks(metadata)], check)


def reconstruct(form: Form, planes: Planes) -> np.ndarray:
    """Return the samples (height, width, channels) that a decoder of these planes sees."""
    joined = []
    for plane in planes:
        padded = fixedrate.look_up(
            plane.indices, plane.means, plane.book.codewords, plane.shape, form.dtype
        )
        joined.append(padded[: plane.shape.height, : plane.shape.width])
    return np.ascontiguousarray(join_planes(joined, form.layout, form.height, form.width))


def check_of(samples: np.ndarray, start: int = 0) -> int:
    """Return the check of decoded samples: CRC-32 of their little-endian bytes, row by row."""
    little = samples.astype(samples.dtype.newbyteorder("<"), copy=False)
    return container.sample_check(little.data.cast("B"), start=start)


# --- inverse ------------------------------------------------------------------


def decode(
    opened: Container,
    codebook: Codebook | None = None,
    region: tuple[int, int, int, int] | None = None,
    limits: Limits = DEFAULT_LIMITS,
    damaged: list[str] | None = None,
) -> Image:
    """Reconstruct the image of a patch file.

    Parameters
    ----------
    opened : Container
    codebook : Codebook, optional
        The external codebook, where the file names one.
    region : (x, y, width, height), optional
        Only this part of the image, from only the tiles that it touches; at a
        fixed rate only the indices that it needs are read.
    limits : Limits
    damaged : list, optional
        Where this is given, tiles whose checksum does not match, or that are
        not there (`container.open_damaged`), become gray and a sentence about
        each is appended here, in place of an error.

    Raises
    ------
    FormatError
        Damaged or illegal contents.
    MissingCodebookError, CodebookError
        The external codebook is not there, or is another one.
    """
    opened.refuse_unknown(KNOWN_CHUNKS)
    form = Form.unpack(opened.header, limits)
    entries = tile_chunks(opened, "I", form.grid, damaged)
    whole = (0, 0, form.width, form.height)
    window = region or whole
    check_region(window, form.width, form.height)
    books = read_books(opened, form, codebook, limits)
    metadata = from_chunks(opened, limits)

    def work(item: tuple[Place, bytes]) -> np.ndarray:
        tile = form.of_tile(item[0])
        return reconstruct(tile, read_planes(item[1], tile, books))

    samples = np.empty((window[3], window[2], form.channels), form.dtype)
    tiles = []
    for number in form.grid.touched(window):
        place, entry = form.grid.place(number), entries[number]
        there, (rows, columns) = shared_part(window, place)
        size = rows.stop - rows.start, columns.stop - columns.start
        if form.fixed_rate and damaged is None and size != (place.height, place.width):
            assert entry is not None
            lines = _decode_rows(opened, entry, form.of_tile(place), books, rows)
            samples[there] = lines[:, columns]
        elif (payload := read_tile(opened, entry, place, damaged)) is not None:
            tiles.append((place, payload))
        else:
            samples[there] = 1 << (form.bits - 1)
    for (place, _), decoded in zip(tiles, in_order(work, tiles, None), strict=True):
        if decoded.shape == samples.shape:
            samples = decoded
            break
        there, here = shared_part(window, place)
        samples[there] = decoded[here]
    complete = region is None and not damaged and opened.check is not None
    if complete and check_of(samples) != opened.check:
        raise ChecksumError("the decoded samples do not match their checksum: damaged file")
    return Image(samples, metadata)


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
        "tiles": form.grid.total,
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
    books = read_books(opened, form, codebook, limits)
    report: dict[str, list[Any]] = {"codewords": [], "used": [], "perplexity": []}
    for (_, book), counts in zip(books, count_uses(opened, form, books), strict=True):
        share = counts[counts > 0] / counts.sum()
        report["codewords"].append(book.count)
        report["used"].append(len(share))
        report["perplexity"].append(float(2 ** -(share * np.log2(share)).sum()))
    return {name: values[0] if len(values) == 1 else values for name, values in report.items()}


def split_tiles(opened: Container, form: Form, books: Books) -> Iterator[tuple[Form, Planes]]:
    """Yield form and planes of every tile."""
    entries = tile_chunks(opened, "I", form.grid, None)
    for place, entry in zip(form.grid.places(), entries, strict=True):
        assert entry is not None
        tile = form.of_tile(place)
        yield tile, read_planes(entry.read(opened.file).payload, tile, books)


def count_uses(opened: Container, form: Form, books: Books) -> list[np.ndarray]:
    """Return how often each codeword of each plane is used."""
    uses = [np.zeros(book.count, np.int64) for _, book in books]
    for _, planes in split_tiles(opened, form, books):
        for counts, plane in zip(uses, planes, strict=True):
            counts += np.bincount(plane.indices.ravel(), minlength=len(counts))
    return uses


def read_planes(payload: bytes, tile: Form, books: Books) -> Planes:
    """Decode the indices of every plane of a tile."""
    reader = ByteReader(payload, "index chunk")
    books = [(tile.shapes(shape.block)[n], book) for n, (shape, book) in enumerate(books)]
    if tile.fixed_rate:
        sizes = [_fixed_size(shape, book, tile) for shape, book in books]
    else:
        sizes = [reader.varint() for _ in books[:-1]]
        sizes.append(max(0, len(reader.data) - reader.position - sum(sizes)))
    planes = []
    for (shape, book), size in zip(books, sizes, strict=True):
        stream = reader.take(size)
        if tile.fixed_rate:
            indices, means = _unpack(stream, 0, shape.rows, shape, book, tile)
        else:
            from vqcodec.patch.indexcoder import decode_indices

            indices, means = decode_indices(
                stream, book.codewords, shape, tile.bits, tile.means_removed, book.frequencies
            )
        planes.append(CodedPlane(shape, book, stream, indices, means))
    reader.finish()
    return planes


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


def _decode_rows(
    opened: Container, entry: Entry, tile: Form, books: Books, rows: slice
) -> np.ndarray:
    """Decode rows of a fixed-rate tile, reading only the blocks that they touch."""
    base = 0
    # Interpolated chroma looks one sample beyond: work on an even-aligned window around.
    top, bottom = max(0, rows.start - 2) & ~1, min(tile.height, rows.stop + 2)
    planes = []
    for number, (whole, book) in enumerate(books):
        shape = tile.shapes(whole.block)[number]
        half = (tile.height, tile.width) != (shape.height, shape.width)
        first_line, last_line = (top // 2, -(-bottom // 2)) if half else (top, bottom)
        first, last = first_line // shape.block[0], -(-last_line // shape.block[0])
        bits = fixedrate.index_bits(book.count)
        offset, length = _span(first * shape.columns, (last - first) * shape.columns, bits)
        stream = entry.read_part(opened.file, base + offset, length)
        if tile.means_removed:
            after = base + fixedrate.packed_size(shape.blocks, bits)
            offset, length = _span(
                first * shape.columns * shape.channels,
                (last - first) * shape.columns * shape.channels,
                tile.bits,
            )
            stream += entry.read_part(opened.file, after + offset, length)
        base += _fixed_size(shape, book, tile)
        indices, means = _unpack(stream, first, last - first, shape, book, tile)
        padded = fixedrate.look_up(indices, means, book.codewords, shape, tile.dtype)
        cut = first_line - first * shape.block[0]
        planes.append(padded[cut : cut + last_line - first_line, : shape.width])
    samples = join_planes(planes, tile.layout, bottom - top, tile.width)
    return samples[rows.start - top : rows.stop - top]
