"""What the header of an audio file says, told without a codebook and without a kernel."""

from __future__ import annotations

from typing import Any

from vqcodec.container import ByteReader
from vqcodec.errors import FormatError

RATES = (1000, 768000)
CHANNELS = 8
MOST_SAMPLES = 1 << 25  # of a segment, all channels: what a decoder must hold at once
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
    check_values(rate, channels, count)
    return {"rate": rate, "channels": channels, "segment_frames": count * frame_size(rate)}


def check_values(rate: int, channels: int, count: int) -> None:
    """Refuse what no encoder writes: rate, channels, or frames of a segment."""
    if not RATES[0] <= rate <= RATES[1]:
        raise FormatError(f"the file claims an illegal sampling rate of {rate} Hz")
    if not 1 <= channels <= CHANNELS or count < 1:
        raise FormatError("the audio header holds an illegal value")
    if count * frame_size(rate) * channels > MOST_SAMPLES:
        raise FormatError("the audio header claims absurdly long segments")


def describe_speech(header: bytes) -> dict[str, Any]:
    """Return the same of coded speech, whose frames are of 20 ms."""
    if len(header) != 7 or header[1] >= len(SPEECH_RATES) or header[2] == 0:
        raise FormatError("the header of coded speech is malformed")
    rate = SPEECH_RATES[header[1]]
    return {"rate": rate, "channels": 1, "segment_frames": header[2] * rate // 50}
