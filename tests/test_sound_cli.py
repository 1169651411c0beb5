"""Sounds on the command line: encode, decode, info, tag, train, compare, pipes, salvage."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

from vqcodec import audio
from vqcodec.cli import app
from vqcodec.cli.options import parse_moment
from vqcodec.codebook import Codebook
from vqcodec.container import open_container
from vqcodec.media import Image, load_image, save_image
from vqcodec.media.sniffing import is_coded_sound, is_sound

ROOT = Path(__file__).parent.parent
SMALL = ("--kind", "frames", "--codewords", "8", "--frame", "4")
PNG = b"\x89PNG\r\n\x1a\n" + bytes(50)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An own current folder with a sound of three seconds in it."""
    monkeypatch.chdir(tmp_path)
    time = np.arange(6000) / 2000
    tone = 0.4 * np.sin(2 * np.pi * 150 * time) * np.exp(-time)
    soundfile.write("a.wav", np.stack([tone, -tone], 1), 2000, subtype="PCM_16")
    return tmp_path


def run(*arguments: object, status: int = 0) -> Any:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == status, result.output
    return result


def process(*arguments: str, data: bytes = b"", status: int = 0) -> bytes:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "vqcodec", *arguments]
    result = subprocess.run(command, input=data, capture_output=True, env=environment, check=False)
    assert result.returncode == status, result.stderr.decode()
    assert b"Traceback" not in result.stderr
    return result.stdout


def report(*arguments: object) -> dict[str, Any]:
    (line,) = run(*arguments, "--json").stdout.splitlines()
    return json.loads(line)


def test_there_and_back_with_derived_names() -> None:
    line = run("encode", "a.wav", *SMALL).stderr.strip()
    assert line.startswith("a.wav -> a.vqa: ")
    assert "0:03.00" in line
    assert "kb/s" in line
    run("decode", "a.vqa", status=1)  # a.wav exists
    run("decode", "a.vqa", "-o", "b.flac")
    samples, rate = soundfile.read("b.flac")
    assert samples.shape == (6000, 2)
    assert rate == 2000
    assert np.array_equal(samples, audio.read("a.vqa")[0])


def test_reports_as_json() -> None:
    found = report("encode", "a.wav", *SMALL)
    assert found["codec"] == "frames"
    assert found["frames"] == 6000
    assert found["bytes"] == Path("a.vqa").stat().st_size
    assert found["kbps"] == pytest.approx(found["bytes"] * 8 / 3000)
    assert found["ratio_raw"] == pytest.approx(24000 / found["bytes"])
    found = report("decode", "a.vqa", "-o", "b.wav")
    assert (found["rate"], found["channels"], found["frames"]) == (2000, 2, 6000)
    found = report("info", "a.vqa")
    assert (found["kind"], found["codec"], found["seconds"]) == ("frames", "frames", 3.0)
    assert report("info", "a.wav")["frames"] == 6000
    found = report("compare", "a.wav", "a.vqa")
    assert found["snr"] > 5
    assert found["ratio_raw"] == pytest.approx(24000 / found["bytes"])


def test_the_audio_codec_is_the_default() -> None:
    assert report("encode", "a.wav", "--quality", "3")["codec"] == "audio"
    run("decode", "a.vqa", "-o", "b.wav", "--start", "0.5", "--end", "0:01")
    part = soundfile.read("b.wav", dtype="int16")[0]
    whole = audio.read("a.vqa", dtype="int16")[0]
    assert whole.shape == (6000, 2)
    assert np.array_equal(part, whole[1000:2000])
    assert "numba" not in _modules("info", "a.vqa")


def test_low_bitrates_of_telephone_sounds_are_coded_as_speech() -> None:
    time = np.arange(12000) / 8000
    soundfile.write("v.wav", 0.3 * np.sin(900 * time) * np.sin(30 * time), 8000)
    assert report("encode", "v.wav", "--bitrate", "6k")["codec"] == "speech"
    found = report("info", "v.vqa")
    assert (found["rate"], found["channels"], found["frames"]) == (8000, 1, 12000)
    assert "numba" not in _modules("info", "v.vqa")
    run("decode", "v.vqa", "-o", "w.wav")
    assert soundfile.info("w.wav").frames == 12000
    for wishes in (("--bitrate", "6k", "--model", "music"), ("--quality", "1")):
        assert report("encode", "v.wav", *wishes, "--force")["codec"] == "audio"
    assert "mono" in run("encode", "a.wav", "--kind", "speech", status=1).stderr


def _modules(*arguments: str) -> str:
    code = (
        "import sys\nfrom vqcodec.cli import app\n"
        f"try: app({list(arguments)!r})\nexcept SystemExit: pass\n"
        "print(sorted(n for n in ('numba', 'scipy') if n in sys.modules), file=sys.stderr)"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, env=environment, check=True
    )
    return result.stderr.decode()


def test_parts() -> None:
    run("encode", "a.wav", *SMALL)
    whole = audio.read("a.vqa", dtype="int16")[0]
    for options, expected in (
        (("--start", "100"), slice(100, None)),
        (("--start", "1.5"), slice(3000, None)),
        (("--end", "0:02"), slice(None, 4000)),
        (("--start", "2s", "--end", "1:00"), slice(4000, None)),
    ):
        run("decode", "a.vqa", "-o", "b.wav", "--force", *options)
        assert np.array_equal(soundfile.read("b.wav", dtype="int16")[0], whole[expected])
    assert "no part" in run("decode", "a.vqa", "-o", "c.wav", "--start", "1:00", status=1).stderr
    run("decode", "a.vqa", "-o", "c.wav", "--start", "soon", status=2)


@pytest.mark.parametrize(
    ("text", "value"),
    [("4000", 4000), ("1.5", 1.5), ("90s", 90.0), ("1:23.5", 83.5), ("1:02:03", 3723.0)],
)
def test_moments(text: str, value: float) -> None:
    assert parse_moment(text) == value
    assert type(parse_moment(text)) is type(value)


@pytest.mark.parametrize(
    ("bits", "subtype"), [("16", "PCM_16"), ("24", "PCM_24"), ("float", "FLOAT")]
)
def test_bits(bits: str, subtype: str) -> None:
    run("encode", "a.wav", *SMALL)
    run("decode", "a.vqa", "-o", "b.wav", "--bits", bits)
    assert soundfile.info("b.wav").subtype == subtype
    assert np.array_equal(soundfile.read("b.wav")[0], audio.read("a.vqa")[0])


def test_pipes() -> None:
    run("encode", "a.wav", *SMALL)
    coded = process("encode", "-", "-o", "-", *SMALL, data=Path("a.wav").read_bytes())
    assert coded == Path("a.vqa").read_bytes()
    wave = process("decode", "-", "-o", "-", data=coded)
    Path("b.wav").write_bytes(wave)
    assert np.array_equal(soundfile.read("b.wav")[0], audio.read("a.vqa")[0])
    flac = process("decode", "-", "-f", "flac", data=coded)
    assert flac[:4] == b"fLaC"
    assert process("encode", "-", "-o", "-", *SMALL, data=flac)[:3] == b"\x8fVQ"
    process("encode", "-", "-o", "-", *SMALL, data=b"RIFF\0\0\0\0WAVE" + bytes(99), status=1)


def test_codebooks_of_ones_own() -> None:
    Path("sounds").mkdir()
    Path("a.wav").rename("sounds/a.wav")
    run("train", "sounds", "--kind", "frames", "--codewords", "8", "-o", "mine.vqcb")
    run("encode", "sounds/a.wav", "-o", "b.vqa", "--codebook", "mine.vqcb")
    found = report("info", "b.vqa")
    assert found["codebook"] == report("info", "mine.vqcb")["identity"]
    run("decode", "b.vqa")
    assert soundfile.info("b.wav").frames == 6000
    run("encode", "sounds/a.wav", "-o", "c.vqa", *SMALL, "--save-codebook", "c.vqcb")
    run("decode", "c.vqa", "--codebook", "c.vqcb")
    Codebook("patch", {}, {"codewords": np.zeros((2, 2), np.uint8)}).save("x.vqcb")
    result = run("encode", "sounds/a.wav", "-o", "d.vqa", "--codebook", "x.vqcb", status=1)
    assert "cannot code" in result.stderr


def test_tags() -> None:
    run("encode", "a.wav", *SMALL)
    Path("c.png").write_bytes(PNG)
    run("tag", "a.vqa", "--set", "artist=A = B", "--set", "title=t", "--cover", "c.png", "-q")
    found = report("tag", "a.vqa")
    assert found["text"] == {"artist": "A = B", "title": "t"}
    assert found["cover_bytes"] == len(PNG)
    run("tag", "a.vqa", "--remove", "title", "--remove-cover")
    assert report("info", "a.vqa")["text"] == {"artist": "A = B"}
    assert "artist: A = B" in run("tag", "a.vqa").stdout
    assert "no tag" in run("tag", "a.vqa", "--remove", "title", status=1).stderr
    run("tag", "a.vqa", "--clear")
    assert report("tag", "a.vqa")["text"] == {}
    run("tag", "a.vqa", "--set", "artist", status=2)
    Path("c.png").write_bytes(b"no picture")
    assert "cover" in run("tag", "a.vqa", "--cover", "c.png", status=1).stderr
    assert len(audio.read("a.vqa")[0]) == 6000


def test_salvage_of_sounds() -> None:
    run("encode", "a.wav", *SMALL)
    data = bytearray(Path("a.vqa").read_bytes())
    entries = [e for e in open_container(bytes(data)).entries if e.type == "S"]
    data[entries[1].offset + 20] ^= 1
    Path("a.vqa").write_bytes(data)
    assert "checksum" in run("decode", "a.vqa", "-o", "b.wav", status=1).stderr
    assert not Path("b.wav").exists()
    result = run("decode", "a.vqa", "-o", "b.wav", "--salvage")
    assert "note: 0:01.00 to 0:02.00 is lost" in result.stderr
    samples = soundfile.read("b.wav")[0]
    assert not samples[2000:4000].any()
    assert samples[:2000].any()
    assert samples[4000:].any()


def test_salvage_of_pictures() -> None:
    y, x = np.mgrid[0:128, 0:192]
    save_image(Image(np.stack([x, y, x + y], 2).astype(np.uint8)), "p.png")
    from vqcodec import api

    data = api.encode("p.png", kind="photo", tile=64, effort=1)
    Path("p.vqi").write_bytes(data)
    run("decode", "p.vqi", "-o", "whole.png")
    whole = load_image("whole.png").samples
    tiles = [e for e in open_container(data).entries if e.type == "T"]
    bad = bytearray(data)
    bad[tiles[1].offset - 2] ^= 255  # the way is lost: the tile and where it ends
    for name, content, lost in (("gap", bytes(bad), [1]), ("cut", data[: tiles[4].offset], [4, 5])):
        Path("p.vqi").write_bytes(content)
        run("decode", "p.vqi", "-o", f"{name}.png", status=1)
        found = report("decode", "p.vqi", "-o", f"{name}.png", "--salvage")
        assert sum("tile" in line for line in found["damaged"]) == len(lost)
        expected = whole.copy()
        for number in lost:
            top, left = number // 3 * 64, number % 3 * 64
            expected[top : top + 64, left : left + 64] = 128
        assert np.array_equal(load_image(f"{name}.png").samples, expected)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--block", "4"), "no option"),
        (("--kind", "photo"), "no sound codec"),
        (("--kind", "frames", "--quality", "11"), "0 to 10"),
        (("--kind", "frames", "--bitrate", "0.5"), "at least 1"),
    ],
)
def test_wishes_that_make_no_sense(arguments: tuple[str, ...], words: str) -> None:
    result = CliRunner().invoke(app, ["encode", "a.wav", *arguments])
    assert result.exit_code in (1, 2)
    assert words in result.stderr
    assert not Path("a.vqa").exists()


def test_options_for_the_wrong_medium() -> None:
    run("encode", "a.wav", *SMALL)
    words = run("decode", "a.vqa", "-o", "b.wav", "--region", "0,0,1,1", status=1).stderr
    assert "--start" in words
    save_image(Image(np.zeros((8, 8, 3), np.uint8)), "p.png")
    run("encode", "p.png", "--codewords", "2")
    assert "for sounds" in run("decode", "p.vqi", "-o", "q.png", "--end", "3", status=1).stderr
    assert "cannot write" in run("decode", "a.vqa", "-o", "b.xyz", status=1).stderr


def test_verification_and_larger_files() -> None:
    assert "verified" in run("encode", "a.wav", *SMALL, "--verify").stderr
    soundfile.write("tiny.flac", np.zeros(100), 8000)
    result = run("encode", "tiny.flac", "--kind", "frames", "--frame", "1", "--skip-larger")
    assert "nothing written" in result.stderr
    assert not Path("tiny.vqa").exists()
    assert list(Path().glob(".*")) == []


def test_what_begins_a_sound() -> None:
    for suffix in ("wav", "flac", "aiff", "ogg", "mp3", "caf", "au"):
        name = f"x.{suffix}"
        soundfile.write(name, np.zeros(9000) + 0.1, 48000)
        assert is_sound(Path(name).read_bytes()[:64]), suffix
    for other in (b"", b"\xff\xd8\xff\xe0", PNG, b"RIFF\0\0\0\0WEBP", b"\xff\xfe<\0h\0"):
        assert not is_sound(other)
    run("encode", "a.wav", *SMALL)
    assert is_coded_sound(Path("a.vqa").read_bytes()[:64])
    assert not is_coded_sound(b"\x8fVQH\x05\x11")
    assert not is_coded_sound(b"\x8fVQ")
