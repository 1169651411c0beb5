"""``vqcodec palette``: what it writes, says and returns, and how it refuses."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
from typer.testing import CliRunner

import vqcodec
from vqcodec.cli import app
from vqcodec.container import Kind, open_container
from vqcodec.media import load_image
from vqcodec.palette import Palette


def picture(height: int = 40, width: int = 60) -> np.ndarray:
    y, x = np.mgrid[0:height, 0:width]
    return np.stack([x * 4, y * 6, (x + y) * 2], axis=-1).astype(np.uint8)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    PIL.Image.fromarray(picture()).save("a.png")
    return tmp_path


def run(*arguments: object, status: int = 0, data: bytes | None = None) -> Any:
    result = CliRunner().invoke(app, ["palette", *map(str, arguments)], input=data)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == status, result.output
    return result


def colors_of(path: str) -> int:
    with PIL.Image.open(path) as image:
        return len(np.unique(np.asarray(image.convert("RGBA")).reshape(-1, 4), axis=0))


def test_png_with_a_derived_name():
    result = run("a.png", "-k", 8)
    with PIL.Image.open("a-palette.png") as image:
        assert image.mode == "P"
        assert image.size == (60, 40)
    assert 2 < colors_of("a-palette.png") <= 8
    assert "a-palette.png" in result.stderr
    assert result.stdout == ""


@pytest.mark.parametrize("dither", ["none", "floyd-steinberg", "blue-noise", "best"])
@pytest.mark.parametrize("space", ["oklab", "srgb"])
def test_every_way_of_doing_it(dither, space):
    run("a.png", "-k", 5, "--dither", dither, "--space", space, "--strength", 0.9, "-o", "o.png")
    assert colors_of("o.png") <= 5


def test_gif_and_vqi():
    run("a.png", "-k", 8, "-o", "o.gif")
    assert PIL.Image.open("o.gif").format == "GIF"
    run("a.png", "-k", 8, "-f", "vqi")
    assert open_container(Path("a.vqi").read_bytes()).kind is Kind.PALETTE
    run("a.png", "-k", 8, "-o", "o.png")
    run("a.png", "-k", 8, "-f", "gif", "-o", "gifs/")
    assert PIL.Image.open("gifs/a-palette.gif").format == "GIF"


def test_pipes():
    result = run("-", "-k", 4, data=Path("a.png").read_bytes())
    image = PIL.Image.open(io.BytesIO(result.stdout_bytes))
    assert image.format == "PNG"
    assert image.mode == "P"


def test_quality_below_the_least_is_99_and_writes_nothing():
    result = run("a.png", "-k", 2, "--quality", "90-95", status=99)
    assert "below the least wanted" in result.stderr
    assert not Path("a-palette.png").exists()
    run("a.png", "-k", 2, "--max-error", 0.5, status=99)
    run("a.png", "--quality", "-60", "-o", "o.png")
    run("a.png", "--quality", "30-60", "--force", "-o", "o.png")
    assert colors_of("o.png") < 250


def test_folders_over_processes_and_resumed():
    Path("in").mkdir()
    for name in ("a", "b"):
        PIL.Image.fromarray(picture()).save(f"in/{name}.png")
    result = run("in", "-r", "-k", 8, "-o", "out/", "--jobs", 2)
    assert "2 inputs: 2 written" in result.stderr
    assert sorted(Path("out").rglob("*.png")) == [
        Path("out/a-palette.png"),
        Path("out/b-palette.png"),
    ]
    assert Path("out/a-palette.png").read_bytes() == Path("out/b-palette.png").read_bytes()
    result = run("in", "-r", "-k", 8, "-o", "out/", "--resume")
    assert "2 up to date" in result.stderr
    run("in", "-r", "-k", 2, "--quality", "90-95", "-o", "none/", "--jobs", 2, status=99)
    Path("in/c.png").write_bytes(b"no image")
    run("in", "-r", "-k", 2, "--quality", "90-95", "-o", "none/", status=1)


def test_palettes_in_and_out():
    run("a.png", "-k", 6, "-o", "o.png", "--save-palette", "p.gpl")
    chosen = Palette.of("p.gpl")
    assert len(chosen) <= 6
    run("a.png", "--palette", "p.gpl", "--dither", "none", "-o", "again.png")
    with PIL.Image.open("again.png") as image:
        found = np.array(image.getpalette("RGB"), np.uint8).reshape(-1, 3)
    assert [f"#{bytes(c).hex()}" for c in found] == [c for c in chosen.hex if c in chosen.hex]
    run("a.png", "-k", 6, "--keep", "#ff00ff,teal", "--keep", "#010203", "--force",
        "--save-palette", "p.hex", "-o", "o.png")  # fmt: skip
    assert Palette.of("p.hex").hex[:3] == ["#ff00ff", "#008080", "#010203"]


def test_shared_palettes():
    PIL.Image.fromarray(picture()[::-1].copy()).save("b.png")
    run("a.png", "b.png", "--shared", "-k", 8, "-o", "out/", "--save-palette", "p.json")
    shared = set(Palette.of("p.json").hex)
    for name in ("a", "b"):
        with PIL.Image.open(f"out/{name}-palette.png") as image:
            flat = np.asarray(image.convert("RGB")).reshape(-1, 3)
        assert {f"#{bytes(c).hex()}" for c in np.unique(flat, axis=0)} <= shared


def test_animations():
    frames = [PIL.Image.fromarray(np.roll(picture(), 9 * n, 1)) for n in range(3)]
    frames[0].save("m.gif", save_all=True, append_images=frames[1:], duration=[50, 60, 70], loop=3)
    for options in ([], ["--no-shared"]):
        run("m.gif", "-k", 8, "--dither", "blue-noise", "--force", *options)
        with PIL.Image.open("m-palette.gif") as image:
            assert image.n_frames == 3
            assert image.info["loop"] == 3
            durations, colors = [], set()
            for number in range(3):
                image.seek(number)
                durations.append(image.info["duration"])
                flat = np.asarray(image.convert("RGB")).reshape(-1, 3)
                colors |= {bytes(color) for color in flat}
            assert durations == [50, 60, 70]
            assert len(colors) <= (8 if not options else 24)
    result = run("m.gif", "-k", 4, "-o", "still.png")
    assert "only the first" in result.stderr


def test_exact_images_stay_exact():
    few = np.repeat(np.repeat(np.arange(9, dtype=np.uint8).reshape(3, 3), 5, 0), 5, 1) * 20
    PIL.Image.fromarray(few).save("few.png")
    result = run("few.png")
    assert "lossless" in result.stderr
    assert np.array_equal(np.asarray(PIL.Image.open("few-palette.png").convert("L")), few)


def test_the_palette_of_an_indexed_image_is_left_alone():
    entries = [(200, 0, 0, 255), (0, 9, 0, 255), (0, 0, 0, 0), (9, 9, 250, 128), (1, 2, 3, 255)]
    indexed = PIL.Image.fromarray(np.array([[3, 0, 1], [1, 2, 0]], np.uint8), "P")
    indexed.putpalette([value for entry in entries for value in entry], "RGBA")
    indexed.save("indexed.png")
    run("indexed.png", "-o", "again.png")
    with PIL.Image.open("again.png") as again:
        assert np.array_equal(np.asarray(again), np.asarray(indexed))
        again.apply_transparency()
        kept = np.array(again.getpalette("RGBA")).reshape(-1, 4)
    assert kept[:4].tolist() == [list(entry) for entry in entries[:4]]  # the fifth is not used
    assert vqcodec.quantize("indexed.png", 8).getpalette("RGBA")[:4] == [200, 0, 0, 255]
    rgb = indexed.convert("RGB").quantize(4)  # transparency as one number, in GIF
    rgb.save("indexed.gif", transparency=2)
    before = load_image("indexed.gif").samples
    run("indexed.gif", "-o", "again.gif")
    assert np.array_equal(load_image("again.gif").samples[..., 3], before[..., 3])


def test_json_and_dry_run_and_skipping():
    report = json.loads(run("a.png", "-k", 8, "--json").stdout)
    assert report["colors"] <= 8
    assert report["bytes"] == Path("a-palette.png").stat().st_size
    assert not report["skipped"]
    assert "b.png" in run("a.png", "-k", 8, "--dry-run", "-o", "b.png").stdout
    assert not Path("b.png").exists()
    PIL.Image.new("L", (4, 4)).save("tiny.png", optimize=True)
    result = run("tiny.png", "--skip-if-larger", "-o", "t.png")
    assert ("nothing written" in result.stderr) == (not Path("t.png").exists())


def test_metadata_and_profiles():
    image = PIL.Image.fromarray(picture())
    exif = PIL.Image.Exif()
    exif[0x0112] = 6  # to be shown turned
    image.save("t.png", exif=exif, icc_profile=b"damaged")
    result = run("t.png", "-k", 4, "-o", "kept.png")
    assert "unusable" in result.stderr
    with PIL.Image.open("kept.png") as kept:
        assert kept.getexif()[0x0112] == 6
        assert kept.size == (60, 40)
        assert "icc_profile" not in kept.info
    run("t.png", "-k", 4, "-o", "bare.png", "--strip", "--profile", "keep")
    with PIL.Image.open("bare.png") as bare:
        assert not bare.getexif()
        assert bare.size == (40, 60)
        assert bare.info["icc_profile"] == b"damaged"


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["none.png"], 1, "cannot read none.png"),
        (["a.png", "-o", "a.png"], 1, "is an input"),
        (["a.png", "-o", "o.jpg"], 1, "palette images are"),
        (["a.png", "-k", "0"], 2, "no number of colours"),
        (["a.png", "-k", "many"], 2, "no number of colours"),
        (["a.png", "--quality", "90-10"], 2, "no quality"),
        (["a.png", "--quality", "good"], 2, "no quality"),
        (["a.png", "--palette", "none.gpl"], 1, "cannot read palette"),
        (["a.png", "--palette", "a.png"], 1, "more than 256"),
        (["a.png", "--keep", "nocolour"], 1, "is no colour"),
        (["a.png", "--save-palette", "p.xyz"], 1, "no suffix of a palette format"),
        (["a.png", "--max-pixels", "100"], 1, "than the limit of 100"),
        (["."], 1, "is a folder"),
        (["a.png", "--json", "-o", "-"], 2, "standard output"),
    ],
)
def test_wrong_wishes_are_refused(arguments, status, words):
    before = sorted(Path().iterdir())
    result = run(*arguments, status=status)
    assert words in " ".join(result.stderr.split())
    assert sorted(Path().iterdir()) == before


def test_existing_files_stay_without_force():
    Path("a-palette.png").write_bytes(b"mine")
    run("a.png", "-k", 4, status=1)
    assert Path("a-palette.png").read_bytes() == b"mine"
    run("a.png", "-k", 4, "--force")
    assert colors_of("a-palette.png") <= 4
