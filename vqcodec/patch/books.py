"""The codebooks of a file: embedded in chunk ``B``, or named by their hash in chunk ``R``.

Chunk ``B`` holds, for each plane that embeds its codebook: block sides, count
and step, the length of what follows (but for the last), and the codewords;
range-coded, or by zlib in fixed-rate files, which decode without a kernel.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from vqcodec.codebook import IDENTITY_BYTES, Codebook
from vqcodec.container import ByteReader, Container, Limits, pack_varint
from vqcodec.errors import CodebookError, FormatError, LimitError, MissingCodebookError
from vqcodec.patch import fixedrate
from vqcodec.patch.blocks import PlaneShape
from vqcodec.patch.design import PlaneBook, sample_range
from vqcodec.patch.form import Form
from vqcodec.patch.ordering import STEPS


def pack_books(books: Sequence[tuple[PlaneShape, PlaneBook]], form: Form) -> bytes:
    """Return the payload of chunk B."""
    parts = []
    for number, (shape, book) in enumerate(books):
        bh, bw = shape.block
        if form.fixed_rate:
            low, high = sample_range(form.bits, form.means_removed)
            stream = fixedrate.pack_codewords(book.codewords, low, high)
        else:
            from vqcodec.patch.bookcoder import encode_codewords

            stream = encode_codewords(
                book.codewords, book.step, bw * shape.channels, shape.channels
            )
        parts.append(bytes([(bh - 1) << 4 | (bw - 1)]))
        parts.append(pack_varint((book.count - 1) << 4 | STEPS.index(book.step)))
        if number < len(books) - 1:
            parts.append(pack_varint(len(stream)))
        parts.append(stream)
    return b"".join(parts)


def wanted_codebook(opened: Container) -> bytes | None:
    """Return the identity of the external codebook that a file was coded with, if any."""
    identity = opened.one("R") if opened.has("R") else None
    if identity is not None and len(identity) != IDENTITY_BYTES:
        raise FormatError("the reference to an external codebook has a wrong length")
    return identity


def read_books(
    opened: Container, form: Form, codebook: Codebook | None, limits: Limits
) -> list[tuple[PlaneShape, PlaneBook]]:
    """Return shape and codebook of every plane: the external ones, then the embedded ones."""
    books: list[tuple[PlaneShape, PlaneBook]] = []
    identity = wanted_codebook(opened)
    if form.external and identity is None:
        raise FormatError("the file says that its codebook is external, but names none")
    if identity is not None:
        if not form.external:
            raise FormatError("the file names an external codebook, but says that it has none")
        from vqcodec.patch.external import plane_books

        if codebook is None:
            raise MissingCodebookError(
                f"the file was coded with the external codebook {identity.hex()}"
            )
        if codebook.identity != identity:
            raise CodebookError(
                f"the file was coded with codebook {identity.hex()}, not with {codebook.name}"
            )
        books = plane_books(codebook, form)
    planes = len(form.shapes((1, 1)))
    if len(books) < planes:
        reader = ByteReader(opened.one("B"), "codebook chunk")
        while len(books) < planes:
            books.append(_read_book(reader, form, len(books), planes, limits))
        reader.finish()
    return books


def book_shapes(opened: Container, form: Form, limits: Limits) -> list[dict[str, Any]]:
    """Return block sides and codewords of every plane, without decoding a codebook."""
    reader = ByteReader(opened.one("B"), "codebook chunk")
    planes = len(form.shapes((1, 1)))
    shapes = []
    for number in range(planes):
        shape, count, _ = _read_head(reader, form, number, limits)
        bh, bw = shape.block
        shapes.append({"block": f"{bw}x{bh}", "codewords": count})
        if number < planes - 1:
            reader.take(reader.varint())
    return shapes


def _read_head(
    reader: ByteReader, form: Form, number: int, limits: Limits
) -> tuple[PlaneShape, int, int]:
    """Read block sides, count and step of one plane's codebook."""
    sides = reader.byte()
    shape = form.shapes(((sides >> 4) + 1, (sides & 15) + 1))[number]
    packed = reader.varint()
    count, step = (packed >> 4) + 1, STEPS[packed & 15]
    if count > min(limits.codewords, shape.blocks):
        raise LimitError(f"the file claims {count} codewords, more than blocks or than the limit")
    return shape, count, step


def _read_book(
    reader: ByteReader, form: Form, number: int, planes: int, limits: Limits
) -> tuple[PlaneShape, PlaneBook]:
    shape, count, step = _read_head(reader, form, number, limits)
    last = number == planes - 1
    stream = reader.rest() if last else reader.take(reader.varint())
    low, high = sample_range(form.bits, form.means_removed)
    if form.fixed_rate:
        codewords = fixedrate.unpack_codewords(stream, count, shape.dimension, low, high)
    else:
        from vqcodec.patch.bookcoder import decode_codewords

        codewords = decode_codewords(
            stream, count, shape.dimension, step, low, high,
            shape.block[1] * shape.channels, shape.channels,
        )  # fmt: skip
    return shape, PlaneBook(codewords, step)
