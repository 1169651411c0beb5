"""The patch codec against textbook VQ, and its fixed-rate decoder against JPEG.

Run as ``python -m tests.bench.patch``; prints Markdown tables. The pictures are
in the folder that VQCODEC_CORPUS names, or ``../shared/corpus``.

The baseline is what a textbook counts: plain k-means on 4x4 blocks, the order-0
entropy of the indices, and one byte for each sample of the codebook. Ours is
the whole file. Kodak images are measured on, never tuned on.
"""

from __future__ import annotations

import argparse
import io
import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import PIL.Image

import vqcodec
from tests.bench.corpus import corpus
from vqcodec.cluster import fit_kmeans

SIZES = (64, 256, 1024)


def gray_kodak() -> list[tuple[str, np.ndarray]]:
    files = sorted((corpus() / "kodak").glob("*.png"))
    return [(f.stem, np.asarray(PIL.Image.open(f).convert("L"))) for f in files]


def psnr(error: float) -> float:
    return 10 * np.log10(65025 / error)


def textbook(image: np.ndarray, count: int) -> tuple[float, float]:
    """Return bits a pixel and PSNR of plain k-means with ideal order-0 coding."""
    height, width = image.shape
    vectors = image.reshape(height // 4, 4, width // 4, 4).swapaxes(1, 2).reshape(-1, 16)
    fit = fit_kmeans(vectors.astype(np.float32), count, max_iter=50, seed=0)
    codewords = np.rint(fit.centers)
    share = np.bincount(fit.labels, minlength=count) / len(vectors)
    share = share[share > 0]
    bits = -(share * np.log2(share)).sum() * len(vectors) + 8 * codewords.size
    return bits / image.size, psnr(float(np.mean((vectors - codewords[fit.labels]) ** 2)))


def ours(image: np.ndarray, **wishes: float) -> tuple[float, float]:
    """Return bits a pixel of the whole file, and PSNR of what it decodes to."""
    data = vqcodec.encode(image, kind="patch", block=4, **wishes)
    decoded = vqcodec.decode(data).samples[..., 0]
    return len(data) * 8 / image.size, psnr(float(np.mean((decoded.astype(float) - image) ** 2)))


def rates() -> None:
    """Print rate at equal PSNR, and BD-rate, against the textbook."""
    import bjontegaard

    print("| image | textbook bpp | dB | ours, no search | dB | bits | ours at equal dB | bits |")
    print("|---|---|---|---|---|---|---|---|")
    saved, equal, deltas = [], [], []
    for name, image in gray_kodak():
        base = {count: textbook(image, count) for count in SIZES}
        rate, quality = base[256]
        plain = ours(image, codewords=256, lagrangian=0.0)
        same = ours(image, codewords=384, psnr=quality)
        saved.append(plain[0] / rate - 1)
        equal.append(same[0] / rate - 1)
        curve = [
            ours(image, codewords=count, lagrangian=2.5 * 65025 / 10 ** (base[count][1] / 10))
            for count in SIZES
        ]
        deltas.append(
            bjontegaard.bd_rate(
                [base[count][0] for count in SIZES], [base[count][1] for count in SIZES],
                [point[0] for point in curve], [point[1] for point in curve],
                method="pchip", min_overlap=0,
            )
        )  # fmt: skip
        print(
            f"| {name} | {rate:.3f} | {quality:.2f} | {plain[0]:.3f} | {plain[1]:.2f} "
            f"| {saved[-1]:+.1%} | {same[0]:.3f} ({same[1]:.2f} dB) | {equal[-1]:+.1%} |",
            flush=True,
        )
    print(f"| mean | | | | | {np.mean(saved):+.1%} | | {np.mean(equal):+.1%} |\n")
    print(
        f"BD-rate with entropy-constrained design and search, K = 64, 256, 1024: mean "
        f"{np.mean(deltas):+.1f} % (from {min(deltas):+.1f} to {max(deltas):+.1f})"
    )


def large_picture() -> np.ndarray:
    """Return 6000 x 4000 pixels: twenty photographs side by side."""
    files = sorted((corpus() / "photos").glob("*.png"))[:20]
    tiles = [np.asarray(PIL.Image.open(f).convert("RGB").resize((1200, 1000))) for f in files]
    return np.concatenate([np.concatenate(tiles[i : i + 5], 1) for i in range(0, 20, 5)])


def speed(rounds: int = 7) -> None:
    """Print the CPU time of fixed-rate decoding against Pillow's baseline JPEG."""
    image = large_picture()
    start = time.process_time()
    data = vqcodec.encode(image, block=4, codewords=256, fixed_rate=True, color="rgb")
    spent = time.process_time() - start
    file = io.BytesIO()
    PIL.Image.fromarray(image).save(file, "JPEG", quality=75)
    jpeg = file.getvalue()
    ratios, mine, theirs = [], [], []
    for _ in range(rounds):
        start = time.process_time()
        vqcodec.decode(data)
        middle = time.process_time()
        PIL.Image.open(io.BytesIO(jpeg)).load()
        mine.append(middle - start)
        theirs.append(time.process_time() - middle)
        ratios.append(theirs[-1] / mine[-1])
    megapixels = image.shape[0] * image.shape[1] / 1e6
    print("\n| 24 MP, RGB, one thread | MP/s (CPU, median) |\n|---|---|")
    print(f"| fixed-rate decoding, checksum included | {megapixels / np.median(mine):.0f} |")
    print(f"| Pillow, baseline JPEG, quality 75 | {megapixels / np.median(theirs):.0f} |")
    print(f"| ratio (median of pairs) | {np.median(ratios):.2f} |")
    print(f"| fixed-rate encoding | {megapixels / spent:.1f} |")


def memory() -> None:
    """Print the peak memory of a process that encodes the picture."""
    from tempfile import TemporaryDirectory

    with TemporaryDirectory() as folder:
        path = Path(folder) / "large.png"
        PIL.Image.fromarray(large_picture()).save(path, compress_level=1)
        print("\n| encoding 24 MP in a fresh process | peak memory / raw size |\n|---|---|")
        for name, options in (
            ("fixed rate, RGB 4x4, 256 codewords", "fixed_rate=True, color='rgb'"),
            ("entropy-coded, RGB 4x4, 256 codewords", "color='rgb'"),
            ("entropy-coded, YCbCr 4x4, 256 codewords", "color='ycbcr'"),
        ):
            program = (
                f"import vqcodec; vqcodec.encode({str(path)!r}, block=4, codewords=256, {options})"
                "\nimport resource; print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
            )
            out = subprocess.run(
                [sys.executable, "-c", program], capture_output=True, text=True, check=True
            )
            print(f"| {name} | {int(out.stdout) * 1024 / 72e6:.2f} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", default=["rates", "speed", "memory"])
    for part in parser.parse_args().parts:
        {"rates": rates, "speed": speed, "memory": memory}[part]()
    print(f"\npeak of this process: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10} MiB")


if __name__ == "__main__":
    main()
