"""Options of the frames codec."""

from __future__ import annotations

import math
from dataclasses import dataclass

from vqcodec.errors import ParameterError

DEFAULT_QUALITY = 5.0
MOST_CODEWORDS = 1 << 12
MOST_FRAME = 256
_CODEWORDS = 256


@dataclass(frozen=True)
class Options:
    """What a user may wish of the frames codec.

    Attributes
    ----------
    quality : float, optional
        From 0 (frames of 32 samples, 0.44 bits a sample) to 10 (frames of 2,
        7 bits a sample); the default is 5.
    bitrate : float, optional
        Bits a second, of all channels together; the nearest rate that frames
        and codewords give is taken.
    frame : int, optional
        Samples of a frame, 1 to 256.
    codewords : int, optional
        Shapes in the codebook, 2 to 4096.
    gain_bits : int
        Bits of a gain, 2 to 8: 3 dB steps at 5 bits, 1.5 dB steps at 6.
    max_iter : int
        Lloyd steps of the training at most.
    seed : int
        Of the training.

    Raises
    ------
    ParameterError
        A value is out of range, or two contradict each other.
    """

    quality: float | None = None
    bitrate: float | None = None
    frame: int | None = None
    codewords: int | None = None
    gain_bits: int = 6
    max_iter: int = 20
    seed: int = 0

    def __post_init__(self) -> None:
        if self.quality is not None and self.bitrate is not None:
            raise ParameterError("quality and bitrate contradict each other: give only one")
        if self.bitrate is not None and self.frame is not None and self.codewords is not None:
            raise ParameterError("frame and codewords leave nothing to choose for a bitrate")
        _within("quality", self.quality, 0, 10)
        _within("bitrate", self.bitrate, 1, math.inf)
        _within("frame", self.frame, 1, MOST_FRAME)
        _within("codewords", self.codewords, 2, MOST_CODEWORDS)
        _within("gain_bits", self.gain_bits, 2, 8)
        _within("max_iter", self.max_iter, 1, math.inf)
        _within("seed", self.seed, 0, math.inf)

    def point(self, samples_per_second: float) -> tuple[int, int]:
        """Return samples of a frame and codewords, for so many samples a second in all."""
        frame, codewords = self.frame, self.codewords
        if self.bitrate is not None:
            rate = self.bitrate / samples_per_second  # bits a sample
            count = codewords or _CODEWORDS
            bits = self.gain_bits + math.log2(count)
            frame = frame or min(MOST_FRAME, max(1, round(bits / rate)))
            wanted = round(rate * frame) - self.gain_bits
            return frame, codewords or 2 ** min(12, max(1, wanted))
        quality = DEFAULT_QUALITY if self.quality is None else self.quality
        return frame or round(32 * 2 ** (-0.4 * quality)), codewords or _CODEWORDS


def _within(name: str, value: float | None, low: float, high: float) -> None:
    if value is None:
        return
    if isinstance(value, bool) or not low <= value <= high:
        bounds = f"{low:g} to {high:g}" if math.isfinite(high) else f"at least {low:g}"
        raise ParameterError(f"{name} must be {bounds}, not {value:g}")
