"""Second decoders, written from docs/format.md alone, agree with the codecs on every file."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import numpy as np
import pytest

import vqcodec
from tests.golden import make
from tests.reference import container
from vqcodec.codebook import Codebook

FOLDER = make.FOLDER
IMAGES = [name for name in make.known() if re.match(r"(patch|palette)-.*\.vqi", name)]
FRAMES = [name for name in make.known() if re.match(r"frames-.*\.vqa", name)]
# A plane takes the plain interpreter a second: three files that have everything between them.
PHOTOS = ["photo-gray-alpha.vqi", "photo-alpha.vqi", "photo-fine.vqi"]
SHIPPED = Path(vqcodec.__file__).parent / "models" / "photo.vqcb"
BOOKS = [name for name in make.known() if name.endswith(".vqcb")]


def decoded(name: str) -> np.ndarray:
    kind = name.split("-")[0]
    decoder = importlib.import_module(f"tests.reference.{kind}")
    data = (FOLDER / name).read_bytes()
    if "external" in name:
        return decoder.decode(data, container.read_book((FOLDER / f"{kind}.vqcb").read_bytes()))
    return decoder.decode(data)


@pytest.mark.parametrize("name", IMAGES)
def test_images_decode_alike(name):
    data = (FOLDER / name).read_bytes()
    codebook = Codebook.load(FOLDER / "patch.vqcb") if "external" in name else None
    expected = vqcodec.decode(data, codebook=codebook).samples
    found = decoded(name)
    np.testing.assert_array_equal(found, expected)
    assert found.dtype == expected.dtype


@pytest.mark.parametrize("name", FRAMES)
def test_frames_decode_alike(name):
    codebook = Codebook.load(FOLDER / "frames.vqcb") if "external" in name else None
    expected = vqcodec.decode((FOLDER / name).read_bytes(), codebook=codebook).samples
    np.testing.assert_array_equal(decoded(name), np.rint(expected * 32768))


@pytest.mark.parametrize("name", PHOTOS)
def test_photos_decode_alike(name):
    from tests.reference import photo

    data = (FOLDER / name).read_bytes()
    found = photo.decode(data, container.read_book(SHIPPED.read_bytes()))
    np.testing.assert_array_equal(found, vqcodec.decode(data).samples)


@pytest.mark.parametrize("name", BOOKS)
def test_codebooks_read_alike(name):
    data = (FOLDER / name).read_bytes()
    expected, found = Codebook.from_bytes(data), container.read_book(data)
    assert (found.kind, found.config) == (expected.kind, expected.config)
    assert found.identity == expected.identity
    assert found.arrays.keys() == expected.arrays.keys()
    for array in found.arrays:
        np.testing.assert_array_equal(found.arrays[array], expected.arrays[array])


def test_reference_decoders_stand_alone():
    for path in Path(container.__file__).parent.glob("*.py"):
        source = path.read_text()
        assert not re.search(r"^\s*(from|import) (vqcodec|numba|scipy)", source, re.MULTILINE)
