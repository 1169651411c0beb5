"""The parts of the command line: names, option values, sentences, exit codes."""

from __future__ import annotations

import io
import json
import math
import sys
from pathlib import Path

import numpy as np
import pytest
import typer

from vqcodec.cli import console, names, options, streams
from vqcodec.cli.console import Console
from vqcodec.cli.names import Job
from vqcodec.cli.status import Status, command
from vqcodec.errors import FormatError, MediaError, ParameterError, VQError


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of empty files, as the current one."""
    for name in ("a.png", "b.JPG", "notes.txt", "in/c.png", "in/deep/d.tif", "in/.hidden.png"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    (tmp_path / "in/.cache").mkdir()
    (tmp_path / "in/.cache/e.png").touch()
    (tmp_path / "empty").mkdir()
    (tmp_path / "out").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def plan(*inputs: str, output: str | None = None, recursive: bool = False) -> list[tuple[str, str]]:
    jobs = names.plan(
        list(inputs),
        output,
        rename=lambda name: Path(name).stem + ".vqi",
        accepts=names.IMAGES,
        recursive=recursive,
    )
    return [(job.source, job.target) for job in jobs]


# --- names --------------------------------------------------------------------


@pytest.mark.usefixtures("tree")
def test_names_are_derived_or_given() -> None:
    assert plan("a.png") == [("a.png", "a.vqi")]
    assert plan("in/c.png", "b.JPG") == [("in/c.png", "in/c.vqi"), ("b.JPG", "b.vqi")]
    assert plan("a.png", output="x.vqi") == [("a.png", "x.vqi")]
    assert plan("a.png", output="out") == [("a.png", "out/a.vqi")]
    assert plan("a.png", output="new/") == [("a.png", "new/a.vqi")]
    assert plan("a.png", "in/c.png", output="new") == [
        ("a.png", "new/a.vqi"),
        ("in/c.png", "new/c.vqi"),
    ]


@pytest.mark.usefixtures("tree")
def test_pipes() -> None:
    assert plan("-") == [("-", "-")]
    assert plan("a.png", output="-") == [("a.png", "-")]
    assert plan("-", output="x.vqi") == [("-", "x.vqi")]
    for inputs in (("a.png", "b.JPG"), ("-", "a.png")):
        with pytest.raises(typer.BadParameter):
            plan(*inputs, output="-")
    with pytest.raises(typer.BadParameter):
        plan("-", "-", output="out")


@pytest.mark.usefixtures("tree")
def test_folders_keep_their_structure_and_hidden_files_stay_out() -> None:
    assert plan("in", recursive=True) == [
        ("in/c.png", "in/c.vqi"),
        ("in/deep/d.tif", "in/deep/d.vqi"),
    ]
    assert plan("in", output="new", recursive=True) == [
        ("in/c.png", "new/c.vqi"),
        ("in/deep/d.tif", "new/deep/d.vqi"),
    ]
    assert plan(".", output="new", recursive=True)[0] == ("a.png", "new/a.vqi")
    with pytest.raises(ParameterError, match="--recursive"):
        plan("in")
    with pytest.raises(ParameterError, match="no file"):
        plan("empty", recursive=True)


@pytest.mark.usefixtures("tree")
def test_no_surprises() -> None:
    Path("a.jpg").touch()
    with pytest.raises(ParameterError, match=r"a.png and a.jpg would both be written to a.vqi"):
        plan("a.png", "a.jpg")
    with pytest.raises(ParameterError, match="would both"):
        plan("a.png", "./a.png", output="out")
    with pytest.raises(ParameterError, match="is an input"):
        plan("a.png", output="a.png")
    Path("link.png").symlink_to("a.png")
    with pytest.raises(ParameterError, match="is an input"):
        plan("a.png", output="link.png")
    with pytest.raises(ParameterError, match="several outputs need a folder"):
        plan("a.png", "b.JPG", output="notes.txt")


# --- option values ------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("50k", 50_000), ("1.5M", 1_500_000), ("20000", 20_000), ("64KiB", 65_536),
        ("2 kB", 2000), (".5k", 500), ("1g", 10**9),
    ],
)  # fmt: skip
def test_sizes(text: str, size: int) -> None:
    assert options.parse_size(text) == size


@pytest.mark.parametrize("text", ["", "k", "-5", "5x", "1e3", "nan", "0", "5i", "0.0001k"])
def test_senseless_sizes(text: str) -> None:
    with pytest.raises(typer.BadParameter):
        options.parse_size(text)


def test_blocks_regions_and_counts() -> None:
    assert options.parse_block("4") == (4, 4)
    assert options.parse_block("8x2") == (8, 2)
    assert options.parse_region("1, 2,3,4") == (1, 2, 3, 4)
    assert options.parse_count("100M") == 100_000_000
    assert options.limits_of(5).pixels == 5
    assert options.limits_of(None).pixels > 1 << 20
    for parse, texts in (
        (options.parse_block, ("0", "17", "4x", "x4", "4x17", "four")),
        (options.parse_region, ("1,2,3", "1,2,0,4", "-1,2,3,4", "a,b,c,d")),
        (options.parse_count, ("0", "-1", "many", "64KiB")),
    ):
        for text in texts:
            with pytest.raises(typer.BadParameter):
                parse(text)


def test_only_what_was_given_is_passed_on() -> None:
    assert options.given(a=None, b=False, c=0, d=0.0, e="x", f=True) == {
        "c": 0,
        "d": 0.0,
        "e": "x",
        "f": True,
    }
    options.exclusive(quality=3, bpp=None)
    with pytest.raises(typer.BadParameter, match="--save-codebook and --bpp"):
        options.exclusive(save_codebook="x", bpp=0.0)


# --- sentences and exit codes -------------------------------------------------


def status_of(error: BaseException | None) -> int:
    @command
    def work() -> Status:
        if error is not None:
            raise error
        return Status.OK

    with pytest.raises(typer.Exit) as caught:
        work()
    return caught.value.exit_code


@pytest.mark.parametrize(
    ("error", "status", "words"),
    [
        (None, 0, ""),
        (VQError("two\n lines"), 1, "vqcodec: two lines"),
        (OSError(28, "No space left on device", "x.vqi"), 1, "vqcodec: x.vqi: No space left"),
        (MemoryError(), 1, "not enough memory"),
        (KeyboardInterrupt(), 130, "interrupted"),
    ],
)
def test_errors_become_a_sentence_and_a_status(
    error: BaseException | None, status: int, words: str, capsys: pytest.CaptureFixture
) -> None:
    assert status_of(error) == status
    out, err = capsys.readouterr()
    assert out == ""
    assert words in err
    assert err.count("\n") == (error is not None)


def test_bugs_are_not_hidden() -> None:
    with pytest.raises(ZeroDivisionError):
        status_of(ZeroDivisionError())


def test_a_failing_file_does_not_stop_the_others(capsys: pytest.CaptureFixture) -> None:
    done = []

    def work(job: Job) -> None:
        if job.source == "b":
            raise FormatError("the file is truncated")
        done.append(job.source)

    jobs = [Job(name, f"{name}.vqi") for name in "abc"]
    assert Console().each(jobs, work) is Status.ERROR
    assert done == ["a", "c"]
    err = capsys.readouterr().err
    assert err == "vqcodec: b: the file is truncated\nvqcodec: 1 of 3 inputs failed\n"
    assert Console().each(jobs[:1], work) is Status.OK
    assert Console(as_json=True).each(jobs[1:2], work) is Status.ERROR
    out, err = capsys.readouterr()
    assert json.loads(out) == {"input": "b", "error": "the file is truncated"}
    assert "inputs failed" not in err


def test_quiet_and_json_keep_the_lines_for_people_back(capsys: pytest.CaptureFixture) -> None:
    for voice in (Console(quiet=True), Console(as_json=True)):
        voice.say("a report line")
    Console(quiet=True).note(["a note"])
    assert capsys.readouterr() == ("", "")
    Console().say("a report line")
    Console().note(["a note"])
    assert capsys.readouterr() == ("", "a report line\nnote: a note\n")


def test_json_is_valid_whatever_comes(capsys: pytest.CaptureFixture) -> None:
    values = {
        "psnr": math.inf,
        "nan": np.float64("nan"),
        "array": np.arange(3, dtype=np.uint8),
        "number": np.int16(4),
        "hash": b"\x01\xff",
        "nested": ({"deep": np.float32(0.5)},),
        "path": Path("x"),
        "none": None,
        "yes": True,
    }
    Console(as_json=True).result(values)

    def refuse(text: str) -> None:
        raise AssertionError(f"{text} is not JSON")

    assert json.loads(capsys.readouterr().out, parse_constant=refuse) == {
        "psnr": None,
        "nan": None,
        "array": [0, 1, 2],
        "number": 4,
        "hash": "01ff",
        "nested": [{"deep": 0.5}],
        "path": "x",
        "none": None,
        "yes": True,
    }


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 B"), (999, "999 B"), (1234, "1.23 kB"), (999_400, "999 kB"), (999_600, "1.00 MB"),
     (72e6, "72.0 MB"), (5e12, "5.00 TB")],
)  # fmt: skip
def test_sizes_for_people(count: float, text: str) -> None:
    assert console.human_bytes(count) == text


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_progress_bar_shows_on_a_terminal_after_a_second(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = [0.0]
    monkeypatch.setattr(console.time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(sys, "stderr", Terminal())
    monkeypatch.setenv("TERM", "xterm")
    with Console().progress("encoding a.png") as report:
        assert report is not None
        assert report(0.1, "training") is None
        assert sys.stderr.getvalue() == ""
        clock[0] = 1.5
        report(0.5, "training")
    assert "encoding a.png: training" in sys.stderr.getvalue()
    with Console(quiet=True).progress("quiet") as report:
        assert report is None


def test_no_progress_bar_off_the_terminal() -> None:
    with Console().progress("encoding") as report:
        assert report is None


# --- streams ------------------------------------------------------------------


def test_terminals_are_neither_read_nor_flooded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", Terminal())
    with pytest.raises(ParameterError, match="terminal"):
        streams.read_source("-")
    monkeypatch.setattr(sys, "stdout", Terminal())
    with pytest.raises(ParameterError, match="terminal"):
        streams.refuse_existing("-", force=True)


def test_existing_files_want_force(tmp_path: Path) -> None:
    path = tmp_path / "a.vqi"
    streams.refuse_existing(str(path), force=False)
    path.touch()
    with pytest.raises(MediaError, match="--force"):
        streams.refuse_existing(str(path), force=False)
    streams.refuse_existing(str(path), force=True)


def test_folders_of_outputs_are_made(tmp_path: Path) -> None:
    target = tmp_path / "new" / "deep" / "a"
    streams.write_target(str(target), lambda path: path.write_bytes(b"x"), bytes)
    assert target.read_bytes() == b"x"
    (tmp_path / "file").touch()
    with pytest.raises(MediaError, match="cannot make the folder"):
        streams.write_target(str(tmp_path / "file" / "a"), lambda path: None, bytes)
