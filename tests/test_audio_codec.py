"""The audio codec: segments, lengths, alignment, determinism, damage."""

from __future__ import annotations

import numpy as np
import pytest

from vqcodec.audio.codec import Decoder, Encoder
from vqcodec.audio.options import Options
from vqcodec.errors import FormatError, ParameterError


def encode(samples, rate, piece=30000, **options):
    encoder = Encoder(rate, samples.shape[1], Options(**options))
    segments = []
    for start in range(0, len(samples), piece):
        segments += encoder.write(samples[start : start + piece])
    return encoder.header, segments + encoder.finish(), encoder.frames


def decode(header, segments, frames):
    decoder = Decoder(header)
    previous, parts = None, []
    for segment in segments:
        parts.append(decoder.decode(segment, previous))
        previous = segment
    for part in parts[:-1]:
        assert len(part) == decoder.segment_frames
    return np.concatenate(parts)[:frames] if parts else np.zeros((0, decoder.channels), np.float32)


def music(frames, channels, rate, seed=0):
    """Decaying tones that start now and then, some of them panned, and a little noise."""
    generator = np.random.default_rng(seed)
    t = np.arange(frames) / rate
    sound = generator.normal(0, 0.002, (frames, channels))
    for _ in range(max(2, int(6 * frames / rate))):
        start, pitch = (
            generator.uniform(0, t[-1] if frames > 1 else 1),
            generator.uniform(100, rate / 5),
        )
        tone = np.exp(-np.maximum(t - start, 0) * 6) * np.sin(2 * np.pi * pitch * (t - start))
        sound += 0.15 * (t >= start)[:, None] * tone[:, None] * generator.uniform(-1, 1, channels)
    return sound.astype(np.float32)


def snr(a, b):
    return 10 * np.log10(np.sum(a.astype(float) ** 2) / np.sum((a.astype(float) - b) ** 2))


@pytest.mark.parametrize(
    ("frames", "channels", "rate"),
    [(1, 1, 48000), (100, 2, 48000), (2049, 1, 8000), (70000, 7, 11025), (250001, 2, 44100),
     (90000, 1, 37800), (1000, 8, 192000)],
)  # fmt: skip
def test_length_and_alignment(frames, channels, rate):
    sound = music(frames, channels, rate)
    header, segments, count = encode(sound, rate, quality=9)
    assert count == frames
    decoded = decode(header, segments, frames)
    assert decoded.shape == sound.shape
    if frames > 1000:
        assert snr(sound, decoded) > 15


def test_not_finite_is_refused():
    sound = np.zeros((100, 1), np.float32)
    sound[50] = np.nan
    with pytest.raises(ParameterError, match="finite"):
        Encoder(8000, 1).write(sound)


def test_truncated_segments_are_refused():
    header, segments, _ = encode(music(60000, 2, 32000), 32000)
    decoder = Decoder(header)
    for size in (0, 1, 3, 4, 20, len(segments[0]) // 2, len(segments[0]) - 20):
        with pytest.raises(FormatError):
            decoder.decode(segments[0][:size])
