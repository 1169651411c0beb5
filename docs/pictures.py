"""Draw the picture of README.md: original, reconstruction, codebook.

    python docs/pictures.py

Everything in it is made by vqcodec: the file, what it decodes to, its codebook.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import PIL.Image

import vqcodec

ROOT = Path(__file__).resolve().parents[1]


def mosaic(codewords: np.ndarray, side: int, scale: int) -> np.ndarray:
    """Return codewords (K, side * side * 3) as a square of enlarged blocks with gaps."""
    columns = int(np.ceil(np.sqrt(len(codewords))))
    cell = side * scale + 2
    canvas = np.full((columns * cell, columns * cell, 3), 255, np.uint8)
    blocks = codewords.reshape(-1, side, side, 3).astype(np.uint8)
    for number, block in enumerate(blocks):
        y, x = divmod(number, columns)
        enlarged = block.repeat(scale, 0).repeat(scale, 1)
        canvas[y * cell : y * cell + side * scale, x * cell : x * cell + side * scale] = enlarged
    return canvas


def main() -> None:
    source = ROOT / "samples" / "astronaut.png"
    data = vqcodec.encode(source, block=4, codewords=256, color="rgb")
    original = np.asarray(PIL.Image.open(source).convert("RGB"))
    decoded = vqcodec.decode(data).samples
    _, codebook = vqcodec.detach(data)
    tiles = mosaic(codebook.array("codewords"), 4, 8)
    height = original.shape[0]
    tiles = np.asarray(PIL.Image.fromarray(tiles).resize((height, height), PIL.Image.LANCZOS))
    gap = np.full((height, 12, 3), 255, np.uint8)
    picture = np.concatenate((original, gap, decoded, gap, tiles), 1)
    target = ROOT / "docs" / "images" / "patch.png"
    target.parent.mkdir(exist_ok=True)
    vqcodec.quantize(picture, 256).save(target, optimize=True)
    print(f"{target.relative_to(ROOT)}: {len(data)} bytes coded, {target.stat().st_size} drawn")


if __name__ == "__main__":
    main()
