"""Palettes against libimagequant (pngquant), Pillow and scikit-learn.

    python -m tests.bench.palette [--part PART] [--colors K] [--images N] [--quick]

Prints Markdown tables; the parts are plain, dithered, graphics, large and process. The
pictures come from the corpus folder: the environment variable VQCODEC_CORPUS, or
``../shared/corpus`` beside the repository. Times are CPU times of one thread in this
process after warm-up, methods taking turns, the best of two; `process` times whole
programs instead.
"""

from __future__ import annotations

import os

os.environ["OMP_NUM_THREADS"] = "1"  # before libimagequant loads: CPU time, not idle threads

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import numpy as np
import PIL.Image

from tests.bench import imagequant
from tests.bench.corpus import corpus
from vqcodec.palette.indexed import IndexedImage
from vqcodec.palette.options import PaletteOptions
from vqcodec.palette.pipeline import quantize_images
from vqcodec.palette.space import Space, to_points
from vqcodec.palette.value import Palette

COLORS = (8, 16, 32, 64, 256)
REPEATS = 2
SLOW = 0.7  # seconds; slower methods run once
Result = tuple[np.ndarray, np.ndarray]  # palette (k, 4), indices (h, w)


# --- the methods -------------------------------------------------------------------


_plain: dict[int, np.ndarray] = {}  # each method gets what it would load: RGB, or RGBA


def _without_alpha(rgba: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(rgba[..., :3]) if (rgba[..., 3] == 255).all() else rgba


def ours(**options: object) -> Callable[[np.ndarray, int], Result]:
    def run(rgba: np.ndarray, colors: int) -> Result:
        image = _plain[id(rgba)] if id(rgba) in _plain else _without_alpha(rgba)
        done = quantize_images([image], PaletteOptions(colors, **options))  # type: ignore[arg-type]
        return done.palette.rgba, done.indices[0]

    return run


def theirs(speed: int, dither: float) -> Callable[[np.ndarray, int], Result]:
    return lambda rgba, colors: imagequant.quantize(rgba, colors, speed, dither)


def pillow(rgba: np.ndarray, colors: int) -> Result:
    picture = PIL.Image.fromarray(np.ascontiguousarray(rgba[..., :3]))
    done = picture.quantize(colors, PIL.Image.Quantize.MEDIANCUT, kmeans=1, dither=0)
    flat = np.array(done.getpalette("RGBA"), np.uint8).reshape(-1, 4)
    return flat, np.asarray(done)


def sklearn(rgba: np.ndarray, colors: int) -> Result:
    from sklearn.cluster import MiniBatchKMeans

    pixels = rgba[..., :3].reshape(-1, 3).astype(np.float32)
    model = MiniBatchKMeans(colors, n_init=1, random_state=0, batch_size=4096).fit(pixels)
    palette = np.full((colors, 4), 255, np.uint8)
    palette[:, :3] = np.rint(model.cluster_centers_).clip(0, 255)
    return palette, model.labels_.reshape(rgba.shape[:2]).astype(np.uint8)


PLAIN: dict[str, Callable[[np.ndarray, int], Result]] = {
    "pngquant s4, no dither": theirs(4, 0.0),
    "pngquant s1, no dither": theirs(1, 0.0),
    "vqcodec srgb, no dither": ours(space="srgb", dither="none"),
    "Pillow median cut + k-means": pillow,
    "scikit-learn mini-batch": sklearn,
}
DITHERED: dict[str, Callable[[np.ndarray, int], Result]] = {
    "pngquant s4": theirs(4, 1.0),
    "vqcodec default": ours(),
    "vqcodec best": ours(dither="best"),
}


# --- the judges ----------------------------------------------------------------------


def mse(rgba: np.ndarray, result: Result) -> float:
    """Mean squared error per sRGB sample, over black and white where there is alpha."""
    palette, indices = result
    a = to_points(rgba.reshape(-1, 4), Space.SRGB).astype(np.float64)
    b = to_points(palette, Space.SRGB).astype(np.float64)[indices.ravel()]
    return float(((a - b) ** 2).sum(1).mean() * 255**2 / 3)


def ssimulacra2(rgba: np.ndarray, result: Result) -> float:
    """SSIMULACRA2, the mean of over black and over white where there is alpha."""
    from ssimulacra2 import compute_ssimulacra2

    palette, indices = result
    opaque = (rgba[..., 3] == 255).all()
    scores = []
    with tempfile.TemporaryDirectory() as folder:
        for ground in (0,) if opaque else (0, 255):
            names = []
            for number, picture in enumerate((rgba, palette[indices])):
                alpha = picture[..., 3:] / 255.0
                flat = np.rint(picture[..., :3] * alpha + ground * (1 - alpha)).astype(np.uint8)
                names.append(f"{folder}/{number}.png")
                PIL.Image.fromarray(flat).save(names[-1], compress_level=0)
            scores.append(compute_ssimulacra2(*names))
    return float(np.mean(scores))


def png_bytes(result: Result) -> int:
    """Size of the PNG, written the same way for everybody, entries in order of luminance."""
    palette, indices = result
    key = palette[:, :3].astype(int) @ [2126, 7152, 722]
    order = np.lexsort((key, palette[:, 3] == 255))
    number = np.argsort(order).astype(np.uint8)
    return len(IndexedImage(Palette(palette[order]), number[indices]).to_png())


def timed(
    methods: dict[str, Callable[[np.ndarray, int], Result]], rgba: np.ndarray, colors: int
) -> dict[str, tuple[Result, float]]:
    """Run the methods in turns; return each one's result and its least CPU time."""
    results: dict[str, Result] = {}
    seconds: dict[str, list[float]] = defaultdict(list)
    _plain.clear()
    _plain[id(rgba)] = _without_alpha(rgba)
    for turn in range(REPEATS):
        for name, method in methods.items():
            if turn and max(seconds[name]) > SLOW:
                continue
            start = time.process_time()
            results[name] = method(rgba, colors)
            seconds[name].append(time.process_time() - start)
    return {name: (results[name], min(seconds[name])) for name in methods}


def warm_up(side: int | None = None) -> None:
    """Run every method once, or only theirs (0) or ours (1)."""
    image = np.asarray(PIL.Image.open(corpus() / "graphics" / "ui.png").convert("RGBA")).copy()
    image[:8, :8, 3] = 128
    methods = (*DITHERED.values(), *PLAIN.values())
    for method in methods if side is None else [(theirs(4, 1.0), ours())[side]]:
        method(image, 8)
        method(np.dstack([image[..., :3], np.full(image.shape[:2], 255, np.uint8)]), 8)


def load(path: Path) -> np.ndarray:
    return np.asarray(PIL.Image.open(path).convert("RGBA")).copy()


# --- the parts -----------------------------------------------------------------------


def kodak(limit: int) -> list[np.ndarray]:
    return [load(path) for path in sorted((corpus() / "kodak").glob("*.png"))[:limit]]


def plain(limit: int) -> None:
    """Figure 1: squared error on photographs, without dithering."""
    pictures = kodak(limit)
    print(f"\n### Photographs: {len(pictures)} Kodak images, no dithering, for squared error\n")
    print("| K | method | MSE | of s4 | of s1 | CPU ms | of s4 |")
    print("|---|---|---|---|---|---|---|")
    for colors in COLORS:
        rows: dict[str, list[tuple[float, float]]] = defaultdict(list)
        for rgba in pictures:
            for name, (result, seconds) in timed(PLAIN, rgba, colors).items():
                rows[name].append((mse(rgba, result), seconds))
        mean = {name: np.mean(row, axis=0) for name, row in rows.items()}
        s4, s1 = mean["pngquant s4, no dither"], mean["pngquant s1, no dither"]
        for name, (error, cpu) in mean.items():
            print(
                f"| {colors} | {name} | {error:.2f} | {error / s4[0]:.3f} | {error / s1[0]:.3f} "
                f"| {cpu * 1e3:.0f} | {cpu / s4[1]:.2f} |",
                flush=True,
            )


def dithered(limit: int) -> None:
    """Figures 2 and 3: what photographs look like."""
    pictures = kodak(limit)
    print(f"\n### Photographs: {len(pictures)} Kodak images, dithered, for eyes\n")
    print("| K | method | SSIMULACRA2 | above s4 | worst | CPU ms | of s4 | PNG bytes of s4 |")
    print("|---|---|---|---|---|---|---|---|")
    for colors in COLORS:
        table: dict[str, list[tuple[float, float, float]]] = defaultdict(list)
        for rgba in pictures:
            for name, (result, seconds) in timed(DITHERED, rgba, colors).items():
                table[name].append((ssimulacra2(rgba, result), seconds, png_bytes(result)))
        base = np.array(table["pngquant s4"])
        for name, values in table.items():
            row = np.array(values)
            above = row[:, 0] - base[:, 0]
            print(
                f"| {colors} | {name} | {row[:, 0].mean():.2f} | {above.mean():+.2f} "
                f"| {above.min():+.2f} | {row[:, 1].mean() * 1e3:.0f} "
                f"| {row[:, 1].mean() / base[:, 1].mean():.2f} "
                f"| {np.exp(np.log(row[:, 2] / base[:, 2]).mean()):.3f} |",
                flush=True,
            )


def graphics(limit: int) -> None:
    """Figures 2 and 6: drawings and RGBA, image by image."""
    print("\n### Graphics, image by image (logo and sprite are RGBA)\n")
    print(
        "| image | K | MSE, no dither, of s4 | CPU | SSIMULACRA2 default, above s4 | CPU | bytes "
        "| best, above s4 | CPU | bytes |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|")
    undithered = {
        name: PLAIN[name] for name in ("pngquant s4, no dither", "vqcodec srgb, no dither")
    }
    for path in sorted((corpus() / "graphics").glob("*.png"))[:limit]:
        rgba = load(path)
        for colors in COLORS:
            (a, ta), (b, tb) = timed(undithered, rgba, colors).values()
            cells = [f"{mse(rgba, b) / mse(rgba, a):.3f}", f"{tb / ta:.2f}"]
            done = timed(DITHERED, rgba, colors)
            base, base_time = done.pop("pngquant s4")
            score, size = ssimulacra2(rgba, base), png_bytes(base)
            for result, seconds in done.values():
                cells += [
                    f"{ssimulacra2(rgba, result) - score:+.2f}",
                    f"{seconds / base_time:.2f}",
                    f"{png_bytes(result) / size:.3f}",
                ]
            print(f"| {path.stem} | {colors} | " + " | ".join(cells) + " |", flush=True)


_LARGE = """
import sys, time
import numpy as np
from tests.bench import palette as bench
from vqcodec.palette.options import PaletteOptions
from vqcodec.palette.pipeline import quantize_images

def peak():
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmHWM")) * 1024

which, path = sys.argv[1:]
bench.warm_up(("theirs", "ours").index(which))
image = np.load(path)
before = peak()
start = time.process_time()
if which == "theirs":
    bench.theirs(4, 1.0)(image, 256)
else:
    quantize_images([image], PaletteOptions(256))
print(time.process_time() - start, peak(), before)
"""


def large(limit: int) -> None:
    """Figure 4: 24 megapixels, each method in a process of its own."""
    print("\n### 24 megapixels, 256 colours, dithered\n")
    print("| method | CPU s | of pngquant s4 | peak of the process, bytes a pixel | before |")
    print("|---|---|---|---|---|")
    small = PIL.Image.open(corpus() / "kodak" / "kodim05.png").convert("RGB")
    image = np.asarray(small.resize((6000, 4000), PIL.Image.Resampling.BICUBIC)).copy()
    random = np.random.default_rng(0)
    for row in image:  # the grain of a sensor
        row[:] = (row + random.integers(-3, 4, row.shape)).clip(0, 255)
    base = 0.0
    with tempfile.TemporaryDirectory() as folder:
        for label, name in (("pngquant s4", "theirs"), ("vqcodec default", "ours")):
            opaque = np.full((*image.shape[:2], 1), 255, np.uint8)
            path = f"{folder}/{name}.npy"
            np.save(path, image if name == "ours" else np.concatenate([image, opaque], axis=2))
            command = [sys.executable, "-c", _LARGE, name, path]
            out = subprocess.run(command, capture_output=True, text=True, check=True).stdout
            seconds, peak, before = (float(value) for value in out.split())
            base = base or seconds
            pixels = image.shape[0] * image.shape[1]
            print(
                f"| {label} | {seconds:.2f} | {seconds / base:.2f} | {peak / pixels:.1f} "
                f"| {before / pixels:.1f} |",
                flush=True,
            )


def process(limit: int) -> None:
    """Figure 5: the whole programs."""
    if not shutil.which("pngquant"):
        sys.exit("the program pngquant is not installed")
    source = str(corpus() / "kodak" / "kodim05.png")
    print("\n### Whole process, one Kodak image, warm cache\n")
    print("| program | K | wall ms, best of 10 | of pngquant |")
    print("|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        target = f"{folder}/out.png"
        for colors in (16, 256):
            programs = {
                "pngquant": ["pngquant", str(colors), "--force", "-o", target, source],
                "vqcodec palette": [
                    sys.executable, "-m", "vqcodec", "palette", source, "-k", str(colors),
                    "--force", "-q", "-o", target,
                ],
            }  # fmt: skip
            wall: dict[str, list[float]] = defaultdict(list)
            for turn in range(11):
                for name, command in programs.items():
                    start = time.perf_counter()
                    subprocess.run(command, check=True)
                    if turn:
                        wall[name].append(time.perf_counter() - start)
            base = min(wall["pngquant"])
            for name, seconds in wall.items():
                best = min(seconds)
                print(f"| {name} | {colors} | {best * 1e3:.0f} | {best / base:.2f} |", flush=True)


PARTS = {
    "plain": plain,
    "dithered": dithered,
    "graphics": graphics,
    "large": large,
    "process": process,
}


def main() -> None:
    """Run the parts asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--part", choices=PARTS, action="append")
    parser.add_argument("--images", type=int, default=99)
    parser.add_argument("--colors", type=int, action="append", help="instead of all")
    parser.add_argument("--quick", action="store_true", help="leave out the slowest peers")
    arguments = parser.parse_args()
    if arguments.quick:
        del PLAIN["Pillow median cut + k-means"], PLAIN["scikit-learn mini-batch"]
    if arguments.colors:
        global COLORS
        COLORS = tuple(arguments.colors)
    if not imagequant.AVAILABLE:
        sys.exit("libimagequant is not installed; on Debian it comes with pngquant")
    if not set(arguments.part or PARTS) <= {"process", "large"}:
        warm_up()
    for part in arguments.part or PARTS:
        PARTS[part](arguments.images)


if __name__ == "__main__":
    main()
