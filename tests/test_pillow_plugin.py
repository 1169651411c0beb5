"""The Pillow plug-in, tried as Pillow tries its own."""

from __future__ import annotations

import io
import pickle
import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFile, ImageOps, PngImagePlugin, UnidentifiedImageError

import vqcodec
import vqcodec.plugins.pillow
from vqcodec.container import Kind, open_container

LOSSLESS = {"kind": "patch", "block": 1, "codewords": 256, "lagrangian": 0.0, "color": "rgb"}
FAST = {"fixed_rate": True, "codewords": 8}  # no compiled kernel decodes it


def picture(mode: str = "RGB", size: tuple[int, int] = (40, 30)) -> Image.Image:
    """Few enough colours that a patch codebook of single pixels loses nothing."""
    y, x = np.mgrid[0 : size[1], 0 : size[0]]
    gray = ((x // 8 * 40 + y // 6 * 8) % 256).astype(np.uint8)
    if mode == "I;16":
        return Image.fromarray(gray.astype(np.uint16) * 257)
    image = Image.merge("RGB", [Image.fromarray(gray + np.uint8(n)) for n in (0, 3, 9)])
    if mode == "P":
        return image.quantize(16)
    if mode in ("LA", "RGBA"):
        image.putalpha(Image.fromarray(((x > 20) * 255).astype(np.uint8)))
    return image.convert(mode)


def roundtrip(image: Image.Image, **options: object) -> Image.Image:
    file = io.BytesIO()
    image.save(file, "VQI", **options)
    file.seek(0)
    return Image.open(file)


# --- reading and writing ----------------------------------------------------------


def test_sanity(tmp_path: Path) -> None:
    path = tmp_path / "a.vqi"
    picture().save(path, **LOSSLESS)
    with Image.open(path) as image:
        assert image.format == "VQI"
        assert image.size == (40, 30)
        assert image.mode == "RGB"
        assert image.get_format_mimetype() == "image/x-vqi"
        assert image.tobytes() == picture().tobytes()
        assert np.array_equal(np.asarray(image), vqcodec.decode(path).samples)
    with Image.open(path, formats=["VQI"]) as image:
        image.load()
    with pytest.raises(UnidentifiedImageError):
        Image.open(path, formats=["PNG"])


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA", "I;16"])
def test_modes(mode: str) -> None:
    image = roundtrip(picture(mode), **{**LOSSLESS, "color": None})
    assert image.mode == mode
    if mode in ("L", "LA", "I;16"):
        assert image.tobytes() == picture(mode).tobytes()
    assert image.load() is not None


@pytest.mark.parametrize(("mode", "becomes"), [("1", "L"), ("CMYK", "RGB"), ("HSV", "RGB")])
def test_modes_that_become_others(mode: str, becomes: str) -> None:
    assert roundtrip(picture().convert(mode), **FAST).mode == becomes


def test_modes_that_are_refused(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="cannot write mode F as VQI"):
        picture("L").convert("F").save(tmp_path / "a.vqi")
    assert not list(tmp_path.iterdir())


def test_sixteen_bit_colour_is_rounded() -> None:
    wide = np.random.default_rng(0).integers(0, 65536, (16, 16, 3), np.uint16)
    data = vqcodec.encode(wide, **FAST)
    with Image.open(io.BytesIO(data)) as image:
        assert image.mode == "RGB"
        expected = vqcodec.decode(data).to_pillow()
        assert image.tobytes() == expected.tobytes()


def test_photo_is_the_default_codec() -> None:
    file = io.BytesIO()
    picture().save(file, "VQI", quality=40, effort=1)
    assert open_container(file.getvalue()).kind is Kind.PHOTO
    with Image.open(file) as image:
        assert np.abs(np.asarray(image).astype(int) - np.asarray(picture())).mean() < 30


def test_unknown_and_contradicting_options() -> None:
    with pytest.raises(ValueError, match="no option 'qualty'"):
        picture().save(io.BytesIO(), "VQI", qualty=40)
    with pytest.raises(ValueError, match="exclude"):
        picture().save(io.BytesIO(), "VQI", quality=40, bpp=1.0)


def test_reading_from_files_and_writing_to_them(tmp_path: Path) -> None:
    path = tmp_path / "a.vqi"
    with path.open("wb") as file:
        picture().save(file, "VQI", **FAST)
    with path.open("rb") as file, Image.open(file) as image:
        image.load()
        assert not file.closed
    with warnings.catch_warnings():
        warnings.simplefilter("error", ResourceWarning)
        image = Image.open(path)
        image.load()
        assert image.fp is None or not image._exclusive_fp
        image.close()


# --- palettes ---------------------------------------------------------------------


def test_palettes_are_kept_exactly() -> None:
    before = picture("P")
    after = roundtrip(before)
    assert after.mode == "P"
    assert after.tobytes() == before.tobytes()
    assert after.getpalette()[: 16 * 3] == before.getpalette()[: 16 * 3]
    assert after.convert("RGB").tobytes() == before.convert("RGB").tobytes()
    assert roundtrip(before, kind="palette").mode == "P"
    assert roundtrip(before, kind="patch", **FAST).mode == "RGB"
    assert "transparency" not in after.info


@pytest.mark.parametrize("transparency", [3, bytes([255, 128, 0])])
def test_transparent_palettes(transparency: int | bytes) -> None:
    before = picture("P")
    before.info["transparency"] = transparency
    after = roundtrip(before)
    assert after.has_transparency_data
    assert after.convert("RGBA").tobytes() == before.convert("RGBA").tobytes()
    assert before.info["transparency"] == transparency
    again = roundtrip(after)
    assert again.convert("RGBA").tobytes() == before.convert("RGBA").tobytes()
    png = io.BytesIO()
    after.save(png, "PNG")
    assert Image.open(png).convert("RGBA").tobytes() == before.convert("RGBA").tobytes()


def test_reducing_while_saving() -> None:
    after = roundtrip(picture(), kind="palette", colors=5, dither="none")
    assert after.mode == "P"
    assert len(after.getcolors()) <= 5


def test_indices_beyond_the_palette() -> None:
    before = Image.new("P", (4, 1))
    before.putpalette([9, 8, 7])
    before.putpixel((3, 0), 2)
    assert roundtrip(before).tobytes() == before.tobytes()


# --- metadata ---------------------------------------------------------------------


def test_metadata_travels_through_info() -> None:
    exif = Image.Exif()
    exif[0x010E] = "a description"
    before = picture()
    before.info |= {"icc_profile": b"profile", "exif": exif.tobytes(), "xmp": b"<x/>"}
    after = roundtrip(before, **FAST)
    assert after.info["icc_profile"] == b"profile"
    assert after.info["exif"] == exif.tobytes()
    assert after.info["xmp"] == b"<x/>"
    assert after.getexif()[0x010E] == "a description"
    assert not roundtrip(before, icc_profile=None, exif=None, xmp=None, **FAST).info
    given = roundtrip(picture(), exif=exif, icc_profile=b"other", **FAST)
    assert given.getexif()[0x010E] == "a description"
    assert given.info["icc_profile"] == b"other"
    assert not roundtrip(before, strip=True, **FAST).info


def test_text_travels() -> None:
    text = PngImagePlugin.PngInfo()
    text.add_text("Author", "me")
    png = io.BytesIO()
    picture("P").save(png, "PNG", pnginfo=text)
    after = roundtrip(Image.open(png))
    assert after.text == {"Author": "me"}
    assert after.info["Author"] == "me"
    assert roundtrip(after).text == {"Author": "me"}


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_exif_transpose(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    before = picture()
    after = roundtrip(before, exif=exif, **LOSSLESS)
    assert after.size == before.size
    before.info["exif"] = exif.tobytes()
    turned, expected = ImageOps.exif_transpose(after), ImageOps.exif_transpose(before)
    assert turned.size == expected.size
    assert turned.tobytes() == expected.tobytes()
    assert 0x0112 not in turned.getexif() or turned.getexif()[0x0112] == 1


# --- lazy decoding, and what people do with images --------------------------------


def test_opening_decodes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    from vqcodec import api

    calls = []
    decode = api.decode
    monkeypatch.setattr(api, "decode", lambda *a, **k: calls.append(1) or decode(*a, **k))
    image = roundtrip(picture(), **FAST)
    assert image.size == (40, 30)
    assert image.draft("L", (10, 10)) is None
    assert not calls
    image.load()
    image.load()
    np.asarray(image)
    assert len(calls) == 1


def test_thumbnail_crop_copy_pickle_and_notebooks() -> None:
    image = roundtrip(picture(), **LOSSLESS)
    assert roundtrip(picture(), **FAST)._repr_png_()[:4] == b"\x89PNG"
    small = image.copy()
    small.thumbnail((10, 10))
    assert small.size == (10, 8)
    assert image.crop((5, 5, 9, 9)).tobytes() == picture().crop((5, 5, 9, 9)).tobytes()
    assert pickle.loads(pickle.dumps(image)).tobytes() == picture().tobytes()
    assert image.resize((4, 3)).size == (4, 3)


def test_saving_over_the_file_that_is_open(tmp_path: Path) -> None:
    path = tmp_path / "a.vqi"
    picture("P").save(path)
    with Image.open(path) as image:
        image.save(path)
    with Image.open(path) as image:
        assert image.tobytes() == picture("P").tobytes()


def test_the_codebook_is_found_beside_the_file(tmp_path: Path) -> None:
    data, book = vqcodec.detach(vqcodec.encode(np.asarray(picture()), **FAST))
    (tmp_path / "a.vqi").write_bytes(data)
    with Image.open(tmp_path / "a.vqi") as image, pytest.raises(OSError, match="codebook"):
        image.load()
    book.save(tmp_path / "b.vqcb")
    with Image.open(tmp_path / "a.vqi") as image:
        image.load()


# --- damaged files ----------------------------------------------------------------


@pytest.fixture(params=["patch", "palette"])
def data(request: pytest.FixtureRequest) -> bytes:
    file = io.BytesIO()
    picture("P").save(file, "VQI", kind=request.param, **(FAST if request.param == "patch" else {}))
    return file.getvalue()


def test_truncated_files(data: bytes) -> None:
    for length in (*range(12), *range(12, len(data), 7)):
        with pytest.raises((UnidentifiedImageError, OSError)):
            Image.open(io.BytesIO(data[:length])).load()


def test_damaged_files(data: bytes) -> None:
    for place in range(3, len(data), 5):
        broken = bytearray(data)
        broken[place] ^= 0x55
        with pytest.raises(OSError):  # UnidentifiedImageError is one
            Image.open(io.BytesIO(bytes(broken))).load()


def test_verify(data: bytes) -> None:
    Image.open(io.BytesIO(data)).verify()
    broken = bytearray(data)
    broken[-12] ^= 1
    image = Image.open(io.BytesIO(bytes(broken)))
    with pytest.raises(OSError, match="checksum"):
        image.verify()
    with pytest.raises(SyntaxError):
        vqcodec.plugins.pillow.VqiImageFile(io.BytesIO(b"\x89PNG\r\n\x1a\n"))


def test_bombs_are_pillows_to_judge(monkeypatch: pytest.MonkeyPatch) -> None:
    data = vqcodec.encode(np.zeros((40, 40, 1), np.uint8), **{**FAST, "codewords": 2})
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    with pytest.warns(Image.DecompressionBombWarning):
        Image.open(io.BytesIO(data))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 700)
    with pytest.raises(Image.DecompressionBombError):
        Image.open(io.BytesIO(data))


def test_codebooks_are_no_images(tmp_path: Path) -> None:
    _, book = vqcodec.detach(vqcodec.encode(np.asarray(picture()), **FAST))
    book.save(tmp_path / "b.vqcb")
    with pytest.raises(UnidentifiedImageError):
        Image.open(tmp_path / "b.vqcb")


def test_the_parser_of_streams() -> None:
    file = io.BytesIO()
    picture("P").save(file, "VQI")
    parser = ImageFile.Parser()
    parser.feed(file.getvalue())
    assert parser.close().size == (40, 30)
