"""The patch codec: round trips of every form, fixed rate, regions, external codebooks, damage."""

import io
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import vqcodec
from vqcodec.codebook import Codebook
from vqcodec.container import Chunk, Kind, Limits, open_container, pack
from vqcodec.errors import (
    CancelledError,
    ChecksumError,
    CodebookError,
    FormatError,
    LimitError,
    MissingCodebookError,
    ParameterError,
    TargetError,
    VQError,
)
from vqcodec.media import Image
from vqcodec.metadata import Metadata
from vqcodec.patch import blocks, fixedrate, ordering
from vqcodec.patch.options import Options

encode = partial(vqcodec.encode, kind="patch")


def picture(height=37, width=50, channels=3, dtype=np.uint8, seed=0):
    """Smooth shades with an edge and a little noise: something that a codebook can learn."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    planes = [
        np.sin(x / (5 + c) + y / 7) * 60 + 120 + 50 * (x > y) + rng.normal(0, 3, (height, width))
        for c in range(channels)
    ]
    image = np.clip(np.stack(planes, 2), 0, 255).astype(np.uint8)
    if channels in (2, 4):
        image[..., -1] = np.where(x + y < 40, 255, 64)
    return image if dtype == np.uint8 else image.astype(np.uint16) * 257 + y[..., None].astype("u2")


def error(a, b):
    return float(np.mean((a.astype(float) - b) ** 2))


# --- blocks -------------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(
    st.integers(1, 40), st.integers(1, 40), st.integers(1, 16), st.integers(1, 16),
    st.sampled_from([1, 2, 3, 4]),
)  # fmt: skip
def test_blocks_come_back(height, width, bh, bw, channels):
    image = np.random.default_rng(1).integers(0, 256, (height, width, channels)).astype(np.uint8)
    layout = "gray" if channels <= 2 else "rgb"
    planes = blocks.split_planes(image, layout)
    shapes = blocks.plane_shapes(height, width, layout, channels in (2, 4), (bh, bw))
    back = []
    for plane, shape in zip(planes, shapes, strict=True):
        vectors = blocks.to_vectors(blocks.pad(plane, shape), shape)
        assert vectors.shape == (shape.blocks, shape.dimension)
        back.append(blocks.from_vectors(vectors, shape)[:height, :width])
    np.testing.assert_array_equal(blocks.join_planes(back, layout, height, width), image)


def test_sampled_vectors_are_vectors_of_the_plane():
    image = picture(64, 64, 1)
    shape = blocks.plane_shapes(64, 64, "gray", False, (4, 4))[0]
    every = {vector.tobytes() for vector in blocks.to_vectors(image, shape)}
    some = blocks.sample_vectors(image, shape, 20, seed=3)
    assert some.shape == (20, 16)
    assert {vector.tobytes() for vector in some} <= every


@pytest.mark.parametrize("layout", ["ycbcr444", "ycbcr420"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("size", [(1, 1), (7, 10), (16, 16)])
def test_colour_planes_lose_little(layout, dtype, size):
    image = picture(*size, 3, dtype)
    if layout == "ycbcr420":  # half-resolution chroma must keep a constant colour
        image[:] = image[0, 0]
    back = blocks.join_planes(blocks.split_planes(image, layout), layout, *size)
    assert np.abs(back.astype(int) - image).max() <= 2


@pytest.mark.parametrize("layout", ["ycbcr444", "ycbcr420"])
@pytest.mark.parametrize("height", [37, 40])
def test_strips_do_not_show(layout, height, monkeypatch):
    image = picture(height, 21, 3)
    results = []
    for rows in (4096, 8):
        monkeypatch.setattr(blocks, "_ROWS", rows)
        planes = blocks.split_planes(image, layout)
        results.append((*planes, blocks.join_planes(planes, layout, height, 21)))
    for whole, strips in zip(*results, strict=True):
        np.testing.assert_array_equal(whole, strips)


def test_order_is_a_permutation_that_brings_neighbours_together():
    rng = np.random.default_rng(2)
    codewords = rng.integers(0, 256, (300, 16))
    chosen = ordering.order(codewords)
    assert sorted(chosen) == list(range(300))
    steps = np.abs(np.diff(codewords[chosen], axis=0)).mean()
    assert steps < 0.85 * np.abs(np.diff(codewords, axis=0)).mean()


# --- indices at a fixed rate --------------------------------------------------


@given(st.integers(1, 16), st.data())
def test_packed_indices_come_back(bits, data):
    values = data.draw(st.lists(st.integers(0, 2**bits - 1), min_size=1, max_size=60))
    packed = fixedrate.pack_indices(np.array(values), bits)
    assert len(packed) == fixedrate.packed_size(len(values), bits)
    first = data.draw(st.integers(0, len(values) - 1))
    count = data.draw(st.integers(1, len(values) - first))
    part = fixedrate.unpack_indices(packed[first * bits // 8 :], first, count, bits)
    np.testing.assert_array_equal(part, values[first : first + count])


def test_indices_beyond_the_codebook_are_refused():
    fixedrate.check_indices(np.array([0, 4], np.uint8), 5)
    with pytest.raises(FormatError, match="beyond"):
        fixedrate.check_indices(np.array([0, 5], np.uint8), 5)


@given(st.integers(1, 5), st.integers(1, 12), st.sampled_from([(0, 255), (-255, 255), (0, 65535)]))
def test_packed_codewords_come_back(count, dimension, bounds):
    values = np.random.default_rng(0).integers(bounds[0], bounds[1] + 1, (count, dimension))
    data = fixedrate.pack_codewords(values, *bounds)
    back = fixedrate.unpack_codewords(data, count, dimension, *bounds)
    np.testing.assert_array_equal(back, values)


# --- whole files --------------------------------------------------------------

FORMS = [
    {},
    {"fixed_rate": True},
    {"mean_removed": True},
    {"fixed_rate": True, "mean_removed": True},
    {"color": "rgb"},
    {"color": "ycbcr", "chroma": "444"},
    {"color": "ycbcr", "fixed_rate": True},
    {"block": (5, 2)},
    {"lagrangian": 0.0},
]


@pytest.mark.parametrize("form", FORMS, ids=str)
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_every_form_comes_back(form, channels):
    image = picture(channels=channels)
    data = encode(image, **{"codewords": 32, "block": 3, "quality": None, **form})
    decoded = vqcodec.decode(data)
    assert decoded.samples.shape == image.shape
    assert decoded.samples.dtype == image.dtype
    colour = channels - (channels in (2, 4))
    assert error(image[..., :colour], decoded.samples[..., :colour]) < 200
    if channels > colour:
        assert error(image[..., -1], decoded.samples[..., -1]) < 60
    assert open_container(data).check is not None  # verified while decoding


@pytest.mark.parametrize("form", [{}, {"fixed_rate": True}, {"mean_removed": True}], ids=str)
@pytest.mark.parametrize("channels", [1, 3])
def test_sixteen_bits_stay(form, channels):
    image = picture(channels=channels, dtype=np.uint16)
    decoded = vqcodec.decode(encode(image, codewords=64, block=2, **form))
    assert decoded.samples.dtype == np.uint16
    assert error(image, decoded.samples) < 200 * 257**2


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (17, 1), (2, 3), (5, 700)])
@pytest.mark.parametrize("form", [{}, {"fixed_rate": True}, {"mean_removed": True}], ids=str)
def test_any_size(size, form):
    image = picture(*size, 3)
    decoded = vqcodec.decode(encode(image, **form))
    assert decoded.samples.shape == image.shape


def test_few_distinct_blocks_are_lossless():
    tile = picture(4, 4, 1)[..., 0]
    image = np.tile(np.concatenate((tile, 255 - tile), 1), (8, 6))
    data = encode(image, block=4, codewords=8, lagrangian=0)
    np.testing.assert_array_equal(vqcodec.decode(data).samples[..., 0], image)
    assert len(data) < 120


def test_overhead_is_at_most_forty_bytes():
    image = picture(512, 768, 1)
    data = encode(image, block=4, codewords=64)
    opened = open_container(data)
    bare = sum(entry.length for entry in opened.entries) - 3  # block, count and step are overhead
    assert len(data) - bare <= 40


def test_large_codebooks_are_coded_in_two_steps():
    image = picture(120, 160, 1)
    data = encode(image, block=2, codewords=2500, lagrangian=1.0)
    assert vqcodec.info(data)["planes"][0]["codewords"] > 1024
    assert error(image, vqcodec.decode(data).samples) < 6


def test_entropy_coding_and_rate_distortion_search_pay():
    image = picture(128, 192, 1)
    fixed = encode(image, block=4, codewords=64, fixed_rate=True)
    exact = encode(image, block=4, codewords=64, lagrangian=0)
    searched = encode(image, block=4, codewords=64, lagrangian=150)
    assert len(searched) < 0.9 * len(exact)
    assert len(exact) < 0.8 * len(fixed)
    assert error(image, vqcodec.decode(searched).samples) < 2.5 * error(
        image, vqcodec.decode(exact).samples
    )


def test_quality_orders_size_and_error():
    image = picture(96, 96, 3)
    files = [encode(image, quality=q, block=3) for q in (10, 50, 90)]
    sizes = [len(data) for data in files]
    errors = [error(image, vqcodec.decode(data).samples) for data in files]
    assert sizes == sorted(sizes)
    assert errors == sorted(errors, reverse=True)


@pytest.mark.parametrize("wish", [{"bpp": 1.0}, {"size": 2000}, {"psnr": 30.0}], ids=str)
def test_targets_are_met(wish):
    image = picture(128, 128, 1)
    notes = []
    data = encode(image, notes=notes, **wish)
    assert not notes
    if "psnr" in wish:
        reached = 10 * np.log10(65025 / error(image, vqcodec.decode(data).samples))
        assert abs(reached - 30) <= 0.5
    else:
        goal = wish.get("size", 1.0 * 128 * 128 / 8)
        assert abs(len(data) - goal) <= 0.05 * goal


def test_unreachable_targets_are_told():
    image = picture(64, 64, 1)
    with pytest.raises(TargetError, match=r"10 bytes cannot be met.*nearest"):
        encode(image, size=10, block=4, codewords=16)
    notes = []
    data = encode(image, size=90000, notes=notes, block=4, codewords=16)
    assert len(data) < 90000
    assert "out of reach" in notes[0]
    with pytest.raises(TargetError, match="dB"):
        encode(image, psnr=80, block=4, codewords=16)


def test_encoding_is_deterministic():
    image = picture(64, 80, 3)
    wishes = {"codewords": 48, "block": 4, "seed": 7}
    assert encode(image, **wishes) == encode(image, **wishes)


@pytest.mark.parametrize("form", [{}, {"color": "ycbcr"}, {"mean_removed": True}, {"codewords": 5}])
def test_regions_equal_the_whole(form):
    image = picture(45, 61, 4)
    for fixed_rate in (True, False):
        data = encode(image, fixed_rate=fixed_rate, block=3, **form)
        whole = vqcodec.decode(data).samples
        for x, y, w, h in [(0, 0, 61, 45), (0, 0, 1, 1), (60, 44, 1, 1), (7, 5, 20, 33)]:
            part = vqcodec.decode(data, region=(x, y, w, h)).samples
            np.testing.assert_array_equal(part, whole[y : y + h, x : x + w])
    for region in [(-1, 0, 2, 2), (0, 0, 0, 1), (60, 0, 2, 1), (0, 44, 1, 2)]:
        with pytest.raises(ParameterError, match="region"):
            vqcodec.decode(data, region=region)


@pytest.mark.parametrize(
    "form", [{}, {"mean_removed": True}, {"fixed_rate": True}, {"color": "ycbcr", "codewords": 40}]
)
def test_tiles_stand_alone(form):
    """Any region is that of the whole; damage stays in its tile, and is told."""
    image = picture(75, 100, 3)
    data = encode(image, block=3, tile=32, **form)
    whole = vqcodec.decode(data).samples
    assert vqcodec.info(data)["tiles"] == 12
    assert error(image, whole) < 300
    for x, y, w, h in [(0, 0, 100, 75), (29, 29, 3, 2), (99, 74, 1, 1), (7, 5, 60, 50)]:
        part = vqcodec.decode(data, region=(x, y, w, h)).samples
        np.testing.assert_array_equal(part, whole[y : y + h, x : x + w])
    entries = [entry for entry in open_container(data).entries if entry.type == "I"]
    bad = bytearray(data)
    bad[entries[5].offset + 3] ^= 16  # the second tile of the second row
    with pytest.raises(ChecksumError):
        vqcodec.decode(bytes(bad))
    told = []
    saved = vqcodec.decode(bytes(bad), damaged=told).samples
    assert told == ["the tile of 30 x 30 pixels at 30,30 is damaged"]
    expected = whole.copy()
    expected[30:60, 30:60] = 128
    np.testing.assert_array_equal(saved, expected)
    cut = data[: entries[8].offset] + data[entries[8].offset + 7 :]
    saved = vqcodec.decode(cut, damaged=told).samples
    np.testing.assert_array_equal(saved[:60], whole[:60])


def test_tiles_are_the_picture_for_any_number_of_threads(monkeypatch):
    image = picture(90, 90, 3)
    files = []
    for threads in "14":
        monkeypatch.setenv("NUMBA_NUM_THREADS", threads)
        files.append(encode(image, block=4, codewords=16, tile=32))
        vqcodec.decode(files[-1])
    assert files[0] == files[1]


def test_tiles_without_number_are_refused():
    one = open_container(encode(picture(40, 40, 1), block=4, codewords=8, tile=16))
    chunks = [entry.read(one.file) for entry in one.entries]
    for header in (one.header[:3], one.header[:3] + b"\x00\x00", one.header[:3] + b"\x0f\x0e"):
        with pytest.raises(FormatError):
            vqcodec.decode(pack(Kind.PATCH, header, chunks, one.check))


class CountingFile(io.BytesIO):
    """Counts the bytes that are read."""

    total = 0

    def read(self, size=-1):
        data = super().read(size)
        self.total += len(data)
        return data


def test_regions_read_only_what_they_need():
    data = encode(picture(400, 400, 1), fixed_rate=True, block=2, codewords=16)
    file = CountingFile(data)
    vqcodec.decode(file, region=(10, 200, 30, 8))
    assert file.total < len(data) / 10


def test_metadata_are_carried_and_stripped():
    metadata = Metadata(icc=b"icc" * 50, exif=b"Exif\0\0MM", text={"Title": "x"})
    image = Image(picture(8, 8, 3), metadata)
    assert vqcodec.decode(encode(image)).metadata == metadata
    assert not vqcodec.decode(encode(image, strip=True)).metadata


# --- external codebooks -------------------------------------------------------


def test_trained_codebook_serves_other_images(tmp_path):
    images = [picture(60, 60 + 10 * i, 3, seed=i) for i in range(3)]
    book = vqcodec.train(images, tmp_path / "mine.vqcb", codewords=32, block=4, provenance="test")
    assert Codebook.load(tmp_path / "mine.vqcb").identity == book.identity
    assert book.provenance == "test"
    new = picture(50, 70, 4, seed=9)
    data = encode(new, codebook=book)
    assert len(data) < len(encode(new, block=4, codewords=32))
    (tmp_path / "a.vqi").write_bytes(data)
    beside = vqcodec.decode(tmp_path / "a.vqi")  # found in the file's own folder
    given_ = vqcodec.decode(data, codebook=tmp_path / "mine.vqcb")
    np.testing.assert_array_equal(beside.samples, given_.samples)
    assert error(new, beside.samples) < 400
    with pytest.raises(MissingCodebookError, match=book.name):
        vqcodec.decode(data)
    other = vqcodec.train(images[:1], codewords=16, block=4)
    with pytest.raises(CodebookError, match=other.name):
        vqcodec.decode(data, codebook=other)
    with pytest.raises(CodebookError, match="gray"):
        encode(new[..., :1], codebook=book)
    with pytest.raises(CodebookError, match="16"):
        encode(picture(dtype=np.uint16), codebook=book)
    with pytest.raises(CodebookError, match="kind"):
        encode(new, codebook=Codebook("audio", {}, {}))


@pytest.mark.parametrize("form", FORMS, ids=str)
def test_detached_files_decode_alike(form):
    data = encode(picture(channels=4), **{"codewords": 32, "block": 3, **form})
    indices, book = vqcodec.detach(data)
    assert len(indices) < len(data)
    np.testing.assert_array_equal(
        vqcodec.decode(indices, codebook=book).samples, vqcodec.decode(data).samples
    )
    with pytest.raises(ParameterError, match="no codebook of its own"):
        vqcodec.detach(indices)


def test_damaged_external_codebooks_are_refused():
    _, book = vqcodec.detach(encode(picture(channels=1), codewords=16, block=4))
    good = dict(book.arrays)
    for config, arrays in [
        ({"shape": [[4, 99]]}, {}),
        ({"shape": "x"}, {}),
        ({"planes": 7}, {}),
        ({"bits": 12}, {}),
        ({"transform": "yuv"}, {}),
        ({}, {"codewords": good["codewords"][:, :5]}),
        ({}, {"codewords": good["codewords"].astype(np.int16) - 300}),
        ({}, {"frequencies": good["frequencies"] * 0}),
        ({}, {"frequencies": good["frequencies"][:3]}),
    ]:
        bad = Codebook("patch", {**book.config, **config}, {**good, **arrays})
        with pytest.raises(VQError):
            encode(picture(channels=1), codebook=bad)


# --- wishes and lies ----------------------------------------------------------


@pytest.mark.parametrize(
    "wish",
    [
        {"quality": 101}, {"quality": -1}, {"quality": 50, "bpp": 1}, {"bpp": 0}, {"psnr": -3},
        {"codewords": 1}, {"codewords": 70000}, {"block": 0}, {"block": 17}, {"block": (4, 0)},
        {"color": "cmyk"}, {"chroma": "411"}, {"fixed_rate": True, "lagrangian": 3.0},
        {"seed": -1}, {"no_such_option": 1},
    ],
    ids=str,
)  # fmt: skip
def test_bad_wishes(wish):
    with pytest.raises(ParameterError):
        encode(picture(8, 8, 1), **wish)


def test_more_codewords_than_vectors():
    with pytest.raises(CodebookError, match="only 4 blocks of 4x4"):
        encode(picture(8, 8, 1), codewords=256, block=4)
    with pytest.raises(CodebookError, match="only 4 blocks"):
        vqcodec.train([picture(8, 8, 1)], codewords=256, block=4)


def test_progress_reports_and_cancels():
    seen = []
    encode(picture(), progress=lambda part, words: seen.append(part))
    assert seen == sorted(seen)
    assert 0 <= seen[0] <= seen[-1] <= 1
    with pytest.raises(CancelledError):
        encode(picture(), progress=lambda part, words: False)
    with pytest.raises(CancelledError):
        vqcodec.train([picture()], codewords=4, progress=lambda part, words: False)


def test_bombs_are_refused():
    huge = bytes([0]) + b"\xff\xff\x7f" * 2
    with pytest.raises(LimitError, match="pixels"):
        vqcodec.decode(pack(Kind.PATCH, huge, [Chunk("B", b""), Chunk("I", b"")]))
    data = encode(picture(20, 20, 1))
    with pytest.raises(LimitError):
        vqcodec.decode(data, limits=Limits(pixels=399))
    with pytest.raises(LimitError):
        vqcodec.decode(data, limits=Limits(codewords=2))


def test_a_missing_chunk_or_flag_is_an_error():
    data = encode(picture(20, 20, 1))
    opened = open_container(data)
    payload = {entry.type: entry.read(opened.file).payload for entry in opened.entries}
    for chunks in (["I"], ["B"], ["B", "B", "I"]):
        parts = [Chunk(c, payload[c]) for c in chunks]
        with pytest.raises(FormatError):
            vqcodec.decode(pack(Kind.PATCH, opened.header, parts))
    for flags in (0x80, 0x40):
        header = bytes([opened.header[0] | flags]) + opened.header[1:]
        parts = [Chunk(c, payload[c]) for c in "BI"]
        with pytest.raises(VQError):
            vqcodec.decode(pack(Kind.PATCH, header, parts))
    with pytest.raises(FormatError, match="holds no image"):
        vqcodec.decode(pack(Kind.CODEBOOK, b"", []))


@pytest.mark.parametrize("form", [{}, {"fixed_rate": True}, {"mean_removed": True}], ids=str)
def test_damage_with_repaired_checksums_never_crashes(form):
    """Any bytes inside the chunks decode to something, or are a `VQError`."""
    data = encode(picture(24, 24, 3), block=3, codewords=16, **form)
    opened = open_container(data)
    payload = {entry.type: entry.read(opened.file).payload for entry in opened.entries}
    rng = np.random.default_rng(4)
    refused = 0
    for _ in range(150):
        parts = {name: bytearray(part) for name, part in payload.items()}
        parts["H"] = bytearray(opened.header)
        target = parts[rng.choice(list(parts))]
        for _ in range(rng.integers(1, 4)):
            target[rng.integers(len(target))] = rng.integers(256)
        if rng.random() < 0.2:
            del target[rng.integers(len(target)) :]
        header = bytes(parts.pop("H"))
        chunks = [Chunk(name, bytes(part)) for name, part in parts.items()]
        try:
            vqcodec.decode(
                pack(Kind.PATCH, header, chunks, opened.check), limits=Limits(pixels=1 << 16)
            )
        except VQError:
            refused += 1
    assert refused > 100


def test_quality_zero_is_a_quality():
    assert Options(quality=0).wanted_quality == 0
    assert Options().wanted_quality == 75
    images = [picture(64, 64, 1)]
    coarse, fine = (vqcodec.train(images, codewords=64, block=2, quality=q) for q in (0, 75))
    assert len(coarse.array("codewords")) < len(fine.array("codewords"))


def test_options_name_the_layout():
    assert Options().layout(3) == "ycbcr420"
    assert Options(fixed_rate=True).layout(4) == "rgb"
    assert Options(chroma="444").layout(3) == "ycbcr444"
    assert Options(color="gray").layout(3) == "gray"
    assert Options(color="rgb").layout(1) == "gray"
