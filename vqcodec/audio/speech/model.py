"""The speech codebook as the kernels want it: named integer arrays to typed tables.

A codebook of kind ``speech`` holds one or more *modes*, each a complete coder
for one sampling rate and range of bit rates: envelope codewords, gain codewords
and the states of all probabilities. The arrays of mode m are called ``m.name``.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from vqcodec.audio.speech import syntax
from vqcodec.audio.speech.lsf import SCALE
from vqcodec.audio.speech.pitch import lag_grid, taps
from vqcodec.codebook import Codebook
from vqcodec.errors import CodebookError

KIND = "speech"
FORMAT = 1
UNIT = 4096.0  # gains and prediction factors are integers in units of 1/4096
SPACING = 0.02  # radians between line spectral frequencies


@dataclass(frozen=True)
class Mode:
    """What distinguishes one coder from another.

    Attributes
    ----------
    rate : int
        Samples a second.
    order : int
        Of the linear prediction.
    frame, subframes : int
        Samples in a frame, and into how many subframes it falls.
    post : (float, float)
        Bandwidth factors of the decoder's post-filter; equal ones do nothing.
    """

    rate: int
    order: int
    frame: int
    subframes: int
    post: tuple[float, float] = (0.0, 0.0)

    @property
    def length(self) -> int:
        """Samples in a subframe."""
        return self.frame // self.subframes


MODES = (
    Mode(8000, 10, 160, 4),
    Mode(8000, 10, 160, 2, (0.65, 0.75)),
    Mode(16000, 16, 320, 4),
)


@dataclass(frozen=True, eq=False)
class Tables:
    """The checked tables of one mode; all float64 but the contexts."""

    mode: Mode
    mean: np.ndarray  # (2, order)
    rho: np.ndarray  # (order,)
    books: np.ndarray  # (2, stages, codewords, order)
    both: np.ndarray  # (128, 2): gain of the repeated past, gain of the pulses
    fixed: np.ndarray  # (32,)
    adaptive: np.ndarray  # (16,)
    contexts: np.ndarray  # (CONTEXTS, 2) uint16

    @staticmethod
    def shapes(mode: Mode) -> dict[str, tuple[int, ...]]:
        """Return the shapes of the arrays of a mode, by name."""
        size = 1 << syntax.LSF_BITS
        return {
            "mean": (2, mode.order),
            "rho": (mode.order,),
            "books": (2, syntax.LSF_STAGES, size, mode.order),
            "both": (1 << syntax.BOTH_BITS, 2),
            "fixed": (1 << syntax.FIXED_BITS,),
            "adaptive": (1 << syntax.ADAPTIVE_BITS,),
            "contexts": (syntax.CONTEXTS, 2),
        }

    @classmethod
    def of(cls, codebook: Codebook, number: int) -> Tables:
        """Return the tables of mode `number` of a codebook.

        Raises
        ------
        CodebookError
            The codebook is of another kind or format, or its arrays are unfit.
        """
        codebook.require(KIND)
        if codebook.config.get("format") != FORMAT:
            raise CodebookError("the speech codebook is of a format this version does not read")
        mode = MODES[number]
        arrays = {}
        for name, shape in cls.shapes(mode).items():
            key = f"{number}.{name}"
            if key not in codebook.arrays:
                raise CodebookError(f"the speech codebook has no tables for mode {number}")
            arrays[name] = codebook.arrays[key]
            if arrays[name].shape != shape:
                raise CodebookError(f"array {key!r} of the speech codebook has a wrong shape")
        contexts = arrays.pop("contexts")
        if contexts[:, 0].min() < 32 or contexts[:, 0].max() > 65504 or contexts[:, 1].max() > 126:
            raise CodebookError("the probabilities of the speech codebook are out of range")
        if max(abs(arrays["both"]).max(), abs(arrays["rho"]).max()) > 1 << 16:
            raise CodebookError("the gains of the speech codebook are out of range")
        units = {"mean": SCALE, "books": SCALE}
        scaled = {name: a.astype(np.float64) / units.get(name, UNIT) for name, a in arrays.items()}
        return cls(mode, contexts=contexts.astype(np.uint16), **scaled)

    def arrays(self, number: int) -> dict[str, np.ndarray]:
        """Return the integer arrays of the codebook file: the inverse of `of`."""
        result = {f"{number}.contexts": self.contexts.astype(np.uint16)}
        for name in self.shapes(self.mode):
            if name != "contexts":
                unit = SCALE if name in ("mean", "books") else UNIT
                result[f"{number}.{name}"] = np.rint(getattr(self, name) * unit).astype(np.int16)
        return result

    # --- what both directions need ---

    @cached_property
    def lags(self) -> np.ndarray:
        """The legal lags in quarter samples."""
        return lag_grid(self.mode.rate)

    @cached_property
    def taps(self) -> np.ndarray:
        """The interpolation filters of the repeated past."""
        return taps()

    # --- what the search needs: bits by the trained probabilities ---

    def _trees(self, base: int, count: int, bits: int) -> np.ndarray:
        rows = self.contexts[base : base + (count << bits), 0].astype(np.float64)
        return syntax.tree_bits(rows.reshape(count, 1 << bits), bits)

    def _gains(self, base: int, count: int, bits: int, size: int) -> np.ndarray:
        if size > 1 << bits:  # the trainer's fine codebooks: all alike
            return np.full((count, size), float(bits))
        return self._trees(base, count, bits)

    @cached_property
    def envelope_costs(self) -> np.ndarray:
        """Bits of the envelope codewords, (2, stages, codewords)."""
        costs = self._trees(syntax.LSF, 2 * syntax.LSF_STAGES, syntax.LSF_BITS)
        return costs.reshape(2, syntax.LSF_STAGES, -1)

    @cached_property
    def envelope_mode_costs(self) -> np.ndarray:
        """Bits of the envelope mode by the one before, (4, 4)."""
        return self._trees(syntax.MODE, 4, 2)

    @cached_property
    def gain_books(self) -> tuple[np.ndarray, ...]:
        """Gains of past and pulses where both, the past alone, or pulses alone are there."""
        none_past, none_pulses = np.zeros(len(self.fixed)), np.zeros(len(self.adaptive))
        return (
            np.ascontiguousarray(self.both),
            np.stack([self.adaptive, none_pulses], axis=1),
            np.stack([none_past, self.fixed], axis=1),
        )

    @cached_property
    def search_costs(self) -> tuple[np.ndarray, ...]:
        """Bits, in the order of the parameters of `search.extend`."""
        place = np.arange(self.mode.length + 1, dtype=np.float64)
        logs = np.concatenate([[0.0], np.cumsum(np.log2(place[1:]))])
        k = np.arange(syntax.MOST_PULSES + 1)
        arrangements = logs[-1] - logs[k] - logs[self.mode.length - k] + k
        near = self._trees(syntax.LAG_NEAR, 4, 1)
        steps = self._trees(syntax.LAG_STEP, 4, syntax.LAG_STEP_BITS)
        return (
            self._trees(syntax.VOICED, 8, 1),
            np.concatenate([near, steps], axis=1),
            self._trees(syntax.LAG, 1, syntax.LAG_BITS),
            self._trees(syntax.COUNT, 32, syntax.COUNT_BITS).reshape(2, 16, -1),
            self._gains(syntax.GAIN_BOTH, 4, syntax.BOTH_BITS, len(self.both)),
            self._gains(syntax.GAIN_ADAPTIVE, 1, syntax.ADAPTIVE_BITS, len(self.adaptive)),
            self._gains(syntax.GAIN_FIXED, 4, syntax.FIXED_BITS, len(self.fixed)),
            arrangements,
        )
