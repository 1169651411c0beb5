"""Sixteen bits a channel: what Pillow reads and writes only in eight.

Pillow keeps 16-bit gray, but of 16-bit colour only the high bytes. Its
decoders know both byte orders, though, so decoding the same data a second time
with the byte order turned round yields the low bytes.
"""

from __future__ import annotations

import struct
import sys
import zlib
from collections.abc import Iterator
from typing import Any, BinaryIO

import numpy as np
import PIL.Image
import PIL.ImageFile

from vqcodec.errors import MediaError
from vqcodec.metadata import Metadata

_OTHER_ORDER = {"B": "L", "L": "B"}
_NATIVE = "L" if sys.byteorder == "little" else "B"
_STRIP = 1 << 20


# --- reading ------------------------------------------------------------------


def layout_of(image: PIL.Image.Image) -> str | None:
    """Return the raw mode of an opened file that holds 16-bit colour, else None."""
    tiles = getattr(image, "tile", None)
    if not tiles or image.mode not in ("RGB", "RGBA"):
        return None
    arguments = tiles[0][3]
    layout = arguments if isinstance(arguments, str) else arguments[0]
    if tiles[0][0] == "ppm" and layout == "RGB" and arguments[1] > 255:
        return "PPM"
    if layout in ("LA;16B", "RGB;16B", "RGB;16L", "RGB;16N", "RGBA;16B", "RGBA;16L", "RGBA;16N"):
        return layout
    if layout == "R" and image.format == "TIFF" and 16 in image.tag_v2.get(258, ()):  # type: ignore[attr-defined]
        raise MediaError("16-bit TIFF with separate colour planes is not supported")
    return None


def read(file: BinaryIO, image: PIL.Image.Image, layout: str) -> np.ndarray:
    """Decode 16-bit colour.

    Parameters
    ----------
    file : seekable binary file
    image : the same file as opened by Pillow, not yet loaded; loaded afterwards
    layout : what `layout_of` said

    Returns
    -------
    (height, width, channels) ndarray of uint16
    """
    if layout == "PPM":
        return _read_ppm(file, image)
    if layout == "LA;16B":  # four bytes a pixel, as they are
        _set_layout(image, "RGBA")
        image.load()
        samples = np.empty((image.height, image.width, 2), np.uint16)
        for top, strip in _strips(image):
            samples[top : top + len(strip)] = strip.view(">u2")
        return samples
    order = _NATIVE if layout[-1] == "N" else layout[-1]
    samples = _low_bytes(file, layout[:-1] + _OTHER_ORDER[order])
    image.load()
    for top, strip in _strips(image):
        samples[top : top + len(strip)] |= strip.astype(np.uint16) << 8
    key = image.info.get("transparency")
    if image.mode == "RGB" and isinstance(key, tuple):  # one colour is named transparent
        opaque = (samples != np.array(key, np.uint16)).any(axis=2)
        return np.dstack((samples, opaque.astype(np.uint16) * 65535))
    return samples


def _low_bytes(file: BinaryIO, layout: str) -> np.ndarray:
    """Decode the low bytes into a uint16 array; Pillow's copy is gone before the next comes."""
    file.seek(0)
    with PIL.Image.open(file) as image:
        _set_layout(image, layout)
        image.load()  # and only then ask for the size: Pillow turns a TIFF upright
        samples = np.empty((image.height, image.width, len(image.getbands())), np.uint16)
        for top, strip in _strips(image):
            samples[top : top + len(strip)] = strip
    return samples


def _set_layout(image: PIL.Image.Image, layout: str) -> None:
    """Make Pillow unpack the pixels of an opened file in another layout."""
    assert isinstance(image, PIL.ImageFile.ImageFile)
    tiles = []
    for tile in image.tile:
        arguments: Any = tile[3]
        changed = layout if isinstance(arguments, str) else (layout, *arguments[1:])
        tiles.append(tile._replace(args=changed))
    image.tile = tiles


def _strips(image: PIL.Image.Image) -> Iterator[tuple[int, np.ndarray]]:
    """Yield the pixels of a loaded image as arrays of some rows, with the first row's number."""
    width, height = image.size
    rows = max(1, _STRIP // width)
    for top in range(0, height, rows):
        yield top, np.array(image.crop((0, top, width, min(top + rows, height))))


def _read_ppm(file: BinaryIO, image: PIL.Image.Image) -> np.ndarray:
    """Read the samples of a binary 16-bit PPM, scaled to the full range."""
    assert isinstance(image, PIL.ImageFile.ImageFile)
    arguments: Any = image.tile[0][3]
    top_value = int(arguments[1])
    width, height = image.size
    file.seek(image.tile[0][2])
    out = np.empty((height, width, 3), np.uint16)
    rows = max(1, _STRIP // width)
    for top in range(0, height, rows):
        part = out[top : top + rows]
        data = file.read(part.nbytes)
        if len(data) != part.nbytes:
            raise MediaError("the image file is truncated")
        part[:] = np.frombuffer(data, ">u2").reshape(part.shape)
        if top_value != 65535:
            scaled = (part.astype(np.uint32) * 65535 + top_value // 2) // top_value
            part[:] = np.minimum(scaled, 65535)
    return out


# --- writing ------------------------------------------------------------------


def write_png(samples: np.ndarray, metadata: Metadata, file: BinaryIO) -> None:
    """Write (height, width, channels) uint16 samples as a PNG file.

    Each row takes the filter whose residuals have the least sum of absolute
    values, the heuristic that the PNG specification recommends.
    """
    height, width, channels = samples.shape
    color = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    file.write(b"\x89PNG\r\n\x1a\n")
    _png_chunk(file, b"IHDR", struct.pack(">IIBBBBB", width, height, 16, color, 0, 0, 0))
    if metadata.icc:
        _png_chunk(file, b"iCCP", b"ICC Profile\0\0" + zlib.compress(metadata.icc))
    if metadata.exif:
        _png_chunk(file, b"eXIf", metadata.exif)
    text = dict(metadata.text)
    if metadata.xmp:
        text["XML:com.adobe.xmp"] = metadata.xmp.decode("utf-8", "replace")
    for keyword, value in text.items():
        key = keyword.encode("latin-1", "replace")[:79] or b"Comment"
        _png_chunk(file, b"iTXt", key + b"\0\0\0\0\0" + value.encode())
    engine = zlib.compressobj(6)
    previous = np.zeros((1, width * channels * 2), np.uint8)
    rows = max(1, (_STRIP >> 2) // (width * channels))
    for top in range(0, height, rows):
        raw = samples[top : top + rows].astype(">u2").view(np.uint8).reshape(-1, previous.shape[1])
        data = engine.compress(_filtered(raw, previous, channels * 2).tobytes())
        if data:
            _png_chunk(file, b"IDAT", data)
        previous = raw[-1:]
    _png_chunk(file, b"IDAT", engine.flush())
    _png_chunk(file, b"IEND", b"")


def _png_chunk(file: BinaryIO, tag: bytes, data: bytes) -> None:
    file.write(struct.pack(">I", len(data)) + tag + data)
    file.write(struct.pack(">I", zlib.crc32(data, zlib.crc32(tag))))


def _filtered(raw: np.ndarray, previous: np.ndarray, step: int) -> np.ndarray:
    """Return rows of bytes as PNG stores them: a filter number, then the residuals."""
    up = np.concatenate((previous, raw[:-1]))
    left, corner = np.zeros_like(raw), np.zeros_like(raw)
    left[:, step:], corner[:, step:] = raw[:, :-step], up[:, :-step]
    a, b, c = left.astype(np.int16), up.astype(np.int16), corner.astype(np.int16)
    pa, pb, pc = abs(b - c), abs(a - c), abs(a + b - 2 * c)
    paeth = np.where((pa <= pb) & (pa <= pc), left, np.where(pb <= pc, up, corner))
    guesses = (np.zeros_like(raw), left, up, ((a + b) >> 1).astype(np.uint8), paeth)
    residuals = np.stack([raw - guess for guess in guesses])
    cost = np.minimum(residuals, -residuals.view(np.int8).astype(np.int16) & 255).sum(2, np.int64)
    best = cost.argmin(0)
    out = np.empty((len(raw), raw.shape[1] + 1), np.uint8)
    out[:, 0] = best
    out[:, 1:] = residuals[best, np.arange(len(raw))]
    return out


def write_ppm(samples: np.ndarray, file: BinaryIO) -> None:
    """Write (height, width, 1 or 3) uint16 samples as binary PGM or PPM."""
    height, width, channels = samples.shape
    file.write(b"P%d\n%d %d\n65535\n" % (5 if channels == 1 else 6, width, height))
    rows = max(1, _STRIP // width)
    for top in range(0, height, rows):
        file.write(samples[top : top + rows].astype(">u2").tobytes())


def write_tiff(samples: np.ndarray, metadata: Metadata, orientation: int, file: BinaryIO) -> None:
    """Write (height, width, channels) uint16 samples as a TIFF file, deflated row differences.

    Gray with alpha becomes RGBA, which more programs read, Pillow among them.
    """
    if samples.shape[2] == 2:
        samples = samples[:, :, (0, 0, 0, 1)]
    height, width, channels = samples.shape
    rows = max(1, (_STRIP >> 2) // width)
    file.write(b"II*\0\0\0\0\0")
    offsets, lengths, position = [], [], 8
    for top in range(0, height, rows):
        strip = samples[top : top + rows].astype("<u2")
        strip[:, 1:] -= strip[:, :-1].copy()
        data = zlib.compress(strip.tobytes())
        file.write(data)
        offsets.append(position)
        lengths.append(len(data))
        position += len(data)
    if position >= 1 << 32:
        raise MediaError("the image is too large for a TIFF file")
    tags: dict[int, tuple[str, list[int] | bytes]] = {
        256: ("I", [width]),
        257: ("I", [height]),
        258: ("H", [16] * channels),
        259: ("H", [8]),  # deflate
        262: ("H", [2 if channels > 2 else 1]),
        273: ("I", offsets),
        274: ("H", [orientation]),
        277: ("H", [channels]),
        278: ("I", [rows]),
        279: ("I", lengths),
        317: ("H", [2]),  # differences of neighbours in a row
    }
    if channels == 4:
        tags[338] = ("H", [2])  # straight alpha
    if metadata.xmp:
        tags[700] = ("B", metadata.xmp)
    if metadata.icc:
        tags[34675] = ("B", metadata.icc)
    directory, extra = b"", b""
    extra_at = position + 2 + 12 * len(tags) + 4
    for tag, (code, values) in sorted(tags.items()):
        data = struct.pack(f"<{len(values)}{code}", *values)
        directory += struct.pack("<HHI", tag, {"B": 1, "H": 3, "I": 4}[code], len(values))
        if len(data) > 4:
            directory += struct.pack("<I", extra_at + len(extra))
            extra += data + b"\0" * (len(data) % 2)
        else:
            directory += data.ljust(4, b"\0")
    file.write(struct.pack("<H", len(tags)) + directory + bytes(4) + extra)
    file.seek(4)
    file.write(struct.pack("<I", position))
    file.seek(0, 2)
