"""The one door to numba: import this module only from modules that hold kernels.

Importing numba costs about 0.4 s, so a module that imports `vqcodec.jit` is a
kernel module and is itself imported inside the functions that need it, never
on the path of ``--help``, ``info`` or work that plain NumPy does well.

Compiled kernels are kept in the folder of `vqcodec.kernelcache`. Where there is
none, or it cannot be written, kernels compile in memory: that costs time, not
the result.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import numba
from numba import prange
from numba.core import caching

from vqcodec import kernelcache

__all__ = ["cached", "njit", "prange"]

_folder = kernelcache.folder()
cached = _folder is not None
if cached:
    setattr(numba.config, "CACHE_DIR", str(_folder))  # noqa: B010 (numba makes the name at run time)


def _save_if_possible(save: Callable[..., None]) -> Callable[..., None]:
    """Let a full disk or a quota cost time, not the result."""

    def save_overload(self: Any, sig: Any, data: Any) -> None:
        with contextlib.suppress(OSError):
            save(self, sig, data)

    return save_overload


setattr(  # noqa: B010 (a plain assignment is none for a type checker)
    caching.Cache, "save_overload", _save_if_possible(caching.Cache.save_overload)
)


def njit(function: Callable[..., Any] | None = None, **options: Any) -> Any:
    """`numba.njit` with the on-disk cache where there is one, and the GIL released."""
    options = {"cache": cached, "nogil": True, **options}
    if function is None:
        return numba.njit(**options)
    return numba.njit(**options)(function)
