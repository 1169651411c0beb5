"""The functions with SciPy's signatures give SciPy's results."""

import numpy as np
import pytest
import scipy.cluster.vq as peer

from vqcodec.cluster import vq as ours


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("flat", [False, True])
def test_vq(dtype, flat):
    rng = np.random.default_rng(0)
    obs, book = rng.normal(size=(300, 4)).astype(dtype), rng.normal(size=(7, 4)).astype(dtype)
    if flat:
        obs, book = obs[:, 0].copy(), book[:, 0].copy()
    code, dist = ours.vq(obs, book)
    expected_code, expected_dist = peer.vq(obs, book)
    assert (code == expected_code).all()
    assert dist.dtype == expected_dist.dtype
    np.testing.assert_allclose(dist, expected_dist, rtol=1e-4, atol=1e-5)


def test_whiten():
    obs = np.random.default_rng(1).normal(size=(50, 3)) * [1, 10, 0.1]
    np.testing.assert_allclose(ours.whiten(obs), peer.whiten(obs))
    obs[:, 1] = 3
    with pytest.warns(RuntimeWarning, match="standard deviation zero"):
        assert (ours.whiten(obs)[:, 1] == 3).all()


@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_kmeans_from_a_guess(dtype):
    obs = np.random.default_rng(2).normal(size=(400, 3)).astype(dtype)
    book, distortion = ours.kmeans(obs, obs[:9])
    expected_book, expected = peer.kmeans(obs, obs[:9])
    np.testing.assert_allclose(book, expected_book, rtol=1e-4, atol=1e-5)
    assert distortion == pytest.approx(float(expected), rel=1e-5)
    assert book.dtype == dtype


def test_kmeans_takes_the_best_run():
    obs = np.random.default_rng(3).normal(size=(300, 2))
    runs = [ours.kmeans(obs, 12, iter=1, rng=seed)[1] for seed in range(5)]
    assert ours.kmeans(obs, 12, iter=20, rng=0)[1] <= np.mean(runs)


@pytest.mark.parametrize("minit", ["points", "++"])
def test_kmeans2_draws_like_the_peer(minit):
    obs = np.random.default_rng(4).normal(size=(300, 3))
    for steps in (1, 5):
        book, label = ours.kmeans2(obs, 6, iter=steps, minit=minit, rng=np.random.default_rng(5))
        expected = peer.kmeans2(obs, 6, iter=steps, minit=minit, rng=np.random.default_rng(5))
        np.testing.assert_allclose(book, expected[0])
        assert (label == expected[1]).all()


def test_kmeans2_tells_of_lost_clusters():
    obs, start = np.arange(4.0), np.array([1.0, 100.0])
    with pytest.warns(UserWarning, match="empty"):
        book, _ = ours.kmeans2(obs, start)
    assert book.tolist() == [1.5, 100.0]
    with pytest.raises(ours.ClusterError):
        ours.kmeans2(obs, start, missing="raise")


@pytest.mark.parametrize(
    "call",
    [
        lambda: ours.kmeans([[1.0], [2.0]], 0),
        lambda: ours.kmeans([[1.0], [2.0]], 1.5),
        lambda: ours.kmeans([[1.0], [2.0]], 1, iter=0),
        lambda: ours.kmeans2([[1.0], [2.0]], 2, minit="unheard of"),
        lambda: ours.kmeans2([[1.0], [2.0]], 2, missing="unheard of"),
        lambda: ours.kmeans2([[1.0], [2.0]], 2, iter=0),
        lambda: ours.kmeans2([], 2),
        lambda: ours.vq([[np.nan]], [[1.0]]),
        lambda: ours.vq([[1.0, 2.0]], [[1.0]]),
        lambda: ours.whiten([[np.inf]]),
    ],
)
def test_bad_arguments_are_refused(call):
    with pytest.raises(ValueError):
        call()
