"""The header of a patch file: what the image is, and how it was coded."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from vqcodec.container import ByteReader, Limits, pack_varint
from vqcodec.errors import LimitError
from vqcodec.patch.blocks import LAYOUTS, PlaneShape, plane_shapes
from vqcodec.tiling import Grid, Place


@dataclass(frozen=True)
class Form:
    """Everything that the header says of a patch file.

    `tile` is height and width of the tiles, None if the picture is one piece.
    """

    width: int
    height: int
    layout: str
    alpha: bool
    bits: int
    fixed_rate: bool
    means_removed: bool
    external: bool
    tile: tuple[int, int] | None = None

    def pack(self) -> bytes:
        """Return the header's bytes: flags, width - 1, height - 1; of tiles the same."""
        flags = LAYOUTS.index(self.layout) | self.alpha << 2 | (self.bits == 16) << 3
        flags |= self.fixed_rate << 4 | self.means_removed << 5 | self.external << 6
        flags |= (self.tile is not None) << 7
        sizes = [self.width, self.height, *reversed(self.tile or ())]
        return bytes([flags]) + b"".join(pack_varint(size - 1) for size in sizes)

    @classmethod
    def unpack(cls, header: bytes, limits: Limits) -> Form:
        """Read the header; more pixels than the limit are refused."""
        reader = ByteReader(header)
        flags = reader.byte()
        width, height = reader.varint() + 1, reader.varint() + 1
        tile = None
        if flags & 128:
            tile_width, tile_height = reader.varint() + 1, reader.varint() + 1
            tile = tile_height, tile_width
        reader.finish()
        if width * height > limits.pixels:
            raise LimitError(
                f"the image claims {width} x {height} pixels, above the limit of {limits.pixels}"
            )
        return cls(
            width, height, LAYOUTS[flags & 3], bool(flags & 4), 16 if flags & 8 else 8,
            bool(flags & 16), bool(flags & 32), bool(flags & 64), tile,
        )  # fmt: skip

    @property
    def channels(self) -> int:
        return (1 if self.layout == "gray" else 3) + self.alpha

    @property
    def grid(self) -> Grid:
        return Grid(self.height, self.width, *(self.tile or (self.height, self.width)))

    def of_tile(self, place: Place) -> Form:
        """Return the form of a tile, which is a picture of its own."""
        return replace(self, height=place.height, width=place.width, tile=None)

    def shapes(self, block: tuple[int, int]) -> list[PlaneShape]:
        return plane_shapes(self.height, self.width, self.layout, self.alpha, block)

    @property
    def dtype(self) -> np.dtype:
        return np.dtype(np.uint8 if self.bits == 8 else np.uint16)
