"""The sound half of ``encode`` and ``decode``: block by block, through pipes too."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from vqcodec.cli import batch, names, streams
from vqcodec.cli.console import Console, human_bytes, shown
from vqcodec.cli.status import write_stdout
from vqcodec.errors import ParameterError

if TYPE_CHECKING:
    from vqcodec.codebook import Codebook
    from vqcodec.container import Limits

_HEAD = 64  # bytes of a file that tell what it is


class _Output:
    """Standard output as a binary file that says when nobody reads any more."""

    def write(self, data: bytes) -> int:
        write_stdout(bytes(data))
        return len(data)

    def flush(self) -> None:
        """Nothing is held back."""


def head_of(source: str) -> bytes:
    """Return the first bytes of a file, or of standard input, without consuming these."""
    if source != names.PIPE:
        try:
            with open(source, "rb") as file:
                return file.read(_HEAD)
        except (OSError, ValueError):
            return b""  # whoever opens it next says why
    if sys.stdin.isatty():
        raise ParameterError("standard input is a terminal; name a file, or pipe one in")
    peek: Callable[[int], bytes] | None = getattr(sys.stdin.buffer, "peek", None)
    if peek is not None:
        return peek(_HEAD)[:_HEAD]
    head = sys.stdin.buffer.read(_HEAD)
    sys.stdin.buffer.seek(-len(head), os.SEEK_CUR)
    return head


def source_of(name: str) -> Path | BinaryIO:
    """Return what a sound is read from: standard input is not read beforehand."""
    return Path(name) if name != names.PIPE else sys.stdin.buffer


class _Larger(Exception):
    """The coded sound would be larger than its source, which is not wanted."""


def encode(
    job: names.Job,
    console: Console,
    wishes: dict[str, Any],
    limits: Limits,
    codebook: Codebook | None,
    save_codebook: str | None,
    skip_larger: bool,
    verify: bool,
) -> batch.Result:
    """Encode one sound."""
    from vqcodec.audio import pipeline, streaming
    from vqcodec.files import atomic_file

    if verify and job.target == names.PIPE:
        raise ParameterError("--verify needs a file: a sound in a pipe has gone when it is done")
    started = time.perf_counter()
    notes: list[str] = []
    own: Codebook | None = None
    keep: Callable[[Codebook], object] | None = None
    if save_codebook is not None:

        def keep(book: Codebook) -> None:
            nonlocal own
            own = book
            streams.write_target(str(save_codebook), book.save, book.to_bytes)

        wishes = {**wishes, "kind": "frames"}
    report: Any = None
    try:
        with contextlib.ExitStack() as stack:
            progress = stack.enter_context(console.progress(f"encoding {shown(job.source)}"))
            target: Any = _Output()
            if job.target != names.PIPE:
                target = stack.enter_context(atomic_file(streams.in_its_folder(job.target)))
            report = streaming.encode(
                source_of(job.source), target, codebook=codebook, save_codebook=keep,
                progress=progress, limits=limits, notes=notes, **wishes,
            )  # fmt: skip
            if skip_larger and report.source_bytes and report.bytes >= report.source_bytes:
                raise _Larger
            if verify:
                check = pipeline.check(target, codebook or own, [Path.cwd()], limits)
                exact = f" to the samples of check {check:08x}" if check else ", every part of it"
                notes.append(f"verified: it decodes{exact}")
    except _Larger:
        console.note(notes)
        return batch.leave(console, job, report.source_bytes, report.bytes)
    console.note(notes)
    seconds = time.perf_counter() - started
    console.result(
        {
            "input": job.source,
            "output": job.target,
            "codec": report.codec,
            "rate": report.rate,
            "channels": report.channels,
            "frames": report.frames,
            "duration": report.seconds,
            "bytes": report.bytes,
            "kbps": report.kbps,
            "ratio_file": report.source_bytes / report.bytes if report.source_bytes else None,
            "ratio_raw": report.raw_bytes / report.bytes,
            "seconds": round(seconds, 3),
            "notes": notes,
        }
    )
    before = f"{human_bytes(report.source_bytes)} -> " if report.source_bytes else ""
    console.say(
        f"{shown(job.source)} -> {shown(job.target, 'standard output')}: "
        f"{before}{human_bytes(report.bytes)}, {_length(report.seconds)}, "
        f"{report.kbps:.1f} kb/s, {report.raw_bytes / report.bytes:.1f} times smaller than raw"
    )
    return batch.Result(report.source_bytes, report.bytes)


def decode(
    job: names.Job,
    console: Console,
    suffix: str | None,
    part: tuple[int | float | None, int | float | None],
    bits: str,
    salvage: bool,
    limits: Limits,
    codebook: Codebook | None,
) -> batch.Result:
    """Decode one sound."""
    from vqcodec.audio import streaming

    notes: list[str] = []
    damaged: list[str] | None = [] if salvage else None
    piped = job.target == names.PIPE
    target: Any = _Output() if piped else streams.in_its_folder(job.target)
    with console.progress(f"decoding {shown(job.source)}") as progress:
        report = streaming.decode(
            source_of(job.source), target, start=part[0], stop=part[1], format=suffix, bits=bits,
            codebook=codebook, folders=[Path.cwd()], damaged=damaged, progress=progress,
            limits=limits, notes=notes,
        )  # fmt: skip
    console.note([*(damaged or ()), *notes])
    console.result(
        {
            "input": job.source,
            "output": job.target,
            "rate": report.rate,
            "channels": report.channels,
            "frames": report.frames,
            "duration": report.seconds,
            **({"damaged": damaged} if salvage else {}),
            "notes": notes,
        }
    )
    channels = {1: "mono", 2: "stereo"}.get(report.channels, f"{report.channels} channels")
    console.say(
        f"{shown(job.source)} -> {shown(job.target, 'standard output')}: "
        f"{_length(report.seconds)}, {report.rate} Hz, {channels}"
    )
    return batch.Result()


def _length(seconds: float) -> str:
    from vqcodec.audio.reader import clock

    return clock(seconds)
