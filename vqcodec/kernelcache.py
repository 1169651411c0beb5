"""Where compiled kernels are kept between runs, and what makes them stale; without numba.

A kernel contains the functions that it calls and the constants of the modules
that those come from. So it is as old as the youngest of all modules that its own
imports, directly or not. (numba looks only at the file a kernel is written in.)
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import re
import sys
import tempfile
from pathlib import Path

from vqcodec.version import __version__

VARIABLE = "NUMBA_CACHE_DIR"


def place() -> Path | None:
    """Return the folder of the compiled kernels, which need not exist; None if there is no home."""
    if os.environ.get(VARIABLE):
        return Path(os.environ[VARIABLE])
    with contextlib.suppress(OSError, RuntimeError):
        return _user_cache() / "vqcodec" / __version__
    return None


def folder() -> Path | None:
    """Return the folder of the compiled kernels, made if need be; None if none is writable."""
    chosen = place()
    if chosen is None or os.environ.get(VARIABLE):
        return chosen
    try:
        chosen.mkdir(mode=0o755, parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=chosen):
            return chosen
    except OSError:
        return None


def count(place: Path) -> int:
    """Return how many compiled kernels a folder holds."""
    return sum(1 for _ in place.rglob("*.nbc"))


def _user_cache() -> Path:
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")


_PACKAGE = Path(__file__).parent
_LATE = re.compile(r"Late\(\"(vqcodec[\w.]*)\"")  # a module that a kernel needs when it is compiled
_IMPORT = re.compile(r"^from (vqcodec[\w.]*) import (\([^)]*\)|[^\n]*)", re.MULTILINE)


@functools.cache
def sources(module: str) -> str:
    """Return a digest of a module of this package and of all that it imports from the package."""
    seen: set[str] = set()
    found = {module}
    while found - seen:
        name = min(found - seen)
        seen.add(name)
        found |= _source(name)[1]
    return hashlib.sha256("".join(_source(name)[0] for name in sorted(seen)).encode()).hexdigest()


@functools.cache
def _source(module: str) -> tuple[str, set[str]]:
    """Return the digest of one module's text, and the modules that it imports."""
    text = _file(module).read_bytes()
    imported = set(_LATE.findall(text.decode()))
    for package, names in _IMPORT.findall(text.decode()):
        imported.add(package)
        imported |= {f"{package}.{name}" for name in re.findall(r"\w+", names)}
    return hashlib.sha256(text).hexdigest(), {name for name in imported if _file(name).is_file()}


def _file(module: str) -> Path:
    path = _PACKAGE.joinpath(*module.split(".")[1:])
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
