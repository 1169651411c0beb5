"""Batches: many files, several processes, resumed work, and the line that accounts for it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from vqcodec.cli import app, batch, console
from vqcodec.cli.console import Console
from vqcodec.cli.names import Job
from vqcodec.cli.status import Status
from vqcodec.errors import MediaError
from vqcodec.media import Image, save_image

ROOT = Path(__file__).parent.parent
TINY = ("--codewords", "4", "--fixed-rate", "--block", "4")  # needs no compiled kernel to decode


def run(*arguments: object, status: int = 0) -> Any:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == status, result.output
    return result


def lines(result: Any) -> list[dict[str, Any]]:
    return [json.loads(line) for line in result.stdout.splitlines()]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setattr(console, "_noted", True)  # whether kernels are compiled is not at issue
    y, x = np.mgrid[0:24, 0:32]
    for name in ("in/a.png", "in/deep/b.png", "in/deep/c.png"):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        save_image(Image(np.stack([4 * x, 5 * y, x + y], 2).astype(np.uint8)), name)
    return tmp_path


def work_by_name(job: Job, console: Console) -> batch.Result:
    """Do what the job's name says."""
    name = Path(job.source).stem
    if name == "slow":
        time.sleep(0.5)
    if name == "bad":
        raise MediaError("bad is no good")
    if name == "fatal":
        os.kill(os.getpid(), signal.SIGKILL)
    if name == "larger":
        return batch.leave(console, job, 10, 20)
    console.note([f"about {name}"])
    console.say(f"did {name} with {os.environ.get('NUMBA_NUM_THREADS')}")
    console.result({"input": job.source})
    Path(job.target).write_bytes(b"12345")
    return batch.Result(10, 5)


def jobs(*names: str) -> list[Job]:
    return [Job(name, f"{name}.out") for name in names]


# --- one process and several say the same ---------------------------------------


@pytest.mark.parametrize("processes", [1, 2])
def test_everything_is_accounted_for_in_order(
    processes: int, capfd: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NUMBA_NUM_THREADS", "7")
    todo = jobs("slow", "a", "bad", "larger", "b")
    assert batch.run(Console(), todo, work_by_name, processes=processes) is Status.ERROR
    assert capfd.readouterr().err.splitlines() == [
        "note: about slow", "did slow with 7",
        "note: about a", "did a with 7",
        "vqcodec: bad is no good",
        "larger: 10 B -> 20 B would be larger, nothing written",
        "note: about b", "did b with 7",
        "vqcodec: 1 of 5 inputs failed; 3 written (30 B -> 15 B), 1 left as they would be larger",
    ]  # fmt: skip


@pytest.mark.parametrize("processes", [1, 3])
def test_json_has_a_line_for_each(processes: int, capfd: pytest.CaptureFixture) -> None:
    todo = jobs("a", "larger", "bad")
    console = Console(quiet=True, as_json=True)
    assert batch.run(console, todo, work_by_name, processes=processes) is Status.ERROR
    assert [json.loads(line) for line in capfd.readouterr().out.splitlines()] == [
        {"input": "a"},
        {"input": "larger", "output": None, "skipped": "larger", "bytes": 20},
        {"input": "bad", "error": "bad is no good"},
    ]


def test_threads_are_shared(capfd: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NUMBA_NUM_THREADS", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 6)
    assert batch.run(Console(), jobs("a", "b"), work_by_name, processes=2) is Status.OK
    said = capfd.readouterr().err
    assert "did a with 3" in said
    assert said.endswith("2 inputs: 2 written (20 B -> 10 B)\n")
    assert "NUMBA_NUM_THREADS" not in os.environ


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no SIGKILL on this system")
def test_a_worker_that_dies_takes_one_file_with_it(capfd: pytest.CaptureFixture) -> None:
    todo = jobs("a", "fatal", "b", "c")
    assert batch.run(Console(), todo, work_by_name, processes=2) is Status.ERROR
    said = capfd.readouterr().err
    assert "fatal: the process that worked on it ended by signal 9" in said
    assert "1 of 4 inputs failed; 3 written" in said
    assert Path("c.out").exists()


# --- resuming -------------------------------------------------------------------


def test_what_is_up_to_date(tmp_path: Path) -> None:
    source, target, book = tmp_path / "s", tmp_path / "t", tmp_path / "b"
    job = Job(str(source), str(target))
    source.touch()
    book.touch()
    assert not batch.is_current(job)
    target.touch()
    os.utime(source, (100, 100))
    os.utime(book, (200, 200))
    os.utime(target, (150, 150))
    assert batch.is_current(job)
    assert batch.is_current(job, [None])
    assert not batch.is_current(job, [str(book)])
    os.utime(source, (151, 151))
    assert not batch.is_current(job)
    assert not batch.is_current(Job("-", str(target)))


def test_resume_redoes_what_is_missing_or_older() -> None:
    run("encode", "in", "-r", "-o", "out", *TINY)
    first = {path: path.stat().st_mtime_ns for path in Path("out").rglob("*.vqi")}
    assert len(first) == 3
    Path("out/a.vqi").unlink()
    os.utime("out/deep/b.vqi", (1, 1))
    result = run("encode", "in", "-r", "-o", "out", "--resume", "--json", *TINY)
    assert [line.get("skipped") for line in lines(result)] == [None, None, "up to date"]
    assert Path("out/deep/b.vqi").stat().st_mtime > 1
    kept = Path("out/deep/c.vqi")
    assert kept.stat().st_mtime_ns == first[kept]
    result = run("encode", "in", "-r", "-o", "out", "--resume", *TINY)
    assert result.stderr == "3 inputs: 0 written, 3 up to date\n"
    run("encode", "in", "-r", "-o", "out", *TINY, status=1)


# --- the commands ---------------------------------------------------------------


def test_folders_over_processes_equal_one_process() -> None:
    run("encode", "in", "-r", "-o", "one", *TINY)
    Path("in/bad.png").write_bytes(b"not an image")
    result = run("encode", "in", "-r", "-o", "two", "--jobs", 2, "--json", *TINY, status=1)
    reports = lines(result)
    assert [r["input"] for r in reports] == [
        "in/a.png", "in/bad.png", "in/deep/b.png", "in/deep/c.png",
    ]  # fmt: skip
    assert "not an image" in reports[1]["error"]
    assert "1 of 4 inputs failed; 3 written" in result.stderr
    for name in ("a", "deep/b", "deep/c"):
        assert Path(f"one/{name}.vqi").read_bytes() == Path(f"two/{name}.vqi").read_bytes()
    run("decode", "two", "-r", "-o", "back", "--jobs", 2)
    assert sorted(str(p) for p in Path("back").rglob("*.png")) == [
        "back/a.png", "back/deep/b.png", "back/deep/c.png",
    ]  # fmt: skip


def test_a_shared_codebook_reaches_the_processes() -> None:
    run("train", "in", "-o", "m.vqcb", "--codewords", 4, "--block", 4, "--color", "rgb")
    options = ("--codebook", "m.vqcb", "--fixed-rate")
    run("encode", "in", "-r", "-o", "out", "--jobs", 2, *options)
    result = run("encode", "in", "-r", "-o", "out", "--resume", *options)
    assert "3 up to date" in result.stderr
    os.utime("m.vqcb", (2e9, 2e9))
    result = run("encode", "in", "-r", "-o", "out", "--resume", *options)
    assert "3 written" in result.stderr


def test_larger_files_are_left_alone() -> None:
    save_image(Image(np.random.default_rng(0).integers(0, 256, (8, 8, 3), np.uint8)), "dot.ppm")
    result = run("encode", "dot.ppm", "--skip-larger", *TINY, "--json")
    (report,) = lines(result)
    assert report["skipped"] == "larger"
    assert report["bytes"] >= Path("dot.ppm").stat().st_size
    assert not Path("dot.vqi").exists()
    save_image(Image(np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)), "big.ppm")
    run("encode", "big.ppm", "--skip-larger", *TINY)
    assert Path("big.vqi").stat().st_size < Path("big.ppm").stat().st_size


STALLING = """
import os, sys, time
from pathlib import Path
import vqcodec.cli as cli
from vqcodec import files
def stall(*_):
    Path(f"stalled-{os.getpid()}").touch()
    time.sleep(60)
if Path("go").exists():
    os.fsync = stall
if __name__ == "__main__":
    cli.main()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="signals of a process group")
def test_ctrl_c_leaves_whole_files_only() -> None:
    run("encode", "in/a.png", "-o", "out/a.vqi", *TINY)
    Path("stalling.py").write_text(STALLING, "utf-8")
    Path("go").touch()
    process = subprocess.Popen(
        [sys.executable, "stalling.py", "encode", "in", "-r", "-o", "out", "--jobs", "2",
         "--resume", *TINY],
        stderr=subprocess.PIPE, text=True, start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # off in background jobs
    )  # fmt: skip
    deadline = time.monotonic() + 60
    while len(list(Path().glob("stalled-*"))) < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    assert [name for name in os.listdir("out/deep") if name.endswith(".tmp")]
    os.killpg(process.pid, signal.SIGINT)  # what a terminal does: to all of them
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert errors == "vqcodec: interrupted: 3 inputs: 0 written, 1 up to date, 2 not done\n"
    assert os.listdir("out/deep") == []
    assert sorted(os.listdir("out")) == ["a.vqi", "deep"]
