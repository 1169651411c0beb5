"""Writing images: the format is the file name's suffix, what it cannot hold is said."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import PIL.Image
import PIL.PngImagePlugin

from vqcodec.errors import MediaError, ParameterError
from vqcodec.files import atomic_file
from vqcodec.media import wide
from vqcodec.media.image import Image, to_eight_bits, turn
from vqcodec.media.tags import jpeg_xmp, tiff_tags, with_prefix

_SUFFIXES = {
    ".png": "PNG",
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".webp": "WEBP",
    ".tif": "TIFF",
    ".tiff": "TIFF",
    ".bmp": "BMP",
    ".ppm": "PPM",
    ".pgm": "PPM",
    ".pnm": "PPM",
    ".gif": "GIF",
    ".avif": "AVIF",
}
_HOLD_ALPHA = {"PNG", "WEBP", "TIFF", "GIF", "AVIF"}
_HOLD_EXIF = {"PNG", "JPEG", "WEBP", "AVIF", "TIFF"}
_OPTIONS: dict[str, dict[str, Any]] = {
    "JPEG": {"quality": 95, "subsampling": 0},
    "WEBP": {"lossless": True, "exact": True},
    "AVIF": {"quality": 90},
    "TIFF": {"compression": "tiff_adobe_deflate"},
}
_JPEG_SEGMENT = 65533 - 29  # less the name that XMP begins with


def output_formats() -> dict[str, str]:
    """Return the file name suffixes that can be written, with their formats."""
    have_avif = importlib.util.find_spec("PIL._avif") is not None  # without loading all plug-ins
    return {s: f for s, f in _SUFFIXES.items() if f != "AVIF" or have_avif}


def save_image(
    image: Image, target: str | os.PathLike[str] | BinaryIO, format: str | None = None
) -> tuple[str, ...]:
    """Write an image; a path appears whole or not at all.

    Parameters
    ----------
    image : Image
        16-bit samples stay 16-bit in PNG, TIFF and PPM, and are rounded to 8
        bits elsewhere. EXIF, XMP, ICC profile and text are
        written where the format has a place for them; an EXIF orientation
        that has none is applied to the pixels.
    target : path or binary file
    format : str, optional
        A suffix or Pillow's name of the format; by default what the path's
        suffix says, or PNG for binary files.

    Returns
    -------
    tuple of str
        Notes: sentences about what the format could not hold.

    Raises
    ------
    MediaError
        The target cannot be written, or the format holds no such image.
    ParameterError
        The format is unknown.
    """
    if isinstance(target, str | os.PathLike):
        name = _format_named(format or Path(target).suffix, str(target))
        _refuse_alpha(image, name, str(target))
        with atomic_file(target) as file:
            return _write(image, file, name, str(target))
    name = _format_named(format or "PNG", "the output")
    _refuse_alpha(image, name, "the output")
    return _write(image, target, name, "the output")


def _format_named(wanted: str, target: str) -> str:
    formats = output_formats()
    for suffix, name in formats.items():
        if wanted.lower() == suffix or wanted.upper() in (name, suffix[1:].upper()):
            return name
    known = ", ".join(sorted(formats))
    what = f"{wanted!r} is no image format that can be written" if wanted else "has no suffix"
    raise ParameterError(f"cannot write {target}: {what}; use one of {known}")


def _refuse_alpha(image: Image, format: str, target: str) -> None:
    if image.has_alpha and format not in _HOLD_ALPHA:
        raise MediaError(
            f"cannot write {target}: {format} holds no transparency; use png, webp, tif or avif"
        )


def _png_level(samples: np.ndarray) -> int:
    """Return zlib's level: 6 for drawings; 3 for photographs, which takes half the time.

    It makes photographs 1 % larger, and drawings would be up to a third larger.
    """
    rows = samples[::8]
    equal = np.count_nonzero(rows[:, 1:] == rows[:, :-1])
    return 6 if 2 * equal > rows.size else 3


def _write(image: Image, file: BinaryIO, format: str, target: str) -> tuple[str, ...]:
    metadata, notes = image.metadata, []
    samples = image.samples
    if format not in _HOLD_EXIF and image.orientation != 1:
        samples = turn(samples, image.orientation)
    if image.bits == 16:
        if format == "PNG":
            wide.write_png(samples, metadata, file)
            return ()
        if format == "PPM":
            wide.write_ppm(samples, file)
            return ()
        if format == "TIFF":
            wide.write_tiff(samples, metadata, image.orientation, file)
            return ("the EXIF metadata is left out of 16-bit TIFF",) if metadata.exif else ()
        else:
            notes.append(f"{target} holds 8 bits a sample; the 16 of the image were rounded")
            samples = to_eight_bits(samples)
    if format == "GIF" and not _few_colours(samples):
        notes.append(f"{target} holds 256 colours; the image has more and was reduced")
    options = dict(_OPTIONS.get(format, {}))
    if format == "PNG":
        options["compress_level"] = _png_level(samples)
    if metadata.icc and format != "PPM":
        options["icc_profile"] = metadata.icc
    if format == "TIFF":
        options["tiffinfo"] = tiff_tags(metadata)
    elif format in _HOLD_EXIF:
        longest = _JPEG_SEGMENT if format == "JPEG" else None
        for name, value in (("exif", metadata.exif), ("xmp", metadata.xmp)):
            if value and longest and len(value) > longest:
                notes.append(f"the {name.upper()} metadata is too long for {format} and left out")
            elif value and name == "exif":
                options["exif"] = with_prefix(value)
            elif value and format == "JPEG":
                options["extra"] = jpeg_xmp(value)
            elif value:
                options["xmp"] = value
    if format == "PNG":
        options["pnginfo"] = _png_text(image)
    if format in ("JPEG", "GIF") and "Comment" in metadata.text:
        options["comment"] = metadata.text["Comment"].encode()[:65533]
    picture = Image(samples).to_pillow()
    try:
        picture.save(file, format, **options)
    except (ValueError, KeyError, SyntaxError, MemoryError) as error:
        raise MediaError(f"cannot write {target}: {' '.join(str(error).split())}") from None
    return tuple(notes)


def _few_colours(samples: np.ndarray) -> bool:
    return samples.shape[2] == 1 or Image(samples).to_pillow().getcolors(256) is not None


def _png_text(image: Image) -> PIL.PngImagePlugin.PngInfo:
    text = PIL.PngImagePlugin.PngInfo()
    for key, value in image.metadata.text.items():
        text.add_itxt(key.encode("latin-1", "replace")[:79] or "Comment", value)
    if image.metadata.xmp:
        text.add_itxt("XML:com.adobe.xmp", image.metadata.xmp.decode("utf-8", "replace"))
    return text
