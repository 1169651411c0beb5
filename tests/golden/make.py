"""Frozen files: what is coded in them, and how they are made anew.

    python -m tests.golden.make            say what differs
    python -m tests.golden.make --write    accept it, deliberately

The bytes that the encoders write, and the samples that the decoders return, are
part of the format (docs/format.md). A decoder must go on reading every file of
this folder; bytes may change only with a note in the list of changes, samples
only with a new version of the format. `digests.json` holds the SHA-256 of each
file and of its decoded samples.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np

import vqcodec
from vqcodec.codebook import Codebook
from vqcodec.container import open_container
from vqcodec.media import Audio, Image
from vqcodec.metadata import Metadata

FOLDER = Path(__file__).parent
# Decoders of these agree to one step of 16 bits, not to the last bit of their floats.
INEXACT = ("audio", "speech")
DIGESTS = FOLDER / "digests.json"


def scene(height: int, width: int, channels: int = 3, bits: int = 8) -> np.ndarray:
    """A picture from integer arithmetic alone: shades, an edge, a texture, some noise."""
    y, x = np.mgrid[:height, :width]
    planes = []
    for c in range(channels):
        shade = (3 * x + (5 + 2 * c) * y + (x * y >> 4)) % 320
        shade = np.minimum(shade, 320 - shade)
        texture = ((x * (7 + c) ^ y * 11) & 15) * (y > height // 2)
        noise = ((x * 2654435761 + y * 40503 + c * 97) >> 7) % 5
        planes.append(shade + 60 * (2 * x > 3 * y) + texture + noise)
    samples = np.clip(np.stack(planes, 2), 0, 255)
    if channels in (2, 4):
        samples[..., -1] = np.where(x + y < (height + width) // 3, 255, 8 * (x & 31))
    return samples.astype(np.uint8) if bits == 8 else (samples * 257 - y[..., None]).astype("u2")


METADATA = Metadata(icc=b"icc" * 9, exif=b"Exif\0\0MM\0*", xmp=b"<x/>", text={"Title": "Ä"})


def patch(samples: np.ndarray | Image, **options: object) -> Callable[[], bytes]:
    options = {"codewords": 16, "block": 4, **options}
    return lambda: vqcodec.encode(samples, kind="patch", **options)  # type: ignore[arg-type]


def palette(
    height: int,
    width: int,
    colors: int,
    alpha: bool = False,
    metadata: Metadata | None = None,
    tile: int = 1024,
) -> Callable[[], bytes]:
    """An indexed image as it is: how palettes are found is no matter of the format."""
    from vqcodec.palette import codec
    from vqcodec.palette.indexed import IndexedImage
    from vqcodec.palette.value import Palette

    entries = scene(1, colors, 4)[0]
    entries[:, 3] = entries[:, 3] if alpha else 255
    indices = (scene(height, width, 1)[..., 0].astype(np.uint16) * colors >> 8).astype(np.uint8)
    image = IndexedImage(Palette(entries), indices, metadata or Metadata())
    return lambda: codec.encode_indexed(image, tile)


@cache
def trained() -> Codebook:
    pictures = [scene(40, 40 + 8 * i) for i in range(3)]
    return vqcodec.train(pictures, codewords=16, block=4, provenance="golden")


def sound(frames: int, channels: int) -> np.ndarray:
    """A sound from integer arithmetic alone: triangles that glide, and some noise."""
    t = np.arange(frames)[:, None] + 17 * np.arange(channels)
    glide = (t * (40 + t // 64)) % 4096
    noise = ((t * 2654435761) >> 9) % 64
    loud = np.minimum(t * 8, 6000) * (1 + (t // 500) % 2)
    return ((np.abs(glide - 2048) - 1024) * loud // 2048 + noise).astype(np.float32) / 32768


def coded_sound(
    samples: np.ndarray, kind: str, rate: int, text: dict[str, str] | None = None, **options: object
) -> Callable[[], bytes]:
    audio = Audio(samples, rate, metadata=Metadata(text=text or {}))
    return lambda: vqcodec.encode(audio, kind=kind, **options)  # type: ignore[arg-type]


@cache
def trained_frames() -> Codebook:
    """Shapes from arithmetic: frames of eight samples."""
    x = np.arange(8)
    words = np.stack([((x * (k + 1) * 37 + k * k) % 181 - 90) for k in range(24)]).astype(np.int8)
    gains = np.array([0, *(3**k // 2**k * 4 for k in range(1, 20))], np.int32)
    config = {"transform": "none", "shape": [8], "unit": 127}
    return Codebook("frames", config, {"codewords": words, "gains": np.unique(gains)})


def photo(samples: np.ndarray | Image, **options: object) -> Callable[[], bytes]:
    return lambda: vqcodec.encode(samples, kind="photo", **options)  # type: ignore[arg-type]


def spoken(samples: np.ndarray, rate: int, bitrate: float) -> Callable[[], bytes]:
    """Code by the speech codec, which low rates choose."""

    def make() -> bytes:
        from vqcodec.audio.files import Writer
        from vqcodec.audio.speech.codec import Encoder
        from vqcodec.audio.speech.options import Options

        file = io.BytesIO()
        encoder = Encoder(rate, samples.shape[1], Options(bitrate=bitrate), None)
        with Writer(file, "speech", encoder, samples.shape[1]) as writer:
            writer.write(samples)
        return file.getvalue()

    return make


CASES: dict[str, Callable[[], bytes]] = {
    "patch-gray1.vqi": patch(scene(37, 50, 1)),
    "patch-gray-alpha.vqi": patch(scene(30, 41, 2)),
    "patch-rgb.vqi": patch(scene(29, 31), color="rgb", block=3),
    "patch-rgb-alpha-fixed.vqi": patch(scene(29, 31, 4), color="rgb", fixed_rate=True),
    "patch-ycbcr420.vqi": patch(scene(35, 45)),
    "patch-ycbcr444-alpha.vqi": patch(scene(35, 45, 4), chroma="444"),
    "patch-ycbcr-fixed.vqi": patch(scene(33, 47), color="ycbcr", fixed_rate=True, codewords=99),
    "patch-means.vqi": patch(scene(36, 40), mean_removed=True),
    "patch-means-fixed.vqi": patch(scene(36, 41), mean_removed=True, fixed_rate=True),
    "patch-sixteen1.vqi": patch(scene(30, 33, 1, 16)),
    "patch-sixteen-rgb-means.vqi": patch(scene(30, 33, 3, 16), mean_removed=True, block=(5, 2)),
    "patch-sixteen-fixed.vqi": patch(scene(30, 33, 3, 16), fixed_rate=True, codewords=5),
    "patch-two-steps.vqi": patch(scene(100, 96, 1), block=2, codewords=1100, lagrangian=0.05),
    "patch-one-pixel.vqi": patch(scene(1, 1), codewords=None, block=None, quality=75),
    "patch-metadata.vqi": patch(Image(scene(16, 16), METADATA)),
    "patch-tiles.vqi": patch(scene(50, 70, 4), tile=24, codewords=12),
    "patch-tiles-fixed.vqi": patch(
        scene(45, 52), tile=16, fixed_rate=True, mean_removed=True, color="ycbcr", block=(3, 5)
    ),
    "patch.vqcb": lambda: trained().to_bytes(),
    "patch-external.vqi": lambda: patch(scene(44, 52, 4), codebook=trained())(),
    "patch-external-fixed.vqi": lambda: patch(
        scene(44, 52), codebook=trained(), fixed_rate=True, codewords=None, block=None
    )(),
    "palette-one.vqi": palette(5, 7, 1),
    "palette-two.vqi": palette(31, 40, 2),
    "palette-sixteen.vqi": palette(48, 64, 16),
    "palette-alpha.vqi": palette(33, 35, 12, alpha=True),
    "palette-256.vqi": palette(40, 50, 256, metadata=METADATA),
    "palette-tiles.vqi": palette(35, 50, 20, tile=24),
    "palette.vqcb": lambda: Codebook(
        "palette", {"transform": "none", "shape": [4]},
        {"codewords": np.array([[0, 0, 0, 255], [255, 128, 0, 255], [9, 9, 9, 0]], np.uint8)},
    ).to_bytes(),
    "photo-gray.vqi": photo(scene(45, 70, 1)),
    "photo-gray-alpha.vqi": photo(scene(40, 33, 2), quality=40),
    "photo-rgb.vqi": photo(scene(48, 60)),
    "photo-psnr.vqi": photo(scene(48, 60), tune="psnr", quality=60, effort=9),
    "photo-alpha.vqi": photo(scene(50, 40, 4), quality=85),
    "photo-fine.vqi": photo(scene(40, 52), quality=100, tune="psnr"),
    "photo-coarse.vqi": photo(scene(64, 96), quality=0, effort=1),
    "photo-tiles.vqi": photo(scene(100, 130), tile=64, quality=30),
    "photo-one-pixel.vqi": photo(Image(scene(1, 1), METADATA)),
    "audio-mono.vqa": coded_sound(sound(9000, 1), "audio", 16000),
    "audio-stereo.vqa": coded_sound(sound(20000, 2), "audio", 44100, quality=4),
    "audio-three.vqa": coded_sound(sound(5000, 3), "audio", 8000, {"TITLE": "Ä"}, quality=9),
    "audio-voice.vqa": coded_sound(sound(6000, 1), "audio", 16000, model="speech"),
    "speech-narrow.vqa": spoken(sound(9000, 1), 8000, 2400.0),
    "speech-wide.vqa": spoken(sound(14000, 1), 16000, 12000.0),
    "frames-mono.vqa": coded_sound(sound(3000, 1), "frames", 2000, codewords=16),
    "frames-stereo.vqa": coded_sound(
        sound(1111, 2), "frames", 500, {"TITLE": "Ä"}, codewords=9, frame=5, gain_bits=3
    ),
    "frames.vqcb": lambda: trained_frames().to_bytes(),
    "frames-external.vqa": lambda: coded_sound(
        sound(2000, 2), "frames", 800, codebook=trained_frames()
    )(),
}  # fmt: skip
# Files of earlier encoders: read for ever, written no more.
LEGACY = (
    "patch-fixed-rgb.vqi",
    "patch-gray.vqi",
    "patch-sixteen.vqi",
    "patch-ycbcr-alpha.vqi",
)


def decoded_digest(name: str, data: bytes) -> str:
    """Return the SHA-256 of what a file decodes to: shape, type and little-endian samples."""
    if name.endswith(".vqcb"):
        return Codebook.from_bytes(data).identity.hex()
    codebook = None
    if open_container(data).has("R"):
        codebook = Codebook.load(FOLDER / (name.split("-")[0] + ".vqcb"))
    samples = vqcodec.decode(data, codebook=codebook).samples
    if name.startswith(INEXACT):
        return f"within one of {name}.npy"
    if name.startswith("frames"):  # in 16 bits, to which its decoders agree
        samples = np.rint(samples * 32768).astype(np.int16)
    little = samples.astype(samples.dtype.newbyteorder("<"))
    head = f"{samples.shape} {little.dtype.str.lstrip('|')} "
    return hashlib.sha256(head.encode() + little.tobytes()).hexdigest()


def sixteen_bits(data: bytes) -> np.ndarray:
    """Return the samples of a sound file in 16 bits."""
    samples = np.rint(vqcodec.decode(data).samples * 32768)
    return np.clip(samples, -32768, 32767).astype(np.int16)


def digests_of(name: str, data: bytes) -> dict[str, str]:
    return {"file": hashlib.sha256(data).hexdigest(), "decoded": decoded_digest(name, data)}


def known() -> dict[str, dict[str, str]]:
    """Return the frozen digests."""
    found: dict[str, dict[str, str]] = json.loads(DIGESTS.read_text()) if DIGESTS.exists() else {}
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true", help="accept what differs")
    parser.add_argument("only", nargs="*", help="names, or beginnings of names")
    wanted = parser.parse_args()
    digests = known()
    for name, make in CASES.items():
        if wanted.only and not name.startswith(tuple(wanted.only)):
            continue
        data = make()
        before = digests.get(name)
        if before is not None and before["file"] == hashlib.sha256(data).hexdigest():
            continue
        print(f"{name}: {len(data)} bytes, {'changed' if before else 'new'}")
        if wanted.write:
            (FOLDER / name).write_bytes(data)
            digests[name] = digests_of(name, data)
            _save(digests)
            if name.startswith(INEXACT):
                np.save(FOLDER / (name + ".npy"), sixteen_bits(data))
    for name in LEGACY:
        digests.setdefault(name, digests_of(name, (FOLDER / name).read_bytes()))
    if wanted.write:
        _save(digests)


def _save(digests: dict[str, dict[str, str]]) -> None:
    DIGESTS.write_text(json.dumps(dict(sorted(digests.items())), indent=1) + "\n")


if __name__ == "__main__":
    main()
