"""The measures against scikit-image, SciPy, and definitions written out plainly."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from scipy.signal import convolve2d

from vqcodec import metrics
from vqcodec.errors import ParameterError
from vqcodec.metrics import pairs, similarity

RNG = np.random.default_rng(11)


def pair(channels: int, dtype: type = np.uint8, shape: tuple[int, int] = (97, 120)) -> tuple:
    """A smooth image with an edge, and the same with noise."""
    y, x = np.mgrid[0 : shape[0], 0 : shape[1]]
    planes = [np.sin(x / (7 + k)) + np.cos(y / (9 + k)) + (x > 60) for k in range(channels)]
    image = np.stack(planes, 2)
    image = (image - image.min()) / np.ptp(image)
    noisy = np.clip(image + RNG.normal(0, 0.04, image.shape), 0, 1)
    top = np.iinfo(dtype).max
    return (image * top).astype(dtype), (noisy * top).astype(dtype)


def similarity_of_skimage(a: np.ndarray, b: np.ndarray, white: float) -> float:
    oracle = pytest.importorskip("skimage.metrics")
    return oracle.structural_similarity(
        a, b, data_range=white, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
    )


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_against_scikit_image(channels: int, dtype: type, monkeypatch: pytest.MonkeyPatch) -> None:
    oracle = pytest.importorskip("skimage.metrics")
    white = float(np.iinfo(dtype).max)
    a, b = pair(channels, dtype)
    luma_a, luma_b = metrics.luma(a), metrics.luma(b)
    assert metrics.mse(a, b) == pytest.approx(oracle.mean_squared_error(a, b), rel=1e-9)
    expected = oracle.peak_signal_noise_ratio(a, b, data_range=white)
    assert metrics.psnr(a, b) == pytest.approx(expected, abs=1e-6)
    expected = oracle.peak_signal_noise_ratio(luma_a, luma_b, data_range=white)
    assert metrics.psnr_y(a, b) == pytest.approx(expected, abs=1e-6)
    expected = similarity_of_skimage(luma_a, luma_b, white)
    assert metrics.ssim(a, b) == pytest.approx(expected, abs=1e-6)
    # Strips as small as they get must not change a thing.
    whole = metrics.image_report(a, b)
    monkeypatch.setattr(pairs, "_STRIP", 1000)
    monkeypatch.setattr(similarity, "_STRIP", 1000)
    for name, value in metrics.image_report(a, b).items():
        assert value == pytest.approx(whole[name], rel=1e-9)


def ms_ssim_written_out(a: np.ndarray, b: np.ndarray, white: float) -> float:
    """Five scales after Wang, Simoncelli and Bovik, as slow as it gets."""
    axis = np.arange(-5, 6)
    kernel = np.exp(-(axis[:, None] ** 2 + axis**2) / (2 * 1.5**2))
    kernel /= kernel.sum()

    def blur(plane: np.ndarray) -> np.ndarray:
        return convolve2d(plane, kernel, "valid")

    result = 1.0
    c1, c2 = (0.01 * white) ** 2, (0.03 * white) ** 2
    for scale, exponent in enumerate((0.0448, 0.2856, 0.3001, 0.2363, 0.1333)):
        ma, mb = blur(a), blur(b)
        va, vb, cov = blur(a * a) - ma**2, blur(b * b) - mb**2, blur(a * b) - ma * mb
        structure = (2 * cov + c2) / (va + vb + c2)
        luminance = (2 * ma * mb + c1) / (ma**2 + mb**2 + c1)
        result *= float((structure * luminance if scale == 4 else structure).mean()) ** exponent
        a, b = (
            convolve2d(np.pad(p, ((0, 1), (0, 1)), "symmetric"), np.full((2, 2), 0.25), "valid")
            for p in (a, b)
        )
        a, b = a[::2, ::2], b[::2, ::2]
    return result


@pytest.mark.parametrize("shape", [(176, 176), (161, 203)])
def test_multi_scale_similarity_against_its_definition(shape: tuple[int, int]) -> None:
    a, b = pair(1, np.uint8, shape)
    planes = (image[..., 0].astype(float) for image in (a, b))
    assert metrics.ms_ssim(a, b) == pytest.approx(ms_ssim_written_out(*planes, 255), abs=1e-9)


def test_identical_images() -> None:
    a, _ = pair(3)
    report = metrics.image_report(a, a.copy())
    assert report["mse"] == report["max_error"] == 0
    assert report["psnr"] == report["psnr_y"] == math.inf
    assert report["ssim"] == pytest.approx(1)
    assert report["ms_ssim"] == pytest.approx(1)


@pytest.mark.parametrize("shape", [(1, 1), (5, 7000), (10, 10), (11, 11), (40, 30), (160, 300)])
def test_small_and_odd_images_have_scores(shape: tuple[int, int]) -> None:
    a, b = pair(3, np.uint8, shape) if min(shape) > 1 else (np.zeros((1, 1, 3), np.uint8),) * 2
    report = metrics.image_report(a, b)
    assert -1 <= report["ssim"] <= 1
    assert 0 <= report["ms_ssim"] <= 1 + 1e-12
    if min(shape) >= 11:
        expected = similarity_of_skimage(metrics.luma(a), metrics.luma(b), 255)
        assert report["ssim"] == pytest.approx(expected, abs=1e-6)


def test_channels_are_told_apart() -> None:
    a, _ = pair(3)
    b = a.copy()
    b[..., 2] ^= 8
    report = metrics.image_report(a, b)
    assert report["max_error"] == 8
    assert report["psnr_channels"]["red"] == report["psnr_channels"]["green"] == math.inf
    assert report["psnr_channels"]["blue"] == pytest.approx(10 * math.log10(255**2 / 64))
    assert report["mse"] == pytest.approx(64 / 3)
    assert report["psnr"] == pytest.approx(metrics.psnr(a, b))
    assert report["psnr_y"] == pytest.approx(metrics.psnr_y(a, b))


def test_alpha_is_judged_on_black_and_on_white() -> None:
    a = np.zeros((20, 20, 4), np.uint8)
    b = a.copy()
    b[..., :3] = 200  # under full transparency: invisible
    report = metrics.image_report(a, b)
    assert report["mse"] == 0
    assert report["psnr_channels"]["red"] < 10
    a[..., 3] = b[..., 3] = 255  # now it shows, on either background alike
    assert metrics.mse(a, b) == 200**2
    c = a.copy()
    c[..., 3] = 0  # black became nothing: seen on white only
    assert metrics.mse(a, c) == 255**2 / 2
    assert metrics.max_error(a, c) == 255
    gray = np.zeros((20, 20, 2), np.uint8)
    assert metrics.mse(a, gray) == 255**2 / 2


def test_images_of_different_kinds_are_brought_together() -> None:
    a, _ = pair(1)
    rgb = np.repeat(a, 3, axis=2)
    assert metrics.mse(a, rgb) == 0
    assert metrics.mse(a[..., 0], rgb) == 0
    assert metrics.mse(a, a.astype(np.uint16) * 257) == 0
    assert metrics.psnr(a / 255, a / 255) == math.inf
    opaque = np.dstack((rgb, np.full(a.shape, 255, np.uint8)))
    assert metrics.ssim(a, opaque) == pytest.approx(1)


def test_what_cannot_be_compared() -> None:
    a, _ = pair(3)
    for other in (a[1:], a.astype(np.int32), a / 255.0, a[:, :, :0], np.zeros(5, np.uint8)):
        with pytest.raises(ParameterError):
            metrics.mse(a, other)


# --- sounds -------------------------------------------------------------------


def tone(seconds: float = 1.0, rate: int = 8000) -> np.ndarray:
    t = np.arange(int(seconds * rate)) / rate
    return np.stack([np.sin(2600 * t), 0.5 * np.sin(900 * t)], 1).astype(np.float32)


def test_snr_is_the_ratio_of_powers(monkeypatch: pytest.MonkeyPatch) -> None:
    from vqcodec.metrics import audio

    a = tone()
    b = a * 0.9
    assert metrics.snr(a, b) == pytest.approx(20, abs=1e-4)
    assert metrics.snr(a, a) == math.inf
    noisy = a + RNG.normal(0, 0.01, a.shape)
    expected = 10 * np.log10((a.astype(float) ** 2).sum() / ((noisy - a) ** 2).sum())
    assert metrics.snr(a, noisy) == pytest.approx(expected, abs=1e-6)
    whole = metrics.audio_report(a, noisy, 8000)
    monkeypatch.setattr(audio, "_BLOCK", 700)
    assert metrics.audio_report(a, noisy, 8000) == pytest.approx(whole)


def test_integer_sounds_have_their_own_full_scale() -> None:
    a = (tone() * 20000).astype(np.int16)
    assert metrics.snr(a, a / np.float64(32768)) == math.inf


def test_segmental_snr_clips_and_leaves_silence_out() -> None:
    a = tone()
    assert metrics.segmental_snr(a, a, 8000) == 35
    assert metrics.segmental_snr(a, -9 * a, 8000) == -10
    b = a * 0.9
    b[4000:] = a[4000:]
    assert metrics.segmental_snr(a, b, 8000) == pytest.approx((20 + 35) / 2, abs=0.01)
    quiet = a.copy()
    quiet[4000:] = 0
    assert metrics.segmental_snr(quiet, quiet * 0.9, 8000) == pytest.approx(20, abs=0.01)
    silence = np.zeros_like(a)
    assert metrics.segmental_snr(silence, silence, 8000) == 35
    assert metrics.segmental_snr(silence, a, 8000) == -10


def test_log_spectral_distance_of_a_gain_is_the_gain() -> None:
    noise = RNG.normal(0, 0.1, (9000, 1))
    assert metrics.log_spectral_distance(noise, noise) == 0
    assert metrics.log_spectral_distance(noise, noise / 10) == pytest.approx(20, abs=0.2)
    assert metrics.log_spectral_distance(noise[:100], noise[:100]) == 0


def test_sounds_of_different_length_are_compared_with_silence() -> None:
    a = tone()
    report = metrics.audio_report(a, a[:4000], 8000)
    assert report["snr"] == pytest.approx(3.0, abs=0.2)
    with pytest.raises(ParameterError):
        metrics.snr(a, a[:, :1])
    with pytest.raises(ParameterError):
        metrics.snr(a, a[:0])
    with pytest.raises(ParameterError):
        metrics.snr(a, np.zeros((3, 3, 3)))


# --- words --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "scores"),
    [
        ("psnr", (70, 42, 37, 31, 27, 10)),
        ("psnr_y", (70, 42, 37, 31, 27, 10)),
        ("ssim", (1.0, 0.97, 0.93, 0.85, -0.5)),
        ("ms_ssim", (0.999, 0.985, 0.96, 0.93, 0.2)),
        ("snr", (70, 40, 20, -20)),
        ("segmental_snr", (70, 32, 20, 3)),
        ("log_spectral_distance", (0.1, 1.5, 3.0, 9.0)),
    ],
)
def test_every_score_has_words_that_change_with_it(name: str, scores: tuple[float, ...]) -> None:
    words = [metrics.explain(name, score) for score in scores]
    assert all(words)
    assert all(first != second for first, second in pairwise(words))


def test_words_for_lossless_and_unknown() -> None:
    assert metrics.explain("psnr", math.inf) == metrics.explain("psnr", None) == "identical"
    assert metrics.explain("no such", 3) == ""
    assert metrics.explain("psnr_channels", {"red": 3.0}) == ""
