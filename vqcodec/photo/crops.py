"""The pictures that a training sees: small crops of them, drawn from a seed."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from vqcodec.container import DEFAULT_LIMITS, Limits
from vqcodec.errors import CodebookError
from vqcodec.photo.planes import to_planes

if TYPE_CHECKING:
    from vqcodec.media.large import Raster

_KEPT = 1 << 28  # bytes of pictures that are kept in memory


def images_in(folders: Iterable[str | os.PathLike[str]]) -> list[str]:
    """Return the pictures in folders and files, in a fixed order."""
    found: list[str] = []
    for place in folders:
        path = os.fspath(place)
        if os.path.isdir(path):
            found += sorted(
                os.path.join(path, name)
                for name in os.listdir(path)
                if name.lower().endswith((".png", ".jpg", ".jpeg", ".tif", ".tiff", ".webp"))
            )
        else:
            found.append(path)
    return found


class Crops:
    """An endless, seeded supply of 512 x 384 crops."""

    def __init__(self, images: Sequence[Any], seed: int, limits: Limits = DEFAULT_LIMITS) -> None:
        if not images:
            raise CodebookError("there are no pictures to train on")
        self.images, self.limits = images, limits
        self.random = np.random.default_rng(seed)
        self.order: list[int] = []
        self.loaded: dict[int, np.ndarray | Raster] = {}  # the oldest first

    def next(self) -> np.ndarray:
        """Return the planes of the next crop."""
        image, top, left, height, width = self._choose()
        return to_planes(_rgb(image[top : top + height, left : left + width]))

    def skip(self, count: int) -> None:
        """Draw crops that an earlier run has seen."""
        for _ in range(count):
            self._choose()

    def _choose(self) -> tuple[np.ndarray | Raster, int, int, int, int]:
        if not self.order:
            self.order = list(self.random.permutation(len(self.images)))
        index = self.order.pop()
        image = self.loaded.pop(index, None)
        if image is None:
            image = _samples(self.images[index], self.limits)
            while self.loaded and sum(_size(one) for one in self.loaded.values()) > _KEPT:
                del self.loaded[next(iter(self.loaded))]
        self.loaded[index] = image
        height, width = min(384, image.shape[0]), min(512, image.shape[1])
        top = int(self.random.integers(image.shape[0] - height + 1))
        left = int(self.random.integers(image.shape[1] - width + 1))
        return image, top, left, height, width


def _samples(source: Any, limits: Limits) -> np.ndarray | Raster:
    """Read a picture, or open it where it can stay on the disk."""
    from vqcodec.media import load_image
    from vqcodec.media.large import open_large

    if isinstance(source, np.ndarray):
        return source if source.ndim == 3 else source[..., None]
    return (open_large(source, limits) or load_image(source, limits)).samples


def _size(samples: np.ndarray | Raster) -> int:
    """Return the bytes of memory that samples take."""
    return samples.nbytes if isinstance(samples, np.ndarray) else 0


def _rgb(samples: np.ndarray) -> np.ndarray:
    """Return samples as 8-bit RGB."""
    if samples.dtype == np.uint16:
        samples = (samples >> 8).astype(np.uint8)
    return samples[..., :3] if samples.shape[2] >= 3 else np.repeat(samples[..., :1], 3, 2)
