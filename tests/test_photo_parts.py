"""Parts of the photo codec by themselves: planes, prediction, transforms, mixing, model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vqcodec import rangecoder
from vqcodec.codebook import Codebook
from vqcodec.errors import CancelledError, CodebookError
from vqcodec.photo.block import seam_error
from vqcodec.photo.bootstrap import bootstrap, code_tree, lattice
from vqcodec.photo.contexts import FIELDS, LUMA, PAIR_NODES
from vqcodec.photo.job import shipped_codebook
from vqcodec.photo.mixing import CODER_SIZE
from vqcodec.photo.model import Tables, tree_paths
from vqcodec.photo.planes import MIDDLE, to_planes, to_samples
from vqcodec.photo.predict import MEAN, PLANAR, gather_references, new_borders, predict
from vqcodec.photo.proposal import odds_after, odds_before, run_of, survey
from vqcodec.photo.proposal import scratch as proposal_scratch
from vqcodec.photo.quantizer import STEP, STEPS, profile_offsets
from vqcodec.photo.signs import code_sign, measure_gaps
from vqcodec.photo.tiles import coding_order
from vqcodec.photo.transform import forward, inverse
from vqcodec.photo.transparency import fill_transparent
from vqcodec.photo.visual import adapt_slightly, block_activity


def test_what_varies_is_to_be_divided() -> None:
    plane = np.full((32, 64), MIDDLE, np.int16)
    plane[8:16, 40:48] += np.random.default_rng(4).integers(-90, 90, (8, 8), dtype=np.int16)
    cells = np.zeros((8, 16, FIELDS), np.int32)
    notes, features = proposal_scratch()

    def odds(x: int, step: float) -> dict[int, list[float]]:
        survey(plane, cells, LUMA, 0, x, step, notes, features)
        return {
            size: [odds_before(features, LUMA, size, k, 0) for k in range((32 >> size) ** 2)]
            for size in (3, 4, 5)
        }

    calm, busy, coarse = odds(0, 20.0), odds(32, 20.0), odds(32, 200.0)
    assert max(calm[3] + calm[4]) < -2
    assert busy[4][0] > 1 > 0 > max(busy[4][1:])  # down to what is busy, no further elsewhere
    assert busy[5][0] > calm[5][0]
    assert coarse[4][0] < busy[4][0]  # coarse steps need less
    survey(plane, cells, LUMA, 0, 32, 20.0, notes, features)
    cheap, dear = (odds_after(features, LUMA, 4, 0, 256 * cost, 40) for cost in (0.02, 0.9))
    assert cheap < 0 < dear  # what the whole block costs is weighed


@pytest.mark.parametrize(("down", "across", "mode"), [(0, 9, 26), (9, 0, 10), (6, -6, 18)])
def test_a_block_runs_along_its_stripes(down: int, across: int, mode: int) -> None:
    y, x = np.mgrid[:32, :32]
    plane = (2000 + 60 * np.sin((down * y + across * x) / 20.0)).astype(np.int16)
    cells = np.zeros((8, 8, FIELDS), np.int32)
    notes, features = proposal_scratch()
    survey(plane, cells, LUMA, 0, 0, 20.0, notes, features)
    found = {run_of(notes, size, k) for size in (2, 3, 4, 5) for k in range((32 >> size) ** 2)}
    assert found - {-1} <= {mode - 1, mode, mode + 1}
    survey(np.full_like(plane, 7), cells, LUMA, 0, 0, 20.0, notes, features)
    assert run_of(notes, 5, 0) == -1


@pytest.mark.parametrize("mode", [PLANAR, 10])
def test_a_seam_is_a_step_that_the_original_does_not_have(mode: int) -> None:
    original = np.random.default_rng(8).integers(0, 900, (32, 32), np.int16)
    plane = original - np.int16(3)  # darker on both sides alike: no seam
    prediction = np.zeros((1, 1024), np.int16)
    block = plane[8:16, 16:24]
    prediction[0, :64] = (block.T if mode == 10 else block).ravel()
    residual = np.zeros(1024, np.int32)
    place = (original, plane, 8, 16, 8, mode, prediction, 0, residual)
    assert seam_error(*place) == 0
    residual[:] = 5
    assert seam_error(*place) == 16 * 25
    residual[:] = 0
    residual[3] = 2  # of the upper border, or of the left one where the block lies transposed
    assert seam_error(*place) == 4
    assert seam_error(original, plane, 0, 0, 8, mode, prediction, 0, residual) == 0


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_activity_is_the_variance_of_luma_in_blocks(channels: int) -> None:
    samples = np.random.default_rng(channels).integers(0, 256, (41, 70, channels), np.uint8)
    samples[:16] //= 16
    samples.flags.writeable = False
    values = samples.astype(np.int64)
    luma = values[..., 0] * 4
    if channels > 2:
        luma = values[..., 0] + 2 * values[..., 1] + values[..., 2]
    blocks = np.pad(luma, ((0, 23), (0, 26)), mode="edge").reshape(8, 8, 12, 8)
    activity = block_activity(samples)
    assert activity.shape == (8, 12)
    assert np.abs(activity - np.log2(blocks.var((1, 3)) + 256)).max() < 1e-3
    weights = adapt_slightly(activity - activity.mean())
    assert 1 < weights[0].min() < weights[0].max() < 1.4  # what is calm weighs more
    assert np.abs(np.log2(weights).mean()) < 0.01


@given(st.integers(1, 4), st.integers(0, 2**32 - 1))
@settings(max_examples=25, deadline=None)
def test_planes_are_lossless(channels: int, seed: int) -> None:
    samples = np.random.default_rng(seed).integers(0, 256, (9, 7, channels), dtype=np.uint8)
    if channels in (2, 4):  # alpha next to its ends snaps to them
        samples[..., -1] = np.where(samples[..., -1] < 3, 0, np.minimum(samples[..., -1], 252))
    assert np.array_equal(to_samples(to_planes(samples)), samples)


@pytest.mark.parametrize("mode", [MEAN, 10, 26])
def test_gaps_are_what_a_smooth_continuation_wants(mode: int) -> None:
    y, x = np.mgrid[:32, :32]
    plane = (100 + 7 * y + 3 * x).astype(np.int16)  # a slope goes on as it is
    block = plane[8:16, 8:16].T if mode == 10 else plane[8:16, 8:16]
    prediction = np.zeros((1, 1024), np.int16)
    prediction[0, :64] = block.ravel() - 5
    gaps = np.zeros((2, 64), np.int64)
    measure_gaps(plane, 8, 8, 3, mode, prediction, gaps)
    assert (gaps[0, :16] == 5 * 16).all()
    prediction[0, 1] += 40  # row 0, column 1 as predicted
    measure_gaps(plane, 8, 8, 3, mode, prediction, gaps)
    assert np.flatnonzero(gaps[0, :16] != 80).tolist() == [1]


@pytest.mark.parametrize("size", [2, 3, 4, 5])
def test_foretold_signs_are_cheap_and_decode(size: int) -> None:
    tables = Tables.of(shipped_codebook())
    bases = tables.coding(0)[:5]
    truth = np.random.default_rng(size).integers(0, 2, 200)

    def run(data: np.ndarray, encoding: bool, foretold: bool) -> tuple[list[int], np.ndarray]:
        coder = np.zeros(CODER_SIZE, np.uint64)
        coder[:3] = rangecoder.encoder_state() if encoding else rangecoder.decoder_state(data)
        states = tables.priors(0)[0]
        signs = []
        for negative in truth.tolist():
            gaps = np.zeros((2, 64), np.int64)
            if foretold:  # the first basis vector has one sign all over
                gaps[0] = (-1 if negative else 1) * np.sign(bases[1][0, 0, 0]) * 900
            signs.append(
                int(
                    code_sign(
                        coder, data, encoding, states, 0, size, 0, 3000, 64, 500, *bases, gaps,
                        negative if encoding else 0,
                    )
                )
            )  # fmt: skip
        return signs, coder

    lengths = []
    for foretold in (False, True):
        buffer = np.zeros(500, np.uint8)
        coder = run(buffer, True, foretold)[1]
        data = rangecoder.finish(coder, buffer)
        signs, _ = run(np.frombuffer(data, np.uint8).copy(), False, foretold)
        lengths.append(len(data))
        assert signs == truth.tolist()
    assert lengths[1] < 0.8 * lengths[0]


def references(plane: np.ndarray, y: int, x: int, n: int) -> np.ndarray:
    borders = new_borders()
    gather_references(plane, coding_order(*plane.shape), y, x, n, borders, 0)
    return borders


def test_references_follow_the_coding_order() -> None:
    plane = np.arange(64 * 64, dtype=np.int16).reshape(64, 64) % 1000
    raw = references(plane, 8, 8, 8)[0]
    corner = 16
    assert raw[corner] == plane[7, 7]
    assert np.array_equal(raw[corner + 1 : corner + 9], plane[7, 8:16])
    assert np.array_equal(raw[corner - 8 : corner][::-1], plane[8:16, 7])
    assert (raw[corner + 9 : corner + 17] == plane[7, 15]).all()  # not yet decoded
    assert (references(plane, 0, 0, 16)[0, :65] == MIDDLE).all()


@pytest.mark.parametrize("size", [2, 3, 4, 5])
def test_every_mode_continues_a_flat_border(size: int) -> None:
    plane = np.full((64, 64), 700, np.int16)
    borders = references(plane, 32, 32, 1 << size)
    out = np.zeros((1, 1024), np.int16)
    for mode in range(35):
        predict(mode, size, borders, 0, out, 0)
        assert (out[0, : 4**size] == 700).all()


@pytest.mark.parametrize("mode", [PLANAR, MEAN])
def test_smooth_modes_lean_on_the_border(mode: int) -> None:
    plane = np.full((64, 64), 400, np.int16)
    plane[31, 32:48] = 600
    out = np.zeros((1, 1024), np.int16)
    predict(mode, 4, references(plane, 32, 32, 16), 0, out, 0)
    block = out[0, :256].reshape(16, 16).astype(int)
    assert abs(block[0, 8:].mean() - 600) < abs(block[4, 8:].mean() - 600)
    assert 400 <= block.min() <= block.max() <= 600


def test_vertical_and_horizontal_modes_mirror_each_other() -> None:
    plane = np.random.default_rng(0).integers(0, 1000, (64, 64)).astype(np.int16)
    for mode in range(2, 18):
        out = np.zeros((2, 1024), np.int16)
        for row, (values, m) in enumerate(((plane, 36 - mode), (plane.T.copy(), mode))):
            predict(m, 3, references(values, 32, 32, 8), 0, out, row)
        # Horizontal modes come transposed, so both are the same block.
        assert np.array_equal(out[0, :64], out[1, :64])


@pytest.mark.parametrize("size", [2, 3, 4])
@pytest.mark.parametrize("mode", [0, 1, 10, 20, 34])
def test_inverse_undoes_forward(size: int, mode: int) -> None:
    tables = Tables.of(shipped_codebook())
    integer, real = tables.coding(0)[:5], tables.search(0)[5:9]
    n = 4**size
    residual = np.random.default_rng(size).integers(-200, 200, (1, 1024)).astype(np.float32)
    out = np.zeros((1, 256), np.float32)
    forward(
        residual, size, mode, *real, integer[4], np.zeros((1, 768), np.float32), out
    )  # fmt: skip
    assert np.linalg.norm(out[0, :n]) == pytest.approx(np.linalg.norm(residual[0, :n]), rel=0.02)
    values = np.round(out[0] * 16).astype(np.int32)
    back = np.zeros(1024, np.int32)
    inverse(values, n, size, mode, *integer, np.zeros(1280, np.int32), back)
    assert np.abs(back[:n] - residual[0, :n]).max() <= 4


def test_steps_double_every_24() -> None:
    assert STEP[0] == 32
    assert np.array_equal(STEP[24::24], 2 * STEP[: STEPS - 24 : 24])
    assert (np.diff(STEP) > 0).all()
    assert not profile_offsets(0).any()
    assert (np.diff(profile_offsets(15)[4]) >= 0).all()


def test_code_tree_reaches_every_codeword() -> None:
    left, right = code_tree(lattice(), np.arange(PAIR_NODES, 0, -1.0))
    paths = tree_paths(left, right)
    assert paths.shape == (PAIR_NODES,)
    left[1] = left[2]
    with pytest.raises(CodebookError):
        tree_paths(left, right)


def test_unfit_codebooks_are_refused() -> None:
    shipped = shipped_codebook()
    for name, spoil in (("scan32", 0), ("codewords", -5), ("counts", 255)):
        arrays = dict(shipped.arrays)
        arrays[name] = np.full_like(arrays[name], spoil)
        if name == "counts":
            del arrays[name]
        with pytest.raises(Exception, match=r"codebook|array"):
            Tables.of(Codebook("photo", shipped.config, arrays))
    with pytest.raises(CodebookError):
        Tables.of(Codebook("patch", shipped.config, shipped.arrays))


def test_bootstrap_is_a_sound_model() -> None:
    Tables(bootstrap())._check()


def test_transparent_pixels_take_colours_from_nearby() -> None:
    samples = np.zeros((16, 16, 4), np.uint8)
    samples[:, :8] = (200, 100, 50, 255)
    filled = fill_transparent(samples)
    assert (filled[:, 8:, :3] == (200, 100, 50)).all()
    assert np.array_equal(filled[..., 3], samples[..., 3])


def test_training_is_reproducible_and_its_codebook_works() -> None:
    from tests.test_photo_codec import picture
    from vqcodec.container import open_container
    from vqcodec.media import Image
    from vqcodec.photo.codec import decode, encode
    from vqcodec.photo.options import Options
    from vqcodec.photo.train import train

    pictures = [picture(96, 128, 3, seed) for seed in range(3)]
    effort = {"rounds": 1, "crops": 1, "prior_crops": 1, "filter_crops": 1}
    own = train(pictures, **effort)
    assert train(pictures, **effort).identity == own.identity
    unseen = picture(96, 128, 3, 77)
    data = encode(Image(unseen), Options(quality=80, tune="psnr"), own)
    decoded = decode(open_container(data), own).samples
    assert np.mean((decoded.astype(float) - unseen) ** 2) < 25
    assert len(data) < unseen.size / 5
    with pytest.raises(CodebookError):
        train([])


def test_a_training_starts_from_another_codebook() -> None:
    from tests.test_photo_codec import picture
    from vqcodec.media import Image
    from vqcodec.photo.codec import encode
    from vqcodec.photo.options import Options
    from vqcodec.photo.train import train

    pictures = [picture(96, 128, 3, seed) for seed in range(4)]
    nothing_fitted = {"rounds": 0, "filter_crops": 0}
    own = train(pictures, start=shipped_codebook(), prior_crops=12, **nothing_fitted)
    unseen, options = Image(picture(96, 128, 3, 77)), Options(quality=80, tune="psnr")
    assert len(encode(unseen, options, own)) < len(encode(unseen, options))
    for name in ("dense8", "codewords", "filters"):  # only the probabilities are others
        assert np.array_equal(own.arrays[name], shipped_codebook().arrays[name])
    other = Codebook(
        "palette", {"transform": "none", "shape": [3]}, {"codewords": np.eye(3, dtype=np.uint8)}
    )
    with pytest.raises(CodebookError, match="palette"):
        train(pictures, start=other)


def test_a_stopped_training_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.test_photo_codec import picture
    from vqcodec import checkpoint
    from vqcodec.photo.train import train

    monkeypatch.setattr(checkpoint, "_INTERVAL", 0.0)
    pictures = [picture(64, 64, 3, seed) for seed in range(3)]
    sizes = {"rounds": 1, "crops": 2, "prior_crops": 2, "filter_crops": 2}
    expected = train(pictures, **sizes)
    calls = 0

    def stop_often(fraction: float, message: str) -> bool:
        nonlocal calls
        calls += 1
        return calls % 4 != 3  # each run gets one to three crops further

    for _ in range(8):
        try:
            kept = checkpoint.Checkpoint(tmp_path / "kept", "key", resume=True)
            book = train(pictures, progress=stop_often, checkpoint=kept, **sizes)
        except CancelledError:
            continue
        break
    assert calls > 6  # some crops were coded again
    assert book.identity == expected.identity
