"""What a caller may ask of the patch codec, checked at the border."""

from __future__ import annotations

import math
from dataclasses import dataclass

from vqcodec.errors import ParameterError

DEFAULT_QUALITY = 75.0
MOST_CODEWORDS = 1 << 16
MOST_BLOCK = 16
COLOURS = ("gray", "rgb", "ycbcr")
CHROMAS = ("420", "444")


@dataclass(frozen=True)
class Options:
    """Options of `vqcodec.patch.codec.encode`.

    At most one of `quality`, `bpp`, `psnr`, `size` and `lagrangian` may be
    given; without any of them `quality` is 75.

    Attributes
    ----------
    quality : float, optional
        0 (smallest) to 100 (best).
    bpp : float, optional
        Bits of the whole file per pixel.
    psnr : float, optional
        Peak signal-to-noise ratio in dB, over all samples.
    size : int, optional
        Bytes of the whole file.
    lagrangian : float, optional
        Squared error that a bit is worth (for samples of 8 bits); 0 always
        takes the nearest codeword.
    codewords : int, optional
        Codebook size, 2 to 65,536; chroma has a quarter of it.
    block : int or (int, int), optional
        Block side, or width and height, 1 to 16.
    fixed_rate : bool
        Indices of equal length, without entropy coding: decodes fastest, and
        any region by itself.
    color : {'gray', 'rgb', 'ycbcr'}, optional
        Code the luma only, RGB vectors, or luma and chroma apart. Default:
        gray images as gray; colour as ``rgb`` at fixed rate, else ``ycbcr``.
    chroma : {'420', '444'}
        Chroma at half or at full resolution, with ``ycbcr``.
    mean_removed : bool
        Code block means apart; the codebook holds shapes only.
    tile : int, optional
        About the side of the tiles that decode on their own, in pixels:
        rounded to whole blocks. Default: 1024, at a fixed rate 256.
    seed : int
        Of the codebook training.
    strip : bool
        Leave out metadata.
    """

    quality: float | None = None
    bpp: float | None = None
    psnr: float | None = None
    size: int | None = None
    lagrangian: float | None = None
    codewords: int | None = None
    block: int | tuple[int, int] | None = None
    fixed_rate: bool = False
    color: str | None = None
    chroma: str = "420"
    mean_removed: bool = False
    tile: int | None = None
    seed: int = 0
    strip: bool = False

    def __post_init__(self) -> None:
        asked = [
            name
            for name in ("quality", "bpp", "psnr", "size", "lagrangian")
            if getattr(self, name) is not None
        ]
        if len(asked) > 1:
            raise ParameterError(f"{asked[0]} and {asked[1]} contradict each other: give only one")
        _within("quality", self.quality, 0, 100)
        _within("bpp", self.bpp, 1e-9, math.inf)
        _within("psnr", self.psnr, 0, math.inf)
        _within("size", self.size, 1, math.inf)
        _within("lagrangian", self.lagrangian, 0, math.inf)
        _within("codewords", self.codewords, 2, MOST_CODEWORDS)
        _within("tile", self.tile, 16, 1 << 15)
        for side in self.block_shape or ():
            _within("block side", side, 1, MOST_BLOCK)
        if self.color not in (None, *COLOURS):
            raise ParameterError(f"color is one of {', '.join(COLOURS)}, not {self.color!r}")
        if self.chroma not in CHROMAS:
            raise ParameterError(f"chroma is one of {', '.join(CHROMAS)}, not {self.chroma!r}")
        if self.fixed_rate and self.lagrangian:
            raise ParameterError("at a fixed rate no index is cheaper: there is no lagrangian")
        _within("seed", self.seed, 0, math.inf)

    @property
    def wanted_quality(self) -> float:
        """The quality given, or the default; 0 is a quality too."""
        return DEFAULT_QUALITY if self.quality is None else self.quality

    @property
    def block_shape(self) -> tuple[int, int] | None:
        """Block height and width, if they were given."""
        if self.block is None:
            return None
        if isinstance(self.block, int):
            return self.block, self.block
        if len(self.block) != 2:
            raise ParameterError("a block has a width and a height")
        width, height = self.block
        return height, width

    def layout(self, channels: int) -> str:
        """Return the plane layout for an image of so many channels."""
        if channels <= 2 or self.color == "gray":
            return "gray"
        if self.color == "rgb" or (self.color is None and self.fixed_rate):
            return "rgb"
        return "ycbcr" + self.chroma


def _within(name: str, value: float | None, low: float, high: float) -> None:
    if value is None:
        return
    if isinstance(value, bool) or not low <= value <= high:
        bounds = f"{low:g} to {high:g}" if math.isfinite(high) else f"at least {low:g}"
        raise ParameterError(f"{name} must be {bounds}, not {value:g}")
