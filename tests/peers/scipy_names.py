"""A pytest plugin: SciPy's own tests of scipy.cluster.vq, on our functions."""

import pytest

from vqcodec.cluster import vq

NAMES = ("vq", "whiten", "kmeans", "kmeans2", "ClusterError")
PRIVATE = {
    "test_py_vq",
    "test_py_vq_matrix",
    "test_vq_1d",
    "test__vq_sametype",
    "test__vq_invalid_type",
    "test_vq_large_nfeat",
    "test_vq_large_features",
    "test_krandinit",
}


def pytest_collection_modifyitems(items):
    for item in items:
        for name in NAMES:
            setattr(item.module, name, getattr(vq, name))
        if item.originalname in PRIVATE:
            item.add_marker(pytest.mark.skip(reason="private functions of SciPy"))
