"""Every way to start, and what comes of equal points."""

import numpy as np
import pytest
from sklearn.cluster import kmeans_plusplus

from vqcodec.cluster.assign import assign
from vqcodec.cluster.kmeans import fit_kmeans, improve
from vqcodec.cluster.seeding import breathe, plus_plus_indices, seed_codebook
from vqcodec.cluster.statistics import ClusterStatistics
from vqcodec.cluster.tally import tally
from vqcodec.errors import ParameterError

WAYS = ["k-means++", "nested", "breathing", "random", "gaussian", "pnn", "splitting"]


@pytest.fixture(scope="module")
def points():
    return np.random.default_rng(0).normal(size=(3000, 3)).astype(np.float32)


@pytest.mark.parametrize("init", WAYS)
@pytest.mark.parametrize("weighted", [False, True])
def test_every_way_seeds_a_good_codebook(points, init, weighted):
    weights = np.linspace(0.1, 2, len(points)) if weighted else None
    fits = [fit_kmeans(points, 10, weights=weights, init=init, seed=3) for _ in range(2)]
    assert fits[0].centers.tobytes() == fits[1].centers.tobytes()
    reference = fit_kmeans(points, 10, weights=weights, n_init=5)
    assert fits[0].inertia <= 1.2 * reference.inertia
    assert (fits[0].counts > 0).all()


def test_nested_grows_its_samples():
    points = np.random.default_rng(1).normal(size=(9000, 2)).astype(np.float32)
    codebook = seed_codebook(points, 16, None, "nested", np.random.default_rng(0))
    best = fit_kmeans(points, 16, n_init=3).inertia
    assert assign(points, codebook)[1].sum() < 1.1 * best


def test_plus_plus_is_as_good_as_the_peer():
    points = np.random.default_rng(2).normal(size=(4000, 8)).astype(np.float32)
    ours, theirs = [], []
    for seed in range(4):
        chosen = plus_plus_indices(points, 40, None, np.random.default_rng(seed))
        assert len(np.unique(chosen)) == 40
        ours.append(assign(points, points[chosen])[1].sum())
        codebook, _ = kmeans_plusplus(points, 40, random_state=seed)
        theirs.append(assign(points, codebook)[1].sum())
    assert np.mean(ours) < 1.03 * np.mean(theirs)


def test_points_without_weight_are_never_drawn():
    points = np.arange(200.0)[:, None]
    weights = np.where(np.arange(200) % 4 == 0, 1.0, 0.0)
    for init in ("k-means++", "random"):
        codebook = seed_codebook(points, 30, weights, init, np.random.default_rng(0))
        assert (codebook % 4 == 0).all()


def test_gaussian_draws_have_the_mean_and_covariance_of_the_points():
    rng = np.random.default_rng(3)
    points = rng.normal(size=(500, 3)) @ rng.normal(size=(3, 3)) + [5, 0, -5]
    drawn = seed_codebook(points, 500, None, "gaussian", rng)
    many = np.concatenate(
        [seed_codebook(points, 500, None, "gaussian", rng) for _ in range(40)] + [drawn]
    )
    np.testing.assert_allclose(many.mean(axis=0), points.mean(axis=0), atol=0.1)
    np.testing.assert_allclose(np.cov(many.T), np.cov(points.T), atol=0.15)


@pytest.mark.parametrize(
    "init", ["unheard of", np.zeros((3, 3)), np.zeros((2, 2)), lambda p, k, g: p[:1]]
)
def test_bad_starts_are_refused(points, init):
    with pytest.raises(ParameterError):
        fit_kmeans(points, 2, init=init)


@pytest.mark.parametrize("dimensions", [1, 2, 3])
@pytest.mark.parametrize("weighted", [False, True])
def test_colours_are_counted(dimensions, weighted):
    rng = np.random.default_rng(4)
    points = rng.integers(0, 256, (5000, dimensions)).astype(np.float32)
    points[::3] = points[0]
    weights = rng.uniform(size=5000) if weighted else None
    counted = tally(points, weights, 16)
    assert len(np.unique(counted.points, axis=0)) == len(counted.points)
    some = rng.integers(0, 1 << 16, len(counted.points)).astype(np.int32)
    labelled = counted.expand(some)
    for i in range(0, 5000, 7):
        (place,) = np.flatnonzero((counted.points == points[i]).all(axis=1))
        assert labelled[i] == some[place]
        mass = 1.0 if weights is None else weights
        expected = ((points == points[i]).all(axis=1) * mass).sum()
        assert counted.weights[place] == pytest.approx(expected)


@pytest.mark.parametrize("value", [0.5, -1.0, 256.0])
def test_what_is_no_colour_is_not_counted(value):
    points = np.zeros((3000, 3), np.float32)
    points[1234, 1] = value
    assert tally(points, None, 16) is None


def test_counted_colours_train_like_all_pixels():
    rng = np.random.default_rng(5)
    pixels = rng.normal(128, 25, (20000, 3)).clip(0, 255).round()
    init = pixels[:40] + 0.25
    counted = fit_kmeans(pixels.astype(np.float32), 40, init=init, max_iter=6, tol=0)
    shifted = fit_kmeans(pixels + 0.5, 40, init=init + 0.5, max_iter=6, tol=0)
    assert (counted.labels == shifted.labels).all()
    np.testing.assert_allclose(counted.centers, shifted.centers - 0.5, rtol=1e-9)
    assert counted.inertia == pytest.approx(shifted.inertia)


@pytest.mark.parametrize("dimensions", [1, 2, 3])
@pytest.mark.parametrize("k", [1, 2, 5, 63, 250])
def test_colours_find_their_nearest_codewords(dimensions, k):
    rng = np.random.default_rng(k)
    points = rng.normal(128, 40, (6000, dimensions)).clip(0, 255).round().astype(np.float32)
    # Codewords on the grid make exact ties, of which the first one counts; some lie far outside.
    codebook = rng.integers(-40, 300, (k, dimensions)) / rng.choice([1, 2, 3])
    fit = fit_kmeans(points, k, init=codebook, max_iter=1, tol=0, empty="keep")
    squares = ((points[:, None].astype(np.float64) - fit.centers) ** 2).sum(axis=2)
    assert (fit.labels == squares.argmin(axis=1)).all()
    assert fit.inertia == pytest.approx(squares.min(axis=1).sum())
    first = ((points[:, None].astype(np.float64) - codebook) ** 2).sum(axis=2).argmin(axis=1)
    for label in np.unique(first):
        mean = points[first == label].mean(axis=0, dtype=np.float64)
        np.testing.assert_allclose(fit.centers[label], mean, rtol=1e-12)


def test_breathing_moves_codewords_to_where_the_distortion_is():
    rng = np.random.default_rng(5)
    corners = np.array([[0, 0], [100, 0], [0, 100], [100, 100]])
    points = (corners[rng.integers(0, 4, 2000)] + rng.normal(size=(2000, 2))).astype(np.float32)
    stuck = improve(points, np.array([[-1.0, 0], [1, 0], [0, 1], [70, 70]]), None, 50)
    weights = np.ones(len(points))
    free = breathe(points, stuck, weights, np.random.default_rng(0), 8)
    before, after = (ClusterStatistics.of(points, book).inertia for book in (stuck, free))
    assert after < 2 * points.size < 0.01 * before
    assert free.shape == stuck.shape
