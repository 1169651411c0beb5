"""The transform: an MDCT of blocks of varying sizes, forward and inverse.

Where two blocks meet, the samples around the boundary are rotated against
their mirror images (time-domain aliasing: Princen, Johnson and Bradley 1987);
what then lies inside a block goes through an orthonormal DCT-IV. Both steps are
orthogonal, so any sequence of sizes is inverted exactly, and an error made in
the coefficients is as large in the samples. The overlap at a boundary is the
smaller of both blocks, its slope the power-complementary one of Vorbis.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np


@lru_cache(maxsize=32)
def _slope(overlap: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the cosines and sines of the rotations, from the boundary outwards."""
    n = np.arange(overlap) + 0.5
    rise = np.sin(np.pi / 2 * np.sin(np.pi / (2 * overlap) * n) ** 2).astype(np.float32)
    half = overlap // 2
    return rise[half:], np.ascontiguousarray(rise[:half][::-1])


def fold(x: np.ndarray, boundary: int, overlap: int) -> None:
    """Rotate the samples around a boundary, in place; x is (channels, n) float32."""
    _rotate(x, boundary, overlap, 1)


def unfold(x: np.ndarray, boundary: int, overlap: int) -> None:
    """Undo `fold`."""
    _rotate(x, boundary, overlap, -1)


def _rotate(x: np.ndarray, boundary: int, overlap: int, direction: int, count: int = 1) -> None:
    """Rotate the samples around `count` boundaries that are one overlap apart."""
    half = overlap // 2
    if half == 0:
        return
    cosine, sine = _slope(overlap)
    part = x[:, boundary - half : boundary - half + count * overlap].reshape(len(x), -1, overlap)
    left, right = part[:, :, :half][:, :, ::-1], part[:, :, half:]
    if direction > 0:
        up, down = cosine * right + sine * left, cosine * left - sine * right
    else:
        up, down = cosine * right - sine * left, sine * right + cosine * left
    part[:, :, half:] = up
    part[:, :, :half] = down[:, :, ::-1]


def _rotate_all(x: np.ndarray, boundaries: np.ndarray, overlaps: np.ndarray, way: int) -> None:
    """Rotate around all boundaries, those of a run of equal blocks at once."""
    first = 0
    for i in range(1, len(overlaps) + 1):
        if i < len(overlaps) and (
            overlaps[i] == overlaps[first] == boundaries[i] - boundaries[i - 1]
        ):
            continue
        _rotate(x, int(boundaries[first]), int(overlaps[first]), way, i - first)
        first = i


def forward(
    x: np.ndarray, sizes: Sequence[int] | np.ndarray, margin: int, before: int, after: int
) -> np.ndarray:
    """Transform the samples between two margins.

    Parameters
    ----------
    x : (channels, margin + sum(sizes) + margin) float32
    sizes : powers of two, the block sizes in order
    margin : int
        Samples of the neighbourhood on either side, half the largest block.
    before, after : int
        Sizes of the blocks before the first and after the last; 0 where there is none.

    Returns
    -------
    (channels, sum(sizes)) float32
    """
    sizes = np.asarray(sizes, np.int64)
    x = x.copy()
    around = np.concatenate([[before], sizes, [after]])
    boundaries = margin + np.concatenate([[0], np.cumsum(sizes)])
    _rotate_all(x, boundaries, np.minimum(around[:-1], around[1:]), 1)
    return _dct(x[:, margin : margin + int(sizes.sum())], sizes)


def inverse(coefficients: np.ndarray, sizes: Sequence[int] | np.ndarray) -> np.ndarray:
    """Undo `forward`, but for the rotations at the first and last boundary (`unfold`)."""
    sizes = np.asarray(sizes, np.int64)
    x = _dct(coefficients, sizes)
    _rotate_all(x, np.cumsum(sizes)[:-1], np.minimum(sizes[:-1], sizes[1:]), -1)
    return x


def _dct(x: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Return the orthonormal DCT-IV of each block; runs of equal sizes go together."""
    from scipy.fft import dct

    result = np.empty(x.shape, np.float32)
    changes = np.flatnonzero(np.diff(sizes)) + 1
    edges = np.concatenate([[0], np.cumsum(sizes)])
    for first, last in zip(
        np.concatenate([[0], changes]), np.concatenate([changes, [len(sizes)]]), strict=True
    ):
        start, stop, size = int(edges[first]), int(edges[last]), int(sizes[first])
        blocks = x[:, start:stop].reshape(len(x), -1, size)
        result[:, start:stop] = dct(blocks, type=4, norm="ortho", axis=-1).reshape(len(x), -1)
    return result
