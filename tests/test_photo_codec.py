"""The photo codec as a whole: round trips, regions, targets, damage."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vqcodec.codebook import Codebook
from vqcodec.container import Limits, open_container
from vqcodec.errors import (
    CancelledError,
    ChecksumError,
    CodebookError,
    LimitError,
    MissingCodebookError,
    ParameterError,
    TargetError,
    VQError,
)
from vqcodec.media import Image
from vqcodec.metadata import Metadata
from vqcodec.photo.codec import decode, describe, encode, wanted_codebook
from vqcodec.photo.job import shipped_codebook
from vqcodec.photo.options import Options


def picture(height: int, width: int, channels: int = 3, seed: int = 0) -> np.ndarray:
    """A smooth scene with an edge, texture and noise, as photographs have them."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width] / 32.0
    base = 120 + 60 * np.sin(x + 0.5 * y) + 40 * (x > 0.7 * y + 1)
    planes = [base + 12 * c * np.cos(y * (c + 1)) for c in range(channels)]
    noise = random.normal(0, 3, (height, width, channels))
    samples = np.clip(np.stack(planes, 2) + noise, 0, 255).astype(np.uint8)
    if channels in (2, 4):
        samples[..., -1] = np.where(x + y > 1.5, 255, 0)
    return samples


def coded(samples: np.ndarray, **options: object) -> bytes:
    return encode(Image(samples), Options(**options))  # type: ignore[arg-type]


def restored(data: bytes) -> np.ndarray:
    return decode(open_container(data)).samples


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    return float(10 * np.log10(65025 / np.mean((a.astype(float) - b) ** 2)))


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    height=st.integers(1, 70),
    width=st.integers(1, 70),
    channels=st.integers(1, 4),
    quality=st.integers(0, 100),
    tune=st.sampled_from(["visual", "psnr"]),
)
def test_decoder_agrees_with_encoder(
    height: int, width: int, channels: int, quality: int, tune: str
) -> None:
    # The file carries a checksum of the encoder's own reconstruction: decoding verifies it.
    samples = picture(height, width, channels, seed=quality)
    decoded = restored(coded(samples, quality=quality, tune=tune))
    assert decoded.shape == samples.shape
    assert decoded.dtype == np.uint8


def test_noise_at_full_quality_is_nearly_lossless() -> None:
    samples = np.random.default_rng(1).integers(0, 256, (40, 48, 3), dtype=np.uint8)
    assert psnr(restored(coded(samples, quality=100, tune="psnr")), samples) > 48


def test_size_and_error_fall_and_rise_with_quality() -> None:
    samples = picture(96, 128)
    files = [coded(samples, quality=q) for q in (10, 30, 50, 75, 90, 100)]
    sizes = [len(f) for f in files]
    scores = [psnr(restored(f), samples) for f in files]
    assert sizes == sorted(sizes)
    assert scores == sorted(scores)


def test_beats_raw_by_far_on_a_smooth_scene() -> None:
    samples = picture(128, 128)
    data = coded(samples)
    assert len(data) < samples.size / 20
    assert psnr(restored(data), samples) > 32


def test_bytes_do_not_depend_on_threads() -> None:
    samples = picture(150, 140)
    one = coded(samples, tile=64, threads=1)
    assert coded(samples, tile=64, threads=3) == one
    opened = open_container(one)
    assert np.array_equal(decode(opened, threads=1).samples, decode(opened, threads=4).samples)


def test_region_equals_that_part_of_the_whole() -> None:
    data = coded(picture(150, 200), tile=64)
    whole = restored(data)
    part = decode(open_container(data), region=(50, 60, 90, 33)).samples
    assert np.array_equal(part, whole[60:93, 50:140])
    with pytest.raises(ParameterError):
        decode(open_container(data), region=(150, 0, 51, 10))


@pytest.mark.parametrize("effort", [1, 3, 7, 9])
def test_every_effort_decodes(effort: int) -> None:
    samples = picture(64, 96)
    assert psnr(restored(coded(samples, effort=effort, tune="psnr")), samples) > 34


def test_targets_are_met() -> None:
    samples = picture(256, 320, seed=3)
    size = len(coded(samples, size=9000))
    assert 8820 <= size <= 9000
    bpp = len(coded(samples, bpp=1.0)) * 8 / (256 * 320)
    assert bpp == pytest.approx(1.0, rel=0.02)
    assert 36.0 <= psnr(restored(coded(samples, psnr=36.0)), samples) < 36.6
    with pytest.raises(TargetError):
        coded(samples, size=60)


def test_transparent_areas_cost_nothing_and_edges_stay_exact() -> None:
    samples = picture(96, 96, 4)
    noisy = samples.copy()
    hidden = samples[..., 3] == 0
    noisy[hidden, :3] = np.random.default_rng(0).integers(0, 256, (int(hidden.sum()), 3))
    assert abs(len(coded(noisy)) - len(coded(samples))) < 100
    assert np.array_equal(restored(coded(samples))[..., 3], samples[..., 3])


def test_sixteen_bits_are_reduced_with_a_warning() -> None:
    samples = picture(40, 40).astype(np.uint16) * 257
    with pytest.warns(UserWarning, match="16-bit"):
        data = encode(Image(samples))
    assert restored(data).dtype == np.uint8


def test_metadata_is_kept_or_stripped() -> None:
    metadata = Metadata(icc=b"profile" * 9, exif=b"Exif\0\0II", text={"Title": "Ä"})
    image = Image(picture(33, 20), metadata)
    assert decode(open_container(encode(image))).metadata == metadata
    assert not decode(open_container(encode(image, Options(strip=True)))).metadata


def test_own_codebook_is_named_by_the_file() -> None:
    shipped = shipped_codebook()
    arrays = dict(shipped.arrays)
    arrays["counts"] = np.minimum(arrays["counts"], 30)
    own = Codebook("photo", shipped.config, arrays)
    samples = picture(48, 48)
    data = encode(Image(samples), Options(), own)
    opened = open_container(data)
    assert wanted_codebook(opened) == own.identity
    assert psnr(decode(opened, own).samples, samples) > 30
    with pytest.raises(MissingCodebookError):
        decode(opened)
    with pytest.raises(CodebookError):
        decode(opened, shipped)


def test_progress_reports_and_cancels() -> None:
    seen: list[float] = []
    encode(Image(picture(70, 70)), Options(tile=64), progress=lambda f, _: seen.append(f))
    assert seen == sorted(seen)
    assert seen[-1] == 1.0
    with pytest.raises(CancelledError):
        encode(Image(picture(70, 70)), Options(tile=64), progress=lambda f, m: False)


@pytest.mark.parametrize(
    "options",
    [{"quality": 101}, {"effort": 0}, {"tune": "ear"}, {"bpp": 1.0, "size": 9}, {"tile": 100}],
)
def test_impossible_options_are_refused(options: dict[str, object]) -> None:
    with pytest.raises(ParameterError):
        Options(**options)  # type: ignore[arg-type]


# --- damage -------------------------------------------------------------------

DAMAGEABLE = coded(picture(100, 130), tile=64, quality=50)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, len(DAMAGEABLE) - 1))
def test_truncated_files_are_refused(length: int) -> None:
    with pytest.raises(VQError):
        decode(open_container(DAMAGEABLE[:length]))


@settings(max_examples=60, deadline=None)
@given(st.integers(0, len(DAMAGEABLE) - 1), st.integers(1, 255))
def test_a_changed_byte_is_noticed(position: int, change: int) -> None:
    data = bytearray(DAMAGEABLE)
    data[position] ^= change
    with pytest.raises(VQError):
        decode(open_container(bytes(data)))


@settings(max_examples=15, deadline=None)
@given(st.binary(max_size=400))
def test_any_bytes_decode_to_some_tile(data: bytes) -> None:
    from vqcodec.photo.header import Header
    from vqcodec.photo.job import quantization
    from vqcodec.photo.model import Tables
    from vqcodec.photo.tiles import decode_tile

    header = Header.unpack(open_container(DAMAGEABLE).header, Limits())
    state = decode_tile(data, 3, 64, 70, Tables.of(shipped_codebook()), quantization(header))
    assert state.planes.min() >= 0
    assert state.planes.max() <= 1023


def test_damage_is_confined_to_its_tile() -> None:
    whole = restored(DAMAGEABLE)
    opened = open_container(DAMAGEABLE)
    tiles = [entry for entry in opened.entries if entry.type == "T"]
    data = bytearray(DAMAGEABLE)
    data[tiles[1].offset + tiles[1].length // 2] ^= 1
    with pytest.raises(ChecksumError):
        decode(open_container(bytes(data)))
    damaged: list[str] = []
    salvaged = decode(open_container(bytes(data)), damaged=damaged).samples
    assert len(damaged) == 1
    assert "64,0" in damaged[0]
    intact = np.ones((100, 130), bool)
    intact[:64, 64:128] = False
    assert np.array_equal(salvaged[intact], whole[intact])


def test_files_describe_themselves() -> None:
    said = describe(open_container(DAMAGEABLE))
    assert (said["width"], said["height"], said["channels"]) == (130, 100, 3)
    assert (said["tiles"], said["tile_side"]) == (6, 64)
    assert said["tune"] == "visual"
    assert said["codebook"] == "shipped"


def test_pixel_limit() -> None:
    with pytest.raises(LimitError):
        decode(open_container(DAMAGEABLE), limits=Limits(pixels=12_999))
