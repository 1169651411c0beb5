"""Training of shapes: spherical k-means on the frames of sounds.

The best shape of a frame is the one of the largest inner product, whatever
the gain (Sabin and Gray 1984), so only directions are trained. Loud frames
weigh more, but by the square root of their length only: otherwise a codebook
would know the loudest passage and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import islice

import numpy as np

from vqcodec.checkpoint import Checkpoint
from vqcodec.codebook import Codebook
from vqcodec.errors import CodebookError
from vqcodec.frames.options import Options
from vqcodec.frames.shapes import UNIT, write_book

ProgressCallback = Callable[[float, str], bool | None]
_AUDIBLE = 2.0 / 32768  # root mean square of the frames that count
_MOST = 1 << 14


@dataclass
class Gathering:
    """Frames drawn from a sound of unknown length, evenly, in bounded memory.

    Every `stride`-th frame is kept; when they are too many, every second of
    them goes and the stride doubles.
    """

    frame: int
    most: int = _MOST
    stride: int = 1
    seen: int = 0
    parts: list[np.ndarray] = field(default_factory=list)
    kept: int = 0

    def add(self, samples: np.ndarray) -> None:
        """Take in samples (n, channels), each channel cut into frames of its own."""
        whole = len(samples) // self.frame * self.frame
        if len(samples) and not whole:
            samples = np.pad(samples, ((0, self.frame - len(samples)), (0, 0)))
            whole = self.frame
        frames = samples[:whole].reshape(-1, self.frame, samples.shape[1])
        vectors = frames.transpose(0, 2, 1).reshape(-1, self.frame)
        first = -self.seen % self.stride
        self.seen += len(vectors)
        self.parts.append(vectors[first :: self.stride].astype(np.float32))
        self.kept += len(self.parts[-1])
        while self.kept > 2 * self.most:
            kept = np.concatenate(self.parts)[::2]
            self.parts, self.kept = [kept], len(kept)
            self.stride *= 2

    def state(self) -> dict[str, np.ndarray]:
        """Return all that there is to keep, for `restore`."""
        kept = np.concatenate(self.parts or [np.zeros((0, self.frame), np.float32)])
        return {"kept": kept, "counts": np.array([self.stride, self.seen])}

    def restore(self, state: dict[str, np.ndarray]) -> None:
        """Go on from a `state`."""
        self.parts, self.kept = [state["kept"]], len(state["kept"])
        self.stride, self.seen = map(int, state["counts"])

    def vectors(self) -> np.ndarray:
        """Return the frames (n, frame) that are loud enough to have a shape."""
        if not self.parts:
            return np.zeros((0, self.frame), np.float32)
        vectors = np.concatenate(self.parts)
        loud = np.square(vectors).sum(1) > self.frame * _AUDIBLE**2
        return vectors[loud]


def train(
    sounds: Iterable[Iterable[np.ndarray]],
    options: Options,
    samples_per_second: float,
    *,
    provenance: str = "",
    strict: bool = True,
    progress: ProgressCallback | None = None,
    checkpoint: Checkpoint | None = None,
) -> Codebook:
    """Train a codebook.

    Parameters
    ----------
    sounds : iterable of sounds, each an iterable of float (n, channels) blocks
        Full scale is 1.0.
    options : Options
    samples_per_second : float
        Rate times channels of the sounds it is for: a bitrate refers to them.
    provenance : str
        Goes into the codebook.
    strict : bool
        Whether fewer frames than codewords are an error; otherwise the frames
        themselves become the codebook.
    progress : callable, optional
        Called with a fraction and a message; returning False cancels.
    checkpoint : Checkpoint, optional
        Keeps the frames drawn, sound by sound, so that no sound is read twice. What
        follows takes no longer for many sounds than for few, and begins anew.

    Raises
    ------
    CodebookError
        There are too few frames that are not silent.
    CancelledError
        `progress` returned False.
    """
    frame, codewords = options.point(samples_per_second)
    gathered, state = Gathering(frame), checkpoint or Checkpoint(None)
    earlier = state.load()
    done = int(earlier.get("done", 0))
    if done:
        gathered.restore(earlier)
    for number, sound in enumerate(islice(sounds, done, None), done + 1):
        for block in sound:
            gathered.add(block)
        if state.due:
            state.save({"done": np.array(number), **gathered.state()})
    vectors = gathered.vectors()
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    units = vectors / np.maximum(lengths, 1e-30)
    distinct = len(np.unique(np.rint(units * UNIT).astype(np.int8), axis=0))
    if strict and distinct < codewords:
        raise CodebookError(
            f"{codewords} codewords were asked for, but the sounds have only {distinct} "
            f"different frames of {frame} samples that are not silent"
        )
    if distinct == 0:
        units = np.ones((1, frame)) / np.sqrt(frame)  # silence needs none: any will do
    elif distinct > codewords:
        from vqcodec.cluster.structured import GainShapeQuantizer

        units = GainShapeQuantizer.train(
            units * np.sqrt(lengths), 1, codewords, steps=options.max_iter,
            max_iter=options.max_iter, seed=options.seed, progress=progress,
        ).shapes  # fmt: skip
    return write_book(units, options.gain_bits, provenance)
