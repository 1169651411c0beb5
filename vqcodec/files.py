"""Whole files or none: atomic writing, and the checks that come before it."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from vqcodec.errors import MediaError


@contextlib.contextmanager
def atomic_file(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """Open a temporary sibling of `path` for writing; rename it onto `path` at a clean exit.

    The data reach the disk before the rename, and the rename before the return,
    so that a crash leaves either the old file or the whole new one. On any
    exception, an interrupt included, the temporary file is removed and `path`
    stays untouched. A killed process leaves at most the temporary file, whose
    name begins with a dot and ends in ``.tmp``: nothing reads such files.

    Raises
    ------
    MediaError
        The folder cannot be written, the disk is full, or `path` is a folder.
    """
    target = Path(path)
    if target.is_dir():
        raise MediaError(f"cannot write {target}: it is a folder")
    temporary = target.with_name(f".{target.name[:100]}.{os.urandom(4).hex()}.tmp")
    mode = target.stat().st_mode & 0o777 if target.exists() else 0o666 & ~_umask()
    try:
        with temporary.open("x+b") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(mode)
        temporary.replace(target)
        _sync_folder(target.parent)
    except OSError as error:
        raise MediaError(f"cannot write {target}: {error.strerror or error}") from None
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()


def write_atomically(
    path: str | os.PathLike[str], data: bytes, verify: Callable[[bytes], object] | None = None
) -> None:
    """Write `data` to `path`, whole or not at all.

    `verify` gets the bytes as they are read back from the disk; if it raises,
    `path` stays untouched.
    """
    with atomic_file(path) as file:
        file.write(data)
        if verify is not None:
            file.flush()
            os.fsync(file.fileno())
            verify(Path(file.name).read_bytes())


def _sync_folder(folder: Path) -> None:
    """Bring a rename to the disk, where the system can open folders for that."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _umask() -> int:
    mask = os.umask(0o022)
    os.umask(mask)
    return mask


def human_bytes(count: float) -> str:
    """Return a size as people read it: 999 B, 12.3 kB, 4.5 MB."""
    if count < 1000:
        return f"{count:.0f} B"
    for unit in ("kB", "MB", "GB", "TB"):
        count /= 1000
        if count < 999.5 or unit == "TB":
            break
    digits = 2 if count < 9.995 else 1 if count < 99.95 else 0
    return f"{count:.{digits}f} {unit}"
