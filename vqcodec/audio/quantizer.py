# mypy: allow-untyped-defs, no-check-untyped-defs
"""Trellis-coded vector quantization of the coefficients: trained codewords, signs apart.

Coefficients of a band are divided by its step. Two scalar quantizers, one
offset against the other by half of their width, share them (Marcellin and
Fischer 1990): a machine of eight states, driven by whether the number sent
last was odd, says which of them is next, so that what can be reached in many
dimensions lies denser than any of both. Coefficients are taken in vectors, and
a vector of small integers in the positive orthant is a symbol. To each state
belongs a codebook: training moves the codeword of each symbol to the centre of
what it stands for. Numbers beyond the codebook escape. Symbols are the leaves
of a binary tree: the zero vector, then classes of the sum, then a choice
inside the class.
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
_GREATEST_SUM = {1: 15, 2: 6}

# The trellis (Ungerboeck 1982): even states are of the quantizer that has a point at zero and
# every `WIDTH`, odd ones of that which lies half a width nearer to zero, and keeps its zero.
STATES = 8
NEXT = np.array([[0, 1], [2, 3], [5, 4], [7, 6], [1, 0], [3, 2], [4, 5], [6, 7]], np.int64)
WIDTH = 72  # in 1/64 of a step
# What a state says of a vector: the quantizer of its first coefficient, and of the second if the
# first is even.
KIND = np.array([2 * (s & 1) + (NEXT[s, 0] & 1) for s in range(STATES)], np.int64)


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
    after : (STATES, symbols - 1) int64
        State that follows a state and a symbol.
    nominal : (STATES, symbols - 1, d) int64
        What the quantizers hold for each state and symbol, in 1/64 of a step.
    """

    points: np.ndarray
    index: np.ndarray
    side: int
    left: np.ndarray
    right: np.ndarray
    nodes: int
    after: np.ndarray
    nominal: np.ndarray

    @property
    def escape(self) -> int:
        return len(self.points)


@lru_cache(maxsize=4)
def lattice(d: int) -> Lattice:
    """Return the symbols of vectors of 1 or 2 coefficients."""
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
    after = np.zeros((STATES, len(points)), np.int64)
    nominal = np.zeros((STATES, len(points), d), np.int64)
    for state, (symbol, point) in itertools.product(range(STATES), enumerate(points)):
        now = state
        for i, number in enumerate(point):
            nominal[state, symbol, i] = dequantise(now, number)
            now = int(NEXT[now, number & 1])
        after[state, symbol] = now
    return Lattice(np.array(points, np.int64), index, side, left, right, nodes, after, nominal)


def dequantise(state: int, number: int) -> int:
    """Return what a number stands for in a state, in 1/64 of a step."""
    return number * WIDTH - (WIDTH // 2 if state & 1 and number else 0)


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
    "UniTuple(i8,2)(u8[::1],u1[::1],b1,u4[::1],u4[::1],i4[:,::1],i8,i8[::1],i8,i8,i8[::1],"
    "i8[::1],i8,i8[:,:,::1],i8[:,::1],i8,i8,i4[::1],i8,i8)"
)
def code_vector(
    state, buffer, encoding, states, plain, weights, limit, at, set1, set2, left, right, way,
    codewords, after, expected, symbol, values, k, trellis,
):  # fmt: skip
    """Encode the vector of `symbol` at `values[k:]`, or decode it to there.

    Returns the symbol, and the state of the trellis after it.

    way : int, the decisions to the symbol; not used in decoding.
    codewords : (STATES, symbols - 1, d) int64; after : (STATES, symbols - 1) int64
    expected : int, level of the vector
    values : (n,) int32, in 1/64 of a step; trellis : int, state before
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
    d = codewords.shape[2]
    if symbol == 0:
        for i in range(d):
            values[k + i] = 0
        return symbol, after[trellis, 0]
    escaped = symbol == codewords.shape[1]
    following = trellis if escaped else after[trellis, symbol]
    for i in range(d):
        value = np.int64(values[k + i])
        if escaped:
            number = code_number(state, buffer, encoding, plain,
                                 ESCAPES + (expected >> 2) * NUMBER_CONTEXTS,
                                 (abs(value) + WIDTH // 2) // WIDTH)  # fmt: skip
            number = min(number, ESCAPE_LIMIT - 1)
            magnitude = number * WIDTH
            if following & 1 and number > 0:
                magnitude -= WIDTH // 2
            following = NEXT[following, number & 1]
        else:
            magnitude = codewords[trellis, symbol, i]
        if magnitude > 0:
            negative = code_with(state, buffer, encoding, 32768, 1 if value < 0 else 0)
            magnitude = -magnitude if negative else magnitude
        values[k + i] = magnitude
    return symbol, following
