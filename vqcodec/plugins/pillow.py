"""Pillow reads and writes .vqi files once this module is imported.

    >>> import vqcodec.plugins.pillow
    >>> from PIL import Image
    >>> picture = Image.linear_gradient("L")
    >>> picture.save("gradient.vqi", quality=60)
    >>> Image.open("gradient.vqi").format
    'VQI'

Opening reads the header and the metadata; pixels are decoded when they are
first asked for. Modes are ``L``, ``LA``, ``RGB``, ``RGBA``, ``I;16`` for 16-bit
gray, and ``P`` for files of kind palette; 16-bit colour, which Pillow lacks, is
rounded to 8 bits. ``info`` holds ``icc_profile``, ``exif``, ``xmp`` and the text
tags. None of the codecs can decode at a reduced size for less, so there is no
`draft`, and `thumbnail` decodes the whole picture.

`Image.save` takes every option of the codec as a keyword (``kind``, ``quality``,
``bpp``, ``psnr``, ``size``, ``effort``, ``codewords``, ``fixed_rate``, ...), and
``icc_profile``, ``exif``, ``xmp``, which default to those in ``info``; None leaves
them out. Images of mode ``P`` keep their palette and every index, unless an
option asks for another codec. Keywords that no codec has are refused.

As everywhere in Pillow, what is not a .vqi image, or is damaged where its size
stands, is an `UnidentifiedImageError`; pixels that cannot be decoded, and an
external codebook that is not found, are an `OSError`.
"""

from __future__ import annotations

import dataclasses
import io
import os
from pathlib import Path
from typing import IO, Any

import numpy as np
from PIL import Image, ImageFile, ImagePalette

from vqcodec.container import DEFAULT_LIMITS, Container, Kind, looks_like, open_container
from vqcodec.errors import MediaError, VQError

_EXIF_PREFIX = b"Exif\x00\x00"
_MODES = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}
# The size is Pillow's to judge: it warns of decompression bombs itself.
_LIMITS = dataclasses.replace(DEFAULT_LIMITS, pixels=1 << 40)


def _accept(prefix: bytes) -> bool:
    return looks_like(prefix)


class VqiImageFile(ImageFile.ImageFile):
    """An image in a .vqi file."""

    format = "VQI"
    format_description = "Vector-quantized image"
    _encoded = False  # the pixels are still to be decoded from `fp`

    def _open(self) -> None:
        assert self.fp is not None
        try:
            container = open_container(self.fp, _LIMITS)  # type: ignore[arg-type]
            self._describe(container)
        except VQError as error:
            raise SyntaxError(str(error)) from error

    def _describe(self, container: Container) -> None:
        """Set what is known without decoding: size, mode, palette, info."""
        from vqcodec.api import image_codec
        from vqcodec.metadata import from_chunks

        said = image_codec(container).describe(container, _LIMITS)
        self._size = said["width"], said["height"]
        self._mode = _MODES[said["channels"]]
        if said["bits"] == 16 and self._mode == "L":
            self._mode = "I;16"
        if container.kind is Kind.PALETTE:
            from vqcodec.palette.codec import palette_of

            rgba = palette_of(container, _LIMITS).rgba
            self._mode = "P"
            self.palette = ImagePalette.raw("RGB", rgba[:, :3].tobytes())
            if (rgba[:, 3] < 255).any():
                self.info["transparency"] = rgba[:, 3].tobytes()
        metadata = from_chunks(container, _LIMITS)
        self.text = dict(metadata.text)
        for key, value in self.text.items():
            self.info[key] = value
        if metadata.icc:
            self.info["icc_profile"] = metadata.icc
        if metadata.exif:
            self.info["exif"] = _EXIF_PREFIX + metadata.exif
        if metadata.xmp:
            self.info["xmp"] = metadata.xmp
        self._encoded = True

    def verify(self) -> None:
        """Read the file whole and check every checksum; nothing is decoded."""
        if self.fp is None:
            raise RuntimeError("verify must be called directly after open")
        try:
            open_container(self.fp, _LIMITS).verify()  # type: ignore[arg-type]
        except VQError as error:
            raise OSError(str(error)) from error
        super().verify()

    def load(self) -> Image.core.PixelAccess | None:
        """Decode the pixels, the first time that they are wanted."""
        if self._encoded and self.fp is not None:
            try:
                raw = self._decode()
            except VQError as error:
                raise OSError(str(error)) from error
            self._encoded = False
            if self._exclusive_fp:
                self.fp.close()
            self.fp = io.BytesIO(raw)
            self.tile = [ImageFile._Tile("raw", (0, 0, *self.size), 0, self.mode)]
        return super().load()

    def _decode(self) -> bytes:
        """Return the pixels as Pillow's raw decoder wants them."""
        from vqcodec import api
        from vqcodec.media.image import to_eight_bits

        if self.mode == "P":
            from vqcodec.palette.codec import decode_indexed

            with api.opened(self.fp, _LIMITS) as container:
                return decode_indexed(container, _LIMITS).indices.tobytes()
        folder = Path(os.fsdecode(self.filename)).parent
        samples = api.decode(self.fp, folders=[folder], limits=_LIMITS).samples
        if samples.dtype == np.uint16 and self.mode != "I;16":
            samples = to_eight_bits(samples)
        return samples.astype(samples.dtype.newbyteorder("<"), copy=False).tobytes()


def _save(im: Image.Image, fp: IO[bytes], filename: str | bytes) -> None:
    options = dict(im.encoderinfo)
    kept = {}
    for name in ("icc_profile", "exif", "xmp"):
        value = options.pop(name, im.info.get(name))
        kept[name] = value.tobytes() if isinstance(value, Image.Exif) else value
    kind = options.pop("kind", None)
    if kind is None:
        kind = "palette" if im.mode == "P" and not options else "auto"
    try:
        if kind == "palette" and im.mode == "P" and not options:
            data = _encode_indexed(im, kept)
        else:
            data = _encode(im, kept, kind, options)
    except MediaError as error:
        raise OSError(f"cannot write mode {im.mode} as VQI: {error}") from error
    fp.write(data)


def _encode(im: Image.Image, kept: dict[str, Any], kind: str, options: dict[str, Any]) -> bytes:
    from vqcodec import api
    from vqcodec.media import load_image

    image = load_image(im, _LIMITS)
    icc = kept["icc_profile"] if image.metadata.icc == im.info.get("icc_profile") else None
    image = dataclasses.replace(image, metadata=_metadata({**kept, "icc_profile": icc}, im))
    if kind == "palette":
        from vqcodec.palette import codec
        from vqcodec.palette.options import PaletteOptions

        return codec.encode(image, PaletteOptions(**options))
    return api.encode(image, kind=kind, limits=_LIMITS, **options)


def _encode_indexed(im: Image.Image, kept: dict[str, Any]) -> bytes:
    """Encode an image of mode P with the palette that it has."""
    from vqcodec.palette.codec import encode_indexed
    from vqcodec.palette.indexed import IndexedImage
    from vqcodec.palette.value import Palette

    metadata = _metadata(kept, im)
    im = im.copy()  # its palette is about to take over the transparency
    im.apply_transparency()
    indices = np.asarray(im)
    rgba = np.array(im.getpalette("RGBA"), np.uint8).reshape(-1, 4)
    rows = int(indices.max()) + 1
    if len(rgba) < rows:  # Pillow takes entries beyond the palette for black
        missing = np.tile(np.array([0, 0, 0, 255], np.uint8), (rows - len(rgba), 1))
        rgba = np.concatenate([rgba, missing])
    return encode_indexed(IndexedImage(Palette(rgba), np.ascontiguousarray(indices), metadata))


def _metadata(kept: dict[str, Any], im: Image.Image) -> Any:
    from vqcodec.media.tags import collect_metadata
    from vqcodec.metadata import Metadata

    text = collect_metadata(im, _LIMITS)[0].text
    exif = (kept["exif"] or b"").removeprefix(_EXIF_PREFIX)
    xmp = kept["xmp"].encode() if isinstance(kept["xmp"], str) else kept["xmp"]
    return Metadata(kept["icc_profile"] or None, exif or None, xmp or None, text)


Image.register_open(VqiImageFile.format, VqiImageFile, _accept)
Image.register_save(VqiImageFile.format, _save)
Image.register_extension(VqiImageFile.format, ".vqi")
Image.register_mime(VqiImageFile.format, "image/x-vqi")

__all__ = ["VqiImageFile"]
