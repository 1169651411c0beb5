"""The order of the codewords, and their rounding: what makes a codebook cheap to store."""

from __future__ import annotations

import numpy as np

STEPS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 64, 128, 256, 512, 1024, 2048)


def step_for(balance: float, bits: int) -> int:
    """Return the permitted step nearest to `balance`; at most 16/256 of the sample range."""
    most = 16 << (bits - 8)
    permitted = [step for step in STEPS if step <= most]
    return min(permitted, key=lambda step: abs(np.log(step / max(balance, 1e-9))))


def quantize(codewords: np.ndarray, step: int, low: int, high: int) -> np.ndarray:
    """Round codewords to what the decoder will read: multiples of `step`, cut at low and high."""
    return np.clip(np.rint(codewords / step).astype(np.int64) * step, low, high)


def order(codewords: np.ndarray) -> np.ndarray:
    """Return an order of codewords (K, d) in which neighbours look alike.

    The codewords are halved again and again across their principal axis, which
    keeps runs of the order compact in all dimensions; the halves of each split
    are turned so that they meet at their near ends.
    """
    # Integers below 2**8 keep every sum exact, so that the order is the same on
    # every machine and for every number of threads.
    points = codewords.astype(np.float64)
    points = np.rint(points * (255 / max(255.0, float(np.abs(points).max()))))
    out: list[np.ndarray] = []

    def split(chosen: np.ndarray, towards: np.ndarray | None) -> None:
        part = points[chosen]
        if len(chosen) <= 2:
            key = part.sum(1) if towards is None else ((part - towards) ** 2).sum(1)
            out.append(chosen[np.argsort(key, kind="stable")])
            return
        chosen = chosen[np.argsort(part @ _principal_axis(part), kind="stable")]
        low, high = chosen[: len(chosen) // 2], chosen[len(chosen) // 2 :]
        if towards is not None:
            near_low = ((points[low].mean(0) - towards) ** 2).sum()
            near_high = ((points[high].mean(0) - towards) ** 2).sum()
            if near_high < near_low:
                low, high = high, low
        split(low, towards)
        split(high, points[out[-1][-1]])

    split(np.arange(len(points)), None)
    return np.concatenate(out)


def _principal_axis(points: np.ndarray) -> np.ndarray:
    """Return the dominant eigenvector of the scatter, in integers of at most 1024."""
    total = points.sum(0)
    scatter = len(points) * (points.T @ points) - np.outer(total, total)
    axis = scatter[:, int(np.argmax(np.diag(scatter)))]
    for _ in range(8):
        length = np.abs(axis).max()
        if length == 0.0:
            return np.ones(len(axis))
        axis = scatter @ np.rint(axis * (1024 / length))
    axis = np.rint(axis * (1024 / np.abs(axis).max()))
    return axis if axis.sum() >= 0 else -axis
