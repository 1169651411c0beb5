"""The peers' own tests, from their installed wheels, with our names in the place of theirs."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from vqcodec.cluster.estimators import KMeans, MiniBatchKMeans

ROOT = Path(__file__).parents[1]


def run_peer(plugin, module, folder):
    """Return the outcome of every test of `module`, run under one of our plugins."""
    if importlib.util.find_spec(module) is None:
        pytest.skip(f"the installed package comes without {module}")
    command = [sys.executable, "-m", "pytest", "-q", "-p", f"tests.peers.{plugin}"]
    command += ["-p", "no:cacheprovider", "-p", "no:xdist", "--pyargs", module]
    command += ["--junit-xml=report.xml", "--tb=short"]
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)
    (folder / "pytest.ini").write_text("[pytest]\n")
    done = subprocess.run(
        command, cwd=folder, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    outcomes = {}
    for case in ElementTree.parse(folder / "report.xml").getroot().iter("testcase"):
        skipped = case.find("skipped")
        outcomes[case.get("name")] = "passed" if skipped is None else skipped.get("message")
    return outcomes


def test_scipy_passes_on_our_functions(tmp_path):
    outcomes = run_peer("scipy_names", "scipy.cluster.tests.test_vq", tmp_path)
    assert sum(outcome == "passed" for outcome in outcomes.values()) >= 20


def test_sklearn_passes_on_our_estimators(tmp_path):
    outcomes = run_peer("sklearn_names", "sklearn.cluster.tests.test_k_means", tmp_path)
    assert sum(outcome == "passed" for outcome in outcomes.values()) >= 100


@parametrize_with_checks(
    [
        KMeans(n_clusters=2, n_init=2, max_iter=5),
        MiniBatchKMeans(n_clusters=2, n_init=2, max_iter=5, batch_size=10),
    ]
)
def test_estimator_checks(estimator, check):
    check(estimator)
