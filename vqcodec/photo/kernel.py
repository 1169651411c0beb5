"""How the photo codec compiles its inner functions.

An inner function neither allocates nor keeps arrays, so it needs no reference
counts; numba would otherwise spend a quarter of the time on counting. Where a
signature is given the function is compiled once, for those types.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from vqcodec.jit import njit


def kernel(signature: str | Callable[..., Any] | None = None, **more: Any) -> Any:
    """Decorate an inner function, with its signature or without; options are those of `njit`."""
    options: dict[str, Any] = {"_nrt": False, **more}
    if signature is None:
        return njit(**options)
    if callable(signature):
        return njit(**options)(signature)
    return njit(signature=signature, **options)


def again(function: Any) -> Any:
    """Compile another module's function as an inner function of ours."""
    return kernel(getattr(function, "py_func", function))
