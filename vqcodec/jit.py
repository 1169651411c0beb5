"""The one door to numba: import this module only from modules that hold kernels.

A kernel is a plain function until it is called. Then its machine code is looked
up among those that earlier processes left (`vqcodec.machinecode`), and only where
there is none is numba imported, which costs half a second, and the kernel
compiled, which costs seconds, once. So importing a module of kernels is cheap,
and a command compiles, or loads, the kernels that it calls and no others.

numba keeps what it compiled in the same folder, `vqcodec.kernelcache`. Where there
is none, or it cannot be written, kernels compile in memory: that costs time, not
the result. Where the user has configured numba (bounds checks, no compilation,
another target) numba does everything.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import os
import sys
import threading
from collections.abc import Callable
from typing import Any

import numpy as np

from vqcodec import kernelcache, machinecode

__all__ = ["Late", "interpreted", "njit", "threads"]

_loading = threading.Lock()


class Late:
    """Stands for an object of a module that needs numba, until numba asks for it.

    Kernels may call it as they would call the object itself.
    """

    def __init__(self, module: str, name: str) -> None:
        self._module, self._name = module, name

    @property
    def made(self) -> Any:
        """The object."""
        return getattr(importlib.import_module(self._module), self._name)

    @property
    def _numba_type_(self) -> Any:  # numba's protocol for the type of a value
        from numba.core.registry import cpu_target

        made = self.made
        cpu_target.typing_context.refresh()  # numba learns of it in the midst of compiling
        cpu_target.target_context.refresh()
        return cpu_target.typing_context.resolve_value_type(made)


class Kernel(Late):
    """A function that runs as machine code, loaded or else compiled at its first call.

    It is called with positional arguments. Other attributes are those of numba's
    dispatcher.
    """

    def __init__(self, function: Callable[..., Any], options: dict[str, Any]) -> None:
        functools.update_wrapper(self, function)
        self.py_func = function
        self._options = options
        self._made: Any = None
        self._entries: dict[Any, Callable[..., Any]] = {}

    def __call__(self, *arguments: Any) -> Any:
        kinds = tuple(map(_kind, arguments))
        entry = self._entries.get(kinds)
        if entry is None:
            with _loading:
                entry = self._entries.get(kinds)
                if entry is None:
                    entry = machinecode.load(self.py_func, self._options, kinds)
                    if entry is not None:
                        self._entries[kinds] = entry
        if entry is not None:
            return entry(*arguments)
        result = self.made(*arguments)
        self._entries[kinds] = self.made
        machinecode.keep(self.py_func, self._options, kinds, self.made, arguments)
        return result

    @property
    def made(self) -> Any:
        """The dispatcher. The only lock taken is numba's own: compiling, it comes here again."""
        if self._made is None:
            numba, _ = _numba()
            with numba.core.compiler_lock.global_compiler_lock:
                if self._made is None:
                    self._made = _compiler(self.py_func, self._options)
        return self._made

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(self.made, name)


def _kind(value: Any) -> Any:
    """Return what machine code depends on: the type, of arrays also dtype, dimensions and layout.

    The layout is contiguous in C's or in Fortran's order, aligned, writable: flags 1, 2, 256, 1024.
    """
    if type(value) is np.ndarray:
        dtype = value.dtype
        return dtype.num if dtype.isnative else -1, value.ndim, value.flags.num & 0x503
    if type(value) is tuple:
        return tuple(map(_kind, value))
    return type(value)


def njit(function: Callable[..., Any] | None = None, **options: Any) -> Any:
    """`numba.njit`, late, with machine code kept where it can be, and the GIL released."""
    if function is None:
        return functools.partial(njit, **options)
    return (Kernel if machinecode.usable() else _compiler)(function, options)


def _compiler(function: Callable[..., Any], options: dict[str, Any]) -> Any:
    """Return numba's dispatcher of a function; it compiles, or loads from numba's cache."""
    numba, cached = _numba()
    options = {"nogil": True, "no_cfunc_wrapper": True, **options}
    signature = options.pop("signature", None)
    dispatcher = numba.njit(**options)(function)
    if hasattr(dispatcher, "enable_caching"):  # else numba is disabled
        if cached:
            dispatcher.enable_caching()
            if function.__module__.startswith("vqcodec."):
                stamp = kernelcache.sources(function.__module__), np.__version__
                dispatcher._cache._cache_file._source_stamp = stamp
        _forget_literals(dispatcher)
        if signature is not None:
            arguments, result = numba.core.sigutils.normalize_signature(signature)
            dispatcher.compile(result(*arguments))
            dispatcher.disable_compile()
    return dispatcher


def _forget_literals(dispatcher: Any) -> None:
    """Have a kernel that others call with 0, 1 and x compiled once, not for each number."""
    from numba.core.types import unliteral

    template = dispatcher.get_call_template

    def of_types(arguments: Any, named: Any) -> Any:
        return template(
            tuple(map(unliteral, arguments)), {k: unliteral(v) for k, v in named.items()}
        )

    dispatcher.get_call_template = of_types


@functools.cache
def _numba() -> tuple[Any, bool]:
    """Import numba and tell it where to keep kernels; return it, and whether there is a place."""
    import numba
    from numba.core import caching, compiler_lock, sigutils  # noqa: F401

    folder = kernelcache.folder()
    if folder is not None:
        setattr(numba.config, "CACHE_DIR", str(folder))  # noqa: B010 (made at run time)
    save = caching.Cache.save_overload

    def save_if_possible(self: Any, sig: Any, data: Any) -> None:
        """Let a full disk or a quota cost time, not the result."""
        with contextlib.suppress(OSError):
            save(self, sig, data)

    setattr(caching.Cache, "save_overload", save_if_possible)  # noqa: B010 (as above)
    return numba, folder is not None


def threads() -> int:
    """Return how many threads numba would use: all cores, NUMBA_NUM_THREADS or what it was told."""
    told = getattr(sys.modules.get("numba"), "get_num_threads", None)
    if told is not None:
        return int(told())
    if hasattr(os, "sched_getaffinity"):
        cores = len(os.sched_getaffinity(0))
    else:
        cores = os.cpu_count() or 1
    return int(os.environ.get("NUMBA_NUM_THREADS") or cores)


def interpreted() -> bool:
    """Return whether kernels run as plain Python (NUMBA_DISABLE_JIT)."""
    return not machinecode.usable() and bool(_numba()[0].config.DISABLE_JIT)
