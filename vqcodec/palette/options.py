"""What a user can ask of the palette quantiser, validated."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from vqcodec.errors import ParameterError
from vqcodec.palette.space import Space
from vqcodec.palette.value import Palette

MAX_INDEXED = 256


class Dither(enum.StrEnum):
    """How a colour between two entries is shown."""

    NONE = "none"
    FLOYD_STEINBERG = "floyd-steinberg"
    BLUE_NOISE = "blue-noise"
    BEST = "best"


@dataclass(frozen=True)
class PaletteOptions:
    """Options of the palette quantiser.

    Attributes
    ----------
    colors : int or None
        At most so many, 1 to 256; None chooses the number (quality 85, unless
        `quality` or `max_error` says otherwise).
    space : Space
        Where colours are compared.
    dither : Dither
    strength : float
        Of the dithering, 0 to 1.
    quality : (int, int) or None
        The fewest colours that reach the second number, 0 to 100; it is a
        `TargetError` if even all `colors` stay below the first.
    max_error : float or None
        The fewest colours whose root mean squared error per sRGB sample, before
        dithering, is at most this, in 1/255.
    palette : Palette or None
        Use exactly these colours; their order is kept.
    keep : Palette or None
        These entries are part of the palette as they are, first, in this order.
    keep_unused : bool
        Entries that no pixel uses stay in the palette.
    keep_hidden : bool
        The colour under fully transparent pixels counts, and is kept.
    """

    colors: int | None = MAX_INDEXED
    space: Space = Space.OKLAB
    dither: Dither = Dither.FLOYD_STEINBERG
    strength: float = 0.75
    quality: tuple[int, int] | None = None
    max_error: float | None = None
    palette: Palette | None = None
    keep: Palette | None = None
    keep_unused: bool = False
    keep_hidden: bool = False

    def __post_init__(self) -> None:
        for name, kind in (("space", Space), ("dither", Dither)):
            try:
                object.__setattr__(self, name, kind(getattr(self, name)))
            except ValueError:
                known = ", ".join(kind)
                raise ParameterError(
                    f"{name} is one of {known}, not {getattr(self, name)!r}"
                ) from None
        for name in ("palette", "keep"):
            if getattr(self, name) is not None:
                object.__setattr__(self, name, Palette.of(getattr(self, name)))
        if self.colors is not None and not 1 <= self.colors <= MAX_INDEXED:
            raise ParameterError(f"a palette image has 1 to 256 colours, not {self.colors}")
        if not 0 <= self.strength <= 1:
            raise ParameterError(f"the strength of dithering is from 0 to 1, not {self.strength}")
        if self.quality is not None:
            low, high = self.quality
            if not 0 <= low <= high <= 100:
                raise ParameterError(f"quality is MIN-MAX from 0 to 100, not {low}-{high}")
        if self.max_error is not None and not 0 <= self.max_error <= 255:
            raise ParameterError(f"the greatest error is from 0 to 255, not {self.max_error}")
        if self.quality is not None and self.max_error is not None:
            raise ParameterError("quality and max_error contradict each other; give one")
        if self.palette is not None:
            if self.keep is not None:
                raise ParameterError("palette and keep contradict each other; give one")
            if len(self.palette) > MAX_INDEXED:
                raise ParameterError(
                    f"a palette image has at most 256 colours; this palette has {len(self.palette)}"
                )
        if self.keep is not None and len(self.keep) > (self.colors or MAX_INDEXED):
            raise ParameterError(
                f"{len(self.keep)} colours are to be kept, but only {self.colors} are allowed"
            )
