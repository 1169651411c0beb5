"""Structured quantizers: what goes in comes out near, at the rate that it says."""

import numpy as np
import pytest

from vqcodec.cluster import (
    FullSearchQuantizer,
    GainShapeQuantizer,
    MeanRemovedQuantizer,
    ProductQuantizer,
    ResidualQuantizer,
    TreeQuantizer,
    fit_kmeans,
)
from vqcodec.errors import ParameterError

POINTS = np.random.default_rng(0).normal(size=(1200, 6)).cumsum(axis=1).astype(np.float32)
TRAINED = {
    "full": lambda: FullSearchQuantizer.train(POINTS, 16),
    "tree": lambda: TreeQuantizer.train(POINTS, 4),
    "wide tree": lambda: TreeQuantizer.train(POINTS, 2, 4),
    "product": lambda: ProductQuantizer.train(POINTS, 4, 2),
    "residual": lambda: ResidualQuantizer.train(POINTS, 2, 4),
    "mean-removed": lambda: MeanRemovedQuantizer.train(POINTS, 4, 4),
    "gain-shape": lambda: GainShapeQuantizer.train(POINTS, 4, 4),
}


@pytest.mark.parametrize("name", TRAINED)
def test_rate_distortion_and_round_trip(name):
    quantizer = TRAINED[name]()
    assert quantizer.bits == 4
    indices = quantizer.encode(POINTS)
    assert indices.shape == (len(POINTS), len(quantizer.sizes))
    assert indices.dtype == np.int32
    decoded = quantizer.decode(indices)
    error = ((POINTS - decoded) ** 2).sum(axis=1).mean()
    assert error == pytest.approx(quantizer.distortion(POINTS))
    variance = POINTS.var(axis=0).sum()
    assert error < 0.6 * variance
    assert error >= 0.95 * fit_kmeans(POINTS, 16, n_init=5).inertia / len(POINTS)


def test_full_search_is_k_means():
    quantizer = FullSearchQuantizer.train(POINTS, 8)
    assert quantizer.distortion(POINTS) == pytest.approx(fit_kmeans(POINTS, 8).inertia / 1200)


@pytest.mark.parametrize("name", ["tree", "residual"])
def test_prefixes_are_coarser_descriptions(name):
    quantizer = TRAINED[name]()
    indices = quantizer.encode(POINTS)
    errors = [
        ((POINTS - quantizer.decode(indices[:, :parts])) ** 2).sum()
        for parts in range(1, indices.shape[1] + 1)
    ]
    assert errors == sorted(errors, reverse=True)


def test_gain_shape_has_unit_shapes():
    quantizer = TRAINED["gain-shape"]()
    np.testing.assert_allclose(np.linalg.norm(quantizer.shapes, axis=1), 1)


def test_a_tree_of_few_points():
    points = np.array([[0.0], [1.0], [5.0]])
    quantizer = TreeQuantizer.train(points, 3)
    assert quantizer.distortion(points) == 0


@pytest.mark.parametrize("name", TRAINED)
@pytest.mark.parametrize("indices", [[[99] * 4], [[-1] * 4], [[0.5] * 4], [0], [[]]])
def test_bad_indices_are_refused(name, indices):
    quantizer = TRAINED[name]()
    indices = np.array(indices)
    if indices.ndim == 2:
        indices = indices[:, : len(quantizer.sizes)]
    with pytest.raises(ParameterError):
        quantizer.decode(indices)


@pytest.mark.parametrize(
    "train",
    [
        lambda: TreeQuantizer.train(POINTS, 0),
        lambda: TreeQuantizer.train(POINTS, 2, 1),
        lambda: ProductQuantizer.train(POINTS, 7, 2),
        lambda: ResidualQuantizer.train(POINTS, 0, 2),
        lambda: GainShapeQuantizer.train(np.zeros((5, 2)), 1, 1),
    ],
)
def test_bad_parameters_are_refused(train):
    with pytest.raises(ParameterError):
        train()
