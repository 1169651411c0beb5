"""Training of codebooks: k-means in all its forms, exact and fast.

Vector quantization replaces each vector by the nearest of K codewords. A
codebook that does this with little squared error is found by k-means, and
everything in this package is a way to seed it, speed it up, feed it, judge it
or structure its result.

Names are loaded when they are first used: importing this package loads neither
numba nor SciPy. Two modules have functions of their own name and are imported
from directly: ``from vqcodec.cluster.assign import assign``, and
``from vqcodec.cluster.vq import vq, whiten, kmeans, kmeans2`` in the place of
``scipy.cluster.vq``.
"""

from __future__ import annotations

import importlib
from typing import Any

_MODULES = {
    "kmeans": ("Fit", "fit_kmeans"),
    "ecvq": ("EntropyFit", "fit_ecvq"),
    "estimators": ("KMeans", "MiniBatchKMeans", "k_means", "kmeans_plusplus"),
    "statistics": ("ClusterStatistics",),
    "streams": ("StreamFit", "audio_frames", "fit_stream", "image_patches"),
    "hierarchy": ("MergeTree", "merge_tree"),
    "projection": ("Projection", "fit_projected"),
    "sweep": ("Sweep", "choose_k", "silhouette"),
    "structured": (
        "FullSearchQuantizer",
        "GainShapeQuantizer",
        "MeanRemovedQuantizer",
        "ProductQuantizer",
        "ResidualQuantizer",
        "TreeQuantizer",
    ),
}
_HOME = {name: module for module, names in _MODULES.items() for name in names}

__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return __all__
