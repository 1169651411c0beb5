"""Pictures in tiles: where each one lies, which chunk holds it, and the threads that work on them.

Tiles go row by row; those at the right and lower edge are cut. This module knows
neither pixels nor bits: a tile is a rectangle and a chunk.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, NamedTuple, TypeVar

from vqcodec import jit
from vqcodec.container import GAP, MOST_CHUNKS, Container, Entry
from vqcodec.errors import ChecksumError, FormatError

Item = TypeVar("Item")
Result = TypeVar("Result")


class Place(NamedTuple):
    """Where a tile lies in the picture, in pixels."""

    top: int
    left: int
    height: int
    width: int


class Grid(NamedTuple):
    """How a picture of a size is cut into tiles of a size."""

    height: int
    width: int
    tile_height: int
    tile_width: int

    @property
    def across(self) -> int:
        return -(-self.width // self.tile_width)

    @property
    def total(self) -> int:
        return self.across * -(-self.height // self.tile_height)

    def place(self, number: int) -> Place:
        """Return where tile `number` lies."""
        top = number // self.across * self.tile_height
        left = number % self.across * self.tile_width
        height = min(self.tile_height, self.height - top)
        return Place(top, left, height, min(self.tile_width, self.width - left))

    def places(self) -> list[Place]:
        return [self.place(number) for number in range(self.total)]

    def touched(self, region: tuple[int, int, int, int]) -> list[int]:
        """Return the numbers of the tiles that a region (x, y, width, height) touches."""
        x, y, width, height = region
        columns = range(x // self.tile_width, (x + width - 1) // self.tile_width + 1)
        rows = range(y // self.tile_height, (y + height - 1) // self.tile_height + 1)
        return [row * self.across + column for row in rows for column in columns]


def shared_part(
    window: tuple[int, int, int, int], place: Place
) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """Return what a window (x, y, width, height) and a tile share: slices of either."""
    x, y, width, height = window
    top, bottom = max(place.top, y), min(place.top + place.height, y + height)
    left, right = max(place.left, x), min(place.left + place.width, x + width)
    there = slice(top - y, bottom - y), slice(left - x, right - x)
    here = (
        slice(top - place.top, bottom - place.top), slice(left - place.left, right - place.left),
    )  # fmt: skip
    return there, here


def tile_chunks(
    opened: Container, type: str, grid: Grid, damaged: list[str] | None
) -> list[Entry | None]:
    """Return the chunk of each tile, None where it is lost.

    Tiles bear no numbers: those before the first gap in a damaged file count
    from the first tile on, those behind the last gap from the last one back,
    and what stands between two gaps has no known place. Without `damaged`
    every tile must be there.

    Raises
    ------
    FormatError
        The file holds another number of tiles than its picture has.
    """
    found: list[Entry | None] = [entry for entry in opened.entries if entry.type == type]
    missing = grid.total - len(found)
    if missing and (damaged is None or not 0 < missing < MOST_CHUNKS):
        raise FormatError(f"the file holds {len(found)} tiles in place of {grid.total}")
    if not missing:
        return found
    gaps = [n for n, entry in enumerate(opened.entries) if entry.type == GAP]
    first = gaps[0] if gaps else len(opened.entries)
    last = gaps[-1] if gaps else len(opened.entries)
    before: list[Entry | None] = [e for e in opened.entries[:first] if e.type == type]
    after = [e for e in opened.entries[last:] if e.type == type]
    return before + [None] * (grid.total - len(before) - len(after)) + after


def read_tile(
    opened: Container, entry: Entry | None, place: Place, damaged: list[str] | None
) -> bytes | None:
    """Return the payload of a tile; None, and a sentence in `damaged`, if it is lost or damaged."""
    name = f"the tile of {place.width} x {place.height} pixels at {place.left},{place.top}"
    if entry is None:
        assert damaged is not None
        damaged.append(f"{name} is lost")
        return None
    try:
        return entry.read(opened.file).payload
    except ChecksumError:
        if damaged is None:
            raise
        damaged.append(f"{name} is damaged")
        return None


def in_order(
    work: Callable[[Item], Result], items: list[Item], threads: int | None
) -> Iterator[Result]:
    """Map over threads, keeping the order and only a few results waiting.

    The default is what numba's own loops use: all cores, or NUMBA_NUM_THREADS.
    """
    threads = threads or jit.threads()
    if threads == 1 or len(items) <= 1:
        yield from map(work, items)
        return
    with ThreadPoolExecutor(threads) as pool:
        waiting: deque[Future[Any]] = deque()
        try:
            for item in items:
                waiting.append(pool.submit(work, item))
                if len(waiting) > 2 * threads:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
