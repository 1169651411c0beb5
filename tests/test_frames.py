"""The frames codec: packing, gain tables, training, and sounds of every awkward sort."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vqcodec import container, metrics
from vqcodec.codebook import Codebook
from vqcodec.errors import CodebookError, FormatError, ParameterError
from vqcodec.frames.codec import Decoder, Encoder, Header, describe
from vqcodec.frames.options import Options
from vqcodec.frames.shapes import gain_table, read_book, reconstruct, write_book
from vqcodec.frames.train import Gathering, train

RNG = np.random.default_rng(0)
RATE = 8000


def speechlike(frames: int, channels: int = 1) -> np.ndarray:
    """Low-passed noise under a slow envelope: neighbouring samples resemble each other."""
    noise = RNG.standard_normal((frames + 8, channels))
    smooth = sum(noise[k : frames + k] for k in range(8)) / 8
    envelope = 0.3 + 0.25 * np.sin(np.arange(frames) / 900)[:, None]
    return (smooth * envelope).astype(np.float32)


def unit_vectors(count: int, frame: int) -> np.ndarray:
    vectors = np.random.default_rng(1).standard_normal((count, frame))
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


BOOK = write_book(unit_vectors(64, 4), 6)


def coded(samples: np.ndarray, book: Codebook = BOOK, rate: int = RATE) -> tuple[Encoder, list]:
    encoder = Encoder(rate, samples.shape[1], Options(), book)
    segments = encoder.write(samples) + encoder.finish()
    return encoder, segments


def decoded(encoder: Encoder, segments: list[bytes], book: Codebook = BOOK) -> np.ndarray:
    decoder = Decoder(encoder.header, book)
    return np.concatenate([decoder.decode(segment) for segment in segments])[: encoder.frames]


@settings(max_examples=25, deadline=None)
@given(
    st.integers(1, 20000), st.integers(1, 8), st.integers(1, 300), st.integers(0, 2**32 - 1)
)  # fmt: skip
def test_pieces_of_any_size_make_the_same_segments(
    frames: int, channels: int, rate: int, seed: int
) -> None:
    generator = np.random.default_rng(seed)
    samples = generator.uniform(-1, 1, (frames, channels)).astype(np.float32)
    encoder, segments = coded(samples, rate=rate)
    pieces = Encoder(rate, channels, Options(), BOOK)
    cuts = np.sort(generator.integers(0, frames + 1, 5))
    found = [s for part in np.split(samples, cuts) for s in pieces.write(part)] + pieces.finish()
    assert found == segments
    assert pieces.frames == encoder.frames == frames
    result = decoded(encoder, segments)
    assert result.shape == samples.shape
    size = Decoder(encoder.header, BOOK).segment_frames
    assert len(segments) == -(-frames // size)
    exact = (result * 32768).astype("<i2")
    assert container.sample_check(exact.tobytes()) == encoder.check


@pytest.mark.parametrize("channels", [1, 2, 7])
def test_a_trained_codebook_follows_the_waveform(channels: int) -> None:
    samples = speechlike(12000, channels)
    book = train([[samples]], Options(frame=4, codewords=64), RATE * channels)
    encoder, segments = coded(samples, book)
    assert metrics.snr(samples, decoded(encoder, segments, book)) > 12
    assert metrics.snr(samples, decoded(*coded(samples))) < 10  # untrained shapes do not


def test_training_is_deterministic_and_in_any_blocks() -> None:
    samples = speechlike(6000)
    options = Options(frame=5, codewords=16, seed=3)
    book = train([[samples]], options, RATE)
    assert train([[samples[:3000], samples[3000:]]], options, RATE).identity == book.identity
    assert Codebook.from_bytes(book.to_bytes()).identity == book.identity


def test_silence_is_exact() -> None:
    silence = np.zeros((3000, 2), np.float32)
    assert not decoded(*coded(silence)).any()
    book = train([[silence]], Options(), RATE, strict=False)
    assert not decoded(*coded(silence, book), book).any()
    with pytest.raises(CodebookError, match="0 different frames"):
        train([[silence]], Options(), RATE)


@pytest.mark.parametrize("level", [1.0, -1.0, 0.25, 3e-4])
def test_direct_current(level: float) -> None:
    samples = np.full((1000, 1), level, np.float32)
    book = train([[samples]], Options(), RATE, strict=False)
    assert np.abs(decoded(*coded(samples, book), book) - samples).max() < 0.12 * abs(level)


def test_a_click_and_one_sample() -> None:
    click = np.zeros((999, 1), np.float32)
    click[500] = 1.0
    book = train([[click]], Options(frame=4), RATE, strict=False)
    result = decoded(*coded(click, book), book)
    assert result[500, 0] == pytest.approx(1.0, abs=0.12)
    assert not np.delete(result, slice(500, 504), 0)[np.r_[:496, 504:995]].any()
    one = np.full((1, 1), -0.5, np.float32)
    book = train([[one]], Options(frame=4), RATE, strict=False)
    assert decoded(*coded(one, book), book)[0, 0] == pytest.approx(-0.5, abs=0.06)


def test_full_scale_noise_is_clipped_not_wrapped() -> None:
    loud = np.sign(RNG.standard_normal((4000, 1))).astype(np.float32)
    result = decoded(*coded(loud))
    assert np.abs(result).max() <= 1.0
    assert metrics.snr(loud, result) > 0


def test_the_decoder_is_a_table_look_up_of_integers() -> None:
    book = read_book(BOOK)
    shapes, gains = RNG.integers(0, len(book.shapes), 50), RNG.integers(0, len(book.gains), 50)
    expected = [
        [min(32767, max(-32768, (int(book.gains[g]) * int(c) + 64) >> 7)) for c in book.shapes[s]]
        for s, g in zip(shapes, gains, strict=True)
    ]
    assert reconstruct(book, shapes, gains).tolist() == expected


def test_decoding_needs_no_compiler() -> None:
    encoder, segments = coded(speechlike(9000))
    code = (
        "import sys; from vqcodec.codebook import Codebook; from vqcodec.frames.codec import *\n"
        f"book = Codebook.from_bytes({BOOK.to_bytes()!r})\n"
        f"x = Decoder({encoder.header!r}, book).decode({segments[0]!r}, None)\n"
        "assert len(x) == 8000 and 'numba' not in sys.modules and 'scipy' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(("frame", "bits"), [(1, 2), (8, 6), (256, 8)])
def test_gain_tables(frame: int, bits: int) -> None:
    gains = gain_table(frame, bits)
    assert gains[0] == 0
    assert (np.diff(gains) > 0).all()
    assert len(gains) <= 1 << bits
    # A frame of full scale, and one of a single step, are both within half a gain's step.
    ratio = 32768 ** (1 / ((1 << bits) - 2))
    for size in (32768, 1):
        wanted = size * np.sqrt(frame) * 128 / 127
        assert min(abs(np.log(gains[1:] / wanted))) <= max(np.log(ratio) / 2, 0.01)


def test_the_gathering_is_bounded_and_even() -> None:
    ramp = np.repeat(np.arange(1000, dtype=np.float32), 4)[:, None] / 1000
    gathering = Gathering(4, most=50)
    for part in np.array_split(ramp[4:], 7):
        gathering.add(part[: len(part) // 4 * 4])
    vectors = gathering.vectors()
    assert 40 <= len(vectors) <= 100
    steps = np.diff(vectors[:, 0])
    assert steps.max() < 2.5 * steps.min()


@pytest.mark.parametrize(
    ("options", "frame", "codewords"),
    [
        (Options(), 8, 256),
        (Options(quality=0), 32, 256),
        (Options(quality=10), 2, 256),
        (Options(bitrate=16000), 7, 256),
        (Options(bitrate=16000, frame=4), 4, 4),
        (Options(bitrate=8000, codewords=1024), 16, 1024),
    ],
)
def test_operating_points(options: Options, frame: int, codewords: int) -> None:
    assert options.point(RATE) == (frame, codewords)


@pytest.mark.parametrize(
    "wishes",
    [
        {"quality": 11}, {"quality": 1, "bitrate": 9}, {"frame": 0}, {"codewords": 1},
        {"gain_bits": 9}, {"bitrate": 0}, {"bitrate": 1, "frame": 2, "codewords": 3}, {"seed": -1},
    ],
)  # fmt: skip
def test_illegal_options(wishes: dict) -> None:
    with pytest.raises(ParameterError):
        Options(**wishes)


def test_illegal_headers_and_segments() -> None:
    encoder, segments = coded(speechlike(500))
    good = Header.unpack(encoder.header)
    assert describe(encoder.header)["segment_frames"] == good.segment_frames
    for bad in (b"", encoder.header[:-1], encoder.header + b"\0"):
        with pytest.raises(FormatError):
            Decoder(bad, BOOK)
    for header in (Header(0, 1, 4, 9), Header(1, 0, 4, 9), Header(1, 1, 0, 9), Header(1, 1, 4, 0),
                   Header(1, 255, 256, 1 << 20), Header(1, 1, 5, 9)):  # fmt: skip
        with pytest.raises(FormatError):
            Decoder(header.pack(), BOOK)
    decoder = Decoder(encoder.header, BOOK)
    segment = segments[0]
    for bad in (b"", segment[:-1], segment + b"\0", b"\xff\xff\x7f" + segment[1:]):
        with pytest.raises(FormatError):
            decoder.decode(bad)
    with pytest.raises(CodebookError):
        Decoder(encoder.header, None)


def test_indices_beyond_the_codebook_are_refused() -> None:
    book = write_book(unit_vectors(48, 4), 6)  # 6 bits, of which 16 values are illegal
    count = len(book.array("codewords"))
    encoder, segments = coded(speechlike(40), book)
    decoder = Decoder(encoder.header, book)
    decoder.decode(segments[0])
    with pytest.raises(FormatError, match="beyond"):
        decoder.decode(segments[0][:1] + b"\xff" * (len(segments[0]) - 1))
    assert count == 48


@pytest.mark.parametrize(
    "change",
    [
        {"codewords": np.zeros((4, 4), np.int16)},
        {"codewords": np.zeros((4, 300), np.int8)},
        {"codewords": np.zeros(4, np.int8)},
        {"gains": np.array([1, 2], np.int32)},
        {"gains": np.array([0, 2, 2], np.int32)},
        {"gains": np.array([0, 1 << 24], np.int32)},
        {"gains": np.zeros(0, np.int32)},
    ],
)
def test_illegal_codebooks(change: dict) -> None:
    book = Codebook("frames", BOOK.config, {**BOOK.arrays, **change})
    with pytest.raises(FormatError):
        read_book(book)


def test_a_codebook_of_another_kind() -> None:
    with pytest.raises(CodebookError):
        Encoder(RATE, 1, Options(), Codebook("patch", {}, BOOK.arrays))
    with pytest.raises(CodebookError):
        Encoder(RATE, 1, Options(), None)
