"""What the user may ask of the photo codec, and where that lands on the scale of steps."""

from __future__ import annotations

from dataclasses import dataclass

from vqcodec.errors import ParameterError

TUNES = ("visual", "psnr")
DEFAULT_QUALITY = 75.0
TILE, LARGE_TILE, LARGE = 1024, 512, 1 << 25
_LAST_STEP = 216
_DEFAULT_STEP = 92


@dataclass(frozen=True)
class Options:
    """Options of `vqcodec.photo.codec.encode`.

    Attributes
    ----------
    quality : float, optional
        0 to 100; 75, the default, is visually clean.
    bpp : float, optional
        Bits per pixel to meet (within 2 %), in place of `quality`.
    psnr : float, optional
        PSNR in dB to meet, in place of `quality`.
    size : int, optional
        Bytes of the file to meet (within 2 %, and not above), in place of `quality`.
    effort : int
        1 (fast) to 9 (small): how much the encoder searches.
    tune : {"visual", "psnr"}
        For the eye (finer steps where it looks closely), or for squared error.
    strip : bool
        Leave out colour profile, EXIF, XMP and text.
    tile : int, optional
        Side of the independent tiles, a power of two of at least 64. Default: 1024; of
        pictures of 33 megapixels or more 512, so that a region of them decodes in half the time.
    threads : int, optional
        Threads to use; all cores by default. The bytes do not depend on it.
    """

    quality: float | None = None
    bpp: float | None = None
    psnr: float | None = None
    size: int | None = None
    effort: int = 5
    tune: str = "visual"
    strip: bool = False
    tile: int | None = None
    threads: int | None = None

    def __post_init__(self) -> None:
        wishes = [w for w in (self.quality, self.bpp, self.psnr, self.size) if w is not None]
        if len(wishes) > 1:
            raise ParameterError("quality, bpp, psnr and size exclude each other")
        if self.quality is not None and not 0 <= self.quality <= 100:
            raise ParameterError(f"quality is 0 to 100, not {self.quality}")
        if any(w is not None and not w > 0 for w in (self.bpp, self.psnr, self.size)):
            raise ParameterError("bpp, psnr and size must be positive")
        if self.effort not in range(1, 10):
            raise ParameterError(f"effort is 1 to 9, not {self.effort}")
        if self.tune not in TUNES:
            raise ParameterError(f"tune is one of {', '.join(TUNES)}, not {self.tune!r}")
        tile = self.tile or TILE
        if tile < 64 or tile & (tile - 1) or tile > 1 << 15:
            raise ParameterError("the tile side is a power of two from 64 to 32768")
        if self.threads is not None and self.threads < 1:
            raise ParameterError("at least one thread is needed")

    def tile_side(self, pixels: int) -> int:
        """Return the side of the tiles of a picture."""
        return self.tile or (LARGE_TILE if pixels >= LARGE else TILE)

    @property
    def has_target(self) -> bool:
        """Whether a rate, size or PSNR is to be met by searching."""
        return self.bpp is not None or self.psnr is not None or self.size is not None


def quality_step(quality: float) -> int:
    """Return the step index of a quality: half a sample value at 100, 256 at 0."""
    if quality >= DEFAULT_QUALITY:
        return round((100 - quality) * _DEFAULT_STEP / (100 - DEFAULT_QUALITY))
    slope = (_LAST_STEP - _DEFAULT_STEP) / DEFAULT_QUALITY
    return round(_DEFAULT_STEP + (DEFAULT_QUALITY - quality) * slope)
