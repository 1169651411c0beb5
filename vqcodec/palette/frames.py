"""Animations: all frames of a GIF, WebP or APNG file, as whole pictures."""

from __future__ import annotations

import io
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vqcodec.container import DEFAULT_LIMITS, Limits
from vqcodec.errors import LimitError, MediaError


@dataclass(frozen=True, eq=False)
class Animation:
    """Frames with their times.

    Attributes
    ----------
    frames : list of (height, width, 3 or 4) ndarrays of uint8
    durations : list of int
        Milliseconds.
    loop : int or None
        Repetitions, 0 for ever; None plays once.
    """

    frames: list[np.ndarray]
    durations: list[int]
    loop: int | None


def is_animated(source: str | os.PathLike[str] | bytes) -> bool:
    """Return whether a file holds more than one frame; what cannot be read does not."""
    import PIL.Image

    try:
        with PIL.Image.open(_open(source)) as image:
            return bool(getattr(image, "is_animated", False)) and image.format in (
                "GIF",
                "WEBP",
                "PNG",
            )
    except Exception:  # the proper complaint comes from whoever reads it in earnest
        return False


def load_animation(
    source: str | os.PathLike[str] | bytes, limits: Limits = DEFAULT_LIMITS
) -> Animation:
    """Read all frames of an animation.

    Raises
    ------
    MediaError
        The file is no image, or is damaged.
    LimitError
        The frames together have more than ``limits.pixels``.
    """
    import PIL.Image

    name = "the animation" if isinstance(source, bytes) else str(source)
    frames, durations = [], []
    try:
        with PIL.Image.open(_open(source)) as image:
            count = getattr(image, "n_frames", 1)
            if image.width * image.height * count > limits.pixels:
                raise LimitError(
                    f"{name} has {count} frames of {image.width} x {image.height} pixels, more "
                    f"than the limit of {limits.pixels}; raise it with --max-pixels"
                )
            loop = image.info.get("loop")
            for number in range(count):
                image.seek(number)
                frames.append(np.asarray(image.convert("RGBA")).copy())
                durations.append(round(float(image.info.get("duration", 100) or 100)))
    except LimitError:
        raise
    except Exception as error:  # damaged files make Pillow's parsers raise almost anything
        reason = " ".join(str(error).split())[:120]
        raise MediaError(f"{name} is damaged or truncated ({reason})") from None
    if all((frame[..., 3] == 255).all() for frame in frames):
        frames = [np.ascontiguousarray(frame[..., :3]) for frame in frames]
    return Animation(frames, durations, int(loop) if loop is not None else None)


def _open(source: str | os.PathLike[str] | bytes) -> io.BytesIO | Path:
    return io.BytesIO(source) if isinstance(source, bytes) else Path(source)
