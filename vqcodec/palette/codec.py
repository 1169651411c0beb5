"""Indexed images as .vqi files: a palette, and an index for each pixel.

    header  H   width, height (varints), colours less one (one byte)
    'P'         one byte, 0 or 1: is there alpha; then the palette, channel by
                channel, each entry less the one before it, compressed by zlib
    'I'         the indices (`indexcoder`); empty if there is one colour only
    'E'         the check of the indices

Illegal, and refused: an index that is no entry, a palette of another length than
the header says, sizes beyond the limits.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import replace
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
from vqcodec.errors import ChecksumError, FormatError, LimitError
from vqcodec.media import Image, check_region
from vqcodec.metadata import from_chunks, inflate, to_chunks
from vqcodec.palette.indexed import IndexedImage
from vqcodec.palette.options import MAX_INDEXED, PaletteOptions
from vqcodec.palette.value import Palette

KNOWN_CHUNKS = "PI"


def encode(
    image: Image,
    options: PaletteOptions | None = None,
    codebook: Codebook | None = None,
    progress: Callable[[float, str], bool | None] | None = None,
) -> bytes:
    """Reduce an image to a palette and return it as a .vqi file.

    A codebook of kind ``palette`` is the palette to use. Colours are converted to
    sRGB by the image's profile. The errors are those of
    `vqcodec.palette.pipeline.quantize_images`.
    """
    from vqcodec.palette.pipeline import quantize_images
    from vqcodec.palette.source import to_rgb, to_srgb

    options = options or PaletteOptions()
    if codebook is not None:
        words = codebook.require("palette").array("codewords")
        options = replace(options, palette=Palette(words))
    image, _ = to_srgb(image)
    done = quantize_images([to_rgb(image)], options, progress)
    return encode_indexed(IndexedImage(done.palette, done.indices[0], image.metadata))


def encode_indexed(image: IndexedImage) -> bytes:
    """Return an indexed image as a .vqi file, losslessly."""
    from vqcodec.palette.indexcoder import encode_indices

    colors = len(image.palette)
    header = pack_varint(image.width) + pack_varint(image.height) + bytes([colors - 1])
    stream = encode_indices(image.indices, colors)
    chunks = [Chunk("P", _pack_palette(image.palette)), Chunk("I", stream)]
    check = container.sample_check(image.indices.tobytes())
    return container.pack(Kind.PALETTE, header, [*chunks, *to_chunks(image.metadata)], check)


def decode(
    opened: Container,
    codebook: Codebook | None = None,
    region: tuple[int, int, int, int] | None = None,
    limits: Limits = DEFAULT_LIMITS,
) -> Image:
    """Reconstruct the image of a palette file.

    Parameters
    ----------
    opened : Container
    codebook : None
        These files hold their palette.
    region : (x, y, width, height), optional
        Only this part of the image.
    limits : Limits

    Raises
    ------
    FormatError
        Damaged or illegal contents.
    ParameterError
        The region is not inside the image.
    """
    image = decode_indexed(opened, limits)
    if region is not None:
        check_region(region, image.width, image.height)
        x, y, width, height = region
        image = replace(image, indices=image.indices[y : y + height, x : x + width])
    return image.to_image()


def decode_indexed(opened: Container, limits: Limits = DEFAULT_LIMITS) -> IndexedImage:
    """Return the palette and the indices of a palette file; see `decode` for the errors."""
    opened.refuse_unknown(KNOWN_CHUNKS)
    width, height, colors = _header(opened, limits)
    palette = _unpack_palette(opened.one("P"), colors)
    stream = opened.one("I")
    if colors == 1:
        if stream:
            raise FormatError("an image of one colour has no indices, but the file holds some")
        indices = np.zeros((height, width), np.uint8)
    else:
        from vqcodec.palette.indexcoder import decode_indices

        indices = decode_indices(stream, height, width, colors)
    if opened.check is not None and container.sample_check(indices.tobytes()) != opened.check:
        raise ChecksumError("the decoded indices do not match their checksum: damaged file")
    return IndexedImage(palette, indices, from_chunks(opened, limits))


def palette_of(opened: Container, limits: Limits = DEFAULT_LIMITS) -> Palette:
    """Return the palette of a palette file, without decoding the indices."""
    return _unpack_palette(opened.one("P"), _header(opened, limits)[2])


def wanted_codebook(opened: Container) -> bytes | None:
    """Return None: these files hold their palette, and one that names another is refused."""
    return None


def describe(opened: Container, limits: Limits = DEFAULT_LIMITS) -> dict[str, Any]:
    """Return what a palette file says of itself."""
    width, height, colors = _header(opened, limits)
    palette = _unpack_palette(opened.one("P"), colors)
    return {
        "width": width,
        "height": height,
        "channels": 3 if palette.opaque else 4,
        "bits": 8,
        "colors": colors,
        "bpp": opened.size * 8 / (width * height),
        "codebook": "embedded",
        "codebook_bytes": opened.entry("P").length,
        "index_bytes": opened.entry("I").length,
    }


def _header(opened: Container, limits: Limits) -> tuple[int, int, int]:
    reader = ByteReader(opened.header)
    width, height = reader.varint(), reader.varint()
    colors = reader.byte() + 1
    reader.finish()
    if min(width, height) < 1:
        raise FormatError("the image of the file has no pixels")
    if width * height > limits.pixels:
        raise LimitError(
            f"the file claims {width} x {height} pixels, more than the limit of {limits.pixels}"
        )
    return width, height, colors


def _pack_palette(palette: Palette) -> bytes:
    channels = 3 if palette.opaque else 4
    planes = palette.rgba[:, :channels].T
    steps = np.diff(planes, axis=1, prepend=np.zeros((channels, 1), np.uint8))
    return bytes([channels - 3]) + zlib.compress(steps.tobytes(), 9)


def _unpack_palette(payload: bytes, colors: int) -> Palette:
    reader = ByteReader(payload, "palette chunk")
    alpha = reader.byte()
    if alpha > 1:
        raise FormatError(f"the palette of the file is of unknown kind {alpha}")
    steps = inflate(reader.rest(), MAX_INDEXED * 4)
    if len(steps) != colors * (3 + alpha):
        raise FormatError("the palette of the file has another length than its header says")
    planes = np.frombuffer(steps, np.uint8).reshape(3 + alpha, colors)
    return Palette(np.ascontiguousarray(np.cumsum(planes, axis=1, dtype=np.uint8).T))
