"""What the header of an audio file says, told without a codebook and without a kernel."""

from __future__ import annotations

from typing import Any

from vqcodec.container import ByteReader
from vqcodec.errors import FormatError

RATES = (1000, 768000)
CHANNELS = 8
SPEECH_RATES = (8000, 8000, 16000)  # of the modes of the speech codec


def frame_size(rate: int) -> int:
    """Return the samples of the largest block: the power of two nearest to 85 ms."""
    size = 256
    while size * size * 2 < (rate * 0.0853) ** 2:
        size *= 2
    return size


def describe(header: bytes) -> dict[str, Any]:
    """Return rate, channels and length of the segments.

    Raises
    ------
    FormatError
        The header is damaged.
    """
    reader = ByteReader(bytes(header), "audio header")
    rate, channels, count = reader.varint(), reader.byte(), reader.byte()
    if not RATES[0] <= rate <= RATES[1] or not 1 <= channels <= CHANNELS or count < 1:
        raise FormatError("the audio header holds an illegal value")
    return {"rate": rate, "channels": channels, "segment_frames": count * frame_size(rate)}


def describe_speech(header: bytes) -> dict[str, Any]:
    """Return the same of coded speech, whose frames are of 20 ms."""
    if len(header) != 7 or header[1] >= len(SPEECH_RATES) or header[2] == 0:
        raise FormatError("the header of coded speech is malformed")
    rate = SPEECH_RATES[header[1]]
    return {"rate": rate, "channels": 1, "segment_frames": header[2] * rate // 50}
