"""The audio codebook as the kernels want it: named integer arrays to typed tables.

A codebook of kind ``audio`` holds what a decoder must know before the first
bit: codewords, regressions, the adapted state of all probabilities, and in its
configuration the few numbers of the masking and noise filling; and what only
the encoder's search wants, the bits of each symbol. `Tables` checks shapes and
ranges once, so that kernels may trust them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from vqcodec.audio.bands import LEVELS, PREDICTORS
from vqcodec.audio.contexts import (
    ENERGY_SETS,
    FEATURES,
    KINDS,
    LEVEL_COUNT,
    PLAIN_STATES,
    set_count,
    state_count,
)
from vqcodec.audio.mixing import COUNT_LIMIT, FRESH, INPUTS, WEIGHT_ONE
from vqcodec.audio.quantizer import ONE, Lattice, lattice, paths
from vqcodec.codebook import Codebook
from vqcodec.errors import CodebookError

FORMAT = 3
# The numbers of the configuration with their ranges and first values.
NUMBERS: dict[str, tuple[int, int, int]] = {
    "gamma": (0, 256, 224),  # exponent of the masking, in 1/256
    "follow": (0, 256, 170),  # how far the masking is in proportion to the loudness of the block
    "tilt": (-64, 64, -24),  # finer steps, in 1/256 octave of power per bark
    "quiet": (-8192, 8192, -1280),  # added to the threshold of hearing, in 1/256 octave
    "skip": (-64, 64, -28),  # bands weaker than this are not coded, in quarter octaves of power
    "fill_empty": (0, 512, 200),  # gain of the noise in 1/256
    "fill_coded": (0, 512, 90),
    "fill_most": (0, 4096, 16),  # in 1/256 of the squared step
    "limit": (1, 1023, 255),  # count at which the probabilities stop slowing down
    "lagrangian": (0, 4096, 110),  # squared steps a bit at the knob 0, in 1/1024: the encoder's
}
_BITS = 1 / 256
_MOST_KNOWN = 8


@dataclass(frozen=True, eq=False)
class Tables:
    """Checked tables of an audio codebook; see `contexts`, `mixing` and `quantizer`."""

    identity: bytes
    numbers: Mapping[str, int]
    symbols: Lattice
    ways: np.ndarray  # (symbols,) int64
    codewords: np.ndarray  # (STATES, symbols - 1, d) int64
    states: np.ndarray  # uint32
    plain: np.ndarray  # uint32
    weights: np.ndarray  # (sets, 6) int32
    energy_weights: np.ndarray  # (2, 3, 3, 9) int64
    level_weights: np.ndarray  # (6, 2, 10) int64
    costs: np.ndarray  # (kinds, levels, symbols) float32, in bits

    @cached_property
    def signed_costs(self) -> np.ndarray:
        """The costs, with a bit for each sign; those of escapes count by themselves."""
        signs = (self.symbols.points > 0).sum(1).astype(np.float32)
        costs = self.costs.copy()
        costs[..., :-1] += signs
        return costs

    @property
    def dimension(self) -> int:
        return int(self.codewords.shape[2])


def _shapes(d: int) -> dict[str, tuple[int, ...]]:
    symbols = lattice(d)
    mixed = state_count(symbols.nodes)
    return {
        "codewords": symbols.nominal.shape,
        "probabilities": (mixed,),
        "counts": (mixed,),
        "plain_probabilities": (PLAIN_STATES,),
        "plain_counts": (PLAIN_STATES,),
        "weights": (set_count(symbols.nodes), INPUTS),
        "energy_weights": (2, 3, 3, PREDICTORS),
        "level_weights": (LEVELS, 2, FEATURES),
        "costs": (KINDS, LEVEL_COUNT, symbols.escape + 1),
    }


_known: dict[bytes, Tables] = {}


def tables_of(codebook: Codebook) -> Tables:
    """Return the tables of a codebook.

    Raises
    ------
    CodebookError
        The codebook is of another kind or format, or its arrays are unfit.
    """
    codebook.require("audio")
    if codebook.identity not in _known:
        if len(_known) > _MOST_KNOWN:
            _known.clear()
        _known[codebook.identity] = _read(codebook)
    return _known[codebook.identity]


def _read(codebook: Codebook) -> Tables:
    config: Mapping[str, Any] = codebook.config
    if config.get("format") != FORMAT or config.get("transform") != "mdct":
        raise CodebookError("the audio codebook is of a format that this version does not read")
    shape = config.get("shape")
    if shape not in ([1], [2]):
        raise CodebookError("the vectors of an audio codebook have 1 or 2 coefficients")
    d = int(shape[0])
    for name, wanted in _shapes(d).items():
        if codebook.array(name).shape != wanted:
            raise CodebookError(f"array {name!r} of the audio codebook has a wrong shape")
    numbers = {}
    for name, (low, high, _) in NUMBERS.items():
        value = config.get(name)
        if not isinstance(value, int) or not low <= value <= high:
            raise CodebookError(f"{name!r} of the audio codebook is not within {low} to {high}")
        numbers[name] = value
    arrays = {name: codebook.array(name).astype(np.int64) for name in _shapes(d)}
    _within(arrays["codewords"], 0, 64 * ONE, "codewords")
    _within(arrays["energy_weights"], -(1 << 15), 1 << 15, "energy_weights")
    _within(arrays["level_weights"], 0, 1 << 16, "level_weights")
    _within(arrays["weights"], -(1 << 24), 1 << 24, "weights")
    symbols = lattice(d)
    return Tables(
        codebook.identity,
        numbers,
        symbols,
        paths(symbols)[0],
        arrays["codewords"],
        _states(arrays["probabilities"], arrays["counts"], "probabilities"),
        _states(arrays["plain_probabilities"], arrays["plain_counts"], "plain_probabilities"),
        arrays["weights"].astype(np.int32),
        arrays["energy_weights"],
        arrays["level_weights"],
        (arrays["costs"] * _BITS).astype(np.float32),
    )


def _within(array: np.ndarray, low: int, high: int, name: str) -> None:
    if array.size and (array.min() < low or array.max() > high):
        raise CodebookError(f"array {name!r} of the audio codebook holds illegal values")


def _states(probabilities: np.ndarray, counts: np.ndarray, name: str) -> np.ndarray:
    _within(probabilities, 0, 65535, name)
    _within(counts, 0, COUNT_LIMIT, name)
    return (probabilities << 16 | counts).astype(np.uint32)


def make_codebook(
    d: int,
    arrays: Mapping[str, np.ndarray],
    numbers: Mapping[str, int] | None = None,
    provenance: str = "",
) -> Codebook:
    """Return the codebook of such arrays; `numbers` replace those of `NUMBERS`."""
    config = {"format": FORMAT, "transform": "mdct", "shape": [d]}
    config |= {name: first for name, (_, _, first) in NUMBERS.items()} | dict(numbers or {})
    types = {
        "codewords": "<i2", "probabilities": "<u2", "counts": "u1", "plain_probabilities": "<u2",
        "plain_counts": "u1", "weights": "<i4", "energy_weights": "<i2", "level_weights": "<u2",
        "costs": "<u2",
    }  # fmt: skip
    return Codebook("audio", config, {n: arrays[n].astype(t) for n, t in types.items()}, provenance)


def bootstrap(d: int = 2) -> dict[str, np.ndarray]:
    """Return arrays that know nothing yet: where training starts."""
    symbols = lattice(d)
    shapes = _shapes(d)
    arrays = {name: np.zeros(shape, np.int64) for name, shape in shapes.items()}
    arrays["codewords"] = symbols.nominal.copy()
    arrays["probabilities"][:] = FRESH >> 16
    arrays["plain_probabilities"][:] = FRESH >> 16
    arrays["weights"][:] = WEIGHT_ONE // 3
    one = 4096
    energy = arrays["energy_weights"]
    energy[:, 0, :, [1, 2, 4]] = np.array([[0.75], [-0.41], [0.55]])[:, :, None] * one
    energy[:, 1:, :, [1, 4]] = np.array([0.4, 0.5]) * one
    energy[:, :, 0] = 0
    energy[:, :, 0, 1] = 0.8 * one
    level = arrays["level_weights"]
    level[..., [1, 4, 5]] = np.array([0.4, 0.35, 0.25]) * one
    # A geometric distribution of the magnitudes about the middle of each level.
    mean = 2 ** ((np.arange(LEVEL_COUNT) + 0.5 - 18) / 3.2)
    ratio = mean / (1 + mean)
    sums = symbols.points.sum(1)
    chance = (1 - ratio)[:, None] ** d * ratio[:, None] ** sums
    chance = np.concatenate([chance, np.maximum(1 - chance.sum(1, keepdims=True), 1e-5)], axis=1)
    arrays["costs"][:] = np.round(-np.log2(np.maximum(chance, 1e-7)) / _BITS)
    return arrays


__all__ = ["ENERGY_SETS", "Tables", "bootstrap", "make_codebook", "tables_of"]
