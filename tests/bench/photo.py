"""The photo codec against JPEG, WebP and AVIF.

    python -m tests.bench.photo [--part rgb|gray|visual|speed] [--images N] [--megapixels N]
                                [--repeats N]

Prints Markdown tables. The pictures are the Kodak images of the corpus folder:
the environment variable VQCODEC_CORPUS, or ``../shared/corpus`` beside the
repository. BD-rates (``bjontegaard``, pchip) are taken per image over the
common range within 0.1 to 2.0 bits a pixel (SSIMULACRA2: 0.2 to 1.2), then
averaged. Speeds are CPU times of one thread in this process, codecs taking
turns after warm-up, the best of `--repeats`.
"""

from __future__ import annotations

import argparse
import io
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterable

import bjontegaard
import numpy as np
import PIL.Image

from tests.bench.corpus import corpus
from vqcodec.container import open_container
from vqcodec.media import Image
from vqcodec.metrics.similarity import ms_ssim
from vqcodec.photo.codec import decode, encode
from vqcodec.photo.options import Options

Coder = Callable[[np.ndarray, float], tuple[int, np.ndarray]]
Curve = dict[str, list[tuple[float, float]]]


def kodak(count: int) -> Iterable[tuple[str, np.ndarray]]:
    for path in sorted((corpus() / "kodak").glob("*.png"))[:count]:
        yield path.stem, np.asarray(PIL.Image.open(path).convert("RGB"))


# --- the codecs ---------------------------------------------------------------


def pillow(format: str, **settings: object) -> Coder:
    def run(pixels: np.ndarray, quality: float) -> tuple[int, np.ndarray]:
        file = io.BytesIO()
        picture = PIL.Image.fromarray(pixels)
        picture.save(file, format, quality=int(quality), **settings)
        decoded = PIL.Image.open(io.BytesIO(file.getvalue())).convert(picture.mode)
        return file.tell(), np.asarray(decoded)

    return run


def ours(effort: int = 5, **settings: str) -> Coder:
    def run(pixels: np.ndarray, quality: float) -> tuple[int, np.ndarray]:
        options = Options(quality=quality, effort=effort, **settings)  # type: ignore[arg-type]
        data = encode(Image(pixels), options)
        samples = decode(open_container(data)).samples
        return len(data), samples[..., 0] if pixels.ndim == 2 else samples

    return run


JPEG = pillow("JPEG", optimize=True, progressive=True, subsampling="4:2:0")
WEBP = pillow("WEBP", method=6)
AVIF = pillow("AVIF", speed=6)
AVIF_PSNR = pillow("AVIF", speed=6, subsampling="4:2:0", advanced={"tune": "psnr"})
AVIF_PSNR_444 = pillow("AVIF", speed=6, subsampling="4:4:4", advanced={"tune": "psnr"})
SPEED_QUALITY = 60  # about 0.8 bits a pixel
JPEG_SCALE = (4, 8, 15, 25, 40, 55, 70, 80, 88, 93)
WEBP_SCALE = (1, 10, 25, 45, 65, 78, 88, 94)
AVIF_SCALE = (12, 25, 38, 50, 60, 70, 79, 87, 92)
OUR_SCALE = (18, 30, 42, 53, 63, 71, 78, 83, 88)

# --- measuring ----------------------------------------------------------------


def luma(pixels: np.ndarray) -> np.ndarray:
    return np.asarray(PIL.Image.fromarray(pixels).convert("L"))


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    return float(10 * np.log10(65025 / np.mean((a.astype(np.float64) - b) ** 2)))


def ssimulacra(a: np.ndarray, b: np.ndarray) -> float:
    import ssimulacra2

    with tempfile.TemporaryDirectory() as folder:
        paths = [f"{folder}/{name}.png" for name in "ab"]
        for path, pixels in zip(paths, (a, b), strict=True):
            PIL.Image.fromarray(pixels).convert("RGB").save(path, compress_level=1)
        return float(ssimulacra2.compute_ssimulacra2(*paths))


def curve(coder: Coder, scale: Iterable[float], pixels: np.ndarray, visual: bool) -> Curve:
    """Return (bits a pixel, score) points for each metric."""
    points: Curve = {}
    for quality in scale:
        size, decoded = coder(pixels, quality)
        bpp = 8 * size / (pixels.shape[0] * pixels.shape[1])
        if not 0.08 <= bpp <= 2.6:
            continue
        scores = {"PSNR": psnr(pixels, decoded)}
        y = (pixels, decoded) if pixels.ndim == 2 else (luma(pixels), luma(decoded))
        scores["MS-SSIM-Y dB"] = float(-10 * np.log10(1 - ms_ssim(*y)))
        if visual and 0.12 <= bpp <= 1.6:
            scores["SSIMULACRA2"] = ssimulacra(pixels, decoded)
        for name, score in scores.items():
            points.setdefault(name, []).append((bpp, score))
    return points


def bd_rate(anchor: Curve, test: Curve, metric: str) -> float:
    low, high = (0.2, 1.2) if metric == "SSIMULACRA2" else (0.1, 2.0)
    curves = []
    for points in (anchor[metric], test[metric]):
        kept: list[tuple[float, float]] = []
        for rate, score in sorted(points):
            if low * 0.7 <= rate <= high * 1.3 and (not kept or score > kept[-1][1] + 1e-3):
                kept.append((rate, score))
        curves.append(np.array(kept))
    a, t = curves
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return float(
            bjontegaard.bd_rate(
                a[:, 0], a[:, 1], t[:, 0], t[:, 1],
                method="pchip", require_matching_points=False, min_overlap=0,
            )
        )  # fmt: skip


def score_at(points: list[tuple[float, float]], rate: float) -> float:
    """Interpolate a score over the logarithm of the rate."""
    rates, scores = np.array(sorted(points)).T
    return float(np.interp(np.log(rate), np.log(rates), scores))


# --- the tables ---------------------------------------------------------------


def compare(
    title: str, pictures: Iterable[tuple[str, np.ndarray]], coders: dict, metrics: list[str]
) -> list[dict[str, Curve]]:
    """Print BD-rates of the last coder against each of the others; return all curves."""
    curves = []
    for name, pixels in pictures:
        curves.append(
            {
                label: curve(coder, scale, pixels, "SSIMULACRA2" in metrics)
                for label, (coder, scale) in coders.items()
            }
        )
        print(f"  {name}", file=sys.stderr)
    *anchors, own = coders
    print(f"\n{title} ({len(curves)} images), BD-rate of `{own}` in %:\n")
    print("| against | " + " | ".join(f"{m} mean | worst | best" for m in metrics) + " |")
    print("|---" * (1 + 3 * len(metrics)) + "|")
    for anchor in anchors:
        cells = []
        for metric in metrics:
            rates = [bd_rate(c[anchor], c[own], metric) for c in curves]
            cells += [f"**{np.mean(rates):.1f}**", f"{max(rates):.1f}", f"{min(rates):.1f}"]
        print(f"| {anchor} | " + " | ".join(cells) + " |")
    return curves


def rgb(count: int) -> None:
    coders = {
        "JPEG 4:2:0": (JPEG, JPEG_SCALE),
        "WebP m6": (WEBP, WEBP_SCALE),
        "AVIF s6": (AVIF, AVIF_SCALE),
        "AVIF s6 tune=psnr 4:2:0": (AVIF_PSNR, AVIF_SCALE),
        "AVIF s6 tune=psnr 4:4:4": (AVIF_PSNR_444, AVIF_SCALE),
        "photo --tune psnr": (ours(tune="psnr"), OUR_SCALE),
    }
    compare("RGB", kodak(count), coders, ["PSNR", "MS-SSIM-Y dB"])


def gray(count: int) -> None:
    coders = {
        "JPEG": (pillow("JPEG", optimize=True, progressive=True), JPEG_SCALE),
        "AVIF s6 tune=psnr": (AVIF_PSNR, AVIF_SCALE),
        "photo --tune psnr": (ours(tune="psnr"), OUR_SCALE),
    }
    pictures = ((name, luma(pixels)) for name, pixels in kodak(count))
    compare("Gray", pictures, coders, ["PSNR", "MS-SSIM-Y dB"])


def visual(count: int) -> None:
    coders = {
        "AVIF s6": (AVIF, AVIF_SCALE[:-1]),
        "photo --tune visual": (ours(tune="visual"), (30, 42, 53, 63, 71, 78, 84)),
    }
    for title, pictures in (
        ("RGB for the eye", kodak(count)),
        ("Gray for the eye", ((name, luma(pixels)) for name, pixels in kodak(count))),
    ):
        curves = compare(title, pictures, coders, ["SSIMULACRA2", "MS-SSIM-Y dB"])
        print("\nMean SSIMULACRA2 at a rate:\n")
        print("| bits a pixel | 0.25 | 0.5 | 1.0 |\n|---|---|---|---|")
        for label in coders:
            cells = [
                np.mean([score_at(c[label]["SSIMULACRA2"], rate) for c in curves])
                for rate in (0.25, 0.5, 1.0)
            ]
            print(f"| {label} | " + " | ".join(f"{cell:.1f}" for cell in cells) + " |")


def large(megapixels: float) -> np.ndarray:
    """Mirror photographs into one large picture."""
    pictures = [pixels for _, pixels in kodak(6) if pixels.shape[1] == 768]
    row = np.concatenate(pictures[:4], 1)
    block = np.concatenate([row, row[::-1, ::-1]], 0)
    width = int((megapixels * 1.5e6) ** 0.5)
    height = int(megapixels * 1e6 / width)
    repeats = (-(-height // block.shape[0]), -(-width // block.shape[1]), 1)
    return np.ascontiguousarray(np.tile(block, repeats)[:height, :width])


def speed(megapixels: float, repeats: int) -> None:
    pixels = large(megapixels)
    count = pixels.shape[0] * pixels.shape[1] / 1e6
    picture = PIL.Image.fromarray(pixels)

    def avif() -> bytes:
        file = io.BytesIO()
        picture.save(file, "AVIF", quality=56, speed=6, max_threads=1)
        return file.getvalue()

    def webp() -> bytes:
        file = io.BytesIO()
        picture.save(file, "WEBP", quality=75, method=4)
        return file.getvalue()

    def photo(effort: int, threads: int = 1) -> Callable[[], bytes]:
        options = Options(quality=SPEED_QUALITY, tune="psnr", effort=effort, threads=threads)
        return lambda: encode(Image(pixels), options)

    encoders: dict[str, Callable[[], bytes]] = {
        "AVIF s6": avif,
        "WebP m4": webp,
        **{f"photo effort {e}": photo(e) for e in (1, 5)},
    }
    small = large(0.1)
    for effort in (1, 5):
        decode(open_container(encode(Image(small), Options(effort=effort))))
    times: dict[str, list[float]] = {}
    files = {}
    for _ in range(repeats):
        for name, run in encoders.items():
            start = time.process_time()
            files[name] = run()
            times.setdefault(f"{name} encode", []).append(time.process_time() - start)
            start = time.process_time()
            if name.startswith("photo"):
                decode(open_container(files[name]), threads=1)
            else:
                PIL.Image.open(io.BytesIO(files[name])).load()
            times.setdefault(f"{name} decode", []).append(time.process_time() - start)
    print(f"\n{count:.1f} megapixels, one thread, CPU time:\n")
    print("| | bits a pixel | encode MP/s | decode MP/s |\n|---|---|---|---|")
    for name, data in files.items():
        bpp = 8 * len(data) / (count * 1e6)
        forward, back = (count / min(times[f"{name} {way}"]) for way in ("encode", "decode"))
        print(f"| {name} | {bpp:.2f} | {forward:.2f} | {back:.1f} |")
    start = time.perf_counter()
    photo(5, 1)()
    middle = time.perf_counter()
    photo(5, 2)()
    ratio = (middle - start) / (time.perf_counter() - middle)
    print(f"\nTwo threads encode in 1/{ratio:.2f} of the wall time of one.")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--part", choices=["rgb", "gray", "visual", "speed"])
    parser.add_argument("--images", type=int, default=12)
    parser.add_argument("--megapixels", type=float, default=24)
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    for name, run in (("rgb", rgb), ("gray", gray), ("visual", visual)):
        if arguments.part in (None, name):
            run(arguments.images)
    if arguments.part in (None, "speed"):
        speed(arguments.megapixels, arguments.repeats)


if __name__ == "__main__":
    main()
