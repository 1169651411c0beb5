"""Nothing is lost: killed runs, full disks, read-only folders, trainings that go on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import vqcodec
from tests import kill
from vqcodec import checkpoint, files
from vqcodec.container import open_container
from vqcodec.errors import CancelledError, ChecksumError, CodebookError, MediaError

posix = pytest.mark.skipif(os.name != "posix", reason="signals and limits are those of POSIX")
OLD, NEW = b"old" * 1000, b"new" * 100_000


@posix
def test_killed_commands_leave_the_old_file_or_the_new_one():
    found = kill.rounds(20, 3, ["decode", "encode", "decode", "palette", "decode", "train"])
    assert found["old"] + found["new"] == 20
    assert found["old"] > 0


@posix
@pytest.mark.parametrize("moment", ["write", "flush", "fsync", "chmod", "replace", "_sync_folder"])
def test_killed_at_each_step_of_writing(tmp_path, moment, monkeypatch):
    target = tmp_path / "target"
    target.write_bytes(OLD)
    child = os.fork()
    if child == 0:  # pragma: no cover (it dies)
        die = lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL)  # noqa: E731
        with files.atomic_file(target) as file:
            file.write(NEW[: len(NEW) // 2])
            if moment == "write":
                die()
            file.write(NEW[len(NEW) // 2 :])
            if moment == "flush":
                file.flush()
                die()
            owner = {"fsync": os, "_sync_folder": files}.get(moment, Path)
            setattr(owner, moment, die)
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    assert target.read_bytes() == (NEW if moment == "_sync_folder" else OLD)
    files.write_atomically(target, NEW)  # the leftovers are in nobody's way
    assert target.read_bytes() == NEW


def test_the_data_reach_the_disk_before_the_name(tmp_path, monkeypatch):
    order = []
    fsync, replace = os.fsync, Path.replace
    monkeypatch.setattr(os, "fsync", lambda d: (order.append("sync"), fsync(d)))
    monkeypatch.setattr(
        Path, "replace", lambda self, to: (order.append("rename"), replace(self, to))
    )
    files.write_atomically(tmp_path / "target", NEW)
    assert order[:2] == ["sync", "rename"]
    assert order[2:] == (["sync"] if os.name == "posix" else [])  # the folder


def run(*arguments, cwd, before=""):
    program = f"{before}\nfrom vqcodec.cli import main\nmain()"
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments], cwd=cwd, capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}, check=False,
    )  # fmt: skip
    return done.returncode, done.stderr


@posix
def test_full_disk_is_one_sentence(tmp_path):
    """A limit on the length of files acts like a full disk; so does /dev/full on stdout."""
    kill.prepare(tmp_path)
    small = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (200, 200))"
    (tmp_path / "a.vqi").write_bytes(OLD[:50])
    for arguments in (
        ("encode", "a.png", "-o", "a.vqi", "--fixed-rate", "--force", "-q"),
        ("decode", "golden.vqi", "-o", "b.png", "-q"),
    ):
        status, said = run(*arguments, cwd=tmp_path, before=small)
        assert status == 1
        assert said.count("\n") == 1
        assert "cannot write" in said
        assert arguments[3] in said
    assert (tmp_path / "a.vqi").read_bytes() == OLD[:50]
    assert not list(tmp_path.glob(".*.tmp"))
    assert not (tmp_path / "b.png").exists()
    if Path("/dev/full").exists():
        with open("/dev/full", "wb") as full:
            done = subprocess.run(
                [sys.executable, "-m", "vqcodec", "decode", "golden.vqi", "-o", "-", "-q"],
                cwd=tmp_path, stdout=full, stderr=subprocess.PIPE, text=True, check=False,
                env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
            )  # fmt: skip
        assert done.returncode == 1
        assert done.stderr.count("\n") == 1


def test_unwritable_folders_are_one_sentence(tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(MediaError, match=r"^cannot write .*target: Permission denied$"):
        files.write_atomically(tmp_path / "target", NEW)


# --- verified files -----------------------------------------------------------


def test_verified_files_are_read_back_before_they_replace_anything(tmp_path, monkeypatch):
    target = tmp_path / "a.vqi"
    picture = pictures(1)[0]
    data = vqcodec.encode(picture, target, fixed_rate=True, verify=True)
    assert target.read_bytes() == data
    assert vqcodec.check(target) == open_container(data).check
    with monkeypatch.context() as patch:
        damaged = data[:-60] + bytes([data[-60] ^ 1]) + data[-59:]
        read = Path.read_bytes  # kernels that are compiled meanwhile read their own source
        patch.setattr(
            Path, "read_bytes", lambda self: read(self) if self.suffix == ".py" else damaged
        )
        with pytest.raises(ChecksumError):
            vqcodec.encode(picture, target, fixed_rate=True, block=2, verify=True)
    assert target.read_bytes() == data
    assert os.listdir(tmp_path) == ["a.vqi"]


def test_verification_compares_the_samples():
    data = vqcodec.encode(pictures(1)[0], fixed_rate=True)
    lying = data[:-4] + bytes([data[-4] ^ 1]) + data[-3:]
    with pytest.raises(ChecksumError, match="samples"):
        vqcodec.check(lying)


def test_the_command_line_says_what_it_verified(tmp_path):
    kill.prepare(tmp_path)
    status, said = run("encode", "a.png", "--fixed-rate", "--verify", cwd=tmp_path)
    assert status == 0
    assert f"check {vqcodec.check(tmp_path / 'a.vqi'):08x}" in said


# --- trainings that go on -----------------------------------------------------


def pictures(count=6):
    return [np.asarray(kill.picture(seed, 48)) for seed in range(count)]


@pytest.mark.parametrize("color", ["rgb", "ycbcr"])
def test_stopped_trainings_go_on(tmp_path, monkeypatch, color):
    monkeypatch.setattr(checkpoint, "_INTERVAL", 0)
    wishes = {"codewords": 16, "block": 4, "color": color}
    expected = vqcodec.train(pictures(), **wishes)
    path = tmp_path / "book.vqcb.checkpoint"
    for stop in (2, 5, 9):
        heard = 0

        def progress(part, words, stop=stop):
            nonlocal heard
            heard += 1
            return heard <= stop

        with pytest.raises(CancelledError):
            vqcodec.train(pictures(), checkpoint=path, resume=True, progress=progress, **wishes)
        assert path.exists()
    seen = []
    book = vqcodec.train(
        pictures(), checkpoint=path, resume=True, progress=lambda p, _: seen.append(p), **wishes
    )
    assert book.identity == expected.identity
    assert seen[0] > 0.25  # the images are not read again
    assert not path.exists()


def test_a_stopped_training_on_sounds_reads_none_of_them_twice(tmp_path, monkeypatch):
    from vqcodec.frames.train import Gathering
    from vqcodec.media import Audio

    monkeypatch.setattr(checkpoint, "_INTERVAL", 0)
    rng = np.random.default_rng(3)
    sounds = [Audio(rng.uniform(-0.5, 0.5, (2000, 1)).astype("f4"), 8000) for _ in range(5)]
    wishes = {"kind": "frames", "frame": 4, "codewords": 8}
    expected = vqcodec.train(sounds, **wishes)
    path, read, add = tmp_path / "book.vqcb.checkpoint", [], Gathering.add

    def reading(self, samples):
        if len(read) == 3:
            raise KeyboardInterrupt
        read.append(samples.copy())
        add(self, samples)

    monkeypatch.setattr(Gathering, "add", reading)
    with pytest.raises(KeyboardInterrupt):
        vqcodec.train(sounds, checkpoint=path, resume=True, **wishes)
    assert path.exists()
    again = []
    monkeypatch.setattr(Gathering, "add", lambda *known: (again.append(known[1]), add(*known)))
    book = vqcodec.train(sounds, checkpoint=path, resume=True, **wishes)
    assert book.identity == expected.identity
    assert [len(read), len(again)] == [3, 2]
    assert not path.exists()


def test_checkpoints_of_other_trainings_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoint, "_INTERVAL", 0)
    path = tmp_path / "state"

    def stop(part, words):
        return part < 0.3

    with pytest.raises(CancelledError):
        vqcodec.train(pictures(), codewords=16, checkpoint=path, progress=stop)
    with pytest.raises(CodebookError, match="other options"):
        vqcodec.train(pictures(), codewords=8, checkpoint=path, resume=True)
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(CodebookError, match="damaged"):
        vqcodec.train(pictures(), codewords=16, checkpoint=path, resume=True)
    vqcodec.train(pictures(), codewords=16, checkpoint=path)  # anew
    assert not path.exists()


def test_many_images_take_no_more_memory_than_few():
    from vqcodec.patch.encoder import Point
    from vqcodec.patch.external import _Gathered
    from vqcodec.patch.options import Options

    for count in (1, 100, 10_000, 1_000_000):
        state = _Gathered(Point((4, 4), 256, 10.0), Options(), count)
        assert count * state.share <= 1 << 20
        assert -(-count // state.stride) * state.band_blocks <= 1 << 18
