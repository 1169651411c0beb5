"""Draw the pictures of README.md and of the tutorial.

    python docs/pictures.py

Everything in them is made by vqcodec: files, what they decode to, codebooks, errors.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import PIL.Image

import vqcodec
import vqcodec.api
from vqcodec import metrics
from vqcodec.cluster import fit_kmeans
from vqcodec.report import pictures
from vqcodec.report.subject import patch_planes

ROOT = Path(__file__).resolve().parents[1]
SAMPLE = ROOT / "samples" / "astronaut.png"
IMAGES = ROOT / "docs" / "images"
SIZES = (4, 16, 64, 256)
FACE = (slice(60, 220), slice(140, 300))  # what the tutorial looks at


def on_white(picture: np.ndarray) -> np.ndarray:
    """Return an RGBA picture without its alpha, its gaps white."""
    return np.where(picture[:, :, 3:] > 0, picture[:, :, :3], 255).astype(np.uint8)


def enlarged(picture: np.ndarray, scale: int) -> np.ndarray:
    return picture.repeat(scale, 0).repeat(scale, 1)


def row(parts: list[np.ndarray], height: int, gap: int = 12) -> np.ndarray:
    """Put pictures side by side, all of one height."""
    space = np.full((height, gap, 3), 255, np.uint8)
    laid: list[np.ndarray] = []
    for part in parts:
        rgb = part if part.ndim == 3 else np.stack([part] * 3, 2)
        size = (round(rgb.shape[1] * height / rgb.shape[0]), height)
        resized = PIL.Image.fromarray(rgb).resize(size, PIL.Image.Resampling.LANCZOS)
        laid += [space, np.asarray(resized)]
    return np.concatenate(laid[1:], 1)


def save(picture: np.ndarray, name: str) -> None:
    target = IMAGES / name
    vqcodec.quantize(picture, 256).save(target, optimize=True)
    print(f"{target.relative_to(ROOT)}: {target.stat().st_size} bytes")


def front_page() -> None:
    """Original, reconstruction, codebook."""
    data = vqcodec.encode(SAMPLE, block=4, codewords=256, color="rgb")
    original = np.asarray(PIL.Image.open(SAMPLE).convert("RGB"))
    with vqcodec.api.opened(data) as container:
        (plane,) = patch_planes(container)
    tiles = on_white(pictures.mosaic(plane.blocks, 16, scale=8, gap=2))
    save(row([original, vqcodec.decode(data).samples, tiles], original.shape[0]), "patch.png")


def tutorial() -> None:
    """Blocks, codebooks, reconstructions and their error; and the table of the tutorial."""
    pixels = np.asarray(PIL.Image.open(SAMPLE).convert("L"))
    blocks = pixels.reshape(128, 4, 128, 4).swapaxes(1, 2).reshape(-1, 16)
    eye = pixels[100:148, 196:244]
    cut = eye.reshape(12, 4, 12, 4).swapaxes(1, 2).reshape(-1, 4, 4, 1).repeat(3, 3)
    grid = on_white(pictures.mosaic(cut, 12, scale=8, gap=4))
    save(row([enlarged(eye, 10), grid], 440), "tutorial-blocks.png")
    books, decoded = [], []
    print("| K | bits a pixel | PSNR, dB |\n|---|---|---|")
    for size in SIZES:
        fit = fit_kmeans(blocks, size, seed=0)
        codebook = fit.centers.round().astype(np.uint8)
        looks = codebook.reshape(-1, 4, 4, 1).repeat(3, 3)
        plane = pictures.Plane("gray", looks, fit.counts.astype(int))
        books.append(on_white(pictures.mosaic(pictures.by_usage(plane), scale=8, gap=4)))
        again = codebook[fit.labels].reshape(128, 128, 4, 4).swapaxes(1, 2).reshape(512, 512)
        decoded.append(again)
        print(f"| {size} | {np.log2(size) / 16:.3f} | {metrics.psnr(pixels, again):.2f} |")
    save(row(books, 220), "tutorial-codebooks.png")
    save(row([pixels[FACE], *(one[FACE] for one in decoded)], 220), "tutorial-levels.png")
    errors = pictures.error_map(pixels, decoded[-1]).samples()
    save(row([pixels, decoded[-1], errors], 330), "tutorial-error.png")


def main() -> None:
    IMAGES.mkdir(exist_ok=True)
    front_page()
    tutorial()


if __name__ == "__main__":
    main()
