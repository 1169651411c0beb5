"""``vqcodec warmup``: compile kernels ahead of their first use."""

from __future__ import annotations

import enum
import io
import time
from collections.abc import Callable
from typing import Annotated, Any

import typer

from vqcodec.cli import options
from vqcodec.cli.console import Console
from vqcodec.cli.status import Status, command


class Kind(enum.StrEnum):
    PHOTO = "photo"
    PATCH = "patch"
    PALETTE = "palette"
    AUDIO = "audio"
    FRAMES = "frames"
    KMEANS = "kmeans"


@command
def warmup(
    kind: Annotated[
        list[Kind] | None, typer.Option(help="Only this one; repeatable.  [default: all]")
    ] = None,
    quiet: options.Quiet = False,
    as_json: options.AsJson = False,
) -> Status:
    """Compile the kernels ahead, so that no later run has to wait for them.

    They are kept in the user's cache folder, one for each version.
    """
    console = Console(quiet, as_json)
    from vqcodec import kernelcache

    place = kernelcache.folder()
    if place is None:
        console.note(["there is no folder to keep kernels in: every run compiles its own"])
    for one in kind or list(Kind):
        before = kernelcache.count(place) if place else 0
        started = time.perf_counter()
        with console.progress(f"compiling {one.value}"):
            _TASKS[one]()
        seconds = time.perf_counter() - started
        kernels = (kernelcache.count(place) if place else 0) - before
        console.result({"kind": one.value, "kernels": kernels, "seconds": round(seconds, 2)})
        done = f"{kernels} kernels compiled" if kernels else "all kernels are there"
        console.say(f"{one.value}: {done}, {seconds:.1f} s")
    return Status.OK


def _picture(side: int = 64) -> Any:
    """Return a picture with edges, slopes and noise, so that encoders try everything."""
    import numpy as np

    y, x = np.mgrid[0:side, 0:side]
    noise = np.random.default_rng(0).integers(0, 40, (side, side, 3))
    slopes = np.stack([2 * x, 3 * y, x + y], 2) + 90 * (x > y)[:, :, None]
    return (slopes + noise).clip(0, 255).astype(np.uint8)


def _photo() -> None:
    from vqcodec import api

    api.decode(api.encode(_picture(), kind="photo", quality=60))


def _patch() -> None:
    from vqcodec import api

    for channels in (1, 3):
        picture = _picture()[:, :, :channels].copy()
        api.decode(api.encode(picture, kind="patch", codewords=16))
        api.decode(api.encode(picture, kind="patch", quality=50))


def _palette() -> None:
    from vqcodec import api
    from vqcodec.palette import quantize
    from vqcodec.palette.codec import encode

    for dither in ("none", "floyd-steinberg", "blue-noise", "best"):
        quantize(_picture(), 16, dither=dither)
    api.decode(encode(api.load_any(_picture())))


def _sound(**wishes: Any) -> None:
    import numpy as np

    from vqcodec.audio import soundlike, streaming
    from vqcodec.media import Audio

    time = np.arange(2 * 44100) / 44100
    tone = 0.3 * np.sin(2 * np.pi * 440 * time) * np.exp(-4 * (time % 0.5))
    noise = 0.02 * np.random.default_rng(0).standard_normal(len(time))
    sound = np.stack([tone + noise, tone - noise], 1).astype(np.float32)
    file = io.BytesIO()
    streaming.encode(Audio(sound, 44100), file, **wishes)
    soundlike.read(file.getvalue())


def _kmeans() -> None:
    from vqcodec.cluster import KMeans, MiniBatchKMeans

    vectors = _picture().reshape(-1, 16).astype("float32")
    KMeans(n_clusters=8, random_state=0).fit(vectors).predict(vectors)
    MiniBatchKMeans(n_clusters=8, random_state=0).fit(vectors)


_TASKS: dict[Kind, Callable[[], None]] = {
    Kind.PHOTO: _photo,
    Kind.PATCH: _patch,
    Kind.PALETTE: _palette,
    Kind.AUDIO: lambda: _sound(kind="audio"),
    Kind.FRAMES: lambda: _sound(kind="frames"),
    Kind.KMEANS: _kmeans,
}
