"""Indexed images: a palette and an index for each pixel, and the files that hold them.

PNG is written here (W3C, "Portable Network Graphics Specification"): the least bit
depth that fits, no row filters, which harm indices, a transparency chunk up to the
last entry that is not opaque, and zlib at its best. GIF is left to Pillow.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from vqcodec.errors import MediaError
from vqcodec.metadata import Metadata
from vqcodec.palette.value import Palette

if TYPE_CHECKING:
    import PIL.Image

    from vqcodec.media import Image

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_PALETTE_COLOR = 3
_ROWS = 64
_LEVEL = 9


@dataclass(frozen=True, eq=False)
class IndexedImage:
    """An image of at most 256 colours.

    Attributes
    ----------
    palette : Palette
    indices : (height, width) ndarray of uint8
    metadata : Metadata
    """

    palette: Palette
    indices: np.ndarray
    metadata: Metadata = field(default_factory=Metadata)

    @property
    def height(self) -> int:
        return self.indices.shape[0]

    @property
    def width(self) -> int:
        return self.indices.shape[1]

    @property
    def samples(self) -> np.ndarray:
        """The colours of the pixels, (height, width, 3 or 4) uint8."""
        channels = 3 if self.palette.opaque else 4
        return np.ascontiguousarray(self.palette.rgba[:, :channels])[self.indices]

    def to_image(self) -> Image:
        """Return the picture without its palette."""
        from vqcodec.media import Image

        return Image(self.samples, self.metadata)

    def to_pillow(self) -> PIL.Image.Image:
        """Return a Pillow image of mode ``P``."""
        import PIL.Image

        picture = PIL.Image.fromarray(self.indices).convert("L")
        rgba = self.palette.rgba
        if self.palette.opaque:
            picture.putpalette(rgba[:, :3].tobytes(), "RGB")
        else:
            picture.putpalette(rgba.tobytes(), "RGBA")
        if self.metadata.icc:
            picture.info["icc_profile"] = self.metadata.icc
        return picture

    def to_png(self) -> bytes:
        """Return the PNG file."""
        return b"".join(_png(self))

    def to_gif(self) -> bytes:
        """Return the GIF file; of the entries that are not opaque, one stays transparent."""
        return write_gif([self.palette], [self.indices])


# --- PNG -------------------------------------------------------------------------


def bit_depth(colors: int) -> int:
    """Return the bits of an index in a PNG with so many colours: 1, 2, 4 or 8."""
    return next(bits for bits in (1, 2, 4, 8) if colors <= 1 << bits)


def _png(image: IndexedImage) -> Iterator[bytes]:
    bits = bit_depth(len(image.palette))
    rgba, metadata = image.palette.rgba, image.metadata
    yield _SIGNATURE
    head = struct.pack(">2I5B", image.width, image.height, bits, _PALETTE_COLOR, 0, 0, 0)
    yield _chunk(b"IHDR", head)
    if metadata.icc:
        yield _chunk(b"iCCP", b"ICC profile\0\0" + zlib.compress(metadata.icc, 9))
    yield _chunk(b"PLTE", rgba[:, :3].tobytes())
    translucent = np.flatnonzero(rgba[:, 3] < 255)
    if len(translucent):
        yield _chunk(b"tRNS", rgba[: translucent[-1] + 1, 3].tobytes())
    if metadata.exif:
        yield _chunk(b"eXIf", metadata.exif)
    texts = dict(metadata.text)
    if metadata.xmp:
        texts["XML:com.adobe.xmp"] = metadata.xmp.decode("utf-8", "replace")
    for key, value in texts.items():
        keyword = key.encode("latin-1", "replace")[:79] or b"Comment"
        yield _chunk(b"iTXt", keyword + b"\0\0\0\0\0" + value.encode())
    yield _chunk(b"IDAT", _deflate(image.indices, bits))
    yield _chunk(b"IEND", b"")


def _chunk(type: bytes, payload: bytes) -> bytes:
    checksum = zlib.crc32(payload, zlib.crc32(type))
    return struct.pack(">I", len(payload)) + type + payload + struct.pack(">I", checksum)


def _deflate(indices: np.ndarray, bits: int) -> bytes:
    engine = zlib.compressobj(_LEVEL)
    parts = []
    for top in range(0, len(indices), _ROWS):
        rows = pack_rows(indices[top : top + _ROWS], bits)
        filters = np.zeros((len(rows), 1), np.uint8)
        parts.append(engine.compress(np.concatenate([filters, rows], axis=1).tobytes()))
    return b"".join([*parts, engine.flush()])


def pack_rows(indices: np.ndarray, bits: int) -> np.ndarray:
    """Pack rows of indices into bytes, the leftmost pixel in the highest bits."""
    if bits == 8:
        return indices
    height, width = indices.shape
    per_byte = 8 // bits
    padded = np.zeros((height, -(-width // per_byte) * per_byte), np.uint8)
    padded[:, :width] = indices
    shifts = np.arange(8 - bits, -1, -bits, dtype=np.uint8)
    return (padded.reshape(height, -1, per_byte) << shifts).sum(axis=2, dtype=np.uint8)


# --- GIF -------------------------------------------------------------------------


def write_gif(
    palettes: Sequence[Palette],
    frames: Sequence[np.ndarray],
    durations: Sequence[int] = (),
    loop: int | None = None,
) -> bytes:
    """Return a GIF file of one or more frames.

    Parameters
    ----------
    palettes : sequence of Palette
        One for all frames, or one each.
    frames : sequence of (height, width) ndarray of uint8
    durations : sequence of int
        Of each frame, in milliseconds.
    loop : int or None
        How often the animation starts anew; 0 for ever, None never.

    Raises
    ------
    MediaError
    """
    if len(palettes) == 1:
        palettes = list(palettes) * len(frames)
    pictures = [_gif_frame(p, f) for p, f in zip(palettes, frames, strict=True)]
    clear = any((palette.rgba[:, 3] < 128).any() for palette in palettes)
    options: dict[str, object] = {}
    if len(pictures) > 1:
        # Frames are whole pictures; where parts are transparent, the last one has to go first.
        options = {
            "save_all": True,
            "append_images": pictures[1:],
            "duration": list(durations) or 100,
            "disposal": 2 if clear else 1,
        }
        if loop is not None:
            options["loop"] = loop
    file = io.BytesIO()
    try:
        pictures[0].save(file, "GIF", **options)
    except (OSError, ValueError) as error:
        raise MediaError(f"cannot write GIF: {error}") from None
    return file.getvalue()


def _gif_frame(palette: Palette, indices: np.ndarray) -> PIL.Image.Image:
    picture = IndexedImage(Palette(palette.rgba[:, :3]), indices).to_pillow()
    clear = np.flatnonzero(palette.rgba[:, 3] < 128)
    if len(clear):
        picture.info["transparency"] = int(clear[0])
    return picture
