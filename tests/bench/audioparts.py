"""The audio codec without one of its parts, for the table of what each is worth."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

import numpy as np

from vqcodec.audio import plan
from vqcodec.audio.model import Tables, bootstrap, make_codebook
from vqcodec.audio.partition import Knobs
from vqcodec.audio.quantizer import KIND, NEXT, WIDTH
from vqcodec.audio.segment import Element, sizes_of
from vqcodec.codebook import Codebook

PARTS = {
    "switching": "block switching: 4096 always",
    "onsets": "finer steps of loud short blocks",
    "stereo": "stereo: left and right apart",
    "masking": "masking: one step for all bands, at equal rates",
    "ear": "weights of the encoder's ear: all squared steps count alike",
    "noise": "noise filling",
    "mixing": "adaptive, mixed contexts: a fixed code for each expected magnitude",
    "priors": "trained probabilities: they start at one half in each segment",
    "scalars": "vectors: coefficients one by one",
    "search": "rate-distortion search: the nearest codeword",
}
_NUMBERS: dict[str, Mapping[str, int]] = {
    "masking": {"gamma": 0, "follow": 0, "tilt": 0, "quiet": -8192},
    "noise": {"fill_empty": 0, "fill_coded": 0},
    "search": {"lagrangian": 0},
}
_PLANS: dict[str, dict[str, Any]] = {
    "switching": {"knobs": Knobs(bias=1e9)},
    "onsets": {"knobs": Knobs(onset=0.0)},
    "stereo": {"stereo": False},
    "ear": {"ear": False},
}


def without(part: str, sound: np.ndarray, quality: float, work: Any, item: str) -> Any:
    """Return kilobits a second, and the samples decoded."""
    from tests.bench.audio import ours

    dimension = {"scalars": 1}.get(part)
    book: Codebook = work.book(item, dimension=dimension) if dimension else work.book(item)
    if part in _NUMBERS or part == "priors":
        book = _changed(book, _NUMBERS.get(part, {}), part == "priors")
    if part == "masking":  # the scale of the quality means nothing then
        kilobits = ours(sound, work.book(item), quality=quality)[0]
        return ours(sound, book, bitrate=round(kilobits * 1000))
    with _fixed_code(part == "mixing") as bits, _plans(**_PLANS.get(part, {})):
        kilobits, decoded = ours(sound, book, quality=quality)
    if part == "mixing":
        kilobits = sum(bits) / len(sound) * 48
    return kilobits, decoded


def _changed(book: Codebook, numbers: Mapping[str, int], unprimed: bool) -> Codebook:
    d = int(book.config["shape"][0])
    kept = {k: v for k, v in book.config.items() if isinstance(v, int) and k != "format"}
    arrays = dict(book.arrays)
    if unprimed:
        fresh = bootstrap(d)
        for name in arrays:
            if name.endswith(("probabilities", "counts")) or name == "weights":
                arrays[name] = fresh[name]
    return make_codebook(d, arrays, {**kept, **numbers})


def _bits(tables: Tables, part: Element, levels: np.ndarray, frame: int) -> float:
    """Return what the table of costs says of the symbols, without signs and escaped numbers."""
    total, d, start = 0.0, tables.dimension, 0
    for size in sizes_of(part, frame) // d:
        for channel, row in enumerate(part.symbols):
            state = 0
            for at in start + np.flatnonzero(levels[channel, start : start + size] >= 0):
                total += float(tables.costs[KIND[state], levels[channel, at], row[at]])
                if row[at] < tables.symbols.escape:
                    state = tables.symbols.after[state, row[at]]
                    continue
                for value in part.values[channel, at * d : at * d + d]:
                    state = NEXT[state, (abs(value) + WIDTH // 2) // WIDTH & 1]
        start += size
    return total


@contextlib.contextmanager
def _plans(**wishes: Any) -> Iterator[None]:
    """Let the encoder plan its segments otherwise."""
    original = plan.Plan
    plan.Plan = partial(original, **wishes)  # type: ignore[assignment, misc]
    try:
        yield
    finally:
        plan.Plan = original  # type: ignore[misc]


@contextlib.contextmanager
def _fixed_code(wanted: bool) -> Iterator[list[float]]:
    """Add up what the segments would take if their vectors were coded by the table of costs."""
    bits: list[float] = []
    original = plan.Plan.code

    def code(self: plan.Plan, knob: int) -> bytes:
        self.quantise(knob)
        total, tables = 0.0, self.coder.tables
        for part, levels in zip(self.parts, self.expectations, strict=True):
            total += _bits(tables, part, levels, self.coder.bands.frame)
            total += int((part.values != 0).sum())  # signs
            for value in np.abs(part.values[np.repeat(part.symbols, tables.dimension, axis=1)
                                            == tables.symbols.escape]) // WIDTH:  # fmt: skip
                total += 1.5 + 1.6 * float(np.log2(1 + value))  # as the search reckons
        skip = tables.numbers["skip"]
        tables.numbers["skip"] = 1 << 14  # type: ignore[index]
        total += 8 * len(self.coder.write(self.parts, knob, self.flags))  # all but the vectors
        tables.numbers["skip"] = skip  # type: ignore[index]
        bits.append(total)
        return original(self, knob)

    if wanted:
        plan.Plan.code = code  # type: ignore[method-assign]
    try:
        yield bits
    finally:
        plan.Plan.code = original  # type: ignore[method-assign]
