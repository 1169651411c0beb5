"""Training on streams, and statistics that merge."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vqcodec.cluster import ClusterStatistics, audio_frames, fit_kmeans, fit_stream, image_patches
from vqcodec.cluster.streams import batches
from vqcodec.errors import CancelledError, ParameterError
from vqcodec.media import Audio, Image, save_audio, save_image

POINTS = np.random.default_rng(0).normal(size=(4000, 3)).astype(np.float32)


@settings(max_examples=40, deadline=None)
@given(sizes=st.lists(st.integers(0, 70), min_size=1, max_size=8), batch_size=st.integers(1, 50))
def test_batches_keep_every_vector_in_order(sizes, batch_size):
    ends = np.cumsum([0, *sizes])
    source = [POINTS[a:b] for a, b in itertools.pairwise(ends)]
    cut = list(batches(source, batch_size))
    assert all(0 < len(batch) <= batch_size for batch in cut)
    if cut:
        assert (np.concatenate(cut) == POINTS[: ends[-1]]).all()
    else:
        assert ends[-1] == 0


def test_every_source_of_the_same_vectors_gives_the_same_codebook(tmp_path):
    np.save(tmp_path / "points.npy", POINTS)
    mapped = np.load(tmp_path / "points.npy", mmap_mode="r")
    parts = [POINTS[:7], POINTS[7:3000], POINTS[3000:]]
    sources = [POINTS, mapped, parts, lambda: iter(parts)]
    fits = [fit_stream(source, 12, batch_size=500) for source in sources]
    assert len({fit.centers.tobytes() for fit in fits}) == 1
    assert fits[0].counts.sum() == len(POINTS)
    assert fits[0].passes > 0
    assert fits[0].inertia < 1.1 * fit_kmeans(POINTS, 12).inertia


def test_an_iterator_is_learnt_as_it_goes_by():
    fit = fit_stream((POINTS[i : i + 100] for i in range(0, 4000, 100)), 12)
    assert fit.passes == 0
    assert fit.counts.sum() == len(POINTS)
    assert ClusterStatistics.of(POINTS, fit.centers).inertia < 1.2 * fit_kmeans(POINTS, 12).inertia


def test_folders_of_images_and_sounds(tmp_path):
    rng = np.random.default_rng(1)
    picture = rng.integers(0, 256, (17, 26, 3)).astype(np.uint8)
    (tmp_path / "deep").mkdir()
    save_image(Image.of(picture), tmp_path / "deep" / "a.png")
    (tmp_path / "notes.txt").write_text("no image")
    blocks = list(image_patches(tmp_path, 4, 5)())
    assert [block.shape for block in blocks] == [(20, 60)]
    assert (blocks[0][6] == picture[4:8, 5:10].reshape(-1)).all()
    gray = next(image_patches(tmp_path, 4, 5, gray=True)())
    np.testing.assert_allclose(gray[0], picture[:4, :5].mean(axis=2).reshape(-1), rtol=1e-6)
    sound = rng.uniform(-1, 1, (1003, 2)).astype(np.float32)
    save_audio(Audio(sound, 8000), tmp_path / "b.wav")
    frames = next(audio_frames(tmp_path, 10)())
    assert frames.shape == (200, 10)
    assert fit_stream(image_patches(tmp_path, 2, 2), 4).centers.shape == (4, 12)


@pytest.mark.parametrize(
    "source", [[], iter([]), np.zeros((0, 2)), [np.zeros(3)], [POINTS, POINTS[:, :2]]]
)
def test_bad_streams_are_refused(source):
    with pytest.raises(ParameterError):
        fit_stream(source, 2)


def test_empty_folders_are_refused(tmp_path):
    with pytest.raises(ParameterError, match="no files"):
        image_patches(tmp_path, 2, 2)


def test_progress_can_cancel():
    with pytest.raises(CancelledError):
        fit_stream(POINTS, 3, progress=lambda fraction, message: False)


@settings(max_examples=25, deadline=None)
@given(cuts=st.lists(st.integers(0, 4000), max_size=5), seed=st.integers(0, 99))
def test_statistics_of_parts_merge_to_those_of_the_whole(cuts, seed):
    rng = np.random.default_rng(seed)
    points = rng.normal(size=(4000, 3)) * 10.0 ** rng.integers(-8, 8, (4000, 1))
    codebook, weights = points[:20], rng.uniform(size=4000)
    whole = ClusterStatistics.of(points, codebook, weights)
    merged = ClusterStatistics.empty(20, 3)
    bounds = [0, *sorted(cuts), 4000]
    for start, stop in itertools.pairwise(bounds):
        if stop > start:
            merged += ClusterStatistics.of(points[start:stop], codebook, weights[start:stop])
    assert (merged.counts == whole.counts).all()
    assert (merged.sums == whole.sums).all()
    assert merged.inertia == whole.inertia


def test_one_merged_pass_is_one_lloyd_step():
    statistics = ClusterStatistics.of(POINTS[:999], POINTS[:9])
    statistics.merge(ClusterStatistics.of(POINTS[999:], POINTS[:9]))
    fit = fit_kmeans(POINTS, 9, init=POINTS[:9], max_iter=1, tol=0)
    np.testing.assert_allclose(statistics.means(POINTS[:9]), fit.centers, rtol=1e-12)
    with pytest.raises(ParameterError):
        statistics.merge(ClusterStatistics.empty(3, 3))
