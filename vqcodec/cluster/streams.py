"""Training on more data than fits into memory.

Vectors come in batches: from an array or a memory map, from an iterator of
arrays, from a function that starts a fresh iterator, or from folders of images
and sounds. What can be read again is trained exactly, pass by pass with merged
statistics; what cannot is trained by mini-batches as it goes by.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from vqcodec.cluster.kmeans import fit_kmeans
from vqcodec.cluster.minibatch import MiniBatch
from vqcodec.cluster.progress import Progress, ProgressCallback
from vqcodec.cluster.statistics import ClusterStatistics
from vqcodec.cluster.validate import Seed, as_generator, as_vectors
from vqcodec.errors import ParameterError

Vectors = Iterable[Any] | Callable[[], Iterable[Any]] | np.ndarray
Paths = str | os.PathLike[str] | Sequence[str | os.PathLike[str]]

_SAMPLE = 64  # vectors for each codeword that the seeding sees
_SEED_STEPS = 20
_IMAGES = {".png", ".jpg", ".jpeg", ".webp", ".avif", ".tif", ".tiff", ".bmp", ".gif", ".ppm"}
_SOUNDS = {".wav", ".flac", ".ogg", ".opus", ".mp3", ".aiff", ".aif"}


@dataclass
class StreamFit:
    """A codebook trained on a stream.

    Attributes
    ----------
    centers : (K, d) float64
    counts : (K,) float64
        The vectors that each codeword won in the last pass.
    inertia : float
        The squared error of the last pass. After exact training it belongs to
        `centers`; after a single pass each batch is measured before it is learnt.
    passes : int
        Exact passes done; 0 after mini-batch training.
    """

    centers: np.ndarray
    counts: np.ndarray
    inertia: float
    passes: int


def fit_stream(
    source: Vectors,
    k: int,
    *,
    passes: int = 10,
    batch_size: int = 16384,
    tol: float = 1e-3,
    seed: Seed = 0,
    progress: ProgressCallback | None = None,
) -> StreamFit:
    """Train a codebook on a stream of vectors in bounded memory.

    Parameters
    ----------
    source : array, iterable of (n, d) arrays, or callable that returns one
        Arrays, memory maps, lists of arrays and callables can be read many
        times. An iterator is read once.
    k : int
        The number of codewords.
    passes : int
        The limit of exact passes over a source that can be read again.
    batch_size : int
        The vectors in memory at a time.
    tol : float
        Stop when a pass lowers the squared error by less than this share.
    seed : int, Generator, RandomState or None
    progress : callable, optional
        ``progress(fraction, message)``; returning False cancels.

    Returns
    -------
    StreamFit

    Raises
    ------
    ParameterError
        No vectors, too few of them, ill-shaped ones, NaN or infinity.
    CancelledError
        The progress callback returned False.
    """
    if k < 1 or passes < 1 or batch_size < 1:
        raise ParameterError("k, passes and batch_size must be at least 1")
    generator = as_generator(seed)
    reports = Progress(progress)
    if isinstance(source, Iterator):
        return _learn_once(batches(source, batch_size), k, generator, reports)
    return _learn_exactly(source, k, passes, batch_size, tol, generator, reports)


def batches(source: Vectors, batch_size: int) -> Iterator[np.ndarray]:
    """Yield checked float arrays of at most `batch_size` rows, in order.

    Short arrays are put together, long ones are cut; a memory map is read slice by slice.
    """
    arrays = source() if callable(source) else source
    if isinstance(arrays, np.ndarray):
        arrays = [arrays]
    waiting: list[np.ndarray] = []
    rows = 0
    for array in arrays:
        if np.ndim(array) != 2:
            raise ParameterError(f"the stream must hold (n, d) arrays, got {np.shape(array)}")
        for start in range(0, len(array), batch_size):
            part = as_vectors(array[start : start + batch_size], "the stream")
            if waiting and part.shape[1] != waiting[0].shape[1]:
                raise ParameterError("the stream holds vectors of different dimensions")
            if rows + len(part) > batch_size:
                yield np.concatenate(waiting)
                waiting, rows = [], 0
            waiting.append(part)
            rows += len(part)
    if waiting:
        yield np.concatenate(waiting)


def _learn_once(
    stream: Iterator[np.ndarray], k: int, generator: np.random.Generator, reports: Progress
) -> StreamFit:
    first: list[np.ndarray] = []
    for batch in stream:
        first.append(batch)
        if sum(map(len, first)) >= _SAMPLE * k:
            break
    if not first:
        raise ParameterError("the stream is empty")
    start = np.concatenate(first)
    seeded = fit_kmeans(start, k, max_iter=_SEED_STEPS, seed=generator)
    state = MiniBatch(seeded.centers, seeded.counts)
    inertia, vectors = seeded.inertia, len(start)
    counts = seeded.counts.copy()
    for batch in stream:
        error, _, won = state.learn(batch, None, generator)
        inertia += error
        counts += won
        vectors += len(batch)
        reports.report(0.0, f"{vectors} vectors")
    reports.report(1.0, f"{vectors} vectors")
    return StreamFit(state.centers, counts, inertia, 0)


def _learn_exactly(
    source: Vectors,
    k: int,
    passes: int,
    batch_size: int,
    tol: float,
    generator: np.random.Generator,
    reports: Progress,
) -> StreamFit:
    sample = _sample(batches(source, batch_size), _SAMPLE * k, generator)
    codebook = fit_kmeans(sample, k, max_iter=_SEED_STEPS, seed=generator).centers
    previous = np.inf
    for done in range(1, passes + 2):  # the last pass only measures
        statistics = ClusterStatistics.empty(*codebook.shape)
        for batch in batches(source, batch_size):
            statistics.add(batch, codebook)
            reports.report((done - 1) / (passes + 1), f"pass {done}")
        inertia = statistics.inertia
        if done > passes or previous - inertia <= tol * inertia:
            break
        previous = inertia
        codebook = statistics.means(codebook)
    reports.report(1.0, f"{k} codewords, distortion {inertia:.6g}")
    return StreamFit(codebook, statistics.counts, inertia, done - 1)


def _sample(stream: Iterator[np.ndarray], size: int, generator: np.random.Generator) -> np.ndarray:
    """Return `size` vectors of a stream, each subset equally likely.

    Every vector draws a number, and the lowest numbers stay.
    """
    kept, keys = np.empty((0, 0)), np.empty(0)
    for batch in stream:
        drawn = generator.random(len(batch))
        kept = batch if len(keys) == 0 else np.concatenate([kept, batch])
        keys = np.concatenate([keys, drawn])
        if len(keys) > size:
            lowest = np.sort(np.argpartition(keys, size)[:size])
            kept, keys = kept[lowest], keys[lowest]
    if len(keys) == 0:
        raise ParameterError("the stream is empty")
    return kept


def image_patches(
    paths: Paths, height: int, width: int, *, gray: bool = False
) -> Callable[[], Iterator[np.ndarray]]:
    """Return a source of the blocks of images, for `fit_stream`.

    Parameters
    ----------
    paths : path or sequence of paths
        Image files, or folders that are searched for them.
    height, width : int
        The block; what is left over at the right and lower edge is not used.
    gray : bool
        Take the mean of the colours; alpha is not used.

    Returns
    -------
    callable
        Each call reads the images again, one array of (blocks, height · width · channels)
        for each image, in the order of the names.
    """
    files = _files(paths, _IMAGES)

    def read() -> Iterator[np.ndarray]:
        from vqcodec.media import load_image

        for file in files:
            samples = load_image(file).samples
            colours = samples[..., :1] if samples.shape[2] < 3 else samples[..., :3]
            if gray:
                colours = colours.mean(axis=2, keepdims=True, dtype=np.float32)
            rows, columns = colours.shape[0] // height, colours.shape[1] // width
            if rows and columns:
                cut = colours[: rows * height, : columns * width]
                blocks = cut.reshape(rows, height, columns, width, -1).swapaxes(1, 2)
                yield blocks.reshape(rows * columns, -1)

    return read


def audio_frames(paths: Paths, length: int) -> Callable[[], Iterator[np.ndarray]]:
    """Return a source of the frames of sounds, for `fit_stream`.

    Parameters
    ----------
    paths : path or sequence of paths
        Sound files, or folders that are searched for them.
    length : int
        Samples in each frame; the channels follow one another, and what is
        left over at the end is not used.

    Returns
    -------
    callable
        Each call reads the sounds again, one array of (frames, length) for each.
    """
    files = _files(paths, _SOUNDS)

    def read() -> Iterator[np.ndarray]:
        from vqcodec.media import load_audio

        for file in files:
            samples = load_audio(file).samples
            frames = len(samples) // length
            if frames:
                yield samples[: frames * length].T.reshape(-1, length)

    return read


def _files(paths: Paths, suffixes: set[str]) -> list[Path]:
    given = [paths] if isinstance(paths, str | os.PathLike) else list(paths)
    files: list[Path] = []
    for path in map(Path, given):
        if path.is_dir():
            found = (p for p in path.rglob("*") if p.suffix.lower() in suffixes and p.is_file())
            files += sorted(found)
        else:
            files.append(path)
    if not files:
        raise ParameterError(f"no files with vectors in {', '.join(map(str, given))}")
    return files
