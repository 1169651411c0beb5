"""The merge tree is Ward's, in SciPy's format."""

import numpy as np
import pytest
import scipy.cluster.hierarchy as peer

from vqcodec.cluster import MergeTree, fit_kmeans, merge_tree
from vqcodec.errors import ParameterError


@pytest.mark.parametrize(("n", "d"), [(2, 1), (3, 2), (40, 5), (400, 3)])
def test_linkage_equals_the_peer(n, d):
    points = np.random.default_rng(n).normal(size=(n, d))
    tree = merge_tree(points)
    expected = peer.linkage(points, "ward")
    np.testing.assert_allclose(tree.linkage, expected, rtol=1e-7)
    assert peer.is_valid_linkage(tree.linkage)
    assert len(peer.dendrogram(tree.linkage, no_plot=True)["leaves"]) == n
    for k in {1, 2, n // 2, n} - {0}:
        cut = peer.fcluster(tree.linkage, k, "maxclust")
        assert len(set(zip(cut, tree.labels(k), strict=True))) == k


def test_distortions_and_codebooks_belong_together():
    points = np.random.default_rng(0).normal(size=(120, 4))
    tree = merge_tree(points)
    for k in (1, 7, 120):
        errors = (points - tree.codebook(k)[tree.labels(k)]) ** 2
        assert errors.sum() == pytest.approx(tree.distortions()[k - 1], abs=1e-9)


def test_a_weight_is_so_many_equal_points():
    rng = np.random.default_rng(1)
    points, counts = rng.normal(size=(60, 2)), rng.integers(1, 5, 60)
    weighted = merge_tree(points, weights=counts).codebook(6)
    repeated = merge_tree(np.repeat(points, counts, axis=0)).codebook(6)
    np.testing.assert_allclose(np.sort(weighted, axis=0), np.sort(repeated, axis=0))


def test_equal_points_and_single_ones():
    assert merge_tree(np.zeros((9, 2))).distortions().tolist() == [0] * 9
    alone = merge_tree([[3.0, 4.0]])
    assert isinstance(alone, MergeTree)
    assert alone.codebook(1).tolist() == [[3, 4]]
    with pytest.raises(ParameterError):
        alone.codebook(2)


def test_it_seeds_k_means_well():
    points = np.random.default_rng(2).normal(size=(1500, 2))
    assert fit_kmeans(points, 30, init="pnn").inertia < 1.05 * fit_kmeans(points, 30).inertia
