"""Palette images as .vqi files: round trips, sizes, damage."""

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import vqcodec
from vqcodec import container
from vqcodec.codebook import Codebook
from vqcodec.container import Chunk, Kind, Limits, open_container, pack_varint
from vqcodec.errors import CodebookError, FormatError, LimitError, ParameterError, VQError
from vqcodec.media import Image
from vqcodec.metadata import Metadata
from vqcodec.palette import Palette, codec, indexcoder
from vqcodec.palette.indexed import IndexedImage
from vqcodec.palette.options import PaletteOptions


def picture(colors, height, width, seed=0, run=1):
    rng = np.random.default_rng(seed)
    rgba = rng.integers(0, 256, (colors, 4), np.uint8)
    flat = np.repeat(rng.integers(0, colors, height * width // run + 1), run)[: height * width]
    return IndexedImage(Palette(rgba), flat.reshape(height, width).astype(np.uint8))


@settings(max_examples=40, deadline=None)
@given(
    st.integers(1, 256),
    st.integers(1, 25),
    st.integers(1, 25),
    st.integers(1, 9),
    st.integers(0, 99),
)
def test_indices_come_back(colors, height, width, run, seed):
    indices = picture(colors, height, width, seed, run).indices
    stream = indexcoder.encode_indices(indices, colors)
    assert np.array_equal(indexcoder.decode_indices(stream, height, width, colors), indices)


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 256), st.integers(1, 20), st.integers(1, 20), st.booleans())
def test_files_come_back(colors, height, width, opaque):
    image = picture(colors, height, width)
    if opaque:
        image = IndexedImage(Palette(image.palette.rgba[:, :3].copy()), image.indices)
    data = codec.encode_indexed(image)
    back = codec.decode_indexed(open_container(data))
    assert back.palette == image.palette
    assert np.array_equal(back.indices, image.indices)
    decoded = codec.decode(open_container(data))
    assert np.array_equal(decoded.samples, image.samples)
    described = codec.describe(open_container(data))
    assert (described["width"], described["height"]) == (width, height)
    assert described["colors"] == colors
    assert described["bpp"] == len(data) * 8 / (width * height)


def test_structure_is_found():
    y, x = np.mgrid[0:200, 0:200]
    indices = ((x // 9 + y // 13) % 16).astype(np.uint8)
    image = IndexedImage(Palette(np.arange(48, dtype=np.uint8).reshape(16, 3)), indices)
    assert len(codec.encode_indexed(image)) < len(image.to_png())
    noise = picture(256, 100, 100).indices
    assert len(indexcoder.encode_indices(noise, 256)) < 1.05 * noise.size


def test_encode_reduces_and_uses_codebooks():
    rng = np.random.default_rng(2)
    image = Image(rng.integers(0, 256, (20, 20, 3), np.uint8), Metadata(text={"Title": "x"}))
    data = codec.encode(image, PaletteOptions(8))
    decoded = codec.decode(open_container(data))
    assert len(np.unique(decoded.samples.reshape(-1, 3), axis=0)) <= 8
    assert decoded.metadata.text == {"Title": "x"}
    config = {"transform": "none", "shape": [4]}
    words = np.array([[0, 0, 0, 255], [255, 255, 255, 255]], np.uint8)
    book = Codebook("palette", config, {"codewords": words})
    two = codec.decode(open_container(codec.encode(image, codebook=book))).samples
    assert set(np.unique(two)) == {0, 255}
    with pytest.raises(CodebookError):
        codec.encode(image, codebook=Codebook("patch", config, {"codewords": words}))


def test_regions():
    image = picture(9, 20, 30)
    data = codec.encode_indexed(image)
    part = codec.decode(open_container(data), region=(3, 4, 5, 6))
    assert np.array_equal(part.samples, image.samples[4:10, 3:8])
    for region in ((-1, 0, 2, 2), (0, 0, 31, 1), (0, 20, 1, 1), (0, 0, 0, 1)):
        with pytest.raises(ParameterError):
            codec.decode(open_container(data), region=region)


def crafted(header, palette, indices):
    return container.pack(Kind.PALETTE, header, [Chunk("P", palette), Chunk("I", indices)])


def head(width, height, colors):
    return pack_varint(width) + pack_varint(height) + bytes([colors - 1])


GOOD_PALETTE = codec._pack_palette(Palette(np.arange(9, dtype=np.uint8).reshape(3, 3)))


@pytest.mark.parametrize(
    ("header", "palette", "stream"),
    [
        (head(0, 5, 3), GOOD_PALETTE, b""),
        (head(5, 0, 3), GOOD_PALETTE, b""),
        (head(5, 5, 4), GOOD_PALETTE, b""),
        (head(5, 5, 3) + b"x", GOOD_PALETTE, b""),
        (head(5, 5, 3)[:-1], GOOD_PALETTE, b""),
        (head(5, 5, 3), b"", b""),
        (head(5, 5, 3), b"\2" + GOOD_PALETTE[1:], b""),
        (head(5, 5, 3), GOOD_PALETTE[:-3], b""),
        (head(5, 5, 1), codec._pack_palette(Palette.of(["red"])), b"stray"),
    ],
)
def test_illegal_files_are_refused(header, palette, stream):
    with pytest.raises(FormatError):
        codec.decode(open_container(crafted(header, palette, stream)))


def test_indices_beyond_the_palette_are_refused():
    stream = indexcoder.encode_indices(picture(4, 9, 9).indices, 4)
    with pytest.raises(FormatError, match="outside its palette"):
        codec.decode(open_container(crafted(head(9, 9, 3), GOOD_PALETTE, stream)))


def test_names_of_codebooks_are_refused():
    data = container.pack(
        Kind.PALETTE, head(5, 5, 3), [Chunk("P", GOOD_PALETTE), Chunk("I", b""), Chunk("R", b"x")]
    )
    with pytest.raises(FormatError, match="'R'"):
        vqcodec.decode(data)


def test_limits_are_kept():
    data = codec.encode_indexed(picture(3, 30, 30))
    with pytest.raises(LimitError):
        codec.decode(open_container(data), limits=Limits(pixels=899))
    with pytest.raises(LimitError):
        codec.decode(open_container(crafted(head(1 << 20, 1 << 20, 3), GOOD_PALETTE, b"")))


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_damage_is_refused(data):
    good = codec.encode_indexed(picture(20, 12, 17, run=3))
    position = data.draw(st.integers(0, len(good) - 1))
    flipped = bytearray(good)
    flipped[position] ^= data.draw(st.integers(1, 255))
    for damaged in (bytes(flipped), good[:position]):
        with pytest.raises(VQError):
            codec.decode(open_container(io.BytesIO(damaged)), limits=Limits(pixels=1 << 16))


@settings(max_examples=40, deadline=None)
@given(st.binary(max_size=300), st.integers(2, 256))
def test_any_stream_decodes_or_is_refused(stream, colors):
    try:
        indices = indexcoder.decode_indices(stream, 9, 11, colors)
    except FormatError:
        return
    assert indices.max() < colors


def test_tiles_stand_alone():
    """They are the picture, any region of it, and all of it but for a damaged one."""
    image = picture(7, 50, 70)
    data = codec.encode_indexed(image, tile=32)
    opened = open_container(data)
    np.testing.assert_array_equal(codec.decode_indexed(opened).indices, image.indices)
    for x, y, w, h in [(0, 0, 70, 50), (31, 31, 2, 2), (69, 0, 1, 50)]:
        part = codec.decode_indexed(opened, region=(x, y, w, h)).indices
        np.testing.assert_array_equal(part, image.indices[y : y + h, x : x + w])
    tiles = [entry for entry in opened.entries if entry.type == "I"]
    assert len(tiles) == 6
    bad = bytearray(data)
    bad[tiles[1].offset] ^= 1
    told = []
    saved = codec.decode_indexed(open_container(bytes(bad)), damaged=told).indices
    expected = image.indices.copy()
    expected[:32, 32:64] = 0
    np.testing.assert_array_equal(saved, expected)
    assert told == ["the tile of 32 x 32 pixels at 32,0 is damaged"]
