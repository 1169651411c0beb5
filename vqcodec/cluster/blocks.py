"""Blocks of points and groups of codewords: how search and seeding are cut.

The innermost loops themselves are in `vqcodec.cluster.microkernel`, which needs
numba; this does not.
"""

from __future__ import annotations

from typing import Any

import llvmlite.binding
import numpy as np

from vqcodec.jit import Late, interpreted

GROUP = 4  # codewords that meet a block of points together


def _register_file() -> tuple[int, int]:
    """Return lanes and vectors of a block, so that GROUP x vectors sums fit the registers."""
    features = llvmlite.binding.get_host_cpu_features()
    if features.get("avx512f"):
        return 16, 6
    if features.get("avx"):
        return 8, 3
    return 4, 6 if features.get("neon") else 3


LANES, VECTORS = _register_file()
BLOCK = LANES * VECTORS  # points that meet a group at once: 96, 24 or 12
WIDTH = 96  # points in a block of seeding, on every machine: a multiple of BLOCK
UNREACHED = 1e38  # a value that no codeword has


def _search_interpreted(
    vectors: np.ndarray,
    tiles: np.ndarray,
    bias: np.ndarray,
    groups: int,
    dimensions: int,
    best: np.ndarray,
    second: np.ndarray,
    index: np.ndarray,
) -> None:
    """Do the same where the plain interpreter runs the kernels (NUMBA_DISABLE_JIT)."""
    values = np.repeat(bias[:groups].reshape(-1, 1), BLOCK, 1)
    for j in range(dimensions):
        values += tiles[:groups, j].reshape(-1, 1) * vectors[j]
    index[:] = values.argmin(0)
    lanes = np.arange(BLOCK)
    best[:] = values[index, lanes]
    values[index, lanes] = UNREACHED
    second[:] = values.min(0)


def _distances_interpreted(
    block: np.ndarray, candidates: np.ndarray, dimensions: int, distances: np.ndarray
) -> None:
    """Do the same where the plain interpreter runs the kernels."""
    distances[:] = 0
    for j in range(dimensions):
        distances += (block[j] - candidates[j][:, None]) ** 2


if interpreted():
    search_block: Any = _search_interpreted
    distances_of_one: Any = _distances_interpreted
    distances_of_group: Any = _distances_interpreted
else:
    search_block = Late("vqcodec.cluster.microkernel", "search_block")
    distances_of_one = Late("vqcodec.cluster.microkernel", "distances_of_one")
    distances_of_group = Late("vqcodec.cluster.microkernel", "distances_of_group")
