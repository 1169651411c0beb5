"""From an `Image` to what the quantiser works on: 8-bit sRGB with or without alpha.

Gray becomes RGB, 16 bits are rounded to 8, and colours are converted to sRGB by
their ICC profile, unless the profile is to be kept and the numbers with it.
"""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np

from vqcodec.media import Image
from vqcodec.media.image import to_eight_bits


def to_rgb(image: Image) -> np.ndarray:
    """Return the samples as (height, width, 3 or 4) uint8, the colours as they are stored."""
    samples = image.samples
    if image.bits == 16:
        samples = to_eight_bits(samples)
    if image.channels <= 2:
        samples = np.concatenate([np.repeat(samples[..., :1], 3, axis=2), samples[..., 1:]], axis=2)
    return np.ascontiguousarray(samples)


def to_srgb(image: Image) -> tuple[Image, list[str]]:
    """Convert the colours to sRGB by the image's profile, which is then dropped.

    Returns
    -------
    image : Image
        8 bits; unchanged if it has no profile, or that of sRGB.
    notes : list of str
        What the user should know.
    """
    profile = image.metadata.icc
    if not profile:
        return image, []
    from PIL import Image as Pillow
    from PIL import ImageCms

    bare = replace(image, metadata=replace(image.metadata, icc=None))
    samples = to_eight_bits(image.samples) if image.bits == 16 else image.samples
    colors = 1 if image.channels <= 2 else 3
    mode = "L" if colors == 1 else "RGB"
    try:
        transform = ImageCms.buildTransform(
            ImageCms.ImageCmsProfile(io.BytesIO(profile)),
            ImageCms.createProfile("sRGB"),
            mode,
            "RGB",
            ImageCms.Intent.RELATIVE_COLORIMETRIC,
            ImageCms.Flags.BLACKPOINTCOMPENSATION,
        )
        if _is_identity(transform, colors):
            return bare, []
        picture = Pillow.fromarray(np.ascontiguousarray(samples[..., :colors]).squeeze(), mode)
        converted = ImageCms.applyTransform(picture, transform)
        assert converted is not None
    except (ImageCms.PyCMSError, OSError, ValueError):
        return bare, ["the colour profile is unusable and left out; colours are taken as sRGB"]
    rgb = np.asarray(converted)
    if image.has_alpha:
        rgb = np.concatenate([rgb, samples[..., -1:]], axis=2)
    return replace(bare, samples=rgb), ["the colours were converted to sRGB by their profile"]


def _is_identity(transform: object, colors: int) -> bool:
    """Return whether a transform changes nothing by more than its own rounding."""
    from PIL import Image as Pillow
    from PIL import ImageCms

    ramp = np.arange(0, 256, 17, dtype=np.uint8)
    if colors == 1:
        probe = ramp[None, :]
        expected = np.repeat(probe[..., None], 3, axis=2)
    else:
        grid = np.stack(np.meshgrid(ramp, ramp, ramp, indexing="ij"), axis=-1)
        probe = expected = np.ascontiguousarray(grid.reshape(64, 64, 3))
    out = ImageCms.applyTransform(Pillow.fromarray(probe), transform)  # type: ignore[arg-type]
    assert out is not None
    return int(np.abs(np.asarray(out).astype(int) - expected).max()) <= 2


def hard_alpha(samples: np.ndarray) -> np.ndarray:
    """Return RGBA samples with alpha rounded to 0 or 255, as GIF needs it."""
    if samples.shape[2] == 3:
        return samples
    out = samples.copy()
    out[..., 3] = np.where(samples[..., 3] < 128, 0, 255)
    return out
