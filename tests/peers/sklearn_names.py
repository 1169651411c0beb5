"""A pytest plugin: scikit-learn's own k-means tests, on our estimators.

Loaded before the tests are collected, it puts our classes and functions where
``from sklearn.cluster import ...`` finds them, and skips what cannot apply.
"""

import pytest
import sklearn.cluster
from scipy.sparse import issparse

from vqcodec.cluster import estimators

NAMES = ("KMeans", "MiniBatchKMeans", "k_means", "kmeans_plusplus")
PRIVATE = {
    "test_relocate_empty_clusters",
    "test_minibatch_update_consistency",
    "test_minibatch_reassign",
    "test_euclidean_distance",
    "test_inertia",
    "test_is_same_clustering",
    "test_sample_weight_init",
    "test_sample_weight_zero",
}

for name in NAMES:
    setattr(sklearn.cluster, name, getattr(estimators, name))


def pytest_collection_modifyitems(items):
    for item in items:
        values = getattr(item, "callspec", None)
        values = values.params.values() if values else ()
        if item.originalname in PRIVATE:
            item.add_marker(pytest.mark.skip(reason="private functions of scikit-learn"))
        elif any(_sparse(value) for value in values):
            item.add_marker(pytest.mark.skip(reason="sparse data"))


def _sparse(value):
    return issparse(value) or "csr" in getattr(value, "__name__", "")
