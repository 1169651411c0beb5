"""The palette quantiser on one page: pixels -> colours -> palette -> indices.

The palette is chosen (`choose`) on the distinct colours (`histogram`) or, for
photographs, on cells of them (`cells`); then every pixel gets an entry, dithered or
not (`mapping`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from vqcodec.errors import CancelledError
from vqcodec.palette.choose import Chosen, Colors, by_luminance, choose_palette, quality_of
from vqcodec.palette.histogram import bands, lookup
from vqcodec.palette.options import MAX_INDEXED, Dither, PaletteOptions
from vqcodec.palette.space import to_points
from vqcodec.palette.value import Palette

Progress = Callable[[float, str], bool | None]


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
        return len(self.chosen.colors.histogram)

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
    own: bytes = b"",
) -> Quantized:
    """Reduce images to one common palette.

    Parameters
    ----------
    images : sequence of (height, width, 3 or 4) ndarrays of uint8, C-contiguous
    options : PaletteOptions
    progress : callable, optional
    own : bytes
        The palette that an indexed image had, RGBA after RGBA. If all colours are
        kept, they keep their order.

    Raises
    ------
    TargetError
        The quality asked for is not reached.
    CancelledError
    """
    steps = _Steps(progress)
    images = [np.require(image, np.uint8, ["C", "W"]) for image in images]
    steps(0.0, "choosing the palette")
    colors = Colors(images, merge_transparent=not options.keep_hidden)
    chosen = choose_palette(colors, options)
    steps(0.5, "mapping")
    rgba, indices = _map(images, chosen, options, steps)
    order = _order(rgba, indices, chosen.leading, options)
    if own and chosen.exact and chosen.leading == 0:
        order = _as_it_was(rgba, order, own)
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


# --- the pixels ------------------------------------------------------------------


def _map(
    images: Sequence[np.ndarray],
    chosen: Chosen,
    options: PaletteOptions,
    steps: _Steps,
) -> tuple[np.ndarray, list[np.ndarray]]:
    """Return the palette, which the best dithering changes, and the indices of each image."""
    dither = options.dither if options.strength > 0 and not chosen.exact else Dither.NONE
    rgba = chosen.rgba
    if dither is Dither.NONE:
        return rgba, [_paint(image, chosen) for image in images]
    from vqcodec.palette import mapping

    matcher = mapping.Matcher(rgba, options.space)
    if dither is Dither.BLUE_NOISE:
        colors = chosen.colors
        points = to_points(colors.histogram.rgba, options.space)
        lists = mapping.blue_noise_lists(points, matcher, options.strength)
        indices = [mapping.paint(image, colors.histogram, lists) for image in images]
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
                index[hidden] = _paint(image, chosen)[hidden]
    return rgba, indices


def _paint(image: np.ndarray, chosen: Chosen) -> np.ndarray:
    """Return the entry of every pixel's colour."""
    colors, labels = chosen.colors, chosen.labels.astype(np.uint8)
    if colors.cells is not None:
        return colors.cells.paint(image, labels)
    histogram = colors.histogram
    if image.shape[0] * image.shape[1] <= 1 << 20 and len(histogram) <= 1 << 12:
        return lookup(image, histogram, labels)
    from vqcodec.palette import mapping

    return mapping.paint(image, histogram, labels[:, None])


def _order(
    rgba: np.ndarray, indices: list[np.ndarray], leading: int, options: PaletteOptions
) -> np.ndarray:
    """Return the numbers of the entries to keep, in their final order.

    Given palettes and leading entries keep their order. The rest goes by opacity,
    so that a PNG's transparency chunk stays short, then by luminance.
    """
    used = np.zeros(MAX_INDEXED, bool)
    for index in indices:
        used[index[:: max(1, index.shape[0] // 16)]] = True  # mostly these are all
    if not used[: len(rgba)].all():
        for index in indices:
            for rows in bands(index):  # NumPy widens what it indexes with to eight bytes
                used[index[rows]] = True
    wanted = used[: len(rgba)] | options.keep_unused
    numbers = np.arange(len(rgba))
    if options.palette is not None:
        return numbers[wanted]
    wanted[:leading] = True
    rest = by_luminance(rgba, leading)
    return np.concatenate([numbers[:leading], rest[wanted[rest]]])


def _as_it_was(rgba: np.ndarray, order: np.ndarray, own: bytes) -> np.ndarray:
    """Return the numbers of the entries in the order of the palette that they come from."""
    entries = [own[i : i + 4] for i in range(0, len(own), 4)]
    first = {entry: i for i, entry in reversed(list(enumerate(entries)))}
    return np.array(sorted(order, key=lambda k: first.get(bytes(rgba[k]), len(entries))))
