"""Threads for kernels that release the GIL, with results that do not depend on their number.

Work is cut into chunks by the size of the data alone; every chunk is computed
by itself and the results are combined in the order of the chunks. The number
of threads is numba's: ``numba.set_num_threads`` or ``NUMBA_NUM_THREADS``.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from vqcodec.jit import threads

Result = TypeVar("Result")

_GRAIN = 96 * 16  # a multiple of the block of points on every machine
_CHUNKS = 16  # at least, where there is enough work
_LARGEST_CHUNK = 32 * _GRAIN
_pools: dict[int, ThreadPoolExecutor] = {}


def chunk_ranges(count: int) -> list[tuple[int, int]]:
    """Cut range(count) into chunks by its size alone."""
    grains = -(-count // _GRAIN)
    step = min(_GRAIN * -(-grains // _CHUNKS), _LARGEST_CHUNK)
    return [(start, min(start + step, count)) for start in range(0, count, step)]


def run_chunks(
    work: Callable[[int, int, int], Result], ranges: list[tuple[int, int]]
) -> list[Result]:
    """Return ``work(number, start, stop)`` of every chunk, in order, on numba's thread count."""
    workers = min(threads(), len(ranges))
    if workers == 1:
        return [work(number, *chunk) for number, chunk in enumerate(ranges)]
    if workers not in _pools:
        _pools[workers] = ThreadPoolExecutor(workers, "vqcodec-cluster")
    return list(_pools[workers].map(lambda job: work(job[0], *job[1]), enumerate(ranges)))


if hasattr(os, "register_at_fork"):  # the child of a fork has no threads
    os.register_at_fork(after_in_child=_pools.clear)
