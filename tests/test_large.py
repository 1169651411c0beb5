"""Large images are read in parts, and come out as small ones do."""

from __future__ import annotations

import numpy as np
import PIL.Image
import pytest

import vqcodec
from vqcodec.container import Limits
from vqcodec.errors import LimitError, MediaError
from vqcodec.media import large, load_image

LIMITS = Limits()


@pytest.fixture
def picture():
    y, x = np.mgrid[:70, :90]
    return np.stack([x * 2 + y, 255 - x - y, (x * y) % 256], 2).astype(np.uint8)


@pytest.mark.parametrize("suffix", [".ppm", ".tif", ".pgm"])
def test_rasters_are_the_samples(tmp_path, picture, suffix):
    samples = picture[..., 0] if suffix == ".pgm" else picture
    path = tmp_path / f"a{suffix}"
    PIL.Image.fromarray(samples).save(path)
    found = large.open_large(path, LIMITS, least=1)
    assert found is not None
    whole = load_image(path)
    assert found.samples.shape == whole.samples.shape
    assert (found.channels, found.bits, found.raw_bytes) == (
        whole.channels, whole.bits, whole.raw_bytes,
    )  # fmt: skip
    np.testing.assert_array_equal(found.samples[:], whole.samples)
    np.testing.assert_array_equal(found.samples[10:30, 5:50], whole.samples[10:30, 5:50])


def test_only_plain_uncompressed_files_stay_on_disk(tmp_path, picture):
    image = PIL.Image.fromarray(picture)
    for name, wishes in (
        ("a.png", {}), ("a.tif", {"compression": "tiff_lzw"}), ("a.bmp", {}), ("a.jpg", {}),
    ):  # fmt: skip
        image.save(tmp_path / name, **wishes)
        assert large.open_large(tmp_path / name, LIMITS, least=1) is None
    image.convert("RGBA").save(tmp_path / "b.tif")
    assert large.open_large(tmp_path / "b.tif", LIMITS, least=1) is None
    image.save(tmp_path / "c.ppm")
    assert large.open_large(tmp_path / "c.ppm", LIMITS) is None  # small
    assert large.open_large(tmp_path / "missing.ppm", LIMITS, least=1) is None
    assert large.open_large(picture, LIMITS, least=1) is None
    with pytest.raises(LimitError):
        large.open_large(tmp_path / "c.ppm", Limits(pixels=99), least=1)
    whole = (tmp_path / "c.ppm").read_bytes()
    (tmp_path / "c.ppm").write_bytes(whole[:-1])
    with pytest.raises(MediaError, match="truncated"):
        large.open_large(tmp_path / "c.ppm", LIMITS, least=1)


@pytest.mark.parametrize("wishes", [{"tile": 64}, {"tile": 64, "tune": "psnr"}])
def test_large_images_are_coded_like_small_ones(tmp_path, picture, monkeypatch, wishes):
    path = tmp_path / "a.ppm"
    PIL.Image.fromarray(picture).save(path)
    expected = vqcodec.encode(picture, kind="photo", **wishes)
    monkeypatch.setattr(large, "LARGE", 1)
    found = large.open_large(path, LIMITS, least=1)
    assert vqcodec.encode(found, **wishes) == expected


@pytest.mark.parametrize(
    "wishes",
    [
        {"tile": 32, "block": (4, 3)}, {"color": "gray"}, {"tile": 16, "fixed_rate": True},
        {"color": "rgb", "mean_removed": True, "block": 5, "tile": 40},
    ],
    ids=str,
)  # fmt: skip
def test_large_images_are_cut_into_blocks_like_small_ones(tmp_path, picture, wishes):
    """Rows of blocks and tiles are read from the disk, with training, refinement and all."""
    path = tmp_path / "a.ppm"
    PIL.Image.fromarray(picture).save(path)
    found = large.open_large(path, LIMITS, least=1)
    data = vqcodec.encode(found, kind="patch", codewords=20, **wishes)
    assert data == vqcodec.encode(picture, kind="patch", codewords=20, **wishes)
