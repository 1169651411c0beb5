"""PCA and whitening before clustering, undone in the codebook.

In high dimensions most of the distance is noise; clustering the strongest
principal components is faster and often better. Whitened components weigh alike.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from vqcodec.cluster.assign import Frame
from vqcodec.cluster.kmeans import ClusterSums, Fit, fit_kmeans
from vqcodec.cluster.validate import as_vectors, as_weights
from vqcodec.errors import ParameterError


@dataclass(frozen=True)
class Projection:
    """Principal axes of some points.

    Attributes
    ----------
    mean : (d,) float64
    axes : (m, d) float64
        Orthonormal, the strongest first.
    scales : (m,) float64
        What each component is divided by: standard deviations, or ones.
    """

    mean: np.ndarray
    axes: np.ndarray
    scales: np.ndarray

    @classmethod
    def of(
        cls, points: Any, dimensions: int | float | None = None, *, whiten: bool = False
    ) -> Projection:
        """Find the principal axes of `points`.

        Parameters
        ----------
        points : (n, d) array
        dimensions : int or float, optional
            How many axes to keep, or the share of the variance that they must hold.
        whiten : bool
            Scale every component to unit variance.
        """
        vectors = as_vectors(points)
        mean = vectors.mean(axis=0, dtype=np.float64)
        covariance = np.zeros((vectors.shape[1],) * 2)
        for start in range(0, len(vectors), 1 << 16):  # without a centred copy of everything
            centred = vectors[start : start + (1 << 16)] - mean
            covariance += centred.T @ centred
        values, axes = np.linalg.eigh(covariance / len(vectors))
        values, axes = values[::-1].clip(0), axes[:, ::-1].T
        axes = (
            axes * np.where(axes[np.arange(len(axes)), np.abs(axes).argmax(1)] < 0, -1, 1)[:, None]
        )
        keep = _kept(values, dimensions)
        values = values[:keep]
        scales = np.sqrt(np.where(values > 0, values, 1.0)) if whiten else np.ones(keep)
        return cls(mean, np.ascontiguousarray(axes[:keep]), scales)

    def forward(self, points: Any) -> np.ndarray:
        """Return the (n, m) components of `points`, in their precision."""
        vectors = as_vectors(points)
        return ((vectors - self.mean) @ self.axes.T / self.scales).astype(vectors.dtype)

    def inverse(self, components: np.ndarray) -> np.ndarray:
        """Return the (n, d) float64 vectors of (n, m) components."""
        return self.mean + (components * self.scales) @ self.axes


def _kept(values: np.ndarray, dimensions: int | float | None) -> int:
    if dimensions is None:
        return len(values)
    if isinstance(dimensions, float):
        if not 0 < dimensions <= 1:
            raise ParameterError(f"a share of the variance lies in (0, 1], got {dimensions}")
        if not values.any():
            return 1
        shares = np.cumsum(values) / values.sum()
        return min(int(np.searchsorted(shares, dimensions - 1e-12)) + 1, len(values))
    if not 1 <= dimensions <= len(values):
        raise ParameterError(f"dimensions must be 1 to {len(values)}, got {dimensions}")
    return int(dimensions)


def fit_projected(
    points: Any,
    k: int,
    *,
    dimensions: int | float | None = None,
    whiten: bool = False,
    weights: Any = None,
    **options: Any,
) -> Fit:
    """Cluster principal components; return the codebook in the original space.

    Parameters
    ----------
    points : (n, d) array
    k : int
    dimensions, whiten
        As in `Projection.of`.
    weights : (n,) array, optional
    **options
        Handed to `fit_kmeans`.

    Returns
    -------
    Fit
        Labels as found among the components; centres are the means of the
        original points, and `inertia` is the squared error to these.
    """
    vectors = as_vectors(points)
    components = Projection.of(vectors, dimensions, whiten=whiten).forward(vectors)
    fit = fit_kmeans(components, k, weights=weights, **options)
    mass = as_weights(weights, len(vectors))
    sums = ClusterSums(vectors, mass, Frame.of(vectors).origin, k)
    sums.take(fit.labels)
    centers = sums.means(np.zeros((k, vectors.shape[1])))
    errors = ((vectors - centers[fit.labels]) ** 2).sum(axis=1)
    inertia = float(errors.sum() if mass is None else errors @ mass)
    return Fit(centers, fit.labels, inertia, fit.iterations, fit.counts, fit.converged)
