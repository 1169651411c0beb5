"""The palette quantiser on one page: pixels -> histogram -> palette -> indices.

Few colours are kept exactly. Otherwise the palette is chosen on the histogram
(`select`), small groups of colours far from all entries get one of their own
(`_rescue`), and every pixel gets an entry, dithered or not (`mapping`).
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from vqcodec.errors import CancelledError, TargetError
from vqcodec.palette.histogram import Histogram, bands, count_colors, group_cells, lookup
from vqcodec.palette.options import MAX_INDEXED, Dither, PaletteOptions
from vqcodec.palette.space import Space, from_points, to_points
from vqcodec.palette.value import Palette

if TYPE_CHECKING:
    from vqcodec.palette import select

Progress = Callable[[float, str], bool | None]

AUTO_QUALITY = 85
HALF_QUALITY = 0.0155
EXACT_COLORS = 6000  # up to so many, the palette is chosen on the colours themselves
CELLS = 3000  # else on at least so many cells of them, or on
CELLS_PER_ENTRY = 16  # times the size of the palette
SWAP_ROUNDS = 10
POLISH_STEPS = 6
RESCUE_DISTANCE = 0.1  # in Oklab: about five just noticeable differences
RESCUE_PIXELS = 8
RESCUE_COST = 0.08  # of the whole error, at most, before the others have moved
RESCUE_SHARE = 32  # at most one entry in so many


@dataclass(frozen=True, eq=False)
class Quantized:
    """Images with their common palette.

    Attributes
    ----------
    palette : Palette
    indices : list of (height, width) ndarray of uint8
        One for each image.
    chosen : Chosen
        The palette before dithering and what it costs, measured when asked for.
    """

    palette: Palette
    indices: list[np.ndarray]
    chosen: Chosen

    @property
    def colors_before(self) -> int:
        """How many distinct colours there were."""
        return len(self.chosen.histogram)

    @property
    def lossless(self) -> bool:
        return self.chosen.exact

    @property
    def mse(self) -> float:
        """Mean squared error per sRGB sample before dithering, in 1/255 squared.

        Where there is alpha, the mean of that over black and that over white.
        """
        return self.chosen.mse

    @property
    def quality(self) -> float:
        """The error before dithering as a number from 0 to 100; see `quality_of`."""
        return quality_of(self.chosen.distortion)


def quantize_images(
    images: Sequence[np.ndarray],
    options: PaletteOptions,
    progress: Progress | None = None,
) -> Quantized:
    """Reduce images to one common palette.

    Parameters
    ----------
    images : sequence of (height, width, 3 or 4) ndarrays of uint8, C-contiguous
    options : PaletteOptions
    progress : callable, optional

    Raises
    ------
    TargetError
        The quality asked for is not reached.
    CancelledError
    """
    steps = _Steps(progress)
    images = [np.require(image, np.uint8, ["C", "W"]) for image in images]
    steps(0.0, "counting colours")
    histogram = count_colors(images, merge_transparent=not options.keep_hidden)
    steps(0.2, "choosing the palette")
    chosen = choose_palette(histogram, options)
    steps(0.5, "mapping")
    rgba, indices = _map(images, histogram, chosen, options, steps)
    order = _order(rgba, indices, chosen.leading, options)
    number = np.zeros(MAX_INDEXED, np.uint8)
    number[order] = np.arange(len(order))
    palette = Palette(rgba)
    if options.palette is not None:
        palette = options.palette
    if not np.array_equal(order, np.arange(len(order))):
        for index in indices:
            for rows in bands(index):
                index[rows] = number[index[rows]]
    steps(1.0, "done")
    return Quantized(palette.take(order), indices, chosen)


class _Steps:
    """Reports progress, and raises if that is answered by a stop."""

    def __init__(self, progress: Progress | None) -> None:
        self.progress = progress

    def __call__(self, fraction: float, message: str) -> None:
        if self.progress is not None and self.progress(fraction, message) is False:
            raise CancelledError("cancelled")


# --- the palette -----------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Chosen:
    """A palette for a histogram, and the entry of each of its colours.

    The first `leading` entries were given, and keep their places; the first `fixed`
    keep their colours.
    """

    histogram: Histogram
    rgba: np.ndarray
    labels: np.ndarray
    leading: int
    fixed: int
    premultiply: bool

    @functools.cached_property
    def exact(self) -> bool:
        """Whether every colour is an entry."""
        few = len(self.histogram) <= len(self.rgba)
        return few and np.array_equal(self.rgba[self.labels], self.histogram.rgba)

    @functools.cached_property
    def distortion(self) -> float:
        """The mean squared distance in Oklab."""
        return self._mean_square(Space.OKLAB)

    @functools.cached_property
    def mse(self) -> float:
        """The mean squared error per sRGB sample, in 1/255 squared."""
        return self._mean_square(Space.SRGB) * 255**2 / 3

    def _mean_square(self, space: Space) -> float:
        if self.exact:
            return 0.0
        points = to_points(self.histogram.rgba, space, self.premultiply)
        points -= to_points(self.rgba, space, self.premultiply)[self.labels]
        squared = np.einsum("nc,nc->n", points, points, dtype=np.float64)
        counts = self.histogram.counts.astype(np.float64)
        return float(squared @ counts / counts.sum())


def choose_palette(histogram: Histogram, options: PaletteOptions) -> Chosen:
    """Choose the palette, and if that is asked for, how many colours it takes.

    Raises
    ------
    TargetError
        The quality asked for is not reached.
    """
    chooser = _Chooser(histogram, options)
    low, high = options.quality or (0, 100)
    wanted = options.quality is not None or options.max_error is not None
    automatic = options.colors is None and not wanted
    limit = options.colors or MAX_INDEXED
    if options.palette is not None or not (wanted or automatic):
        chosen = chooser(limit)
    else:
        if automatic:
            high = AUTO_QUALITY

        def good(candidate: Chosen) -> bool:
            if options.max_error is not None:
                return candidate.mse <= options.max_error**2
            return quality_of(candidate.distortion) >= high

        chosen = _fewest(chooser, good, limit)
    if low > 0 and (reached := quality_of(chosen.distortion)) < low:
        raise TargetError(
            f"{len(chosen.rgba)} colours reach quality {reached:.0f}, below the least wanted, {low}"
        )
    if options.max_error is not None and chosen.mse > options.max_error**2:
        raise TargetError(
            f"{len(chosen.rgba)} colours leave an error of {chosen.mse**0.5:.2f}, "
            f"above the greatest allowed, {options.max_error:g}"
        )
    return chosen


def _fewest(choose: Callable[[int], Chosen], good: Callable[[Chosen], bool], limit: int) -> Chosen:
    """Return the palette of fewest colours that is good, or that of the limit."""
    best = choose(limit)
    if not good(best):
        return best
    low, high = 0, len(best.rgba)  # `low` is too few, `high` is good
    while high - low > 1:
        middle = (low + high) // 2 if low else max(1, high // 2)
        candidate = choose(middle)
        if good(candidate):
            best, high = candidate, min(middle, len(candidate.rgba))
        else:
            low = middle
    return best


def quality_of(distortion: float) -> float:
    """Return a quality from 0 to 100 for a mean squared distance in Oklab.

    A curve through what pngquant calls quality on photographs and drawings, for its
    users to feel at home: 100 is lossless, above 80 the loss is hard to see, at 50
    the colours are `HALF_QUALITY` off in the root mean square.
    """
    return 100.0 / (1.0 + (distortion**0.5 / HALF_QUALITY) ** 3)


class _Chooser:
    """Chooses palettes of any number of colours for one histogram."""

    def __init__(self, histogram: Histogram, options: PaletteOptions) -> None:
        self.histogram, self.options = histogram, options
        self.rgba = histogram.rgba
        self.premultiply = not options.keep_hidden
        self.points = to_points(self.rgba, options.space, self.premultiply)
        keep = options.keep.rgba if options.keep else np.zeros((0, 4), np.uint8)
        self.leading = len(keep)
        clear = self.premultiply and len(histogram) > 0 and histogram.packed[0] == 0
        if clear and not (keep[:, 3] == 0).any():  # what is transparent stays so
            keep = np.concatenate([keep, np.zeros((1, 4), np.uint8)])
        self.keep = keep

    def __call__(self, count: int) -> Chosen:
        options = self.options
        if options.palette is not None:
            count = len(options.palette)
            return self._label(options.palette.rgba, count, count)
        exact = self._exact(count)
        if exact is not None:
            return exact
        keep = self.keep[:count]
        if len(keep) == count:
            return self._label(keep, min(self.leading, count), count)
        return self._chosen(*self._select(count, keep), self.leading, len(keep))

    def _exact(self, count: int) -> Chosen | None:
        """Return the colours themselves, after those to be kept, if they are few enough."""
        if len(self.histogram) > count:
            return None
        keep = self.keep[: self.leading]
        kept = {bytes(entry) for entry in keep}
        extra = [entry for entry in self.rgba if bytes(entry) not in kept]
        if len(keep) + len(extra) > count:
            return None
        rgba = np.concatenate([keep, np.array(extra, np.uint8).reshape(-1, 4)])
        number = {bytes(entry): k for k, entry in reversed(list(enumerate(rgba)))}
        labels = np.array([number[bytes(entry)] for entry in self.rgba], np.int32)
        return self._chosen(rgba, labels, self.leading, len(rgba))

    def _select(self, count: int, keep: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        from vqcodec.palette import select

        histogram, points = self.histogram, self.points
        fixed = to_points(keep, self.options.space, self.premultiply)
        if len(histogram) <= EXACT_COLORS:
            cells, means, weights = np.arange(len(histogram)), points, histogram.counts
        else:
            wanted = max(CELLS, CELLS_PER_ENTRY * count)
            cells, means, weights = group_cells(histogram, points, wanted)
        coarse = select.choose_centers(means, weights, count, fixed, SWAP_ROUNDS)
        clusters = select.Clusters(points, histogram.counts, coarse.centers, len(fixed))
        clusters.labels = coarse.labels[cells]
        clusters.iterate(POLISH_STEPS, 1e-3)
        if self.options.space is Space.OKLAB and _rescue(clusters):
            clusters.iterate(POLISH_STEPS, 1e-3)
        rgba = from_points(clusters.centers, self.options.space, self.premultiply)
        rgba[: len(keep)] = keep
        order = np.concatenate([np.arange(len(keep)), _by_luminance(rgba, len(keep))])
        rgba = rgba[order]
        clusters.labels = np.argsort(order).astype(np.int32)[clusters.labels]
        clusters.centers = to_points(rgba, self.options.space, self.premultiply)
        clusters.gather()
        clusters.assign()
        return rgba, clusters.labels

    def _chosen(self, rgba: np.ndarray, labels: np.ndarray, leading: int, fixed: int) -> Chosen:
        return Chosen(self.histogram, rgba, labels, leading, fixed, self.premultiply)

    def _label(self, rgba: np.ndarray, leading: int, fixed: int) -> Chosen:
        """Give every colour its nearest entry."""
        centers = to_points(rgba, self.options.space, self.premultiply)
        return self._chosen(rgba, _nearest(self.points, centers), leading, fixed)


def _nearest(points: np.ndarray, centers: np.ndarray) -> np.ndarray:
    """Return the number of the centre nearest to each point, (n,) int32."""
    if len(points) * len(centers) <= 1 << 20:  # not worth the start of the kernels
        squared = np.zeros((len(points), len(centers)), np.float32)
        for c in range(4):
            squared += (points[:, None, c] - centers[None, :, c]) ** 2
        return squared.argmin(axis=1).astype(np.int32)
    from vqcodec.palette.mapping import nearest_entries

    return nearest_entries(points, centers)


def _rescue(clusters: select.Clusters) -> bool:
    """Give entries to small groups of colours that are far from all others.

    A sum of squares is blind to a red flag of twenty pixels in a landscape; eyes are
    not. The group farthest off gets the entry that is missed least, as long as all
    of this costs no more than `RESCUE_COST` of the error. Rescued entries are fixed
    from then on. Returns whether there are any.
    """
    count = len(clusters.centers)
    points, weights = clusters.points, clusters.weights
    tried = np.zeros(len(points), bool)
    left = count // RESCUE_SHARE
    spent = 0.0
    while left:
        squared = ((points - clusters.centers[clusters.labels]) ** 2).sum(1)
        squared[tried] = 0.0
        seed = int(squared.argmax())
        if squared[seed] <= RESCUE_DISTANCE**2:
            break
        near = ((points - points[seed]) ** 2).sum(1) <= RESCUE_DISTANCE**2
        group = near & (squared > RESCUE_DISTANCE**2)
        tried |= group
        mass = weights[group]
        if mass.sum() < RESCUE_PIXELS:
            continue
        loss, second, error = clusters.removal()
        victim = int(loss.argmin())
        spent += float(loss[victim]) / max(error, 1e-30)
        if spent > RESCUE_COST:
            break
        emptied = clusters.labels == victim
        clusters.labels[emptied] = second[emptied]
        clusters.labels[group] = victim
        clusters.centers[victim] = mass @ points[group] / mass.sum()
        clusters.fix(victim)
        clusters.gather()
        clusters.assign()
        left -= 1
    return left < count // RESCUE_SHARE


# --- the pixels ------------------------------------------------------------------


def _map(
    images: Sequence[np.ndarray],
    histogram: Histogram,
    chosen: Chosen,
    options: PaletteOptions,
    steps: _Steps,
) -> tuple[np.ndarray, list[np.ndarray]]:
    """Return the palette, which the best dithering changes, and the indices of each image."""
    dither = options.dither if options.strength > 0 and not chosen.exact else Dither.NONE
    rgba = chosen.rgba
    if dither is Dither.NONE:
        return rgba, [_paint(image, histogram, chosen.labels) for image in images]
    from vqcodec.palette import mapping

    matcher = mapping.Matcher(rgba, options.space)
    if dither is Dither.BLUE_NOISE:
        points = to_points(histogram.rgba, options.space)
        lists = mapping.blue_noise_lists(points, matcher, options.strength)
        indices = [mapping.paint(image, histogram, lists) for image in images]
    else:
        diffuse = mapping.Diffuser(matcher, options.strength)
        indices = []
        for number, image in enumerate(images):
            steps(0.5 + 0.1 * number / len(images), "dithering")
            indices.append(diffuse(image))
    if dither is Dither.BEST:
        from vqcodec.palette.optimize import optimize

        rigid = options.palette is not None or len(images) > 1 or options.keep_hidden
        for number, image in enumerate(images):
            steps(0.6 + 0.4 * number / len(images), "optimising")
            rgba, indices[number] = optimize(
                image, rgba, indices[number], refits=0 if rigid else None, fixed=chosen.fixed
            )
    if options.keep_hidden:
        for image, index in zip(images, indices, strict=True):
            hidden = image[..., -1] == 0 if image.shape[2] == 4 else np.zeros(index.shape, bool)
            if hidden.any():
                index[hidden] = _paint(image, histogram, chosen.labels)[hidden]
    return rgba, indices


def _paint(image: np.ndarray, histogram: Histogram, labels: np.ndarray) -> np.ndarray:
    """Return the entry of every pixel's colour."""
    if image.shape[0] * image.shape[1] <= 1 << 20 and len(histogram) <= 1 << 12:
        return lookup(image, histogram, labels.astype(np.uint8))
    from vqcodec.palette import mapping

    return mapping.paint(image, histogram, labels.astype(np.uint8)[:, None])


def _order(
    rgba: np.ndarray, indices: list[np.ndarray], leading: int, options: PaletteOptions
) -> np.ndarray:
    """Return the numbers of the entries to keep, in their final order.

    Given palettes and leading entries keep their order. The rest goes by opacity,
    so that a PNG's transparency chunk stays short, then by luminance.
    """
    used = np.zeros(MAX_INDEXED, bool)
    for index in indices:
        for rows in bands(index):  # NumPy widens what it indexes with to eight bytes
            used[index[rows]] = True
    wanted = used[: len(rgba)] | options.keep_unused
    numbers = np.arange(len(rgba))
    if options.palette is not None:
        return numbers[wanted]
    wanted[:leading] = True
    rest = _by_luminance(rgba, leading)
    return np.concatenate([numbers[:leading], rest[wanted[rest]]])


def _by_luminance(rgba: np.ndarray, first: int) -> np.ndarray:
    """Return the numbers of the entries from `first` on, translucent ones first, then by light."""
    luminance = rgba[:, :3].astype(np.int64) @ [2126, 7152, 722]
    order = np.lexsort((np.arange(len(rgba)), luminance, rgba[:, 3] == 255))
    return order[order >= first]
