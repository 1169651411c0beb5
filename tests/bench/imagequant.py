"""libimagequant in this process, for timing without start-up: a minimal ctypes binding.

Only what the palette benchmark needs; on Debian the library comes with pngquant.
"""

from __future__ import annotations

import ctypes
import ctypes.util

import numpy as np

_NAMES = ("libimagequant.so.0", "libimagequant.so", "libimagequant.dylib", "imagequant.dll")


class _Color(ctypes.Structure):
    _fields_ = [(name, ctypes.c_ubyte) for name in "rgba"]


class _Palette(ctypes.Structure):
    _fields_ = [("count", ctypes.c_uint), ("entries", _Color * 256)]


def _load() -> ctypes.CDLL | None:
    for name in (*_NAMES, ctypes.util.find_library("imagequant")):
        try:
            library = ctypes.CDLL(name) if name else None
        except OSError:
            continue
        if library is None:
            continue
        handle, integer = ctypes.c_void_p, ctypes.c_int
        signatures = {
            "liq_attr_create": ([], handle),
            "liq_attr_destroy": ([handle], None),
            "liq_set_max_colors": ([handle, integer], integer),
            "liq_set_speed": ([handle, integer], integer),
            "liq_image_create_rgba": (
                [handle, handle, integer, integer, ctypes.c_double],
                handle,
            ),
            "liq_image_destroy": ([handle], None),
            "liq_image_quantize": ([handle, handle, ctypes.POINTER(handle)], integer),
            "liq_set_dithering_level": ([handle, ctypes.c_float], integer),
            "liq_write_remapped_image": (
                [handle, handle, handle, ctypes.c_size_t],
                integer,
            ),
            "liq_get_palette": ([handle], ctypes.POINTER(_Palette)),
            "liq_result_destroy": ([handle], None),
        }
        for function, (arguments, result) in signatures.items():
            getattr(library, function).argtypes = arguments
            getattr(library, function).restype = result
        return library
    return None


_LIBRARY = _load()
AVAILABLE = _LIBRARY is not None


def quantize(
    rgba: np.ndarray, colors: int, speed: int = 4, dither: float = 1.0
) -> tuple[np.ndarray, np.ndarray]:
    """Return the palette (k, 4) and the indices (height, width) that libimagequant makes."""
    if _LIBRARY is None:
        raise RuntimeError("libimagequant is not installed")
    height, width, _ = rgba.shape
    rgba = np.ascontiguousarray(rgba)
    indices = np.empty((height, width), np.uint8)
    attributes = _LIBRARY.liq_attr_create()
    _LIBRARY.liq_set_max_colors(attributes, colors)
    _LIBRARY.liq_set_speed(attributes, speed)
    image = _LIBRARY.liq_image_create_rgba(attributes, rgba.ctypes.data, width, height, 0.0)
    result = ctypes.c_void_p()
    if _LIBRARY.liq_image_quantize(image, attributes, ctypes.byref(result)):
        raise RuntimeError("libimagequant failed")
    _LIBRARY.liq_set_dithering_level(result, dither)
    _LIBRARY.liq_write_remapped_image(result, image, indices.ctypes.data, indices.size)
    entries = _LIBRARY.liq_get_palette(result).contents
    palette = (
        np.frombuffer(bytes(entries.entries), np.uint8).reshape(256, 4)[: entries.count].copy()
    )
    _LIBRARY.liq_result_destroy(result)
    _LIBRARY.liq_image_destroy(image)
    _LIBRARY.liq_attr_destroy(attributes)
    return palette, indices
