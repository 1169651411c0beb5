"""Every command, whole: what it writes, prints and returns, and every way it can fail."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
from typer.testing import CliRunner

from vqcodec import metrics
from vqcodec.cli import app, console
from vqcodec.codebook import Codebook
from vqcodec.files import atomic_file
from vqcodec.media import Image, load_image, save_image
from vqcodec.metadata import Metadata

SMALL = ("--codewords", "8")


def picture(width: int = 48, height: int = 32, channels: int = 3, dtype: type = np.uint8) -> Image:
    """Gentle slopes with an edge, so that eight codewords make something of it."""
    y, x = np.mgrid[0:height, 0:width]
    planes = [(x * (k + 1) + 2 * y + 60 * (x > width // 2)) % 256 for k in range(channels)]
    scale = 257 if dtype == np.uint16 else 1
    return Image((np.stack(planes, 2) * scale).astype(dtype))


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An own current folder with a picture in it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(console, "_noted", True)  # whether kernels are compiled is not at issue
    save_image(picture(), "a.png")
    return tmp_path


def run(*arguments: object, status: int = 0, data: bytes | None = None) -> Any:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments], input=data)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == status, result.output
    assert "Traceback" not in result.output
    return result


def refused(*arguments: object, words: str, status: int = 1, data: bytes | None = None) -> None:
    """Run what must fail: one sentence on stderr with these words, and no new file."""
    before = {path: path.read_bytes() for path in Path().rglob("*") if path.is_file()}
    result = run(*arguments, status=status, data=data)
    assert words in result.stderr
    if status == 1:
        assert result.stderr.count("\n") == 1, result.stderr
        assert result.stderr.startswith("vqcodec: ")
    assert {path: path.read_bytes() for path in Path().rglob("*") if path.is_file()} == before


def strict_json(text: str) -> list[dict[str, Any]]:
    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    return [json.loads(line, parse_constant=refuse) for line in text.splitlines()]


# --- the main way -------------------------------------------------------------


def test_encode_and_decode_with_derived_names() -> None:
    result = run("encode", "a.png", *SMALL)
    assert result.stdout == ""
    line = result.stderr.strip()
    assert line.startswith("a.png -> a.vqi: ")
    assert "bpp" in line
    assert "PSNR" in line
    Path("a.png").rename("original.png")
    run("decode", "a.vqi")
    decoded = load_image("a.png")
    assert decoded.samples.shape == (32, 48, 3)
    measured = metrics.psnr(load_image("original.png").samples, decoded.samples)
    assert measured > 20
    assert f"PSNR {measured:.2f} dB" in line


def test_the_report_as_json() -> None:
    (report,) = strict_json(run("encode", "a.png", "--json", *SMALL).stdout)
    assert report["input"] == "a.png"
    assert report["output"] == "a.vqi"
    assert report["bytes"] == Path("a.vqi").stat().st_size
    assert report["bpp"] == pytest.approx(report["bytes"] * 8 / (48 * 32))
    assert report["ratio_raw"] == pytest.approx(48 * 32 * 3 / report["bytes"])
    assert report["ratio_file"] == pytest.approx(Path("a.png").stat().st_size / report["bytes"])
    (report,) = strict_json(run("decode", "a.vqi", "-o", "b.png", "--json").stdout)
    assert (report["width"], report["height"], report["channels"]) == (48, 32, 3)


def test_quiet_says_nothing() -> None:
    for command in (("encode", "a.png", *SMALL), ("decode", "a.vqi", "-o", "b.png")):
        result = run(*command, "--quiet")
        assert result.output == ""


def test_pipes_are_byte_exact() -> None:
    coded = run("encode", "-", "-o", "-", *SMALL, data=Path("a.png").read_bytes()).stdout_bytes
    run("encode", "a.png", *SMALL)
    assert coded == Path("a.vqi").read_bytes()
    run("decode", "-", "-o", "y.png", data=coded)
    run("decode", "a.vqi", "-o", "z.png")
    assert Path("y.png").read_bytes() == Path("z.png").read_bytes()
    assert run("decode", "-", data=coded).stdout_bytes == Path("y.png").read_bytes()
    ppm = run("decode", "-", "-f", "ppm", data=coded).stdout_bytes
    assert ppm[:2] == b"P6"


@pytest.mark.parametrize("suffix", ["png", "tif", "bmp", "ppm", "webp"])
def test_the_suffix_names_the_format(suffix: str) -> None:
    run("encode", "a.png", *SMALL)
    run("decode", "a.vqi", "-o", "b.png")
    run("decode", "a.vqi", "-o", f"b.{suffix}", "--force")
    run("decode", "a.vqi", "--format", suffix, "--force")
    expected = load_image("b.png").samples
    assert np.array_equal(load_image(f"b.{suffix}").samples, expected)
    assert np.array_equal(load_image(f"a.{suffix}").samples, expected)


def test_a_region_of_a_fixed_rate_file() -> None:
    run("encode", "a.png", "--fixed-rate", *SMALL)
    run("decode", "a.vqi", "-o", "whole.png")
    run("decode", "a.vqi", "-o", "part.png", "--region", "5,6,20,10")
    whole, part = load_image("whole.png").samples, load_image("part.png").samples
    assert np.array_equal(part, whole[6:16, 5:25])
    refused("decode", "a.vqi", "-o", "x.png", "--region", "40,0,20,10", words="region")


def test_many_files_folders_and_a_failing_one() -> None:
    for name in ("in/b.png", "in/deep/c.png"):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        save_image(picture(20, 9), name)
    Path("in/bad.png").write_bytes(b"not an image")
    result = run("encode", "a.png", "in", "-r", "-o", "out", "--json", *SMALL, status=1)
    reports = strict_json(result.stdout)
    assert [report["input"] for report in reports] == [
        "a.png", "in/b.png", "in/bad.png", "in/deep/c.png",
    ]  # fmt: skip
    assert "not an image" in reports[2]["error"]
    assert "1 of 4 inputs failed" in result.stderr
    run("decode", "out", "-r", "-o", "back")
    assert sorted(str(p) for p in Path("back").rglob("*.png")) == [
        "back/a.png", "back/b.png", "back/deep/c.png",
    ]  # fmt: skip


def test_dry_run_writes_nothing() -> None:
    Path("a.vqi").touch()
    result = run("encode", "a.png", "--dry-run")
    assert result.stdout == "a.png -> a.vqi (exists)\n"
    (plan,) = strict_json(run("encode", "a.png", "-o", "new/", "--dry-run", "--json").stdout)
    assert plan == {"input": "a.png", "output": "new/a.vqi", "exists": False}
    assert not Path("new").exists()
    run("train", "a.png", "-o", "m.vqcb", "--dry-run")
    run("decode", "a.vqi", "--dry-run")
    assert Path("a.vqi").stat().st_size == 0


def test_force_overwrites_and_nothing_else_does() -> None:
    Path("a.vqi").write_bytes(b"precious")
    refused("encode", "a.png", words="a.vqi exists; --force overwrites it")
    run("encode", "a.png", "--force", *SMALL)
    refused("decode", "a.vqi", words="a.png exists")
    refused("decode", "a.vqi", "-o", "a.vqi", "--force", words="is an input")


# --- codebooks ----------------------------------------------------------------


def test_a_trained_codebook_is_kept_outside() -> None:
    save_image(picture(64, 64), "b.png")
    line = run("train", "a.png", "b.png", "-o", "mine.vqcb", *SMALL).stderr
    assert "from 2 files" in line
    book = Codebook.load("mine.vqcb")
    run("encode", "a.png", "--codebook", "mine.vqcb")
    run("encode", "a.png", "-o", "own.vqi", *SMALL)
    run("decode", "a.vqi", "-o", "x.png")  # found beside the file
    run("decode", "a.vqi", "-o", "y.png", "--codebook", "mine.vqcb")
    assert Path("x.png").read_bytes() == Path("y.png").read_bytes()
    os.remove("mine.vqcb")
    refused("decode", "a.vqi", "-o", "z.png", words=book.name)


def test_training_takes_folders_and_reports_json() -> None:
    Path("in").mkdir()
    save_image(picture(64, 64), "in/b.png")
    (report,) = strict_json(run("train", "in", "-o", "mine.vqcb", "--json", *SMALL).stdout)
    assert report["kind"] == "patch"
    assert report["identity"] == Codebook.load("mine.vqcb").name
    assert report["bytes"] == Path("mine.vqcb").stat().st_size
    refused("train", "in", "-o", "mine.vqcb", words="exists")


def test_the_images_own_codebook_as_a_second_file() -> None:
    run("encode", "a.png", "--save-codebook", "a.vqcb", *SMALL)
    run("encode", "a.png", "-o", "whole.vqi", *SMALL)
    assert Path("a.vqi").stat().st_size < Path("whole.vqi").stat().st_size
    run("decode", "a.vqi", "-o", "x.png", "--codebook", "a.vqcb")
    assert metrics.psnr(load_image("x.png").samples, load_image("a.png").samples) > 20


def test_wrong_codebooks() -> None:
    run("train", "a.png", "-o", "mine.vqcb", *SMALL)
    other = Codebook(
        "palette", {"transform": "none", "shape": [3]}, {"codewords": np.eye(3, dtype=np.uint8)}
    )
    other.save("other.vqcb")
    refused("encode", "a.png", "--codebook", "other.vqcb", words="palette")
    refused("encode", "a.png", "--codebook", "none.vqcb", words="none.vqcb")
    refused("encode", "a.png", "--codebook", "a.png", words="magic")
    both = ("--codebook", "mine.vqcb", "--save-codebook", "x")
    refused("encode", "a.png", *both, words="contradict", status=2)
    run("encode", "a.png", "--codebook", "mine.vqcb")
    refused("decode", "a.vqi", "-o", "x.png", "--codebook", "other.vqcb", words="codebook")


# --- odd images ---------------------------------------------------------------


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (5, 700), (17, 3)])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_any_size_and_kind(size: tuple[int, int], channels: int) -> None:
    image = picture(*size, channels)
    save_image(image, "odd.png")
    run("encode", "odd.png")
    run("decode", "odd.vqi", "-o", "back.png")
    assert load_image("back.png").samples.shape == image.samples.shape


@pytest.mark.parametrize("channels", [1, 3])
def test_sixteen_bits_stay_sixteen(channels: int) -> None:
    image = picture(channels=channels, dtype=np.uint16)
    save_image(image, "deep.png")
    run("encode", "deep.png")
    run("decode", "deep.vqi", "-o", "back.png")
    back = load_image("back.png")
    assert back.bits == 16
    assert metrics.psnr(image.samples, back.samples) > 20


def test_metadata_travels_and_can_be_stripped() -> None:
    exif = PIL.Image.Exif()
    exif[0x0112] = 6
    meta = Metadata(icc=b"profile", exif=exif.tobytes().removeprefix(b"Exif\0\0"), text={"k": "v"})
    save_image(Image(picture().samples, meta), "meta.png")
    run("encode", "meta.png", *SMALL)
    run("decode", "meta.vqi", "-o", "back.png")
    back = load_image("back.png")
    assert (back.metadata.icc, back.metadata.exif) == (meta.icc, meta.exif)
    assert dict(back.metadata.text) == {"k": "v"}
    run("decode", "meta.vqi", "-o", "back.bmp")
    assert load_image("back.bmp").samples.shape == (48, 32, 3)  # turned upright
    run("encode", "meta.png", "-o", "bare.vqi", "--strip", *SMALL)
    run("decode", "bare.vqi", "-o", "bare.png")
    assert not load_image("bare.png").metadata


def test_what_the_user_should_know_is_said() -> None:
    frames = [PIL.Image.new("RGB", (20, 20), color) for color in ("red", "blue")]
    frames[0].save("moving.gif", save_all=True, append_images=frames[1:])
    assert "note: moving.gif holds 2 pictures" in run("encode", "moving.gif").stderr
    PIL.Image.new("CMYK", (20, 20), (0, 90, 200, 10)).save("print.jpg")
    piped = run("encode", "-", "-o", "x.vqi", data=Path("moving.gif").read_bytes())
    assert "note: standard input holds 2 pictures" in piped.stderr
    result = run("encode", "print.jpg", "--json")
    assert "CMYK" in strict_json(result.stdout)[0]["notes"][0]
    save_image(picture(dtype=np.uint16), "deep.png")
    run("encode", "deep.png", *SMALL)
    assert "note: deep.jpg holds 8 bits" in run("decode", "deep.vqi", "-o", "deep.jpg").stderr


# --- compare and info ---------------------------------------------------------


def test_compare_as_json() -> None:
    run("encode", "a.png", *SMALL)
    (report,) = strict_json(run("compare", "a.png", "a.vqi", "--json").stdout)
    keys = {"mse", "psnr", "psnr_y", "ssim", "ms_ssim", "max_error", "bytes", "bpp"}
    assert keys | {"ratio_file", "ratio_raw"} <= set(report)
    run("decode", "a.vqi", "-o", "b.png")
    expected = metrics.image_report(load_image("a.png").samples, load_image("b.png").samples)
    for name in ("mse", "psnr", "psnr_y", "ssim", "ms_ssim", "max_error"):
        assert report[name] == pytest.approx(expected[name])
    assert report["bytes"] == Path("a.vqi").stat().st_size
    (report,) = strict_json(run("compare", "a.png", "b.png", "--json").stdout)
    assert report["psnr"] == pytest.approx(expected["psnr"])


def test_compare_of_equals_is_valid_json() -> None:
    (report,) = strict_json(run("compare", "a.png", "a.png", "--json").stdout)
    assert report["psnr"] is None
    assert report["mse"] == 0


def test_compare_as_a_table() -> None:
    run("encode", "a.png", *SMALL)
    table = run("compare", "a.png", "a.vqi").stdout
    for word in ("PSNR", "SSIM", "MS-SSIM", "dB", "size"):
        assert word in table
    assert "lossless" in run("compare", "a.png", "a.png").stdout


def test_compare_refuses_what_does_not_match() -> None:
    save_image(picture(10, 10), "b.png")
    refused("compare", "a.png", "b.png", words="different sizes")
    refused("compare", "-", "-", words="only once", status=2)
    refused("compare", "a.png", "none.vqi", words="none.vqi")


def test_info_of_everything() -> None:
    run("encode", "a.png", *SMALL)
    run("train", "a.png", "-o", "mine.vqcb", *SMALL)
    result = run("info", "a.vqi", "mine.vqcb", "a.png", "--json")
    coded, book, image = strict_json(result.stdout)
    assert coded["kind"] == "patch"
    assert (coded["width"], coded["height"]) == (48, 32)
    assert coded["bytes"] == Path("a.vqi").stat().st_size
    assert book["kind"] in ("codebook", "patch")
    assert (image["width"], image["height"]) == (48, 32)
    text = run("info", "a.vqi").stdout
    assert text.startswith("a.vqi\n")
    assert "48" in text
    result = run("info", "none.vqi", "a.vqi", status=1)
    assert "none.vqi" in result.stderr
    assert "a.vqi" in result.stdout


# --- everything that is wrong -------------------------------------------------


def damaged(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 0xFF]) + data[at + 1 :]


def test_damaged_inputs_are_one_sentence() -> None:
    Path("text.png").write_text("no picture")
    Path("empty.png").touch()
    Path("cut.png").write_bytes(Path("a.png").read_bytes()[:90])
    for name, words in (
        ("text.png", "not an image"),
        ("empty.png", "is empty"),
        ("cut.png", "truncated"),
        ("none.png", "No such file"),
        (".", "--recursive"),
    ):
        refused("encode", name, words=words)
    run("encode", "a.png", *SMALL)
    whole = Path("a.vqi").read_bytes()
    for data, words in (
        (b"", "empty"),
        (b"GIF89a and so on", "wrong magic"),
        (whole[:-3], "truncated"),
        (whole[: len(whole) // 2], "truncated"),
        (damaged(whole, len(whole) // 2), "checksum"),
        (whole + b"more", "stray"),
    ):
        Path("bad.vqi").write_bytes(data)
        refused("decode", "bad.vqi", "-o", "x.png", words=words)
        refused("decode", "-", "-o", "x.png", words=words, data=data)
    refused("encode", "-", "-o", "x.vqi", words="standard input is empty", data=b"")
    refused("decode", "-", "-o", "x.png", words="standard input", data=b"nonsense")
    refused("decode", "none.vqi", "-o", "x.png", words="none.vqi")


def test_absurd_sizes_are_refused() -> None:
    refused("encode", "a.png", "--max-pixels", 1000, words="limit")
    run("encode", "a.png", *SMALL)
    refused("decode", "a.vqi", "-o", "x.png", "--max-pixels", 1000, words="limit")
    run("decode", "a.vqi", "-o", "x.png", "--max-pixels", "2k")


@pytest.mark.parametrize(
    "arguments",
    [
        ("encode",),
        ("encode", "a.png", "--no-such-option"),
        ("encode", "a.png", "--codewords", "1"),
        ("encode", "a.png", "--codewords", "many"),
        ("encode", "a.png", "--block", "17"),
        ("encode", "a.png", "--size", "0"),
        ("encode", "a.png", "--kind", "magic"),
        ("encode", "a.png", "--quality", "101"),
        ("encode", "a.png", "--bpp", "1", "--psnr", "30"),
        ("encode", "a.png", "-o", "-", "--json"),
        ("decode", "a.vqi", "--region", "1,2,3"),
        ("train", "a.png"),
        ("compare", "a.png"),
        ("nonsense",),
        ("--nonsense",),
    ],
)
def test_wrong_usage_is_two(arguments: tuple[str, ...]) -> None:
    refused(*arguments, words="", status=2)


def test_unwritable_formats_are_refused_before_the_work() -> None:
    run("encode", "a.png", *SMALL)
    refused("decode", "a.vqi", "-o", "x.xyz", words="use one of")
    refused("decode", "a.vqi", "-o", "x", words="use one of")
    save_image(picture(channels=4), "alpha.png")
    run("encode", "alpha.png", *SMALL)
    refused("decode", "alpha.vqi", "-o", "x.jpg", words="no transparency")


@pytest.mark.parametrize(
    "error",
    [
        OSError(28, "No space left on device"),
        PermissionError(13, "Permission denied"),
        OSError(30, "Read-only file system"),
    ],
)
def test_targets_that_cannot_be_written(error: OSError, monkeypatch: pytest.MonkeyPatch) -> None:
    run("encode", "a.png", *SMALL)
    run("train", "a.png", "-o", "mine.vqcb", *SMALL)

    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(os, "fsync", fail)
    for command in (
        ("encode", "a.png", "--force", *SMALL),
        ("encode", "a.png", "-o", "new.vqi", *SMALL),
        ("decode", "a.vqi", "-o", "new.png"),
        ("decode", "a.vqi", "--force"),
        ("train", "a.png", "-o", "mine.vqcb", "--force", *SMALL),
    ):
        refused(*command, words=str(error.strerror))


def test_a_folder_in_the_way() -> None:
    Path("a.vqi").mkdir()
    refused("encode", "a.png", words="a.vqi")
    Path("file").touch()
    refused("encode", "a.png", "-o", "file/a.vqi", words="file")
    assert not list(Path("a.vqi").iterdir())


def test_interruption_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    refused("encode", "a.png", words="interrupted", status=130)
    with pytest.raises(KeyboardInterrupt), atomic_file("x"):
        raise KeyboardInterrupt
    assert sorted(os.listdir()) == ["a.png"]


def test_version_and_help() -> None:
    from vqcodec.version import __version__

    assert __version__ in run("--version").stdout
    text = run("--help").stdout
    for command in ("encode", "decode", "train", "compare", "info", "130"):
        assert command in text
    assert "--size" in run("encode", "-h").stdout
