"""What people and programs see: sentences and progress on stderr, results on stdout."""

from __future__ import annotations

import contextlib
import json
import math
import os
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from vqcodec.cli.names import PIPE, Job
from vqcodec.cli.status import OutputLost, Status, complain, describe, write_stdout
from vqcodec.errors import VQError
from vqcodec.files import human_bytes as human_bytes

Progress = Callable[[float, str], bool | None]
_PATIENCE = 1.0
_WATCH = 0.5  # seconds between two looks at the cache of kernels
_COMPILING = (
    "kernels are being compiled for their first use, which takes up to a minute, once; "
    "`vqcodec warmup` does it ahead"
)
_noted = False  # whether this process has said so


class Console:
    """The voice of one command.

    Parameters
    ----------
    quiet : bool
        Say nothing but errors.
    as_json : bool
        Results are for programs: one JSON object a line on stdout, and no
        report lines for people.
    """

    def __init__(self, quiet: bool = False, as_json: bool = False) -> None:
        self.quiet = quiet
        self.as_json = as_json

    def say(self, line: str) -> None:
        """Report something to people, on stderr: stdout may be carrying data."""
        if not self.quiet and not self.as_json:
            print(line, file=sys.stderr, flush=True)

    def note(self, sentences: Iterable[str]) -> None:
        """Say what the user should know although the work goes on."""
        for sentence in sentences:
            if not self.quiet:
                print(f"note: {sentence}", file=sys.stderr, flush=True)

    def result(self, values: Mapping[str, Any]) -> None:
        """Print a JSON object on stdout, if that was asked for."""
        if self.as_json:
            write_stdout(json.dumps(plain(values), ensure_ascii=False) + "\n")

    def failed(self, source: str, error: BaseException) -> None:
        """Report that one of several files failed."""
        sentence = describe(error).replace("<bytes>", shown(PIPE))
        complain(sentence if shown(source) in sentence else f"{shown(source)}: {sentence}")
        self.result({"input": source, "error": sentence})

    def rehearse(self, jobs: list[Job]) -> Status:
        """Say what would be written from what, and whether it exists already."""
        for job in jobs:
            exists = job.target != PIPE and os.path.lexists(job.target)
            self.result({"input": job.source, "output": job.target, "exists": exists})
            if not self.as_json:
                write_stdout(f"{job.source} -> {job.target}{' (exists)' if exists else ''}\n")
        return Status.OK

    @contextlib.contextmanager
    def progress(self, label: str) -> Iterator[Progress | None]:
        """Give a progress callback that draws a bar once the work takes over a second.

        Meanwhile kernels that are being compiled, which happens once, are told of.
        """
        if self.quiet:
            yield None
            return
        bar = _Bar(label) if sys.stderr.isatty() else None
        done = threading.Event()
        watch = threading.Thread(target=_watch_compiler, args=(self, bar, done), daemon=True)
        watch.start()
        try:
            yield bar.update if bar is not None else None
        finally:
            done.set()
            watch.join()
            if bar is not None:
                bar.close()

    def each(self, jobs: list[Any], work: Callable[[Any], None]) -> Status:
        """Do the work for every job, going on after failures, and count these at the end."""
        failures = 0
        for job in jobs:
            try:
                work(job)
            except (BrokenPipeError, OutputLost):
                raise
            except (VQError, OSError, MemoryError) as error:
                failures += 1
                self.failed(getattr(job, "source", str(job)), error)
        if failures and len(jobs) > 1:
            complain(f"{failures} of {len(jobs)} inputs failed")
        return Status.ERROR if failures else Status.OK


def _watch_compiler(console: Console, bar: _Bar | None, done: threading.Event) -> None:
    """Notice kernels that appear in the cache; say so once, and count them beside the bar."""
    global _noted
    if done.wait(_WATCH):
        return
    from vqcodec import kernelcache

    place = kernelcache.folder()
    if place is None:
        return
    before = kernelcache.count(place)
    while not done.wait(_WATCH):
        new = kernelcache.count(place) - before
        if new and not _noted:
            _noted = True
            console.note([_COMPILING])
        if new and bar is not None:
            bar.compiling(new)


class _Bar:
    """A progress bar on stderr that appears when the first second has passed."""

    def __init__(self, label: str) -> None:
        self.label = label
        self.started = time.monotonic()
        self.bar: Any = None

    def update(self, fraction: float, message: str = "") -> bool | None:
        if self.bar is None:
            if time.monotonic() - self.started < _PATIENCE:
                return None
            self._open()
        text = f"{self.label}: {message}" if message else self.label
        self.bar.update(self.task, completed=fraction, description=text)
        return None

    def compiling(self, kernels: int) -> None:
        """Say how many kernels have been compiled so far, until the work itself reports."""
        if self.bar is None:
            self._open()
        text = f"{self.label}: compiling, {kernels} kernels so far"
        self.bar.update(self.task, description=text)

    def _open(self) -> None:
        from rich.console import Console as Screen
        from rich.progress import (
            BarColumn,
            Progress,
            TaskProgressColumn,
            TextColumn,
            TimeRemainingColumn,
        )

        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TaskProgressColumn(),
            TimeRemainingColumn(),
        )
        self.bar = Progress(*columns, console=Screen(stderr=True), transient=True)
        self.task = self.bar.add_task(self.label, total=1.0)
        self.bar.start()

    def close(self) -> None:
        if self.bar is not None:
            self.bar.stop()


def shown(path: str, pipe: str = "standard input") -> str:
    """Return how a source or target is called in messages."""
    return pipe if path == PIPE else path


def decibels(value: float | None) -> str:
    """Return a ratio in decibels as people read it."""
    return "lossless" if value is None or math.isinf(value) else f"{value:.2f} dB"


def plain(value: Any) -> Any:
    """Return a value as valid JSON has it: no NumPy, no bytes, no infinity (null instead)."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, bytes):
        return value.hex()
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if value is None or isinstance(value, str | int | float):
        return value
    return str(value)
