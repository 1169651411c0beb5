"""Adobe's palette files: colour tables (.act), swatches (.aco), swatch exchange (.ase).

The first two are described in Adobe's "Photoshop File Formats Specification"; the
third, never published, as its readers agree on it. Numbers are big-endian. Colours
that are no RGB are converted by the plain formulas, without profiles.
"""

from __future__ import annotations

import colorsys
import struct

import numpy as np

from vqcodec.container import ByteReader
from vqcodec.errors import MediaError, ParameterError
from vqcodec.palette.value import MAX_COLORS, Palette

_ACT_COLORS = 256
_RGB, _HSB, _CMYK, _LAB, _GRAY = 0, 1, 2, 7, 8
_ASE_COLOR = 1
_D50 = (0.9642, 1.0, 0.8249)
_SRGB_OF_D50 = np.array(
    [
        [3.1338561, -1.6168667, -0.4906146],
        [-0.9787684, 1.9161415, 0.0334540],
        [0.0719453, -0.2289914, 1.4052427],
    ]
)


# --- .act --------------------------------------------------------------------------


def write_act(palette: Palette) -> bytes:
    """Return a colour table: always 256 entries, then the count and the transparent one."""
    if len(palette) > _ACT_COLORS:
        raise ParameterError(f"an .act file holds 256 colours, not {len(palette)}")
    table = np.zeros((_ACT_COLORS, 3), np.uint8)
    table[: len(palette)] = palette.rgba[:, :3]
    clear = np.flatnonzero(palette.rgba[:, 3] == 0)
    return table.tobytes() + struct.pack(
        ">HH", len(palette), int(clear[0]) if len(clear) else 0xFFFF
    )


def read_act(data: bytes) -> Palette:
    """Parse a colour table, with or without the count at its end."""
    if len(data) not in (3 * _ACT_COLORS, 3 * _ACT_COLORS + 4):
        raise MediaError(f"a colour table has 768 or 772 bytes, not {len(data)}")
    table = np.frombuffer(data, np.uint8, 3 * _ACT_COLORS).reshape(-1, 3)
    rgba = np.column_stack([table, np.full(_ACT_COLORS, 255, np.uint8)])
    count, clear = _ACT_COLORS, 0xFFFF
    if len(data) > 3 * _ACT_COLORS:
        count, clear = struct.unpack(">HH", data[-4:])
        count = count or _ACT_COLORS
    if count > _ACT_COLORS:
        raise MediaError(f"it claims {count} colours")
    if clear < count:
        rgba[clear, 3] = 0
    return Palette(rgba[:count])


# --- .aco --------------------------------------------------------------------------


def write_aco(palette: Palette) -> bytes:
    """Return swatches in both versions, as Photoshop writes them; the second has the names."""
    plain, named = [], []
    for number, (r, g, b, _) in enumerate(palette):
        color = struct.pack(">5H", _RGB, r * 257, g * 257, b * 257, 0)
        name = palette.names[number] if palette.names else ""
        text = (name + "\0").encode("utf-16-be")
        plain.append(color)
        named.append(color + struct.pack(">I", len(text) // 2) + text)
    count = len(palette)
    return b"".join([struct.pack(">2H", 1, count), *plain, struct.pack(">2H", 2, count), *named])


def read_aco(data: bytes) -> Palette:
    """Parse swatches; the names of the second version are taken where it is there."""
    reader = ByteReader(data, "swatch file")
    version, count = struct.unpack(">2H", reader.take(4))
    if version not in (1, 2):
        raise MediaError(f"version {version} of swatches is unknown")
    if version == 1 and len(data) >= 4 + 10 * count + 4:
        second = data[4 + 10 * count :]
        if second[:2] == b"\0\2":
            return read_aco(second)
    colors, names = [], []
    for _ in range(count):
        space, *values = struct.unpack(">5H", reader.take(10))
        colors.append(_from_swatch(space, values))
        if version == 2:
            length = struct.unpack(">I", reader.take(4))[0]
            names.append(reader.take(2 * length).decode("utf-16-be", "replace").rstrip("\0"))
    return _finish(colors, names)


def _from_swatch(space: int, values: list[int]) -> tuple[float, float, float]:
    unit = [value / 65535 for value in values]
    if space == _RGB:
        return unit[0], unit[1], unit[2]
    if space == _HSB:
        return colorsys.hsv_to_rgb(unit[0], unit[1], unit[2])
    if space == _CMYK:  # 0 is full ink
        return _from_cmyk(*(1 - part for part in unit))
    if space == _LAB:
        a, b = (value - 65536 if value > 32767 else value for value in values[1:3])
        return _from_lab(values[0] / 100, a / 100, b / 100)
    if space == _GRAY:
        gray = 1 - min(values[0], 10000) / 10000
        return gray, gray, gray
    raise MediaError(f"it holds a colour of the unknown space {space}")


# --- .ase --------------------------------------------------------------------------


def write_ase(palette: Palette) -> bytes:
    """Return a swatch exchange file: one RGB block for each colour."""
    blocks = [b"ASEF", struct.pack(">2HI", 1, 0, len(palette))]
    for number, (r, g, b, _) in enumerate(palette):
        name = palette.names[number] if palette.names else f"#{r:02x}{g:02x}{b:02x}"
        text = (name + "\0").encode("utf-16-be")
        body = struct.pack(">H", len(text) // 2) + text
        body += b"RGB " + struct.pack(">3fH", r / 255, g / 255, b / 255, 2)
        blocks.append(struct.pack(">HI", _ASE_COLOR, len(body)) + body)
    return b"".join(blocks)


def read_ase(data: bytes) -> Palette:
    """Parse a swatch exchange file; groups are opened, their order kept."""
    reader = ByteReader(data, "swatch exchange file")
    if reader.take(4) != b"ASEF":
        raise MediaError("it does not begin with 'ASEF'")
    reader.take(4)
    colors, names = [], []
    for _ in range(struct.unpack(">I", reader.take(4))[0]):
        type, length = struct.unpack(">HI", reader.take(6))
        body = ByteReader(reader.take(length), "block of the swatch exchange file")
        if type != _ASE_COLOR:
            continue
        text = body.take(2 * struct.unpack(">H", body.take(2))[0])
        model = body.take(4)
        width = {b"RGB ": 3, b"CMYK": 4, b"LAB ": 3, b"Gray": 1, b"GRAY": 1}.get(model)
        if width is None:
            raise MediaError(f"it holds a colour of the unknown model {model!r}")
        values = struct.unpack(f">{width}f", body.take(4 * width))
        if not np.isfinite(values).all():
            raise MediaError("it holds a colour that is no number")
        if model == b"RGB ":
            colors.append((values[0], values[1], values[2]))
        elif model == b"CMYK":
            colors.append(_from_cmyk(*values))
        elif model == b"LAB ":
            colors.append(_from_lab(values[0] * 100, values[1], values[2]))
        else:
            colors.append((values[0], values[0], values[0]))
        name = text.decode("utf-16-be", "replace").rstrip("\0")
        names.append("" if name.startswith("#") else name)
    return _finish(colors, names)


# --- other models --------------------------------------------------------------------


def _from_cmyk(c: float, m: float, y: float, k: float) -> tuple[float, float, float]:
    return (1 - c) * (1 - k), (1 - m) * (1 - k), (1 - y) * (1 - k)


def _from_lab(lightness: float, a: float, b: float) -> tuple[float, float, float]:
    """Convert CIELAB (D50) to sRGB."""
    from vqcodec import color

    fy = (lightness + 16) / 116
    cubes = [fy + a / 500, fy, fy - b / 200]
    xyz = [
        white * (f**3 if f > 6 / 29 else 3 * (6 / 29) ** 2 * (f - 4 / 29))
        for f, white in zip(cubes, _D50, strict=True)
    ]
    red, green, blue = color.linear_to_srgb(_SRGB_OF_D50 @ xyz)
    return float(red), float(green), float(blue)


def _finish(colors: list[tuple[float, float, float]], names: list[str]) -> Palette:
    if not 1 <= len(colors) <= MAX_COLORS:
        raise MediaError(f"it holds {len(colors)} colours")
    rgb = np.rint(np.clip(np.array(colors), 0, 1) * 255).astype(np.uint8)
    return Palette(rgb, tuple(names) if any(names) else ())
