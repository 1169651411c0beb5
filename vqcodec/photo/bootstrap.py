"""The photo model before any training: cosines, an integer lattice, rough costs."""

from __future__ import annotations

import numpy as np

from vqcodec.photo.contexts import (
    FIRST_SETS,
    INPUTS,
    PAIR_NODES,
    SECOND_SETS,
    STATES,
    TYPES,
)
from vqcodec.photo.model import CODEWORDS, SHAPES
from vqcodec.photo.transform import BASIS_BITS, CLASSES

ONE = 1 << BASIS_BITS


def cosines(n: int) -> np.ndarray:
    """Return the orthonormal DCT-II of n points, one basis vector a row."""
    k, x = np.arange(n)[:, None], np.arange(n)[None]
    basis = np.sqrt(2 / n) * np.cos(np.pi * (2 * x + 1) * k / (2 * n))
    basis[0] /= np.sqrt(2)
    return basis


def diagonal_scan(n: int) -> list[tuple[int, int]]:
    """Return (row, column) frequencies by rising sum."""
    return sorted(((u, v) for u in range(n) for v in range(n)), key=lambda t: (t[0] + t[1], max(t)))


def dense_cosines(n: int) -> np.ndarray:
    """Return the two-dimensional DCT as a dense basis in scan order."""
    basis = cosines(n)
    return np.array([np.outer(basis[u], basis[v]).ravel() for u, v in diagonal_scan(n)])


def lattice() -> np.ndarray:
    """Return the shortest integer points of the positive quadrant, zero first."""
    points = np.stack(np.meshgrid(np.arange(8), np.arange(8), indexing="ij"), -1).reshape(-1, 2)
    order = np.argsort((points**2).sum(1) + 0.1 * points.sum(1), kind="stable")
    return points[order][:CODEWORDS]


def code_tree(codewords: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return a binary tree over the symbols 1.. by rising energy, each node cut at half its weight.

    `weights` holds the probability of every symbol, the escape last.
    """
    energy = np.append((codewords.astype(np.float64) ** 2).sum(1), np.inf)
    items = sorted(range(1, PAIR_NODES), key=lambda k: (energy[k], k))
    left, right = np.zeros(PAIR_NODES, np.int8), np.zeros(PAIR_NODES, np.int8)
    free = iter(range(1, PAIR_NODES))

    def build(symbols: list[int]) -> int:
        if len(symbols) == 1:
            return -(symbols[0] + 1)
        node = next(free)
        total = np.cumsum([weights[k] for k in symbols])
        cut = 1 + int(np.argmin(np.abs(total[:-1] - total[-1] / 2)))
        left[node], right[node] = build(symbols[:cut]), build(symbols[cut:])
        return node

    build(items)
    return left, right


def bootstrap() -> dict[str, np.ndarray]:
    """Return untrained arrays by the names of `model.SHAPES`."""
    a = {name: np.zeros(shape, np.int64) for name, shape in SHAPES.items()}
    points = lattice()
    a["codewords"][...] = points * 64
    bits = np.where(points == 0, 0.6, 3.0 + 2 * np.log2(np.maximum(points, 1))).sum(1)
    a["pair_costs"][...] = np.round(16 * np.append(bits, 12.0))
    a["tree_left"][...], a["tree_right"][...] = code_tree(points, np.append(2.0**-bits, 2.0**-12))
    a["dense4"][...] = np.round(dense_cosines(4) * ONE)
    a["dense8"][...] = np.round(dense_cosines(8) * ONE)
    a["pair16"][...] = np.round(cosines(16) * ONE)
    a["dct32"][...] = np.round(cosines(32)[:16] * ONE)
    scan = np.array([16 * u + v for u, v in diagonal_scan(16)])
    a["scan16"][...] = np.broadcast_to(scan, (2, CLASSES, 256))
    a["scan32"][...] = scan
    a["pair_weights"][..., 0] = 50
    a["pair_weights"][..., 2] = 200
    a["pair_weights"][..., 4] = 100
    a["pair_weights"][..., 5:7] = 300
    pairs = np.arange(129)
    a["coded_costs"][...] = np.round(16 * np.where(pairs == 0, 1, 2 + 1.6 * np.log2(pairs + 1e-9)))
    a["split_costs"][...] = 16
    a["mode_costs"][...] = 88
    a["mode_costs"][..., :2] = 48
    a["mode_costs"][1:, ..., 35:] = 48
    for mode in range(35):
        a["mode_costs"][0, mode, :, mode] = 40
        a["mode_costs"][0, :, mode, mode] = 40
        a["mode_costs"][1:, mode, :, mode] = 32
    a["probabilities"][...] = 1 << 15
    a["first_weights"][...] = round(0.3 * 65536)
    a["second_weights"][...] = round(0.3 * 65536)
    assert a["first_weights"].shape == (TYPES, FIRST_SETS, INPUTS)
    assert a["second_weights"].shape == (TYPES, SECOND_SETS, INPUTS)
    assert a["probabilities"].shape == (TYPES, STATES)
    return a
