"""Codebook design for one plane: k-means, then Lloyd steps through the index coder.

Plain k-means minimises the error alone. Where indices are entropy-coded the
codebook is refined by the iteration of entropy-constrained VQ (Chou, Lookabaugh
and Gray 1989), with the real coder in the loop: code the plane at the wanted
lambda, move every codeword to the mean of the vectors that chose it, drop the
codewords that nobody chose.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from vqcodec.errors import CodebookError, FormatError
from vqcodec.patch.blocks import (
    PlaneShape,
    remove_means,
    row_chunks,
    sample_vectors,
    to_vectors,
)
from vqcodec.patch.ordering import order, quantize, step_for

if TYPE_CHECKING:
    from vqcodec.patch.planes import Rows

_VECTORS_PER_CODEWORD = 128
_LEAST_TRAINING = 1 << 15
_MOST_TRAINING = 1 << 19
_LLOYD_STEPS = 25
_CODER_STEPS = 2
_BAND_BLOCKS = 1 << 15  # blocks that the coder steps look at


@dataclass(frozen=True)
class PlaneBook:
    """The codebook of one plane, as the decoder will have it.

    `codewords` are integers (K, dimension), sorted so that neighbours look
    alike, all multiples of `step` within the range of the samples (of their
    differences, where means are removed). `frequencies` are what a trained
    codebook knows of their use.
    """

    codewords: np.ndarray
    step: int = 1
    frequencies: np.ndarray | None = None

    @property
    def count(self) -> int:
        return len(self.codewords)


def sample_range(bits: int, means_removed: bool) -> tuple[int, int]:
    """Return the least and the greatest sample that a codeword may have."""
    peak = (1 << bits) - 1
    return (-peak if means_removed else 0), peak


def require_range(codewords: np.ndarray, bits: int, means_removed: bool) -> None:
    """Refuse codewords whose samples no image has."""
    low, high = sample_range(bits, means_removed)
    if codewords.size == 0 or int(codewords.min()) < low or int(codewords.max()) > high:
        raise FormatError("the codewords are beyond the range of the samples")


def training_vectors(
    padded: np.ndarray | Rows,
    shape: PlaneShape,
    count: int,
    means_removed: bool,
    seed: int,
    most: int = _MOST_TRAINING,
) -> np.ndarray:
    """Draw the vectors of a plane that a codebook of `count` codewords is trained on."""
    most = min(max(_VECTORS_PER_CODEWORD * count, _LEAST_TRAINING), most)
    vectors = sample_vectors(padded, shape, most, seed)
    return remove_means(vectors, shape.channels)[1] if means_removed else vectors


def train_centres(
    vectors: np.ndarray,
    count: int,
    seed: int,
    max_iter: int = _LLOYD_STEPS,
    progress: Callable[[float, str], bool | None] | None = None,
    history: list[float] | None = None,
) -> np.ndarray:
    """Return the centres of `count` clusters, or the distinct vectors if they are fewer.

    `history` receives the mean squared error of a sample at every step of the training.
    """
    distinct, weights = distinct_vectors(vectors, count)
    if len(distinct) <= count:
        return distinct.astype(np.float64)
    from vqcodec.cluster.kmeans import fit_kmeans

    distortions: list[float] | None = None if history is None else []
    fit = fit_kmeans(
        distinct.astype(np.float32), count, weights=weights, max_iter=max_iter, tol=1e-3,
        seed=seed, progress=progress, history=distortions,
    )  # fmt: skip
    if history is not None and distortions is not None:
        history += [distortion / vectors.size for distortion in distortions]
    return fit.centers


def distinct_vectors(vectors: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray | None]:
    """Merge equal vectors, with weights, where that pays: few are distinct, or all must be."""
    items = np.ascontiguousarray(vectors).view(np.dtype((np.void, vectors[0].nbytes))).ravel()
    _, first, counts = np.unique(items, return_index=True, return_counts=True)
    if len(first) > max(count, len(vectors) // 2):
        return vectors, None
    return vectors[first], counts.astype(np.float64)


def balanced_step(lagrangian: float, samples: int, count: int, dimension: int) -> float:
    """Return the step of the codewords that balances their bits against their error.

    Rounding to multiples of D adds ``samples * D**2 / 12`` to the squared
    error and saves ``count * dimension * log2(D)`` bits.
    """
    return math.sqrt(6 * lagrangian * count * dimension / (samples * math.log(2)))


@dataclass(frozen=True)
class Band:
    """Whole rows of blocks of a plane, as a plane of their own."""

    padded: np.ndarray
    shape: PlaneShape


def band_of(padded: np.ndarray | Rows, shape: PlaneShape, blocks: int = _BAND_BLOCKS) -> Band:
    """Return a plane, or evenly spaced bands of a large one, of about so many blocks."""
    if shape.blocks <= blocks:
        return Band(padded[:], shape)
    bh = shape.block[0]
    rows = max(1, blocks // shape.columns)
    count = min(8, rows)
    deep = rows // count
    starts = np.linspace(0, shape.rows - deep, count).astype(int)
    band = np.concatenate([padded[start * bh : (start + deep) * bh] for start in starts])
    return Band(band, PlaneShape(len(band), shape.width, shape.channels, shape.block))


def design(
    bands: Sequence[Band],
    centres: np.ndarray,
    lagrangian: float,
    means_removed: bool,
    entropy_coded: bool,
    samples: int = 0,
    stored: bool = True,
) -> tuple[PlaneBook, np.ndarray]:
    """Turn trained centres into the codebook that goes into a file.

    Parameters
    ----------
    bands : sequence of Band
        What the coder steps look at: parts of one plane, or of many images.
    centres : (K, dimension) ndarray
    lagrangian : float
        Squared error that a bit is worth, in units of the samples.
    means_removed, entropy_coded : bool
    samples : int
        Samples of the plane that the codebook is embedded with.
    stored : bool
        Whether the codebook's own bits count (they do not if it is external).

    Returns
    -------
    PlaneBook
    counts : (K,) ndarray of int64
        How often the last coder step used each codeword (ones without a step).
    """
    shape = bands[0].shape
    bits = 8 * bands[0].padded.itemsize
    low, high = sample_range(bits, means_removed)
    refined = entropy_coded and lagrangian > 0 and len(centres) > 1
    if refined:
        for _ in range(_CODER_STEPS):
            rounded = np.unique(quantize(centres, 1, low, high), axis=0)
            rounded = rounded[order(rounded)]
            sums, counts = _coder_step(bands, rounded, lagrangian, means_removed)
            used = counts > 0
            centres = sums[used] / counts[used, None]
    step = 1
    if stored and refined:
        balance = balanced_step(lagrangian, samples, len(centres), shape.dimension)
        step = step_for(balance, bits)
    codewords = np.unique(quantize(centres, step, low, high), axis=0)
    book = PlaneBook(codewords[order(codewords)], step)
    if stored or not entropy_coded:
        return book, np.ones(book.count, np.int64)
    return book, _coder_step(bands, book.codewords, lagrangian, means_removed)[1]


def _coder_step(
    bands: Sequence[Band], codewords: np.ndarray, lagrangian: float, removed: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Code the bands; return the sum and the number of the vectors that chose each codeword."""
    from vqcodec.patch.indexcoder import encode_indices

    sums = np.zeros(codewords.shape)
    counts = np.zeros(len(codewords), np.int64)
    for band in bands:
        padded, shape = band.padded, band.shape
        means = plane_means(padded, shape) if removed else np.zeros((0, 0, 0), np.int64)
        indices = encode_indices(padded, means, codewords, shape, lagrangian)[1].ravel()
        for rows in row_chunks(shape):
            strip = padded[rows.start * shape.block[0] : rows.stop * shape.block[0]]
            vectors = to_vectors(strip, shape)
            if removed:
                vectors = remove_means(vectors, shape.channels)[1]
            here = indices[rows.start * shape.columns : rows.stop * shape.columns]
            for j in range(shape.dimension):
                sums[:, j] += np.bincount(here, vectors[:, j], len(codewords))
        counts += np.bincount(indices, minlength=len(codewords))
    return sums, counts


def plane_means(padded: np.ndarray, shape: PlaneShape) -> np.ndarray:
    """Return the block means (rows, columns, channels) of a padded plane."""
    means = np.zeros((shape.rows, shape.columns, shape.channels), np.int64)
    for rows in row_chunks(shape):
        strip = padded[rows.start * shape.block[0] : rows.stop * shape.block[0]]
        part = remove_means(to_vectors(strip, shape), shape.channels)[0]
        means[rows] = part.reshape(-1, shape.columns, shape.channels)
    return means


def require_vectors(shape: PlaneShape, count: int) -> None:
    """Refuse a codebook of more codewords than the plane has vectors."""
    if count > shape.blocks:
        bh, bw = shape.block
        raise CodebookError(
            f"{count} codewords were asked for, but a plane of this image has only "
            f"{shape.blocks} blocks of {bw}x{bh}: ask for fewer, or for smaller blocks"
        )
