"""Images and sounds in and out: every mode, the metadata, and everything that can be wrong."""

from __future__ import annotations

import contextlib
import io
import os
import struct
import threading
import warnings
import zlib
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from PIL import ImageCms
from PIL.PngImagePlugin import PngInfo

from vqcodec.container import Limits
from vqcodec.errors import LimitError, MediaError, ParameterError
from vqcodec.media import Audio, Image, load_audio, load_image, save_audio, save_image
from vqcodec.metadata import Metadata

RNG = np.random.default_rng(7)
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def picture(channels: int, dtype: type = np.uint8, shape: tuple[int, int] = (21, 34)) -> np.ndarray:
    return RNG.integers(0, np.iinfo(dtype).max + 1, (*shape, channels)).astype(dtype)


def saved(image: PIL.Image.Image, format: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


def written(image: Image, format: str) -> bytes:
    file = io.BytesIO()
    save_image(image, file, format)
    return file.getvalue()


def png(
    rows: list[bytes], width: int, height: int, bits: int, color: int, *, interlace: int = 0
) -> bytes:
    """A PNG file put together by hand, for layouts that Pillow does not write."""

    def chunk(tag: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + tag + data + struct.pack(">I", zlib.crc32(tag + data))

    header = struct.pack(">IIBBBBB", width, height, bits, color, 0, 0, interlace)
    data = zlib.compress(b"".join(b"\0" + row for row in rows))
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")
    )


# --- every kind of pixels -----------------------------------------------------


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("shape", [(1, 1), (21, 34), (700, 3)])
def test_png_round_trip(channels: int, dtype: type, shape: tuple[int, int]) -> None:
    samples = picture(channels, dtype, shape)
    image = load_image(written(Image(samples), "PNG"))
    assert image.samples.dtype == dtype
    assert np.array_equal(image.samples, samples)
    assert image.samples.flags.c_contiguous
    assert image.samples.flags.writeable


@pytest.mark.parametrize("channels", [2, 3, 4])
def test_sixteen_bit_png_of_another_writer(channels: int) -> None:
    samples = picture(channels, np.uint16)
    rows = [row.astype(">u2").tobytes() for row in samples]
    data = png(rows, 34, 21, 16, {2: 4, 3: 2, 4: 6}[channels])
    assert np.array_equal(load_image(data).samples, samples)


@pytest.mark.parametrize(("channels", "color"), [(1, 0), (2, 4), (3, 2), (4, 6)])
def test_interlaced_sixteen_bit_png(channels: int, color: int) -> None:
    samples = picture(channels, np.uint16, (13, 11))
    rows = []
    adam7 = (0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4)
    adam7 += (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)
    for left, top, across, down in adam7:
        passed = samples[top::down, left::across]
        rows += [row.astype(">u2").tobytes() for row in passed] if passed.size else []
    assert np.array_equal(load_image(png(rows, 11, 13, 16, color, interlace=1)).samples, samples)


def test_drawings_are_written_as_small_as_by_pillow() -> None:
    drawing = np.zeros((200, 300, 3), np.uint8)
    for i in range(40):
        drawing[5 * i : 5 * i + 3, 3 * i : 90 + 5 * i] = (i * 37 % 256, i * 91 % 256, i * 53 % 256)
    ours, theirs = io.BytesIO(), io.BytesIO()
    save_image(Image(drawing), ours, "png")
    PIL.Image.fromarray(drawing).save(theirs, "PNG")
    assert len(ours.getvalue()) <= len(theirs.getvalue())


def test_all_filters_of_our_sixteen_bit_png_are_undone_by_pillow() -> None:
    y, x = np.mgrid[0:64, 0:64]
    smooth = np.stack([x * 900, y * 901, (x + y) * 450], 2).astype(np.uint16)
    smooth[32:] = picture(3, np.uint16, (32, 64))
    data = written(Image(smooth), "PNG")
    assert len(data) < smooth.nbytes * 0.6  # the smooth half costs next to nothing
    assert np.array_equal(load_image(data).samples, smooth)


@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("order", ["<", ">"])
def test_sixteen_bit_tiff(channels: int, compression: str | None, order: str) -> None:
    tifffile = pytest.importorskip("tifffile")
    samples = picture(channels, np.uint16)
    file = io.BytesIO()
    tifffile.imwrite(
        file,
        samples,
        photometric="rgb",
        compression=compression,
        byteorder=order,
        extrasamples=["unassalpha"] * (channels - 3),
    )
    assert np.array_equal(load_image(file.getvalue()).samples, samples)


@pytest.mark.parametrize("channels", [1, 3])
def test_sixteen_bit_ppm(channels: int) -> None:
    samples = picture(channels, np.uint16)
    assert np.array_equal(load_image(written(Image(samples), "ppm")).samples, samples)


def test_twelve_bit_ppm_is_scaled_to_the_full_range() -> None:
    data = b"P6 2 1 4095\n" + struct.pack(">6H", 0, 4095, 2048, 1, 4094, 5000)
    samples = load_image(data).samples
    assert samples.dtype == np.uint16
    assert samples.ravel().tolist() == [0, 65535, 32776, 16, 65519, 65535]


MODES = {
    "1": (PIL.Image.fromarray(picture(1)[..., 0] > 99), 1),
    "L": (PIL.Image.fromarray(picture(1)[..., 0]), 1),
    "LA": (PIL.Image.fromarray(picture(2)), 2),
    "P": (PIL.Image.fromarray(picture(3)).quantize(20), 3),
    "PA": (PIL.Image.fromarray(picture(3)).quantize(20).convert("PA"), 4),
    "RGB": (PIL.Image.fromarray(picture(3)), 3),
    "RGBA": (PIL.Image.fromarray(picture(4)), 4),
    "RGBX": (PIL.Image.fromarray(picture(3)).convert("RGBX"), 3),
    "RGBa": (PIL.Image.fromarray(picture(4)).convert("RGBa"), 4),
    "CMYK": (PIL.Image.fromarray(picture(3)).convert("CMYK"), 3),
    "YCbCr": (PIL.Image.fromarray(picture(3)).convert("YCbCr"), 3),
    "HSV": (PIL.Image.fromarray(picture(3)).convert("HSV"), 3),
    "LAB": (PIL.Image.new("LAB", (34, 21), (120, 130, 140)), 3),
    "I;16": (PIL.Image.fromarray(picture(1, np.uint16)[..., 0]), 1),
    "I": (PIL.Image.fromarray(picture(1, np.uint16)[..., 0].astype(np.int32)), 1),
}


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("shape", [(1, 1), (21, 34), (3, 100_001)])
def test_our_own_sixteen_bit_tiff(channels: int, shape: tuple[int, int]) -> None:
    samples = picture(channels, np.uint16, shape)
    data = written(Image(samples, Metadata(icc=SRGB, xmp=b"<x/>")), "TIFF")
    if channels == 2:
        samples = samples[:, :, (0, 0, 0, 1)]
    image = load_image(data)
    assert np.array_equal(image.samples, samples)
    assert (image.metadata.icc, image.metadata.xmp) == (SRGB, b"<x/>")
    tifffile = pytest.importorskip("tifffile")
    judged = tifffile.imread(io.BytesIO(data))
    assert np.array_equal(judged.reshape(samples.shape), samples)


def test_sixteen_bit_tiff_is_turned_upright() -> None:
    tifffile = pytest.importorskip("tifffile")
    samples = picture(3, np.uint16)
    file = io.BytesIO()
    tifffile.imwrite(file, samples, photometric="rgb", extratags=[(274, 3, 1, 6, True)])
    image = load_image(file.getvalue())
    assert np.array_equal(image.samples, np.rot90(samples, -1))
    assert image.orientation == 1


@pytest.mark.parametrize("mode", MODES)
def test_every_mode_of_pillow(mode: str) -> None:
    source, channels = MODES[mode]
    assert source.mode == mode
    image = load_image(source)
    assert image.samples.shape == (21, 34, channels)
    if mode in ("L", "LA", "RGB", "RGBA", "I;16", "I"):
        expected = np.asarray(source).reshape(image.samples.shape)
        assert np.array_equal(image.samples, expected)
    elif mode not in ("LAB", "CMYK", "PA", "RGBa"):
        assert np.array_equal(image.samples.squeeze(), np.asarray(source.convert(_plain(image))))


def _plain(image: Image) -> str:
    return {1: "L", 3: "RGB", 4: "RGBA"}[image.channels]


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA", "I;16"])
def test_to_pillow_and_back(mode: str) -> None:
    source = MODES[mode][0]
    result = load_image(source).to_pillow()
    assert result.mode == mode
    assert result.tobytes() == source.tobytes()


def test_palette_with_transparency_becomes_rgba() -> None:
    source = PIL.Image.new("P", (2, 1))
    source.putpalette([255, 0, 0, 0, 0, 255])
    source.putdata([0, 1])
    image = load_image(saved(source, "PNG", transparency=1))
    assert image.samples.tolist() == [[[255, 0, 0, 255], [0, 0, 255, 0]]]


@pytest.mark.parametrize(
    ("source", "key", "expected"),
    [
        (np.array([[10, 20]], np.uint8), 20, [[10, 255], [20, 0]]),
        (np.array([[[1, 2, 3], [4, 5, 6]]], np.uint8), (4, 5, 6), [[1, 2, 3, 255], [4, 5, 6, 0]]),
    ],
)
def test_a_colour_named_transparent(source: np.ndarray, key: object, expected: list) -> None:
    data = saved(PIL.Image.fromarray(source), "PNG", transparency=key)
    assert load_image(data).samples[0].tolist() == expected


def test_a_sixteen_bit_colour_named_transparent() -> None:
    samples = np.array([[[1, 2, 3], [256, 515, 774]]], np.uint16)
    data = written(Image(samples), "PNG")
    key = struct.pack(">I4s3H", 6, b"tRNS", 256, 515, 774)
    position = data.index(b"IDAT") - 4
    data = data[:position] + key + struct.pack(">I", zlib.crc32(key[4:])) + data[position:]
    expected = [[1, 2, 3, 65535], [256, 515, 774, 0]]
    assert load_image(data).samples[0].tolist() == expected


def gray_press() -> bytes:
    """An ICC profile of a press whose four inks are all gray: no plain conversion yields that."""
    corners = np.indices((2, 2, 2, 2)).reshape(4, -1).T
    lightness = 255 * (1 - corners @ [0.2, 0.2, 0.2, 0.4])
    lab = np.stack([lightness, np.full(16, 128), np.full(16, 128)], 1).astype(np.uint8)
    ramp = bytes(range(256))
    unit = struct.pack(">9i", *(65536 if k % 4 == 0 else 0 for k in range(9)))
    table = b"mft1" + bytes(4) + bytes([4, 3, 2, 0]) + unit + ramp * 4 + lab.tobytes() + ramp * 3
    white = b"XYZ " + bytes(4) + struct.pack(">3i", 63190, 65536, 54061)
    text = b"text" + bytes(4) + b"none\0\0\0\0"
    tags, body, offset = b"", b"", 128 + 4 + 12 * 3
    for name, data in ((b"A2B0", table), (b"wtpt", white), (b"cprt", text)):
        tags += name + struct.pack(">II", offset + len(body), len(data))
        body += data + bytes(-len(data) % 4)
    head = struct.pack(">I4sI4s4s4s", 0, b"none", 0x02400000, b"prtr", b"CMYK", b"Lab ")
    head += bytes(12) + b"acsp" + bytes(28) + struct.pack(">3i", 63190, 65536, 54061)
    profile = head.ljust(128, b"\0") + struct.pack(">I", 3) + tags + body
    return struct.pack(">I", len(profile)) + profile[4:]


def test_cmyk_goes_through_its_profile_and_says_so() -> None:
    cyan = PIL.Image.new("CMYK", (16, 16), (255, 0, 0, 0))
    image = load_image(saved(cyan, "JPEG", icc_profile=gray_press()))
    assert image.source.notes[0].endswith("was converted to sRGB by its colour profile")
    assert np.ptp(image.samples.astype(int), axis=2).max() <= 2
    assert image.metadata.icc is None
    plain = load_image(saved(MODES["CMYK"][0], "JPEG"))
    assert "a guess" in plain.source.notes[0]
    broken = load_image(saved(MODES["CMYK"][0], "JPEG", icc_profile=b"no profile at all"))
    assert "unusable" in broken.source.notes[0]
    assert broken.metadata.icc is None
    wrong_space = load_image(saved(MODES["CMYK"][0], "JPEG", icc_profile=SRGB))
    assert "unusable" in wrong_space.source.notes[0]


@pytest.mark.parametrize("format", ["GIF", "WEBP", "PNG", "TIFF"])
def test_of_an_animation_the_first_frame_with_a_note(format: str) -> None:
    frames = [PIL.Image.new("RGB", (8, 6), color) for color in ("red", "blue", "lime")]
    options = {} if format == "TIFF" else {"duration": 40}
    image = load_image(saved(frames[0], format, save_all=True, append_images=frames[1:], **options))
    assert abs(image.samples[0, 0, :3].astype(int) - [255, 0, 0]).max() <= 3
    assert any("holds 3 pictures; only the first is used" in note for note in image.source.notes)


def test_arrays_paths_files_and_images_are_sources(tmp_path: Path) -> None:
    samples = picture(3)
    path = tmp_path / "a.png"
    save_image(Image(samples), path)
    data = path.read_bytes()
    with path.open("rb") as file:
        sources = [samples, path, str(path), data, io.BytesIO(data), file, Image(samples)]
        sources.append(PIL.Image.open(path))
        for source in sources:
            assert np.array_equal(load_image(source).samples, samples)
    assert load_image(path).source.bytes == len(data)
    assert load_image(path).source.format == "PNG"
    assert load_image(samples[..., 0]).samples.shape == (21, 34, 1)
    assert np.shares_memory(Image.of(samples).samples, samples)


def test_a_pipe_is_a_source() -> None:
    class Pipe(io.RawIOBase):
        data = io.BytesIO(written(Image(picture(3)), "PNG"))

        def readable(self) -> bool:
            return True

        def readinto(self, buffer: memoryview) -> int:
            return self.data.readinto(buffer)

    assert load_image(Pipe()).width == 34


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes here")
def test_a_named_pipe_is_a_source(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=(WHOLE,))
    writer.start()
    assert load_image(pipe).width == 200
    writer.join()


def test_an_image_inside_a_longer_file_is_read_from_where_it_starts() -> None:
    samples = picture(3, np.uint16)
    file = io.BytesIO(b"before" + written(Image(samples), "PNG"))
    file.seek(6)
    assert np.array_equal(load_image(file).samples, samples)


# --- metadata -----------------------------------------------------------------


def oriented(orientation: int) -> bytes:
    exif = PIL.Image.Exif()
    exif[0x0112] = orientation
    exif[0x010F] = "Maker"
    return exif.tobytes()


@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP", "TIFF", "AVIF"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_metadata_survives_a_round_trip(format: str, dtype: type) -> None:
    exif = oriented(6).removeprefix(b"Exif\0\0")
    text = {"Title": "Grün", "Comment": "two\nlines"} if format == "PNG" else {}
    before = Metadata(SRGB, exif, b"<x:xmpmeta/>", text)
    try:
        data = written(Image(picture(3, dtype), before), format)
    except ParameterError:
        pytest.skip(f"this Pillow has no {format}")
    image = load_image(data)
    after = image.metadata
    assert image.orientation == (1 if format == "TIFF" else 6)  # Pillow turns TIFF upright
    assert (image.width > image.height) == (format != "TIFF")
    assert after.icc == SRGB
    assert after.xmp == b"<x:xmpmeta/>"
    assert dict(after.text) == text
    if format != "TIFF":
        assert after.exif == exif


def test_pixels_stay_as_stored_and_exif_says_how_they_turn() -> None:
    samples = picture(3)
    image = load_image(saved(PIL.Image.fromarray(samples), "PNG", exif=oriented(6)))
    assert np.array_equal(image.samples, samples)
    assert image.upright().shape == (34, 21, 3)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_applied_where_the_format_has_no_exif(orientation: int) -> None:
    from PIL import ImageOps

    data = saved(PIL.Image.fromarray(picture(3)), "PNG", exif=oriented(orientation))
    expected = np.asarray(ImageOps.exif_transpose(PIL.Image.open(io.BytesIO(data))))
    turned = load_image(written(load_image(data), "BMP"))
    assert np.array_equal(turned.samples, expected)
    assert turned.orientation == 1


def test_senseless_exif_is_carried_but_not_believed() -> None:
    image = Image(picture(3), Metadata(exif=b"II*\0nonsense"))
    assert image.orientation == 1
    assert load_image(written(image, "PNG")).metadata.exif == b"II*\0nonsense"


def test_oversized_metadata_is_left_out_with_a_note() -> None:
    info = PngInfo()
    info.add_itxt("Comment", "x" * 1000)
    data = saved(MODES["RGB"][0], "PNG", pnginfo=info, icc_profile=SRGB)
    assert len(SRGB) > 100
    image = load_image(data, Limits(metadata=100))
    assert not image.metadata
    assert len(image.source.notes) == 2
    exif = oriented(1) + b"\0" * 70000
    file = io.BytesIO()
    notes = save_image(Image(picture(3), Metadata(exif=exif, xmp=b"x" * 70000)), file, "JPEG")
    assert len(notes) == 2
    assert load_image(file.getvalue()).width == 34


# --- what is wrong ------------------------------------------------------------

WHOLE = saved(PIL.Image.fromarray(picture(3, shape=(200, 200))), "PNG")
WHOLE_JPEG = saved(PIL.Image.fromarray(picture(3, shape=(200, 200))), "JPEG")


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "is empty"),
        (b"hello, world", "not an image"),
        (b"\x8fVQ and so on", "a vqcodec file: decode it first"),
        (b"RIFF\0\0\0\0WAVEfmt ", "a sound"),
        (WHOLE[:100], "truncated"),
        (WHOLE[: len(WHOLE) // 2], "truncated"),
        (WHOLE_JPEG[: len(WHOLE_JPEG) // 2], "truncated"),
        (WHOLE[:5000] + bytes(100) + WHOLE[5100:], "damaged"),
        (written(Image(picture(3, np.uint16)), "PNG")[:900], "truncated"),
        (written(Image(picture(3, np.uint16)), "PPM")[:900], "truncated"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n", "drawing"),
    ],
)
def test_damaged_files_are_one_sentence(data: bytes, words: str) -> None:
    with pytest.raises(MediaError, match=words) as caught:
        load_image(data)
    assert "\n" not in str(caught.value)


def test_every_truncation_of_a_small_file_is_a_clean_error() -> None:
    for whole in (written(Image(picture(4, np.uint16, (5, 4))), "PNG"), WHOLE_JPEG[:700]):
        for length in range(len(whole) - 24):  # the last bytes of a PNG hold no pixels
            with pytest.raises(MediaError):
                load_image(whole[:length])


def test_random_damage_is_a_clean_error_or_an_image() -> None:
    rng = np.random.default_rng(3)
    formats = ("PNG", "JPEG", "GIF", "TIFF", "WEBP", "BMP", "PPM", "TGA", "ICO")
    files = [saved(PIL.Image.fromarray(picture(3, shape=(40, 40))), f) for f in formats]
    files.append(written(Image(picture(4, np.uint16)), "PNG"))
    small = Limits(pixels=1 << 16)
    for whole in files:
        for _ in range(60):
            data = bytearray(whole)
            for position in rng.integers(0, min(len(data), 300), 3):
                data[position] = rng.integers(256)
            with contextlib.suppress(MediaError, LimitError):
                assert load_image(bytes(data), small).width > 0


def test_floats_and_wide_integers_are_refused() -> None:
    with pytest.raises(MediaError, match="floating-point"):
        load_image(saved(PIL.Image.new("F", (3, 3), 0.5), "TIFF"))
    with pytest.raises(MediaError, match="outside the 16 bits"):
        load_image(PIL.Image.new("I", (3, 3), 70000))


def test_missing_files_and_folders(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="is a folder"):
        load_image(tmp_path)
    with pytest.raises(MediaError, match="No such file"):
        load_image(tmp_path / "none.png")
    with pytest.raises(MediaError, match="cannot read"):
        load_image("nul\0name.png")


def test_size_is_refused_before_decoding_and_without_pillows_warning() -> None:
    bomb = png([b""], 60000, 60000, 8, 2)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(LimitError, match="than the limit"):
            load_image(bomb)
        with pytest.raises(LimitError, match="--max-pixels"):
            load_image(WHOLE, Limits(pixels=200 * 200 - 1))
        assert load_image(WHOLE, Limits(pixels=200 * 200)).width == 200
    for source in (Image(picture(3)), picture(3), PIL.Image.fromarray(picture(3))):
        with pytest.raises(LimitError):
            load_image(source, Limits(pixels=5))


def test_the_limit_may_lie_above_pillows_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PIL.Image, "MAX_IMAGE_PIXELS", 10)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert load_image(WHOLE).width == 200
    assert PIL.Image.MAX_IMAGE_PIXELS == 10


@pytest.mark.parametrize(
    ("samples", "words"),
    [
        (np.zeros((4, 4, 5), np.uint8), "channels"),
        (np.zeros(4, np.uint8), "shape"),
        (np.zeros((0, 4, 3), np.uint8), "at least one pixel"),
        (np.zeros((4, 4), np.int32), "int32"),
        (np.zeros((4, 4)), "float64"),
        (np.full((4, 4), np.nan), "NaN"),
        (np.zeros((4, 4), bool), "bool"),
    ],
)
def test_wrong_arrays(samples: np.ndarray, words: str) -> None:
    with pytest.raises(ParameterError, match=words):
        load_image(samples)


def test_arrays_of_any_layout_are_made_contiguous() -> None:
    samples = picture(3, np.uint16)
    assert np.array_equal(Image(samples.astype(">u2")).samples, samples)
    flipped = Image(samples[::-1])
    assert flipped.samples.flags.c_contiguous


# --- writing ------------------------------------------------------------------


@pytest.mark.parametrize("suffix", ["png", "tif", "bmp", "ppm", "webp"])
def test_lossless_formats_by_suffix(tmp_path: Path, suffix: str) -> None:
    samples = picture(3)
    path = tmp_path / f"out.{suffix}"
    assert save_image(Image(samples), path) == ()
    assert np.array_equal(load_image(path).samples, samples)


def test_what_a_format_cannot_hold_is_refused_or_noted(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="no transparency"):
        save_image(Image(picture(4)), tmp_path / "a.jpg")
    assert not (tmp_path / "a.jpg").exists()
    notes = save_image(Image(picture(3, np.uint16)), tmp_path / "b.jpg")
    assert "rounded" in notes[0]
    assert "256 colours" in save_image(Image(picture(3)), tmp_path / "c.gif")[0]
    for name in ("d.xyz", "d"):
        with pytest.raises(ParameterError, match="use one of"):
            save_image(Image(picture(3)), tmp_path / name)


def test_rounding_to_eight_bits_is_to_nearest() -> None:
    values = np.arange(65536, dtype=np.uint16).reshape(256, 256, 1).repeat(3, 2)
    rounded = load_image(written(Image(values), "BMP")).samples[..., 0].ravel()
    assert np.array_equal(rounded, np.floor(np.arange(65536) / 257 + 0.5))


def test_a_failed_write_leaves_the_old_file_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(b"old")

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(PIL.Image.Image, "save", full)
    with pytest.raises(MediaError, match="No space left"):
        save_image(Image(picture(3)), path)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_notebook_shows_the_picture() -> None:
    data = Image(picture(4, np.uint16))._repr_png_()
    assert PIL.Image.open(io.BytesIO(data)).size == (34, 21)
    assert repr(Image(picture(2))) == "<Image 34x21 gray+alpha, 8 bits>"


# --- sounds -------------------------------------------------------------------

TONE = (np.sin(np.arange(4000) / 9)[:, None] * [9000, 5000]).astype(np.int16)


@pytest.mark.parametrize("suffix", ["wav", "flac", "aiff"])
@pytest.mark.parametrize("bits", [16, 24])
def test_lossless_sounds(tmp_path: Path, suffix: str, bits: int) -> None:
    samples = TONE if bits == 16 else TONE.astype(np.int32) << 16 | 0x300
    path = tmp_path / f"tone.{suffix}"
    save_audio(Audio(samples, 44100, metadata=Metadata(text={"title": "Tone"})), path)
    audio = load_audio(path)
    assert np.array_equal(audio.samples, samples)
    assert (audio.rate, audio.channels, audio.subtype) == (44100, 2, f"PCM_{bits}")
    assert audio.metadata.text["title"] == "Tone"
    assert audio.raw_bytes == 4000 * 2 * bits // 8
    assert audio.source.bytes == path.stat().st_size
    assert load_audio(path.read_bytes()).frames == 4000


@pytest.mark.parametrize("suffix", ["ogg", "mp3", "opus"])
def test_lossy_sounds_come_as_floats(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"tone.{suffix}"
    try:
        save_audio(Audio(TONE, 48000), path)
    except (ParameterError, MediaError):
        pytest.skip(f"this libsndfile writes no {suffix}")
    audio = load_audio(path)
    assert audio.samples.dtype == np.float32
    assert audio.to_float() is audio.samples


def test_floats_keep_what_lies_beyond_full_scale_or_say_so(tmp_path: Path) -> None:
    loud = Audio(np.array([0.5, -2.0], np.float32), 8000)
    assert save_audio(loud, tmp_path / "a.wav") == ()
    assert load_audio(tmp_path / "a.wav").samples.ravel().tolist() == [0.5, -2.0]
    assert "clipped" in save_audio(loud, tmp_path / "a.flac")[0]
    assert load_audio(tmp_path / "a.flac").to_float().min() >= -1.0


@pytest.mark.parametrize(
    ("data", "words"),
    [(b"", "is empty"), (b"hello, world", "not a sound"), (WHOLE, "not a sound")],
)
def test_what_is_no_sound(data: bytes, words: str, tmp_path: Path) -> None:
    with pytest.raises(MediaError, match=words):
        load_audio(data)
    path = tmp_path / "x.wav"
    path.write_bytes(data)
    with pytest.raises(MediaError, match=words):
        load_audio(path)
    with pytest.raises(MediaError, match="is a folder"):
        load_audio(tmp_path)
    with pytest.raises(MediaError, match="No such file"):
        load_audio(tmp_path / "none.wav")


def test_a_truncated_sound_is_an_error(tmp_path: Path) -> None:
    for suffix in ("flac", "wav", "aiff", "au"):
        path = tmp_path / f"tone.{suffix}"
        save_audio(Audio(RNG.integers(-9000, 9000, (9000, 2)).astype(np.int16), 44100), path)
        data = path.read_bytes()
        with pytest.raises(MediaError):
            load_audio(data[: len(data) // 2])


def test_wrong_sounds() -> None:
    for samples in (np.zeros((2, 2, 2), np.float32), np.zeros((3, 1), np.uint8), [1, 2]):
        with pytest.raises(ParameterError):
            Audio(samples, 8000)
    with pytest.raises(ParameterError, match="NaN"):
        Audio(np.array([0, np.nan], np.float32), 8000)
    with pytest.raises(ParameterError, match="rate"):
        Audio(TONE, 0)
    file = io.BytesIO()
    save_audio(Audio(TONE, 8000), file)
    with pytest.raises(LimitError, match="8000 samples"):
        load_audio(file.getvalue(), Limits(samples=7999))
    with pytest.raises(ParameterError, match="use one of"):
        save_audio(Audio(TONE, 8000), "tone.xyz")


def test_mono_and_floats_of_double_precision_are_accepted() -> None:
    audio = Audio(np.linspace(-1, 1, 100), 8000)
    assert audio.samples.shape == (100, 1)
    assert audio.samples.dtype == np.float32
    assert np.allclose(Audio(TONE, 8000).to_float(), TONE / 32768)


# --- the samples --------------------------------------------------------------

SAMPLES = Path(__file__).parent.parent / "samples"


@pytest.mark.parametrize(
    ("name", "shape"),
    [("astronaut", (512, 512, 3)), ("logo", (384, 384, 4)), ("screen", (600, 960, 3))],
)
def test_sample_images(name: str, shape: tuple[int, int, int]) -> None:
    image = load_image(SAMPLES / f"{name}.png")
    assert image.samples.shape == shape
    if name == "logo":
        assert len(np.unique(image.samples[..., 3])) > 100


@pytest.mark.parametrize(("name", "rate", "channels"), [("music", 44100, 2), ("voice", 16000, 1)])
def test_sample_sounds(name: str, rate: int, channels: int) -> None:
    audio = load_audio(SAMPLES / f"{name}.flac")
    assert (audio.rate, audio.channels, audio.subtype) == (rate, channels, "PCM_16")
    assert 2 < audio.seconds < 10
    assert sum(path.stat().st_size for path in SAMPLES.iterdir()) < 2_000_000


def test_a_minute_of_vorbis_is_written_in_one_go(tmp_path):
    """A single call of libsndfile with so much would overflow the stack of its encoder."""
    import soundfile

    from vqcodec.media.soundout import open_output_sound

    sound = np.zeros((3_000_000, 2), np.float32)
    with open_output_sound(tmp_path / "a.ogg", 48000, 2, frames=len(sound)) as write:
        write(sound)
    assert soundfile.info(tmp_path / "a.ogg").frames == len(sound)
