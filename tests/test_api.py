"""The public functions: sources and targets of every sort, kinds, comparison, description."""

import io
import math
import subprocess
import sys

import numpy as np
import PIL.Image
import pytest

import vqcodec
from vqcodec.container import Kind, pack
from vqcodec.errors import CodebookError, FormatError, MediaError, ParameterError, VQError


@pytest.fixture(scope="module")
def picture():
    y, x = np.mgrid[:40, :56]
    return np.stack((4 * x, 255 - 5 * y, 3 * x + 2 * y), 2).clip(0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def data(picture):
    return vqcodec.encode(picture, codewords=32, block=4)


def test_every_source_gives_the_same_file(picture, data, tmp_path):
    path = tmp_path / "a.png"
    PIL.Image.fromarray(picture).save(path)
    sources = [path, str(path), path.read_bytes(), io.BytesIO(path.read_bytes()),
               PIL.Image.fromarray(picture), vqcodec.Image(picture)]  # fmt: skip
    for source in sources:
        assert vqcodec.encode(source, codewords=32, block=4) == data


def test_targets(picture, data, tmp_path):
    vqcodec.encode(picture, tmp_path / "a.vqi", codewords=32, block=4)
    assert (tmp_path / "a.vqi").read_bytes() == data
    file = io.BytesIO()
    vqcodec.encode(picture, file, codewords=32, block=4)
    assert file.getvalue() == data
    image = vqcodec.decode(tmp_path / "a.vqi", tmp_path / "back.png")
    back = np.asarray(PIL.Image.open(tmp_path / "back.png"))
    np.testing.assert_array_equal(back, image.samples)
    with (tmp_path / "a.vqi").open("rb") as source:
        np.testing.assert_array_equal(vqcodec.decode(source).samples, back)
    with pytest.raises(MediaError):
        vqcodec.encode(picture, tmp_path, codewords=32, block=4)


def test_auto_takes_the_codec_that_the_wishes_name(picture):
    assert vqcodec.info(vqcodec.encode(picture, codewords=8))["kind"] == "patch"
    assert vqcodec.info(vqcodec.encode(picture.astype(np.uint16) * 257))["kind"] == "patch"
    book = vqcodec.train([picture], codewords=8, block=4)
    assert vqcodec.info(vqcodec.encode(picture, codebook=book))["kind"] == "patch"
    with pytest.raises(ParameterError, match="no option 'codewords'"):
        vqcodec.encode(picture, kind="photo", codewords=8)
    with pytest.raises(ParameterError, match="no image codec"):
        vqcodec.encode(picture, kind="palette")


def test_compare(picture, data, tmp_path):
    path = tmp_path / "a.png"
    PIL.Image.fromarray(picture).save(path)
    report = vqcodec.compare(path, data)
    decoded = vqcodec.decode(data).samples
    mse = np.mean((picture.astype(float) - decoded) ** 2)
    assert report["mse"] == pytest.approx(mse)
    assert report["psnr"] == pytest.approx(10 * math.log10(65025 / mse))
    assert report["bytes"] == len(data)
    assert report["bpp"] == pytest.approx(len(data) * 8 / (40 * 56))
    assert report["ratio_file"] == pytest.approx(path.stat().st_size / len(data))
    assert report["ratio_raw"] == pytest.approx(picture.size / len(data))
    assert {"psnr_y", "ssim", "ms_ssim", "max_error"} <= set(report)
    assert len(report["codewords"]) == 2  # luma and chroma
    assert all(u <= c for u, c in zip(report["used"], report["codewords"], strict=True))
    assert all(1 <= p <= c for p, c in zip(report["perplexity"], report["used"], strict=True))
    assert math.isinf(vqcodec.compare(picture, picture)["psnr"])
    with pytest.raises(VQError):
        vqcodec.compare(picture, picture[1:])


def test_compare_sounds(tmp_path):
    import soundfile

    wave = np.sin(np.arange(8000) / 9)
    soundfile.write(tmp_path / "a.wav", wave, 8000)
    soundfile.write(tmp_path / "b.flac", wave * 0.9, 8000)
    report = vqcodec.compare(tmp_path / "a.wav", tmp_path / "b.flac")
    assert report["snr"] == pytest.approx(20, abs=0.1)
    assert report["bytes"] == (tmp_path / "b.flac").stat().st_size


def test_info(picture, data, tmp_path):
    values = vqcodec.info(data)
    assert (values["kind"], values["width"], values["height"]) == ("patch", 56, 40)
    assert values["layout"] == "ycbcr420"
    assert [plane["block"] for plane in values["planes"]] == ["4x4", "4x4"]
    indices, book = vqcodec.detach(data)
    assert vqcodec.info(indices)["codebook"] == book.name
    assert vqcodec.info(book.to_bytes())["identity"] == book.name
    PIL.Image.fromarray(picture).save(tmp_path / "a.png")
    assert vqcodec.info(tmp_path / "a.png")["format"] == "PNG"
    damaged = bytearray(data)
    damaged[-20] ^= 1
    with pytest.raises(FormatError):
        vqcodec.info(bytes(damaged))
    with pytest.raises(MediaError):
        vqcodec.info(b"nothing that is known")


def test_train_from_folders(picture, tmp_path):
    (tmp_path / "sub").mkdir()
    PIL.Image.fromarray(picture).save(tmp_path / "a.png")
    PIL.Image.fromarray(picture[::-1]).save(tmp_path / "sub" / "b.png")
    (tmp_path / "readme.txt").write_text("no image")
    book = vqcodec.train(tmp_path, codewords=16, block=4, color="gray")
    both = vqcodec.train([picture, picture[::-1]], codewords=16, block=4, color="gray")
    assert book.identity == both.identity
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(MediaError, match="no image"):
        vqcodec.train(empty)
    with pytest.raises(ParameterError, match="no training"):
        vqcodec.train([picture], kind="palette")
    with pytest.raises(CodebookError, match="bits"):
        vqcodec.train([picture, picture.astype(np.uint16)], codewords=4)


def test_wrong_arguments(picture, data):
    with pytest.raises(CodebookError, match="int"):
        vqcodec.decode(data, codebook=3)
    with pytest.raises(FormatError, match="wrong magic"):
        vqcodec.decode(b"\x89PNG\r\n\x1a\n")
    with pytest.raises(FormatError, match="holds no image"):
        vqcodec.decode(pack(Kind.CODEBOOK, b"", []))
    with pytest.raises(ParameterError, match="own"):
        vqcodec.detach(pack(Kind.AUDIO, b"", []))
    with pytest.raises(AttributeError):
        vqcodec.no_such_name  # noqa: B018
    assert "encode" in dir(vqcodec)


def test_importing_is_light():
    program = (
        "import sys, vqcodec; print(sorted({'numpy', 'numba', 'scipy', 'PIL'} & set(sys.modules)))"
    )
    out = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert out.stdout.strip() == "[]"


def test_fixed_rate_decoding_needs_no_numba(picture, tmp_path):
    path = tmp_path / "a.vqi"
    vqcodec.encode(picture, path, fixed_rate=True, codewords=16)
    program = f"import sys, vqcodec; vqcodec.decode({str(path)!r}); print('numba' in sys.modules)"
    out = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert out.stdout.strip() == "False"


def test_docstring_examples():
    import doctest

    from vqcodec import api

    for module in (vqcodec, api):
        result = doctest.testmod(module)
        assert result.attempted > 0
        assert result.failed == 0
