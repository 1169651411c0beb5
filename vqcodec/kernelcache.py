"""Where compiled kernels are kept between runs; known without loading numba.

numba checks only the file a kernel is written in, not the files of the
functions that it calls, so the folder carries a fingerprint of the whole
package: an upgrade or an edit starts a fresh one.
"""

from __future__ import annotations

import hashlib
import os
import sys
import tempfile
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from vqcodec.version import __version__

VARIABLE = "NUMBA_CACHE_DIR"


def folder() -> Path | None:
    """Return the folder of the compiled kernels, made if need be; None if none is writable."""
    if os.environ.get(VARIABLE):
        return Path(os.environ[VARIABLE])
    try:
        place = _user_cache() / "vqcodec" / f"{__version__}-{_fingerprint()}"
        place.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=place):
            return place
    except (OSError, RuntimeError):  # RuntimeError: no home directory
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


def _fingerprint() -> str:
    package = Path(__file__).parent
    try:
        compiler = version("numba")
    except PackageNotFoundError:
        compiler = ""
    digest = hashlib.sha256(compiler.encode())
    for source in sorted(package.rglob("*.py")):
        status = source.stat()
        line = f"{source.relative_to(package)} {status.st_size} {status.st_mtime_ns}"
        digest.update(line.encode())
    return digest.hexdigest()[:12]
