"""Nearest codewords: the exact full search that everything else in the trainer is made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from vqcodec.cluster.validate import as_codebook, as_vectors
from vqcodec.errors import ParameterError


@dataclass(frozen=True)
class Frame:
    """The origin and the power-of-two scale in which points fit float32 well.

    A frame only decides how often a near tie must be looked at in float64,
    never a label.
    """

    origin: np.ndarray
    scale: float

    @classmethod
    def of(cls, points: np.ndarray) -> Frame:
        """Choose the frame of `points`; integers stay integers in it."""
        if points.dtype == np.uint8:
            return cls(np.full(points.shape[1], 128.0), 2.0**-7)
        from vqcodec.cluster.sumkernels import column_ranges

        low, high, origin = column_ranges(points)
        if not np.isfinite(origin).all():  # the sum passed the largest float64
            origin = np.zeros(points.shape[1])
        smallest = 1e-30 if points.dtype == np.float32 else 1e-150
        scale = _power_of_two(np.maximum(origin - low, high - origin), smallest)
        grid = 2.0**10 * scale
        # What float32 points are compared with must itself be float32.
        origin = (np.rint(origin * grid) / grid).astype(points.dtype)
        return cls(origin.astype(np.float64), scale)

    def around(self, codebook: np.ndarray) -> Frame:
        """Return the frame, widened if need be, in which `codebook` fits too."""
        return Frame(self.origin, min(self.scale, _power_of_two(np.abs(codebook - self.origin))))


def _power_of_two(magnitudes: np.ndarray, smallest: float = 1e-150) -> float:
    """Return the power of two that scales `magnitudes` to at most 1."""
    return float(2.0 ** -np.ceil(np.log2(np.clip(magnitudes.max(), smallest, 1e150))))


class NearestCodeword:
    """Exact nearest-codeword search with one codebook, prepared once for many calls.

    Parameters
    ----------
    codebook : (K, d) float64 array
    frame : Frame
    penalty : (K,) float64 array, optional
        Added to the squared distances, as the rate term of entropy-constrained search.
    """

    def __init__(
        self, codebook: np.ndarray, frame: Frame, penalty: np.ndarray | None = None
    ) -> None:
        from vqcodec.cluster.kernels import tile_codebook

        self.codebook = codebook
        self._columns = np.ascontiguousarray(codebook.T)
        # Only differences count; `search` relies on the least penalty being zero.
        self._penalty = np.zeros(len(codebook)) if penalty is None else penalty - penalty.min()
        frame = self._frame = frame.around(codebook)
        self._tiled = tile_codebook(codebook, self._penalty, frame.origin, frame.scale)

    def search(
        self, points: np.ndarray, start: int, stop: int, boxes: np.ndarray | None = None
    ) -> np.ndarray:
        """Return the (stop - start,) int32 labels of ``points[start:stop]``.

        Where `points` are counted colours, `boxes` are all their
        `vqcodec.cluster.colours.bounding_boxes`.
        """
        from vqcodec.cluster.colours import search_cells
        from vqcodec.cluster.kernels import search

        labels = np.empty(stop - start, np.int32)
        if boxes is not None:
            columns = np.zeros((3, len(self.codebook)))
            columns[: points.shape[1]] = self._columns
            search_cells(points, start, stop, boxes, columns, labels)
            return labels
        search(
            points,
            start,
            stop,
            self._frame.origin.astype(points.dtype),
            points.dtype.type(self._frame.scale),
            *self._tiled,
            self._columns,
            self._penalty,
            labels,
        )
        return labels

    def distances(self, points: np.ndarray, start: int, labels: np.ndarray) -> np.ndarray:
        """Return the float64 squared distances of points from `start` on to codewords `labels`."""
        from vqcodec.cluster.sumkernels import squared_distances

        distances = np.empty(len(labels))
        squared_distances(points, start, self.codebook, labels, distances)
        return distances


def assign(points: Any, codebook: Any, *, penalty: Any = None) -> tuple[np.ndarray, np.ndarray]:
    """Find the nearest codeword of every point.

    Parameters
    ----------
    points : (n, d) array of integers or floats
    codebook : (K, d) array
    penalty : (K,) array, optional
        Added to each codeword's squared distance before they are compared, such
        as a Lagrangian times the code lengths. The distances returned leave it out.

    Returns
    -------
    labels : (n,) int32
        The labels of float64 arithmetic; of equally near codewords the first.
        For integer points and codewords they are the same on every machine.
    squared_distances : (n,) float64

    Raises
    ------
    ParameterError
        Wrong rank or dimensions, no vectors, NaN or infinity.
    """
    points = as_vectors(points)
    codewords = as_codebook(codebook, points.shape[1])
    if penalty is not None:
        penalty = np.ascontiguousarray(penalty, dtype=np.float64)
        if penalty.shape != (len(codewords),) or not np.isfinite(penalty).all():
            raise ParameterError("penalty must hold one finite value for each codeword")
    nearest = NearestCodeword(codewords, Frame.of(points), penalty)
    return assign_all(nearest, points)


def assign_all(nearest: NearestCodeword, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return labels and squared distances of all `points`, on all threads."""
    from vqcodec.cluster.parallel import chunk_ranges, run_chunks

    labels = np.empty(len(points), np.int32)
    distances = np.empty(len(points))

    def work(_: int, start: int, stop: int) -> None:
        labels[start:stop] = nearest.search(points, start, stop)
        distances[start:stop] = nearest.distances(points, start, labels[start:stop])

    run_chunks(work, chunk_ranges(len(points)))
    return labels, distances
