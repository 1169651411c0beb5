"""The photo codec: image to file and back.

    header  H   see `header.Header`
    'T'         one for each tile, row by row: its planes in one range coder
    'R'         the identity of the codebook, if it is not the shipped one

A tile stands alone, so tiles are coded by as many threads as there are cores,
a region decodes only the tiles that it touches, and the checksum of each chunk
confines damage to its tile.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np

from vqcodec import container, machinecode
from vqcodec.codebook import Codebook
from vqcodec.container import DEFAULT_LIMITS, Chunk, Container, Limits
from vqcodec.errors import (
    CancelledError,
    ChecksumError,
    CodebookError,
    FormatError,
    MissingCodebookError,
)
from vqcodec.media import Image, check_region
from vqcodec.metadata import from_chunks, to_chunks
from vqcodec.photo.header import SHIPPED_PREFIX, Header
from vqcodec.photo.job import (
    Job,
    Progress,
    prepare,
    quantization,
    samples_of,
    shipped_codebook,
    shipped_tables,
    tables_of,
)
from vqcodec.photo.options import DEFAULT_QUALITY, Options, quality_step
from vqcodec.tiling import Place, in_order, read_tile, shared_part, tile_chunks

if TYPE_CHECKING:
    from vqcodec.media.large import LargeImage
    from vqcodec.photo.model import Tables

KNOWN_CHUNKS = "TR"
_UNKNOWN = 128  # the sample value of tiles that are lost


# --- forward ------------------------------------------------------------------


def encode(
    image: Image | LargeImage,
    options: Options | None = None,
    codebook: Codebook | None = None,
    progress: Progress | None = None,
) -> bytes:
    """Encode an image.

    Parameters
    ----------
    image : Image or LargeImage
        8 bits a sample; 16 bits are reduced to 8, with a warning.
    options : Options, optional
    codebook : Codebook, optional
        Of kind ``photo``; the shipped one by default.
    progress : callable, optional
        Called as ``progress(fraction, message)``; False cancels.

    Returns
    -------
    bytes
        The file.

    Raises
    ------
    CodebookError
        The codebook is no photo codebook.
    TargetError
        The size, rate or PSNR asked for cannot be met.
    CancelledError
        `progress` said so.
    """
    options = options or Options()
    samples = prepare(image.samples)
    job = Job(samples, options, codebook, progress)
    if options.has_target:
        from vqcodec.photo.rate import search

        metadata = _metadata_chunks(image, options)
        overhead = sum(len(container.pack_chunk(chunk)) for chunk in metadata)
        coded = search(job, options, overhead)
    else:
        quality = DEFAULT_QUALITY if options.quality is None else options.quality
        coded = job.run(quality_step(quality))
    return coded.pack(_metadata_chunks(image, options))


def _metadata_chunks(image: Image | LargeImage, options: Options) -> list[Chunk]:
    return [] if options.strip else to_chunks(image.metadata)


# --- inverse ------------------------------------------------------------------


def wanted_codebook(opened: Container) -> bytes | None:
    """Return the identity of the external codebook that a file needs, or None."""
    return opened.one("R") if opened.has("R") else None


def describe(opened: Container, limits: Limits = DEFAULT_LIMITS) -> dict[str, Any]:
    """Return what a photo file says of itself; nothing is decoded."""
    header = Header.unpack(opened.header, limits)
    identity = wanted_codebook(opened)
    tiles = [entry for entry in opened.entries if entry.type == "T"]
    return {
        "width": header.width,
        "height": header.height,
        "channels": header.channels,
        "bits": 8,
        "bpp": opened.size * 8 / (header.width * header.height),
        "tiles": len(tiles),
        "tile_side": header.tile,
        "tile_bytes": sum(entry.length for entry in tiles),
        "step": round(2 ** (header.step / 24 - 1), 3),
        "tune": "visual" if header.offsets else "psnr",
        "codebook": identity.hex() if identity else "shipped",
    }


def decode(
    opened: Container,
    codebook: Codebook | None = None,
    region: tuple[int, int, int, int] | None = None,
    limits: Limits = DEFAULT_LIMITS,
    progress: Progress | None = None,
    threads: int | None = None,
    damaged: list[str] | None = None,
) -> Image:
    """Decode a file.

    Parameters
    ----------
    opened : Container
        Of kind PHOTO.
    codebook : Codebook, optional
        The external codebook, if the file names one (`wanted_codebook`).
    region : (x, y, width, height), optional
        Decode only this part, from only the tiles that it touches.
    limits : Limits
    progress : callable, optional
        Called as ``progress(fraction, message)``; False cancels.
    threads : int, optional
        Threads to use; all cores by default.
    damaged : list, optional
        Where this is given, tiles whose checksum does not match, or that are
        not there (`container.open_damaged`), become gray and a sentence about
        each is appended here, in place of an error.

    Raises
    ------
    FormatError
        The file is damaged or asks for more than the limits allow.
    MissingCodebookError, CodebookError
        The external codebook is needed; it, or the shipped one, is not the
        one that the file was coded with.
    """
    opened.refuse_unknown(KNOWN_CHUNKS)
    header = Header.unpack(opened.header, limits)
    entries = tile_chunks(opened, "T", header.grid, damaged)
    with ThreadPoolExecutor(1) as aside:  # the codebook is inflated while kernels are loaded
        reading = aside.submit(_checked_tables, opened, header, codebook)
        from vqcodec.photo.tiles import decode_tile

        machinecode.prepare("vqcodec.photo.stream")
        tables = reading.result()
    x, y, width, height = region or (0, 0, header.width, header.height)
    check_region((x, y, width, height), header.width, header.height)
    samples = np.full((height, width, header.channels), _UNKNOWN, np.uint8)

    def work(item: tuple[Place, bytes]) -> tuple[Place, np.ndarray]:
        place, data = item
        tall, wide = place.height, place.width
        state = decode_tile(data, header.channels, tall, wide, tables, quantization(header))
        return place, samples_of(state, tall, wide)

    intact = []
    for number in header.grid.touched((x, y, width, height)):
        place = header.grid.place(number)
        payload = read_tile(opened, entries[number], place, damaged)
        if payload is not None:
            intact.append((place, payload))
    for number, (place, decoded) in enumerate(in_order(work, intact, threads)):
        there, here = shared_part((x, y, width, height), place)
        samples[there] = decoded[here]
        if progress and progress((number + 1) / len(intact), "decoding") is False:
            raise CancelledError("decoding was cancelled")
    if region is None and not damaged and opened.check is not None:
        check = container.sample_check(samples.data.cast("B"))
        if check != opened.check:
            raise ChecksumError("the decoded samples differ from those that were encoded")
    return Image(samples, from_chunks(opened, limits))


def _checked_tables(opened: Container, header: Header, codebook: Codebook | None) -> Tables:
    """Return the tables of the codebook that a file was coded with."""
    identity = wanted_codebook(opened)
    if header.shipped is not None:
        if identity is not None:
            raise FormatError("the file names an external codebook beside the shipped one")
        if shipped_codebook().identity[:SHIPPED_PREFIX] != header.shipped:
            raise CodebookError("the file was coded with the photo codebook of another version")
        return shipped_tables()
    if identity is None:
        raise FormatError("the file does not name its codebook")
    if codebook is None:
        raise MissingCodebookError(
            f"the file was coded with the external codebook {identity.hex()}; "
            "name it with --codebook"
        )
    if codebook.identity != identity:
        raise CodebookError(
            f"the file was coded with the codebook {identity.hex()}, not with {codebook.name}"
        )
    return tables_of(codebook)
