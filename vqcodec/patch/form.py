"""The header of a patch file: what the image is, and how it was coded."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vqcodec.container import ByteReader, Limits, pack_varint
from vqcodec.errors import FormatError, LimitError
from vqcodec.patch.blocks import LAYOUTS, PlaneShape, plane_shapes


@dataclass(frozen=True)
class Form:
    """Everything that the header says of a patch file."""

    width: int
    height: int
    layout: str
    alpha: bool
    bits: int
    fixed_rate: bool
    means_removed: bool
    external: bool

    def pack(self) -> bytes:
        """Return the header's bytes: flags, width - 1, height - 1."""
        flags = LAYOUTS.index(self.layout) | self.alpha << 2 | (self.bits == 16) << 3
        flags |= self.fixed_rate << 4 | self.means_removed << 5 | self.external << 6
        return bytes([flags]) + pack_varint(self.width - 1) + pack_varint(self.height - 1)

    @classmethod
    def unpack(cls, header: bytes, limits: Limits) -> Form:
        """Read the header; more pixels than the limit are refused."""
        reader = ByteReader(header)
        flags = reader.byte()
        if flags & 0x80:
            raise FormatError("the header uses a flag that this version does not know")
        width, height = reader.varint() + 1, reader.varint() + 1
        reader.finish()
        if width * height > limits.pixels:
            raise LimitError(
                f"the image claims {width} x {height} pixels, above the limit of {limits.pixels}"
            )
        return cls(
            width, height, LAYOUTS[flags & 3], bool(flags & 4), 16 if flags & 8 else 8,
            bool(flags & 16), bool(flags & 32), bool(flags & 64),
        )  # fmt: skip

    @property
    def channels(self) -> int:
        return (1 if self.layout == "gray" else 3) + self.alpha

    def shapes(self, block: tuple[int, int]) -> list[PlaneShape]:
        return plane_shapes(self.height, self.width, self.layout, self.alpha, block)

    @property
    def dtype(self) -> np.dtype:
        return np.dtype(np.uint8 if self.bits == 8 else np.uint16)
