"""Choosing the palette of some colours: how many, which were given, which are rescued.

The colours are a `Histogram` or, for photographs, `Cells`; `select` does the clustering.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from vqcodec.errors import TargetError
from vqcodec.palette.histogram import Histogram, count_colors, group_cells
from vqcodec.palette.options import MAX_INDEXED, Dither, PaletteOptions
from vqcodec.palette.space import Space, from_points, to_points

if TYPE_CHECKING:
    from vqcodec.palette import select
    from vqcodec.palette.cells import Cells

AUTO_QUALITY = 85
HALF_QUALITY = 0.0155
EXACT_COLORS = 6000  # up to so many, the palette is chosen on the colours themselves
CELLS = 3000  # of 6 bits a channel, at least, or the colours are looked at one by one
GROUPS = 1000  # the search goes over at least so many groups of colours, or over
GROUPS_PER_ENTRY = 20  # times the size of the palette
SWAP_ROUNDS = 40  # for few colours; the more there are, the fewer, down to
LEAST_ROUNDS = 5
MANY_COLORS = 32
POLISH_STEPS = 6
SAMPLE = 1 << 15  # pixels that tell whether there are many colours
SPREAD = 1.6  # over the number of colours: how far a palette for dithering is pulled apart,
MOST_SPREAD = 0.1  # at most so much
RESCUE_DISTANCE = 0.1  # in Oklab: about five just noticeable differences
RESCUE_PIXELS = 8
RESCUE_COST = 0.08  # of the whole error, at most, before the others have moved
RESCUE_SHARE = 32  # at most one entry in so many


class Colors:
    """The colours of images, counted when they are asked for."""

    def __init__(self, images: Sequence[np.ndarray], merge_transparent: bool = True) -> None:
        self.images, self.merge_transparent = images, merge_transparent

    @functools.cached_property
    def histogram(self) -> Histogram:
        """All of them."""
        if self.cells is not None:
            return self.cells.histogram
        return count_colors(self.images, self.merge_transparent)

    @functools.cached_property
    def cells(self) -> Cells | None:
        """Cells of them, if they are opaque and too many to look at one by one."""
        if any(image.shape[2] == 4 for image in self.images):
            return None
        pixels = sum(image.shape[0] * image.shape[1] for image in self.images)
        step = max(1, pixels // SAMPLE)
        sample = count_colors([image[step // 2 % len(image) :: step] for image in self.images])
        if len(sample) <= EXACT_COLORS:
            return None
        from vqcodec.palette.cells import Cells

        cells = Cells(self.images)
        return cells if len(cells) >= CELLS else None


@dataclass(frozen=True, eq=False)
class Chosen:
    """A palette for some colours.

    The first `leading` entries were given, and keep their places; the first `fixed`
    keep their colours. `known` are the entries of all colours, if they were looked at.
    """

    colors: Colors
    rgba: np.ndarray
    leading: int
    fixed: int
    space: Space
    premultiply: bool
    known: np.ndarray | None = None

    @functools.cached_property
    def labels(self) -> np.ndarray:
        """The entry nearest to each colour of the histogram."""
        if self.known is not None:
            return self.known
        points = to_points(self.colors.histogram.rgba, self.space, self.premultiply)
        return _nearest(points, to_points(self.rgba, self.space, self.premultiply))

    @functools.cached_property
    def exact(self) -> bool:
        """Whether every colour is an entry."""
        if self.known is None or len(self.known) > len(self.rgba):
            return False
        return np.array_equal(self.rgba[self.known], self.colors.histogram.rgba)

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
        histogram = self.colors.histogram
        points = to_points(histogram.rgba, space, self.premultiply)
        points -= to_points(self.rgba, space, self.premultiply)[self.labels]
        squared = np.einsum("nc,nc->n", points, points, dtype=np.float64)
        counts = histogram.counts.astype(np.float64)
        return float(squared @ counts / counts.sum())


def choose_palette(colors: Colors, options: PaletteOptions) -> Chosen:
    """Choose the palette, and if that is asked for, how many colours it takes.

    Raises
    ------
    TargetError
        The quality asked for is not reached.
    """
    low, high = options.quality or (0, 100)
    wanted = options.quality is not None or options.max_error is not None
    automatic = options.colors is None and not wanted
    limit = options.colors or MAX_INDEXED
    chooser = _Chooser(colors, options)
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
    """Chooses palettes of any number of colours, on all colours or on cells of them."""

    def __init__(self, colors: Colors, options: PaletteOptions) -> None:
        self.colors, self.options, self.cells = colors, options, colors.cells
        diffused = options.dither in (Dither.FLOYD_STEINBERG, Dither.BEST) and options.strength > 0
        self.rough = self.cells is not None and diffused
        self.premultiply = not options.keep_hidden
        keep = options.keep.rgba if options.keep else np.zeros((0, 4), np.uint8)
        self.leading = len(keep)
        if self.cells is not None:
            self.points, self.weights = self.cells.points(options.space), self.cells.weights
        else:
            histogram = colors.histogram
            self.points, self.weights = self._all_points, histogram.counts
            clear = self.premultiply and len(histogram) > 0 and histogram.packed[0] == 0
            if clear and not (keep[:, 3] == 0).any():  # what is transparent stays so
                keep = np.concatenate([keep, np.zeros((1, 4), np.uint8)])
        self.keep = keep

    @functools.cached_property
    def _all_points(self) -> np.ndarray:
        return to_points(self.colors.histogram.rgba, self.options.space, self.premultiply)

    def __call__(self, count: int) -> Chosen:
        options = self.options
        if options.palette is not None:
            return self._nearest(options.palette.rgba, len(options.palette))
        exact = self._exact(count)
        if exact is not None:
            return exact
        keep = self.keep[:count]
        if len(keep) == count:
            return self._nearest(keep, min(self.leading, count))
        rgba, labels = self._select(count, keep)
        return self._chosen(rgba, self.leading, len(keep), labels)

    def _chosen(
        self, rgba: np.ndarray, leading: int, fixed: int, known: np.ndarray | None
    ) -> Chosen:
        space = self.options.space
        return Chosen(self.colors, rgba, leading, fixed, space, self.premultiply, known)

    def _nearest(self, rgba: np.ndarray, leading: int) -> Chosen:
        """Give every colour its nearest entry of a palette that is settled."""
        labels = None
        if not self.rough:
            centers = to_points(rgba, self.options.space, self.premultiply)
            labels = _nearest(self._all_points, centers)
        return self._chosen(rgba, leading, len(rgba), labels)

    def _exact(self, count: int) -> Chosen | None:
        """Return the colours themselves, after those to be kept, if they are few enough."""
        if self.cells is not None or len(self.points) > count:
            return None
        colors = self.colors.histogram.rgba
        keep = self.keep[: self.leading]
        kept = {bytes(entry) for entry in keep}
        extra = [entry for entry in colors if bytes(entry) not in kept]
        if len(keep) + len(extra) > count:
            return None
        rgba = np.concatenate([keep, np.array(extra, np.uint8).reshape(-1, 4)])
        number = {bytes(entry): k for k, entry in reversed(list(enumerate(rgba)))}
        labels = np.array([number[bytes(entry)] for entry in colors], np.int32)
        return self._chosen(rgba, self.leading, len(rgba), labels)

    def _select(self, count: int, keep: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        """Return a palette and, unless there are only cells, the entry of each colour."""
        from vqcodec.palette import select

        options = self.options
        fixed = to_points(keep, options.space, self.premultiply)
        groups, means, weights = self._group(max(GROUPS, GROUPS_PER_ENTRY * count))
        rounds = SWAP_ROUNDS
        if count > MANY_COLORS:
            rounds = max(LEAST_ROUNDS, SWAP_ROUNDS * MANY_COLORS // (2 * count))
        coarse = select.choose_centers(means, weights, count, fixed, rounds)
        clusters = select.Clusters(self.points, self.weights, coarse.centers, len(fixed))
        clusters.labels = coarse.labels[groups]
        clusters.iterate(POLISH_STEPS, 1e-3)
        if options.space is Space.OKLAB and _rescue(clusters):
            clusters.iterate(POLISH_STEPS, 1e-3)
        if self.cells is not None and not self.rough:
            labels, moved = clusters.labels[self.cells.owners], clusters.fixed
            points, counts = self._all_points, self.colors.histogram.counts
            clusters = select.Clusters(points, counts, clusters.centers, moved)
            clusters.labels = labels
            clusters.iterate(POLISH_STEPS, 1e-3)
        if self.rough:
            _spread(clusters, count)
        rgba = from_points(clusters.centers, options.space, self.premultiply)
        rgba[: len(keep)] = keep
        order = np.concatenate([np.arange(len(keep)), by_luminance(rgba, len(keep))])
        rgba = rgba[order]
        if self.rough:
            return rgba, None
        clusters.labels = np.argsort(order).astype(np.int32)[clusters.labels]
        clusters.centers = to_points(rgba, options.space, self.premultiply)
        clusters.gather()
        clusters.assign()
        return rgba, clusters.labels

    def _group(self, wanted: int) -> tuple[np.ndarray, ...]:
        """Group the colours: the group of each, and the means and weights of the groups."""
        if self.cells is not None:
            groups, means, weights = self.cells.group(self.points)
            if len(means) >= wanted:
                return groups, means, weights
        elif len(self.points) > EXACT_COLORS:
            return group_cells(self.colors.histogram, self.points, wanted)
        return np.arange(len(self.points)), self.points, self.weights


def _spread(clusters: select.Clusters, count: int) -> None:
    """Move the centres apart, away from the mean of all colours.

    Dithering mixes entries, so that it reaches only what lies between them, while means
    of clusters leave out what lies at the rim.
    """
    mean = clusters.weights @ clusters.points / clusters.weights.sum()
    free = clusters.centers[clusters.fixed :]
    free += np.float32(min(MOST_SPREAD, SPREAD / count)) * (free - mean)


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


def by_luminance(rgba: np.ndarray, first: int) -> np.ndarray:
    """Return the numbers of the entries from `first` on, translucent ones first, then by light."""
    luminance = rgba[:, :3].astype(np.int64) @ [2126, 7152, 722]
    order = np.lexsort((np.arange(len(rgba)), luminance, rgba[:, 3] == 255))
    return order[order >= first]
