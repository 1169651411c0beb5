"""The `Image` value: samples, metadata, and where they come from."""

from __future__ import annotations

import builtins
import io
import warnings
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import PIL.Image

from vqcodec.errors import ParameterError
from vqcodec.metadata import Metadata

_ORIENTATION = 0x0112
_ROWS = 256


@dataclass(frozen=True)
class Source:
    """Where samples come from.

    Attributes
    ----------
    name : str
        The file's name, or a word for what has none (``<array>``).
    format : str
        ``PNG``, ``JPEG``, ``WAV``, ...; empty for arrays.
    bytes : int or None
        Size of the file, where there is one.
    notes : tuple of str
        Sentences the user should hear, such as that only the first frame of
        an animation was read.
    palette : bytes
        Of an indexed image the entries, four bytes RGBA each, in their order.
    """

    name: str
    format: str = ""
    bytes: int | None = None
    notes: tuple[str, ...] = ()
    palette: builtins.bytes = b""


@dataclass(frozen=True, eq=False)
class Image:
    """An image in memory.

    Attributes
    ----------
    samples : (height, width, channels) ndarray of uint8 or uint16, C-contiguous
        One channel is gray, two are gray and alpha, three RGB, four RGBA;
        alpha is straight (not premultiplied). Pixels are as stored: an EXIF
        orientation is carried in the metadata, not applied.
    metadata : Metadata
    source : Source or None

    Raises
    ------
    ParameterError
        The samples are not such an array. A two-dimensional array is taken
        as gray.
    """

    samples: np.ndarray
    metadata: Metadata = field(default_factory=Metadata)
    source: Source | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "samples", _checked(self.samples))

    @classmethod
    def of(cls, value: Any) -> Image:
        """Return `value`, an `Image`, an array or a Pillow image, as an `Image`."""
        if isinstance(value, cls):
            return value
        if isinstance(value, PIL.Image.Image):
            from vqcodec.media.reading import load_image

            return load_image(value)
        return cls(np.asarray(value), source=Source("<array>"))

    @property
    def height(self) -> int:
        return self.samples.shape[0]

    @property
    def width(self) -> int:
        return self.samples.shape[1]

    @property
    def channels(self) -> int:
        return self.samples.shape[2]

    @property
    def has_alpha(self) -> bool:
        return self.channels in (2, 4)

    @property
    def bits(self) -> int:
        """Bits of a sample, 8 or 16."""
        return self.samples.dtype.itemsize * 8

    @property
    def raw_bytes(self) -> int:
        """Bytes of the samples without any compression."""
        return self.samples.nbytes

    @property
    def orientation(self) -> int:
        """The EXIF orientation, 1 to 8; 1 where none is stated."""
        exif = PIL.Image.Exif()
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                exif.load(self.metadata.exif or b"")
            value = int(exif.get(_ORIENTATION, 1))
        except Exception:  # EXIF is written by everything, and parsed by Pillow at its own risk
            return 1
        return value if 1 <= value <= 8 else 1

    def upright(self) -> np.ndarray:
        """Return the samples with the EXIF orientation applied."""
        return turn(self.samples, self.orientation)

    def to_pillow(self) -> PIL.Image.Image:
        """Return a Pillow image: L, LA, RGB, RGBA, or I;16 for 16-bit gray.

        Pillow has no 16-bit colour, so other 16-bit images are rounded to 8.
        """
        samples = self.samples
        if self.bits == 16 and self.channels > 1:
            samples = to_eight_bits(samples)
        return PIL.Image.fromarray(samples[:, :, 0] if self.channels == 1 else samples)

    def _repr_png_(self) -> bytes:
        from vqcodec.media.writing import save_image

        file = io.BytesIO()
        save_image(Image(self.samples), file, "PNG")
        return file.getvalue()

    def __repr__(self) -> str:
        what = ("gray", "gray+alpha", "RGB", "RGBA")[self.channels - 1]
        return f"<Image {self.width}x{self.height} {what}, {self.bits} bits>"


def check_region(region: tuple[int, int, int, int], width: int, height: int) -> None:
    """Refuse a region (x, y, width, height) that is empty or not inside an image of this size.

    Raises
    ------
    ParameterError
    """
    x, y, across, down = region
    if min(x, y) < 0 or min(across, down) < 1:
        raise ParameterError("a region has a corner inside the image and at least one pixel")
    if x + across > width or y + down > height:
        raise ParameterError(f"the region reaches beyond the image of {width} x {height} pixels")


def turn(samples: np.ndarray, orientation: int) -> np.ndarray:
    """Turn and mirror (height, width, channels) samples as an EXIF orientation asks."""
    if orientation in (5, 6, 7, 8):
        samples = samples.transpose(1, 0, 2)
    if orientation in (2, 3, 6, 7):
        samples = samples[:, ::-1]
    if orientation in (3, 4, 7, 8):
        samples = samples[::-1]
    return np.ascontiguousarray(samples)


def to_eight_bits(samples: np.ndarray) -> np.ndarray:
    """Round uint16 samples to the nearest of uint8: 65535 becomes 255."""
    out = np.empty(samples.shape, np.uint8)
    for top in range(0, samples.shape[0], _ROWS):
        rows = samples[top : top + _ROWS].astype(np.uint32)
        out[top : top + _ROWS] = (rows * 255 + 32895) >> 16
    return out


def _checked(samples: Any) -> np.ndarray:
    """Return samples as the C-contiguous (height, width, channels) array they must be."""
    if not isinstance(samples, np.ndarray):
        raise ParameterError(f"an image is an array of samples, not {type(samples).__name__}")
    if samples.ndim == 2:
        samples = samples[:, :, np.newaxis]
    if samples.ndim != 3 or not 1 <= samples.shape[2] <= 4:
        raise ParameterError(
            "an image is an array of shape (height, width) or (height, width, 1 to 4 channels), "
            f"not {samples.shape}"
        )
    if samples.size == 0:
        raise ParameterError(
            f"an image has at least one pixel; this array has shape {samples.shape}"
        )
    if samples.dtype.kind == "f" and not np.isfinite(samples).all():
        raise ParameterError("the samples of the image hold NaN or infinity")
    if samples.dtype.kind != "u" or samples.dtype.itemsize > 2:
        raise ParameterError(
            f"the samples of an image are uint8 or uint16, not {samples.dtype}; convert them first"
        )
    return np.ascontiguousarray(samples, samples.dtype.newbyteorder("="))
