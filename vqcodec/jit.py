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

import functools
import importlib
import os
import sys
import threading
from collections.abc import Callable
from typing import Any

import numpy as np

from vqcodec import machinecode

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
        return _compiling().type_of(self.made)


class Kernel(Late):
    """A function that runs as machine code, loaded or else compiled at its first call.

    It is called with positional arguments, or by other kernels, of which it becomes a part.
    Other attributes are those of the part's dispatcher.
    """

    def __init__(self, function: Callable[..., Any], options: dict[str, Any]) -> None:
        functools.update_wrapper(self, function)
        self.py_func = function
        self._options = options
        self._made: dict[str, Any] = {}
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
        dispatcher = self._compiled("whole")
        result = dispatcher(*arguments)
        self._entries[kinds] = dispatcher
        machinecode.keep(self.py_func, self._options, kinds, dispatcher, arguments)
        return result

    @property
    def made(self) -> Any:
        """What other kernels call."""
        return self._compiled("part")

    def _compiled(self, form: str) -> Any:
        """Return numba's dispatcher, of either form that `vqcodec.compiling` makes.

        The only lock taken is numba's own: compiling, it comes here again.
        """
        if form not in self._made:
            compiling = _compiling()
            with compiling.lock:
                if form not in self._made:
                    self._made[form] = getattr(compiling, form)(self.py_func, self._options)
        return self._made[form]

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
    """`numba.njit`, late, with machine code kept where it can be, and the GIL released.

    Two options are ours: `signature`, the types to compile for at once, and `hot`, for loops
    that turn out faster if they are optimized before other kernels take them in.
    """
    if function is None:
        return functools.partial(njit, **options)
    return (
        Kernel(function, options)
        if machinecode.usable()
        else _compiling().dispatcher(function, options)
    )


def _compiling() -> Any:
    return importlib.import_module("vqcodec.compiling")  # and with it numba


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
    return not machinecode.usable() and bool(_compiling().interpreted())
