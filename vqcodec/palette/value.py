"""The palette as a value: up to 65 536 colours with alpha, in order, some of them named."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from vqcodec.errors import ParameterError

MAX_COLORS = 1 << 16
_HEX = re.compile(r"#?([0-9a-fA-F]{3,4}|[0-9a-fA-F]{6}|[0-9a-fA-F]{8})")


@dataclass(frozen=True, eq=False)
class Palette:
    """Colours in order.

    Attributes
    ----------
    rgba : (k, 4) ndarray of uint8
        sRGB and straight (not premultiplied) alpha.
    names : tuple of str
        One for each colour, empty where it has none; or empty altogether.
    """

    rgba: np.ndarray
    names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        rgba = np.asarray(self.rgba)
        if rgba.dtype != np.uint8 or rgba.ndim != 2 or rgba.shape[1] not in (3, 4):
            raise ParameterError("a palette is an array of uint8, k rows of 3 or 4")
        if not 1 <= len(rgba) <= MAX_COLORS:
            raise ParameterError(f"a palette has 1 to {MAX_COLORS} colours, not {len(rgba)}")
        if rgba.shape[1] == 3:
            rgba = np.column_stack([rgba, np.full(len(rgba), 255, np.uint8)])
        if self.names and len(self.names) != len(rgba):
            raise ParameterError("a palette has as many names as colours, or none")
        rgba = np.ascontiguousarray(rgba)
        rgba.setflags(write=False)
        object.__setattr__(self, "rgba", rgba)

    @classmethod
    def of(cls, source: Any) -> Palette:
        """Return a palette from an array, colours such as ``"#ff8000"``, or the path of a file.

        Raises
        ------
        ParameterError
            The array or a colour is not understood.
        MediaError
            The file cannot be read; see `vqcodec.palette.swatches.load`.
        """
        if isinstance(source, Palette):
            return source
        if isinstance(source, np.ndarray):
            return cls(source)
        if isinstance(source, str | os.PathLike):
            from vqcodec.palette.swatches import load

            return load(source)
        return cls(np.array([parse_color(color) for color in source], np.uint8).reshape(-1, 4))

    def __len__(self) -> int:
        return len(self.rgba)

    def __iter__(self) -> Iterator[tuple[int, int, int, int]]:
        return iter([tuple(color) for color in self.rgba.tolist()])

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Palette) and np.array_equal(self.rgba, other.rgba)

    def __hash__(self) -> int:
        return hash(self.rgba.tobytes())

    def __repr__(self) -> str:
        shown = ", ".join(self.hex[:8]) + (", ..." if len(self) > 8 else "")
        return f"<Palette of {len(self)}: {shown}>"

    def _repr_html_(self) -> str:
        style = "display:inline-block;width:1.5em;height:1.5em;background:"
        cell = f'<span title="{{0}}" style="{style}{{0}}"></span>'
        return "".join(cell.format(color) for color in self.hex)

    @property
    def opaque(self) -> bool:
        """Whether every colour is opaque."""
        return bool((self.rgba[:, 3] == 255).all())

    @property
    def hex(self) -> list[str]:
        """The colours as ``#rrggbb``, or ``#rrggbbaa`` where they are not opaque."""
        return ["#" + bytes(c[: 3 if c[3] == 255 else 4]).hex() for c in self.rgba.tolist()]

    def take(self, order: Sequence[int] | np.ndarray) -> Palette:
        """Return the colours of these numbers, in this order."""
        order = np.asarray(order, np.int64)
        names = tuple(self.names[i] for i in order) if self.names else ()
        return Palette(self.rgba[order], names)

    def save(self, path: str | os.PathLike[str], format: str | None = None) -> None:
        """Write a palette file; the format follows the name unless given.

        See `vqcodec.palette.swatches.save`.
        """
        from vqcodec.palette.swatches import save

        save(self, path, format)


def parse_color(value: str | Iterable[int]) -> tuple[int, int, int, int]:
    """Return (red, green, blue, alpha) of ``#rgb``, ``#rrggbb``, ``#rrggbbaa``, a name or numbers.

    Raises
    ------
    ParameterError
    """
    if isinstance(value, str):
        match = _HEX.fullmatch(value.strip())
        if match:
            digits = match[1]
            if len(digits) < 6:
                digits = "".join(2 * digit for digit in digits)
            r, g, b, *a = bytes.fromhex(digits)
            return r, g, b, a[0] if a else 255
        from PIL import ImageColor

        try:
            named = ImageColor.getcolor(value.strip(), "RGBA")
        except ValueError:
            raise ParameterError(
                f"{value!r} is no colour; write it as #rrggbb or #rrggbbaa"
            ) from None
        assert isinstance(named, tuple)
        return named[0], named[1], named[2], named[3]
    try:
        parts = [int(part) for part in value]
    except (TypeError, ValueError):
        raise ParameterError(f"{value!r} is no colour") from None
    if len(parts) not in (3, 4) or not all(0 <= part <= 255 for part in parts):
        raise ParameterError(f"{value!r} is no colour: 3 or 4 numbers from 0 to 255 are")
    r, g, b, *a = parts
    return r, g, b, a[0] if a else 255
