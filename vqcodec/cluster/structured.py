"""Quantizers with structure: more codewords than could be searched or stored.

Each has the interface of `Quantizer`: `encode` turns (n, d) vectors into
(n, parts) indices, `decode` turns these into vectors again, and `bits` is the
fixed rate of a vector. They are the classical ones (Gersho and Gray 1992):

| quantizer | one vector becomes |
|---|---|
| `FullSearchQuantizer` | the index of the nearest codeword |
| `TreeQuantizer` | a path from the root, one small search at each node |
| `ProductQuantizer` | an index for each of several pieces |
| `ResidualQuantizer` | an index for each stage, each coding what the last left |
| `MeanRemovedQuantizer` | its mean, and its shape about the mean |
| `GainShapeQuantizer` | its gain, and a direction on the unit sphere |
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from vqcodec.cluster.assign import Frame, NearestCodeword, assign, assign_all
from vqcodec.cluster.kmeans import ClusterSums, fit_kmeans
from vqcodec.cluster.validate import as_vectors
from vqcodec.errors import ParameterError


class Quantizer(Protocol):
    """A trained quantizer."""

    @property
    def sizes(self) -> tuple[int, ...]:
        """The number of values that each part of an index may take."""

    def encode(self, points: Any) -> np.ndarray:
        """Return the (n, parts) int32 indices of (n, d) vectors."""

    def decode(self, indices: Any) -> np.ndarray:
        """Return the (n, d) float64 vectors of (n, parts) indices."""


class _Measured:
    """Rate and distortion, from what every quantizer can do."""

    @property
    def bits(self: Quantizer) -> float:
        """The bits of a vector at fixed rate."""
        return float(np.sum(np.log2(self.sizes)))

    def distortion(self: Quantizer, points: Any) -> float:
        """Return the mean squared error of a vector."""
        vectors = as_vectors(points)
        return float(((vectors - self.decode(self.encode(vectors))) ** 2).sum(axis=1).mean())


@dataclass(frozen=True)
class FullSearchQuantizer(_Measured):
    """One (K, d) codebook, searched in full."""

    codebook: np.ndarray

    @classmethod
    def train(cls, points: Any, k: int, **options: Any) -> FullSearchQuantizer:
        """Train by `fit_kmeans`, which gets `options`."""
        return cls(fit_kmeans(points, k, **options).centers)

    @property
    def sizes(self) -> tuple[int, ...]:
        return (len(self.codebook),)

    def encode(self, points: Any) -> np.ndarray:
        return assign(points, self.codebook)[0][:, None]

    def decode(self, indices: Any) -> np.ndarray:
        return self.codebook[_checked(indices, self.sizes)[:, 0]]


@dataclass(frozen=True)
class TreeQuantizer(_Measured):
    """A tree of codebooks: level l holds ``branches ** (l + 1)`` codewords, children side by side.

    The search takes ``branches`` comparisons at each level, and any prefix of
    the path is a coarser description (Buzo et al. 1980).
    """

    levels: tuple[np.ndarray, ...]

    @classmethod
    def train(cls, points: Any, depth: int, branches: int = 2, **options: Any) -> TreeQuantizer:
        """Split the points of every node in turn; a node with too few keeps equal children."""
        if depth < 1 or branches < 2:
            raise ParameterError("depth must be at least 1 and branches at least 2")
        vectors = as_vectors(points)
        nodes = np.zeros(len(vectors), np.int64)
        parents = vectors.mean(axis=0, dtype=np.float64)[None]
        levels = []
        for _ in range(depth):
            order = np.argsort(nodes, kind="stable")
            bounds = np.searchsorted(nodes[order], np.arange(len(parents) + 1))
            children = np.repeat(parents, branches, axis=0)
            for node in range(len(parents)):
                members = order[bounds[node] : bounds[node + 1]]
                if len(members) == 0 or len(np.unique(vectors[members], axis=0)) < branches:
                    nodes[members] *= branches
                    if len(members):
                        children[node * branches] = vectors[members[0]]
                    continue
                fit = fit_kmeans(vectors[members], branches, **options)
                children[node * branches : (node + 1) * branches] = fit.centers
                nodes[members] = node * branches + fit.labels
            levels.append(children)
            parents = children
        return cls(tuple(levels))

    @property
    def branches(self) -> int:
        """The children of every node."""
        return len(self.levels[0])

    @property
    def sizes(self) -> tuple[int, ...]:
        return (self.branches,) * len(self.levels)

    def encode(self, points: Any) -> np.ndarray:
        vectors = as_vectors(points)
        indices = np.empty((len(vectors), len(self.levels)), np.int32)
        for start in range(0, len(vectors), 1 << 14):
            some = vectors[start : start + (1 << 14)].astype(np.float64)
            nodes = np.zeros(len(some), np.int64)
            for level, codebook in enumerate(self.levels):
                children = nodes[:, None] * self.branches + np.arange(self.branches)
                errors = ((some[:, None] - codebook[children]) ** 2).sum(axis=2)
                chosen = errors.argmin(axis=1)
                indices[start : start + len(some), level] = chosen
                nodes = nodes * self.branches + chosen
        return indices

    def decode(self, indices: Any) -> np.ndarray:
        """Return the vectors of paths; shorter ones give the codewords of a higher level."""
        paths = np.asarray(indices)
        paths = _checked(paths, self.sizes[: paths.shape[1] if paths.ndim == 2 else 0])
        nodes = np.zeros(len(paths), np.int64)
        for branch in paths.T:
            nodes = nodes * self.branches + branch
        return self.levels[paths.shape[1] - 1][nodes]


@dataclass(frozen=True)
class ProductQuantizer(_Measured):
    """Pieces of a vector, each with its own codebook (Jegou, Douze and Schmid 2011)."""

    codebooks: tuple[np.ndarray, ...]

    @classmethod
    def train(cls, points: Any, pieces: int, k: int, **options: Any) -> ProductQuantizer:
        """Cut the d dimensions into `pieces` runs as equal as may be; train `k` codewords each."""
        vectors = as_vectors(points)
        if not 1 <= pieces <= vectors.shape[1]:
            raise ParameterError(f"pieces must be 1 to {vectors.shape[1]}, got {pieces}")
        runs = np.array_split(vectors, pieces, axis=1)
        return cls(tuple(fit_kmeans(run, k, **options).centers for run in runs))

    @property
    def sizes(self) -> tuple[int, ...]:
        return tuple(len(codebook) for codebook in self.codebooks)

    def encode(self, points: Any) -> np.ndarray:
        vectors = as_vectors(points)
        ends = np.cumsum([codebook.shape[1] for codebook in self.codebooks])
        if ends[-1] != vectors.shape[1]:
            raise ParameterError(f"the codebooks are for vectors of {ends[-1]} dimensions")
        runs = np.split(vectors, ends[:-1], axis=1)
        parts = [assign(run, book)[0] for run, book in zip(runs, self.codebooks, strict=True)]
        return np.stack(parts, axis=1)

    def decode(self, indices: Any) -> np.ndarray:
        parts = _checked(indices, self.sizes).T
        runs = [book[part] for book, part in zip(self.codebooks, parts, strict=True)]
        return np.concatenate(runs, axis=1)


@dataclass(frozen=True)
class ResidualQuantizer(_Measured):
    """Stages that each code what the stages before left over (Juang and Gray 1982)."""

    stages: tuple[np.ndarray, ...]

    @classmethod
    def train(cls, points: Any, stages: int, k: int, **options: Any) -> ResidualQuantizer:
        """Train `stages` codebooks of `k` codewords, one on the residual of the other."""
        if stages < 1:
            raise ParameterError("stages must be at least 1")
        residual = as_vectors(points).astype(np.float64)
        codebooks = []
        for _ in range(stages):
            fit = fit_kmeans(residual, k, **options)
            codebooks.append(fit.centers)
            residual = residual - fit.centers[fit.labels]
        return cls(tuple(codebooks))

    @property
    def sizes(self) -> tuple[int, ...]:
        return tuple(len(stage) for stage in self.stages)

    def encode(self, points: Any) -> np.ndarray:
        residual = as_vectors(points).astype(np.float64)
        parts = []
        for codebook in self.stages:
            labels, _ = assign(residual, codebook)
            parts.append(labels)
            residual = residual - codebook[labels]
        return np.stack(parts, axis=1)

    def decode(self, indices: Any) -> np.ndarray:
        """Return the vectors of indices; those of the first stages only give coarser ones."""
        indices = np.asarray(indices)
        indices = _checked(indices, self.sizes[: indices.shape[1] if indices.ndim == 2 else 0])
        stages = zip(self.stages, indices.T, strict=False)
        return np.sum([codebook[part] for codebook, part in stages], axis=0)


@dataclass(frozen=True)
class MeanRemovedQuantizer(_Measured):
    """A scalar codebook for the mean of a vector, and one for its shape about the mean."""

    means: np.ndarray
    shapes: np.ndarray

    @classmethod
    def train(cls, points: Any, means: int, shapes: int, **options: Any) -> MeanRemovedQuantizer:
        """Train `means` mean values, and `shapes` shapes about the quantized means."""
        vectors = as_vectors(points).astype(np.float64)
        averages = vectors.mean(axis=1, keepdims=True)
        fit = fit_kmeans(averages, means, **options)
        rest = vectors - fit.centers[fit.labels]
        return cls(fit.centers[:, 0], fit_kmeans(rest, shapes, **options).centers)

    @property
    def sizes(self) -> tuple[int, ...]:
        return (len(self.means), len(self.shapes))

    def encode(self, points: Any) -> np.ndarray:
        vectors = as_vectors(points).astype(np.float64)
        mean, _ = assign(vectors.mean(axis=1, keepdims=True), self.means[:, None])
        shape, _ = assign(vectors - self.means[mean][:, None], self.shapes)
        return np.stack([mean, shape], axis=1)

    def decode(self, indices: Any) -> np.ndarray:
        mean, shape = _checked(indices, self.sizes).T
        return self.means[mean][:, None] + self.shapes[shape]


@dataclass(frozen=True)
class GainShapeQuantizer(_Measured):
    """A gain times a unit vector (Sabin and Gray 1984).

    The best shape is the one of the largest inner product, whatever the gain;
    the gain is then coded by that product.
    """

    gains: np.ndarray
    shapes: np.ndarray

    @classmethod
    def train(
        cls, points: Any, gains: int, shapes: int, *, steps: int = 20, **options: Any
    ) -> GainShapeQuantizer:
        """Train `shapes` directions by spherical k-means in `steps`, then `gains` gains."""
        vectors = as_vectors(points).astype(np.float64)
        lengths = np.linalg.norm(vectors, axis=1)
        nonzero = vectors[lengths > 0]
        if len(nonzero) == 0:
            raise ParameterError("all vectors are zero: there is no shape to train")
        units = nonzero / lengths[lengths > 0, None]
        directions = _unit(
            fit_kmeans(units, shapes, weights=lengths[lengths > 0] ** 2, **options).centers
        )
        for _ in range(steps):  # each direction becomes that of the sum of its vectors
            labels, _ = assign(units, directions)
            sums = ClusterSums(nonzero, None, np.zeros(vectors.shape[1]), shapes)
            sums.take(labels)
            moved = np.where(sums.sums.any(axis=1, keepdims=True), sums.sums, directions)
            moved = _unit(moved)
            if np.allclose(moved, directions, rtol=0, atol=1e-9):
                break
            directions = moved
        _, products = cls(np.zeros(1), directions)._best_shapes(vectors)
        return cls(fit_kmeans(products[:, None], gains, **options).centers[:, 0], directions)

    @property
    def sizes(self) -> tuple[int, ...]:
        return (len(self.gains), len(self.shapes))

    def encode(self, points: Any) -> np.ndarray:
        shape, products = self._best_shapes(as_vectors(points).astype(np.float64))
        gain, _ = assign(products[:, None], self.gains[:, None])
        return np.stack([gain, shape], axis=1)

    def decode(self, indices: Any) -> np.ndarray:
        gain, shape = _checked(indices, self.sizes).T
        return self.gains[gain][:, None] * self.shapes[shape]

    def _best_shapes(self, vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        # Among unit vectors the nearest has the largest inner product.
        nearest = NearestCodeword(self.shapes, Frame.of(vectors))
        shape, _ = assign_all(nearest, vectors)
        return shape, np.einsum("nd,nd->n", vectors, self.shapes[shape])


def split_directions(
    points: np.ndarray, codebook: np.ndarray, weights: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """Return how to split each codeword in two, and the distortion of each cluster.

    The two halves of a cluster lie about sqrt(2/π) standard deviations to
    either side of its mean, along its principal axis.
    """
    labels, distances = assign(points, codebook)
    mass = np.ones(len(points)) if weights is None else weights
    distortions = np.bincount(labels, mass * distances, minlength=len(codebook))
    directions = np.zeros_like(codebook)
    order = np.argsort(labels, kind="stable")
    bounds = np.searchsorted(labels[order], np.arange(len(codebook) + 1))
    for k in range(len(codebook)):
        members = order[bounds[k] : bounds[k + 1]]
        if len(members) < 2 or mass[members].sum() <= 0:
            continue
        centred = points[members] - codebook[k]
        covariance = (centred * mass[members, None]).T @ centred / mass[members].sum()
        values, vectors = np.linalg.eigh(covariance)
        directions[k] = np.sqrt(max(values[-1], 0) * 2 / np.pi) * vectors[:, -1]
    return directions, distortions


def _unit(vectors: np.ndarray) -> np.ndarray:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / np.where(lengths > 0, lengths, 1.0)


def _checked(indices: Any, sizes: tuple[int, ...]) -> np.ndarray:
    """Return (n, parts) indices, each known to be in range."""
    indices = np.asarray(indices)
    if indices.ndim != 2 or indices.shape[1] != len(sizes) or not sizes:
        raise ParameterError(f"indices must have shape (n, parts), got {indices.shape}")
    if indices.dtype.kind not in "iu":
        raise ParameterError(f"indices must be integers, got {indices.dtype}")
    if indices.size and (indices.min() < 0 or (indices.max(axis=0) >= sizes).any()):
        raise ParameterError("an index is out of range")
    return indices
