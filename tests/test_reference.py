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
MODELS = Path(vqcodec.__file__).parent / "models"
SHIPPED = MODELS / "photo.vqcb"
AUDIO_MODELS = ("music", "speech")
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


@pytest.mark.parametrize("name", ["audio-mono.vqa", "audio-three.vqa"])
def test_audio_segments_say_alike(name):
    """Block sizes, offsets, angles, energies, steps and values; samples are floating point."""
    from tests.reference import audio, sounds
    from vqcodec.audio.codec import Decoder
    from vqcodec.audio.segment import parse

    sound = sounds.read((FOLDER / name).read_bytes())
    books = {n: container.read_book((MODELS / f"{n}.vqcb").read_bytes()) for n in AUDIO_MODELS}
    decoder = Decoder(sound.header)
    for data, found in zip(sound.segments, audio.segments(sound, books), strict=True):
        flags, frames, knob, coded = parse(data, decoder._count)
        expected = decoder._coder(flags).read(coded, frames, knob, decoder.channels)
        for part, blocks in zip(expected, found, strict=True):
            assert part.blocks == len(blocks)
            start = 0
            for number, block in enumerate(blocks):
                bands, size = len(block.steps[0]), len(block.values[0])
                assert block.level == part.levels[number]
                assert block.offset == part.offsets[number]
                assert block.angles == part.angles[number, :bands].tolist()
                assert block.energies == part.energies[number, :, :bands].tolist()
                assert block.steps == part.steps[number, :, :bands].tolist()
                assert block.values == part.values[:, start : start + size].tolist()
                start += size


@pytest.mark.parametrize("name", ["speech-narrow.vqa", "speech-wide.vqa"])
def test_speech_segments_say_alike(name):
    from tests.reference import sounds, speech
    from vqcodec.audio.speech import decode
    from vqcodec.audio.speech.codec import Decoder

    sound = sounds.read((FOLDER / name).read_bytes())
    book = container.read_book((MODELS / "celp.vqcb").read_bytes())
    decoder = Decoder(sound.header)
    for data, found in zip(sound.segments, speech.segments(sound, book), strict=True):
        expected = decode.unpack(data, decoder._tables, decoder._count)
        for own, other in zip(found, expected, strict=True):
            np.testing.assert_array_equal(own, other)


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
