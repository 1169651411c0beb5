"""Frozen files: the encoders write these bytes, and the decoders return these samples."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from tests.golden import make

NAMES = [*make.CASES, *make.LEGACY]


def test_every_frozen_file_has_its_digest():
    there = {path.name for path in make.FOLDER.glob("*.vq?*") if path.suffix != ".npy"}
    assert there == set(NAMES) == set(make.known())


@pytest.mark.parametrize("name", NAMES)
def test_files_decode_to_the_same_samples(name):
    """Samples may change with a new version of the format only."""
    data = (make.FOLDER / name).read_bytes()
    assert make.digests_of(name, data) == make.known()[name]


@pytest.mark.parametrize("name", [name for name in NAMES if name.startswith(make.INEXACT)])
def test_sounds_decode_to_the_same_samples_within_one_step(name):
    expected = np.load(make.FOLDER / (name + ".npy"), allow_pickle=False).astype(int)
    found = make.sixteen_bits((make.FOLDER / name).read_bytes())
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() <= 1


@pytest.mark.parametrize("name", make.CASES)
def test_encoders_write_the_same_bytes(name):
    """If the change is deliberate: ``python -m tests.golden.make --write``, and say so."""
    data = make.CASES[name]()
    assert hashlib.sha256(data).hexdigest() == make.known()[name]["file"], name
