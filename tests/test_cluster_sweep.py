"""Choosing K, and clustering principal components."""

import numpy as np
import pytest
from sklearn.datasets import make_blobs
from sklearn.decomposition import PCA
from sklearn.metrics import silhouette_score

from vqcodec.cluster import Projection, choose_k, fit_projected, silhouette
from vqcodec.errors import CancelledError, ParameterError


def blobs(clusters, dimensions=2):
    return make_blobs(400, dimensions, centers=clusters, cluster_std=0.5, random_state=3)[0]


@pytest.fixture(scope="module")
def sweep():
    return choose_k(blobs(5), range(1, 9), references=3)


def test_all_criteria_find_well_separated_clusters(sweep):
    assert (sweep.elbow, sweep.silhouette, sweep.gap) == (5, 5, 5)


def test_the_table_holds_every_k(sweep, tmp_path):
    assert [row.k for row in sweep.rows] == list(range(1, 9))
    distortions = [row.distortion for row in sweep.rows]
    assert distortions == sorted(distortions, reverse=True)
    assert "| 5 | 2.32 |" in str(sweep)
    pytest.importorskip("matplotlib")
    sweep.picture(tmp_path / "sweep.png")
    assert (tmp_path / "sweep.png").stat().st_size > 1000


def test_silhouette_equals_the_peer():
    points = blobs(4)
    labels = np.random.default_rng(0).integers(0, 7, len(points))
    assert silhouette(points, labels) == pytest.approx(silhouette_score(points, labels))
    labels[labels == 3] = 2
    labels[0] = 3
    assert silhouette(points, labels) == pytest.approx(silhouette_score(points, labels))
    assert np.isnan(silhouette(points, np.zeros(400, int)))


def test_a_sweep_without_references_or_choices():
    sweep = choose_k(blobs(3), [2], references=0)
    assert sweep.elbow == 2
    assert sweep.gap is None
    for bad in ([], [0], [10**6]):
        with pytest.raises(ParameterError):
            choose_k(blobs(3), bad)
    with pytest.raises(CancelledError):
        choose_k(blobs(3), [2, 3], references=0, progress=lambda fraction, message: False)


def test_projection_equals_the_peer_and_is_undone():
    points = np.random.default_rng(1).normal(size=(300, 6)) @ np.diag([5, 3, 2, 1, 0.5, 0.1])
    ours = Projection.of(points, 3)
    theirs = PCA(3).fit(points)
    np.testing.assert_allclose(
        np.abs(ours.forward(points)), np.abs(theirs.transform(points)), atol=1e-9
    )
    np.testing.assert_allclose(
        ours.inverse(ours.forward(points)), theirs.inverse_transform(theirs.transform(points))
    )
    full = Projection.of(points, whiten=True)
    np.testing.assert_allclose(full.forward(points).std(axis=0), 1)
    np.testing.assert_allclose(full.inverse(full.forward(points)), points)
    assert len(Projection.of(points, 0.9).axes) == PCA(0.9).fit(points).n_components_


def test_clusters_of_components_have_codewords_in_the_original_space():
    points = np.concatenate([blobs(4), np.random.default_rng(2).normal(size=(400, 40))], axis=1)
    weights = np.random.default_rng(3).uniform(0.5, 1, 400)
    fit = fit_projected(points, 4, dimensions=2, weights=weights, n_init=3)
    for k in range(4):
        mean = np.average(points[fit.labels == k], axis=0, weights=weights[fit.labels == k])
        np.testing.assert_allclose(fit.centers[k], mean)
    error = weights @ ((points - fit.centers[fit.labels]) ** 2).sum(axis=1)
    assert fit.inertia == pytest.approx(error)
    assert fit_projected(points, 4, whiten=True, dimensions=0.5).centers.shape == (4, 42)


@pytest.mark.parametrize("dimensions", [0, 9, 0.0, 1.5])
def test_bad_dimensions_are_refused(dimensions):
    with pytest.raises(ParameterError):
        Projection.of(np.zeros((5, 3)) + np.arange(3), dimensions)
