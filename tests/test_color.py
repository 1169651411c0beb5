"""Colour spaces: known values, inverses, and alpha."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vqcodec import color

EVERY_17TH = np.stack(np.meshgrid(*[np.arange(0, 256, 17)] * 3), axis=-1).astype(np.uint8)


def test_srgb_matches_the_standards_own_points():
    srgb = np.array([0.0, 0.04045, 0.5, 1.0])
    linear = color.srgb_to_linear(srgb)
    assert linear == pytest.approx([0.0, 0.04045 / 12.92, 0.21404114, 1.0], abs=1e-7)
    assert color.linear_to_srgb(linear) == pytest.approx(srgb, abs=1e-7)


def test_bytes_and_floats_agree():
    levels = np.arange(256, dtype=np.uint8)
    assert color.srgb_to_linear(levels) == pytest.approx(color.srgb_to_linear(levels / 255))


@pytest.mark.parametrize(
    ("rgb", "oklab"),
    [  # from the author's own implementation
        ((255, 255, 255), (1.0, 0.0, 0.0)),
        ((255, 0, 0), (0.62796, 0.22486, 0.12585)),
        ((0, 255, 0), (0.86644, -0.23389, 0.17950)),
        ((0, 0, 255), (0.45201, -0.03246, -0.31153)),
        ((0, 0, 0), (0.0, 0.0, 0.0)),
    ],
)
def test_oklab_of_known_colours(rgb, oklab):
    found = color.srgb_to_oklab(np.array([rgb], np.uint8))[0]
    assert found == pytest.approx(oklab, abs=2e-5)


def test_oklab_inverts():
    back = color.oklab_to_srgb(color.srgb_to_oklab(EVERY_17TH)) * 255
    assert np.abs(back - EVERY_17TH).max() < 1e-6


def test_oklab_in_single_precision_stays_single_and_close():
    linear = color.srgb_to_linear(EVERY_17TH)
    single = color.linear_to_oklab(linear.astype(np.float32))
    assert single.dtype == np.float32
    assert np.abs(single - color.linear_to_oklab(linear)).max() < 1e-5


def test_scikit_image_agrees_on_linear_light():
    skimage = pytest.importorskip("skimage.color")
    xyz = skimage.rgb2xyz(EVERY_17TH)
    # Luminance is the second row of the sRGB matrix.
    luminance = color.srgb_to_linear(EVERY_17TH) @ [0.2126, 0.7152, 0.0722]
    assert np.abs(xyz[..., 1] - luminance).max() < 1e-3


@settings(deadline=None)
@given(st.lists(st.tuples(*[st.integers(0, 255)] * 4), min_size=1, max_size=20))
def test_premultiplied_colours_come_back(pixels):
    rgba = np.array(pixels, np.uint8)
    back = color.unpremultiply(color.premultiply(rgba)) * 255
    visible = rgba[:, 3] > 0
    assert np.abs(back[visible] - rgba[visible]).max(initial=0.0) < 1e-9
    assert (back[~visible] == 0).all()


def test_out_of_gamut_is_clipped():
    wild = color.oklab_to_srgb(np.array([[0.9, 0.4, 0.4], [-0.1, 0.0, 0.0]]))
    assert (wild >= 0).all()
    assert (wild <= 1).all()
