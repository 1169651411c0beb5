"""The header of a photo file: size, layout, steps, and which codebook it needs."""

from __future__ import annotations

from dataclasses import dataclass

from vqcodec.container import ByteReader, Limits, pack_varint
from vqcodec.errors import FormatError, LimitError
from vqcodec.tiling import Grid

SHIPPED_PREFIX = 4  # bytes of its identity by which the shipped codebook is named
_STEPS = 224


@dataclass(frozen=True)
class Header:
    """Everything that the header says.

    ::

        flags     1 byte: channels - 1 (2 bits), unit offsets, restoration,
                  external codebook
        width - 1, height - 1     LEB128
        tile      1 byte: log2 of the side of the tiles
        step      1 byte: step index of luma
        orange, green     1 byte each, signed, of colour images
        alpha     1 byte: step index, of images with alpha
        profile   1 byte
        codebook  first 4 bytes of the identity of the shipped one, if that is used
    """

    width: int
    height: int
    channels: int
    tile: int
    step: int
    orange: int
    green: int
    alpha: int
    profile: int
    offsets: bool
    restored: bool
    shipped: bytes | None

    def pack(self) -> bytes:
        """Return the header's bytes."""
        flags = (self.channels - 1) | self.offsets << 2 | self.restored << 3
        flags |= (self.shipped is None) << 4
        parts = [
            bytes([flags]),
            pack_varint(self.width - 1),
            pack_varint(self.height - 1),
            bytes([self.tile.bit_length() - 1, self.step]),
        ]
        if self.channels >= 3:
            parts.append(bytes([self.orange & 255, self.green & 255]))
        if self.channels in (2, 4):
            parts.append(bytes([self.alpha]))
        parts.append(bytes([self.profile]))
        if self.shipped is not None:
            parts.append(self.shipped)
        return b"".join(parts)

    @classmethod
    def unpack(cls, data: bytes, limits: Limits) -> Header:
        """Read a header.

        Raises
        ------
        FormatError
            It says what no encoder says.
        LimitError
            More pixels than the limit.
        """
        reader = ByteReader(data)
        flags = reader.byte()
        if flags >> 5:
            raise FormatError("the header uses a flag that this version does not know")
        channels = (flags & 3) + 1
        width, height = reader.varint() + 1, reader.varint() + 1
        if width * height > limits.pixels:
            raise LimitError(
                f"the image claims {width} x {height} pixels, above the limit of {limits.pixels}"
            )
        tile, step = reader.byte(), reader.byte()
        orange = green = alpha = 0
        if channels >= 3:
            orange, green = _signed(reader.byte()), _signed(reader.byte())
        if channels in (2, 4):
            alpha = reader.byte()
        profile = reader.byte()
        shipped = None if flags & 16 else reader.take(SHIPPED_PREFIX)
        reader.finish()
        if not 5 <= tile <= 15 or step >= _STEPS or alpha >= _STEPS or profile > 63:
            raise FormatError("the header holds a value outside of its range")
        return cls(
            width, height, channels, 1 << tile, step, orange, green, alpha, profile,
            bool(flags & 4), bool(flags & 8), shipped,
        )  # fmt: skip

    @property
    def grid(self) -> Grid:
        return Grid(self.height, self.width, self.tile, self.tile)


def _signed(byte: int) -> int:
    return byte - 256 if byte > 127 else byte
