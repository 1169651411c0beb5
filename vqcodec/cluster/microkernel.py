"""The innermost loops of search and seeding, with their sums kept in SIMD registers.

Compilers vectorise the plain loops too, but keep the sums in memory and the
vectors at half the width: that is 2 to 5 times slower. So these two loops are
written in LLVM's portable vector instructions, for the register file at hand.

A group of four codewords meets a block of points, one point in each lane:
for every dimension, one load of each vector of points, one broadcast of each
codeword's coordinate, and a multiply-add for each pair of them.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from vqcodec.cluster.blocks import BLOCK, GROUP, LANES, UNREACHED, VECTORS, WIDTH

_float = ir.FloatType()
_floats = ir.VectorType(_float, LANES)
_int = ir.IntType(32)
_ints = ir.VectorType(_int, LANES)
_size = ir.IntType(64)


class _Lanes:
    """Emits vector instructions through an LLVM builder."""

    def __init__(self, builder: Any) -> None:
        self.builder = builder
        self._fused = cgutils.get_or_insert_function(
            builder.module, ir.FunctionType(_floats, [_floats] * 3), f"llvm.fmuladd.v{LANES}f32"
        )

    def splat(self, scalar: Any, kind: ir.VectorType) -> Any:
        undefined = ir.Constant(kind, ir.Undefined)
        first = self.builder.insert_element(undefined, scalar, _int(0))
        return self.builder.shuffle_vector(
            first, undefined, ir.Constant(ir.VectorType(_int, LANES), [0] * LANES)
        )

    def address(self, base: Any, offset: Any, kind: ir.Type) -> Any:
        return self.builder.bitcast(self.builder.gep(base, [offset]), kind.as_pointer())

    def load(self, base: Any, offset: Any) -> Any:
        return self.builder.load(self.address(base, offset, _floats), align=4)

    def store(self, value: Any, base: Any, offset: Any) -> None:
        self.builder.store(value, self.address(base, offset, value.type), align=4)

    def multiply_add(self, a: Any, b: Any, c: Any) -> Any:
        return self.builder.call(self._fused, [a, b, c])

    def registers(self, kind: ir.Type, value: float | None = None) -> list[Any]:
        slots = [cgutils.alloca_once(self.builder, kind) for _ in range(VECTORS)]
        if value is not None:
            for slot in slots:
                self.builder.store(ir.Constant(kind, [value] * LANES), slot)
        return slots

    def lower(self, a: Any, b: Any) -> tuple[Any, Any]:
        """Return where a < b, and the lower of both."""
        less = self.builder.fcmp_ordered("<", a, b)
        return less, self.builder.select(less, a, b)

    def higher(self, a: Any, b: Any) -> Any:
        return self.builder.select(self.builder.fcmp_ordered(">", a, b), a, b)


@intrinsic
def search_block(  # type: ignore[no-untyped-def]
    typing_context, vectors, tiles, bias, groups, dimensions, best, second, index
):
    """Find the lowest and second-lowest value of ``bias - x·c`` in every lane.

    Parameters are C-contiguous arrays: `vectors` (D, BLOCK) float32, `tiles`
    (G, D, GROUP) float32 negated codewords, `bias` (G, GROUP) float32; `best`,
    `second` (BLOCK,) float32 and `index` (BLOCK,) int32 receive the results.
    """
    signature = types.void(vectors, tiles, bias, groups, dimensions, best, second, index)

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        vectors, tiles, bias, best, second, index = (
            _data(context, builder, sig.args[i], args[i]) for i in (0, 1, 2, 5, 6, 7)
        )
        _emit(_Lanes(builder), vectors, tiles, bias, args[3], args[4], best, second, index)
        return context.get_dummy_value()

    return signature, generate


def _data(context: Any, builder: Any, kind: Any, array: Any) -> Any:
    """Return the address of the first element of an array."""
    return context.make_array(kind)(context, builder, array).data


def _distances(count: int) -> Any:
    """Return the intrinsic that measures the squared distances of `count` candidates."""

    def square_distances(typing_context, block, candidates, dimensions, distances):  # type: ignore[no-untyped-def]
        """Measure a block of points (D, WIDTH) float32 against candidates (D, count) float32.

        `distances` (count, WIDTH) float32 receives the results; all are C-contiguous.
        """
        signature = types.void(block, candidates, dimensions, distances)

        def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            block, candidates, distances = (
                _data(context, builder, sig.args[i], args[i]) for i in (0, 1, 3)
            )
            _emit_distances(_Lanes(builder), count, block, candidates, args[2], distances)
            return context.get_dummy_value()

        return signature, generate

    return square_distances


distances_of_one = intrinsic(_distances(1))
distances_of_group = intrinsic(_distances(GROUP))


def _emit(
    lanes: _Lanes,
    vectors: Any,
    tiles: Any,
    bias: Any,
    groups: Any,
    dimensions: Any,
    best: Any,
    second: Any,
    index: Any,
) -> None:
    builder, registers = lanes.builder, lanes.registers
    lowest, next_lowest = registers(_floats, UNREACHED), registers(_floats, UNREACHED)
    winners = registers(_ints, 0)
    sums = [registers(_floats) for _ in range(GROUP)]
    with cgutils.for_range(builder, groups) as group:
        first = builder.mul(group.index, _size(GROUP))
        for k in range(GROUP):
            start = lanes.splat(
                builder.load(builder.gep(bias, [builder.add(first, _size(k))])), _floats
            )
            for v in range(VECTORS):
                builder.store(start, sums[k][v])
        rows = builder.gep(tiles, [builder.mul(first, dimensions)])
        with cgutils.for_range(builder, dimensions) as dimension:
            j = dimension.index
            points = builder.gep(vectors, [builder.mul(j, _size(BLOCK))])
            row = builder.gep(rows, [builder.mul(j, _size(GROUP))])
            loaded = [lanes.load(points, _size(v * LANES)) for v in range(VECTORS)]
            for k in range(GROUP):
                coordinate = lanes.splat(builder.load(builder.gep(row, [_size(k)])), _floats)
                for v in range(VECTORS):
                    total = lanes.multiply_add(loaded[v], coordinate, builder.load(sums[k][v]))
                    builder.store(total, sums[k][v])
        for k in range(GROUP):
            codeword = builder.trunc(builder.add(first, _size(k)), _int)
            number = lanes.splat(codeword, _ints)
            for v in range(VECTORS):
                value, low = builder.load(sums[k][v]), builder.load(lowest[v])
                _, runner_up = lanes.lower(lanes.higher(low, value), builder.load(next_lowest[v]))
                wins, low = lanes.lower(value, low)
                builder.store(runner_up, next_lowest[v])
                builder.store(low, lowest[v])
                builder.store(builder.select(wins, number, builder.load(winners[v])), winners[v])
    for v in range(VECTORS):
        offset = _size(v * LANES)
        lanes.store(builder.load(lowest[v]), best, offset)
        lanes.store(builder.load(next_lowest[v]), second, offset)
        lanes.store(builder.load(winners[v]), index, offset)


def _emit_distances(
    lanes: _Lanes, count: int, block: Any, candidates: Any, dimensions: Any, distances: Any
) -> None:
    builder = lanes.builder
    sums = [lanes.registers(_floats) for _ in range(count)]
    with cgutils.for_range(builder, _size(WIDTH // BLOCK)) as part:
        first = builder.mul(part.index, _size(BLOCK))
        for k in range(count):
            for v in range(VECTORS):
                builder.store(ir.Constant(_floats, [0.0] * LANES), sums[k][v])
        with cgutils.for_range(builder, dimensions) as dimension:
            j = dimension.index
            points = builder.gep(block, [builder.add(first, builder.mul(j, _size(WIDTH)))])
            row = builder.gep(candidates, [builder.mul(j, _size(count))])
            loaded = [lanes.load(points, _size(v * LANES)) for v in range(VECTORS)]
            for k in range(count):
                coordinate = lanes.splat(builder.load(builder.gep(row, [_size(k)])), _floats)
                for v in range(VECTORS):
                    apart = builder.fsub(loaded[v], coordinate)
                    total = lanes.multiply_add(apart, apart, builder.load(sums[k][v]))
                    builder.store(total, sums[k][v])
        for k in range(count):
            for v in range(VECTORS):
                offset = builder.add(first, _size(k * WIDTH + v * LANES))
                lanes.store(builder.load(sums[k][v]), distances, offset)
