"""Reading images: Pillow decodes, this module guards, converts and explains.

Whatever the file is, what leaves this module has one, two, three or four
channels of 8 or 16 bits. Where that changed or left out something the user
might miss, a note says so.
"""

from __future__ import annotations

import contextlib
import io
import os
import threading
import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import PIL.Image
import PIL.ImageFile

from vqcodec.container import DEFAULT_LIMITS, Limits
from vqcodec.errors import LimitError, MediaError, VQError
from vqcodec.media import wide
from vqcodec.media.image import Image, Source
from vqcodec.media.tags import collect_metadata

# Pillow modes that are brought to one of ours; with transparency in the file,
# to the same with alpha. Anything else is refused.
_PLAIN = {"1": "L", "L": "L", "P": "RGB", "RGB": "RGB", "RGBX": "RGB", "HSV": "RGB"}
_PLAIN |= {"YCbCr": "RGB", "CMYK": "RGB", "LAB": "RGB", "I": "I;16"}
_PLAIN |= {"LA": "LA", "La": "LA", "PA": "RGBA", "RGBA": "RGBA", "RGBa": "RGBA"}
_PLAIN |= {"I;16": "I;16", "I;16B": "I;16", "I;16L": "I;16", "I;16N": "I;16"}
_WITH_ALPHA = {"L": "LA", "RGB": "RGBA"}
# Formats that Pillow hands to an interpreter or to the operating system.
_REFUSED = {"EPS", "WMF"}
_STRIP = 1 << 20
_pillow = threading.Lock()


def load_image(
    source: str | os.PathLike[str] | bytes | BinaryIO | PIL.Image.Image | np.ndarray | Image,
    limits: Limits = DEFAULT_LIMITS,
) -> Image:
    """Read an image.

    Parameters
    ----------
    source : path, bytes, binary file, Pillow image, array, or Image
        Of an animation, the first frame is read. Gray, colour, alpha and 16
        bits are kept; palettes, CMYK and other colour models become RGB.
    limits : Limits
        Images of more than ``limits.pixels`` are refused before decoding.

    Returns
    -------
    Image

    Raises
    ------
    MediaError
        The source is no image, is damaged, or cannot be read.
    LimitError
        The image is larger than the limits allow.
    ParameterError
        An array has the wrong shape, dtype, or holds NaN.
    """
    if isinstance(source, Image):
        check_size(source.width, source.height, "the image", limits)
        return source
    if isinstance(source, PIL.Image.Image):
        with pillow_border("the image", limits):
            return _from_pillow(source, Source("<image>", source.format or ""), limits)
    if isinstance(source, bytes | bytearray | memoryview):
        return _decode(io.BytesIO(source), "<bytes>", limits)
    if isinstance(source, str | os.PathLike):
        with open_input(source, "an image") as file:
            return _decode(file, str(source), limits)
    if not isinstance(source, np.ndarray) and hasattr(source, "read"):
        return _decode(source, str(getattr(source, "name", "<stream>")), limits)
    image = Image(np.asarray(source), source=Source("<array>"))
    check_size(image.width, image.height, "the image", limits)
    return image


def _decode(file: BinaryIO, name: str, limits: Limits) -> Image:
    try:
        file = seekable(file)
        size = file.seek(0, os.SEEK_END)
        file.seek(0)
    except OSError as error:
        raise MediaError(f"cannot read {name}: {error.strerror or error}") from None
    if size == 0:
        raise MediaError(f"{name} is empty")
    with pillow_border(name, limits):
        try:
            image = PIL.Image.open(file)
        except PIL.UnidentifiedImageError:
            file.seek(0)
            raise MediaError(f"{name} is {_what_else(file.read(16))}") from None
        with image:
            if image.format in _REFUSED:
                raise MediaError(f"{name} is a {image.format} drawing, not an image of pixels")
            check_size(image.width, image.height, name, limits)
            source = Source(name, image.format or "", size)
            layout = wide.layout_of(image)
            if layout is None:
                return _from_pillow(image, source, limits)
            samples = wide.read(file, image, layout)
            metadata, notes = collect_metadata(image, limits)
            return Image(samples, metadata, _noted(source, notes))


@contextlib.contextmanager
def open_input(path: str | os.PathLike[str], what: str) -> Iterator[BinaryIO]:
    """Open a file for reading; that it is missing or a folder is a `MediaError`."""
    try:
        file = Path(path).open("rb")  # noqa: SIM115
    except IsADirectoryError:
        raise MediaError(f"{path} is a folder, not {what}") from None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        reason = getattr(error, "strerror", None) or error
        raise MediaError(f"cannot read {path}: {reason}") from None
    with file:
        yield file


def seekable(file: BinaryIO) -> BinaryIO:
    """Return a file that starts at 0 and can be sought in; what is none is read into memory."""
    if hasattr(file, "seekable") and file.seekable() and file.tell() == 0:
        return file
    return io.BytesIO(file.read())


@contextlib.contextmanager
def pillow_border(name: str, limits: Limits) -> Iterator[None]:
    """Run Pillow under our pixel limit, silently, and make our errors of its many.

    Pillow's own guard against decompression bombs is set to our limit, so that
    it also covers pictures inside pictures (ICO, ICNS), whose size only
    Pillow sees.
    """
    with _pillow, warnings.catch_warnings():
        before = PIL.Image.MAX_IMAGE_PIXELS
        PIL.Image.MAX_IMAGE_PIXELS = limits.pixels
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", PIL.Image.DecompressionBombWarning)
        try:
            yield
        except VQError:
            raise
        except (PIL.Image.DecompressionBombError, PIL.Image.DecompressionBombWarning):
            raise LimitError(
                f"{name} has more pixels than the limit of {limits.pixels}; "
                "raise it with --max-pixels"
            ) from None
        except MemoryError:
            raise LimitError(f"{name} is too large for the memory of this machine") from None
        except Exception as error:  # damaged files make Pillow's parsers raise almost anything
            raise MediaError(f"{name} is damaged or truncated ({_one_line(error)})") from None
        finally:
            PIL.Image.MAX_IMAGE_PIXELS = before


def check_size(width: int, height: int, name: str, limits: Limits) -> None:
    if width * height > limits.pixels:
        raise LimitError(
            f"{name} has {width} x {height} pixels, more than the limit of {limits.pixels}; "
            "raise it with --max-pixels"
        )


def _from_pillow(image: PIL.Image.Image, source: Source, limits: Limits) -> Image:
    check_size(image.width, image.height, source.name, limits)
    if getattr(image, "is_animated", False):
        count = getattr(image, "n_frames", 2)
        source = _noted(source, [f"{source.name} holds {count} pictures; only the first is used"])
    image.load()
    # Some formats know their true size only now.
    check_size(image.width, image.height, source.name, limits)
    metadata, notes = collect_metadata(image, limits)
    source = replace(source, palette=_palette_of(image))
    image, more, keeps_profile = _to_plain_mode(image, source.name, metadata.icc)
    if not keeps_profile:
        metadata = type(metadata)(None, metadata.exif, metadata.xmp, metadata.text)
    return Image(samples_of(image), metadata, _noted(source, [*notes, *more]))


def _palette_of(image: PIL.Image.Image) -> bytes:
    """Return the palette of an indexed image as RGBA; of others, nothing."""
    if image.mode != "P":
        return b""
    entries = np.array(image.getpalette("RGBA"), np.uint8).reshape(-1, 4)
    clear = image.info.get("transparency")
    if isinstance(clear, bytes):
        clear = clear[: len(entries)]
        entries[: len(clear), 3] = list(clear)
    elif isinstance(clear, int) and clear < len(entries):
        entries[clear, 3] = 0
    return entries.tobytes()


def _to_plain_mode(
    image: PIL.Image.Image, name: str, profile: bytes | None
) -> tuple[PIL.Image.Image, list[str], bool]:
    """Return the image in one of our modes, notes, and whether its ICC profile still fits."""
    mode = image.mode
    target = _PLAIN.get(mode)
    if mode == "F":
        raise MediaError(f"{name} holds floating-point samples; convert it to 8 or 16 bits first")
    if target is None:
        raise MediaError(f"{name} holds pixels of the unsupported kind {mode!r}")
    if mode in ("CMYK", "LAB"):
        return *_to_srgb(image, name, profile), False
    if mode == "I":
        extrema: Any = image.getextrema()
        low, high = extrema
        if low < 0 or high > 65535:
            raise MediaError(
                f"{name} holds samples from {low} to {high}, outside the 16 bits from 0 to 65535"
            )
        return image, [], True
    notes = []
    if target == "I;16":
        if "transparency" in image.info:
            notes.append(f"{name} names a transparent gray, which is ignored")
        return image, notes, True
    if image.has_transparency_data:
        target = _WITH_ALPHA.get(target, target)
    return (image if mode == target else image.convert(target)), notes, True


def _to_srgb(
    image: PIL.Image.Image, name: str, profile: bytes | None
) -> tuple[PIL.Image.Image, list[str]]:
    """Convert CMYK or LAB to RGB, through the embedded profile where there is a usable one."""
    from PIL import ImageCms

    note = f"{name} is {image.mode} and was converted to sRGB"
    try:
        if image.mode == "LAB":
            origin: Any = ImageCms.createProfile("LAB")
        elif profile:
            origin = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        else:
            return image.convert("RGB"), [f"{note} without a colour profile: colours are a guess"]
        srgb = ImageCms.createProfile("sRGB")
        converted = ImageCms.profileToProfile(image, origin, srgb, outputMode="RGB")
        assert converted is not None
    except (ImageCms.PyCMSError, OSError, ValueError):
        if image.mode == "LAB":
            raise MediaError(f"{name} is LAB, which cannot be converted here") from None
        return image.convert("RGB"), [
            f"{note}; its colour profile is unusable: colours are a guess"
        ]
    through = " by its colour profile" if image.mode == "CMYK" else ""
    return converted, [note + through]


def samples_of(image: PIL.Image.Image) -> np.ndarray:
    """Copy the pixels of a Pillow image in one of our modes into an array.

    The copy goes strip by strip: Pillow's own way over `tobytes` holds two
    more copies of the whole picture for a moment.
    """
    wide_gray = image.mode.startswith("I")
    channels = 1 if wide_gray else len(image.getbands())
    width, height = image.size
    out = np.empty((height, width, channels), np.uint16 if wide_gray else np.uint8)
    rows = max(1, _STRIP // width)
    for top in range(0, height, rows):
        bottom = min(top + rows, height)
        strip = np.asarray(image.crop((0, top, width, bottom)))
        out[top:bottom] = strip.reshape(bottom - top, width, channels)
    return out


def _noted(source: Source, notes: list[str]) -> Source:
    return replace(source, notes=(*source.notes, *notes))


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def _what_else(head: bytes) -> str:
    """Say what a file that is no image seems to be, by its first bytes."""
    if head[:3] == b"\x8fVQ":
        return "a vqcodec file: decode it first"
    if head[:4] in (b"fLaC", b"OggS", b"FORM") or head[:3] == b"ID3" or head[8:12] == b"WAVE":
        return "a sound, not an image"
    return "not an image that can be read"
