"""What the user may ask of the audio codec, and where that lands on the scale of the knob."""

from __future__ import annotations

from dataclasses import dataclass

from vqcodec.errors import ParameterError

MODELS = ("auto", "music", "speech")
DEFAULT_QUALITY = 6.0
_OCTAVE = 256
_DB_AT_ZERO, _DB_PER_STEP = 4.5, -2.25  # squared step by quality


@dataclass(frozen=True)
class Options:
    """Options of `vqcodec.audio.codec.Encoder`.

    Attributes
    ----------
    quality : float, optional
        0 to 10; 6, the default, is transparent to most listeners.
    bitrate : int, optional
        Average bits per second to meet within 3 %, in place of `quality`.
    model : {"auto", "music", "speech"}
        Which shipped codebook to use.
    """

    quality: float | None = None
    bitrate: int | None = None
    model: str = "auto"

    def __post_init__(self) -> None:
        if self.quality is not None and self.bitrate is not None:
            raise ParameterError("quality and bitrate exclude each other")
        if self.quality is not None and not 0 <= self.quality <= 10:
            raise ParameterError(f"quality is 0 to 10, not {self.quality}")
        if self.bitrate is not None and not 1000 <= self.bitrate <= 10_000_000:
            raise ParameterError(f"a bitrate is 1000 to 10000000 bits a second, not {self.bitrate}")
        if self.model not in MODELS:
            raise ParameterError(f"model is one of {', '.join(MODELS)}, not {self.model!r}")


def quality_knob(quality: float) -> int:
    """Return the knob of a quality: the logarithm of the squared step in 1/256 octave."""
    decibels = _DB_AT_ZERO + _DB_PER_STEP * quality
    return round(decibels / 3.0103 * _OCTAVE)
