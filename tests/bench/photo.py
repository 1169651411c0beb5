"""The photo codec against JPEG, WebP and AVIF.

    python -m tests.bench.photo [--part rgb|gray|visual|edges|speed|efforts|own|ablation]
                                [--images N] [--megapixels N] [--repeats N] [--keep FOLDER]
                                [--picture FILE]

Prints Markdown tables; `--keep` keeps the curve of each image and codec in a folder and
takes up what is there, `--picture` draws the curves of the visual part.
The pictures are the Kodak images of the corpus folder: the environment variable
VQCODEC_CORPUS, or ``../shared/corpus`` beside the repository.
BD-rates (``bjontegaard``, pchip) are taken per image over the common range within 0.1
to 2.0 bits a pixel (SSIMULACRA2: 0.2 to 1.2), then averaged. Speeds are CPU times of
one thread in this process, codecs taking turns after warm-up, the best of `--repeats`.
"""

from __future__ import annotations

import argparse
import io
import json
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path

import bjontegaard
import numpy as np
import PIL.Image

from tests.bench.corpus import corpus
from tests.bench.screens import screen
from vqcodec.codebook import Codebook
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


def ours(effort: int = 5, codebook: Codebook | None = None, **settings: str) -> Coder:
    def run(pixels: np.ndarray, quality: float) -> tuple[int, np.ndarray]:
        options = Options(quality=quality, effort=effort, **settings)  # type: ignore[arg-type]
        data = encode(Image(pixels), options, codebook)
        samples = decode(open_container(data), codebook).samples
        return len(data), samples[..., 0] if pixels.ndim == 2 else samples

    return run


JPEG = pillow("JPEG", optimize=True, progressive=True, subsampling="4:2:0")
WEBP = pillow("WEBP", method=6)
AVIF = pillow("AVIF", speed=6)
AVIF_PSNR = pillow("AVIF", speed=6, subsampling="4:2:0", advanced={"tune": "psnr"})
AVIF_PSNR_444 = pillow("AVIF", speed=6, subsampling="4:4:4", advanced={"tune": "psnr"})
PARTS = ["rgb", "gray", "visual", "edges", "speed", "efforts", "own", "ablation"]
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


def kept_curve(keep: Path | None, key: str, measure: Callable[[], Curve]) -> Curve:
    """Return a curve from the folder `keep`, or measure it and keep it there."""
    if keep is None:
        return measure()
    path = keep / (key.replace(" ", "_").replace(":", "").replace("=", "-") + ".json")
    if not path.exists():
        keep.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(measure()))
    points: Curve = json.loads(path.read_text())
    return points


def compare(
    title: str,
    pictures: Iterable[tuple[str, np.ndarray]],
    coders: dict,
    metrics: list[str],
    keep: Path | None,
) -> list[dict[str, Curve]]:
    """Print BD-rates of the last coder against each of the others; return all curves."""
    curves = []
    for name, pixels in pictures:
        curves.append({})
        for label, (coder, scale) in coders.items():

            def measure(coder: Coder = coder, scale: tuple = scale) -> Curve:
                return curve(coder, scale, pixels, "SSIMULACRA2" in metrics)  # noqa: B023

            curves[-1][label] = kept_curve(keep, f"{title} {name} {label}", measure)
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


def rgb(count: int, keep: Path | None) -> None:
    coders = {
        "JPEG 4:2:0": (JPEG, JPEG_SCALE),
        "WebP m6": (WEBP, WEBP_SCALE),
        "AVIF s6": (AVIF, AVIF_SCALE),
        "AVIF s6 tune=psnr 4:2:0": (AVIF_PSNR, AVIF_SCALE),
        "AVIF s6 tune=psnr 4:4:4": (AVIF_PSNR_444, AVIF_SCALE),
        "photo --tune psnr": (ours(tune="psnr"), OUR_SCALE),
    }
    compare("RGB", kodak(count), coders, ["PSNR", "MS-SSIM-Y dB"], keep)


def gray(count: int, keep: Path | None) -> None:
    coders = {
        "JPEG": (pillow("JPEG", optimize=True, progressive=True), JPEG_SCALE),
        "AVIF s6 tune=psnr": (AVIF_PSNR, AVIF_SCALE),
        "photo --tune psnr": (ours(tune="psnr"), OUR_SCALE),
    }
    pictures = ((name, luma(pixels)) for name, pixels in kodak(count))
    compare("Gray", pictures, coders, ["PSNR", "MS-SSIM-Y dB"], keep)


def visual(count: int, keep: Path | None, picture: Path | None) -> None:
    coders = {
        "AVIF s6": (AVIF, AVIF_SCALE[:-1]),
        "photo --tune visual": (ours(tune="visual"), (24, 30, 42, 53, 63, 71, 78, 84)),
    }
    for title, pictures in (
        ("RGB for the eye", kodak(count)),
        ("Gray for the eye", ((name, luma(pixels)) for name, pixels in kodak(count))),
    ):
        curves = compare(title, pictures, coders, ["SSIMULACRA2", "MS-SSIM-Y dB"], keep)
        print("\nMean SSIMULACRA2 at a rate:\n")
        print("| bits a pixel | 0.25 | 0.5 | 1.0 |\n|---|---|---|---|")
        for label in coders:
            cells = [
                np.mean([score_at(c[label]["SSIMULACRA2"], rate) for c in curves])
                for rate in (0.25, 0.5, 1.0)
            ]
            print(f"| {label} | " + " | ".join(f"{cell:.1f}" for cell in cells) + " |")
        if picture and title.startswith("RGB"):
            draw(picture, {label: [c[label] for c in curves] for label in coders}, "SSIMULACRA2")


def seams(original: np.ndarray, decoded: np.ndarray) -> tuple[float, float]:
    """Return the mean step of luma across borders of 32 x 32 blocks, and elsewhere.

    A step counts against the mean of those beside it, in the calmest two fifths of a picture.
    """
    sums = np.zeros((2, 2))
    for turned in (False, True):
        bends = []
        for pixels in (original, decoded):
            plane = pixels.astype(np.float64) @ np.array([0.25, 0.5, 0.25])
            steps = np.diff(plane.T if turned else plane, axis=1)
            bends.append(np.abs(steps[:, 1:-1] - (steps[:, :-2] + steps[:, 2:]) / 2))
        around = np.cumsum(np.pad(bends[0], ((0, 0), (8, 8)), mode="edge"), 1)
        around = (around[:, 16:] - around[:, :-16])[:, : bends[0].shape[1]]
        calm = around < np.quantile(around, 0.4)
        column = np.arange(2, 2 + bends[0].shape[1])
        for k, chosen in enumerate((column % 32 == 0, column % 8 != 0)):
            wanted = calm & chosen
            sums[k] += bends[1][wanted].sum(), wanted.sum()
    return float(sums[0, 0] / sums[0, 1]), float(sums[1, 0] / sums[1, 1])


def edges(count: int) -> None:
    """Print steps across the borders of blocks at 0.15 bits a pixel, beside AVIF's."""
    rows: dict[str, list[tuple[float, float]]] = {}
    for name, pixels in kodak(count):
        data = encode(Image(pixels), Options(bpp=0.15))
        trials = (AVIF(pixels, quality) for quality in range(4, 40))
        avif = min(trials, key=lambda trial: abs(trial[0] - len(data)))
        ours = decode(open_container(data)).samples
        for label, decoded in (("original", pixels), ("AVIF s6", avif[1]), ("photo", ours)):
            rows.setdefault(label, []).append(seams(pixels, decoded))
        print(f"  {name}", file=sys.stderr)
    print(f"\nMean step of luma at 0.15 bits a pixel, calm places of {count} images:\n")
    print("| | across 32 x 32 borders | elsewhere | worst image, across |\n|---|---|---|---|")
    for label, steps in rows.items():
        across, elsewhere = np.mean(steps, axis=0)
        print(f"| {label} | {across:.2f} | {elsewhere:.2f} | {max(s[0] for s in steps):.2f} |")


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
        **{f"photo effort {e}": photo(e) for e in (1, 2, 5)},
    }
    small = large(0.1)
    for effort in (1, 2, 5):
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


def efforts(count: int) -> None:
    """Print what each effort needs more than effort 5, in bytes at equal PSNR and in time."""
    pictures = [pixels for _, pixels in kodak(count)]
    curves: dict[int, list[Curve]] = {}
    times: dict[int, float] = {}
    for effort in range(1, 10):
        encode(Image(large(0.1)), Options(effort=effort))
    for pixels in pictures:
        for effort in range(1, 10):
            points = []
            for quality in (35, 50, 63, 75, 84):
                options = Options(quality=quality, tune="psnr", effort=effort, threads=1)
                start = time.process_time()
                data = encode(Image(pixels), options)
                times[effort] = times.get(effort, 0.0) + time.process_time() - start
                bpp = 24 * len(data) / pixels.size
                points.append((bpp, psnr(pixels, decode(open_container(data)).samples)))
            curves.setdefault(effort, []).append({"PSNR": points})
    print(f"\nRGB ({count} images), against effort 5:\n")
    print("| effort | bytes at equal PSNR, % | times as fast |\n|---|---|---|")
    for effort, mine in curves.items():
        rates = [bd_rate(a, b, "PSNR") for a, b in zip(curves[5], mine, strict=True)]
        print(f"| {effort} | {np.mean(rates):+.1f} | {times[5] / times[effort]:.2f} |")


def own(count: int, keep: Path | None) -> None:
    """Train on drawn screens, as anybody would, and code others of them."""
    folder = keep or Path(tempfile.mkdtemp())
    pictures = folder / "screens"
    pictures.mkdir(parents=True, exist_ok=True)
    for seed in range(2 * count):
        PIL.Image.fromarray(screen(seed)).save(pictures / f"{seed:03}.png")
    target = folder / "own.vqcb"
    start = time.perf_counter()
    if not target.exists():
        command = ["train", "--kind", "photo", "-o", target, pictures]
        subprocess.run([sys.executable, "-m", "vqcodec", *map(str, command), "-q"], check=True)
        print(f"\nTrained on {2 * count} screens in {time.perf_counter() - start:.0f} s.")
    book = Codebook.load(target)
    unseen = [(f"screen {seed}", screen(seed)) for seed in range(1000, 1000 + count // 2)]
    scale = (55, 68, 78, 86, 93)
    for label, codebook in (("shipped codebook", None), ("own codebook", book)):
        sizes = []
        for _, pixels in unseen:
            options = Options(psnr=38, tune="psnr")
            sizes.append(len(encode(Image(pixels), options, codebook)))
        print(f"{label}: {np.mean(sizes) / 1000:.1f} kB a screen at 38 dB")
    print(f"The own codebook takes {len(target.read_bytes()) / 1e6:.2f} MB, kept once, apart.")
    coders = {
        "AVIF s6 tune=psnr 4:4:4": (AVIF_PSNR_444, AVIF_SCALE),
        "photo, shipped codebook": (ours(tune="psnr"), scale),
        "photo, own codebook": (ours(codebook=book, tune="psnr"), scale),
    }
    compare("Screens", unseen, coders, ["PSNR", "MS-SSIM-Y dB"], None)


def ablation(count: int, keep: Path | None) -> None:
    """Print the rate that it costs to leave out each part, with nothing trained anew."""
    from vqcodec.photo.bootstrap import bootstrap
    from vqcodec.photo.job import PSNR_GREEN, PSNR_ORANGE, shipped_tables
    from vqcodec.photo.model import Tables
    from vqcodec.photo.planes import to_planes, to_samples
    from vqcodec.photo.tiles import Quantization, encode_tile

    full = shipped_tables().arrays
    plain = bootstrap()

    def modes(*kept: int, kinds: slice = slice(None)) -> dict[str, np.ndarray]:
        costs = full["mode_costs"].astype(np.int64)
        forbidden = [mode for mode in range(costs.shape[-1]) if mode not in kept]
        costs[kinds, ..., forbidden] = 1 << 20
        return {"mode_costs": costs}

    def flat(*names: str) -> dict[str, np.ndarray]:
        return {name: plain[name] for name in names}

    from_luma = (35, 36, 37, 38)
    silent = {name: np.zeros_like(full[name]) for name in ("pair_weights", "coded_weights")}
    fresh = {"probabilities": plain["probabilities"], "counts": np.zeros_like(full["counts"])}
    parts: dict[str, tuple[dict[str, np.ndarray], dict[str, bool], float]] = {
        "nothing": ({}, {}, 1.0),
        "directional modes (planar and mean only)": (modes(0, 1, *from_luma), {}, 1.0),
        "oblique modes (4 of 35 left)": (modes(0, 1, 10, 26, *from_luma), {}, 1.0),
        "chroma from luma": (modes(*range(35), kinds=slice(1, 3)), {}, 1.0),
        "KLT (cosine transforms in its place)": (
            flat("dense4", "dense8", "pair16", "scan16", "scan32"), {}, 1.0,
        ),
        "the price of bits in the search (a tenth of it)": ({}, {}, 0.1),
        "levels foretold by the neighbours": (silent, {}, 1.0),
        "trained probabilities (fresh ones)": (fresh, {}, 1.0),
        "trained mixing weights (equal ones)": (flat("first_weights", "second_weights"), {}, 1.0),
        "foretelling of signs": ({"signs": np.zeros(0)}, {}, 1.0),
        "restoration filter": ({}, {"restored": False}, 1.0),
    }  # fmt: skip
    curves: dict[str, list[Curve]] = {label: [] for label in parts}
    for name, pixels in kodak(count):
        for label, (change, more, dearness) in parts.items():
            arrays = {**full, **change}
            if arrays.pop("signs", None) is not None:
                arrays |= _signs_unforetold(full)

            def measure(arrays: dict = arrays, more: dict = more, price: float = dearness) -> Curve:
                points = []
                for step in (76, 92, 108, 124, 140):
                    q = Quantization(step, PSNR_ORANGE, PSNR_GREEN, **{"restored": True, **more})
                    data, state = encode_tile(
                        to_planes(pixels), Tables(arrays), q, 5, dearness=price  # noqa: B023
                    )  # fmt: skip
                    decoded = to_samples(state.planes[:, : pixels.shape[0], : pixels.shape[1]])  # noqa: B023
                    bpp = 24 * len(data) / pixels.size  # noqa: B023
                    points.append((bpp, psnr(pixels, decoded)))  # noqa: B023
                return {"PSNR": points}

            curves[label].append(kept_curve(keep, f"ablation {name} {label}", measure))
        print(f"  {name}", file=sys.stderr)
    print(f"\nRGB ({count} images), BD-rate in % by PSNR, nothing trained anew:\n")
    print("| left out | costs |\n|---|---|")
    for label, own in curves.items():
        rates = [bd_rate(a, b, "PSNR") for a, b in zip(curves["nothing"], own, strict=True)]
        print(f"| {label} | {np.mean(rates):+.1f} |")


def _signs_unforetold(full: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Let both signs be equally probable, and learning slow."""
    from vqcodec.photo.contexts import BASE, SIGN

    probabilities, counts = full["probabilities"].copy(), full["counts"].copy()
    probabilities[:, BASE[SIGN, 0] :] = 1 << 15
    counts[:, BASE[SIGN, 0] :] = 255
    return {"probabilities": probabilities, "counts": counts}


def draw(path: Path, curves: dict[str, list[Curve]], metric: str) -> None:
    """Draw the mean score of each codec over the rate, as SVG."""
    rates = np.exp(np.linspace(np.log(0.2), np.log(1.2), 25))
    means = {
        label: np.mean([[score_at(c[metric], r) for r in rates] for c in own], 0)
        for label, own in curves.items()
    }
    low = 10 * np.floor(min(m.min() for m in means.values()) / 10)
    high = 10 * np.ceil(max(m.max() for m in means.values()) / 10)
    width, height, left, bottom = 640, 400, 56, 44

    def place(rate: float, score: float) -> str:
        x = left + (width - left - 16) * np.log(rate / 0.2) / np.log(6)
        y = 12 + (height - bottom - 12) * (high - score) / (high - low)
        return f"{x:.1f},{y:.1f}"

    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        'font-family="sans-serif" font-size="13">',
        f'<rect width="{width}" height="{height}" fill="#fff"/>',
    ]
    for score in np.arange(low, high + 1, 10):
        x, y = place(0.2, score).split(",")
        lines.append(f'<path d="M{x} {y}H{width - 16}" stroke="#ddd"/>')
        lines.append(
            f'<text x="{left - 8}" y="{float(y) + 4:.1f}" text-anchor="end">{score:.0f}</text>'
        )
    for rate in (0.2, 0.3, 0.5, 0.8, 1.2):
        x = place(rate, low).split(",")[0]
        lines.append(f'<text x="{x}" y="{height - bottom + 18}" text-anchor="middle">{rate}</text>')
    middle = (left + width) / 2
    lines.append(f'<text x="{middle}" y="{height - 8}" text-anchor="middle">bits a pixel</text>')
    for n, (label, mean) in enumerate(means.items()):
        colour = ("#888", "#c40", "#06c", "#083")[n % 4]
        points = " ".join(place(r, m) for r, m in zip(rates, mean, strict=True))
        lines.append(
            f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>'
        )
        y = 40 + 20 * n
        lines.append(f'<path d="M{left + 16} {y}h24" stroke="{colour}" stroke-width="2"/>')
        lines.append(f'<text x="{left + 48}" y="{y + 4}">{label}, {metric}</text>')
    path.write_text("\n".join([*lines, "</svg>"]) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--part", choices=PARTS)
    parser.add_argument("--images", type=int, default=12)
    parser.add_argument("--megapixels", type=float, default=24)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--picture", type=Path)
    arguments = parser.parse_args()
    for name, run in (("rgb", rgb), ("gray", gray), ("ablation", ablation)):
        if arguments.part in (None, name):
            run(arguments.images, arguments.keep)
    if arguments.part in (None, "visual"):
        visual(arguments.images, arguments.keep, arguments.picture)
    if arguments.part in (None, "edges"):
        edges(arguments.images)
    if arguments.part in (None, "efforts"):
        efforts(arguments.images)
    if arguments.part in (None, "own"):
        own(arguments.images, arguments.keep)
    if arguments.part in (None, "speed"):
        speed(arguments.megapixels, arguments.repeats)


if __name__ == "__main__":
    main()
