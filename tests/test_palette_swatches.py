"""Palettes as values and as files."""

import contextlib
import json
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import GimpPaletteFile, Image

from vqcodec.codebook import Codebook
from vqcodec.errors import MediaError, ParameterError
from vqcodec.palette import Palette, adobe, parse_color, swatches

OPAQUE = (".act", ".aco", ".ase", ".css", ".gpl", ".hex", ".json", ".pal", ".vqcb")
WITH_ALPHA = (".css", ".hex", ".json", ".vqcb")
WITH_NAMES = (".aco", ".ase", ".css", ".gpl", ".json")
rgb = st.tuples(*[st.integers(0, 255)] * 3)
rgba = st.tuples(*[st.integers(0, 255)] * 4)


def read(data, suffix, folder):
    path = folder / f"palette{suffix}"
    path.write_bytes(data)
    return swatches.load(path)


@pytest.mark.parametrize("suffix", OPAQUE)
@settings(max_examples=20, deadline=None)
@given(colors=st.lists(rgb, min_size=1, max_size=256))
def test_opaque_palettes_come_back_from_every_format(suffix, colors, tmp_path_factory):
    palette = Palette(np.array(colors, np.uint8))
    folder = tmp_path_factory.mktemp("palettes")
    assert read(swatches.dumps(palette, suffix), suffix, folder) == palette


@pytest.mark.parametrize("suffix", WITH_ALPHA)
@settings(max_examples=20, deadline=None)
@given(colors=st.lists(rgba, min_size=1, max_size=40))
def test_alpha_comes_back_where_the_format_has_it(suffix, colors, tmp_path_factory):
    palette = Palette(np.array(colors, np.uint8))
    folder = tmp_path_factory.mktemp("palettes")
    assert read(swatches.dumps(palette, suffix), suffix, folder) == palette


@pytest.mark.parametrize("suffix", sorted(set(OPAQUE) - set(WITH_ALPHA)))
def test_formats_without_alpha_refuse_it(suffix):
    with pytest.raises(ParameterError, match="no alpha"):
        swatches.dumps(Palette.of(["#11223344"]), suffix)


def test_a_colour_table_has_one_transparent_entry(tmp_path):
    palette = Palette.of(["#ff0000", "#00ff0000", "#0000ff"])
    assert read(swatches.dumps(palette, ".act"), ".act", tmp_path) == palette


@pytest.mark.parametrize("suffix", WITH_NAMES)
def test_names_come_back(suffix, tmp_path):
    palette = Palette(np.array([[1, 2, 3], [4, 5, 6]], np.uint8), ("deep-sea", "coal"))
    assert read(swatches.dumps(palette, suffix), suffix, tmp_path).names == palette.names


def test_pillow_reads_our_gimp_palette(tmp_path):
    palette = Palette.of(["#010203", "#fffefd"])
    palette.save(tmp_path / "p.gpl")
    with open(tmp_path / "p.gpl", "rb") as file:
        data, mode = GimpPaletteFile.GimpPaletteFile(file).getpalette()
    assert mode == "RGB"
    assert data[:6] == bytes([1, 2, 3, 255, 254, 253])


def test_the_codebook_is_one_of_kind_palette(tmp_path):
    palette = Palette.of(["#010203", "#fffefd80"])
    palette.save(tmp_path / "p.vqcb")
    book = Codebook.load(tmp_path / "p.vqcb")
    assert book.kind == "palette"
    assert np.array_equal(book.array("codewords"), palette.rgba)


def test_microsofts_palette_is_read(tmp_path):
    entries = bytes([9, 8, 7, 0, 1, 2, 3, 0])
    body = struct.pack("<2H", 0x300, 2) + entries
    data = b"RIFF" + struct.pack("<I", len(body) + 12) + b"PAL data"
    data += struct.pack("<I", len(body)) + body
    assert read(data, ".pal", tmp_path).hex == ["#090807", "#010203"]


@pytest.mark.parametrize(
    ("space", "values", "expected"),
    [
        (0, (65535, 0, 32896, 0), "#ff0080"),
        (1, (0, 65535, 65535, 0), "#ff0000"),  # hue 0, full saturation and brightness
        (2, (65535, 65535, 65535, 0), "#000000"),  # black ink only
        (7, (10000, 0, 0, 0), "#ffffff"),
        (7, (5000, 0, 0, 0), "#777777"),
        (8, (10000, 0, 0, 0), "#000000"),
    ],
)
def test_photoshops_other_colour_models(space, values, expected):
    data = struct.pack(">2H5H", 1, 1, space, *values)
    assert adobe.read_aco(data).hex == [expected]


@pytest.mark.parametrize(
    ("model", "values", "expected"),
    [
        (b"CMYK", (0, 1, 1, 0), "#ff0000"),
        (b"Gray", (1.0,), "#ffffff"),
        (b"LAB ", (1.0, 0.0, 0.0), "#ffffff"),
    ],
)
def test_swatch_exchange_in_groups_and_other_models(model, values, expected):
    text = "x\0".encode("utf-16-be")
    color = struct.pack(">H", 2) + text + model + struct.pack(f">{len(values)}fH", *values, 0)
    group = struct.pack(">H", 2) + text
    data = b"ASEF" + struct.pack(">2HI", 1, 0, 3)
    data += struct.pack(">HI", 0xC001, len(group)) + group
    data += struct.pack(">HI", 1, len(color)) + color + struct.pack(">HI", 0xC002, 0)
    found = adobe.read_ase(data)
    assert found.hex == [expected]
    assert found.names == ("x",)


def test_style_sheets_in_the_wild(tmp_path):
    text = b"a{color:#FA0} /* #000 */ b{background:rgb(1, 2 ,3)} :root{--sea: rgba(0,50%,100%,.5)}"
    found = read(text, ".css", tmp_path)
    assert found.hex == ["#ffaa00", "#010203", "#0080ff80"]
    assert found.names == ("", "", "sea")


def test_json_lists_of_numbers(tmp_path):
    data = json.dumps([[255, 0, 0], "#00f", [1, 2, 3, 4]]).encode()
    assert read(data, ".json", tmp_path).hex == ["#ff0000", "#0000ff", "#01020304"]


def test_the_palette_of_an_indexed_image(tmp_path):
    picture = Image.new("P", (2, 1))
    picture.putpalette([5, 6, 7, 8, 9, 10])
    picture.save(tmp_path / "p.png")
    assert swatches.load(tmp_path / "p.png").hex[:2] == ["#050607", "#08090a"]


def test_the_colours_of_a_small_image_in_order(tmp_path):
    pixels = np.array([[[9, 9, 9], [1, 1, 1], [9, 9, 9], [5, 5, 5]]], np.uint8)
    Image.fromarray(pixels).save(tmp_path / "p.png")
    assert swatches.load(tmp_path / "p.png").hex == ["#090909", "#010101", "#050505"]


def test_a_photograph_is_no_palette(tmp_path):
    pixels = np.random.default_rng(1).integers(0, 256, (30, 30, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "p.png")
    with pytest.raises(MediaError, match="more than 256"):
        swatches.load(tmp_path / "p.png")


@pytest.mark.parametrize("suffix", [*OPAQUE, ".png", ""])
@settings(max_examples=40, deadline=None)
@given(data=st.binary(max_size=200))
def test_rubbish_is_refused_in_one_sentence(suffix, data, tmp_path_factory):
    path = tmp_path_factory.mktemp("rubbish") / f"p{suffix}"
    path.write_bytes(data)
    with contextlib.suppress(MediaError):
        assert 1 <= len(swatches.load(path)) <= 65536


@pytest.mark.parametrize("suffix", OPAQUE)
def test_truncated_files_are_refused_or_shorter(suffix, tmp_path):
    palette = Palette(np.arange(60, dtype=np.uint8).reshape(20, 3))
    data = swatches.dumps(palette, suffix)
    with contextlib.suppress(MediaError):
        assert len(read(data[: len(data) // 2], suffix, tmp_path)) < 20


def test_missing_files_and_unknown_formats(tmp_path):
    with pytest.raises(MediaError, match="No such file"):
        swatches.load(tmp_path / "none.gpl")
    with pytest.raises(ParameterError, match="no palette format"):
        Palette.of(["red"]).save(tmp_path / "p.xyz")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("#f00", (255, 0, 0, 255)),
        ("00ff0080", (0, 255, 0, 128)),
        (" #ABCDEF ", (171, 205, 239, 255)),
        ("teal", (0, 128, 128, 255)),
        ([1, 2, 3], (1, 2, 3, 255)),
        ("transparent", None),
        ("#12345", None),
        ([1, 2], None),
        ([1, 2, 300], None),
        (7, None),
    ],
)
def test_colours_are_parsed(text, expected):
    if expected is None:
        with pytest.raises(ParameterError, match="colour"):
            parse_color(text)
    else:
        assert parse_color(text) == expected


def test_a_palette_is_a_value():
    palette = Palette.of(["red", "#00ff00", "#0000ff7f"])
    assert palette == Palette(palette.rgba.copy())
    assert hash(palette) == hash(Palette(palette.rgba.copy()))
    assert palette != Palette.of(["red"])
    assert palette.take([2, 0]).hex == ["#0000ff7f", "#ff0000"]
    assert next(iter(palette)) == (255, 0, 0, 255)
    assert not palette.opaque
    with pytest.raises(ValueError, match="read-only"):
        palette.rgba[0, 0] = 1
    with pytest.raises(ParameterError):
        Palette(np.zeros((0, 3), np.uint8))
    with pytest.raises(ParameterError):
        Palette(np.zeros((2, 3), np.float64))
