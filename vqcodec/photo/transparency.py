"""Colours under full transparency: nobody sees them, so they become what is cheap to code."""

from __future__ import annotations

import numpy as np


def fill_transparent(samples: np.ndarray) -> np.ndarray:
    """Replace the colours of fully transparent pixels by means of visible ones nearby.

    The image is averaged down by two, counting visible pixels only, until one
    pixel is left; on the way back up, holes take the value of the level above
    (the pull-push interpolation of Gortler et al. 1996).
    """
    hidden = samples[..., -1] == 0
    if not hidden.any():
        return samples
    colours = samples[..., :-1].astype(np.float32)
    filled = samples.copy()
    filled[..., :-1] = np.round(_push_pull(colours, (~hidden).astype(np.float32))).astype(np.uint8)
    return filled


def _push_pull(colours: np.ndarray, weight: np.ndarray) -> np.ndarray:
    height, width = weight.shape
    visible = weight[..., None] > 0
    if (height == 1 and width == 1) or visible.all():
        return np.where(visible, colours, 128)
    more = ((0, height % 2), (0, width % 2))
    padded = np.pad(colours * weight[..., None], (*more, (0, 0)))
    counts = np.pad(weight, more)
    shape = (padded.shape[0] // 2, 2, padded.shape[1] // 2, 2)
    total = padded.reshape(*shape, -1).sum((1, 3))
    count = counts.reshape(shape).sum((1, 3))
    means = total / np.maximum(count, 1)[..., None]
    coarse = _push_pull(means, np.minimum(count, 1))
    spread = np.repeat(np.repeat(coarse, 2, 0), 2, 1)[:height, :width]
    return np.where(visible, colours, spread)
