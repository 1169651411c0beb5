"""Images that stay on disk: rows are read when they are wanted.

Uncompressed PNM (binary) and TIFF files hold their samples as one run of bytes,
so any part of them is found at once, and a gigapixel needs no more memory than a
megapixel. Other formats decode as a whole.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image

from vqcodec.container import Limits
from vqcodec.errors import MediaError
from vqcodec.media.image import Source
from vqcodec.media.reading import check_size, pillow_border
from vqcodec.media.tags import collect_metadata
from vqcodec.metadata import Metadata

LARGE = 1 << 25  # pixels from which on an image stays on disk
_MAGIC = (b"P5", b"P6", b"II*\0", b"MM\0*")
_MODES = {"L": 1, "RGB": 3}
_COMPRESSION, _STRIPS, _LENGTHS, _PLANAR = 259, 273, 279, 284


@dataclass(frozen=True)
class Raster:
    """The samples of a file, (height, width, channels) uint8, as an array that is read in parts.

    ``raster[top:bottom]`` and ``raster[top:bottom, left:right]`` are ordinary arrays.
    """

    path: Path
    offset: int
    shape: tuple[int, int, int]
    dtype: np.dtype = field(default_factory=lambda: np.dtype(np.uint8))

    @property
    def nbytes(self) -> int:
        return self.shape[0] * self.shape[1] * self.shape[2]

    def __getitem__(self, part: slice | tuple[slice, ...]) -> np.ndarray:
        # Mapped anew each time: the pages that were read do not stay in memory.
        whole = np.memmap(self.path, np.uint8, "r", self.offset, self.shape)
        return np.array(whole[part])


@dataclass(frozen=True)
class LargeImage:
    """An image whose samples are a `Raster`; else as `vqcodec.media.Image`."""

    samples: Raster
    metadata: Metadata
    source: Source

    @property
    def height(self) -> int:
        return self.samples.shape[0]

    @property
    def width(self) -> int:
        return self.samples.shape[1]

    @property
    def channels(self) -> int:
        return self.samples.shape[2]

    bits = 8

    @property
    def raw_bytes(self) -> int:
        return self.samples.nbytes


def open_large(source: object, limits: Limits, least: int = LARGE) -> LargeImage | None:
    """Return an image that can stay on disk; None for all that is small or of another kind.

    Raises
    ------
    LimitError
        The image is larger than the limits allow.
    MediaError
        The file is truncated, or cannot be read.
    """
    if isinstance(source, LargeImage):
        check_size(source.width, source.height, source.source.name, limits)
        return source
    if not isinstance(source, str | os.PathLike):
        return None
    path = Path(source)
    try:
        size = path.stat().st_size
        if size < least:
            return None
        with path.open("rb") as file:
            if not file.read(4).startswith(_MAGIC):
                return None
            file.seek(0)
            with pillow_border(str(path), limits), PIL.Image.open(file) as image:
                channels = _MODES.get(image.mode)
                if channels is None or image.width * image.height < least:
                    return None
                check_size(image.width, image.height, str(path), limits)
                shape = (image.height, image.width, channels)
                offset = _first_sample(image, shape)
                if offset is None:
                    return None
                metadata, notes = collect_metadata(image, limits)
                found = Source(str(path), image.format or "", size, tuple(notes))
    except OSError:
        return None  # the ordinary reader says what is wrong
    if offset + shape[0] * shape[1] * channels > size:
        raise MediaError(f"{path} is truncated")
    return LargeImage(Raster(path, offset, shape), metadata, found)


def _first_sample(image: Any, shape: tuple[int, int, int]) -> int | None:
    """Return where the samples begin, if they are one run of bytes."""
    if image.format == "PPM":
        tile = image.tile[0]
        plain = tile[0] == "raw" and tile[3] in (image.mode, (image.mode, 0, 1))
        return int(tile[2]) if plain and len(image.tile) == 1 else None
    if image.format != "TIFF":
        return None
    tags = image.tag_v2
    if tags.get(_COMPRESSION, 1) != 1 or tags.get(_PLANAR, 1) != 1 or _STRIPS not in tags:
        return None
    if any(tile[0] != "raw" or tile[3][0] != image.mode for tile in image.tile):
        return None
    place = start = int(tags[_STRIPS][0])
    for offset, length in zip(tags[_STRIPS], tags[_LENGTHS], strict=True):
        if offset != place:
            return None
        place += length
    return start if place - start == shape[0] * shape[1] * shape[2] else None
