"""Vector quantization: compress images, reduce palettes, train codebooks.

A vector quantizer replaces each vector of numbers by the nearest of K
codewords, and writes down which: an index of log2(K) bits in place of the
vector. What the vectors are decides what it is good for. Blocks of pixels make
an image codec, colours make a palette, frames of sound make an audio codec.
The codewords together are the codebook, and a good codebook is found by
k-means: give every vector to its nearest codeword, move every codeword to the
mean of its vectors, repeat (Lloyd 1957; Linde, Buzo and Gray 1980).

>>> import numpy, vqcodec
>>> picture = numpy.indices((32, 32)).sum(0).astype("uint8")
>>> data = vqcodec.encode(picture, block=4, codewords=8)   # bytes of a .vqi file
>>> image = vqcodec.decode(data)                           # .samples, .metadata
>>> report = vqcodec.compare(picture, data)                # distortion and ratio
>>> sorted(report)[:3]
['bpp', 'bytes', 'codewords']

`encode`, `decode`, `train`, `compare` and `info` take paths, bytes, files,
arrays and Pillow images alike. `vqcodec.cluster` is the trainer by itself.
Everything that vqcodec refuses is a `VQError`. Names are loaded when they are
first used; ``import vqcodec`` alone loads nothing heavy.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from vqcodec.version import __version__

if TYPE_CHECKING:
    from vqcodec.api import check as check
    from vqcodec.api import compare as compare
    from vqcodec.api import decode as decode
    from vqcodec.api import detach as detach
    from vqcodec.api import encode as encode
    from vqcodec.api import info as info
    from vqcodec.api import train as train
    from vqcodec.codebook import Codebook as Codebook
    from vqcodec.container import Limits as Limits
    from vqcodec.errors import VQError as VQError
    from vqcodec.media import Image as Image
    from vqcodec.palette import quantize as quantize

_HOME = {
    "check": "vqcodec.api",
    "compare": "vqcodec.api",
    "decode": "vqcodec.api",
    "detach": "vqcodec.api",
    "encode": "vqcodec.api",
    "info": "vqcodec.api",
    "train": "vqcodec.api",
    "Codebook": "vqcodec.codebook",
    "Limits": "vqcodec.container",
    "VQError": "vqcodec.errors",
    "Image": "vqcodec.media",
    "KMeans": "vqcodec.cluster",
    "MiniBatchKMeans": "vqcodec.cluster",
    "quantize": "vqcodec.palette",
}

__all__ = ["__version__", *sorted(_HOME)]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return __all__
