"""The command line as a process: start-up, real pipes, signals, full disks."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from vqcodec.media import Image, load_image, save_image

HEAVY = ("numba", "scipy", "numpy", "PIL", "soundfile", "llvmlite")
ROOT = Path(__file__).parent.parent
SMALL = ("--codewords", "8")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    y, x = np.mgrid[0:40, 0:56]
    save_image(Image(np.stack([4 * x, 5 * y, x + y], 2).astype(np.uint8)), "a.png")
    return tmp_path


def vqcodec(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "vqcodec", *arguments]


def call(*arguments: str, status: int = 0, **options: object) -> subprocess.CompletedProcess:
    result = subprocess.run(vqcodec(*arguments), capture_output=True, check=False, **options)
    assert result.returncode == status, result.stderr.decode()
    assert b"Traceback" not in result.stderr
    return result


def loaded_after(*arguments: str, among: Sequence[str] = HEAVY) -> set[str]:
    """Run the command line in a fresh process; return which of these modules it loaded."""
    code = f"""
import json, sys
from vqcodec.cli import app
try:
    app({list(arguments)!r})
except SystemExit:
    pass
sys.stderr.write(json.dumps([name for name in {list(among)!r} if name in sys.modules]))
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    return set(json.loads(result.stderr.decode().splitlines()[-1]))


def listen() -> None:
    """Do not inherit that a shell's background jobs ignore Ctrl-C."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.mark.parametrize("arguments", [("--help",), ("--version",), ("encode", "--help")])
def test_help_loads_nothing_heavy(arguments: tuple[str, ...]) -> None:
    assert loaded_after(*arguments) == set()


def test_info_and_fixed_rate_decoding_load_no_compiler() -> None:
    call("encode", "a.png", "--fixed-rate", *SMALL)
    assert not {"numba", "scipy"} & loaded_after("info", "a.vqi")
    assert not {"numba", "scipy"} & loaded_after("decode", "a.vqi", "-o", "b.png", "--quiet")
    assert load_image("b.png").width == 56


def test_decoding_compiles_nothing_of_the_search() -> None:
    call("encode", "a.png")
    kernels = [f"vqcodec.photo.{name}" for name in ("stream", "partition", "block", "ranking")]
    decode = "decode", "a.vqi", "-o", "b.png", "--quiet"
    assert loaded_after(*decode, among=kernels) == {"vqcodec.photo.stream"}


def test_the_pipe_of_the_manual() -> None:
    run = " ".join(vqcodec())
    script = f"cat a.png | {run} encode - -o - | {run} decode - -o y.png"
    subprocess.run(["bash", "-o", "pipefail", "-c", script], check=True, capture_output=True)
    call("encode", "a.png")
    call("decode", "a.vqi", "-o", "z.png")
    assert Path("y.png").read_bytes() == Path("z.png").read_bytes()


def test_a_broken_pipe_is_quiet() -> None:
    call("encode", "a.png", *SMALL)
    process = subprocess.Popen(
        vqcodec("decode", "a.vqi", "-o", "-", "--quiet"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    process.stdout.close()
    assert process.stderr.read() == b""
    assert process.wait() != 0


def test_a_full_standard_output() -> None:
    if not Path("/dev/full").exists():
        pytest.skip("there is no /dev/full here")
    call("encode", "a.png", *SMALL)
    for command in (("decode", "a.vqi", "-o", "-"), ("info", "a.vqi", "--json")):
        with Path("/dev/full").open("wb") as full:
            result = subprocess.run(
                vqcodec(*command), stdout=full, stderr=subprocess.PIPE, check=False
            )
        assert result.returncode == 1
        assert b"No space left" in result.stderr
        assert result.stderr.count(b"\n") == 1


def test_a_disk_that_fills_up_harms_nothing() -> None:
    save_image(Image(np.random.default_rng(0).integers(0, 256, (200, 200, 3), np.uint8)), "b.png")
    call("encode", "b.png", "--fixed-rate")  # decodes without kernels, which have a cache to write
    Path("c.png").write_bytes(b"old")
    before = sorted(os.listdir())

    def small_files_only() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))

    command = ("decode", "b.vqi", "-o", "c.png", "--force")
    result = call(*command, status=1, preexec_fn=small_files_only)
    assert b"cannot write c.png: File too large" in result.stderr
    assert Path("c.png").read_bytes() == b"old"
    assert sorted(os.listdir()) == before


STALLING = """
import os, sys, time
import vqcodec.cli as cli
def stall(*_):
    print("stalled", flush=True)
    time.sleep(60)
os.fsync = stall
cli.main()
"""


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 128 + signal.SIGTERM)]
)
def test_signals_in_the_middle_of_writing(number: int, status: int) -> None:
    Path("a.vqi").write_bytes(b"old")
    process = subprocess.Popen(
        [sys.executable, "-c", STALLING, "encode", "a.png", "--force", *SMALL],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        preexec_fn=listen,
    )
    assert process.stdout.readline() == b"stalled\n"
    assert any(name.endswith(".tmp") for name in os.listdir())
    process.send_signal(number)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == status
    assert b"Traceback" not in errors
    assert Path("a.vqi").read_bytes() == b"old"
    assert sorted(os.listdir()) == ["a.png", "a.vqi"]


def test_interrupting_the_work_itself() -> None:
    noise = np.random.default_rng(1).integers(0, 256, (1500, 1500, 3), np.uint8)
    save_image(Image(noise), "big.png")
    process = subprocess.Popen(
        vqcodec("encode", "big.png", "--codewords", "4096"),
        stderr=subprocess.PIPE,
        preexec_fn=listen,
    )
    time.sleep(2.0)  # wherever it is by then: loading, compiling or training
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    if process.returncode == 0:
        pytest.skip("this machine was faster than the interruption")
    assert process.returncode == 130
    assert b"Traceback" not in errors
    assert sorted(os.listdir()) == ["a.png", "big.png"]


def test_warming_up_and_being_told_of_it() -> None:
    cold = {"env": {**os.environ, "NUMBA_CACHE_DIR": os.path.join(os.getcwd(), "kernels")}}
    result = call("warmup", "--kind", "kmeans", "--json", **cold)
    assert b"note: kernels are being compiled for their first use" in result.stderr
    report = json.loads(result.stdout)
    assert report["kind"] == "kmeans"
    assert report["kernels"] > 5
    result = call("warmup", "--kind", "kmeans", **cold)
    assert result.stderr.startswith(b"kmeans: all kernels are there")
    assert b"note" not in result.stderr
