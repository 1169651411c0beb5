"""One segment on its way into bytes: analysis once, then coding at any knob."""

from __future__ import annotations

import numpy as np

from vqcodec.audio import mdct
from vqcodec.audio.bands import BANDS, ENERGY_UNIT, LEVELS
from vqcodec.audio.masking import OCTAVE, REFERENCE
from vqcodec.audio.partition import Knobs, block_levels, choose
from vqcodec.audio.segment import Coder, Element, elements

# Bands this far below the threshold of hearing are silent (1/256 octave); others have noise.
_SILENCED = 6144


# A bit is worth more squared steps where steps are large, as most values are zero there.
_LAGRANGIAN_OCTAVE = 3000  # of the knob
_LAGRANGIAN_REACH = 1200


def _lagrangian(number: int, knob: int) -> float:
    """Return how many squared steps a bit is worth; `number` is that at the knob 0, in 1/1024."""
    reach = min(_LAGRANGIAN_REACH, max(-_LAGRANGIAN_REACH, knob))
    return float(number / 1024 * 2 ** (reach / _LAGRANGIAN_OCTAVE))


class Plan:
    """The blocks, angles and energies of a segment, from which it is coded at any knob.

    Parameters
    ----------
    coder : Coder
    x : (channels, margin + (frames + 1) * frame + margin) float32
        Samples in 16-bit units, with the frame that follows and a margin of half a frame.
    frames : int
    before : list of int
        Size of the block before the first, for each element; 0 at the start of the sound.
    last : bool
        Whether nothing follows.
    knob : int
        For which the blocks and angles are chosen.
    """

    def __init__(
        self, coder: Coder, x: np.ndarray, frames: int, before: list[int], last: bool, knob: int,
        flags: int, stereo: bool = True, knobs: Knobs | None = None, ear: bool = True,
    ) -> None:  # fmt: skip
        from vqcodec.audio.importance import worth_of
        from vqcodec.audio.search import measure

        self.coder, self.frames, self.flags = coder, frames, flags
        self.parts: list[Element] = []
        self.spectra: list[np.ndarray] = []
        self.after: list[int] = []
        self.worth: list[np.ndarray | None] = []
        bands, masks, numbers = coder.bands, coder.masks, coder.tables.numbers
        frame, margin = bands.frame, bands.frame // 2
        gamma = numbers["gamma"] / OCTAVE
        power = 2.0 ** ((REFERENCE * (1 - gamma) + knob) / OCTAVE) * ENERGY_UNIT ** (gamma - 1)
        thresholds = np.full((LEVELS, BANDS), power)
        for channels, size_before in zip(elements(len(x)), before, strict=True):
            mine = x[channels]
            ahead = 0 if last else 1
            chosen, finer = choose(
                mine[:, : (frames + ahead) * frame + 2 * margin], frames + ahead, bands, masks,
                knob, numbers["gamma"], knobs or Knobs(),
            )  # fmt: skip
            levels, offsets = block_levels(chosen[:frames], finer[:frames])
            sizes = frame >> levels
            after = frame >> int(chosen[frames, 0]) if ahead else 0
            spectrum = mdct.forward(
                mine[:, : frames * frame + 2 * margin], sizes, margin, size_before, after
            )
            part = Element.empty(len(mine), frames, frame, coder.tables.dimension, len(levels))
            part.levels[:-1], part.offsets[:] = levels, offsets
            measure(
                spectrum, frame, part.blocks, part.levels, bands.edges, bands.counts,
                bands.nearest, masks.floor, _SILENCED, thresholds, gamma, stereo, part.angles,
                part.energies, coder.small[4, 0],
            )  # fmt: skip
            self.worth.append(
                worth_of(mine, bands, part.blocks, part.levels, part.angles) if ear else None
            )
            self.parts.append(part)
            self.spectra.append(spectrum)
            self.after.append(int(sizes[-1]))

    def quantise(self, knob: int) -> None:
        """Choose all symbols at a knob."""
        from vqcodec.audio.importance import weigh
        from vqcodec.audio.search import quantise
        from vqcodec.audio.trellis import Search

        self.expectations: list[np.ndarray] = []

        search = Search(self.coder.bands.frame // self.coder.tables.dimension, BANDS)
        c, b, m, t = self.coder, self.coder.bands, self.coder.masks, self.coder.tables
        for part, spectrum, worth in zip(self.parts, self.spectra, self.worth, strict=True):
            part.values = np.zeros(spectrum.shape, np.int32)
            part.symbols = np.zeros((len(spectrum), spectrum.shape[1] // t.dimension), np.int16)
            expectations = np.zeros(part.symbols.shape, np.int8)
            self.expectations.append(expectations)
            importance = np.ones(part.energies.shape, np.float32)
            if worth is not None:
                weigh(
                    part.blocks, part.levels, part.offsets, b.edges, b.counts, m.up, m.down,
                    m.floor, m.tilt, m.width, knob, c.law, part.angles, part.energies, part.steps,
                    c.small[3], worth, importance,
                )  # fmt: skip
            quantise(
                spectrum, b.frame, part.blocks, part.levels, part.offsets, b.edges, b.counts, m.up,
                m.down, m.floor, m.tilt, m.width, knob, c.law, t.numbers["skip"],
                part.angles, part.energies, part.steps, t.level_weights,
                np.float32(_lagrangian(t.numbers["lagrangian"], knob)), t.signed_costs,
                t.symbols.index,
                t.symbols.side, t.codewords, c.rows(len(spectrum)), c.small, c.features,
                part.symbols, part.values, expectations, importance, *search.arrays,
            )  # fmt: skip

    def code(self, knob: int) -> bytes:
        """Return the segment at a knob."""
        self.quantise(knob)
        segment = self.coder.write(self.parts, knob, self.flags)
        for part in self.parts:  # many plans may wait for their common knob
            part.symbols, part.values = part.symbols[:, :0].copy(), part.values[:, :0].copy()
        self.expectations = []
        return segment
