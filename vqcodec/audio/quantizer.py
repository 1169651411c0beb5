# mypy: allow-untyped-defs, no-check-untyped-defs
"""Vector quantization of the coefficients: one trained codebook, signs apart.

Coefficients of a band are divided by its step and taken in vectors. Entropy
makes the best codebook nearly a lattice (Chou, Lookabaugh and Gray 1989), so a
codeword belongs to each vector of small integers in the positive orthant, and
training moves it to the centre of what it stands for. Magnitudes beyond the
codebook escape to the integer lattice. Symbols are the leaves of a binary tree: the zero vector,
then classes of the sum of magnitudes, then a choice inside the class.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from vqcodec.audio.contexts import ESCAPES
from vqcodec.audio.mixing import NUMBER_CONTEXTS, code_mixed, code_number, code_with, kernel

VALUE_BITS = 6
ONE = 1 << VALUE_BITS  # codewords and values count in 1/64 of a step
ESCAPE_LIMIT = 1 << 15
_GREATEST_SUM = {1: 15, 2: 6, 4: 4}


@dataclass(frozen=True, eq=False)
class Lattice:
    """The symbols of a vector dimension.

    Attributes
    ----------
    points : (symbols - 1, d) int64
        Lattice point of each symbol but the escape, the zero vector first.
    index : (side**d,) int64
        Symbol of each lattice point; the escape's where there is none.
    side : int
        Points per dimension of `index`.
    left, right : (nodes,) int64
        Children of each node of the tree: a node, or ``-1 - symbol``. The root is node 1.
    nodes : int
        A power of two above all nodes.
    """

    points: np.ndarray
    index: np.ndarray
    side: int
    left: np.ndarray
    right: np.ndarray
    nodes: int

    @property
    def escape(self) -> int:
        return len(self.points)


@lru_cache(maxsize=4)
def lattice(d: int) -> Lattice:
    """Return the symbols of vectors of 1, 2 or 4 coefficients."""
    side = _GREATEST_SUM[d] + 1
    points = [p for p in itertools.product(range(side), repeat=d) if sum(p) < side]
    points.sort(key=lambda p: (sum(p), p))
    index = np.full(side**d, len(points), np.int64)
    for symbol, point in enumerate(points):
        index[int(np.ravel_multi_index(point, (side,) * d))] = symbol
    classes = [[i for i, p in enumerate(points) if sum(p) == total] for total in range(side)]
    classes.append([len(points)])
    children: dict[int, tuple[int, int]] = {}
    fresh = itertools.count(1)

    def inside(symbols: list[int]) -> int:
        """Halve a class until single symbols are left; return the root."""
        if len(symbols) == 1:
            return -1 - symbols[0]
        node = next(fresh)
        half = len(symbols) // 2
        children[node] = (inside(symbols[:half]), inside(symbols[half:]))
        return node

    spine = [next(fresh) for _ in range(len(classes) - 1)]
    for i, node in enumerate(spine):
        rest = spine[i + 1] if i + 1 < len(spine) else inside(classes[-1])
        children[node] = (inside(classes[i]), rest)
    nodes = 1 << (len(children)).bit_length()
    left, right = np.zeros(nodes, np.int64), np.zeros(nodes, np.int64)
    for node, (l, r) in children.items():  # noqa: E741
        left[node], right[node] = l, r
    return Lattice(np.array(points, np.int64), index, side, left, right, nodes)


def paths(symbols: Lattice) -> tuple[np.ndarray, np.ndarray]:
    """Return the decisions to each symbol, the root's in the lowest bit, and their number."""
    path = np.zeros(symbols.escape + 1, np.int64)
    depth = np.zeros(symbols.escape + 1, np.int64)
    pending = [(1, 0, 0)]
    while pending:
        node, taken, count = pending.pop()
        for bit, child in ((0, int(symbols.left[node])), (1, int(symbols.right[node]))):
            if child < 0:
                path[-1 - child], depth[-1 - child] = taken | bit << count, count + 1
            else:
                pending.append((child, taken | bit << count, count + 1))
    return path, depth


@kernel(
    "i8(u8[::1],u1[::1],b1,u4[::1],u4[::1],i4[:,::1],i8,i8[::1],i8,i8,i8[::1],i8[::1],i8,"
    "i8[:,::1],i8,i8,i4[::1],i8)"
)
def code_vector(
    state, buffer, encoding, states, plain, weights, limit, at, set1, set2, left, right, way,
    codewords, expected, symbol, values, k,
):  # fmt: skip
    """Encode the vector of `symbol` at `values[k:]`, or decode it to there; return the symbol.

    way : int, the decisions to the symbol; not used in decoding.
    codewords : (symbols - 1, d) int64; expected : int, level of the vector
    values : (n,) int32, in 1/64 of a step
    """
    node = np.int64(1)
    while node > 0:
        bit = code_mixed(
            state,
            buffer,
            encoding,
            states,
            weights,
            limit,
            at,
            node,
            set1 + node,
            set2 + node,
            way & 1,
        )
        node = right[node] if bit else left[node]
        way >>= 1
    symbol = -1 - node
    if symbol == 0:
        for i in range(codewords.shape[1]):
            values[k + i] = 0
        return symbol
    escaped = symbol == codewords.shape[0]
    for i in range(codewords.shape[1]):
        value = np.int64(values[k + i])
        if escaped:
            magnitude = code_number(state, buffer, encoding, plain,
                                    ESCAPES + (expected >> 2) * NUMBER_CONTEXTS,
                                    abs(value) >> VALUE_BITS)  # fmt: skip
            magnitude = min(magnitude, ESCAPE_LIMIT - 1) << VALUE_BITS
        else:
            magnitude = codewords[symbol, i]
        if magnitude > 0:
            negative = code_with(state, buffer, encoding, 32768, 1 if value < 0 else 0)
            magnitude = -magnitude if negative else magnitude
        values[k + i] = magnitude
    return symbol
