"""The codebook file: identity, round trip, and refusal of what is none."""

import io
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from vqcodec import container
from vqcodec.codebook import Codebook, find_codebook
from vqcodec.container import Chunk, Kind
from vqcodec.errors import CodebookError, FormatError, LimitError, MissingCodebookError, VQError


def example(**changes):
    values = {
        "kind": "patch",
        "config": {"transform": "gray", "shape": [2, 2]},
        "arrays": {"codewords": np.arange(12, dtype=np.uint8).reshape(3, 4)},
        "provenance": "made for a test",
    } | changes
    return Codebook(**values)


@given(
    st.dictionaries(
        st.text(min_size=1, max_size=20),
        hnp.arrays(
            st.sampled_from([np.uint8, np.int8, np.uint16, np.int16, np.int32, np.int64]),
            hnp.array_shapes(max_dims=4, max_side=4),
        ),
        max_size=3,
    ),
    st.text(max_size=50),
)
def test_files_come_back(arrays, provenance):
    book = example(arrays=arrays, provenance=provenance)
    again = Codebook.from_bytes(book.to_bytes())
    assert (again.kind, again.config, again.provenance) == (book.kind, book.config, provenance)
    assert again.identity == book.identity
    assert list(again.arrays) == sorted(arrays)
    for name, array in arrays.items():
        np.testing.assert_array_equal(again.arrays[name], array)
        assert again.arrays[name].dtype == array.dtype


def test_identity_is_of_the_contents():
    assert example().identity == example(provenance="from elsewhere").identity
    others = [
        example(kind="photo"),
        example(config={"transform": "gray", "shape": [4, 1]}),
        example(arrays={"codewords": np.arange(12, dtype=np.uint8).reshape(4, 3)}),
        example(arrays={"codewords": np.arange(12, dtype=np.uint16).reshape(3, 4)}),
        example(arrays={"words": np.arange(12, dtype=np.uint8).reshape(3, 4)}),
    ]
    assert len({book.identity for book in [example(), *others]}) == 6


def test_identity_is_the_same_everywhere():
    """Golden: a change here orphans every file that names an external codebook."""
    assert example().name == "d0adef6ecf2a833939fd5b237cdf4599"


def test_save_load_find(tmp_path, monkeypatch):
    example().save(tmp_path / "a.vqcb")
    (tmp_path / "broken.vqcb").write_bytes(b"\x8fVQ")
    assert Codebook.load(tmp_path / "a.vqcb").identity == example().identity
    with (tmp_path / "a.vqcb").open("rb") as file:
        assert Codebook.load(file).identity == example().identity
    assert find_codebook(example().identity, [tmp_path]).name == example().name
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(MissingCodebookError, match=r"0a0a.*empty.*--codebook"):
        find_codebook(b"\x0a" * 16, [empty])
    monkeypatch.setenv("VQCODEC_CODEBOOKS", str(tmp_path))
    assert find_codebook(example().identity, [empty]).name == example().name


def test_refusals(tmp_path):
    with pytest.raises(CodebookError, match="kind"):
        example(kind="cookbook")
    with pytest.raises(CodebookError, match="integers"):
        example(arrays={"codewords": np.ones(3)})
    with pytest.raises(CodebookError, match="'photo' is needed"):
        example().require("photo")
    with pytest.raises(FormatError, match="lacks"):
        example().array("klt")
    with pytest.raises(CodebookError, match="cannot read"):
        Codebook.load(tmp_path / "nothing.vqcb")
    with pytest.raises(CodebookError, match="patch file"):
        Codebook.from_bytes(container.pack(Kind.PATCH, b"", []))


@pytest.mark.parametrize(
    "header", [b"", b"{", b"[]", b'{"kind": 3, "config": {}}', b'{"kind": "patch"}', b"[" * 9999]
)
def test_damaged_headers(header):
    with pytest.raises(FormatError):
        Codebook.from_bytes(container.pack(Kind.CODEBOOK, header, []))


def test_damaged_bytes_are_found():
    data = example().to_bytes()
    for position in range(len(data)):
        damaged = bytearray(data)
        damaged[position] ^= 0x10
        try:
            book = Codebook.from_bytes(bytes(damaged))
        except VQError:
            continue
        assert book.identity == example().identity, position


def test_array_bombs_are_refused():
    head = b"\x01a\x00\x01" + container.pack_varint(1 << 34)
    chunk = Chunk("A", head + zlib.compress(bytes(100)))
    header = b'{"config":{},"kind":"patch"}'
    with pytest.raises(LimitError):
        Codebook.from_bytes(container.pack(Kind.CODEBOOK, header, [chunk]))
    short = Chunk("A", b"\x01a\x00\x01\x50" + zlib.compress(bytes(10)))
    with pytest.raises(FormatError, match="shorter"):
        Codebook.from_bytes(container.pack(Kind.CODEBOOK, header, [short]))


def test_a_codebook_file_is_data(tmp_path):
    """Nothing in it is executable: it is JSON, integers and text."""
    data = example().to_bytes()
    assert data[:4] == b"\x8fVQH"
    assert Codebook.load(io.BytesIO(data)).provenance == "made for a test"
