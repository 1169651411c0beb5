"""Palettes: the few colours that stand for many.

Colours are vectors of three or four numbers, a palette is their codebook, and an
indexed image is what vector quantisation makes of a picture with blocks of one
pixel. `quantize` does it from end to end; `palette` gives the codebook alone::

    from vqcodec import quantize
    quantize("photo.png", 64).save("photo-64.png")

The stages, each in a file of its own: `histogram` (distinct colours and their
counts), `space` (where distances are measured), `select` (the palette),
`mapping` and `dither` (an entry for every pixel), `optimize` (what the eye
sees at a distance), `swatches` (palette files), `indexed` (image files),
`codec` (.vqi files).
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, BinaryIO

from vqcodec.palette.value import Palette, parse_color

if TYPE_CHECKING:
    import numpy as np
    import PIL.Image

    from vqcodec.container import Limits
    from vqcodec.media import Image

    Source = str | os.PathLike[str] | bytes | BinaryIO | PIL.Image.Image | np.ndarray | Image

__all__ = ["Palette", "palette", "parse_color", "quantize"]

Progress = Callable[[float, str], bool | None]


def quantize(
    image: Source,
    colors: int | None = 256,
    *,
    progress: Progress | None = None,
    limits: Limits | None = None,
    **options: Any,
) -> PIL.Image.Image:
    """Reduce an image to a palette.

    Parameters
    ----------
    image : path, bytes, binary file, Pillow image, array, or Image
        Colours with an ICC profile are converted to sRGB.
    colors : int or None
        At most so many, 1 to 256; None chooses the number.
    progress : callable, optional
        Called with a fraction and a word on what is being done; returning
        False cancels.
    limits : Limits, optional
    **options
        The other attributes of `vqcodec.palette.options.PaletteOptions`, such as
        ``dither="none"``, ``space="srgb"``, ``quality=(50, 80)``,
        ``palette="file.gpl"`` or ``keep=["#ff0000"]``.

    Returns
    -------
    PIL.Image.Image
        Mode ``P``, with an RGBA palette if anything is transparent.

    Raises
    ------
    MediaError
        The image, or a palette file, cannot be read.
    ParameterError
        An option is out of range.
    TargetError
        The quality asked for is not reached.
    CancelledError
        `progress` returned False.

    Examples
    --------
    >>> import numpy as np
    >>> import vqcodec
    >>> ramp = np.repeat(np.arange(256, dtype=np.uint8)[None, :, None], 3, axis=2)
    >>> len(vqcodec.quantize(ramp, 4, dither="none").getcolors())
    4
    """
    from vqcodec.palette.indexed import IndexedImage

    done = _run([image], colors, options, progress, limits)
    return IndexedImage(done.palette, done.indices[0]).to_pillow()


def palette(
    image: Source | list[Source],
    colors: int | None = 256,
    *,
    progress: Progress | None = None,
    limits: Limits | None = None,
    **options: Any,
) -> Palette:
    """Choose the palette of an image, or one for a list of images together.

    The parameters and errors are those of `quantize`; nothing is dithered unless
    asked for.
    """
    images = image if isinstance(image, list) else [image]
    return _run(images, colors, {"dither": "none", **options}, progress, limits).palette


def _run(
    images: list[Any],
    colors: int | None,
    options: dict[str, Any],
    progress: Progress | None,
    limits: Limits | None,
) -> Any:
    from vqcodec.container import DEFAULT_LIMITS
    from vqcodec.errors import ParameterError
    from vqcodec.media import load_image
    from vqcodec.palette.options import PaletteOptions
    from vqcodec.palette.pipeline import quantize_images
    from vqcodec.palette.source import to_rgb, to_srgb

    if not images:
        raise ParameterError("there is no image to take a palette from")
    try:
        wishes = replace(PaletteOptions(colors), **options)
    except TypeError as error:
        raise ParameterError(f"unknown option of the palette: {error}") from None
    loaded = [load_image(image, limits or DEFAULT_LIMITS) for image in images]
    own = loaded[0].source.palette if len(loaded) == 1 and loaded[0].source else b""
    return quantize_images([to_rgb(to_srgb(image)[0]) for image in loaded], wishes, progress, own)
