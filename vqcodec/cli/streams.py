"""Reading sources and writing targets, each a path or a pipe."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from vqcodec.cli.console import shown
from vqcodec.cli.names import PIPE
from vqcodec.cli.status import write_stdout
from vqcodec.errors import MediaError, ParameterError


def read_source(source: str) -> Path | bytes:
    """Return what the library reads from: the path, or the bytes of standard input."""
    if source != PIPE:
        return Path(source)
    if sys.stdin.isatty():
        raise ParameterError("standard input is a terminal; name a file, or pipe one in")
    return sys.stdin.buffer.read()


def image_source(source: str) -> Path | BinaryIO:
    """Return what an image is loaded from; standard input as a file that knows its name."""
    found = read_source(source)
    if isinstance(found, Path):
        return found
    file = io.BytesIO(found)
    file.name = shown(source)
    return file


def refuse_existing(target: str, force: bool) -> None:
    """Refuse to overwrite, unless forced; done before the work, so that it is not in vain."""
    if target != PIPE and not force and os.path.lexists(target) and not os.path.isdir(target):
        raise MediaError(f"{target} exists; --force overwrites it")
    if target == PIPE and sys.stdout.isatty():
        raise ParameterError("will not write a binary file to the terminal; name one with -o")


def write_target(target: str, write: Callable[[Path], object], data: Callable[[], bytes]) -> None:
    """Write to a path by `write`, making its folders, or `data()` to standard output."""
    if target == PIPE:
        write_stdout(data())
        return
    write(in_its_folder(target))


def in_its_folder(target: str) -> Path:
    """Return the path of a target whose folder exists, made if need be."""
    path = Path(target)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise MediaError(f"cannot make the folder {path.parent}: {error.strerror}") from None
    return path
