"""A blue-noise threshold mask, by void-and-cluster, in integers.

R. Ulichney, "The void-and-cluster method for dither array generation", Proc. SPIE
1913, 1993. Integer weights make the mask the same on every machine.
"""

from __future__ import annotations

import functools

import numpy as np

SIDE = 64
_SIGMA = 1.9


def ranks(count: int) -> np.ndarray:
    """Return ranks below `count`, equally often, as an int32 array that tiles the plane."""
    return mask() * count // SIDE**2 if count > 1 else np.zeros((1, 1), np.int32)


@functools.cache
def mask(side: int = SIDE) -> np.ndarray:
    """Return the ranks 0 to ``side**2 - 1`` as a (side, side) int32 array that tiles the plane."""
    size = side * side
    axis = np.minimum(np.arange(side), side - np.arange(side)).astype(np.float64) ** 2
    falloff = np.exp(-(axis[:, None] + axis) / (2 * _SIGMA**2))
    weights = np.tile(np.rint(falloff * 2**40).astype(np.int64), (2, 2))
    energy = np.zeros((side, side), np.int64)
    chosen = np.zeros((side, side), bool)

    def put(place: int, on: bool) -> None:
        y, x = divmod(place, side)
        chosen[y, x] = on
        window = weights[side - y : 2 * side - y, side - x : 2 * side - x]
        np.add(energy, window if on else -window, out=energy)

    def cluster() -> int:  # the chosen point that is crowded most
        return int(np.argmax(np.where(chosen, energy, -1)))

    def void() -> int:  # the free point farthest from all chosen ones
        return int(np.argmin(np.where(chosen, np.iinfo(np.int64).max, energy)))

    start = size // 10
    for n in range(start):  # any spread-out start will do: the plastic number's sequence
        x = int((n * 0.7548776662466927) % 1 * side)
        y = int((n * 0.5698402909980532) % 1 * side)
        if not chosen[y, x]:
            put(y * side + x, True)
    while True:
        crowded = cluster()
        put(crowded, False)
        empty = void()
        put(empty, True)
        if empty == crowded:
            break
    ranks = np.zeros(size, np.int32)
    count = int(chosen.sum())
    pattern, level = chosen.copy(), energy.copy()
    for rank in range(count - 1, -1, -1):
        crowded = cluster()
        put(crowded, False)
        ranks[crowded] = rank
    chosen[:], energy[:] = pattern, level
    for rank in range(count, size):
        empty = void()
        put(empty, True)
        ranks[empty] = rank
    return ranks.reshape(side, side)
