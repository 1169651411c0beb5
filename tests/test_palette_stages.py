"""The stages of the palette quantiser, each by itself."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vqcodec.palette import bluenoise, dither, lloyd, mapping, optimize, reduce, select
from vqcodec.palette.cells import Cells
from vqcodec.palette.histogram import count_colors, group_cells, lookup, merge, pack, unpack
from vqcodec.palette.space import Space, from_points, to_points

RNG = np.random.default_rng(5)
SPACES = list(Space)


def noise(height, width, channels, top=256):
    return RNG.integers(0, top, (height, width, channels), np.uint8)


def smooth(height=48, width=64, channels=3):
    """A picture with gradients, an edge, and a soft shape in its alpha."""
    y, x = np.mgrid[0:height, 0:width] / max(height, width)
    planes = [x, y, (x + y) / 2, 1 / (1 + np.exp(40 * (np.hypot(x - 0.5, y - 0.4) - 0.3)))]
    picture = np.stack(planes[:channels], axis=-1)
    picture[height // 2 :, :, 0] = 0.2
    return np.rint(picture * 255).astype(np.uint8)


# --- spaces -----------------------------------------------------------------------


@pytest.mark.parametrize("space", SPACES)
@settings(deadline=None)
@given(colors=st.lists(st.tuples(*[st.integers(0, 255)] * 4), min_size=1, max_size=30))
def test_points_come_back_as_colours(space, colors):
    rgba = np.array(colors, np.uint8)
    back = from_points(to_points(rgba, space), space)
    assert np.array_equal(back[:, 3], rgba[:, 3])
    tolerance = np.where(rgba[:, 3:] >= 128, 1, 256)  # faint colours have few levels left
    assert (np.abs(back[:, :3].astype(int) - rgba[:, :3]) <= tolerance).all()
    straight = from_points(to_points(rgba, space, premultiply=False), space, premultiply=False)
    assert np.abs(straight.astype(int) - rgba).max() <= 1


def test_distances_are_the_mean_over_black_and_white():
    a, b = noise(1, 50, 4)[0], noise(1, 50, 4)[0]
    squared = ((to_points(a, Space.SRGB) - to_points(b, Space.SRGB)) ** 2).sum(1)
    expected = np.zeros(50)
    for ground in (0.0, 1.0):
        flat = [c[:, :3] / 255 * c[:, 3:] / 255 + ground * (1 - c[:, 3:] / 255) for c in (a, b)]
        expected += ((flat[0] - flat[1]) ** 2).sum(1) / 2
    assert squared == pytest.approx(expected, abs=1e-5)


# --- histogram ----------------------------------------------------------------------


@pytest.mark.parametrize("channels", [3, 4])
def test_histogram_counts_every_colour(channels):
    picture = noise(40, 37, channels, top=4)
    histogram = count_colors([picture], merge_transparent=False)
    pixels = picture.reshape(-1, channels)
    if channels == 3:
        pixels = np.column_stack([pixels, np.full(len(pixels), 255, np.uint8)])
    expected, counts = np.unique(pixels[:, [3, 0, 1, 2]], axis=0, return_counts=True)
    assert np.array_equal(histogram.rgba[:, [3, 0, 1, 2]], expected)
    assert np.array_equal(histogram.counts, counts)


def test_histogram_of_parts_is_that_of_the_whole(monkeypatch):
    picture = noise(64, 33, 4, top=6)
    whole = count_colors([picture])
    monkeypatch.setattr("vqcodec.palette.histogram.BAND", 100)
    banded = count_colors([picture])
    assert np.array_equal(whole.packed, banded.packed)
    assert np.array_equal(whole.counts, banded.counts)
    twice = merge([whole, whole])
    assert np.array_equal(twice.counts, 2 * whole.counts)


def test_all_that_is_transparent_is_one_colour():
    picture = noise(8, 8, 4)
    picture[..., 3] = 0
    histogram = count_colors([picture])
    assert np.array_equal(histogram.rgba, [[0, 0, 0, 0]])
    assert len(count_colors([picture], merge_transparent=False)) > 1


def test_packing_inverts():
    picture = noise(5, 6, 4)
    assert np.array_equal(unpack(pack(picture)), picture)


@pytest.mark.parametrize("channels", [3, 4])
def test_cells_keep_the_mean(channels):
    histogram = count_colors([noise(60, 60, channels)])
    points = to_points(histogram.rgba, Space.SRGB)
    cells, means, weights = group_cells(histogram, points, 500)
    assert len(means) >= 500
    assert weights.sum() == histogram.counts.sum()
    expected = np.average(points, axis=0, weights=histogram.counts)
    assert np.average(means, axis=0, weights=weights) == pytest.approx(expected, abs=1e-5)
    assert np.abs(points - means[cells]).max() < 0.15


@pytest.mark.parametrize("channels", [3, 4])
def test_both_ways_of_painting_agree(channels):
    picture = noise(30, 31, channels, top=5)
    picture[:3, :3] = 0
    histogram = count_colors([picture])
    labels = (np.arange(len(histogram)) % 251).astype(np.uint8)
    searched = lookup(picture, histogram, labels)
    assert np.array_equal(searched, mapping.paint(picture, histogram, labels[:, None]))


def test_cells_hold_the_same_colours_as_the_histogram():
    pictures = [noise(90, 80, 3), noise(30, 200, 3) // 2]
    cells, sorted_colors = Cells(pictures), count_colors(pictures)
    order = np.argsort(cells.histogram.packed)
    assert np.array_equal(cells.histogram.packed[order], sorted_colors.packed)
    assert np.array_equal(cells.histogram.counts[order], sorted_colors.counts)
    owners = cells.owners
    assert np.array_equal(np.bincount(owners, cells.histogram.counts), cells.weights)
    own = cells.histogram.rgba[:, :3].astype(float) * cells.histogram.counts[:, None]
    for c in range(3):
        means = np.bincount(owners, own[:, c]) / cells.weights
        assert np.allclose(means, cells.means[:, c], atol=1e-3)


def test_cells_paint_as_the_search_does():
    picture = noise(90, 80, 3)
    cells, sorted_colors = Cells([picture]), count_colors([picture])
    labels = (np.arange(len(sorted_colors)) % 251).astype(np.uint8)
    own = labels[np.searchsorted(sorted_colors.packed, cells.histogram.packed)]
    assert np.array_equal(cells.paint(picture, own), lookup(picture, sorted_colors, labels))


@pytest.mark.parametrize("space", Space)
def test_points_of_cells_are_those_of_their_mean_colours(space):
    cells = Cells([np.full((2, 2, 3), (10, 200, 31), np.uint8)])
    expected = to_points(np.array([[10, 200, 31, 255]], np.uint8), space)
    assert np.allclose(cells.points(space), expected, atol=1e-6)


# --- selection ------------------------------------------------------------------------


def clusters_of(n=400, k=9, weights=None):
    points = RNG.normal(size=(n, 4)).astype(np.float32)
    weights = np.ones(n, np.float32) if weights is None else weights
    centers = points[:k].copy()
    clusters = select.Clusters(points, weights, centers, 0)
    clusters.gather()
    return clusters


def nearest_by_force(points, centers):
    squared = ((points[:, None].astype(np.float64) - centers[None]) ** 2).sum(-1)
    return squared.argmin(1), squared


def test_assignment_is_exact():
    clusters = clusters_of()
    for _ in range(3):
        clusters.assign()
        labels, squared = nearest_by_force(clusters.points, clusters.centers)
        own = squared[np.arange(len(labels)), clusters.labels]
        assert own == pytest.approx(squared.min(1), rel=1e-5)
        clusters.center()


def test_centres_are_means_and_the_error_is_theirs():
    clusters = clusters_of(weights=RNG.uniform(0.5, 3, 400).astype(np.float32))
    error = clusters.iterate(5, 0.0)
    for k in range(9):
        own = clusters.labels == k
        mean = np.average(clusters.points[own], axis=0, weights=clusters.weights[own])
        assert clusters.centers[k] == pytest.approx(mean, abs=1e-5)
    squared = ((clusters.points - clusters.centers[clusters.labels]) ** 2).sum(1)
    assert error == pytest.approx(float(squared @ clusters.weights), rel=1e-4)


def test_fixed_centres_stay():
    points = RNG.normal(size=(300, 4)).astype(np.float32)
    fixed = np.full((2, 4), 9.0, np.float32)
    found = select.choose_centers(points, np.ones(300, np.float32), 8, fixed, 10)
    assert len(found.centers) == 8
    assert np.array_equal(found.centers[:2], fixed)


def test_removal_is_the_rise_of_the_error():
    clusters = clusters_of(k=6)
    clusters.iterate(10, 0.0)
    clusters.assign()
    loss, second, error = clusters.removal()
    for k in range(6):
        rest = np.delete(np.arange(6), k)
        own = clusters.labels == k
        _, squared = nearest_by_force(clusters.points[own], clusters.centers[rest])
        _, before = nearest_by_force(clusters.points[own], clusters.centers[[k]])
        assert loss[k] == pytest.approx((squared.min(1) - before[:, 0]).sum(), rel=1e-3)
        assert np.array_equal(second[own], rest[squared.argmin(1)])
    assert error == pytest.approx(
        ((clusters.points - clusters.centers[clusters.labels]) ** 2).sum(), rel=1e-4
    )


def test_selection_beats_plain_k_means_of_scikit_learn():
    cluster = pytest.importorskip("sklearn.cluster")
    points = np.concatenate(
        [RNG.normal(RNG.uniform(0, 9, 4), 0.3, (40, 4)) for _ in range(40)]
    ).astype(np.float32)
    ours = select.choose_centers(
        points, np.ones(len(points), np.float32), 24, np.zeros((0, 4), np.float32), 10
    )
    _, squared = nearest_by_force(points, ours.centers)
    theirs = cluster.KMeans(24, n_init=1, random_state=0).fit(points).inertia_
    assert squared.min(1).sum() <= theirs


def test_principal_axis_is_numpys():
    scatter = np.cov(RNG.normal(size=(50, 4)) * [1, 5, 2, 0.1], rowvar=False)
    axis = np.zeros(4)
    lloyd.principal_axis(scatter, axis)
    expected = np.linalg.eigh(scatter)[1][:, -1]
    assert abs(axis @ expected) == pytest.approx(np.linalg.norm(axis), rel=1e-2)


@pytest.mark.parametrize("boxes", [1, 2, 7, 60, 100])
def test_cuts_partition_the_points(boxes):
    points = RNG.integers(0, 4, (60, 4)).astype(np.float32)
    labels = np.full(60, -1, np.int32)
    count = reduce.cut(points, np.ones(60, np.float32), min(boxes, 60), labels)
    assert 1 <= count <= boxes
    assert sorted(set(labels.tolist())) == list(range(count))


def test_identical_points_are_not_cut():
    labels = np.zeros(20, np.int32)
    assert reduce.cut(np.ones((20, 4), np.float32), np.ones(20, np.float32), 8, labels) == 1


def test_merges_are_wards():
    hierarchy = pytest.importorskip("scipy.cluster.hierarchy")
    points = RNG.normal(size=(40, 4)).astype(np.float32)
    owner = np.zeros(40, np.int32)
    reduce.merge(points.copy(), np.ones(40), 7, owner)
    expected = hierarchy.fcluster(hierarchy.ward(points), 7, "maxclust")
    pairs = {(a, b) for a, b in zip(owner.tolist(), expected.tolist(), strict=True)}
    assert len(pairs) == 7


# --- dithering ------------------------------------------------------------------------


def test_blue_noise_is_a_permutation_without_low_frequencies():
    mask = bluenoise.mask(32)
    assert np.array_equal(np.sort(mask.ravel()), np.arange(1024))
    power = np.abs(np.fft.fft2(mask - mask.mean())) ** 2
    frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(32), np.fft.fftfreq(32)))
    low = power[(frequency > 0) & (frequency < 0.15)].mean()
    assert low < power[frequency > 0.35].mean() / 20


def diffused(picture, rgba, strength=1.0, space=Space.SRGB):
    return mapping.Diffuser(mapping.Matcher(rgba, space), strength)(picture)


def test_error_diffusion_is_floyd_and_steinbergs():
    """Against a plain Python rendering of the algorithm, in gray."""
    picture = np.repeat(noise(12, 17, 1), 3, axis=2)
    levels = np.array([0, 90, 200, 255])
    rgba = np.column_stack([np.repeat(levels[:, None], 3, axis=1), np.full(4, 255)])
    work = picture[..., 0].astype(np.float64)
    original = work.copy()
    expected = np.zeros(work.shape, np.uint8)
    error = np.zeros((14, 19))
    for y in range(12):
        step = -1 if y % 2 else 1
        for x in range(17)[::step]:
            if original[y, x] in levels:
                expected[y, x] = np.flatnonzero(levels == original[y, x])[0]
                continue
            value = np.clip(original[y, x] + error[y, x + 1], 0, 255)
            cell = int(value / 4) * 4 + 1.5
            k = np.abs(levels - cell).argmin()
            expected[y, x] = k
            rest = value - levels[k]
            error[y, x + 1 + step] += rest * 7 / 16
            error[y + 1, x + 1 - step] += rest * 3 / 16
            error[y + 1, x + 1] += rest * 5 / 16
            error[y + 1, x + 1 + step] += rest / 16
    assert np.array_equal(diffused(picture, rgba.astype(np.uint8)), expected)


@pytest.mark.parametrize("space", SPACES)
def test_diffusion_keeps_the_mean_colour(space):
    picture = np.full((64, 64, 3), 100, np.uint8)
    rgba = np.array([[0, 0, 0, 255], [255, 255, 255, 255]], np.uint8)
    shown = rgba[diffused(picture, rgba, 1.0, space)][..., :3]
    assert shown.mean() == pytest.approx(100, abs=3)


def test_blue_noise_keeps_the_mean_and_depends_on_nothing_but_place():
    picture = np.full((64, 64, 3), 100, np.uint8)
    picture[:, 32:] = 101
    rgba = np.array([[0, 0, 0, 255], [255, 255, 255, 255]], np.uint8)
    matcher = mapping.Matcher(rgba, Space.SRGB)

    def painted(image):
        histogram = count_colors([image])
        points = to_points(histogram.rgba, Space.SRGB)
        return mapping.paint(image, histogram, mapping.blue_noise_lists(points, matcher, 1.0))

    whole = painted(picture)
    assert rgba[whole][..., :3].mean() == pytest.approx(100, abs=9)
    assert np.array_equal(painted(picture[:, :32].copy()), whole[:, :32])


def test_nearest_entries_are_exact():
    points = to_points(noise(1, 500, 4)[0], Space.OKLAB)
    centers = to_points(noise(1, 40, 4)[0], Space.OKLAB)
    labels = mapping.nearest_entries(points, centers)
    _, squared = nearest_by_force(points, centers)
    own = squared[np.arange(500), labels]
    assert own == pytest.approx(squared.min(1), rel=1e-4, abs=1e-9)


# --- the optimising ditherer ----------------------------------------------------------


def filtered_error(picture, rgba, indices, taps):
    target = optimize.to_lms(
        np.concatenate([picture, np.full((*picture.shape[:2], 1), 255, np.uint8)], axis=2).reshape(
            -1, 4
        )
    ).reshape(*picture.shape[:2], 4)
    error = optimize.to_lms(rgba)[indices] - target
    out = np.zeros_like(error)
    r = len(taps) // 2
    padded = np.pad(error, ((r, r), (r, r), (0, 0)))
    for i in range(2 * r + 1):
        for j in range(2 * r + 1):
            out += taps[i] * taps[j] * padded[i : i + out.shape[0], j : j + out.shape[1]]
    return target, error, out


def test_filtered_error_is_the_convolution_and_sweeps_keep_it_up_to_date():
    picture = smooth(20, 24)
    rgba = np.array([[0, 0, 0, 255], [255, 90, 0, 255], [60, 200, 200, 255]], np.uint8)
    indices = diffused(picture, rgba)
    taps = optimize.blur_taps()
    r = optimize.RADIUS
    target, error, expected = filtered_error(picture, rgba, indices, taps)
    centers = optimize.to_lms(rgba)
    found = np.zeros((20 + 2 * r, 4 * (24 + 2 * r)), np.float32)
    optimize.filter_error(
        target, centers, indices, taps, np.zeros((20, found.shape[1]), np.float32), found
    )
    inner = found.reshape(20 + 2 * r, 24 + 2 * r, 4)[r:-r, r:-r]
    assert inner == pytest.approx(expected, abs=1e-4)
    slope = np.ones((20, 24, 4), np.float32)
    near = mapping.sorted_neighbours(centers)[0]
    form = np.eye(3, dtype=np.float32)
    energy = (error[..., :3] * (expected + 2 * error)[..., :3]).sum()
    changed = optimize.sweep(
        target, slope, centers, near, form, taps, np.float32(2), 0, 20,
        np.ones((20, 24), bool), indices, found,
    )  # fmt: skip
    _, error, expected = filtered_error(picture, rgba, indices, taps)
    inner = found.reshape(20 + 2 * r, 24 + 2 * r, 4)[r:-r, r:-r]
    assert changed > 0
    assert inner == pytest.approx(expected, abs=1e-3)
    assert (error[..., :3] * (expected + 2 * error)[..., :3]).sum() < energy


def test_lms_inverts():
    rgba = noise(1, 200, 4)[0]
    rgba[:, 3] |= 128
    back = optimize.from_lms(optimize.to_lms(rgba))
    assert np.abs(back.astype(int) - rgba).max() <= 1


@pytest.mark.parametrize("seed", range(3))
def test_bands_are_nearly_as_good_as_the_whole(monkeypatch, seed):
    picture = smooth(640, 60)
    rgba = np.random.default_rng(seed).integers(0, 256, (12, 4)).astype(np.uint8)
    rgba[:, 3] = 255
    start = diffused(picture, rgba)
    taps = optimize.blur_taps()

    def energy(palette, indices):
        _, error, blurred = filtered_error(picture, palette, indices, taps)
        return (error * (blurred + 3 * error)).sum()

    whole = energy(*optimize.optimize(picture, rgba, start, fidelity=3.0, refits=0))
    monkeypatch.setattr(optimize, "BAND", 60 * 180)
    banded = energy(*optimize.optimize(picture, rgba, start, fidelity=3.0, refits=0))
    refitted = energy(*optimize.optimize(picture, rgba, start, fidelity=3.0, refits=2))
    assert whole < 0.9 * energy(rgba, start)
    assert banded < 1.05 * whole
    assert refitted < banded


def test_fixed_entries_survive_the_refit():
    picture = smooth()
    rgba = np.array([[255, 0, 0, 255], [10, 20, 30, 255], [200, 200, 90, 255]], np.uint8)
    out, indices = optimize.optimize(picture, rgba, diffused(picture, rgba), fixed=1)
    assert np.array_equal(out[0], rgba[0])
    assert not np.array_equal(out[1:], rgba[1:])
    assert indices.max() <= 2
    same, _ = optimize.optimize(picture, rgba, diffused(picture, rgba), refits=0)
    assert np.array_equal(same, rgba)


def test_kernels_of_dithering_know_no_entry_that_is_not_there():
    for channels in (3, 4):
        picture = noise(40, 40, channels)
        for k in (1, 2, 5):
            rgba = noise(1, k, 4)[0]
            assert diffused(picture, rgba).max() < k
            lists = mapping.blue_noise_lists(
                to_points(noise(1, 9, 4)[0], Space.SRGB), mapping.Matcher(rgba, Space.SRGB), 1.0
            )
            assert lists.shape == (9, dither.MIX)
            assert lists.max() < k
