"""Many files, one after the other or over processes, and one line that says what became of them.

A command hands over its jobs (`names.plan`) and its work, a picklable callable
that does one job and speaks through the console that it is given. Over
processes, every worker speaks into a recorder, and this process plays the
recordings back in the order of the jobs: what is printed does not depend on
how many processes there are. A worker that dies takes its file with it and
nothing else.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from vqcodec.cli import options
from vqcodec.cli.console import Console, Progress, human_bytes, shown
from vqcodec.cli.names import PIPE, Job
from vqcodec.cli.status import OutputLost, Status, complain, describe
from vqcodec.errors import TargetError, VQError

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

_PATIENCE = 10.0  # seconds that a worker has to clean up when it is told to stop


@dataclass(frozen=True)
class Result:
    """What a piece of work returns.

    Attributes
    ----------
    before, after : int or None
        Bytes of the input and of the output, where they are known.
    larger : bool
        Nothing was written, since it would have been larger than its input.
    """

    before: int | None = None
    after: int | None = None
    larger: bool = False


Work = Callable[[Job, Console], Result]


@dataclass(frozen=True)
class _Answer:
    """What became of one job: a result, or the sentence of an error; and what was said."""

    result: Result | None
    error: str | None = None
    said: tuple[tuple[str, tuple[Any, ...]], ...] = ()
    unreached: bool = False  # the error is that a target cannot be reached


def run(
    console: Console,
    jobs: list[Job],
    work: Work,
    *,
    processes: int = 1,
    resume: bool = False,
    depends: Collection[str | None] = (),
    unreached: Status = Status.ERROR,
) -> Status:
    """Do the work for every job, going on after failures, and say at the end what became of all.

    Parameters
    ----------
    console : Console
    jobs : list of Job
    work : callable
        Called with a job and a console; raises what `status.describe` explains.
    processes : int
        How many jobs to do at a time, each in a process of its own.
    resume : bool
        Leave out the jobs whose output is there and not older than its input.
    depends : collection of paths
        Files besides the input on which every output depends, such as a codebook.
    unreached : Status
        What to return if jobs failed only because a target cannot be reached.

    Returns
    -------
    Status
        `ERROR` (or `unreached`) if any job failed, `INTERRUPTED` if Ctrl-C ended it.
    """
    tally = _Tally(len(jobs))
    current = {job for job in jobs if resume and is_current(job, depends)}
    todo = [job for job in jobs if job not in current]
    processes = min(processes, len(todo))
    alone = processes < 2 or any(PIPE in (job.source, job.target) for job in todo)
    answers = _here(todo, work, console) if alone else _elsewhere(todo, work, console, processes)
    try:
        with contextlib.closing(answers), _overall(console, tally, alone) as step:
            for job in jobs:
                if job in current:
                    tally.current += 1
                    values = {"input": job.source, "output": job.target, "skipped": "up to date"}
                    console.result(values)
                    continue
                answer = next(answers)
                for method, arguments in answer.said:
                    getattr(console, method)(*arguments)
                if answer.error is not None:
                    console.failed(job.source, VQError(answer.error))
                tally.add(answer)
                step()
    except KeyboardInterrupt:
        if len(jobs) == 1:
            raise
        hint = "" if resume else "; --resume goes on from there"
        complain(f"interrupted: {tally.sentence()}{hint}")
        return Status.INTERRUPTED
    if tally.failed and len(jobs) > 1:
        complain(tally.sentence())
    elif len(jobs) > 1 or tally.current:
        console.say(tally.sentence())
    if tally.failed:
        return unreached if tally.failed == tally.unreached else Status.ERROR
    return Status.OK


def leave(console: Console, job: Job, before: int, after: int) -> Result:
    """Say that nothing was written, as it would be larger than its input; that is no failure."""
    console.result({"input": job.source, "output": None, "skipped": "larger", "bytes": after})
    sizes = f"{human_bytes(before)} -> {human_bytes(after)}"
    console.say(f"{shown(job.source)}: {sizes} would be larger, nothing written")
    return Result(before, after, larger=True)


def is_current(job: Job, depends: Iterable[str | None] = ()) -> bool:
    """Return whether an output is there and no older than all that it is made from.

    Outputs appear whole or not at all, so one that is there is whole.
    """
    try:
        made = os.stat(job.target).st_mtime_ns
        origins = [job.source, *(path for path in depends if path is not None)]
        return all(os.stat(path).st_mtime_ns <= made for path in origins)
    except OSError:
        return False


@dataclass
class _Tally:
    """How many jobs ended how."""

    total: int
    written: int = 0
    current: int = 0
    larger: int = 0
    failed: int = 0
    unreached: int = 0
    before: int = 0
    after: int = 0

    def add(self, answer: _Answer) -> None:
        if answer.result is None:
            self.failed += 1
            self.unreached += answer.unreached
        elif answer.result.larger:
            self.larger += 1
        else:
            self.written += 1
            if answer.result.before and answer.result.after:
                self.before += answer.result.before
                self.after += answer.result.after

    @property
    def done(self) -> int:
        return self.written + self.current + self.larger + self.failed

    def sentence(self) -> str:
        """Return the line that accounts for every input."""
        parts = [f"{self.written} written"]
        if self.before:
            parts[0] += f" ({human_bytes(self.before)} -> {human_bytes(self.after)})"
        if self.current:
            parts.append(f"{self.current} up to date")
        if self.larger:
            parts.append(f"{self.larger} left as they would be larger")
        if self.total > self.done:
            parts.append(f"{self.total - self.done} not done")
        inputs = "1 input" if self.total == 1 else f"{self.total} inputs"
        if self.failed:
            return f"{self.failed} of {inputs} failed; {', '.join(parts)}"
        return f"{inputs}: {', '.join(parts)}"


@contextlib.contextmanager
def _overall(console: Console, tally: _Tally, alone: bool) -> Iterator[Callable[[], None]]:
    """Show how many jobs are done, where no job shows a progress bar of its own."""
    if alone:
        yield lambda: None
        return
    with console.progress("working") as progress:

        def step() -> None:
            if progress is not None:
                progress(tally.done / tally.total, f"{tally.done} of {tally.total}")

        step()
        yield step


def _attempt(job: Job, work: Work, console: Console) -> _Answer:
    """Do one job; what is no bug of ours becomes a sentence."""
    try:
        return _Answer(work(job, console))
    except (BrokenPipeError, OutputLost):
        raise
    except (VQError, OSError, MemoryError) as error:
        return _Answer(None, describe(error), unreached=isinstance(error, TargetError))


def _here(jobs: list[Job], work: Work, console: Console) -> Generator[_Answer, None, None]:
    for job in jobs:
        yield _attempt(job, work, console)


# --- over processes -----------------------------------------------------------


class _Recorder(Console):
    """A console that keeps what is said, for another process to say it."""

    def __init__(self, quiet: bool, as_json: bool) -> None:
        super().__init__(quiet, as_json)
        self.said: list[tuple[str, tuple[Any, ...]]] = []

    def say(self, line: str) -> None:
        self.said.append(("say", (line,)))

    def note(self, sentences: Iterable[str]) -> None:
        self.said.append(("note", (list(sentences),)))

    def result(self, values: Mapping[str, Any]) -> None:
        self.said.append(("result", (dict(values),)))

    @contextlib.contextmanager
    def progress(self, label: str) -> Iterator[Progress | None]:
        yield None


class _Worker:
    """A process that does one job after the other, and the line to it."""

    def __init__(self, work: Work, console: Console) -> None:
        import multiprocessing

        # `spawn` works alike on all systems and does not copy threads half alive.
        context = multiprocessing.get_context("spawn")
        self.line, theirs = context.Pipe()
        arguments = (theirs, work, console.quiet, console.as_json)
        self.process = context.Process(target=_serve, args=arguments)
        self.process.start()
        theirs.close()
        self.number: int | None = None

    def give(self, number: int, job: Job) -> None:
        self.number = number
        with contextlib.suppress(OSError):  # it is dead, which `answer` will notice
            self.line.send(job)

    def answer(self) -> _Answer:
        """Return the answer that is waiting; an error if the process has died."""
        self.number = None
        try:
            answer: _Answer = self.line.recv()
            return answer
        except (EOFError, OSError):
            self.process.join(_PATIENCE)
            code = self.process.exitcode or 0
            how = f"by signal {-code}" if code < 0 else f"with status {code}"
            return _Answer(None, f"the process that worked on it ended {how}")

    def stop(self) -> None:
        self.process.terminate()
        self.line.close()

    def bury(self) -> None:
        self.process.join(_PATIENCE)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()


@contextlib.contextmanager
def _childhood(processes: int) -> Iterator[None]:
    """Give processes started inside their share of the threads, and keep Ctrl-C from them.

    Both are inherited: the environment, and the signals that are blocked.
    """
    signals = {signal.SIGINT} if hasattr(signal, "pthread_sigmask") else set()
    shares = options.thread_shares(processes)
    os.environ.update(shares)
    if signals:
        signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    try:
        yield
    finally:
        for name in shares:
            del os.environ[name]
        if signals:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, signals)


def _serve(line: Connection, work: Work, quiet: bool, as_json: bool) -> None:
    """Do jobs until there are none; the body of a worker."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which then stops us
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    with contextlib.suppress(EOFError, OSError):
        while True:
            job = line.recv()
            recorder = _Recorder(quiet, as_json)
            answer = _attempt(job, work, recorder)
            line.send(replace(answer, said=tuple(recorder.said)))


def _elsewhere(
    jobs: list[Job], work: Work, console: Console, processes: int
) -> Generator[_Answer, None, None]:
    """Yield what became of each job, in their order, working on several at a time."""
    from multiprocessing.connection import wait

    workers: list[_Worker] = []
    answers: dict[int, _Answer] = {}
    given = due = 0
    try:
        while due < len(jobs):
            workers = [w for w in workers if w.number is not None or w.process.is_alive()]
            while len(workers) < min(processes, len(jobs) - due):
                with _childhood(processes):
                    workers.append(_Worker(work, console))
            for worker in workers:
                if worker.number is None and given < len(jobs):
                    worker.give(given, jobs[given])
                    given += 1
            busy = {worker.line: worker for worker in workers if worker.number is not None}
            for line in wait(list(busy)):
                worker = busy[line]  # type: ignore[index]
                number = worker.number
                assert number is not None
                answers[number] = worker.answer()
            while due in answers:
                yield answers.pop(due)
                due += 1
    finally:
        for worker in workers:
            worker.stop()
        for worker in workers:
            worker.bury()
