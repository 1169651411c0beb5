"""The border of `vqcodec.cluster`: every array is checked here, once, before anything computes.

Vectors are rows. What the kernels get is C-contiguous float32 or float64 with
finite values; integers of up to 16 bits become float32 and wider ones float64,
so that small integers stay exact.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from vqcodec.errors import ParameterError

Seed = int | np.random.Generator | np.random.RandomState | None

_SMALL_INTEGERS = (np.bool_, np.uint8, np.int8, np.uint16, np.int16, np.float16)


def as_vectors(array: Any, name: str = "points") -> np.ndarray:
    """Return `array` as a finite, C-contiguous (n, d) float32 or float64 array, n and d positive.

    Raises
    ------
    ParameterError
        The array is not two-dimensional, is empty, is not numeric, or holds NaN or infinity.
    """
    if hasattr(array, "toarray"):
        raise ParameterError(f"{name} is sparse: dense arrays only, such as {name}.toarray()")
    array = np.asarray(array)
    if array.ndim != 2:
        raise ParameterError(
            f"{name} must be a two-dimensional array of row vectors, got shape {array.shape}. "
            "Reshape your data with .reshape(-1, 1) if each number is a vector, or with "
            ".reshape(1, -1) if it is a single vector"
        )
    if array.shape[0] == 0:
        raise ParameterError(f"{name} is empty: 0 vectors, while a minimum of 1 is required")
    if array.shape[1] == 0:
        raise ParameterError(
            f"{name} has 0 feature(s) (shape={array.shape}) while a minimum of 1 is required."
        )
    if array.dtype == object:
        array = array.astype(np.float64)  # a TypeError names what is no number
    array = np.ascontiguousarray(array, dtype=_working_type(array.dtype, name))
    # A sum is finite if every term is; only if it is not, look at every value.
    with np.errstate(over="ignore", invalid="ignore"):
        finite = np.isfinite(array.sum()) or np.isfinite(array).all()
    if not finite:
        raise ParameterError(f"{name} contains NaN or infinity")
    return array


def _working_type(dtype: np.dtype, name: str) -> type[np.floating]:
    if dtype == np.float32 or dtype in _SMALL_INTEGERS:
        return np.float32
    if dtype.kind in "iuf":
        return np.float64
    if dtype.kind == "c":
        raise ParameterError(f"Complex data not supported: {name} must hold real numbers")
    raise ParameterError(f"{name} must hold real numbers, got dtype {dtype}")


def as_codebook(codebook: Any, dimensions: int, name: str = "codebook") -> np.ndarray:
    """Return `codebook` as a finite (K, d) float64 array whose d is `dimensions`."""
    codewords = as_vectors(codebook, name).astype(np.float64)
    if codewords.shape[1] != dimensions:
        raise ParameterError(
            f"{name} has vectors of {codewords.shape[1]} dimensions, the points have {dimensions}"
        )
    return codewords


def as_weights(weights: Any, count: int) -> np.ndarray | None:
    """Return `weights` as a non-negative (count,) float64 array, or None for equal weights."""
    if weights is None:
        return None
    weights = np.ascontiguousarray(weights, dtype=np.float64)
    if weights.shape != (count,):
        raise ParameterError(f"weights must have shape ({count},), got {weights.shape}")
    if not np.isfinite(weights).all() or (weights < 0).any():
        raise ParameterError("weights must be finite and non-negative")
    if not weights.any():
        raise ParameterError("the weights are all zero")
    return weights


def as_count(k: Any, available: int, name: str = "k") -> int:
    """Return the number of codewords `k` as an int between 1 and `available` vectors."""
    if isinstance(k, bool) or not isinstance(k, int | np.integer):
        raise ParameterError(f"{name} must be an integer, got {k!r}")
    if k < 1:
        raise ParameterError(f"{name} must be at least 1, got {k}")
    if k > available:
        raise ParameterError(f"{name} is {k}, but there are only {available} vectors")
    return int(k)


def as_generator(seed: Seed) -> np.random.Generator:
    """Return a local random generator; a `RandomState` is advanced to give the seed of it."""
    if isinstance(seed, np.random.Generator):
        return seed
    if isinstance(seed, np.random.RandomState):
        return np.random.default_rng(seed.randint(0, 2**31 - 1, size=4))
    return np.random.default_rng(seed)
