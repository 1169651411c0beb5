"""The container: chunks in and out, and every way in which a file can lie."""

import io
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vqcodec import container
from vqcodec.container import Chunk, Kind, Limits, open_container, pack
from vqcodec.errors import ChecksumError, FormatError, LimitError, TruncatedError, VQError
from vqcodec.metadata import Metadata, from_chunks, to_chunks

SAMPLE = pack(Kind.PATCH, b"head", [Chunk("I", b"indices"), Chunk("z", b"kept")], 0x1234)


def test_contents_come_back():
    opened = open_container(SAMPLE)
    assert (opened.kind, opened.header, opened.check) == (Kind.PATCH, b"head", 0x1234)
    assert opened.one("I") == b"indices"
    assert opened.all("z") == [b"kept"]
    assert not opened.has("B")
    assert opened.size == len(SAMPLE)
    opened.verify()


def test_overhead_is_small():
    """Magic, header chunk, two chunks and END, without what they carry."""
    assert len(pack(Kind.PATCH, b"", [Chunk("B", b""), Chunk("I", b"")])) == 3 + 7 + 6 + 6 + 5


@given(
    st.binary(max_size=50),
    st.lists(st.tuples(st.sampled_from("BIaz"), st.binary(max_size=300)), max_size=5),
    st.one_of(st.none(), st.integers(1, 2**32 - 1)),
)
def test_any_chunks_come_back(header, chunks, check):
    opened = open_container(pack(Kind.AUDIO, header, [Chunk(*chunk) for chunk in chunks], check))
    assert (opened.header, opened.check) == (header, check)
    found = [(entry.type, entry.read(opened.file).payload) for entry in opened.entries]
    assert found == chunks


@given(st.integers(0, 2**35 - 1))
def test_varints_come_back(value):
    reader = container.ByteReader(container.pack_varint(value))
    assert reader.varint() == value
    reader.finish()


@pytest.mark.parametrize("length", range(len(SAMPLE)))
def test_every_truncation_is_an_error(length):
    with pytest.raises(FormatError):
        open_container(SAMPLE[:length]).verify()


@pytest.mark.parametrize("position", range(len(SAMPLE) - 4))
def test_every_damaged_byte_is_found(position):
    """All but END's own check, which only a decoder can verify."""
    for flip in (1, 0x20, 0x80):
        damaged = bytearray(SAMPLE)
        damaged[position] ^= flip
        try:
            opened = open_container(bytes(damaged))
            opened.verify()
            opened.refuse_unknown("I")
        except FormatError:
            continue
        pytest.fail(f"flipping {flip:#x} in byte {position} went unnoticed")


@pytest.mark.parametrize(
    ("data", "error", "words"),
    [
        (b"", TruncatedError, "empty"),
        (b"\x89PNG\r\n\x1a\n" + bytes(30), FormatError, "wrong magic"),
        (SAMPLE + b"x", FormatError, "stray bytes"),
        (container.MAGIC, TruncatedError, "truncated"),
        (container.MAGIC + container.end(), FormatError, "header"),
        (SAMPLE[:3] + SAMPLE[3:15] + SAMPLE[3:], FormatError, "second header|stray|chunk"),
        (container.MAGIC + container.pack_chunk(Chunk("H", b"\x21")) + container.end(),
         FormatError, "version 2"),
        (container.MAGIC + container.pack_chunk(Chunk("H", b"\x1f")) + container.end(),
         FormatError, "unknown kind"),
        (container.MAGIC + b"I" + b"\xff" * 5 + b"\x01", VQError, "ends too early|claims"),
        (container.MAGIC + b"I\x80\x00" + bytes(20), FormatError, "needless"),
    ],
)  # fmt: skip
def test_lies_are_refused(data, error, words):
    with pytest.raises(error, match=words):
        open_container(data)


def test_chunk_limit():
    with pytest.raises(LimitError):
        open_container(SAMPLE, Limits(chunk=6))


def test_unknown_chunks():
    open_container(SAMPLE).refuse_unknown("I")
    with pytest.raises(FormatError, match="'I'"):
        open_container(SAMPLE).refuse_unknown("B")


def test_checksum_names_the_chunk():
    at = SAMPLE.index(b"indices")
    damaged = SAMPLE[:at] + b"X" + SAMPLE[at + 1 :]
    with pytest.raises(ChecksumError, match="'I'"):
        open_container(damaged).one("I")


def test_parts_are_read_alone():
    opened = open_container(io.BytesIO(SAMPLE))
    assert opened.entry("I").read_part(opened.file, 2, 3) == b"dic"
    with pytest.raises(TruncatedError):
        opened.entry("I").read_part(opened.file, 5, 3)


# --- metadata -----------------------------------------------------------------

TAGS = Metadata(b"profile" * 9, b"Exif\0\0", b"<x/>", {"Title": "Ünï", "a": ""})


def carry(metadata, limits=container.DEFAULT_LIMITS):
    return from_chunks(open_container(pack(Kind.PATCH, b"", to_chunks(metadata))), limits)


def test_metadata_come_back():
    assert carry(TAGS) == TAGS
    assert carry(Metadata()) == Metadata()
    assert to_chunks(Metadata()) == []
    assert not Metadata()


def test_metadata_bomb_is_refused():
    with pytest.raises(LimitError):
        carry(Metadata(icc=bytes(1 << 20)), Limits(metadata=1000))


@pytest.mark.parametrize("text", [b"[]", b'{"a": 1}', b"{", b"\xff", b"[" * 100000])
def test_damaged_text_tags(text):
    data = pack(Kind.PATCH, b"", [Chunk("t", zlib.compress(text))])
    with pytest.raises(FormatError):
        from_chunks(open_container(data))


def test_damaged_compression():
    with pytest.raises(FormatError):
        from_chunks(open_container(pack(Kind.PATCH, b"", [Chunk("c", b"not zlib")])))
