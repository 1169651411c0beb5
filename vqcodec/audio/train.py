"""Training of the audio codebook on sounds: reproducible from a seed.

Rounds of coding and fitting, as in any Lloyd iteration: code excerpts with the
present model, then fit the regressions (least squares), the codewords (centres
of what they stand for) and the bits of each symbol to what was coded. At last
the excerpts are coded without resetting the probabilities, whose final state
is where every segment will start.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from vqcodec.audio.bands import frame_size
from vqcodec.audio.model import bootstrap, make_codebook, tables_of
from vqcodec.audio.options import quality_knob
from vqcodec.checkpoint import Checkpoint, CheckpointedRun
from vqcodec.codebook import Codebook
from vqcodec.errors import CodebookError

Progress = Callable[[float, str], "bool | None"]
SECONDS = 3.0  # of an excerpt
_QUALITIES = (1.0, 2.5, 4.0, 5.5, 7.0, 3.25, 8.5, 4.75)
_COUNT_CAP = 60  # how sure of its probabilities a fresh segment is
_TRAINING_LIMIT = 1023


def train(
    sounds: Iterable[Any],
    *,
    seed: int = 0,
    rounds: int = 3,
    excerpts: int = 120,
    prior_excerpts: int = 400,
    dimension: int = 2,
    numbers: Mapping[str, int] | None = None,
    progress: Progress | None = None,
    provenance: str = "",
    start: Codebook | None = None,
    checkpoint: Checkpoint | None = None,
) -> Codebook:
    """Train an audio codebook.

    Parameters
    ----------
    sounds : iterable of paths, or of pairs of samples and rate
        Samples are (frames,) or (frames, channels), full scale 1.0.
    seed : int
        Chooses the excerpts; the same seed and sounds give the same codebook.
    rounds : int
        Rounds of coding and fitting.
    excerpts : int
        Excerpts of three seconds coded in each round.
    prior_excerpts : int
        Excerpts coded to adapt the probabilities.
    dimension : int
        Coefficients of a vector: 1 or 2.
    numbers : mapping, optional
        Replacements for the numbers of `vqcodec.audio.model.NUMBERS`.
    progress : callable, optional
        Called as ``progress(fraction, message)``; False cancels.
    provenance : str
        Stored in the codebook.
    start : Codebook, optional
        Start from this codebook instead of from nothing.
    checkpoint : Checkpoint, optional
        Where the state is kept, after each round and every few seconds of what follows: a
        training that takes it up returns the same codebook as one that was never stopped.

    Returns
    -------
    Codebook
        Of kind ``audio``.

    Raises
    ------
    CodebookError
        There are no sounds to train on.
    CancelledError
        `progress` said so.
    """
    from vqcodec.audio.fit import Statistics, fit

    take = _Excerpts(list(sounds), seed)
    if start is None:
        arrays = bootstrap(dimension)
        numbers = dict(numbers or {})
    else:
        tables = tables_of(start)
        dimension, numbers = tables.dimension, {**tables.numbers, **(numbers or {})}
        arrays = {name: array.astype(np.int64) for name, array in start.arrays.items()}
    checkpoint = checkpoint or Checkpoint(None)
    kept = checkpoint.load()
    if kept:
        arrays = {name: kept["model_" + name] for name in arrays}
    run = CheckpointedRun(rounds * excerpts + prior_excerpts, progress, checkpoint, arrays)
    run.done = int(kept["done"]) if kept else 0
    take.skip(run.done)
    for number in range(run.done // excerpts, rounds):
        tables = tables_of(make_codebook(dimension, arrays, numbers))
        statistics = Statistics(tables.symbols, dimension)
        for i in range(excerpts):
            plan, knob = _plan(tables, take.next(), _QUALITIES[i % len(_QUALITIES)], {})
            plan.quantise(knob)
            statistics.count(plan)
            run.tell(f"round {number + 1}: coding")
        fit(arrays, statistics, tables.symbols)
        run.save({})
    left = range(run.done - rounds * excerpts, prior_excerpts)
    _adapt(arrays, dimension, numbers, take, left, run, kept)
    return make_codebook(dimension, arrays, numbers, provenance)


def _adapt(
    arrays: dict[str, np.ndarray],
    dimension: int,
    numbers: Mapping[str, int],
    take: _Excerpts,
    excerpts: range,
    run: CheckpointedRun,
    kept: Mapping[str, np.ndarray],
) -> None:
    """Code excerpts one after the other and keep what the probabilities have become."""
    tables = tables_of(make_codebook(dimension, arrays, numbers))
    learned = tables.states.copy(), tables.plain.copy(), tables.weights.copy()
    if "states" in kept:
        learned = kept["states"], kept["plain"], kept["mixing"]
    coders: dict[int, Any] = {}
    for i in excerpts:
        plan, knob = _plan(tables, take.next(), _QUALITIES[i % len(_QUALITIES)], coders)
        plan.coder.learned = learned
        plan.coder.limit = _TRAINING_LIMIT
        plan.code(knob)
        run.tell("adapting the probabilities")
        if run.checkpoint.due:
            run.save(dict(zip(("states", "plain", "mixing"), learned, strict=True)))
    for name, states in (("", learned[0]), ("plain_", learned[1])):
        arrays[f"{name}probabilities"] = (states >> np.uint32(16)).astype(np.int64)
        seen = (states & np.uint32(1023)).astype(np.int64)
        arrays[f"{name}counts"] = np.minimum(seen, _COUNT_CAP)
    arrays["weights"] = np.round(learned[2] / 256).astype(np.int64) * 256


def _plan(
    tables: Any, excerpt: tuple[np.ndarray, int], quality: float, coders: dict[int, Any]
) -> Any:
    """Return the plan of an excerpt, and the knob of the quality."""
    from vqcodec.audio.plan import Plan
    from vqcodec.audio.segment import FIRST, Coder, elements

    samples, rate = excerpt
    if rate not in coders:
        coders[rate] = Coder(rate, tables)
    frame = frame_size(rate)
    frames = max(1, samples.shape[1] // frame)
    x = np.pad(samples, ((0, 0), (frame, 3 * frame)))[:, : (frames + 2) * frame]
    knob = quality_knob(quality)
    before = [0] * len(elements(len(samples)))
    return Plan(coders[rate], x, frames, before, True, knob, FIRST), knob


class _Excerpts:
    """An endless, seeded supply of excerpts, (channels, n) float32 in 16-bit units.

    Of files only the excerpts are read, so they may be longer than memory.
    """

    def __init__(self, sounds: list[Any], seed: int) -> None:
        if not sounds:
            raise CodebookError("there are no sounds to train on")
        self._sounds = sounds
        self._sizes = [self._size(sound) for sound in sounds]
        self._generator = np.random.default_rng(seed)
        seconds = np.array([frames / rate for frames, rate, _ in self._sizes])
        self._shares = np.cumsum(seconds) / seconds.sum()

    @staticmethod
    def _size(sound: Any) -> tuple[int, int, int]:
        """Return the frames of a sound, its rate, and its channels."""
        if isinstance(sound, str | os.PathLike):
            import soundfile

            about = soundfile.info(os.fspath(sound))
            return int(about.frames), int(about.samplerate), int(about.channels)
        samples = np.asarray(sound[0])
        return len(samples), int(sound[1]), samples.size // max(1, len(samples))

    @staticmethod
    def _read(sound: Any, start: int, count: int) -> np.ndarray:
        """Return (channels, count) samples of a sound."""
        if isinstance(sound, str | os.PathLike):
            import soundfile

            part = soundfile.read(
                os.fspath(sound), count, start, dtype="float32", always_2d=True
            )[0]  # fmt: skip
        else:
            part = np.asarray(sound[0][start : start + count], np.float32)
            part = part.reshape(len(part), -1)
        return np.ascontiguousarray(part.T) * np.float32(32768)

    def next(self) -> tuple[np.ndarray, int]:
        """Return the next excerpt, and its rate."""
        which, start, size, gain, mono = self._choose()
        part = self._read(self._sounds[which], start, size) * gain
        return part[:1] if mono else part, self._sizes[which][1]

    def skip(self, count: int) -> None:
        """Draw excerpts that an earlier run has seen."""
        for _ in range(count):
            self._choose()

    def _choose(self) -> tuple[int, int, int, np.float32, bool]:
        """Draw a sound, a place in it, a gain, and whether it is mono, which occurs too."""
        which = int(np.searchsorted(self._shares, self._generator.random(), side="right"))
        which = min(which, len(self._sounds) - 1)
        frames, rate, channels = self._sizes[which]
        size = int(SECONDS * rate)
        start = int(self._generator.integers(0, max(1, frames - size + 1)))
        gain = np.float32(2 ** self._generator.uniform(-2, 0.3))
        return which, start, size, gain, channels > 1 and self._generator.random() < 0.2
