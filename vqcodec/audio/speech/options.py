"""What the user may ask of the speech codec."""

from __future__ import annotations

from dataclasses import dataclass

from vqcodec.errors import ParameterError

RATES = (8000, 16000)
LOWEST, HIGHEST = 1200, 32000


@dataclass(frozen=True)
class Options:
    """Options of `vqcodec.audio.speech.codec.Encoder`.

    Attributes
    ----------
    bitrate : float
        Bits a second, on average over the file (within 3 % from a few seconds on);
        pauses take less than speech. 1200 to 32000.
    effort : int
        1 (fast) to 9 (thorough): how many histories the search keeps.
    """

    bitrate: float = 8000.0
    effort: int = 5

    def __post_init__(self) -> None:
        if not LOWEST <= self.bitrate <= HIGHEST:
            raise ParameterError(
                f"the bit rate of speech is {LOWEST} to {HIGHEST} bits a second, "
                f"not {self.bitrate:g}"
            )
        if self.effort not in range(1, 10):
            raise ParameterError(f"effort is 1 to 9, not {self.effort}")
