"""One tile: planes to bytes and back. Tiles know nothing of each other.

A tile codes its planes one after the other into one range coder: luma, then
the two colour differences, which look at luma and at each other, then alpha,
which is coded like luma.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from vqcodec import rangecoder
from vqcodec.photo.contexts import FIELDS, GREEN, LUMA, MODE, ORANGE
from vqcodec.photo.mixing import CODER_SIZE, FRESH
from vqcodec.photo.model import LAMBDA, Tables
from vqcodec.photo.planes import MIDDLE
from vqcodec.photo.predict import NO_MODE
from vqcodec.photo.quantizer import STEPS, profile_offsets
from vqcodec.photo.restore import restore_plane, squared_error
from vqcodec.photo.restore import scratch as restore_scratch
from vqcodec.photo.stream import UNIT, UNIT_OFFSETS, code_plane, scratch

_PRICE = 0.8  # of a bit by the static tables: adapted and mixed probabilities make fewer
_SEAMS = 3.0  # how often a sample at the border of a 32 x 32 block counts, for the eye


@dataclass(frozen=True)
class Quantization:
    """How finely a picture is quantized: the part of the header that tiles need.

    Attributes
    ----------
    step : int
        Step index of luma (`quantizer.STEP`).
    orange, green : int
        What the step indices of the colour differences have more.
    alpha : int
        Step index of alpha.
    profile : int
        Strength of the frequency profile, 0 for none.
    offsets : bool
        Whether each 32 x 32 unit has a step offset of its own.
    restored : bool
        Whether the restoration filter may follow: a bit for each plane of a tile.
    """

    step: int
    orange: int = 0
    green: int = 0
    alpha: int = 0
    profile: int = 0
    offsets: bool = False
    restored: bool = False


def plane_layout(channels: int, q: Quantization) -> list[tuple[int, int]]:
    """Return (plane type, step index) of each plane."""
    top = STEPS - 1
    layout = [(LUMA, q.step)]
    if channels >= 3:
        layout.append((ORANGE, min(top, max(0, q.step + q.orange))))
        layout.append((GREEN, min(top, max(0, q.step + q.green))))
    if channels in (2, 4):
        layout.append((LUMA, q.alpha))
    return layout


def coding_order(height: int, width: int) -> np.ndarray:
    """Number the 4 x 4 cells: units row by row, z-order inside."""
    rows, columns = np.mgrid[0 : height // 4, 0 : width // 4]
    order = ((rows >> 3) * (width // UNIT) + (columns >> 3)) * 64
    for bit in range(3):
        order += ((columns >> bit) & 1) << (2 * bit) | ((rows >> bit) & 1) << (2 * bit + 1)
    return np.ascontiguousarray(order, np.int32)


class TileState:
    """Working arrays of a tile; sides are padded to multiples of 32."""

    def __init__(self, planes: int, height: int, width: int) -> None:
        self.height, self.width = -(-height // UNIT) * UNIT, -(-width // UNIT) * UNIT
        shape = (self.height, self.width)
        self.order = coding_order(*shape)
        self.planes = np.full((planes, *shape), MIDDLE, np.int16)
        self.cells = np.zeros((planes, self.height // 4, self.width // 4, FIELDS), np.int32)
        self.symbols = np.zeros(self.height * self.width // 2, np.int16)
        self.values = np.zeros(self.height * self.width, np.int32)
        self.offsets = np.zeros((self.height // UNIT, self.width // UNIT), np.int64)
        self.blank = np.full(shape, MIDDLE, np.int16)
        self.blank_cells = np.zeros_like(self.cells[0])
        self.blank_cells[..., MODE] = NO_MODE

    def references(self, kind: int) -> tuple[np.ndarray, ...]:
        """Return luma and the first difference, with their cells, as far as a plane may look."""
        luma = (self.planes[0], self.cells[0]) if kind != LUMA else (self.blank, self.blank_cells)
        first = (self.planes[1], self.cells[1]) if kind == GREEN else (self.blank, self.blank_cells)
        return (*luma, *first)

    def arrays(self, number: int, kind: int) -> tuple[np.ndarray, ...]:
        """Return the arguments that search and coding of a plane share."""
        return (
            self.planes[number], self.cells[number], self.symbols, self.values,
            *self.references(kind), self.order, self.offsets,
        )  # fmt: skip


def pad(plane: np.ndarray, height: int, width: int) -> np.ndarray:
    """Repeat the last row and column up to the given size."""
    more = ((0, height - plane.shape[0]), (0, width - plane.shape[1]))
    return np.ascontiguousarray(np.pad(plane, more, mode="edge"))


def search_tile(
    planes: np.ndarray,
    tables: Tables,
    q: Quantization,
    effort: int,
    offsets: np.ndarray | None = None,
    activity: np.ndarray | None = None,
    dearness: float = 1.0,
) -> Iterator[tuple[TileState, int, int, int]]:
    """Decide the planes of a tile one after the other; parameters are those of `encode_tile`.

    Yields
    ------
    state, number, kind, step
        With the plane of that number decided, of that type and step index.
        Symbols and values of a plane are overwritten by those of the next.
    """
    # Imported here: its kernels are compiled when they are defined, and no decoder needs them.
    from vqcodec.photo.partition import scratch as search_scratch
    from vqcodec.photo.partition import search_plane

    working = search_scratch()
    state = TileState(*planes.shape)
    if offsets is not None and q.offsets:
        state.offsets[...] = offsets
    if activity is None:
        activity = np.ones((state.height // 8, state.width // 8), np.float32)
    profile = profile_offsets(q.profile)
    for number, (kind, step) in enumerate(plane_layout(planes.shape[0], q)):
        search_plane(
            pad(planes[number], state.height, state.width), *state.arrays(number, kind),
            kind, step, profile, activity, LAMBDA * _PRICE * dearness,
            _SEAMS if q.offsets and kind == LUMA else 0.0, effort,
            *tables.search(kind), *working,
        )  # fmt: skip
        yield state, number, kind, step


class TileCoder:
    """The range coder of a tile, for either direction."""

    def __init__(self, q: Quantization, tables: Tables, data: bytes | int) -> None:
        """Start decoding bytes, or encoding into a buffer of a size."""
        self.q, self.tables = q, tables
        self.encoding = isinstance(data, int)
        if isinstance(data, int):
            self.buffer = np.zeros(data, np.uint8)
            registers = rangecoder.encoder_state()
        else:
            self.buffer = np.frombuffer(bytearray(data) or bytearray(1), np.uint8)
            registers = rangecoder.decoder_state(self.buffer)
        self.state = np.zeros(CODER_SIZE, np.uint64)
        self.state[: registers.size] = registers
        self.contexts = np.full(8 * UNIT_OFFSETS, FRESH, np.uint32)
        self.profile = profile_offsets(q.profile)
        self.scratch = scratch()

    def code_plane(
        self, state: TileState, number: int, kind: int, step: int, priors: tuple[np.ndarray, ...]
    ) -> None:
        """Encode a plane that is decided, or decode it; the probabilities in `priors` adapt."""
        code_plane(
            self.state, self.buffer, self.encoding, *priors, self.contexts,
            *state.arrays(number, kind), kind, step, self.q.offsets and number == 0, self.profile,
            *self.tables.coding(kind), *self.scratch,
        )  # fmt: skip

    def code_flag(self, flag: bool) -> bool:
        """Encode a raw bit, or decode one."""
        if self.encoding:
            rangecoder.encode_raw(self.state, self.buffer, int(flag), 1)
            return flag
        return bool(rangecoder.decode_raw(self.state, self.buffer, 1))


def encode_tile(
    planes: np.ndarray,
    tables: Tables,
    q: Quantization,
    effort: int,
    offsets: np.ndarray | None = None,
    activity: np.ndarray | None = None,
    dearness: float = 1.0,
) -> tuple[bytes, TileState]:
    """Encode the planes of a tile.

    Parameters
    ----------
    planes : (planes, height, width) ndarray of int16
    offsets : (units, units) ndarray, optional
        Step offsets of the 32 x 32 units, -4..3 quarter octaves.
    activity : (height / 8, width / 8) ndarray of float32, optional
        Weight of the squared error, by 8 x 8 block of the padded tile.
    dearness : float
        What a bit costs, against the usual.

    Returns
    -------
    data : bytes
    state : TileState
        Its planes are what a decoder will have.
    """
    coder = TileCoder(q, tables, planes.size * 4 + 65536)
    decided = search_tile(planes, tables, q, effort, offsets, activity, dearness)
    for state, number, kind, step in decided:
        coder.code_plane(state, number, kind, step, tables.priors(kind))
    if q.restored:
        for number, (kind, step) in enumerate(plane_layout(planes.shape[0], q)):
            original = np.ascontiguousarray(planes[number])
            filtered = _restored(state, number, kind, step, tables)
            better = squared_error(original, filtered) < squared_error(
                original, state.planes[number]
            )
            if coder.code_flag(better):
                state.planes[number] = filtered
    return rangecoder.finish(coder.state, coder.buffer), state


def _restored(state: TileState, number: int, kind: int, step: int, tables: Tables) -> np.ndarray:
    """Return a plane after the restoration filter."""
    filtered = np.empty_like(state.planes[number])
    restore_plane(
        state.planes[number], state.cells[number], state.offsets, step, tables.filters[kind],
        filtered, *restore_scratch(state.width),
    )  # fmt: skip
    return filtered


def decode_tile(
    data: bytes, channels: int, height: int, width: int, tables: Tables, q: Quantization
) -> TileState:
    """Decode a tile; any bytes give some picture, never an error."""
    state = TileState(channels, height, width)
    coder = TileCoder(q, tables, data)
    layout = plane_layout(channels, q)
    for number, (kind, step) in enumerate(layout):
        coder.code_plane(state, number, kind, step, tables.priors(kind))
    if q.restored:
        for number, (kind, step) in enumerate(layout):
            if coder.code_flag(False):
                state.planes[number] = _restored(state, number, kind, step, tables)
    return state
