"""What the estimators promise beyond scikit-learn's own checks."""

import pickle
import subprocess
import sys

import numpy as np
import pytest
import sklearn.cluster
from sklearn.base import clone
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from vqcodec.cluster import KMeans, MiniBatchKMeans
from vqcodec.errors import CancelledError


@pytest.fixture(scope="module")
def points():
    rng = np.random.default_rng(0)
    return (rng.normal(size=(1500, 4)) + 4 * rng.integers(0, 3, (1500, 1))).astype(np.float32)


def test_same_result_as_the_peer_from_the_same_centres(points):
    init = points[:7].astype(np.float64)
    data = points.astype(np.float64)
    ours = KMeans(7, init=init, n_init=1).fit(data)
    theirs = sklearn.cluster.KMeans(7, init=init, n_init=1).fit(data)
    np.testing.assert_allclose(ours.cluster_centers_, theirs.cluster_centers_)
    assert (ours.labels_ == theirs.labels_).all()
    assert ours.n_iter_ == theirs.n_iter_
    assert ours.inertia_ == pytest.approx(theirs.inertia_)
    np.testing.assert_allclose(ours.transform(data[:9]), theirs.transform(data[:9]))
    assert ours.score(data) == pytest.approx(theirs.score(data))


@pytest.mark.parametrize("Estimator", [KMeans, MiniBatchKMeans])
def test_clone_pickle_pipeline(points, Estimator):
    estimator = Estimator(4, random_state=0).fit(points)
    again = pickle.loads(pickle.dumps(estimator))
    assert (again.predict(points) == estimator.predict(points)).all()
    copy = clone(estimator)
    assert copy.get_params() == estimator.get_params()
    assert not hasattr(copy, "cluster_centers_")
    assert len(np.unique(make_pipeline(StandardScaler(), copy).fit_predict(points))) == 4
    assert eval(repr(Estimator(3, tol=0.5))).get_params() == Estimator(3, tol=0.5).get_params()


def test_mini_batch_comes_near_to_full_k_means(points):
    full = KMeans(6, random_state=0, n_init=3).fit(points)
    mini = MiniBatchKMeans(6, random_state=0, n_init=3, batch_size=256).fit(points)
    assert mini.inertia_ < 1.15 * full.inertia_


def test_partial_fit_learns(points):
    mini = MiniBatchKMeans(6, random_state=0)
    mini.partial_fit(points[:100])
    before = mini.score(points)
    for start in range(100, 1500, 100):
        mini.partial_fit(points[start : start + 100])
    assert mini.score(points) > before
    assert mini.n_steps_ == 15


@pytest.mark.parametrize("Estimator", [KMeans, MiniBatchKMeans])
def test_progress_can_cancel(points, Estimator):
    with pytest.raises(CancelledError):
        Estimator(4, progress=lambda fraction, message: False).fit(points)


def test_feature_names_are_kept_and_compared():
    class Frame:
        """As much of a data frame as the estimators look at."""

        def __init__(self, columns):
            self.columns = columns

        def __array__(self, dtype=None, copy=None):
            return np.arange(12.0).reshape(6, 2)

    fitted = KMeans(2, random_state=0).fit(Frame(["a", "b"]))
    assert fitted.feature_names_in_.tolist() == ["a", "b"]
    fitted.predict(Frame(["a", "b"]))
    with pytest.raises(ValueError, match="same order"):
        fitted.predict(Frame(["b", "a"]))
    with pytest.raises(ValueError, match="unseen at fit time"):
        fitted.predict(Frame(["a", "c"]))
    with pytest.warns(UserWarning, match="does not have valid feature names"):
        fitted.predict(np.zeros((2, 2)))


def test_the_peer_is_never_imported():
    code = (
        "import sys, numpy as np\n"
        "import vqcodec.cluster\n"
        "assert not {'numba', 'scipy'} & set(sys.modules)\n"
        "from vqcodec.cluster import KMeans, MiniBatchKMeans\n"
        "x = np.random.default_rng(0).normal(size=(50, 2))\n"
        "for estimator in (KMeans(2), MiniBatchKMeans(2)):\n"
        "    estimator.fit(x).predict(x)\n"
        "try:\n"
        "    KMeans().predict(x)\n"
        "except ValueError as error:\n"
        "    assert 'not fitted' in str(error)\n"
        "assert not any(name.startswith('sklearn') for name in sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
