"""Structural similarity of images, single-scale and multi-scale, on the luma."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from vqcodec.metrics.pairs import appearances, comparable, luma_of, strips, white_of

# Wang, Simoncelli, Bovik: Multi-scale structural similarity for image quality
# assessment (2003): the exponents of the five scales.
SCALES = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
_SIGMA, _RADIUS = 1.5, 5
_K1, _K2 = 0.01, 0.03
_STRIP = 1 << 18  # pixels, of which several float64 planes are held

# The rows from one to another of a pair of planes, as float64.
Rows = Callable[[int, int], tuple[np.ndarray, np.ndarray]]


def ssim(a: Any, b: Any) -> float:
    """Return the structural similarity of the luma.

    The definition of Wang, Bovik, Sheikh, Simoncelli (2004): an 11 x 11
    Gaussian window with a standard deviation of 1.5, K1 = 0.01, K2 = 0.03,
    population covariance, mean over all windows that lie inside the image. It
    equals ``skimage.metrics.structural_similarity(gaussian_weights=True,
    sigma=1.5, use_sample_covariance=False)`` on that plane. Where a side is
    shorter than 11 pixels, windows are mirrored at the edges and the mean is
    over all pixels.
    """
    return similarities(a, b, 1)[0]


def ms_ssim(a: Any, b: Any) -> float:
    """Return the multi-scale structural similarity of the luma.

    The definition of Wang, Simoncelli, Bovik (2003): five scales, each the 2 x 2
    mean of the one before (odd sides mirrored), contrast and structure from
    every scale and luminance from the last, with their exponents; a negative
    mean of contrast and structure counts as 0. Images too small for five
    scales of 11 x 11 windows (below 161 pixels a side) use as many scales as
    fit, at least one, with the exponents scaled to the same sum.
    """
    return similarities(a, b)[1]


def similarities(a: Any, b: Any, scales: int = len(SCALES)) -> tuple[float, float]:
    """Return `ssim` and `ms_ssim`, the mean over the backgrounds that alpha asks for."""
    a, b = comparable(a, b)
    backgrounds = range(2 - a.shape[2] % 2)
    results = [_on_background(a, b, background, scales) for background in backgrounds]
    single, multiple = np.mean(results, axis=0)
    return float(single), float(multiple)


def _on_background(
    a: np.ndarray, b: np.ndarray, background: int, scales: int
) -> tuple[float, float]:
    def full_size(top: int, bottom: int) -> tuple[np.ndarray, np.ndarray]:
        x, y = (luma_of(appearances(image[top:bottom])[background]) for image in (a, b))
        return x, y

    rows: Rows = full_size
    height, width = a.shape[:2]
    scales = min(scales, _scales_that_fit(min(height, width)))
    exponents = np.array(SCALES[:scales]) * (sum(SCALES) / sum(SCALES[:scales]))
    single, product = 0.0, 1.0
    for scale in range(scales):
        if scale:
            rows, height, width = _halved(rows, height, width)
        full, structure = _window_means(rows, height, width, white_of(a))
        if scale == 0:
            single = full
        product *= max(full if scale == scales - 1 else structure, 0.0) ** exponents[scale]
    return single, product


def _scales_that_fit(side: int) -> int:
    count = 1
    while (side := (side + 1) // 2) > 2 * _RADIUS:
        count += 1
    return count


def _window_means(rows: Rows, height: int, width: int, white: float) -> tuple[float, float]:
    """Return the means, over all windows, of SSIM and of its contrast-structure factor."""
    from scipy.ndimage import gaussian_filter

    def blur(plane: np.ndarray) -> np.ndarray:
        smooth = gaussian_filter(plane, _SIGMA, radius=_RADIUS, mode="reflect")
        return smooth[inside] if fits else smooth

    fits = min(height, width) > 2 * _RADIUS
    inside = (slice(_RADIUS, -_RADIUS), slice(_RADIUS, -_RADIUS))
    halo = _RADIUS if fits else 0
    c1, c2 = (_K1 * white) ** 2, (_K2 * white) ** 2
    full = structure = count = 0.0
    step = max(1, _STRIP // width) if fits else height
    for top in range(halo, height - halo, step):
        x, y = rows(top - halo, min(top + step, height - halo) + halo)
        mean_x, mean_y = blur(x), blur(y)
        square_x, square_y, across = mean_x * mean_x, mean_y * mean_y, mean_x * mean_y
        covariance = blur(x * y) - across
        variances = blur(x * x) + blur(y * y) - square_x - square_y
        contrast = (2 * covariance + c2) / (variances + c2)
        structure += float(contrast.sum())
        full += float((contrast * (2 * across + c1) / (square_x + square_y + c1)).sum())
        count += contrast.size
    return full / count, structure / count


def _halved(rows: Rows, height: int, width: int) -> tuple[Rows, int, int]:
    """Return the next scale: 2 x 2 means, the last row and column mirrored where odd."""
    half_height, half_width = (height + 1) // 2, (width + 1) // 2
    planes = np.empty((2, half_height, half_width))
    for top, bottom in strips(half_height, half_width):
        for plane, strip in zip(planes, rows(2 * top, min(2 * bottom, height)), strict=True):
            even = np.pad(strip, ((0, len(strip) % 2), (0, width % 2)), "edge")
            plane[top:bottom] = even.reshape(bottom - top, 2, half_width, 2).mean((1, 3))

    def half(top: int, bottom: int) -> tuple[np.ndarray, np.ndarray]:
        return planes[0, top:bottom], planes[1, top:bottom]

    return half, half_height, half_width
