"""Sounds: reading and writing .vqa files as soundfile reads and writes others.

>>> import numpy, vqcodec.audio
>>> tone = numpy.sin(numpy.arange(8000) / 9)
>>> data = vqcodec.audio.write(None, tone, 8000, kind="frames")
>>> samples, rate = vqcodec.audio.read(data, start=100, stop=200)
>>> samples.shape, rate
((100,), 8000)

`read`, `write`, `info` and `blocks` have the parameters that soundfile has;
`encode` and `decode` stream between files of any length in bounded memory.
Names are loaded when they are first used.
"""

from __future__ import annotations

import importlib
from typing import Any

_HOME = {
    "Reader": "vqcodec.audio.files",
    "Writer": "vqcodec.audio.files",
    "blocks": "vqcodec.audio.soundlike",
    "decode": "vqcodec.audio.streaming",
    "encode": "vqcodec.audio.streaming",
    "info": "vqcodec.audio.soundlike",
    "read": "vqcodec.audio.soundlike",
    "write": "vqcodec.audio.soundlike",
}

__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return __all__
