"""The low-rate speech codec: sound comes back at the rate asked for, or an error says why."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vqcodec.audio.speech.codec import OVERHEAD, Decoder, Encoder, shipped
from vqcodec.audio.speech.options import Options
from vqcodec.codebook import Codebook
from vqcodec.errors import CodebookError, FormatError, ParameterError, VQError


def voice(seconds: float, rate: int = 8000, seed: int = 0) -> np.ndarray:
    """Return something like a voice: a buzz of gliding pitch through wandering resonances."""
    generator = np.random.default_rng(seed)
    n = int(seconds * rate)
    time = np.arange(n) / rate
    pitch = 120 + 30 * np.sin(2 * np.pi * 0.7 * time)
    phase = np.cumsum(pitch) / rate
    source = (np.diff(np.floor(phase), prepend=0.0) > 0) * 1.0 + 0.02 * generator.normal(size=n)
    source *= np.sin(2 * np.pi * 1.5 * time) > -0.6  # pauses
    out = np.zeros(n)
    for base, sway in ((500, 150), (1500, 400), (2500, 200)):
        y1 = y2 = 0.0
        centre = base + sway * np.sin(2 * np.pi * 1.1 * time + base)
        for i in range(n):
            y = source[i] + 1.94 * np.cos(2 * np.pi * centre[i] / rate) * y1 - 0.9409 * y2
            y1, y2 = y, y1
            out[i] += y
    return (0.3 * out / np.abs(out).max()).astype(np.float32)[:, None]


def encode(
    samples: np.ndarray, rate: int = 8000, bitrate: float = 8000, effort: int = 1
) -> tuple[bytes, list[bytes]]:
    encoder = Encoder(rate, 1, Options(bitrate, effort))
    segments = encoder.write(samples) + encoder.finish()
    assert encoder.frames == len(samples)
    return encoder.header, segments


def decode(header: bytes, segments: list[bytes]) -> np.ndarray:
    decoder = Decoder(header)
    parts = [decoder.decode(s, segments[i - 1] if i else None) for i, s in enumerate(segments)]
    assert all(part.shape == (decoder.segment_frames, 1) for part in parts)
    assert all(part.dtype == np.float32 for part in parts)
    return np.concatenate(parts) if parts else np.zeros((0, 1), np.float32)


def snr(a: np.ndarray, b: np.ndarray) -> float:
    return 10 * np.log10(float((a**2).sum()) / float(((a - b) ** 2).sum()))


SPEECH = voice(7.0)


@pytest.mark.parametrize("bitrate", [2400, 5000, 8000])
def test_the_rate_is_met_and_the_sound_comes_back(bitrate: int) -> None:
    header, segments = encode(SPEECH, bitrate=bitrate)
    spent = sum(map(len, segments)) + OVERHEAD * len(segments)
    assert spent * 8 / 7.0 == pytest.approx(bitrate, rel=0.03)
    back = decode(header, segments)[: len(SPEECH)]
    assert snr(SPEECH, back) > {2400: 1, 5000: 4, 8000: 6}[bitrate]


def test_wide_band() -> None:
    sound = voice(4.0, 16000)
    header, segments = encode(sound, 16000, 14000)
    decoder = Decoder(header)
    assert (decoder.rate, decoder.channels) == (16000, 1)
    assert snr(sound, decode(header, segments)[: len(sound)]) > 6


def test_more_bits_sound_better() -> None:
    figures = [snr(SPEECH, decode(*encode(SPEECH, bitrate=r))[: len(SPEECH)]) for r in (2400, 8000)]
    assert figures[1] > figures[0] + 1.5


def test_the_same_bytes_whatever_the_pieces() -> None:
    header, whole = encode(SPEECH[:30000])
    encoder = Encoder(8000, 1, Options(8000, 1))
    pieces: list[bytes] = []
    for start in range(0, 30000, 777):
        pieces += encoder.write(SPEECH[start : min(start + 777, 30000)])
    pieces += encoder.finish()
    assert pieces == whole
    assert encoder.header == header
    assert (decode(header, whole) == decode(header, whole)).all()


def test_a_segment_decodes_with_its_predecessor_alone() -> None:
    header, segments = encode(SPEECH)
    straight = decode(header, segments)
    decoder = Decoder(header)
    size = decoder.segment_frames
    last = decoder.decode(segments[-1], segments[-2])
    assert np.abs(last - straight[-size:]).max() < 1 / 65536
    alone = Decoder(header).decode(segments[-1], None)
    assert np.abs(alone[size // 4 :] - straight[size // 4 - size :]).max() < 1 / 65536


@pytest.mark.parametrize("length", [0, 1, 2, 159, 160, 161])
def test_short_sounds(length: int) -> None:
    header, segments = encode(SPEECH[4000 : 4000 + length])
    assert len(segments) == (length > 0)
    assert len(decode(header, segments)) >= length


def test_silence_costs_nothing_and_stays_silent() -> None:
    header, segments = encode(np.zeros((24000, 1), np.float32))
    assert max(map(len, segments)) < 12
    assert not decode(header, segments).any()


def test_click_full_scale_and_offset() -> None:
    click = np.zeros((8000, 1), np.float32)
    click[4000] = 1.0
    square = np.where(np.arange(8000) % 80 < 40, 1.0, -1.0).astype(np.float32)[:, None]
    offset = np.full((8000, 1), 0.7, np.float32)
    noise = np.random.default_rng(0).uniform(-1, 1, (8000, 1)).astype(np.float32)
    for sound in (click, square, offset, noise, 4 * square):
        back = decode(*encode(sound))
        assert np.isfinite(back).all()
        assert np.abs(back).max() <= 1.0
    assert np.abs(decode(*encode(click))[:3900]).max() < 0.01  # nothing before the click


def test_what_is_not_speech_is_refused() -> None:
    for rate, channels in ((44100, 1), (8000, 2)):
        with pytest.raises(ParameterError):
            Encoder(rate, channels)
    with pytest.raises(ParameterError):
        Options(bitrate=500)
    with pytest.raises(ParameterError):
        Options(effort=0)
    with pytest.raises(ParameterError):
        Encoder(8000, 1).write(np.array([[np.nan]], np.float32))


def test_damaged_headers() -> None:
    header = Encoder(8000, 1).header
    bad_mode, no_frames = header[:1] + b"\x09" + header[2:], header[:2] + b"\0" + header[3:]
    other_book, short, long = header[:3] + bytes(4), header[:-1], header + b"\0"
    for bad in (b"", short, long, b"\xff" + header[1:], bad_mode, no_frames, other_book):
        with pytest.raises(FormatError):
            Decoder(bad)
    with pytest.raises(CodebookError):
        Decoder(header, Codebook("palette", {}, {}))


def test_truncated_segments_are_noticed() -> None:
    header, segments = encode(SPEECH[:24000])
    for keep in (0, 1, 10, len(segments[0]) // 2, len(segments[0]) - 1):
        with pytest.raises(FormatError):
            Decoder(header).decode(segments[0][:keep], None)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(st.binary(max_size=400))
def test_any_bytes_decode_to_finite_sound_or_an_error(data: bytes) -> None:
    header = Encoder(8000, 1).header
    try:
        samples = Decoder(header).decode(data, None)
    except VQError:
        return
    assert np.isfinite(samples).all()


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.data())
def test_whatever_the_indices_the_filter_is_stable(data: st.DataObject) -> None:
    from vqcodec.audio.speech.lpc import lsf_to_lpc
    from vqcodec.audio.speech.lsf import dequantize
    from vqcodec.audio.speech.model import SPACING, Tables
    from vqcodec.audio.speech.syntax import LSF_STAGES

    number = data.draw(st.integers(0, 2))
    tables = Tables.of(shipped(), number)
    order = tables.mode.order
    previous = tables.mean[1].copy()
    lsf, a, work = np.zeros(order), np.zeros(order + 1), np.zeros((2, order + 3))
    for _ in range(4):
        mode = data.draw(st.integers(0, 1))
        apart = data.draw(st.integers(1, 2))
        words = st.lists(st.integers(0, 127), min_size=LSF_STAGES, max_size=LSF_STAGES)
        indices = np.array(data.draw(words))
        dequantize(
            mode, indices, previous, tables.mean, tables.rho, apart, tables.books, SPACING, lsf
        )
        assert lsf[0] >= SPACING * 0.999
        assert lsf[-1] <= np.pi - SPACING * 0.999
        assert (np.diff(lsf) >= SPACING * 0.999).all()
        lsf_to_lpc(lsf, a, work)
        assert np.abs(np.roots(a)).max() < 1.0
        previous[:] = lsf


def test_training_makes_a_codebook_that_works() -> None:
    from vqcodec.audio.speech.train import TrainOptions, train

    voices = [(voice(14.0, seed=s), 8000) for s in (1, 2)]
    own = train(voices, TrainOptions(modes=(0,), seed=3))
    with pytest.raises(CodebookError):
        train(voices, TrainOptions(modes=(2,)))
    again = Codebook.from_bytes(own.to_bytes())
    assert again.identity == own.identity
    encoder = Encoder(8000, 1, Options(8000, 1), own)
    segments = encoder.write(SPEECH[:24000]) + encoder.finish()
    back = Decoder(encoder.header, own).decode(segments[0], None)
    assert snr(SPEECH[:24000], back[:24000]) > 6
    with pytest.raises(FormatError):
        Decoder(encoder.header)
    with pytest.raises(CodebookError):
        train([(voice(1.0), 8000)])
