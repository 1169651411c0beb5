"""The photo codebook as the kernels want it: named integer arrays to typed tables.

A codebook of kind ``photo`` holds everything a decoder must know before the
first bit: codewords, transforms, regressions and the adapted state of all
probabilities; and what only the encoder's search wants, bits in sixteenths.
`Tables` checks shapes and ranges once, so that kernels may trust them.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from vqcodec.codebook import Codebook
from vqcodec.errors import CodebookError
from vqcodec.photo.contexts import (
    CODED_LEVELS,
    FEATURES,
    FIRST_SETS,
    INPUTS,
    PAIR_NODES,
    SCAN_BINS,
    SECOND_SETS,
    STATES,
    TYPES,
)
from vqcodec.photo.predict import MODE_COUNT
from vqcodec.photo.quantizer import COST_LEVELS, LUT_CELLS, LUT_RESOLUTION
from vqcodec.photo.restore import BINS, TAPS
from vqcodec.photo.restore import CLASSES as FILTER_CLASSES
from vqcodec.photo.transform import BASIS_BITS, CLASSES

FORMAT = 2
LAMBDA = 0.12  # squared steps a bit: what the codewords and tables are trained for
DIRECTIONS = 3 * MODE_COUNT
CODEWORDS = PAIR_NODES - 1
_GROUPS = 2  # luma and alpha, colour differences
_BITS = 1 / 16

SHAPES: dict[str, tuple[int, ...]] = {
    "codewords": (CODEWORDS, 2),
    "tree_left": (PAIR_NODES,),
    "tree_right": (PAIR_NODES,),
    "dense4": (_GROUPS, CLASSES, 16, 16),
    "dense8": (_GROUPS, CLASSES, 64, 64),
    "pair16": (_GROUPS, CLASSES, 2, 16, 16),
    "scan16": (_GROUPS, CLASSES, 256),
    "dct32": (16, 32),
    "scan32": (_GROUPS, 256),
    "pair_weights": (_GROUPS, 6, SCAN_BINS, FEATURES),
    "coded_weights": (_GROUPS, 6, FEATURES),
    "split_costs": (TYPES, 6, 3, 2),
    "mode_costs": (TYPES, MODE_COUNT, MODE_COUNT, MODE_COUNT),
    "direction_costs": (TYPES, DIRECTIONS, MODE_COUNT),
    "coded_costs": (TYPES, 6, CODED_LEVELS, 129),
    "pair_costs": (TYPES, COST_LEVELS, PAIR_NODES),
    "probabilities": (TYPES, STATES),
    "counts": (TYPES, STATES),
    "first_weights": (TYPES, FIRST_SETS, INPUTS),
    "second_weights": (TYPES, SECOND_SETS, INPUTS),
    "filters": (TYPES, BINS, FILTER_CLASSES, TAPS),
}


def tree_paths(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Return the decisions that lead to each symbol, root first in the lowest bit.

    Raises
    ------
    CodebookError
        The arrays are no binary tree over the symbols 1..31.
    """
    paths = np.zeros(PAIR_NODES, np.int64)
    seen: list[int] = []
    nodes: set[int] = set()
    pending = [(1, 0, 0)]
    while pending:
        node, path, depth = pending.pop()
        if node in nodes or not 1 <= node < PAIR_NODES:
            raise CodebookError("the codeword tree of the codebook is malformed")
        nodes.add(node)
        for bit, child in ((0, int(left[node])), (1, int(right[node]))):
            extended = path | bit << depth
            if child < 0:
                seen.append(-child - 1)
                if 0 < -child - 1 < PAIR_NODES:
                    paths[-child - 1] = extended
            else:
                pending.append((child, extended, depth + 1))
    if sorted(seen) != list(range(1, PAIR_NODES)):
        raise CodebookError("the codeword tree of the codebook is malformed")
    return paths


@dataclass(frozen=True, eq=False)
class Tables:
    """Checked tables of a photo codebook, by the names of `SHAPES`."""

    arrays: dict[str, np.ndarray]

    @classmethod
    def of(cls, codebook: Codebook) -> Tables:
        """Return the tables of a codebook.

        Raises
        ------
        CodebookError
            The codebook is of another kind or format, or its arrays are unfit.
        """
        codebook.require("photo")
        if codebook.config.get("format") != FORMAT:
            raise CodebookError("the photo codebook is of a format that this version does not read")
        for name, shape in SHAPES.items():
            if codebook.array(name).shape != shape:
                raise CodebookError(f"array {name!r} of the photo codebook has a wrong shape")
        tables = cls({name: np.asarray(codebook.array(name)) for name in SHAPES})
        tables._check()
        return tables

    def _check(self) -> None:
        a = self.arrays
        sorted_scan = np.arange(256)
        for name in ("scan16", "scan32"):
            if (np.sort(a[name], axis=-1) != sorted_scan).any():
                raise CodebookError(f"array {name!r} of the photo codebook is no permutation")
        for name, low, high in (
            ("codewords", 0, 1 << 14), ("pair_weights", 0, 1 << 20), ("coded_weights", 0, 1 << 24),
            ("counts", 0, 255), ("dct32", -4096, 4096), ("pair16", -4096, 4096),
            ("dense4", -4096, 4096), ("dense8", -4096, 4096),
            ("filters", -4096, 4096),
        ):  # fmt: skip
            if a[name].min() < low or a[name].max() > high:
                raise CodebookError(f"array {name!r} of the photo codebook is out of range")
        if a["codewords"][0].any():
            raise CodebookError("the first codeword of the photo codebook is not zero")
        tree_paths(a["tree_left"], a["tree_right"])

    # --- for the kernels ---

    @cached_property
    def _priors(self) -> np.ndarray:
        probabilities = self.arrays["probabilities"].astype(np.uint32)
        return (probabilities << 16) | self.arrays["counts"].astype(np.uint32)

    def priors(self, kind: int) -> tuple[np.ndarray, np.ndarray]:
        """Return fresh copies of the states and mixing weights of a plane type."""
        return (
            self._priors[kind].copy(),
            np.concatenate(
                [self.arrays[name][kind].ravel() for name in ("first_weights", "second_weights")]
            ).astype(np.int32),
        )

    @cached_property
    def _transforms(self) -> list[tuple[np.ndarray, ...]]:
        a = self.arrays
        return [
            tuple(
                np.ascontiguousarray(array, np.int32)
                for array in (
                    a["dense4"][g],
                    a["dense8"][g],
                    a["pair16"][g].reshape(-1, 16, 16),
                    a["dct32"][None],
                    np.concatenate([a["scan16"][g], a["scan32"][g][None]]),
                )
            )
            for g in range(_GROUPS)
        ]

    @cached_property
    def _forward(self) -> list[tuple[np.ndarray, ...]]:
        a, scale = self.arrays, np.float32(2.0**-BASIS_BITS)
        return [
            (
                _flat(a["dense4"][g].transpose(0, 2, 1) * scale),
                _flat(a["dense8"][g].transpose(0, 2, 1) * scale),
                _flat(_sides(a["pair16"][g, :, 0], a["pair16"][g, :, 1]) * scale),
                _flat(_sides(a["dct32"][None], a["dct32"][None]) * scale),
            )
            for g in range(_GROUPS)
        ]

    @cached_property
    def codewords(self) -> np.ndarray:
        return np.ascontiguousarray(self.arrays["codewords"], np.int32)

    @cached_property
    def _code_tree(self) -> np.ndarray:
        """Rows by symbol or node: class, left, right, path (see `pairs`)."""
        left, right = self.arrays["tree_left"], self.arrays["tree_right"]
        energy = (self.codewords.astype(np.int64) ** 2).sum(1) / 4096.0
        classes = np.full(PAIR_NODES, 5)
        classes[:CODEWORDS] = np.searchsorted([1.7, 3.5, 8.0], energy, side="right") + 2
        classes[0] = 1
        return np.stack([classes, left, right, tree_paths(left, right)]).astype(np.int64)

    def weights(self, kind: int) -> tuple[np.ndarray, np.ndarray]:
        group = min(kind, 1)
        return (
            np.ascontiguousarray(self.arrays["pair_weights"][group], np.int64),
            np.ascontiguousarray(self.arrays["coded_weights"][group], np.int64),
        )

    @cached_property
    def filters(self) -> np.ndarray:
        """Weights of the restoration filters, (type, bin, class, tap)."""
        return self.arrays["filters"].astype(np.int16)  # writable, as kernels have their arrays

    def coding(self, kind: int) -> tuple[Any, ...]:
        """Return the model arguments of `stream.code_plane`."""
        return (
            *self._transforms[min(kind, 1)],
            self.codewords,
            self._code_tree,
            *self.weights(kind),
        )

    @cached_property
    def _search(self) -> list[tuple[Any, ...]]:
        return [self._search_tables(kind) for kind in range(TYPES)]

    def _search_tables(self, kind: int) -> tuple[Any, ...]:
        costs = {
            name: np.ascontiguousarray(self.arrays[name][kind] * np.float32(_BITS), np.float32)
            for name in (
                "split_costs",
                "mode_costs",
                "direction_costs",
                "coded_costs",
                "pair_costs",
            )
        }
        return (
            costs["split_costs"], costs["mode_costs"], costs["direction_costs"],
            _mode_norms(costs["mode_costs"], costs["direction_costs"]),
            costs["coded_costs"], costs["pair_costs"],
            _search_table(self.codewords, costs["pair_costs"]),
        )  # fmt: skip

    def search(self, kind: int) -> tuple[Any, ...]:
        """Return the model arguments of `partition.search_plane`."""
        group = min(kind, 1)
        return (
            *self._transforms[group], *self._forward[group], self.codewords,
            *self.weights(kind), *self._search[kind],
        )  # fmt: skip


def _sides(rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Alternate the bases of rows, and of columns transposed."""
    count = rows.shape[0]
    turned = columns.transpose(0, 2, 1)
    return np.stack([rows.reshape(count, -1), turned.reshape(count, -1)], 1).reshape(2 * count, -1)


def _flat(bases: np.ndarray) -> np.ndarray:
    """Flatten each basis, as float32."""
    return np.ascontiguousarray(bases.reshape(bases.shape[0], -1), np.float32)


def _mode_norms(mode_costs: np.ndarray, direction_costs: np.ndarray) -> np.ndarray:
    """Bits that make the product of both mode models a distribution."""
    neighbours = np.exp2(-mode_costs.reshape(-1, MODE_COUNT))
    border = np.exp2(-direction_costs)
    return np.ascontiguousarray(np.log2(neighbours @ border.T + 1e-9), np.float32)


def _search_table(codewords: np.ndarray, pair_costs: np.ndarray) -> np.ndarray:
    """Best codeword of each cell of the positive quadrant, by level."""
    centre = (np.arange(LUT_CELLS, dtype=np.float32) + 0.5) / LUT_RESOLUTION
    values = codewords.astype(np.float32) / 64
    error = (
        (centre[:, None, None] - values[:, 0]) ** 2 + (centre[None, :, None] - values[:, 1]) ** 2
    ).reshape(-1, CODEWORDS)
    table = np.empty((COST_LEVELS, LUT_CELLS * LUT_CELLS), np.uint8)
    for level in range(COST_LEVELS):
        table[level] = (error + np.float32(LAMBDA) * pair_costs[level, :CODEWORDS]).argmin(1)
    return table
