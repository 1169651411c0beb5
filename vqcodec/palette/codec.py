"""Indexed images as .vqi files: a palette, and an index for each pixel.

    header  H   width, height (varints), colours less one (one byte); if the image
                is cut into tiles, their width and height (varints)
    'P'         one byte, 0 or 1: is there alpha; then the palette, channel by
                channel, each entry less the one before it, compressed by zlib
    'I'         the indices (`indexcoder`), of each tile; empty if there is one colour only
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
from vqcodec.tiling import Grid, Place, in_order, read_tile, shared_part, tile_chunks

KNOWN_CHUNKS = "PI"
TILE = 1024  # pixels on a side; larger images are cut into tiles that stand alone


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


def encode_indexed(image: IndexedImage, tile: int = TILE) -> bytes:
    """Return an indexed image as a .vqi file, losslessly; `tile` is the side of its tiles."""
    from vqcodec.palette.indexcoder import encode_indices

    colors = len(image.palette)
    grid = Grid(image.height, image.width, tile, tile)

    def work(place: Place) -> bytes:
        top, left, height, width = place
        part = image.indices[top : top + height, left : left + width]
        return encode_indices(np.ascontiguousarray(part), colors)

    header = pack_varint(image.width) + pack_varint(image.height) + bytes([colors - 1])
    if grid.total > 1:
        header += 2 * pack_varint(tile)
    chunks = [Chunk("P", _pack_palette(image.palette))]
    chunks += [Chunk("I", stream) for stream in in_order(work, grid.places(), None)]
    check = container.sample_check(image.indices.tobytes())
    return container.pack(Kind.PALETTE, header, [*chunks, *to_chunks(image.metadata)], check)


def decode(
    opened: Container,
    codebook: Codebook | None = None,
    region: tuple[int, int, int, int] | None = None,
    limits: Limits = DEFAULT_LIMITS,
    damaged: list[str] | None = None,
) -> Image:
    """Reconstruct the image of a palette file.

    Parameters
    ----------
    opened : Container
    codebook : None
        These files hold their palette.
    region : (x, y, width, height), optional
        Only this part of the image, from only the tiles that it touches.
    limits : Limits
    damaged : list, optional
        Where this is given, tiles that are lost take the first colour and a
        sentence about each is appended here, in place of an error.

    Raises
    ------
    FormatError
        Damaged or illegal contents.
    ParameterError
        The region is not inside the image.
    """
    return decode_indexed(opened, limits, region, damaged).to_image()


def decode_indexed(
    opened: Container,
    limits: Limits = DEFAULT_LIMITS,
    region: tuple[int, int, int, int] | None = None,
    damaged: list[str] | None = None,
) -> IndexedImage:
    """Return the palette and the indices of a palette file; see `decode`."""
    opened.refuse_unknown(KNOWN_CHUNKS)
    grid, colors = _header(opened, limits)
    entries = tile_chunks(opened, "I", grid, damaged)
    window = region or (0, 0, grid.width, grid.height)
    check_region(window, grid.width, grid.height)
    palette = _unpack_palette(opened.one("P"), colors)

    def work(item: tuple[Place, bytes]) -> np.ndarray:
        (_, _, tall, wide), stream = item
        if colors == 1:
            if stream:
                raise FormatError("an image of one colour has no indices, but the file holds some")
            return np.zeros((tall, wide), np.uint8)
        from vqcodec.palette.indexcoder import decode_indices

        return decode_indices(stream, tall, wide, colors)

    tiles = []
    for number in grid.touched(window):
        place = grid.place(number)
        if (stream := read_tile(opened, entries[number], place, damaged)) is not None:
            tiles.append((place, stream))
    indices = np.zeros((window[3], window[2]), np.uint8)
    for (place, _), decoded in zip(tiles, in_order(work, tiles, None), strict=True):
        there, here = shared_part(window, place)
        indices[there] = decoded[here]
    complete = region is None and not damaged and opened.check is not None
    if complete and container.sample_check(indices.tobytes()) != opened.check:
        raise ChecksumError("the decoded indices do not match their checksum: damaged file")
    return IndexedImage(palette, indices, from_chunks(opened, limits))


def palette_of(opened: Container, limits: Limits = DEFAULT_LIMITS) -> Palette:
    """Return the palette of a palette file, without decoding the indices."""
    return _unpack_palette(opened.one("P"), _header(opened, limits)[1])


def wanted_codebook(opened: Container) -> bytes | None:
    """Return None: these files hold their palette, and one that names another is refused."""
    return None


def describe(opened: Container, limits: Limits = DEFAULT_LIMITS) -> dict[str, Any]:
    """Return what a palette file says of itself."""
    grid, colors = _header(opened, limits)
    palette = _unpack_palette(opened.one("P"), colors)
    return {
        "width": grid.width,
        "height": grid.height,
        "channels": 3 if palette.opaque else 4,
        "bits": 8,
        "colors": colors,
        "tiles": grid.total,
        "bpp": opened.size * 8 / (grid.width * grid.height),
        "codebook": "embedded",
        "codebook_bytes": opened.entry("P").length,
        "index_bytes": sum(entry.length for entry in opened.entries if entry.type == "I"),
    }


def _header(opened: Container, limits: Limits) -> tuple[Grid, int]:
    """Return how the image is cut into tiles, and its number of colours."""
    reader = ByteReader(opened.header)
    width, height = reader.varint(), reader.varint()
    colors = reader.byte() + 1
    tile_width, tile_height = width, height
    if reader.position < len(reader.data):
        tile_width, tile_height = reader.varint(), reader.varint()
    reader.finish()
    if min(width, height, tile_width, tile_height) < 1:
        raise FormatError("the image of the file has no pixels")
    if width * height > limits.pixels:
        raise LimitError(
            f"the file claims {width} x {height} pixels, more than the limit of {limits.pixels}"
        )
    return Grid(height, width, tile_height, tile_width), colors


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
