"""Nearest codewords: the labels of float64 arithmetic, whatever the data look like."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist

from vqcodec.cluster.assign import assign
from vqcodec.errors import ParameterError


def check_nearest(points, codebook):
    labels, distances = assign(points, codebook)
    reference = cdist(points.astype(np.float64), codebook.astype(np.float64), "sqeuclidean")
    own = np.take_along_axis(reference, labels[:, None], 1)[:, 0]
    np.testing.assert_allclose(distances, own, rtol=1e-9, atol=1e-300)
    assert (own <= reference.min(axis=1) * (1 + 1e-12)).all()
    return labels


@settings(max_examples=60, deadline=None)
@given(
    n=st.integers(1, 900),
    d=st.integers(1, 21),
    k=st.integers(1, 40),
    dtype=st.sampled_from(["u1", "i2", "i8", "f4", "f8"]),
    offset=st.sampled_from([0.0, 100.0]),
    seed=st.integers(0, 1000),
)
def test_labels_are_those_of_float64(n, d, k, dtype, offset, seed):
    rng = np.random.default_rng(seed)
    points = (rng.normal(size=(n, d)) * 20 + offset + 60).astype(dtype)
    check_nearest(points, rng.normal(size=(k, d)) * 20 + offset + 60)


@pytest.mark.parametrize("scale", [1e-130, 1e-30, 1.0, 1e30, 1e130])
@pytest.mark.parametrize("offset", [0.0, 1e6])
def test_any_scale_and_offset(scale, offset):
    rng = np.random.default_rng(0)
    points = (rng.normal(size=(500, 5)) + offset) * scale
    labels, _ = assign(points, points[:20])
    assert (labels[:20] == np.arange(20)).all()


def test_a_far_codeword_and_a_far_point_do_no_harm():
    rng = np.random.default_rng(0)
    points, codebook = rng.normal(size=(700, 4)), rng.normal(size=(9, 4))
    codebook[3] = 1e20
    points[13] = -1e25
    check_nearest(points, codebook)


def test_near_ties_are_settled_in_float64():
    rng = np.random.default_rng(0)
    codebook = rng.normal(size=(2, 16))
    middle = codebook.mean(axis=0)
    towards = np.where(np.arange(1000) % 2, 1e-11, -1e-11)
    points = middle + towards[:, None] * (codebook[1] - codebook[0])
    labels, _ = assign(points, codebook)
    assert (labels == np.arange(1000) % 2).all()


def test_exact_ties_go_to_the_first_codeword():
    points = np.zeros((5, 2), np.uint8)
    codebook = np.array([[3, 4], [0, 2], [2, 0], [0, 2]])
    labels, distances = assign(points, codebook)
    assert (labels == 1).all()
    assert (distances == 4).all()


def test_a_penalty_counts_but_is_not_reported():
    labels, distances = assign([[0.0], [1.0]], [[0.0], [1.0]], penalty=[5.0, 0.0])
    assert labels.tolist() == [1, 1]
    assert distances.tolist() == [1.0, 0.0]


@pytest.mark.parametrize(
    ("points", "codebook"),
    [
        (np.zeros(3), np.zeros((1, 3))),
        (np.zeros((0, 3)), np.zeros((1, 3))),
        (np.zeros((3, 0)), np.zeros((1, 0))),
        (np.float64(1), np.zeros((1, 1))),
        (np.full((2, 2), np.nan), np.zeros((1, 2))),
        (np.full((2, 2), np.inf), np.zeros((1, 2))),
        (np.zeros((2, 2)), np.zeros((1, 3))),
        (np.zeros((2, 2)), np.full((1, 2), np.nan)),
        (np.zeros((2, 2), complex), np.zeros((1, 2))),
        (np.array([["a", "b"]]), np.zeros((1, 2))),
    ],
)
def test_bad_arrays_are_refused(points, codebook):
    with pytest.raises(ParameterError):
        assign(points, codebook)
