"""The palette quantiser from end to end, through Python."""

import io
import subprocess
import sys

import numpy as np
import PIL.Image
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import ImageCms

import vqcodec.palette as vqpalette
from vqcodec import color
from vqcodec.errors import CancelledError, MediaError, ParameterError, TargetError
from vqcodec.media import Image
from vqcodec.metadata import Metadata
from vqcodec.palette import Palette, quantize
from vqcodec.palette.indexed import IndexedImage, bit_depth, pack_rows, write_gif
from vqcodec.palette.options import Dither, PaletteOptions
from vqcodec.palette.pipeline import quality_of, quantize_images
from vqcodec.palette.source import to_rgb, to_srgb
from vqcodec.palette.space import Space

DITHERS = list(Dither)


def photo(height=96, width=128, seed=0):
    """Something like a photograph: smooth shapes, texture, a few thousand colours."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width] / 100
    base = np.stack([np.sin(3 * x + y), np.cos(2 * y - x), np.sin(x * y * 4)], axis=-1)
    texture = rng.normal(0, 0.06, (height, width, 1)) * (x[..., None] > 0.6)
    return np.rint((base * 0.35 + 0.5 + texture).clip(0, 1) * 255).astype(np.uint8)


def soft(height=64, width=80):
    """RGBA with a soft edge and much that is fully transparent, over hidden colours."""
    y, x = np.mgrid[0:height, 0:width]
    alpha = np.clip((26 - np.hypot(x - 40, y - 32)) / 4 + 0.5, 0, 1)
    picture = np.dstack([photo(height, width), np.rint(alpha * 255).astype(np.uint8)])
    return np.ascontiguousarray(picture)


def run(picture, colors=16, **options):
    return quantize_images([picture], PaletteOptions(colors, **options))


def shown(done, number=0):
    return done.palette.rgba[done.indices[number]]


# --- the palette ----------------------------------------------------------------------


@pytest.mark.parametrize("dither", DITHERS)
@pytest.mark.parametrize("colors", [1, 2, 5, 16])
def test_at_most_so_many_colours(colors, dither):
    done = run(photo(), colors, dither=dither)
    assert 1 <= len(done.palette) <= colors
    assert done.indices[0].max() < len(done.palette)
    assert done.indices[0].dtype == np.uint8


@pytest.mark.parametrize("dither", DITHERS)
def test_few_colours_are_kept_exactly(dither):
    rng = np.random.default_rng(3)
    colors = rng.integers(0, 256, (40, 4), np.uint8)
    colors[:5, 3] = 255
    picture = colors[rng.integers(0, 40, (30, 30))]
    picture[picture[..., 3] == 0] = 0
    done = run(picture, 40, dither=dither)
    assert done.lossless
    assert done.mse == 0
    assert done.quality == 100
    assert np.array_equal(shown(done), picture)


def test_the_palette_goes_by_luminance_and_translucent_first():
    done = run(soft(), 24)
    rgba = done.palette.rgba.astype(int)
    opaque = rgba[:, 3] == 255
    assert list(opaque) == sorted(opaque)
    luminance = rgba[opaque][:, :3] @ [2126, 7152, 722]
    assert (np.diff(luminance) >= 0).all()


def test_more_colours_are_better():
    errors = [run(photo(), k, dither="none", space="srgb").mse for k in (4, 8, 16, 64)]
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < errors[0] / 8


def test_each_space_is_best_by_its_own_measure():
    by_srgb = run(photo(), 12, space="srgb", dither="none")
    by_oklab = run(photo(), 12, space="oklab", dither="none")
    assert by_srgb.mse < by_oklab.mse
    assert by_oklab.quality > by_srgb.quality


def test_it_beats_pillows_quantizer():
    picture = photo()
    theirs = PIL.Image.fromarray(picture).quantize(16, PIL.Image.Quantize.MEDIANCUT, dither=0)
    error = (np.asarray(theirs.convert("RGB")).astype(float) - picture) ** 2
    assert run(picture, 16, space="srgb", dither="none").mse < 0.9 * error.mean()


def test_the_error_stated_is_the_error_made():
    picture = photo()
    done = run(picture, 16, dither="none")
    error = (shown(done)[..., :3].astype(float) - picture) ** 2
    assert done.mse == pytest.approx(error.mean(), rel=1e-4)
    distance = color.srgb_to_oklab(shown(done)[..., :3]) - color.srgb_to_oklab(picture)
    assert done.quality == pytest.approx(quality_of(float((distance**2).sum(-1).mean())), abs=0.01)


def test_a_small_red_flag_survives():
    """Twenty red pixels in four million, among 32 colours."""
    tile = photo(500, 500)
    tile[..., 0] //= 3  # nothing else is red
    picture = np.tile(tile, (4, 4, 1))
    picture[1000:1004, 900:905] = (230, 20, 25)
    done = run(picture, 32)
    flag = color.srgb_to_oklab(np.array([[230, 20, 25]], np.uint8))
    entries = color.srgb_to_oklab(done.palette.rgba[:, :3])
    assert np.sqrt(((entries - flag) ** 2).sum(1)).min() < 0.1
    at_flag = color.srgb_to_oklab(shown(done)[1000:1004, 900:905, :3])
    assert np.sqrt(((at_flag - flag) ** 2).sum(-1)).mean() < 0.15


def test_dithering_looks_closer_from_afar():
    picture = photo()

    def from_afar(samples):
        linear = color.srgb_to_linear(np.ascontiguousarray(samples[..., :3]))
        for axis in (0, 1):
            for _ in range(3):
                linear = (np.roll(linear, 1, axis) + 2 * linear + np.roll(linear, -1, axis)) / 4
        return color.linear_to_oklab(linear)[8:-8, 8:-8]

    wanted = from_afar(picture)
    error = {}
    for dither in DITHERS:
        found = from_afar(shown(run(picture, 12, dither=dither)))
        error[dither] = float(((found - wanted) ** 2).sum(-1).mean())
    assert error["floyd-steinberg"] < error["none"]
    assert error["blue-noise"] < error["none"]
    assert error["best"] < 0.6 * error["floyd-steinberg"]


@pytest.mark.parametrize("seed", range(6))
def test_indices_follow_the_palette_wherever_its_entries_go(seed):
    """The best dithering moves entries past each other after the palette was put in order."""
    picture = photo(48, 64, seed)
    done = run(picture, 12, dither="best")
    error = (shown(done)[..., :3].astype(float) - picture) ** 2
    plain = (shown(run(picture, 12))[..., :3].astype(float) - picture) ** 2
    assert error.mean() < 2 * plain.mean()


# --- what was asked for -----------------------------------------------------------------


def test_quality_takes_the_fewest_colours_that_reach_it():
    done = run(photo(), 256, quality=(0, 70), dither="none")
    assert done.quality >= 70
    assert 2 < len(done.palette) < 256
    fewer = run(photo(), len(done.palette) - 1, dither="none")
    assert fewer.quality < 71  # the number of colours was about the least


def test_max_error_takes_the_fewest_colours_that_reach_it():
    done = run(photo(), 256, max_error=9.0, dither="none")
    assert done.mse**0.5 <= 9.0
    assert len(done.palette) < 256


def test_what_cannot_be_reached_is_refused():
    with pytest.raises(TargetError, match="below the least wanted, 95"):
        run(photo(), 4, quality=(95, 100))
    with pytest.raises(TargetError, match="above the greatest allowed"):
        run(photo(), 4, max_error=1.0)


def test_the_number_of_colours_can_be_automatic():
    plain = np.full((20, 20, 3), 7, np.uint8)
    assert len(run(plain, None).palette) == 1
    smooth = photo()[:, :50].copy()
    chosen = run(smooth, None, dither="none")
    assert chosen.quality >= 85
    assert 4 < len(chosen.palette) < 256


@pytest.mark.parametrize("dither", DITHERS)
def test_given_palettes_are_taken_as_they_are(dither):
    given_palette = Palette.of(["#ffffff", "#000000", "#ff0000", "#00ff00", "#123456"])
    done = run(photo(), 256, palette=given_palette, keep_unused=True, dither=dither)
    assert done.palette == given_palette
    used = run(photo(), 256, palette=given_palette, dither=dither).palette
    positions = [given_palette.hex.index(entry) for entry in used.hex]
    assert positions == sorted(positions)


def test_a_single_given_colour():
    done = run(photo(), 256, palette=Palette.of(["#808080"]))
    assert done.palette.hex == ["#808080"]


@pytest.mark.parametrize("dither", DITHERS)
@pytest.mark.parametrize("count", [1, 3, 4])
def test_kept_entries_come_first_in_their_order(count, dither):
    keep = Palette.of(["#ff00ff", "#00ff00", "#000001", "#fefefe"]).take(range(count))
    done = run(photo(), 8, keep=keep, dither=dither)
    assert done.palette.hex[:count] == keep.hex
    assert len(done.palette) <= 8


def test_kept_entries_when_everything_fits():
    picture = np.array([[[1, 2, 3], [250, 0, 0]]], np.uint8)
    done = run(picture, 8, keep=["#fa0000", "#00ff00"])
    assert done.palette.hex == ["#fa0000", "#00ff00", "#010203"]
    assert np.array_equal(shown(done)[..., :3], picture)


def test_one_palette_for_several_pictures():
    pictures = [photo(seed=1), photo(40, 50, seed=2), soft()[..., :3].copy()]
    done = quantize_images(pictures, PaletteOptions(16))
    assert [index.shape for index in done.indices] == [p.shape[:2] for p in pictures]
    assert len(done.palette) <= 16
    assert vqpalette.palette(pictures, 16).rgba.shape == done.palette.rgba.shape


@pytest.mark.parametrize(
    "wrong",
    [
        {"colors": 0},
        {"colors": 257},
        {"strength": 1.5},
        {"strength": float("nan")},
        {"quality": (80, 60)},
        {"quality": (0, 101)},
        {"max_error": -1.0},
        {"max_error": 3.0, "quality": (0, 9)},
        {"space": "cmyk"},
        {"dither": "some"},
        {"keep": ["#000", "#fff"], "colors": 1},
        {"keep": ["#000"], "palette": ["#fff"]},
        {"palette": np.zeros((257, 3), np.uint8)},
        {"nonsense": 1},
    ],
)
def test_wrong_options_are_refused(wrong):
    options = dict(wrong)
    with pytest.raises(ParameterError):
        quantize(np.zeros((4, 4, 3), np.uint8), options.pop("colors", 8), **options)


# --- alpha ------------------------------------------------------------------------------


@pytest.mark.parametrize("space", list(Space))
@pytest.mark.parametrize("dither", DITHERS)
@pytest.mark.parametrize("colors", [2, 16])
def test_fully_transparent_stays_so_at_one_entry(colors, dither, space):
    picture = soft()
    done = run(picture, colors, dither=dither, space=space)
    clear = picture[..., 3] == 0
    assert (shown(done)[clear][:, 3] == 0).all()
    assert (done.palette.rgba[:, 3] == 0).sum() == 1


@pytest.mark.parametrize("dither", DITHERS)
def test_soft_edges_stay_soft(dither):
    picture = soft()
    alpha = shown(run(picture, 32, dither=dither))[..., 3].astype(float)
    assert np.abs(alpha - picture[..., 3]).mean() < 6
    assert len(np.unique(alpha)) > 3


@pytest.mark.parametrize("dither", DITHERS)
def test_hidden_colours_are_kept_on_request(dither):
    picture = np.zeros((16, 16, 4), np.uint8)
    picture[:8] = (200, 10, 10, 0)
    picture[8:] = (10, 10, 200, 255)
    picture[0, :10, 1] = np.arange(10)  # more colours than entries
    kept = shown(run(picture, 4, keep_hidden=True, dither=dither))
    assert (kept[:8, :, 3] == 0).all()
    assert np.abs(kept[:8, :, :3].astype(int) - (200, 10, 10)).max() < 12
    assert run(picture, 4, dither=dither).colors_before == 2


def test_opaque_pictures_get_opaque_palettes():
    picture = np.dstack([photo(), np.full((96, 128), 255, np.uint8)])
    assert run(np.ascontiguousarray(picture), 16).palette.opaque


# --- sources ------------------------------------------------------------------------------


def test_pictures_of_any_kind_are_taken(tmp_path):
    picture = photo(20, 30)
    path = tmp_path / "p.png"
    PIL.Image.fromarray(picture).save(path)
    results = [
        quantize(source, 8, dither="none").convert("RGB")
        for source in (
            path, str(path), path.read_bytes(), io.BytesIO(path.read_bytes()), picture,
            PIL.Image.fromarray(picture), Image(picture),
        )
    ]  # fmt: skip
    for result in results:
        assert np.array_equal(np.asarray(result), np.asarray(results[0]))


def test_gray_and_sixteen_bits():
    ramp = np.arange(64 * 16, dtype=np.uint16).reshape(16, 64) * 64
    result = quantize(ramp, 4, dither="none")
    assert result.mode == "P"
    assert len(result.getcolors()) == 4
    assert np.array_equal(to_rgb(Image(ramp))[0, 0], [0, 0, 0])
    two = np.dstack([ramp, np.full_like(ramp, 65535)])
    assert to_rgb(Image(two)).shape == (16, 64, 4)


def test_alpha_palettes_reach_pillow():
    result = quantize(soft(), 8, dither="none")
    assert result.mode == "P"
    assert np.array_equal(np.unique(np.asarray(result.convert("RGBA"))[..., 3] == 0), [False, True])


def test_read_only_and_odd_arrays():
    picture = photo()
    picture.setflags(write=False)
    assert len(quantize(picture, 4).getcolors()) <= 4
    assert quantize(np.zeros((1, 1), np.uint8), 256).size == (1, 1)
    assert quantize(photo(1, 300), 7).size == (300, 1)
    assert quantize(photo(300, 1), 7).size == (1, 300)
    with pytest.raises(ParameterError):
        quantize(np.zeros((4, 4, 3)), 8)
    with pytest.raises(MediaError):
        quantize(b"rubbish", 8)
    with pytest.raises(ParameterError):
        vqpalette.palette([], 8)


def profile_bytes(name):
    return ImageCms.ImageCmsProfile(ImageCms.createProfile(name)).tobytes()


def swapped_profile():
    """An RGB profile of a space that is not sRGB: its red and blue primaries change places."""
    data = bytearray(profile_bytes("sRGB"))
    directory = {}
    for number in range(int.from_bytes(data[128:132], "big")):
        at = 132 + 12 * number
        directory[bytes(data[at : at + 4])] = at + 4
    red, blue = directory[b"rXYZ"], directory[b"bXYZ"]
    data[red : red + 8], data[blue : blue + 8] = data[blue : blue + 8], data[red : red + 8]
    return bytes(data)


def test_srgb_profiles_change_nothing():
    image = Image(photo(), Metadata(icc=profile_bytes("sRGB")))
    converted, notes = to_srgb(image)
    assert np.array_equal(converted.samples, image.samples)
    assert converted.metadata.icc is None
    assert notes == []


@pytest.mark.parametrize("alpha", [False, True])
def test_other_profiles_are_converted(alpha):
    picture = np.zeros((4, 4, 4 if alpha else 3), np.uint8)
    picture[..., 0] = 255
    if alpha:
        picture[..., 3] = 99
    converted, notes = to_srgb(Image(picture, Metadata(icc=swapped_profile())))
    pixel = converted.samples[0, 0].astype(int)
    assert pixel[2] > 240
    assert pixel[0] < 15
    assert not alpha or pixel[3] == 99
    assert len(notes) == 1
    assert (
        quantize(Image(picture[..., :3].copy(), Metadata(icc=swapped_profile())), 4).getpalette()[2]
        > 240
    )


def test_damaged_profiles_are_said():
    image, notes = to_srgb(Image(photo(), Metadata(icc=b"no profile")))
    assert image.metadata.icc is None
    assert "unusable" in notes[0]


# --- progress, sameness, start -------------------------------------------------------------


def test_progress_rises_and_can_cancel():
    seen = []
    quantize(photo(), 8, dither="best", progress=lambda f, m: seen.append(f))
    assert seen == sorted(seen)
    assert seen[-1] == 1.0
    with pytest.raises(CancelledError):
        quantize(photo(), 8, progress=lambda fraction, message: False)


@pytest.mark.parametrize("dither", DITHERS)
def test_the_same_bytes_in_another_process_with_other_threads(dither, tmp_path):
    program = (
        "import sys, numpy; from vqcodec.palette import quantize;"
        "q = quantize(numpy.load(sys.argv[1]), 16, dither=sys.argv[2]);"
        "sys.stdout.buffer.write(bytes(q.getpalette()) + q.tobytes())"
    )
    np.save(tmp_path / "p.npy", photo())
    import os

    env = {**os.environ, "NUMBA_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", program, str(tmp_path / "p.npy"), dither.value]
    out = subprocess.run(command, capture_output=True, check=True, env=env).stdout
    here = quantize(photo(), 16, dither=dither.value)
    assert out == bytes(here.getpalette()) + here.tobytes()


def test_small_exact_work_starts_no_compiler():
    program = (
        "import sys, numpy; from vqcodec.palette import quantize;"
        "a = numpy.arange(64 * 64 * 3).reshape(64, 64, 3) // 400 * 7;"
        "quantize(a.astype('uint8'), 64); quantize(a.astype('uint8'), palette=['#000', '#fff'],"
        "dither='none'); sys.exit('numba' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program]).returncode == 0


# --- indexed images -------------------------------------------------------------------------


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 256), st.integers(1, 20), st.integers(1, 9), st.booleans(), st.integers(0, 9))
def test_png_comes_back_from_pillow(colors, width, height, alpha, seed):
    rng = np.random.default_rng(seed)
    rgba = rng.integers(0, 256, (colors, 4), np.uint8)
    if not alpha:
        rgba[:, 3] = 255
    indices = rng.integers(0, colors, (height, width)).astype(np.uint8)
    data = IndexedImage(Palette(rgba), indices).to_png()
    with PIL.Image.open(io.BytesIO(data)) as picture:
        assert picture.mode == "P" or colors <= 2
        assert data[24] == bit_depth(colors)
        assert np.array_equal(np.asarray(picture.convert("RGBA")), rgba[indices])


@pytest.mark.parametrize(
    ("colors", "bits"), [(1, 1), (2, 1), (3, 2), (4, 2), (5, 4), (16, 4), (17, 8)]
)
def test_bit_depths(colors, bits):
    assert bit_depth(colors) == bits
    rows = pack_rows(np.zeros((2, 9), np.uint8), bits)
    assert rows.shape == (2, -(-9 * bits // 8))


def test_metadata_reaches_the_png():
    exif = PIL.Image.Exif()
    exif[0x010E] = "a test"
    metadata = Metadata(
        icc=profile_bytes("sRGB"), exif=exif.tobytes()[6:], xmp=b"<x/>", text={"Title": "Grün"}
    )
    image = IndexedImage(Palette.of(["red"]), np.zeros((2, 2), np.uint8), metadata)
    with PIL.Image.open(io.BytesIO(image.to_png())) as picture:
        picture.load()
        assert picture.info["icc_profile"] == metadata.icc
        assert picture.getexif()[0x010E] == "a test"
        assert picture.text["Title"] == "Grün"
        assert picture.text["XML:com.adobe.xmp"] == "<x/>"


def test_gif_of_one_and_of_many_frames():
    rgba = np.array([[0, 0, 0, 0], [255, 0, 0, 255], [0, 0, 255, 255]], np.uint8)
    frames = [np.full((6, 7), 1, np.uint8), np.full((6, 7), 2, np.uint8)]
    frames[0][:2] = 0
    frames[1][4:] = 0
    data = write_gif([Palette(rgba)], frames, [40, 120], 0)
    with PIL.Image.open(io.BytesIO(data)) as picture:
        assert picture.n_frames == 2
        assert picture.info["loop"] == 0
        for number, (frame, duration) in enumerate(zip(frames, (40, 120), strict=True)):
            picture.seek(number)
            found = np.asarray(picture.convert("RGBA"))
            assert picture.info["duration"] == duration
            assert np.array_equal(found[..., 3], rgba[frame][..., 3])
            solid = frame > 0
            assert np.array_equal(found[solid], rgba[frame][solid])
    single = IndexedImage(Palette(rgba), frames[0]).to_gif()
    with PIL.Image.open(io.BytesIO(single)) as picture:
        assert np.array_equal(np.asarray(picture.convert("RGBA"))[..., 3], rgba[frames[0]][..., 3])
