"""Palette files, reading and writing side by side: text formats, and the door to all of them.

========  =======================================  =====  =====
suffix    format                                   alpha  names
========  =======================================  =====  =====
.gpl      GIMP, Inkscape, Krita                    no     yes
.act      Adobe colour table                       one    no
.aco      Adobe Photoshop swatches                 no     yes
.ase      Adobe swatch exchange                    no     yes
.pal      JASC Paint Shop Pro (RIFF read too)      no     no
.hex      one hexadecimal colour a line (Lospec)   yes    no
.css      custom properties                        yes    yes
.json     hexadecimal strings                      yes    yes
.vqcb     codebook of kind ``palette``             yes    no
========  =======================================  =====  =====

Any other file is taken for an image: an indexed one gives its palette, another
one its distinct colours (at most 256) as they first appear.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from vqcodec.errors import MediaError, ParameterError, VQError
from vqcodec.palette import adobe
from vqcodec.palette.value import MAX_COLORS, Palette, parse_color

_LIMIT = 1 << 24  # bytes of a palette file
_CSS_COLOR = re.compile(r"(?:--([\w-]+)\s*:\s*)?(#[0-9a-fA-F]{3,8}\b|rgba?\([^)]*\))", re.ASCII)


def load(source: str | os.PathLike[str]) -> Palette:
    """Read a palette file, or the palette of an image.

    Raises
    ------
    MediaError
        The file cannot be read, is damaged, or holds no palette.
    """
    path = Path(source)
    reader = _READERS.get(path.suffix.lower())
    try:
        with path.open("rb") as file:
            data = file.read(_LIMIT + 1) if reader else b""
    except OSError as error:
        raise MediaError(f"cannot read palette {path}: {error.strerror}") from None
    if reader is None:
        return _from_image(path)
    if len(data) > _LIMIT:
        raise MediaError(f"cannot read palette {path}: it is too large to be one")
    try:
        palette = reader(data)
    except (VQError, ValueError, IndexError, KeyError, TypeError, RecursionError) as error:
        reason = error if isinstance(error, VQError) else "it is damaged or of another format"
        raise MediaError(f"cannot read palette {path}: {reason}") from None
    return palette


def save(palette: Palette, path: str | os.PathLike[str], format: str | None = None) -> None:
    """Write a palette file, whole or not at all.

    Parameters
    ----------
    palette : Palette
    path : path
    format : str, optional
        A suffix such as ``".gpl"``; that of `path` otherwise.

    Raises
    ------
    ParameterError
        The format is unknown, or cannot hold this palette.
    MediaError
        The file cannot be written.
    """
    from vqcodec.files import write_atomically

    write_atomically(path, dumps(palette, format or Path(path).suffix))


def dumps(palette: Palette, format: str) -> bytes:
    """Return the bytes of a palette file; see `save`."""
    suffix = "." + format.lower().lstrip(".")
    if suffix not in _WRITERS:
        raise ParameterError(
            f"{format!r} is no palette format; there are {', '.join(sorted(_WRITERS))}"
        )
    translucent = palette.rgba[:, 3][palette.rgba[:, 3] < 255]
    one_clear = suffix == ".act" and len(translucent) == 1 and translucent[0] == 0
    if len(translucent) and suffix not in _WITH_ALPHA and not one_clear:
        raise ParameterError(f"{suffix} files hold no alpha; .json, .css, .hex and .vqcb files do")
    return _WRITERS[suffix](palette)


def _palette(colors: Sequence[tuple[int, ...]], names: list[str] | None = None) -> Palette:
    if not 1 <= len(colors) <= MAX_COLORS:
        raise MediaError(f"it holds {len(colors)} colours")
    rgba = np.array([(*color, 255)[:4] for color in colors])
    if rgba.min() < 0 or rgba.max() > 255:
        raise MediaError("a colour in it lies outside 0 to 255")
    return Palette(rgba.astype(np.uint8), tuple(names) if names and any(names) else ())


def _lines(data: bytes) -> list[str]:
    return data.decode("utf-8-sig", "replace").splitlines()


# --- GIMP ------------------------------------------------------------------------


def write_gpl(palette: Palette) -> bytes:
    """Return a GIMP palette."""
    names = palette.names or ("",) * len(palette)
    rows = [
        f"{r:3d} {g:3d} {b:3d}\t{_one_line(name) or 'Untitled'}"
        for (r, g, b, _), name in zip(palette, names, strict=True)
    ]
    return "\n".join(["GIMP Palette", "Name: vqcodec", "Columns: 16", "#", *rows, ""]).encode()


def read_gpl(data: bytes) -> Palette:
    """Parse a GIMP palette."""
    lines = _lines(data)
    if not lines or not lines[0].startswith("GIMP Palette"):
        raise MediaError("it does not begin with 'GIMP Palette'")
    colors, names = [], []
    for line in lines[1:]:
        if not line.strip() or line.startswith("#") or re.match(r"\s*(Name|Columns)\s*:", line):
            continue
        parts = line.split(None, 3)
        colors.append((int(parts[0]), int(parts[1]), int(parts[2])))
        name = parts[3].strip() if len(parts) > 3 else ""
        names.append("" if name == "Untitled" else name)
    return _palette(colors, names)


def _one_line(name: str) -> str:
    return " ".join(name.split())


# --- JASC, RIFF --------------------------------------------------------------------


def write_pal(palette: Palette) -> bytes:
    """Return a JASC palette."""
    rows = [f"{r} {g} {b}" for r, g, b, _ in palette]
    return "\r\n".join(["JASC-PAL", "0100", str(len(palette)), *rows, ""]).encode()


def read_pal(data: bytes) -> Palette:
    """Parse a JASC palette, or Microsoft's RIFF palette."""
    if data[:4] == b"RIFF" and data[8:16] == b"PAL data":
        count = int.from_bytes(data[22:24], "little")
        entries = data[24 : 24 + 4 * count]
        if len(entries) < 4 * count:
            raise MediaError("it ends too early")
        return _palette([tuple(entries[i : i + 3]) for i in range(0, 4 * count, 4)])
    lines = [line.split() for line in _lines(data) if line.strip()]
    if len(lines) < 3 or lines[0] != ["JASC-PAL"]:
        raise MediaError("it does not begin with 'JASC-PAL'")
    count = int(lines[2][0])
    if len(lines) < 3 + count:
        raise MediaError("it ends too early")
    return _palette([tuple(int(part) for part in line[:3]) for line in lines[3 : 3 + count]])


# --- hexadecimal, CSS, JSON ----------------------------------------------------------


def write_hex(palette: Palette) -> bytes:
    """Return one colour a line, without number signs."""
    return "".join(f"{color[1:]}\n" for color in palette.hex).encode()


def read_hex(data: bytes) -> Palette:
    """Parse one colour a line; what follows a semicolon is a comment."""
    lines = [line.split(";")[0].strip() for line in _lines(data)]
    return _palette([parse_color("#" + line.lstrip("#")) for line in lines if line])


def write_css(palette: Palette) -> bytes:
    """Return custom properties of the root element."""
    rows = []
    for number, color in enumerate(palette.hex):
        name = re.sub(r"[^\w-]+", "-", palette.names[number] if palette.names else "").strip("-")
        rows.append(f"  --{name or f'color-{number}'}: {color};")
    return "\n".join([":root {", *rows, "}", ""]).encode()


def read_css(data: bytes) -> Palette:
    """Find every colour of a style sheet, in order: hexadecimal, rgb() and rgba()."""
    text = re.sub(r"/\*.*?\*/", "", data.decode("utf-8", "replace"), flags=re.DOTALL)
    colors, names = [], []
    for name, value in _CSS_COLOR.findall(text):
        colors.append(parse_color(value) if value[0] == "#" else _css_function(value))
        names.append("" if re.fullmatch(r"color-\d+", name) else name)
    return _palette(colors, names)


def _css_function(value: str) -> tuple[int, int, int, int]:
    parts = re.findall(r"[\d.]+%?", value)
    if len(parts) not in (3, 4):
        raise MediaError(f"{value} is no colour")
    scales = (255.0, 255.0, 255.0, 1.0)
    numbers = [
        float(part[:-1]) / 100 * scale if part.endswith("%") else float(part)
        for part, scale in zip(parts, scales, strict=False)
    ]
    r, g, b = (round(number) for number in numbers[:3])
    return r, g, b, round(numbers[3] * 255) if len(numbers) == 4 else 255


def write_json(palette: Palette) -> bytes:
    """Return a JSON object with the colours, and the names if there are any."""
    value: dict[str, list[str]] = {"colors": palette.hex}
    if palette.names:
        value["names"] = list(palette.names)
    return (json.dumps(value, indent=1, ensure_ascii=False) + "\n").encode()


def read_json(data: bytes) -> Palette:
    """Parse JSON: a list of colours, or an object that holds one as ``colors``."""
    value = json.loads(data)
    names: list[str] = []
    if isinstance(value, dict):
        names = [str(name) for name in value.get("names", [])]
        value = value["colors"]
    if not isinstance(value, list):
        raise MediaError("it holds no list of colours")
    colors = [parse_color(entry) for entry in value]
    return _palette(colors, names if len(names) == len(colors) else None)


# --- codebooks, images -----------------------------------------------------------------


def write_codebook(palette: Palette) -> bytes:
    """Return a codebook of kind ``palette``."""
    from vqcodec.codebook import Codebook

    config = {"transform": "none", "shape": [4]}
    return Codebook("palette", config, {"codewords": palette.rgba}).to_bytes()


def read_codebook(data: bytes) -> Palette:
    """Parse a codebook of kind ``palette``."""
    from vqcodec.codebook import Codebook

    return Palette(Codebook.from_bytes(data).require("palette").array("codewords"))


def _from_image(path: Path) -> Palette:
    from PIL import Image

    try:
        with Image.open(path) as image:
            if image.mode == "P":
                image.apply_transparency()
                flat = image.getpalette("RGBA") or []
                return Palette(np.array(flat, np.uint8).reshape(-1, 4))
            pixels = np.asarray(image.convert("RGBA")).reshape(-1, 4)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        raise MediaError(
            f"cannot read palette {path}: it is neither a palette nor an image"
        ) from None
    packed, first = np.unique(pixels.copy().view(np.uint32).ravel(), return_index=True)
    if len(packed) > 256:
        raise MediaError(
            f"cannot read palette {path}: it is an image of {len(packed)} colours, more than 256"
        )
    return Palette(pixels[np.sort(first)].copy())


_READERS: dict[str, Callable[[bytes], Palette]] = {
    ".gpl": read_gpl, ".pal": read_pal, ".hex": read_hex, ".css": read_css, ".json": read_json,
    ".act": adobe.read_act, ".aco": adobe.read_aco, ".ase": adobe.read_ase,
    ".vqcb": read_codebook,
}  # fmt: skip
_WRITERS: dict[str, Callable[[Palette], bytes]] = {
    ".gpl": write_gpl, ".pal": write_pal, ".hex": write_hex, ".css": write_css,
    ".json": write_json, ".act": adobe.write_act, ".aco": adobe.write_aco,
    ".ase": adobe.write_ase, ".vqcb": write_codebook,
}  # fmt: skip
_WITH_ALPHA = (".hex", ".css", ".json", ".vqcb")


def writable_formats() -> list[str]:
    """Return the suffixes of the palette formats that can be written."""
    return sorted(_WRITERS)
