"""Dithering kernels: error diffusion and ordered blue noise.

Error diffusion is that of R. W. Floyd and L. Steinberg ("An adaptive algorithm for
spatial greyscale", 1976), serpentine, with the errors scaled by a strength. The
errors live in premultiplied gamma sRGB, where the eye judges small differences
about evenly; the entry for what comes out is the nearest one in the `Space`: of opaque
colours looked up by 6 bits a channel in a table that fills itself as cells are met.

Ordered dithering gives every colour a list of entries whose mean approaches it (T.
Knoll's pattern dithering, US patent 6 606 166, expired), sorted by lightness; a
blue-noise mask picks from the list. It is free of worms, stable in animations, and
a pixel depends on nothing but its own colour and place.

Alpha: a fully transparent pixel takes the transparent entry and diffuses nothing.
"""

from __future__ import annotations

import numpy as np

from vqcodec.jit import njit
from vqcodec.palette.lloyd import distance

F = np.float32
MIX = 16  # entries in the list of a colour


@njit(_nrt=False)
def nearest(
    points: np.ndarray, i: int, centers: np.ndarray, near: np.ndarray, gaps: np.ndarray, hint: int
) -> int:
    """Return the centre nearest to point `i`, by the full sorted lists of all centres."""
    best = hint
    least = distance(points, i, centers, hint)
    limit = F(4) * least
    for place in range(centers.shape[0] - 1):
        if gaps[hint, place] >= limit:
            break
        j = near[hint, place]
        far = distance(points, i, centers, j)
        if far < least:
            least = far
            best = j
    return best


@njit
def nearest_all(
    points: np.ndarray, centers: np.ndarray, near: np.ndarray, gaps: np.ndarray, labels: np.ndarray
) -> None:
    """Label every point with its nearest centre; `near` and `gaps` list all centres, sorted."""
    hint = 0
    for i in range(points.shape[0]):
        hint = nearest(points, i, centers, near, gaps, hint)
        labels[i] = hint


@njit(_nrt=False)
def place(
    red: float, green: float, blue: float, alpha: float, metric: np.ndarray, point: np.ndarray
) -> None:
    """Put the point of a straight colour into ``point[0]``.

    `metric` (9, 256) float32: row 0 turns 8-bit levels into linear light or 0..1, the
    scale of the arguments; row 1 says whether this is Oklab; then come its two
    matrices, then what alpha needs (`space`).
    """
    if metric[1, 0] > 0:
        for c in range(3):
            row = metric[2 + c]
            point[0, c] = np.cbrt(row[0] * red + row[1] * green + row[2] * blue)
        x, y, z = point[0, 0], point[0, 1], point[0, 2]
        red = metric[5, 0] * x + metric[5, 1] * y + metric[5, 2] * z
        green = metric[6, 0] * x + metric[6, 1] * y + metric[6, 2] * z
        blue = metric[7, 0] * x + metric[7, 1] * y + metric[7, 2] * z
    point[0, 0] = (red - metric[8, 0]) * alpha
    point[0, 1] = (green - metric[8, 1]) * alpha
    point[0, 2] = (blue - metric[8, 2]) * alpha
    point[0, 3] = metric[8, 3] * alpha


@njit
def diffuse(
    pixels: np.ndarray,
    rgba: np.ndarray,
    exact: np.ndarray,
    entries: np.ndarray,
    centers: np.ndarray,
    near: np.ndarray,
    gaps: np.ndarray,
    metric: np.ndarray,
    strength: float,
    clear: int,
    table: np.ndarray,
    out: np.ndarray,
) -> None:
    """Dither an image by error diffusion.

    Parameters
    ----------
    pixels : (height, width, 3 or 4) ndarray of uint8
    rgba : (k, 4) ndarray of uint8
        The palette.
    exact : (2**18,) ndarray of int16
        The opaque entry that lies in a cell, or -1.
    entries : (k, 4) ndarray of float32
        The palette as premultiplied sRGB and alpha, 0 to 255.
    centers, near, gaps
        Its points, and for each the sorted list of all others.
    metric : ndarray of float32
    strength : float32
        How much of the error is passed on, 0 to 1.
    clear : int
        The fully transparent entry, or -1.
    table : (2**18,) ndarray of int16
        Nearest entries of opaque colours by cell, -1 where not known yet; kept between calls.
    out : (height, width) ndarray of uint8
    """
    height, width, channels = pixels.shape
    here = np.zeros((width + 2, 4), np.float32)
    below = np.zeros((width + 2, 4), np.float32)
    point = np.zeros((1, 4), np.float32)
    top, half, quarter, a = F(255), F(0.5), F(0.25), F(255)
    level = (metric[0, :255] + metric[0, 1:]) / F(2)  # the middle of cell c is at 4c + 1.5
    k = 0
    for y in range(height):
        for x in range(width + 2):
            for c in range(4):
                below[x, c] = F(0)
        step = -1 if y & 1 else 1
        x = width - 1 if y & 1 else 0
        next_r = next_g = next_b = next_a = F(0)  # errors for the next pixel of this row
        for _ in range(width):
            i = np.int64(pixels[y, x, 0])
            j = np.int64(pixels[y, x, 1])
            m = np.int64(pixels[y, x, 2])
            same = int(exact[(i >> 2) << 12 | (j >> 2) << 6 | m >> 2])
            if (
                same >= 0
                and rgba[same, 0] == i
                and rgba[same, 1] == j
                and rgba[same, 2] == m
                and (channels == 3 or pixels[y, x, 3] == 255)
            ):
                out[y, x] = same  # an entry as it is: flat areas stay flat
                next_r = next_g = next_b = next_a = F(0)
                x += step
                continue
            r, g, b = F(i), F(j), F(m)
            if channels == 4:
                a = F(pixels[y, x, 3])
                if a == 0 and clear >= 0:
                    out[y, x] = clear
                    next_r = next_g = next_b = next_a = F(0)
                    x += step
                    continue
                part = a / top
                a = min(max(a + strength * (here[x + 1, 3] + next_a), F(0)), top)
                r, g, b = r * part, g * part, b * part
            r = min(max(r + strength * (here[x + 1, 0] + next_r), F(0)), a)
            g = min(max(g + strength * (here[x + 1, 1] + next_g), F(0)), a)
            b = min(max(b + strength * (here[x + 1, 2] + next_b), F(0)), a)
            if a == top:
                i, j, m = np.int64(r * quarter), np.int64(g * quarter), np.int64(b * quarter)
                cell = i << 12 | j << 6 | m
                found = int(table[cell])
                if found < 0:
                    i, j, m = 4 * i + 1, 4 * j + 1, 4 * m + 1
                    place(level[i], level[j], level[m], F(1), metric, point)
                    found = int(nearest(point, 0, centers, near, gaps, k))
                    table[cell] = found
                k = found
            else:
                part = top / max(a, F(1))
                i = np.int64(r * part + half)
                j = np.int64(g * part + half)
                m = np.int64(b * part + half)
                place(metric[0, i], metric[0, j], metric[0, m], a / top, metric, point)
                k = int(nearest(point, 0, centers, near, gaps, k))
            out[y, x] = k
            r -= entries[k, 0]
            g -= entries[k, 1]
            b -= entries[k, 2]
            behind, ahead = x + 1 - step, x + 1 + step
            below[behind, 0] += r * F(3 / 16)
            below[behind, 1] += g * F(3 / 16)
            below[behind, 2] += b * F(3 / 16)
            below[x + 1, 0] += r * F(5 / 16)
            below[x + 1, 1] += g * F(5 / 16)
            below[x + 1, 2] += b * F(5 / 16)
            below[ahead, 0] += r * F(1 / 16)
            below[ahead, 1] += g * F(1 / 16)
            below[ahead, 2] += b * F(1 / 16)
            next_r, next_g, next_b = r * F(7 / 16), g * F(7 / 16), b * F(7 / 16)
            if channels == 4:
                error = a - entries[k, 3]
                below[behind, 3] += error * F(3 / 16)
                below[x + 1, 3] += error * F(5 / 16)
                below[ahead, 3] += error * F(1 / 16)
                next_a = error * F(7 / 16)
            x += step
        here, below = below, here


@njit
def mix(
    points: np.ndarray,
    centers: np.ndarray,
    near: np.ndarray,
    gaps: np.ndarray,
    lightness: np.ndarray,
    strength: float,
    lists: np.ndarray,
) -> None:
    """Fill for every point the list of `MIX` entries whose mean comes close to it.

    Each entry is the nearest to the point plus the error of the mean so far,
    scaled by the strength. `lists` (n, MIX) uint8 comes out sorted by `lightness` (k,).
    """
    goal = np.zeros((1, 4), np.float32)
    error = np.zeros(4, np.float32)
    k = 0
    for i in range(points.shape[0]):
        for c in range(4):
            error[c] = F(0)
        for m in range(MIX):
            for c in range(4):
                goal[0, c] = points[i, c] + strength * error[c]
            k = nearest(goal, 0, centers, near, gaps, k)
            for c in range(4):
                error[c] += points[i, c] - centers[k, c]
            place = m
            while place > 0 and lightness[lists[i, place - 1]] > lightness[k]:
                lists[i, place] = lists[i, place - 1]
                place -= 1
            lists[i, place] = k


@njit
def hash_fill(keys: np.ndarray, slots: np.ndarray) -> None:
    """Enter sorted distinct uint32 keys into an open hash table of 2**n slots of int32, -1 free."""
    mask = slots.shape[0] - 1
    for i in range(keys.shape[0]):
        slot = np.int64(keys[i] * np.uint64(0x9E3779B1) >> np.uint64(7)) & mask
        while slots[slot] >= 0:
            slot = (slot + 1) & mask
        slots[slot] = i


@njit
def paint(
    pixels: np.ndarray,
    keys: np.ndarray,
    slots: np.ndarray,
    lists: np.ndarray,
    ranks: np.ndarray,
    out: np.ndarray,
) -> None:
    """Give each pixel the entry that the list of its colour holds at the rank of its place.

    Parameters
    ----------
    pixels : (height, width, 3 or 4) ndarray of uint8
    keys : (n,) ndarray of uint32
        The packed colours, with their hash table `slots`.
    lists : (n, m) ndarray of uint8
        The entries of each colour: one if nothing is dithered.
    ranks : (side, side) ndarray of int32
        Thresholds below m, which tile the plane.
    """
    height, width, channels = pixels.shape
    mask = slots.shape[0] - 1
    tile = ranks.shape[0] - 1
    last, found = np.int64(-1), 0
    for y in range(height):
        for x in range(width):
            key = np.int64(255)
            if channels == 4:
                key = np.int64(pixels[y, x, 3])
            key = (
                key << 24
                | np.int64(pixels[y, x, 0]) << 16
                | np.int64(pixels[y, x, 1]) << 8
                | np.int64(pixels[y, x, 2])
            )
            if key != last:
                last = key
                if key < 1 << 24 and keys[0] == 0:
                    key = np.int64(0)  # all that is transparent was counted as black
                slot = np.int64(np.uint64(key) * np.uint64(0x9E3779B1) >> np.uint64(7)) & mask
                while keys[slots[slot]] != key:
                    slot = (slot + 1) & mask
                found = slots[slot]
            out[y, x] = lists[found, ranks[y & tile, x & tile]]
