"""Lloyd's k-means: every step is the one of plain float64 arithmetic."""

import numba
import numpy as np
import pytest
from scipy.spatial.distance import cdist

from vqcodec.cluster.ecvq import fit_ecvq
from vqcodec.cluster.kmeans import fit_kmeans
from vqcodec.errors import CancelledError, ParameterError


def plain_lloyd(points, centers, steps, weights=None):
    """k-means as in the textbook."""
    points = points.astype(np.float64)
    weights = np.ones(len(points)) if weights is None else weights
    for _ in range(steps):
        labels = cdist(points, centers, "sqeuclidean").argmin(axis=1)
        centers = np.array(
            [
                np.average(points[labels == k], axis=0, weights=weights[labels == k])
                if weights[labels == k].any()
                else centers[k]
                for k in range(len(centers))
            ]
        )
    return centers, cdist(points, centers, "sqeuclidean").argmin(axis=1)


@pytest.mark.parametrize("dtype", ["f4", "f8", "u1"])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("steps", [1, 2, 9])
def test_steps_equal_plain_lloyd(dtype, weighted, steps):
    rng = np.random.default_rng(1)
    points = (rng.normal(size=(3000, 6)) * 30 + 120).clip(0, 255).astype(dtype)
    weights = rng.uniform(0.1, 3, 3000) if weighted else None
    init = points[:12].astype(np.float64)
    centers, labels = plain_lloyd(points, init, steps, weights)
    fit = fit_kmeans(points, 12, weights=weights, init=init, max_iter=steps, tol=0)
    np.testing.assert_allclose(fit.centers, centers, rtol=1e-9)
    assert (fit.labels == labels).all()
    assert fit.iterations == steps


def test_the_same_for_every_thread_count():
    points = np.random.default_rng(2).normal(size=(20000, 5)).astype(np.float32)
    before = numba.get_num_threads()
    try:
        fits = []
        for threads in (1, min(2, numba.config.NUMBA_NUM_THREADS)):
            numba.set_num_threads(threads)
            fits.append(fit_kmeans(points, 30, max_iter=5, seed=3))
    finally:
        numba.set_num_threads(before)
    assert fits[0].centers.tobytes() == fits[1].centers.tobytes()
    assert (fits[0].labels == fits[1].labels).all()
    assert fits[0].inertia == fits[1].inertia


def test_empty_clusters_are_repaired_kept_or_refused():
    points = np.array([[0.0], [1.0], [10.0], [11.0]])
    init = np.array([[5.0], [100.0]])
    fit = fit_kmeans(points, 2, init=init)
    assert sorted(fit.centers[:, 0]) == [0.5, 10.5]
    kept = fit_kmeans(points, 2, init=init, empty="keep")
    assert kept.centers[1] == 100
    assert kept.counts.tolist() == [4, 0]
    with pytest.warns(RuntimeWarning, match="1 of 2 clusters are empty"):
        fit_kmeans(points, 2, init=init, empty="warn")
    with pytest.raises(ParameterError, match="empty"):
        fit_kmeans(points, 2, init=init, empty="raise")


@pytest.mark.parametrize("max_iter", [1, 2, 3])
def test_the_last_step_leaves_no_cluster_empty(max_iter):
    for seed in range(30):
        points = np.random.default_rng(seed).normal(size=(120, 2)) ** 3
        fit = fit_kmeans(points, 40, init="random", max_iter=max_iter, tol=0, seed=seed)
        assert (np.bincount(fit.labels, minlength=40) > 0).all()
        error = ((points - fit.centers[fit.labels]) ** 2).sum()
        assert fit.inertia == pytest.approx(error)


def test_a_cluster_that_the_last_step_empties_is_refused():
    points = np.random.default_rng(5).normal(size=(120, 2)) ** 3
    init = points[np.random.default_rng(6).permutation(120)[:40]]
    assert (fit_kmeans(points, 40, init=init, max_iter=1, empty="keep").counts == 0).sum() == 1
    with pytest.raises(ParameterError, match="1 clusters have become empty"):
        fit_kmeans(points, 40, init=init, max_iter=1, empty="raise")


def test_more_codewords_than_distinct_points_are_refused():
    with pytest.raises(ParameterError, match="distinct"):
        fit_kmeans(np.zeros((5, 2)), 2)


def test_more_restarts_are_never_worse():
    points = np.random.default_rng(4).normal(size=(500, 2))
    once = fit_kmeans(points, 15, init="random", seed=5)
    often = fit_kmeans(points, 15, init="random", seed=5, n_init=5)
    assert often.inertia <= once.inertia


def test_progress_is_reported_and_can_cancel():
    points = np.random.default_rng(6).normal(size=(800, 3))
    seen = []
    fit_kmeans(points, 9, progress=lambda fraction, message: seen.append((fraction, message)))
    fractions = [fraction for fraction, _ in seen]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0
    assert any("left" in message for _, message in seen)
    assert any("seeded" in message for _, message in seen)
    assert any("step" in message for _, message in seen)
    with pytest.raises(CancelledError):
        fit_kmeans(points, 9, progress=lambda fraction, message: False)


def test_ecvq_trades_distortion_for_rate():
    points = np.random.default_rng(7).laplace(size=(4000, 2))
    rates, distortions = [], []
    for lagrangian in (0.0, 0.05, 0.5):
        fit = fit_ecvq(points, 64, lagrangian)
        share = fit.counts / fit.counts.sum()
        np.testing.assert_allclose(fit.lengths, -np.log2(share))
        assert (fit.counts == np.bincount(fit.labels, minlength=len(fit.centers))).all()
        error = ((points - fit.centers[fit.labels]) ** 2).sum()
        assert error == pytest.approx(fit.inertia)
        rates.append(float(share @ fit.lengths))
        distortions.append(fit.inertia)
    assert rates[0] > rates[1] > rates[2]
    assert distortions[0] < distortions[1] < distortions[2]
    assert len(fit.centers) < 64
