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


@pytest.mark.parametrize("kind", ["silence", "clipped", "constant", "click"])
def test_odd_signals(kind):
    sound = np.zeros((30000, 2), np.float32)
    if kind == "clipped":
        wave = np.sin(np.arange(30000) / 20)[:, None].astype(np.float32)
        sound[:] = np.clip(3 * wave, -1, 1)
    elif kind == "constant":
        sound[:] = 0.25
    elif kind == "click":
        sound[12345] = 0.9
    header, segments, frames = encode(sound, 44100, quality=8)
    decoded = decode(header, segments, frames)
    if kind == "silence":
        assert not decoded.any()
        assert sum(map(len, segments)) < 200
    else:
        # A click has a twelfth of its power above the last band: 10.9 dB are the most.
        assert snr(sound, decoded) > (9 if kind == "click" else 12)
    if kind == "click":  # what is quantized does not spread far before it
        assert abs(decoded[:11000]).max() < 0.02


def test_same_bytes_and_samples_however_it_is_written():
    sound = music(150000, 2, 22050)
    header, whole, frames = encode(sound, 22050, piece=150000)
    assert (header, whole, frames) == encode(sound, 22050, piece=777)
    decoder = Decoder(header)
    pieces = [decoder.decode(s, whole[i - 1] if i else None) for i, s in enumerate(whole)]
    again = Decoder(header).decode(whole[1], whole[0])  # seeking
    assert len(whole) > 1
    assert np.array_equal(pieces[1], again)
    lost = Decoder(header).decode(whole[1], None)
    half = 2048 // 2
    assert np.array_equal(lost[2 * half :], again[2 * half :])


def test_better_quality_takes_more_bytes_and_errs_less():
    sound = music(80000, 2, 48000)
    sizes, errors = [], []
    for quality in (1, 4, 7, 10):
        header, segments, frames = encode(sound, 48000, quality=quality)
        sizes.append(sum(map(len, segments)))
        errors.append(-snr(sound, decode(header, segments, frames)))
    assert sizes == sorted(sizes)
    assert errors == sorted(errors, reverse=True)


@pytest.mark.parametrize("bitrate", [32000, 96000])
def test_bitrate_is_met(bitrate):
    sound = music(300000, 2, 48000) + music(300000, 2, 48000, seed=1)
    _, segments, frames = encode(sound, 48000, bitrate=bitrate)
    met = 8 * sum(map(len, segments)) * 48000 / frames
    assert abs(met / bitrate - 1) < 0.03


def test_damage_is_an_error_or_noise_but_never_a_crash():
    header, segments, _ = encode(music(40000, 2, 16000), 16000)
    generator = np.random.default_rng(5)
    for _ in range(25):
        damaged = bytearray(segments[0])
        for _ in range(3):
            damaged[generator.integers(len(damaged))] = generator.integers(256)
        try:
            decoded = Decoder(header).decode(bytes(damaged))
        except FormatError:
            continue
        assert np.isfinite(decoded).all()
    for bad in (b"", header[:3], b"\x00" + header, header + b"\x00"):
        with pytest.raises(FormatError):
            Decoder(bad)


def test_the_codebook_is_chosen_by_what_it_costs():
    sound = music(60000, 1, 8000)
    sizes = {}
    for model in ("music", "speech", "auto"):
        header, segments, frames = encode(sound, 8000, quality=6, model=model)
        assert snr(sound, decode(header, segments, frames)) > 10
        sizes[model] = len(segments[0]), segments[0][0] & 2
    assert sizes["music"][1] == 0
    assert sizes["speech"][1] == 2
    assert sizes["auto"] == min(sizes["music"], sizes["speech"])
