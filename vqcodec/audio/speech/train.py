"""Training: speech -> the codebook of kind ``speech`` (`train`).

Envelopes first: a predictor, k-means codewords stage by stage, then generalised
Lloyd steps with the real search (M-best, rate included, closed prediction
loop). Then gains: the encoder runs with very fine gain codebooks, and what it
chooses is clustered. Then probabilities: the encoder runs with the codewords,
and its decisions are counted; twice, since the search follows the counts.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from vqcodec.audio.speech import syntax
from vqcodec.audio.speech.encode import (
    Analysis,
    Parameters,
    Tuning,
    analyse,
    choose,
    fresh_memories,
)
from vqcodec.audio.speech.lpc import highpass
from vqcodec.audio.speech.lsf import BETWEEN, NOTHING, quantize, weigh
from vqcodec.audio.speech.model import FORMAT, KIND, MODES, SPACING, Mode, Tables
from vqcodec.checkpoint import Checkpoint
from vqcodec.cluster.kmeans import fit_kmeans
from vqcodec.cluster.progress import Progress, ProgressCallback
from vqcodec.codebook import Codebook
from vqcodec.errors import CodebookError, ParameterError
from vqcodec.rangecoder import ADAPTATION_LIMIT, encoder_state

SEGMENT = 100  # frames
LEAST = 25  # seconds of speech that a mode needs
CONFIDENCE = 40  # decisions that a trained probability counts as having seen
SPEEDS = ((1, 1), (5, 4), (9, 10), (4, 3), (10, 9), (1, 1), (6, 5), (4, 3))


@dataclass(frozen=True)
class TrainOptions:
    """Options of `train`.

    Attributes
    ----------
    modes : tuple of int, optional
        Which modes of `model.MODES` to train; by default all for which there is enough
        speech. A sound below a mode's rate is not used for it.
    seed : int
    seconds : float
        At most so much speech is looked at for each mode.
    voices : bool
        Play sounds at several speeds, which makes higher and deeper voices of each.
    """

    modes: tuple[int, ...] | None = None
    seed: int = 0
    seconds: float = 900.0
    voices: bool = True

    def __post_init__(self) -> None:
        if self.modes is not None and not set(self.modes) <= set(range(len(MODES))):
            raise ParameterError(f"modes are 0 to {len(MODES) - 1}, not {self.modes}")
        if not self.seconds > 0:
            raise ParameterError("training needs some seconds of speech")


def train(
    sounds: Sequence[tuple[np.ndarray, int]],
    options: TrainOptions | None = None,
    progress: ProgressCallback | None = None,
    checkpoint: Checkpoint | None = None,
) -> Codebook:
    """Train a codebook of kind ``speech``, as ``vqcodec train --kind speech`` does.

    Parameters
    ----------
    sounds : sequence of (samples, rate)
        Asked for one at a time, and more than once: a sequence that reads them then needs
        little memory. Float samples in [-1, 1], (n,) or (n, channels), which are mixed down;
        rates of 8000 and above, which are resampled.
    options : TrainOptions, optional
    progress : callable, optional
        ``progress(fraction, message)``; returning False cancels.
    checkpoint : Checkpoint, optional
        Where the modes that are done are kept.

    Raises
    ------
    CodebookError
        There is too little speech for a mode, less than about half a minute.
    CancelledError
        The progress callback returned False.
    """
    options = options or TrainOptions()
    seconds = [(len(samples) / rate, rate) for samples, rate in sounds]
    reports = Progress(progress)
    arrays: dict[str, np.ndarray] = {}
    modes = options.modes
    if modes is None:
        modes = tuple(
            i
            for i, mode in enumerate(MODES)
            if sum(own for own, rate in seconds if rate >= mode.rate) > LEAST
        )
    if not modes:
        raise CodebookError(f"speech codebooks need at least {LEAST} seconds of speech")
    checkpoint = checkpoint or Checkpoint(None)
    arrays |= checkpoint.load()
    for i, number in enumerate(modes):
        if f"{number}.contexts" in arrays:
            continue
        part = Progress(reports.part(i / len(modes), (i + 1) / len(modes)))
        arrays |= train_mode(number, sounds, options, part).arrays(number)
        checkpoint.save(arrays)
    config = {"format": FORMAT, "transform": "celp", "shape": [10], "modes": list(modes)}
    return Codebook(KIND, config, arrays)


def train_mode(
    number: int, sounds: Sequence[tuple[np.ndarray, int]], options: TrainOptions, report: Progress
) -> Tables:
    """Train the tables of one mode."""
    mode = MODES[number]
    tuning = Tuning.of(number, 1)
    generator = np.random.default_rng(options.seed)
    signals = list(_voices(sounds, mode.rate, options, generator))
    tables = untrained(mode)
    analyses = cut(signals, tables, tuning)
    if sum(len(a.energy) for a in analyses) * mode.frame < LEAST / 2 * mode.rate:
        raise CodebookError(f"too little speech of {mode.rate} Hz and above to train on")
    report.report(0.1, "envelopes")
    middle = TRADES[number]
    trades = (middle / 2, middle, middle * 2)
    tables = fit_envelopes(analyses, tables, middle * tuning.envelope, options.seed)
    report.report(0.4, "gains")
    tables = fit_gains(encode_all(analyses[::3], tables, tuning, trades), tables, options.seed)
    for step in range(3):
        report.report(0.7 + 0.1 * step, "probabilities")
        some = analyses[:: (3, 3, 1)[step]]
        tables = fit_probabilities(encode_all(some, tables, tuning, trades), tables, CONFIDENCE)
    return tables


TRADES = (0.005, 0.025, 0.005)  # what a bit is worth where each mode is at home


def _mono(samples: np.ndarray) -> np.ndarray:
    samples = np.asarray(samples, np.float64)
    return samples if samples.ndim == 1 else samples.mean(axis=1)


def _voices(
    sounds: Sequence[tuple[np.ndarray, int]],
    rate: int,
    options: TrainOptions,
    generator: np.random.Generator,
) -> Iterator[np.ndarray]:
    """Yield the sounds at `rate`, full scale 32768, at various speeds and levels."""
    from scipy.signal import resample_poly

    left = options.seconds
    order = generator.permutation(len(sounds))
    for place, i in enumerate(order):
        if left <= 0:
            break
        samples, own = sounds[i]
        if own < rate:
            continue
        samples = _mono(samples)
        up, down = SPEEDS[place % len(SPEEDS)] if options.voices else (1, 1)
        up, down = up * rate, down * own
        common = math.gcd(up, down)
        if up != down:
            samples = resample_poly(samples, up // common, down // common)
        samples = np.ascontiguousarray(samples) * 32768 * 10 ** generator.uniform(-0.5, 0.1)
        highpass(samples, np.zeros(2), rate)
        left -= len(samples) / rate
        yield np.clip(samples, -32768, 32767)


def untrained(mode: Mode) -> Tables:
    """Return tables that know nothing, with fine gain codebooks."""
    size = 1 << syntax.LSF_BITS
    contexts = np.zeros((syntax.CONTEXTS, 2), np.uint16)
    contexts[:, 0] = 1 << 15
    pitch_gains = np.arange(0.0, 1.31, 0.1)
    code_gains = 2.0 ** np.arange(-6, 2.6, 1 / 3)
    return Tables(
        mode,
        np.tile(np.pi * np.arange(1, mode.order + 1) / (mode.order + 1), (2, 1)),
        np.full(mode.order, 0.6),
        np.zeros((2, syntax.LSF_STAGES, size, mode.order)),
        np.array([(p, c) for p in pitch_gains for c in code_gains]),
        2.0 ** np.arange(-6, 3.01, 0.25),
        np.arange(0.1, 1.4, 0.05),
        contexts,
    )


def cut(sounds: Sequence[np.ndarray], tables: Tables, tuning: Tuning) -> list[Analysis]:
    """Return the analyses of all segments of sounds of full scale 32768."""
    step = tables.mode.frame
    parts = []
    for sound in sounds:
        frames = len(sound) // step
        for first in range(0, frames, SEGMENT):
            count = min(SEGMENT, frames - first)
            parts.append(analyse(sound, first * step, count, tables, tuning))
    return parts


# --- envelopes ------------------------------------------------------------------------


def fit_envelopes(
    analyses: list[Analysis], tables: Tables, trade: float, seed: int, rounds: int = 8
) -> Tables:
    """Return the tables with means, prediction and envelope codewords trained."""
    loud = [(a.lsf, a.energy) for a in analyses if (a.energy > 0).any()]
    everything = np.concatenate([lsf[energy > 3] for lsf, energy in loud])
    mean = np.tile(everything.mean(axis=0), (2, 1))
    pairs = [(lsf[:-1], lsf[1:]) for lsf, _ in loud]
    before = np.concatenate([p for p, _ in pairs]) - mean[0]
    after = np.concatenate([p for _, p in pairs]) - mean[0]
    rho = 0.9 * (before * after).sum(axis=0) / (before**2).sum(axis=0)
    books = np.zeros_like(tables.books)
    for mode, rest in ((0, after - rho * before), (1, everything - mean[1])):
        rest = rest.copy()
        for stage in range(books.shape[1]):
            fit = fit_kmeans(rest, books.shape[2] - 1, seed=seed, max_iter=20)
            if stage == 0:
                fit = fit_kmeans(rest, books.shape[2], seed=seed, max_iter=20)
                books[mode, stage] = fit.centers
            else:
                books[mode, stage, 1:] = fit.centers
            rest -= fit.centers[fit.labels]
    costs = np.full(books.shape[:3], float(syntax.LSF_BITS))
    mode_costs = np.full((4, 4), 1.0)
    for _ in range(rounds):
        sums = np.zeros_like(books)
        mass = np.zeros_like(books)
        counts = np.full(books.shape[:3], 0.5)
        mode_counts = np.full((4, 4), 0.5)
        for lsf, energy in loud:
            modes = np.zeros(len(lsf), np.int64)
            indices = np.zeros((len(lsf), books.shape[1]), np.int64)
            decoded = np.zeros_like(lsf)
            quantize(
                lsf, energy, mean, rho, books, costs, mode_costs, trade, SPACING,
                modes, indices, decoded,
            )  # fmt: skip
            previous, last = mean[1], NOTHING
            weights = np.zeros(lsf.shape[1])
            for f in np.flatnonzero(energy):
                mode = modes[f]
                mode_counts[last, mode] += 1
                share = rho**2 if last == BETWEEN else rho
                last = mode
                if mode != BETWEEN:
                    weigh(lsf[f], weights)
                    target = lsf[f] - mean[mode]
                    if mode == 0:
                        target = target - share * (previous - mean[0])
                    words = books[mode, np.arange(books.shape[1]), indices[f]]
                    rest = target - words.sum(axis=0)
                    for stage, word in enumerate(indices[f]):
                        sums[mode, stage, word] += weights * (rest + words[stage])
                        mass[mode, stage, word] += weights
                        counts[mode, stage, word] += 1
                    previous = decoded[f]
        moved = np.where(mass > 0, sums / np.maximum(mass, 1e-9), books)
        moved[:, 1:, 0] = 0.0
        books = moved
        costs = -np.log2(counts / counts.sum(axis=2, keepdims=True))
        mode_costs = -np.log2(mode_counts / mode_counts.sum(axis=1, keepdims=True))
    return replace(tables, mean=mean, rho=rho, books=books)


# --- gains and probabilities ------------------------------------------------------------


def encode_all(
    analyses: list[Analysis], tables: Tables, tuning: Tuning, trades: Sequence[float]
) -> list[Parameters]:
    """Return the parameters of all segments; the trades alternate."""
    return [
        choose(a, fresh_memories(tables.mode.order), tables, tuning, trades[i % len(trades)])
        for i, a in enumerate(analyses)
    ]


def fit_gains(chosen: list[Parameters], tables: Tables, seed: int) -> Tables:
    """Cluster what the search chose from the fine gain codebooks of `tables`."""
    parts = np.concatenate([c.parts[np.repeat(c.frames[:, 0] > 0, _per(c))] for c in chosen])
    voiced = parts[:, syntax.LAG_INDEX] >= 0
    pulsed = parts[:, syntax.PULSES] > 0
    gain = parts[:, syntax.GAIN]
    joint = tables.both[gain[voiced & pulsed]]
    points = np.stack([joint[:, 0], 0.35 * np.log2(joint[:, 1])], axis=1)
    centers = _clusters(points, 1 << syntax.BOTH_BITS, seed)
    both = np.stack([centers[:, 0], 2.0 ** (centers[:, 1] / 0.35)], axis=1)
    both = both[np.lexsort((both[:, 1], np.round(both[:, 0], 1)))]
    fixed = 2.0 ** _clusters(
        np.log2(tables.fixed[gain[~voiced & pulsed]])[:, None], 1 << syntax.FIXED_BITS, seed
    )
    adaptive = _clusters(
        tables.adaptive[gain[voiced & ~pulsed]][:, None], 1 << syntax.ADAPTIVE_BITS, seed
    )
    return replace(tables, both=both, fixed=np.sort(fixed[:, 0]), adaptive=np.sort(adaptive[:, 0]))


def _per(chosen: Parameters) -> int:
    return len(chosen.parts) // len(chosen.frames)


def _clusters(points: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Return codewords of points that lie on a fine grid: a little noise makes them distinct."""
    generator = np.random.default_rng(seed)
    points = points + generator.normal(0, 0.02, points.shape)
    return fit_kmeans(points, count, seed=seed, max_iter=50).centers


def fit_probabilities(chosen: list[Parameters], tables: Tables, confidence: int) -> Tables:
    """Count the decisions of segments, and return the tables with their probabilities.

    Fresh contexts that saw fewer decisions than their limit hold exact counts,
    so segments are written one by one and their counts added. A context starts
    as if it had seen at most `confidence` decisions.
    """
    ones = np.zeros(syntax.CONTEXTS)
    seen = np.zeros(syntax.CONTEXTS)
    buffer = np.zeros(1 << 16, np.uint8)
    for c in chosen:
        contexts = np.zeros((syntax.CONTEXTS, 2), np.uint16)
        contexts[:, 0] = 1 << 15
        syntax.write(encoder_state(), buffer, contexts, c.frames, c.parts, c.pulses)
        count = contexts[:, 1].astype(float)
        zeros = contexts[:, 0] / 65536.0 * (count + 1) - 0.5
        seen += count
        ones += np.clip(count - zeros, 0, count)
    probability = (seen - ones + 0.4) / (seen + 0.8)
    contexts = np.zeros((syntax.CONTEXTS, 2), np.uint16)
    contexts[:, 0] = np.clip(np.rint(probability * 65536), 256, 65280)
    contexts[:, 1] = np.minimum(np.minimum(seen, confidence), ADAPTATION_LIMIT)
    return replace(tables, contexts=contexts)
