"""A part of tests/matrix.py that is quick: golden files in other processes and settings."""

from __future__ import annotations

import pytest

from tests import matrix


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "setting",
    [
        matrix.Setting(
            "2 threads, another hash seed",
            {"NUMBA_NUM_THREADS": "2", "PYTHONHASHSEED": "7"},
            what="golden",
        ),
        matrix.Setting("no compiler", {"NUMBA_DISABLE_JIT": "1"}, what="interpreted"),
    ],
    ids=lambda setting: setting.name,
)
def test_golden_files_come_out_alike(setting):
    expected, found = matrix.golden(), matrix.run(setting)
    assert len(found) >= len(matrix.INTERPRETED)
    assert {name: expected[name] for name in found} == found
