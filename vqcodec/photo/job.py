"""One picture on its way into a file: prepared once, encoded at any step.

Tiles are coded by a pool of threads and taken in order, a row of them at a
time, so that memory holds no more than the picture and a few tiles.
"""

from __future__ import annotations

import warnings
import zlib
from collections.abc import Callable
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from vqcodec import container
from vqcodec.codebook import Codebook
from vqcodec.container import Chunk, Kind
from vqcodec.errors import CancelledError
from vqcodec.photo.header import SHIPPED_PREFIX, Header
from vqcodec.photo.options import Options
from vqcodec.tiling import Place, in_order

if TYPE_CHECKING:
    from vqcodec.media.large import Raster
    from vqcodec.photo.model import Tables
    from vqcodec.photo.tiles import Quantization

Progress = Callable[[float, str], "bool | None"]
SHIPPED = Path(__file__).parent.parent / "models" / "photo.vqcb"
PSNR_ORANGE, PSNR_GREEN = 12, 6  # step indices above luma's
ALPHA_FINER = 48


@cache
def shipped_codebook() -> Codebook:
    """Return the codebook that comes with the package."""
    return Codebook.load(SHIPPED)


@cache
def shipped_tables() -> Tables:
    from vqcodec.photo.model import Tables

    return Tables.of(shipped_codebook())


def tables_of(codebook: Codebook | None) -> Tables:
    from vqcodec.photo.model import Tables

    return Tables.of(codebook) if codebook is not None else shipped_tables()


def prepare(samples: np.ndarray | Raster) -> np.ndarray | Raster:
    """Return 8-bit samples; colours under full transparency become what is cheap."""
    if not isinstance(samples, np.ndarray):
        return samples  # has 8 bits and no alpha
    if samples.dtype == np.uint16:
        warnings.warn("the photo codec reduces 16-bit samples to 8 bits", stacklevel=3)
        samples = ((samples.astype(np.uint32) * 255 + 32767) // 65535).astype(np.uint8)
    if samples.shape[2] in (2, 4):
        from vqcodec.photo.transparency import fill_transparent

        samples = fill_transparent(samples)
    return samples


class Coded:
    """The tiles of an encoded image, what they decode to in brief, and how to write them."""

    def __init__(self, header: Header, external: Codebook | None) -> None:
        self.header = header
        self.external = external
        self.tiles: list[bytes] = []
        self.checksum = 0
        self.squared_error = 0

    def pack(self, metadata: list[Chunk]) -> bytes:
        """Return the file."""
        chunks = [Chunk("R", self.external.identity)] if self.external else []
        chunks += [Chunk("T", data) for data in self.tiles]
        return container.pack(Kind.PHOTO, self.header.pack(), [*chunks, *metadata], self.checksum)

    @property
    def psnr(self) -> float:
        """PSNR over all channels, in dB."""
        h = self.header
        mean = self.squared_error / (h.width * h.height * h.channels)
        return float(10 * np.log10(65025 / mean)) if mean else float("inf")


class Job:
    """One image, ready to be encoded at any step."""

    def __init__(
        self,
        samples: np.ndarray | Raster,
        options: Options,
        codebook: Codebook | None,
        progress: Progress | None,
    ) -> None:
        if codebook is not None and codebook.identity == shipped_codebook().identity:
            codebook = None
        self.samples, self.options, self.codebook = samples, options, codebook
        self.tables = tables_of(codebook)
        self.progress = progress

    @cached_property
    def activity(self) -> tuple[np.ndarray, float]:
        """Activity of all 8 x 8 blocks, and its mean."""
        from vqcodec.photo import visual

        activity = visual.block_activity(self.samples)
        return activity, float(activity.mean(dtype=np.float64))

    def run(self, step: int, dearness: float = 1.0) -> Coded:
        """Encode at a step index; `dearness` is what a bit costs, against the usual."""
        from vqcodec.photo import visual
        from vqcodec.photo.restore import squared_error

        height, width, channels = self.samples.shape
        eye = self.options.tune == "visual"
        header = Header(
            width, height, channels, self.options.tile_side(width * height), step,
            visual.ORANGE if eye else PSNR_ORANGE, visual.GREEN if eye else PSNR_GREEN,
            max(0, step - ALPHA_FINER), visual.PROFILE if eye else 0, eye, True,
            shipped_codebook().identity[:SHIPPED_PREFIX] if self.codebook is None else None,
        )  # fmt: skip
        activity, mean = self.activity
        coded = Coded(header, self.codebook)
        tiles = header.grid.places()

        def work(tile: Place) -> tuple[bytes, np.ndarray, int]:
            top, left, tall, wide = tile
            samples = self.samples[top : top + tall, left : left + wide]
            blocks = activity[top // 8 : -(-(top + tall) // 32) * 4]
            blocks = blocks[:, left // 8 : -(-(left + wide) // 32) * 4].astype(np.float64) - mean
            data, decoded = self._encode_tile(header, blocks, dearness, samples)
            rows = (a.reshape(tall, -1).astype(np.int16) for a in (samples, decoded))
            return data, decoded, int(squared_error(*rows))

        across = header.grid.across
        band: list[np.ndarray] = []
        results = in_order(work, tiles, self.options.threads)
        for number, (data, decoded, error) in enumerate(results):
            coded.tiles.append(data)
            coded.squared_error += error
            band.append(decoded)
            if len(band) == across:
                rows = np.concatenate(band, 1)
                coded.checksum = zlib.crc32(rows.data, coded.checksum)
                band = []
            if self.progress and self.progress((number + 1) / len(tiles), "encoding") is False:
                raise CancelledError("encoding was cancelled")
        return coded

    def _encode_tile(
        self, header: Header, activity: np.ndarray, dearness: float, samples: np.ndarray
    ) -> tuple[bytes, np.ndarray]:
        from vqcodec.photo import visual
        from vqcodec.photo.planes import to_planes
        from vqcodec.photo.tiles import encode_tile

        planes = to_planes(samples)
        offsets = None
        if header.offsets:
            offsets, weights = visual.adapt(activity)
        else:
            weights = visual.adapt_slightly(activity)
        data, state = encode_tile(
            planes,
            self.tables,
            quantization(header),
            self.options.effort,
            offsets,
            weights,
            dearness,
        )
        return data, samples_of(state, samples.shape[0], samples.shape[1])


def quantization(header: Header) -> Quantization:
    """Return what the tiles need of a header."""
    from vqcodec.photo.tiles import Quantization

    return Quantization(
        header.step, header.orange, header.green, header.alpha, header.profile, header.offsets,
        header.restored,
    )  # fmt: skip


def samples_of(state: Any, height: int, width: int) -> np.ndarray:
    from vqcodec.photo.planes import to_samples

    return to_samples(state.planes[:, :height, :width])
