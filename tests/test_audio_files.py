"""The .vqa file: exact lengths, seeking, streaming, salvage, tags; and sounds through pipes."""

from __future__ import annotations

import io
import os
import pkgutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

import vqcodec
from vqcodec import api, audio, container
from vqcodec.audio import files, streaming
from vqcodec.audio.reader import Reader, StreamReader, clock
from vqcodec.codebook import Codebook
from vqcodec.container import Limits, open_container, open_damaged
from vqcodec.errors import (
    CancelledError,
    ChecksumError,
    FormatError,
    LimitError,
    MediaError,
    MissingCodebookError,
    ParameterError,
    TruncatedError,
    VQError,
)
from vqcodec.frames.shapes import write_book
from vqcodec.media import Audio, wave
from vqcodec.media.cover import add_to_flac, find_cover
from vqcodec.media.soundin import open_input_sound
from vqcodec.media.soundout import open_output_sound
from vqcodec.metadata import Metadata

RNG = np.random.default_rng(0)
ROOT = Path(__file__).parent.parent
SAMPLES = ROOT / "samples"
JPEG = b"\xff\xd8\xff\xe0" + bytes(range(256)) * 3
PNG = b"\x89PNG\r\n\x1a\n" + bytes(50)


def book(count: int = 32, frame: int = 4) -> Codebook:
    vectors = np.random.default_rng(1).standard_normal((count, frame))
    return write_book(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), 6)


BOOK = book()


def noise(frames: int, channels: int = 2) -> np.ndarray:
    return np.random.default_rng(frames).uniform(-0.5, 0.5, (frames, channels)).astype(np.float32)


SOUND = noise(9500)  # ten segments of a second at 1 kHz
TAGS = {"artist": "Ä. Nonymous", "title": "noise"}
CODED = audio.write(None, SOUND, 1000, codebook=BOOK, tags=TAGS, cover=JPEG)
WHOLE = audio.read(CODED, codebook=BOOK, dtype="float32")[0]
EMBEDDED = audio.write(None, SOUND[:4500], 1000, kind="frames", codewords=16, frame=8)


class Pipe(io.RawIOBase):
    """A binary file that cannot be sought in and gives what it likes."""

    def __init__(self, data: bytes) -> None:
        self.data = io.BytesIO(data)

    def read(self, size: int = -1) -> bytes:
        return self.data.read(size)

    def seekable(self) -> bool:
        return False

    def readable(self) -> bool:
        return True


def segments_of(data: bytes) -> list[container.Entry]:
    return [entry for entry in open_container(data).entries if entry.type == "S"]


# --- reading in the manner of soundfile ---------------------------------------


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 9500), st.integers(0, 9500))
def test_seeking_equals_slicing(start: int, stop: int) -> None:
    part, rate = audio.read(CODED, start=start, stop=stop, codebook=BOOK, dtype="float32")
    assert rate == 1000
    assert np.array_equal(part, WHOLE[start:stop])


def test_seeking_reads_only_the_segments_it_needs() -> None:
    class Watched(io.BytesIO):
        seen: ClassVar[set[int]] = set()

        def read(self, size: int | None = -1) -> bytes:
            if size is not None and size > 100:
                self.seen.add(self.tell())
            return super().read(size)

    file = Watched(CODED)
    reader = Reader(open_container(file), BOOK)
    file.seen.clear()
    assert np.array_equal(reader.read(5100, 5200), WHOLE[5100:5200])
    wanted = {entry.offset for entry in segments_of(CODED)[4:6]}  # and the one before
    assert file.seen == wanted


@pytest.mark.parametrize(
    ("wish", "expected"),
    [
        ({"frames": 5, "start": 10}, slice(10, 15)),
        ({"start": -7}, slice(9493, 9500)),
        ({"stop": -9490}, slice(0, 10)),
        ({"start": 8, "stop": 3}, slice(0, 0)),
        ({"frames": 99999, "start": 9499}, slice(9499, 9500)),
    ],
)
def test_ranges_are_those_of_soundfile(wish: dict, expected: slice) -> None:
    assert np.array_equal(audio.read(CODED, codebook=BOOK, **wish)[0], WHOLE[expected])


def test_dtypes_and_shapes() -> None:
    read = lambda **wish: audio.read(CODED, codebook=BOOK, **wish)[0]  # noqa: E731
    assert read().dtype == np.float64
    assert np.array_equal(read(dtype="int16"), (WHOLE * 32768).astype(np.int16))
    assert np.array_equal(read(dtype="int32") >> 16, read(dtype="int16"))
    filled = read(start=9498, frames=5, fill_value=0.25)
    assert filled.shape == (5, 2)
    assert (filled[2:] == 0.25).all()
    mono = audio.write(None, SOUND[:50, 0], 1000, codebook=BOOK)
    assert audio.read(mono, codebook=BOOK)[0].shape == (50,)
    assert audio.read(mono, codebook=BOOK, always_2d=True)[0].shape == (50, 1)
    for wish in ({"dtype": "int8"}, {"frames": 3, "stop": 4}):
        with pytest.raises(ParameterError):
            read(**wish)


@pytest.mark.parametrize(("size", "overlap"), [(1, 0), (999, 0), (1000, 10), (4096, 4095)])
def test_blocks_are_those_of_soundfile(size: int, overlap: int, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", WHOLE, 1000, subtype="FLOAT")
    wish = {"blocksize": size, "overlap": overlap, "start": 2500, "stop": 7000, "dtype": "float32"}
    expected = list(soundfile.blocks(tmp_path / "a.wav", **wish))
    found = list(audio.blocks(CODED, codebook=BOOK, **wish))
    assert len(found) == len(expected)
    assert all(np.array_equal(a, b) for a, b in zip(found, expected, strict=True))
    *_, last = audio.blocks(CODED, 4000, codebook=BOOK, fill_value=1.0)
    assert last.shape == (4000, 2)
    assert (last[1500:] == 1.0).all()


def test_info() -> None:
    found = audio.info(CODED)
    assert (found.samplerate, found.channels, found.frames) == (1000, 2, 9500)
    assert found.duration == 9.5
    assert found.tags == TAGS
    assert found.cover == JPEG
    report = vqcodec.info(CODED)
    assert report["text"] == TAGS
    assert report["cover_bytes"] == len(JPEG)
    assert report["codebook"] == BOOK.name
    assert vqcodec.info(EMBEDDED)["codebook"] == "embedded"


# --- lengths and awkward sounds -----------------------------------------------


@pytest.mark.parametrize("frames", [1, 2, 3, 4, 5, 999, 1000, 1001, 2000])
@pytest.mark.parametrize("channels", [1, 7])
def test_lengths_are_exact(frames: int, channels: int) -> None:
    data = audio.write(None, noise(frames, channels), 1000, codebook=BOOK)
    assert audio.read(data, codebook=BOOK, always_2d=True)[0].shape == (frames, channels)
    pipe = StreamReader(Pipe(data), BOOK)
    assert sum(map(len, pipe.blocks())) == frames


@pytest.mark.parametrize("rate", [1, 8000, 11025, 37800, 192000, 768000])
def test_rates_are_kept(rate: int) -> None:
    data = audio.write(None, noise(3000, 1), rate, codebook=BOOK)
    assert audio.read(data, codebook=BOOK)[1] == rate


def test_what_cannot_be_coded() -> None:
    for bad in (np.nan, np.inf, -np.inf):
        samples = SOUND[:100].copy()
        samples[50, 1] = bad
        with pytest.raises(ParameterError, match="NaN"):
            audio.write(None, samples, 1000, codebook=BOOK)
        with pytest.raises(ParameterError, match="NaN"), _writer() as writer:
            writer.write(samples)
    with pytest.raises(MediaError, match="no samples"):
        audio.write(None, np.zeros((0, 2), np.float32), 1000, codebook=BOOK)
    with pytest.raises(ParameterError, match="Hz"):
        audio.write(None, SOUND[:9], 1 << 21, codebook=BOOK)
    with pytest.raises(ParameterError, match="no sound codec"):
        audio.write(None, SOUND[:9], 1000, kind="photo")
    with pytest.raises(ParameterError, match="no option"):
        audio.write(None, SOUND[:9], 1000, kind="frames", block=4)
    with pytest.raises(CancelledError):
        streaming.encode(
            Audio(SOUND, 1000), io.BytesIO(), codebook=BOOK, progress=lambda f, m: False
        )


def _writer(file: io.BytesIO | None = None) -> files.Writer:
    from vqcodec.frames.codec import Encoder
    from vqcodec.frames.options import Options

    encoder = Encoder(1000, 2, Options(), BOOK)
    return files.Writer(file or io.BytesIO(), "frames", encoder, 2, BOOK)


def test_beyond_full_scale_is_clipped_and_said() -> None:
    notes: list[str] = []
    loud = Audio(SOUND * 3, 1000)
    streaming.encode(loud, clipped := io.BytesIO(), codebook=BOOK, notes=notes)
    assert "clipped" in notes[0]
    assert clipped.getvalue() == audio.write(None, np.clip(SOUND * 3, -1, 1), 1000, codebook=BOOK)


def test_integers_of_all_widths_are_the_same_sound() -> None:
    wide = (SOUND * 2**31).astype(np.int32)
    narrow = (wide >> 16).astype(np.int16)
    short = audio.write(None, narrow, 1000, codebook=BOOK)
    assert short == audio.write(None, narrow / np.float32(32768), 1000, codebook=BOOK)
    assert audio.write(None, wide, 1000, codebook=BOOK) == audio.write(
        None, (wide / 2**31).astype(np.float32), 1000, codebook=BOOK
    )


# --- the file -----------------------------------------------------------------


def test_streams_and_files_are_the_same_bytes(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, SOUND, 1000, subtype="PCM_24")
    found = []
    for source in (path, path.read_bytes(), path.open("rb"), Pipe(path.read_bytes())):
        streaming.encode(source, target := io.BytesIO(), codebook=BOOK)
        found.append(target.getvalue())
    assert len(set(found)) == 1
    streaming.encode(path, tmp_path / "a.vqa", codebook=BOOK)
    assert (tmp_path / "a.vqa").read_bytes() == found[0]


def test_a_pipe_is_coded_as_it_comes() -> None:
    """Every segment leaves as soon as its samples are in; the last one needs the end."""
    file = io.BytesIO()
    with _writer(file) as writer:
        sizes = []
        for start in range(0, 9500, 500):
            writer.write(SOUND[start : start + 500])
            sizes.append(len(file.getvalue()))
    assert (np.diff(sizes) > 0).sum() == 9
    assert np.array_equal(audio.read(file.getvalue(), codebook=BOOK)[0], WHOLE)


def test_decoding_through_pipes() -> None:
    for source in (CODED, Pipe(CODED)):
        streaming.decode(source, target := io.BytesIO(), codebook=BOOK)
        samples, rate = soundfile.read(io.BytesIO(target.getvalue()), dtype="float32")
        assert rate == 1000
        assert np.array_equal(samples, WHOLE)
    streaming.decode(Pipe(CODED), target := io.BytesIO(), start=100, stop=2.5, codebook=BOOK)
    assert len(soundfile.read(io.BytesIO(target.getvalue()))[0]) == 2400


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".aiff", ".ogg", ".caf"])
def test_decoding_into_other_formats(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"a{suffix}"
    data = audio.write(None, noise(8000, 1), 8000, codebook=BOOK, tags=TAGS)
    streaming.decode(data, path, codebook=BOOK)
    samples, rate = soundfile.read(path)
    assert (len(samples), rate) == (8000, 8000)
    if suffix != ".ogg":
        assert np.array_equal(samples, audio.read(data, codebook=BOOK)[0])
    if suffix in (".flac", ".ogg"):
        with soundfile.SoundFile(path) as file:
            assert file.artist == TAGS["artist"]


def test_the_check_of_the_samples(tmp_path: Path) -> None:
    opened = open_container(CODED)
    exact = (WHOLE * 32768).astype("<i2")
    assert opened.check == container.sample_check(exact.tobytes())
    wrong = CODED[:-4] + bytes(4)[:-1] + b"\1"
    for read in (lambda: audio.read(wrong, codebook=BOOK), lambda: _streamed(wrong)):
        with pytest.raises(ChecksumError, match="decoded samples"):
            read()
    assert len(audio.read(wrong, stop=9000, codebook=BOOK)[0]) == 9000
    assert api.check(CODED, codebook=BOOK) == opened.check


def _streamed(data: bytes) -> np.ndarray:
    return np.concatenate(list(StreamReader(Pipe(data), BOOK).blocks()))


def test_external_codebooks(tmp_path: Path) -> None:
    (tmp_path / "a.vqa").write_bytes(CODED)
    with pytest.raises(MissingCodebookError, match=BOOK.name):
        audio.read(tmp_path / "a.vqa")
    with pytest.raises(MissingCodebookError):
        list(StreamReader(Pipe(CODED)).blocks())
    with pytest.raises(VQError, match="not with"):
        audio.read(CODED, codebook=book(16))
    BOOK.save(tmp_path / "b.vqcb")
    assert np.array_equal(audio.read(tmp_path / "a.vqa")[0], WHOLE)
    assert len(audio.read(EMBEDDED)[0]) == 4500
    assert len(EMBEDDED) < len(CODED)


def test_limits() -> None:
    with pytest.raises(LimitError):
        audio.read(CODED, codebook=BOOK, limits=Limits(samples=18999))
    with pytest.raises(LimitError):
        streaming.encode(
            Audio(SOUND, 1000), io.BytesIO(), codebook=BOOK, limits=Limits(samples=18999)
        )


def test_the_public_functions_take_sounds(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, SOUND, 1000, subtype="PCM_16")
    data = vqcodec.encode(path, tmp_path / "a.vqa", codebook=BOOK)
    assert (tmp_path / "a.vqa").read_bytes() == data
    sound = vqcodec.decode(data, tmp_path / "b.wav", codebook=BOOK, start=100, stop=2.0)
    assert isinstance(sound, Audio)
    assert np.array_equal(sound.samples, soundfile.read(tmp_path / "b.wav", dtype="float32")[0])
    assert sound.frames == 1900
    report = vqcodec.compare(path, data, codebook=BOOK)
    assert report["kbps"] == pytest.approx(len(data) * 8 / 9500)
    assert report["snr"] > 3
    trained = vqcodec.train([path], kind="frames", frame=4, codewords=8)
    assert trained.arrays["codewords"].shape == (8, 4)
    with pytest.raises(ParameterError):
        vqcodec.train([path], kind="frames", bitrate=9000)


# --- damage -------------------------------------------------------------------


@pytest.mark.parametrize("share", np.linspace(0, 0.9999, 40))
def test_truncated_anywhere(share: float) -> None:
    data = CODED[: int(share * len(CODED))]
    with pytest.raises(FormatError):
        audio.read(data, codebook=BOOK)
    with pytest.raises((TruncatedError, FormatError)):
        _streamed(data)
    damaged: list[str] = []
    whole = [e for e in segments_of(CODED) if e.offset + e.length + 4 <= len(data)]
    if not whole:
        with pytest.raises(FormatError):
            api.decode(data, codebook=BOOK, damaged=damaged)
        return
    sound = api.decode(data, codebook=BOOK, damaged=damaged)
    assert damaged
    assert sound.frames >= min(len(whole) * 1000, 9500)
    assert np.array_equal(sound.samples[: len(WHOLE)], WHOLE[: sound.frames])


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_damage_is_refused_or_confined(data: st.DataObject) -> None:
    """Whatever is salvaged is what was there, or silence that is reported."""
    bad = bytearray(CODED)
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(bad) - 1))
        change = data.draw(st.sampled_from(["flip", "cut", "insert"]))
        if change == "flip":
            bad[place] ^= data.draw(st.integers(1, 255))
        elif change == "cut":
            del bad[place : place + data.draw(st.integers(1, 3000))]
        else:
            bad[place:place] = data.draw(st.binary(min_size=1, max_size=40))
    if bytes(bad) == CODED:
        return
    with pytest.raises(VQError):
        audio.read(bytes(bad), codebook=BOOK)
    damaged: list[str] = []
    try:
        sound = api.decode(bytes(bad), codebook=BOOK, damaged=damaged)
    except VQError:
        return
    assert damaged
    for start in range(0, min(sound.frames, 9500), 1000):
        part = sound.samples[start : start + 1000][: 9500 - start]
        if part.any():
            assert np.array_equal(part, WHOLE[start : start + len(part)])


def test_lost_segments_are_silence_and_named() -> None:
    bad = bytearray(CODED)
    entries = segments_of(CODED)
    bad[entries[2].offset + 99] ^= 1  # only the payload: the way goes on
    bad[entries[5].offset - 1] ^= 255  # the length of two neighbours: the way is lost
    bad[entries[6].offset - 2] ^= 255
    damaged: list[str] = []
    sound = api.decode(bytes(bad), codebook=BOOK, damaged=damaged)
    expected = WHOLE.copy()
    expected[2000:3000] = expected[5000:7000] = 0
    assert np.array_equal(sound.samples, expected)
    assert any("0:02.00 to 0:03.00" in line for line in damaged)
    assert any("0:05.00 to 0:07.00" in line for line in damaged)
    damaged.clear()
    part = api.decode(bytes(bad), codebook=BOOK, damaged=damaged, start=3000, stop=5000)
    assert np.array_equal(part.samples, WHOLE[3000:5000])
    assert not any("silence" in line for line in damaged)


def test_segments_out_of_order_or_missing() -> None:
    opened = open_container(CODED)
    chunks = [entry.read(opened.file) for entry in opened.entries]
    first = next(n for n, chunk in enumerate(chunks) if chunk.type == "S")

    def pack(order: Callable[[list], None]) -> bytes:
        changed = list(chunks)
        order(changed)
        return container.pack(opened.kind, opened.header, changed, opened.check)

    def swap(items: list) -> None:
        items[first + 1], items[first + 2] = items[first + 2], items[first + 1]

    for change in (swap, lambda items: items.pop(first + 3), lambda items: items.pop(-1)):
        data = pack(change)
        with pytest.raises(FormatError):
            audio.read(data, codebook=BOOK)
        with pytest.raises(FormatError):
            _streamed(data)
    damaged: list[str] = []
    swapped = api.decode(pack(swap), codebook=BOOK, damaged=damaged)
    assert np.array_equal(swapped.samples, WHOLE)  # they bear numbers


def test_a_codebook_that_is_lost_cannot_be_made_up() -> None:
    opened = open_container(EMBEDDED)
    bad = bytearray(EMBEDDED)
    bad[opened.entry("B").offset + 9] ^= 1
    with pytest.raises(FormatError):
        api.decode(bytes(bad), damaged=[])
    with pytest.raises(FormatError, match="header"):
        api.decode(CODED[:5] + b"\xff" + CODED[6:], damaged=[])


def test_damaged_tags_do_not_keep_a_sound_from_being_read() -> None:
    bad = bytearray(CODED)
    bad[open_container(CODED).entry("t").offset + 3] ^= 1
    damaged: list[str] = []
    sound = api.decode(bytes(bad), codebook=BOOK, damaged=damaged)
    assert np.array_equal(sound.samples, WHOLE)
    assert sound.metadata.cover == JPEG
    assert "metadata" in damaged[0]


def test_the_search_in_damaged_files_finds_chunks_anywhere() -> None:
    rubbish = RNG.integers(0, 256, 70000).astype(np.uint8).tobytes()
    entry = segments_of(CODED)[4]
    start = entry.offset - 3
    opened, notes = open_damaged(CODED[:start] + rubbish + CODED[start:], "S")
    assert [e.type for e in opened.entries].count("S") == 10
    assert len(notes) == 1


def test_a_killed_encoder_leaves_what_it_had_done(tmp_path: Path) -> None:
    """The parent feeds a pipe and kills the encoder in the middle."""
    BOOK.save(tmp_path / "b.vqcb")
    command = [sys.executable, "-m", "vqcodec", "encode", "-", "-o", "song.vqa"]
    encoder = subprocess.Popen(
        [*command, "--codebook", "b.vqcb", "--quiet"], stdin=subprocess.PIPE, cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert encoder.stdin is not None
    long = (noise(200_000, 1) * 32768).astype("<i2")
    raw = long.tobytes()
    encoder.stdin.write(wave.head(wave.WaveFormat(1000, 1, 2)) + raw[: len(raw) * 3 // 4])
    encoder.stdin.flush()
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        left = list(tmp_path.glob(".song.vqa.*.tmp"))
        if left and left[0].stat().st_size > 30_000:  # of the 46 000 that it can have by now
            break
        time.sleep(0.05)
    os.kill(encoder.pid, signal.SIGKILL)
    encoder.wait()
    assert not (tmp_path / "song.vqa").exists()
    damaged: list[str] = []
    sound = api.decode(left[0], damaged=damaged)
    assert "cut off" in damaged[0]
    whole = audio.read(audio.write(None, long, 1000, codebook=BOOK), codebook=BOOK)[0]
    assert sound.frames >= 50_000
    assert np.array_equal(sound.samples[:, 0], whole[: sound.frames])


# --- tags ---------------------------------------------------------------------


def test_tags_change_without_touching_the_sound(tmp_path: Path) -> None:
    path = tmp_path / "a.vqa"
    path.write_bytes(CODED)
    api.retag(path, lambda old: Metadata(text={**old.text, "genre": "x"}, cover=PNG))
    found = audio.info(path)
    assert found.tags == {**TAGS, "genre": "x"}
    assert found.cover == PNG
    assert np.array_equal(audio.read(path, codebook=BOOK)[0], WHOLE)
    api.retag(path, lambda old: Metadata(text=TAGS, cover=JPEG))
    assert path.read_bytes() == CODED
    with pytest.raises(ParameterError, match="limit"):
        api.retag(path, lambda old: Metadata(cover=bytes((1 << 24) + 1)))


def test_tags_travel_from_and_to_files(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.flac", SOUND[:2000], 8000)
    with (tmp_path / "a.flac").open("r+b") as file:
        add_to_flac(file, PNG)
    with soundfile.SoundFile(tmp_path / "b.flac", "w", 8000, 2) as file:
        file.artist, file.title = TAGS["artist"], TAGS["title"]
        file.write(SOUND[:2000])
    with (tmp_path / "b.flac").open("r+b") as file:
        add_to_flac(file, JPEG)
    for name, tags, cover in (("a", {}, PNG), ("b", TAGS, JPEG)):
        assert len(soundfile.read(tmp_path / f"{name}.flac")[0]) == 2000
        streaming.encode(tmp_path / f"{name}.flac", tmp_path / "c.vqa", codebook=BOOK)
        found = audio.info(tmp_path / "c.vqa")
        assert {key: found.tags[key] for key in tags} == tags
        assert found.cover == cover
        notes: list[str] = []
        streaming.decode(tmp_path / "c.vqa", tmp_path / "d.flac", codebook=BOOK, notes=notes)
        assert notes == []
        with (tmp_path / "d.flac").open("rb") as file:
            assert find_cover(file) == cover
        assert len(soundfile.read(tmp_path / "d.flac")[0]) == 2000
        streaming.decode(tmp_path / "c.vqa", tmp_path / "d.wav", codebook=BOOK, notes=notes)
        assert "cover" in notes[0]
    streaming.encode(tmp_path / "b.flac", tmp_path / "e.vqa", codebook=BOOK, strip=True)
    assert not audio.info(tmp_path / "e.vqa").tags


def _id3(version: int, frames: list[tuple[bytes, bytes]]) -> bytes:
    body = b""
    for label, content in frames:
        size = len(content)
        if version == 4:
            length = bytes(size >> shift & 127 for shift in (21, 14, 7, 0))
        else:
            length = size.to_bytes(3 if version == 2 else 4, "big")
        body += label + length + (b"" if version == 2 else b"\0\0") + content
    total = len(body) + 20
    head = bytes(total >> shift & 127 for shift in (21, 14, 7, 0))
    return b"ID3" + bytes([version, 0, 0]) + head + body + bytes(20)


@pytest.mark.parametrize("version", [2, 3, 4])
@pytest.mark.parametrize("wide", [False, True])
def test_cover_art_in_id3(version: int, wide: bool) -> None:
    words = "Üb".encode("utf-16") + b"\0\0" if wide else b"cover\0"
    kind = b"JPG" if version == 2 else b"image/jpeg\0"
    back = bytes([wide]) + kind + b"\4" + words + PNG
    front = bytes([wide]) + kind + b"\3" + words + JPEG
    text, label = (b"TT2", b"PIC") if version == 2 else (b"TIT2", b"APIC")
    tag = _id3(version, [(text, b"\0title"), (label, back), (label, front)])
    assert find_cover(io.BytesIO(tag + bytes(99))) == JPEG
    chunk = b"id3 " + len(tag).to_bytes(4, "little") + tag
    assert find_cover(io.BytesIO(b"RIFF\0\0\0\0WAVE" + chunk)) == JPEG
    for cut in range(len(tag)):
        find_cover(io.BytesIO(tag[:cut]))  # whatever it says, it says it without an exception


# --- WAV through pipes --------------------------------------------------------


@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE"])
@pytest.mark.parametrize("channels", [1, 3])
def test_wav_is_read_as_it_comes(subtype: str, channels: int) -> None:
    file = io.BytesIO()
    soundfile.write(file, noise(777, channels), 8000, format="WAV", subtype=subtype)
    expected = soundfile.read(io.BytesIO(file.getvalue()), dtype="float32", always_2d=True)[0]
    with open_input_sound(Pipe(file.getvalue())) as sound:
        assert (sound.rate, sound.channels, sound.frames) == (8000, channels, 777)
        assert sound.subtype == subtype
        found = np.concatenate(list(sound.blocks(100)))
    assert np.array_equal(found, expected)
    with (
        pytest.raises(MediaError, match="truncated"),
        open_input_sound(Pipe(file.getvalue()[:-30])) as sound,
    ):
        list(sound.blocks())


def test_other_formats_in_pipes_are_spooled() -> None:
    for format, subtype in (("FLAC", "PCM_16"), ("WAV", "ULAW")):
        file = io.BytesIO()
        soundfile.write(file, noise(500), 8000, format=format, subtype=subtype)
        with open_input_sound(Pipe(file.getvalue())) as sound:
            assert sum(map(len, sound.blocks())) == 500
    with pytest.raises(MediaError), open_input_sound(Pipe(b"RIFF no sound at all")) as sound:
        pass


@pytest.mark.parametrize("bits", ["16", "24", "float"])
@pytest.mark.parametrize("frames", [None, 333])
def test_wav_is_written_as_it_comes(bits: str, frames: int | None) -> None:
    file = io.BytesIO()
    samples = (noise(333, 3) * 32768).astype(np.int16) / np.float32(32768)
    with open_output_sound(file, 8000, 3, bits=bits, frames=frames) as write:
        write(samples[:100])
        write(samples[100:])
    found, rate = soundfile.read(io.BytesIO(file.getvalue()), dtype="float32")
    assert rate == 8000
    assert np.array_equal(found, samples)


def test_clocks() -> None:
    assert [clock(t) for t in (0, 61.239, 3723.5)] == ["0:00.00", "1:01.24", "1:02:03.50"]


def test_public_names_are_not_those_of_modules() -> None:
    """A module of the same name would take the function's place once it is imported."""
    modules = {module.name for module in pkgutil.iter_modules(audio.__path__)}
    assert not modules & set(audio.__all__)
