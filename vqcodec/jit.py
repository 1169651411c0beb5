"""The one door to numba: import this module only from modules that hold kernels.

Importing numba costs about 0.4 s, so a module that imports `vqcodec.jit` is a
kernel module and is itself imported inside the functions that need it, never
on the path of ``--help``, ``info`` or work that plain NumPy does well.

Compiled kernels are cached on disk. numba checks only the file a kernel is
written in, not the files of the functions that it calls, so the cache folder
carries a fingerprint of the whole package: an upgrade or an edit starts a
fresh one. Where no folder is writable, kernels compile in memory.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba
from numba import prange

from vqcodec.version import __version__

__all__ = ["cached", "njit", "prange"]


def _user_cache() -> Path:
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")


def _fingerprint() -> str:
    package = Path(__file__).parent
    digest = hashlib.sha256(numba.__version__.encode())
    for source in sorted(package.rglob("*.py")):
        status = source.stat()
        digest.update(
            f"{source.relative_to(package)} {status.st_size} {status.st_mtime_ns}".encode()
        )
    return digest.hexdigest()[:12]


def _cache_folder() -> str | None:
    """Return a writable folder for compiled kernels, or None."""
    try:
        folder = _user_cache() / "vqcodec" / f"{__version__}-{_fingerprint()}"
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return str(folder)
    except (OSError, RuntimeError):  # RuntimeError: no home directory
        return None


if not numba.config.CACHE_DIR:
    numba.config.CACHE_DIR = _cache_folder() or ""
cached = bool(numba.config.CACHE_DIR)


def _quiet_cache() -> None:
    """Let a cache that cannot be written (full disk, quota) cost time, not the result."""
    from numba.core import caching

    save = caching.Cache.save_overload

    def save_overload(self: Any, sig: Any, data: Any) -> None:
        with contextlib.suppress(OSError):
            save(self, sig, data)

    caching.Cache.save_overload = save_overload


if cached:
    _quiet_cache()


def njit(function: Callable[..., Any] | None = None, **options: Any) -> Any:
    """`numba.njit` with the on-disk cache where there is one, and the GIL released."""
    options = {"cache": cached, "nogil": True, **options}
    if function is None:
        return numba.njit(**options)
    return numba.njit(**options)(function)
