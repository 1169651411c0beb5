"""A segment: some frames of all channels, in bytes of their own.

    flags      1 byte: 1 = the first of the sound, 2 = the speech model, others 0
    frames     varint, at least 1
    knob       2 bytes, little-endian, signed: logarithm of the squared step in 1/256 octave
    data       of the range coder: the elements in order, then a mark of 12 bits

Probabilities start from the trained ones in every segment.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from vqcodec.audio import masking
from vqcodec.audio.bands import BANDS, LEVELS, Layout, layout
from vqcodec.audio.contexts import FEATURES, PAD
from vqcodec.audio.mixing import INPUTS
from vqcodec.audio.model import Tables
from vqcodec.container import ByteReader, pack_varint
from vqcodec.errors import FormatError
from vqcodec.rangecoder import decoder_state, encoder_state, finish

FIRST, SPEECH = 1, 2
KNOB_LIMIT = 1 << 14
_SMALLEST = 1 << (LEVELS - 1)  # blocks of a frame at most


def elements(channels: int) -> list[slice]:
    """Return the channels of each element: pairs, and one alone if the number is odd."""
    return [slice(i, min(i + 2, channels)) for i in range(0, channels, 2)]


@dataclass(eq=False)
class Element:
    """One channel or a pair, as integers: everything that the bits say.

    Attributes
    ----------
    frames : int
    levels, offsets : (blocks,) int64
    angles : (blocks, BANDS) int64
    energies, steps : (blocks, channels, BANDS) int64
    symbols : (channels, n / d) int16
    values : (channels, n) int32
    blocks : int
        Blocks in use; the arrays may be longer.
    """

    frames: int
    levels: np.ndarray
    offsets: np.ndarray
    angles: np.ndarray
    energies: np.ndarray
    steps: np.ndarray
    symbols: np.ndarray
    values: np.ndarray
    blocks: int

    @classmethod
    def empty(cls, channels: int, frames: int, frame: int, d: int, blocks: int) -> Element:
        """Return an element of zeros with room for so many blocks."""
        return cls(
            frames,
            np.zeros(blocks + 1, np.int64),
            np.zeros(blocks, np.int64),
            np.zeros((blocks, BANDS), np.int64),
            np.zeros((blocks, channels, BANDS), np.int64),
            np.zeros((blocks, channels, BANDS), np.int64),
            np.zeros((channels, frames * frame // d), np.int16),
            np.zeros((channels, frames * frame), np.int32),
            blocks,
        )


class Coder:
    """The tables of a sampling rate and a codebook, and the work space of the kernels."""

    def __init__(self, rate: int, tables: Tables) -> None:
        self.bands: Layout = layout(rate)
        self.tables = tables
        numbers = tables.numbers
        self.masks = masking.masking(self.bands, numbers["tilt"], numbers["quiet"])
        self.at = np.zeros(INPUTS, np.int64)
        self.features = np.zeros(FEATURES, np.int64)
        self.small = np.zeros((7, 2, BANDS), np.int64)
        self._rows = [
            np.zeros((channels, 3, self.bands.frame + 2 * PAD), np.int64) for channels in (1, 2)
        ]
        # Training goes on from segment to segment with these.
        self.learned: tuple[np.ndarray, np.ndarray, np.ndarray] | None = None
        self.limit = numbers["limit"]
        self.law = np.array([numbers["gamma"], numbers["follow"]], np.int64)
        self.fill = np.array([numbers["fill_empty"], numbers["fill_coded"]], np.int64)

    def rows(self, channels: int) -> np.ndarray:
        return self._rows[channels - 1]

    # --- bits ---

    def write(self, parts: list[Element], knob: int, flags: int) -> bytes:
        """Return the segment of the elements; their steps must be those of the knob."""
        room = 4096 + 6 * sum(part.values.size for part in parts)
        buffer = np.zeros(room, np.uint8)
        state = encoder_state()
        learned = self.learned or self._learned()
        for part in parts:
            self._code(state, buffer, True, part, knob, learned)
        self._mark(state, buffer, True)
        head = (
            bytes([flags]) + pack_varint(parts[0].frames) + knob.to_bytes(2, "little", signed=True)
        )
        return head + finish(state, buffer)

    def read(self, data: bytes, frames: int, knob: int, channels: int) -> list[Element]:
        """Return the elements from the data of the range coder.

        Raises
        ------
        FormatError
            The data are damaged.
        """
        buffer = np.frombuffer(data, np.uint8).copy() if data else np.zeros(1, np.uint8)
        state = decoder_state(buffer)
        learned = self.learned or self._learned()
        parts = []
        for element in elements(channels):
            part = Element.empty(
                element.stop - element.start, frames, self.bands.frame, self.tables.dimension,
                frames * _SMALLEST,
            )  # fmt: skip
            part.blocks = self._code(state, buffer, False, part, knob, learned)
            if part.blocks < 0:
                raise FormatError("the segment holds an illegal energy: damaged data")
            parts.append(part)
        if not self._mark(state, buffer, False):
            raise FormatError("the segment does not end as it should: damaged data")
        return parts

    def _learned(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        tables = self.tables
        return tables.states.copy(), tables.plain.copy(), tables.weights.copy()

    def _code(
        self, state: np.ndarray, buffer: np.ndarray, encoding: bool, part: Element, knob: int,
        learned: tuple[np.ndarray, np.ndarray, np.ndarray],
    ) -> int:  # fmt: skip
        from vqcodec.audio.stream import code_element

        b, m, t = self.bands, self.masks, self.tables
        states, plain, weights = learned
        return int(
            code_element(
                state, buffer, encoding, part.frames, b.frame, b.edges, b.counts, b.nearest,
                m.up, m.down, m.floor, m.tilt, m.width, knob, self.law,
                t.numbers["skip"], states, plain, weights, self.limit, t.energy_weights,
                t.level_weights,
                t.symbols.left, t.symbols.right, t.ways, t.codewords, t.symbols.after,
                t.symbols.nodes,
                part.levels, part.offsets, part.angles, part.energies, part.steps, part.symbols,
                part.values, self.rows(len(part.values)), self.small, self.at, self.features,
            )
        )  # fmt: skip

    def _mark(self, state: np.ndarray, buffer: np.ndarray, encoding: bool) -> bool:
        from vqcodec.audio.stream import code_mark

        return bool(code_mark(state, buffer, encoding))

    # --- coefficients ---

    def coefficients(self, part: Element) -> np.ndarray:
        """Return the (channels, n) float32 coefficients of an element, in 16-bit units."""
        from vqcodec.audio.reconstruct import reconstruct

        b, numbers = self.bands, self.tables.numbers
        x = np.zeros(part.values.shape, np.float32)
        reconstruct(
            x, part.values, b.frame, part.blocks, part.levels, b.edges, b.counts, part.angles,
            part.energies, part.steps, self.fill, numbers["fill_most"],
        )  # fmt: skip
        return x


def parse(segment: bytes, most_frames: int) -> tuple[int, int, int, bytes]:
    """Return flags, frames, knob and the data of the range coder.

    Raises
    ------
    FormatError
        A value is illegal.
    """
    reader = ByteReader(bytes(segment), "segment")
    flags = reader.byte()
    if flags & ~(FIRST | SPEECH):
        raise FormatError("the segment has unknown flags")
    frames = reader.varint(most_frames + (flags & FIRST))
    if frames < 1:
        raise FormatError("the segment holds no frames")
    knob = int.from_bytes(reader.take(2), "little", signed=True)
    if abs(knob) > KNOB_LIMIT:
        raise FormatError("the segment has an illegal knob")
    return flags, frames, knob, reader.rest()


def sizes_of(part: Element, frame: int) -> np.ndarray:
    """Return the block sizes of an element."""
    return np.asarray(frame >> part.levels[: part.blocks])


__all__: list[Any] = ["Coder", "Element", "elements", "parse", "sizes_of"]
