"""Training of codebooks: k-means in all its forms, exact and fast.

Vector quantization replaces each vector by the nearest of K codewords. A
codebook that does this with little squared error is found by k-means, and
everything in this package is a way to seed it, speed it up, feed it, judge it
or structure its result.

Names are loaded when they are first used: importing this package loads neither
numba nor SciPy.
"""

from __future__ import annotations

import importlib
from typing import Any

_HOME = {
    "Fit": "kmeans",
    "fit_kmeans": "kmeans",
    "assign": "assign",
    "EntropyFit": "ecvq",
    "fit_ecvq": "ecvq",
}

__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return __all__
