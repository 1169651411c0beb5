"""Metadata of image files: from what Pillow found to `Metadata`, and back into a file."""

from __future__ import annotations

import contextlib
from typing import Any

import PIL.Image

from vqcodec.container import Limits
from vqcodec.metadata import Metadata

_EXIF_PREFIX = b"Exif\x00\x00"
_XMP_KEYWORD = "XML:com.adobe.xmp"
# Of a TIFF's own tags, those that speak about the picture and not about its storage.
_TIFF_TAGS = (270, 271, 272, 274, 305, 306, 315, 33432)
_TIFF_FOLDERS = (0x8769, 0x8825)
_XMP_TAG = 700
_XMP_SEGMENT = b"http://ns.adobe.com/xap/1.0/\0"


def collect_metadata(image: PIL.Image.Image, limits: Limits) -> tuple[Metadata, list[str]]:
    """Return the metadata of a loaded Pillow image, and notes on what was left out."""
    info = image.info
    found: dict[str, Any] = {
        "icc": _as_bytes(info.get("icc_profile")),
        "exif": _exif(image),
        "xmp": _as_bytes(info.get("xmp") or info.get(_XMP_KEYWORD) or _older_xmp(image)),
    }
    notes = []
    left = limits.metadata
    for name, value in found.items():
        if value and len(value) > left:
            notes.append(
                f"its {name.upper()} metadata of {len(value)} bytes is too long and left out"
            )
            found[name] = None
        left -= len(found[name] or b"")
    text = _text(image)
    size = sum(len(key) + 6 * len(value) for key, value in text.items())  # JSON escapes
    if size > left:
        notes.append("its text tags are too long and left out")
        text = {}
    return Metadata(**found, text=text), notes


def with_prefix(exif: bytes) -> bytes:
    """Return EXIF as JPEG wants it."""
    return _EXIF_PREFIX + exif


def tiff_tags(metadata: Metadata) -> PIL.Image.Exif:
    """Return EXIF and XMP as tags of a TIFF file."""
    tags = PIL.Image.Exif()
    with contextlib.suppress(Exception):  # EXIF that Pillow cannot parse has no place in a TIFF
        tags.load(metadata.exif or b"")
        tags = _picture_tags(tags)
    if metadata.xmp:
        tags[_XMP_TAG] = metadata.xmp
    return tags


def jpeg_xmp(xmp: bytes) -> bytes:
    """Return XMP as a segment of a JPEG file; Pillow writes it itself only since version 11."""
    data = _XMP_SEGMENT + xmp
    return b"\xff\xe1" + (len(data) + 2).to_bytes(2, "big") + data


def _older_xmp(image: PIL.Image.Image) -> Any:
    """Find XMP where Pillow left it before version 11: among TIFF tags and JPEG segments."""
    for segment, content in getattr(image, "applist", ()):
        if segment == "APP1" and content.startswith(_XMP_SEGMENT):
            return content[len(_XMP_SEGMENT) :]
    return getattr(image, "tag_v2", {}).get(_XMP_TAG)


def _as_bytes(value: Any) -> bytes | None:
    if isinstance(value, str):
        value = value.encode()
    return bytes(value) if value else None


def _exif(image: PIL.Image.Image) -> bytes | None:
    """Return the EXIF block from its TIFF header on, without the prefix some formats add."""
    raw = image.info.get("exif")
    if isinstance(raw, bytes) and raw:
        return raw.removeprefix(_EXIF_PREFIX) or None
    if image.format not in ("TIFF", "MPO"):
        return None
    kept = _picture_tags(image.getexif())
    if not kept or dict(kept) == {274: 1}:
        return None
    return kept.tobytes().removeprefix(_EXIF_PREFIX)


def _picture_tags(tags: PIL.Image.Exif) -> PIL.Image.Exif:
    """Return those tags that speak about the picture, not about how a TIFF stores it."""
    kept = PIL.Image.Exif()
    for tag in _TIFF_TAGS:
        if tag in tags:
            kept[tag] = tags[tag]
    for folder in _TIFF_FOLDERS:
        if folder in tags and tags.get_ifd(folder):
            kept.get_ifd(folder).update(tags.get_ifd(folder))
    return kept


def _text(image: PIL.Image.Image) -> dict[str, str]:
    text = dict(getattr(image, "text", {}) or {})
    comment = image.info.get("comment")
    if comment and "Comment" not in text:
        if isinstance(comment, bytes):
            comment = comment.decode("utf-8", "replace")
        text["Comment"] = comment
    text.pop(_XMP_KEYWORD, None)
    return {
        str(key): str(value).replace("\x00", "")
        for key, value in text.items()
        if not str(key).startswith("Raw profile type")
    }
