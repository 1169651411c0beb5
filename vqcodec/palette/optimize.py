"""The optimising ditherer: what the eye sees through its blur comes as close as can be.

The error of a pixel is weighed after a Gaussian low-pass in linear light, where light
really mixes, and with the local slope of Oklab; a share of the unfiltered error keeps
the grain and the file small. Coordinate descent (after M. Analoui and J. P. Allebach,
"Model-based halftoning using direct binary search", 1992) tries for each pixel the
entries near its own; between sweeps the palette is refitted to the indices by
least squares (after J. Puzicha, M. Held, J. Ketterer, J. M. Buhmann and D. W. Fellner,
"On spatial quantization of color images", 2000).

Colours are 4-D here: (m - α/2, α), where m is the linear LMS response of the
premultiplied colour and α the coverage; the sum of the squared errors over a black
and a white background is then a plain quadratic form, as in `space`.
"""

from __future__ import annotations

import numpy as np

from vqcodec import color
from vqcodec.jit import njit
from vqcodec.palette.mapping import Diffuser, Matcher, sorted_neighbours
from vqcodec.palette.space import Space, to_points

F = np.float32
SIGMA = 1.2  # of the eye's blur, in pixels
RADIUS = 4
CANDIDATES = 8
FLOOR = 0.003  # keeps the slope of the cube root finite in black
REFITS = 2
GRAIN = 4.0  # how fast the weight of single pixels grows with fewer colours
RIDGE = 0.01
BAND = 1 << 22  # pixels at a time: 65 bytes each
STRIP = 16  # rows
STRENGTH = 0.75  # of the dithering to start from
SWEEPS = (2, 1, 2)  # before the first refit, between two, after the last
MARGIN = 2  # pixels around a change that are looked at again
_FORM = (color.OKLAB_OF_LMS.T @ color.OKLAB_OF_LMS).astype(np.float32)


def blur_taps() -> np.ndarray:
    """Return the autocorrelation of the eye's blur along one axis, 1 in the middle."""
    offsets = np.arange(-RADIUS, RADIUS + 1)
    return np.exp(-(offsets**2) / (4 * SIGMA**2)).astype(np.float32)


def to_lms(rgba: np.ndarray) -> np.ndarray:
    """Return (n, 4) uint8 colours as (m - α/2, α), float32."""
    alpha = rgba[:, 3:] / 255.0
    lms = (color.srgb_to_linear(rgba[:, :3]) @ color.LMS_OF_RGB.T - 0.5) * alpha
    return np.concatenate([lms, alpha], axis=1).astype(np.float32)


def from_lms(lms: np.ndarray) -> np.ndarray:
    """Return the (n, 4) uint8 colours nearest to (m - α/2, α)."""
    alpha = np.clip(lms[:, 3:].astype(np.float64), 0.0, 1.0)
    visible = alpha >= 0.5 / 255
    colors = (
        np.divide(lms[:, :3], alpha, out=np.zeros((len(lms), 3)), where=visible) + 0.5 * visible
    )
    srgb = color.linear_to_srgb(colors @ np.linalg.inv(color.LMS_OF_RGB).T)
    return np.rint(np.concatenate([srgb, alpha], axis=1) * 255.0).astype(np.uint8)


def slope_table() -> np.ndarray:
    """Return the derivative of the cube root, at the squares of 1024 steps from 0 to 1."""
    middle = ((np.arange(1024) + 0.5) / 1024) ** 2 + FLOOR
    return (middle ** (-2 / 3) / 3).astype(np.float32)


@njit
def prepare(
    pixels: np.ndarray,
    linear: np.ndarray,
    lms: np.ndarray,
    slopes: np.ndarray,
    form: np.ndarray,
    target: np.ndarray,
    slope: np.ndarray,
) -> None:
    """Fill `target` (h, w, 4) with the pixels' 4-D colours, `slope` (h, w, 4) with their weights.

    The first three slopes are those of the cube root of LMS; the fourth is the
    weight of the squared error of alpha.
    """
    for y in range(pixels.shape[0]):
        for x in range(pixels.shape[1]):
            alpha = F(1)
            if pixels.shape[2] == 4:
                alpha = F(pixels[y, x, 3]) * F(1 / 255)
            r, g, b = linear[pixels[y, x, 0]], linear[pixels[y, x, 1]], linear[pixels[y, x, 2]]
            for c in range(3):
                m = lms[c, 0] * r + lms[c, 1] * g + lms[c, 2] * b
                target[y, x, c] = (m - F(0.5)) * alpha
                m = m * alpha + F(0.2) * (F(1) - alpha)
                slope[y, x, c] = slopes[min(int(np.sqrt(m) * F(1024)), 1023)]
            target[y, x, 3] = alpha
            slope[y, x, 3] = F(0)
            if pixels.shape[2] == 4:
                for c in range(3):
                    for d in range(3):
                        slope[y, x, 3] += F(0.25) * slope[y, x, c] * form[c, d] * slope[y, x, d]


@njit
def filter_error(
    target: np.ndarray,
    centers: np.ndarray,
    indices: np.ndarray,
    taps: np.ndarray,
    scratch: np.ndarray,
    filtered: np.ndarray,
) -> None:
    """Fill `filtered` (h + 2r, 4 (w + 2r)) with the error after the blur, twice applied."""
    height, width, _ = target.shape
    side = taps.shape[0]
    error = np.empty(4 * width, np.float32)
    for y in range(height):
        row = scratch[y]
        for x in range(width):
            k = indices[y, x]
            for c in range(4):
                error[4 * x + c] = centers[k, c] - target[y, x, c]
        for t in range(row.shape[0]):
            row[t] = F(0)
        for j in range(side):
            shifted = row[4 * j : 4 * (j + width)]
            for t in range(4 * width):
                shifted[t] += taps[j] * error[t]
    for y in range(filtered.shape[0]):
        row = filtered[y]
        for t in range(row.shape[0]):
            row[t] = F(0)
        for j in range(side):
            if 0 <= y - j < height:
                source = scratch[y - j]
                for t in range(row.shape[0]):
                    row[t] += taps[j] * source[t]


@njit
def sweep(
    target: np.ndarray,
    slope: np.ndarray,
    centers: np.ndarray,
    near: np.ndarray,
    form: np.ndarray,
    taps: np.ndarray,
    fidelity: float,
    start: int,
    stop: int,
    dirty: np.ndarray,
    indices: np.ndarray,
    filtered: np.ndarray,
) -> int:
    """Improve the pixels of rows `start` to `stop` one by one; return how many changed.

    `filtered` is kept up to date. `fidelity` weighs the unfiltered error.
    """
    width = target.shape[1]
    side = taps.shape[0]
    r = side // 2
    kernel = np.empty((side, side * 4), np.float32)
    for i in range(side):
        for j in range(side):
            for c in range(4):
                kernel[i, 4 * j + c] = taps[i] * taps[j]
    shift = np.empty(side * 4, np.float32)
    own = F(1) + fidelity
    f00, f11, f22 = form[0, 0], form[1, 1], form[2, 2]
    f01, f02, f12 = form[0, 1], form[0, 2], form[1, 2]
    changed = 0
    for y in range(start, stop):
        for x in range(width):
            if not dirty[y, x] or target[y, x, 3] == 0:  # what is transparent stays so
                continue
            dirty[y, x] = False
            k = int(indices[y, x])
            p0, p1, p2, p3 = centers[k, 0], centers[k, 1], centers[k, 2], centers[k, 3]
            at = 4 * (x + r)
            s0, s1, s2, s3 = slope[y, x, 0], slope[y, x, 1], slope[y, x, 2], slope[y, x, 3]
            g0 = s0 * (filtered[y + r, at] + fidelity * (p0 - target[y, x, 0]))
            g1 = s1 * (filtered[y + r, at + 1] + fidelity * (p1 - target[y, x, 1]))
            g2 = s2 * (filtered[y + r, at + 2] + fidelity * (p2 - target[y, x, 2]))
            g3 = filtered[y + r, at + 3] + fidelity * (p3 - target[y, x, 3])
            h0 = F(2) * (f00 * g0 + f01 * g1 + f02 * g2)
            h1 = F(2) * (f01 * g0 + f11 * g1 + f12 * g2)
            h2 = F(2) * (f02 * g0 + f12 * g1 + f22 * g2)
            h3 = F(2) * s3 * g3
            least, best = F(-1e-9), k
            for place in range(near.shape[1]):
                j = near[k, place]
                u0 = s0 * (centers[j, 0] - p0)
                u1 = s1 * (centers[j, 1] - p1)
                u2 = s2 * (centers[j, 2] - p2)
                u3 = centers[j, 3] - p3
                q0 = f00 * u0 + f01 * u1 + f02 * u2
                q1 = f01 * u0 + f11 * u1 + f12 * u2
                q2 = f02 * u0 + f12 * u1 + f22 * u2
                rise = (
                    u0 * (h0 + own * q0)
                    + u1 * (h1 + own * q1)
                    + u2 * (h2 + own * q2)
                    + u3 * (h3 + own * s3 * u3)
                )
                if rise < least:
                    least, best = rise, j
            if best == k:
                continue
            changed += 1
            indices[y, x] = best
            for c in range(4):
                for j in range(side):
                    shift[4 * j + c] = centers[best, c] - centers[k, c]
            for i in range(side):
                row = filtered[y + i, 4 * x : 4 * (x + side)]
                for t in range(side * 4):
                    row[t] += kernel[i, t] * shift[t]
            for v in range(max(start, y - MARGIN), min(stop, y + MARGIN + 1)):
                for u in range(max(0, x - MARGIN), min(width, x + MARGIN + 1)):
                    dirty[v, u] = True
    return changed


@njit
def normal_equations(
    target: np.ndarray,
    centers: np.ndarray,
    indices: np.ndarray,
    taps: np.ndarray,
    fidelity: float,
    every: int,
    filtered: np.ndarray,
    matrix: np.ndarray,
    slant: np.ndarray,
) -> None:
    """Add up the least-squares problem of the palette, from each `every`-th row.

    `matrix` (k, k): how much of entry j the filter brings to the pixels of entry i;
    `slant` (k, 4): the filtered error at them.
    """
    height, width, _ = target.shape
    r = taps.shape[0] // 2
    for y in range(every // 2, height, every):
        for x in range(width):
            k = int(indices[y, x])
            for c in range(4):
                slant[k, c] += filtered[y + r, 4 * (x + r) + c] + fidelity * (
                    centers[k, c] - target[y, x, c]
                )
            matrix[k, k] += fidelity
        for i in range(-min(r, y), min(r, height - 1 - y) + 1):
            for j in range(-r, r + 1):
                weight = taps[i + r] * taps[j + r]
                for x in range(max(0, -j), min(width, width - j)):
                    matrix[indices[y, x], indices[y + i, x + j]] += weight


def optimize(
    image: np.ndarray,
    rgba: np.ndarray,
    indices: np.ndarray,
    *,
    fidelity: float | None = None,
    refits: int | None = None,
    fixed: int = 0,
) -> tuple[np.ndarray, np.ndarray]:
    """Improve the indices, and with them the palette, of a dithered image.

    Parameters
    ----------
    image : (height, width, 3 or 4) ndarray of uint8
    rgba : (k, 4) ndarray of uint8
        The palette to start from.
    indices : (height, width) ndarray of uint8
    fidelity : float
        Weight of the error of single pixels against that of what the eye's blur leaves;
        by default 3, and more for few colours, whose grain is coarse.
    refits : int
        How often the palette is refitted, by default `REFITS`; 0 leaves it alone.
    fixed : int
        Entries, from the first on, that no refit touches.
    """
    refits = REFITS if refits is None else refits
    if fidelity is None:
        fidelity = 3.0 * (1.0 + GRAIN / len(rgba))
    indices = indices.copy()
    height, width = indices.shape
    if height * width <= BAND:
        rgba = _descend(image, rgba, indices, (0, height), fidelity, refits, fixed)
        return rgba, indices
    if refits:  # a large image: the palette is fitted to strips of it, spread evenly
        strips = np.linspace(0, height - STRIP, max(1, BAND // (2 * STRIP * width))).astype(int)
        rows = np.unique((strips[:, None] + np.arange(STRIP)).clip(0, height - 1))
        rgba = _descend(
            np.ascontiguousarray(image[rows]), rgba, indices[rows], (0, len(rows)), fidelity,
            refits, fixed,
        )  # fmt: skip
        # Entries may have moved far: what was dithered with the old ones is a bad start.
        indices = Diffuser(Matcher(rgba, Space.OKLAB), STRENGTH)(image)
    step = max(1, BAND // width)
    for top in range(0, height, step):  # then band by band, each seeing the edges of its neighbours
        first, last = max(0, top - RADIUS), min(height, top + step + RADIUS)
        inside = (top - first, min(height, top + step) - first)
        _descend(image[first:last], rgba, indices[first:last], inside, fidelity, 0, fixed)
    return rgba, indices


def _descend(
    image: np.ndarray,
    rgba: np.ndarray,
    indices: np.ndarray,
    rows: tuple[int, int],
    fidelity: float,
    refits: int,
    fixed: int,
) -> np.ndarray:
    """Improve the indices of these rows in place; return the refitted palette."""
    taps = blur_taps()
    height, width = indices.shape
    r = RADIUS
    target = np.empty((height, width, 4), np.float32)
    slope = np.empty((height, width, 4), np.float32)
    linear = color.srgb_to_linear(np.arange(256, dtype=np.uint8)).astype(np.float32)
    lms = color.LMS_OF_RGB.astype(np.float32)
    prepare(image, linear, lms, slope_table(), _FORM, target, slope)
    scratch = np.empty((height, 4 * (width + 2 * r)), np.float32)
    filtered = np.empty((height + 2 * r, 4 * (width + 2 * r)), np.float32)
    for turn in range(refits + 1):
        centers = to_lms(rgba)
        near = sorted_neighbours(to_points(rgba, Space.OKLAB))[0]
        near = np.ascontiguousarray(near[:, :CANDIDATES])
        filter_error(target, centers, indices, taps, scratch, filtered)
        dirty = np.ones((height, width), bool)
        for _ in range(SWEEPS[min(turn, 1) if turn < refits else 2]):
            changed = sweep(
                target, slope, centers, near, _FORM, taps, F(fidelity), *rows, dirty,
                indices, filtered,
            )  # fmt: skip
            if changed < height * width * 0.002:
                break
        if turn < refits:
            matrix, slant = np.zeros((len(rgba), len(rgba))), np.zeros((len(rgba), 4))
            normal_equations(
                target, centers, indices, taps, F(fidelity), 8, filtered, matrix, slant
            )
            rgba = refit(rgba, centers, matrix, slant, fixed)
    return rgba


def refit(
    rgba: np.ndarray, centers: np.ndarray, matrix: np.ndarray, slant: np.ndarray, fixed: int
) -> np.ndarray:
    """Return the palette that the normal equations ask for, as far as the gamut allows it.

    Clipped to the gamut, a step may well make things worse; it is halved until the
    quadratic model of the error says that it does not.
    """
    matrix = (matrix + matrix.T) / 2
    ridge = np.trace(matrix) / len(matrix) * RIDGE + 1e-9
    step = np.zeros_like(slant)
    free = slice(fixed, None)
    step[free] = np.linalg.solve(
        matrix[free, free] + ridge * np.eye(len(rgba) - fixed), -slant[free]
    )
    best, least = rgba, 0.0
    for scale in (1.0, 0.5, 0.25, 0.125):
        out = from_lms(centers + scale * step)
        out[:fixed] = rgba[:fixed]
        moved = to_lms(out).astype(np.float64) - centers
        change = float((moved * (matrix @ moved + 2 * slant)).sum())
        if change < least:
            best, least = out, change
    return best
