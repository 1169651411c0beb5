"""Exit codes, and the wrapper that makes every command end with one of them."""

from __future__ import annotations

import contextlib
import enum
import functools
import os
import sys
from collections.abc import Callable
from typing import Any

import typer

from vqcodec.errors import VQError


class Status(enum.IntEnum):
    """What the command line returns to the shell."""

    OK = 0
    ERROR = 1  # a file or a wish could not be served; one sentence on stderr says why
    USAGE = 2  # the command line itself is wrong
    BELOW = 99  # `palette`: the least quality asked for is not reached, nothing is written
    INTERRUPTED = 130  # Ctrl-C; nothing half-written is left


class OutputLost(OSError):
    """Standard output takes no more: not the fault of the file at hand, and the end of the work."""


def complain(sentence: str) -> None:
    """Print a sentence on stderr, in the program's name."""
    print(f"vqcodec: {' '.join(sentence.split())}", file=sys.stderr, flush=True)


def write_stdout(data: str | bytes) -> None:
    """Write to standard output and make sure that it has arrived.

    Raises
    ------
    BrokenPipeError
        Nobody reads any more.
    OutputLost
        It cannot be written.
    """
    try:
        if isinstance(data, str):
            sys.stdout.write(data)
            sys.stdout.flush()
        else:
            sys.stdout.buffer.write(data)
            sys.stdout.buffer.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise OutputLost(error.errno, f"cannot write standard output: {error.strerror}") from None


def describe(error: BaseException) -> str:
    """Return the one sentence that stands for an error that is no bug of ours."""
    if isinstance(error, MemoryError):
        return "there is not enough memory for this"
    if isinstance(error, OSError) and not isinstance(error, VQError):
        place = f"{error.filename}: " if error.filename else ""
        return f"{place}{error.strerror or error}"
    return str(error)


def command(function: Callable[..., Status]) -> Callable[..., None]:
    """Wrap a command: errors become a sentence and an exit code, never a traceback."""

    @functools.wraps(function)
    def run(*arguments: Any, **options: Any) -> None:
        try:
            status = function(*arguments, **options)
        except KeyboardInterrupt:
            complain("interrupted")
            status = Status.INTERRUPTED
        except BrokenPipeError:
            status = Status.ERROR
            _discard_stdout()
        except (VQError, OSError, MemoryError) as error:
            complain(describe(error))
            status = Status.ERROR
            if isinstance(error, OutputLost):
                _discard_stdout()
        raise typer.Exit(int(status))

    return run


def _discard_stdout() -> None:
    """Keep Python from flushing, and failing on, a dead standard output once more at exit."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
