"""One segment from bytes to samples."""

from __future__ import annotations

import numpy as np

from vqcodec.audio.speech import lsf as envelopes
from vqcodec.audio.speech import syntax, synthesis
from vqcodec.audio.speech.model import SPACING, Tables
from vqcodec.errors import FormatError
from vqcodec.rangecoder import decoder_state


def unpack(data: bytes, tables: Tables, count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the parameters (see `syntax`) of a segment of `count` frames.

    Raises
    ------
    FormatError
        The segment is damaged.
    """
    mode = tables.mode
    frames = np.zeros((count, 2 + syntax.LSF_STAGES), np.int64)
    parts = np.zeros((count * mode.subframes, 3), np.int64)
    pulses = np.zeros((count * mode.subframes, mode.length), np.int8)
    raw = np.frombuffer(data, np.uint8)
    contexts = tables.contexts.copy()
    if not syntax.read(decoder_state(raw), raw, contexts, len(tables.lags), frames, parts, pulses):
        raise FormatError("a segment of speech is damaged")
    return frames, parts, pulses


def fresh_memory(tables: Tables) -> np.ndarray:
    """Return the memory of the filters after silence."""
    memory = np.zeros(2 * tables.mode.order + 1)
    memory[-1] = 1.0
    return memory


def synthesize(
    frames: np.ndarray, parts: np.ndarray, pulses: np.ndarray, memory: np.ndarray, tables: Tables
) -> np.ndarray:
    """Return the samples of a segment, full scale 32768; `memory` is updated."""
    mode = tables.mode
    lsf = np.zeros((len(frames), mode.order))
    envelopes.decode(
        frames[:, syntax.ENERGY], frames[:, syntax.ENVELOPE], frames[:, 2:],
        tables.mean, tables.rho, tables.books, SPACING, lsf,
    )  # fmt: skip
    excitation = np.zeros(synthesis.PAST + len(frames) * mode.frame)
    synthesis.excite(
        frames, parts, pulses, tables.lags, tables.taps, tables.both, tables.fixed,
        tables.adaptive, excitation,
    )  # fmt: skip
    speech = np.zeros(len(frames) * mode.frame)
    output = np.zeros_like(speech)
    near, far = mode.post
    synthesis.filter_through(lsf, mode.subframes, excitation, near, far, memory, speech, output)
    return output
