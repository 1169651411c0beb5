"""Frozen files: the encoders write these bytes, and the decoders return these samples."""

from __future__ import annotations

import hashlib

import pytest

from tests.golden import make

NAMES = [*make.CASES, *make.LEGACY]


def test_every_frozen_file_has_its_digest():
    there = {path.name for path in make.FOLDER.glob("*.vq*")}
    assert there == set(NAMES) == set(make.known())


@pytest.mark.parametrize("name", NAMES)
def test_files_decode_to_the_same_samples(name):
    """Samples may change with a new version of the format only."""
    data = (make.FOLDER / name).read_bytes()
    assert make.digests_of(name, data) == make.known()[name]


@pytest.mark.parametrize("name", make.CASES)
def test_encoders_write_the_same_bytes(name):
    """If the change is deliberate: ``python -m tests.golden.make --write``, and say so."""
    data = make.CASES[name]()
    assert hashlib.sha256(data).hexdigest() == make.known()[name]["file"], name
