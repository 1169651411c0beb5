"""Stages of the audio codec: transform, steps, stereo, symbols, training, options."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vqcodec.audio import mdct
from vqcodec.audio.bands import BANDS, frame_size, layout
from vqcodec.audio.options import Options
from vqcodec.audio.quantizer import NEXT, STATES, lattice, paths
from vqcodec.errors import CancelledError, ParameterError


@st.composite
def partitions(draw):
    """Block sizes of a tree over two frames of 256."""

    def cut(size):
        if size > 8 and draw(st.booleans()):
            return cut(size // 2) + cut(size // 2)
        return [size]

    return cut(256) + cut(256)


@settings(max_examples=60, deadline=None)
@given(partitions(), st.sampled_from([0, 8, 64, 256]), st.sampled_from([0, 8, 256]))
def test_mdct_is_inverted_and_keeps_energy(sizes, before, after):
    generator = np.random.default_rng(len(sizes))
    x = generator.normal(size=(2, 128 + 512 + 128)).astype(np.float32)
    coefficients = mdct.forward(x, sizes, 128, before, after)
    folded = x.copy()
    mdct.fold(folded, 128, min(before, sizes[0]))
    mdct.fold(folded, 640, min(after, sizes[-1]))
    assert np.allclose(mdct.inverse(coefficients, sizes), folded[:, 128:640], atol=1e-5)
    energy = np.square(folded[:, 128:640]).sum()
    assert np.square(coefficients).sum() == pytest.approx(energy, rel=1e-5)


@pytest.mark.parametrize("rate", [1000, 8000, 11025, 37800, 44100, 48000, 192000])
def test_bands_cover_the_spectrum_in_vectors_of_four(rate):
    bands = layout(rate)
    assert 0.06 < frame_size(rate) / rate < 0.26
    for level, count in enumerate(bands.counts):
        edges = bands.edges[level, : count + 1]
        assert 1 <= count <= BANDS
        assert edges[0] == 0
        assert edges[-1] <= bands.frame >> level
        assert (np.diff(edges) > 0).all()
        assert (edges % 4 == 0).all()


@pytest.mark.parametrize("d", [1, 2])
def test_the_tree_leads_to_every_symbol(d):
    symbols = lattice(d)
    ways, depths = paths(symbols)
    for symbol in range(symbols.escape + 1):
        node = 1
        for i in range(depths[symbol]):
            node = (symbols.right if ways[symbol] >> i & 1 else symbols.left)[node]
        assert node == -1 - symbol
    assert depths[0] == 1


def test_the_trellis_leaves_every_state_two_ways_to_different_quantizers():
    assert sorted(NEXT.ravel()) == sorted([*range(STATES)] * 2)
    assert ((NEXT[:, 0] ^ NEXT[:, 1]) & 1 == 1).all()
    symbols = lattice(2)
    for state in range(STATES):
        ways = [symbols.after[state, symbols.index[one * symbols.side + two]]
                for one in (0, 1) for two in (0, 1)]  # fmt: skip
        assert len(set(ways)) == 4
    # Both quantizers together have a point every half width.
    assert {*symbols.nominal[0].ravel(), *symbols.nominal[1].ravel()} >= set(range(0, 200, 36))


@pytest.mark.parametrize("scale", [1.0, 3000.0, 4e6])
@pytest.mark.parametrize("d", [1, 2])
def test_the_search_goes_the_way_that_the_decoder_will(d, scale):
    """Values of the search are those that the coder reads, whatever is in the bands."""
    from vqcodec.audio.model import bootstrap, make_codebook, tables_of
    from vqcodec.audio.plan import Plan
    from vqcodec.audio.segment import FIRST, Coder, parse

    generator = np.random.default_rng(d)
    coder = Coder(8000, tables_of(make_codebook(d, bootstrap(d))))
    size = coder.bands.frame
    sound = generator.laplace(size=(2, 5 * size)) ** 3
    sound[:, size : 2 * size] = 0
    sound = (scale * np.cumsum(sound, axis=1) / size).astype(np.float32)
    for knob in (-2000, 0, 1500):
        plan = Plan(coder, sound, 3, [0], True, knob, FIRST)
        plan.quantise(knob)
        values = plan.parts[0].values.copy()
        data = parse(coder.write(plan.parts, knob, FIRST), 9)[3]
        assert np.array_equal(coder.read(data, 3, knob, 2)[0].values, values)


def test_rotation_is_undone():
    from vqcodec.audio.stereo import TURNS, rotate, rotate_back

    generator = np.random.default_rng(0)
    x = generator.normal(size=(2, 40)).astype(np.float32)
    for angle in range(TURNS):
        y = x.copy()
        rotate(y, 4, 36, angle)
        rotate_back(y, 4, 36, angle)
        assert np.allclose(y, x, atol=1e-6)


def test_steps_follow_the_knob_and_the_energies():
    from vqcodec.audio.masking import derive_steps, masking

    bands = layout(48000)
    masks = masking(bands, 0, -20000)
    law, scratch = np.array([192, 0]), np.zeros((2, BANDS), np.int64)
    angles = np.zeros(BANDS, np.int64)

    def steps(energies, knob):
        result = np.zeros((1, BANDS), np.int64)
        derive_steps(
            energies, angles, 1, 0, bands.counts[0], bands.edges, knob, law, masks.up, masks.down,
            masks.floor, masks.tilt, masks.width, scratch, result,
        )  # fmt: skip
        return result[0]

    flat = np.full((1, BANDS), 20)
    assert (np.abs(steps(flat, 512) - steps(flat, 0) - 8) <= 1).all()  # two octaves of power
    loud = flat.copy()
    loud[0, 10] = 32
    raised = steps(loud, 0) - steps(flat, 0)
    assert raised[10] > raised[11] > 0
    assert raised[11] > raised[9]  # masking reaches upwards


def test_steps_leave_the_threshold_of_hearing_only_beyond_the_highest_quality():
    from vqcodec.audio.masking import BEYOND, derive_steps, masking
    from vqcodec.audio.options import quality_knob

    bands = layout(48000)
    masks = masking(bands, 0, 0)
    scratch, angles = np.zeros((2, BANDS), np.int64), np.zeros(BANDS, np.int64)
    quiet, result = np.full((1, BANDS), 3), np.zeros((3, 1, BANDS), np.int64)
    for knob, steps in zip((quality_knob(5), quality_knob(10), BEYOND - 512), result, strict=True):
        derive_steps(
            quiet, angles, 1, 0, bands.counts[0], bands.edges, knob, np.array([256, 0]), masks.up,
            masks.down, masks.floor, masks.tilt, masks.width, scratch, steps,
        )  # fmt: skip
    loudest = np.argmax(masks.floor[0])
    assert result[0, 0, loudest] == result[1, 0, loudest] == result[2, 0, loudest] + 8


def test_the_encoders_ear_is_that_of_the_measure():
    from vqcodec.audio.bands import EDGES_HZ
    from vqcodec.audio.importance import _LOWEST, _sensitivity, _tables
    from vqcodec.metrics.noise_to_mask import Ear

    generator = np.random.default_rng(5)
    t = np.arange(12000) / 48000
    sound = 0.1 * np.sin(2 * np.pi * 900 * t) * (t > 0.1) + generator.normal(0, 1e-3, len(t))
    ear = Ear(48000, 2048, _LOWEST, EDGES_HZ[-1])
    power = ear.magnitudes(sound) ** 2
    spread = ear.spread(power @ ear.gather + ear.internal)
    mask, state = np.empty_like(spread), spread[0]
    for i, frame in enumerate(spread):
        state = ear.decay * state + (1 - ear.decay) * frame if i else frame
        mask[i] = np.maximum(state, frame)
    expected = (1 / (mask * ear.margin)) @ ear.gather.T
    tables = _tables(48000, 4096)
    result = np.zeros((len(power), power.shape[1] + 1))
    _sensitivity(
        power.astype(np.float32), tables.gather, tables.reach, tables.bands,
        np.zeros((4, tables.bands.shape[1])), result,
    )  # fmt: skip
    found = np.diff(result, axis=1)
    heard = expected > 0
    assert np.allclose(found[heard], expected[heard], rtol=1e-3)


def test_errors_count_less_where_more_is_masked():
    from vqcodec.audio.importance import worth_of

    bands = layout(48000)
    generator = np.random.default_rng(6)
    sound = generator.normal(0, 30, (2, 4 * 4096)).astype(np.float32)
    sound[0, 2 * 4096 :] *= 32  # the left channel becomes louder by 30 dB
    levels, angles = np.ones(6, np.int64), np.zeros((6, BANDS), np.int64)
    worth = worth_of(sound, bands, 6, levels, angles)[:, :, 5:25]
    assert abs(worth[0, 0] - worth[0, 1]).mean() < 1
    assert (worth[5, 0] < worth[5, 1] - 8).all()
    angles[:] = 4  # mid and side: the noise of each reaches both
    turned = worth_of(sound, bands, 6, levels, angles)[:, :, 5:25]
    assert np.allclose(turned[5, 0], worth[5, 1] - 1, atol=0.1)


def test_short_loud_blocks_have_finer_steps():
    from vqcodec.audio.masking import masking
    from vqcodec.audio.partition import FIRST_SHORT, Knobs, block_levels, choose

    bands = layout(48000)
    generator = np.random.default_rng(1)
    sound = generator.normal(0, 20, (1, 5 * 4096)).astype(np.float32)
    sound[0, 9000:9200] += generator.normal(0, 8000, 200)
    arguments = (sound, 4, bands, masking(bands, -8, -1280), 0, 208)
    levels, offsets = block_levels(*choose(*arguments, Knobs()))
    starts = np.cumsum(4096 >> levels) - (4096 >> levels)
    loud = (starts + (4096 >> levels) > 9000 - 2048) & (starts < 9200 - 2048)
    assert (4096 >> levels).sum() == 4 * 4096
    assert levels[loud].min() >= FIRST_SHORT
    assert offsets[loud].max() >= 2
    assert not offsets[abs(starts - 9100 + 2048) > 2048].any()
    assert not block_levels(*choose(*arguments, Knobs(onset=0.0)))[1].any()


def test_options_are_checked():
    for wrong in (
        {"quality": 11},
        {"bitrate": 10},
        {"model": "x"},
        {"quality": 5, "bitrate": 64000},
    ):
        with pytest.raises(ParameterError):
            Options(**wrong)


def test_training_is_reproducible_even_if_stopped_and_helps(tmp_path, monkeypatch):
    from vqcodec import checkpoint
    from vqcodec.audio.codec import Encoder
    from vqcodec.audio.model import bootstrap, make_codebook
    from vqcodec.audio.train import train

    monkeypatch.setattr(checkpoint, "_INTERVAL", 0.0)
    path = tmp_path / "a.checkpoint"

    generator = np.random.default_rng(3)
    t = np.arange(40000) / 8000
    sound = np.sin(2 * np.pi * 200 * t * (1 + 0.01 * np.sin(t))) * np.exp(-(t % 0.4) * 5) * 0.4
    sound = (sound + generator.normal(0, 0.01, len(t))).astype(np.float32)[:, None]
    options = {"seed": 1, "rounds": 1, "excerpts": 4, "prior_excerpts": 6}
    book = train([(sound, 8000)], **options)
    with pytest.raises(CancelledError):
        train(
            [(sound, 8000)], progress=lambda part, _: part < 0.7,
            checkpoint=checkpoint.Checkpoint(path), **options,
        )  # fmt: skip
    resumed = checkpoint.Checkpoint(path, resume=True)
    assert int(resumed.load()["done"]) == 6
    again = train([(sound, 8000)], checkpoint=resumed, **options)
    assert again.identity == book.identity

    def size(book):
        encoder = Encoder(8000, 1, Options(quality=5), book)
        return sum(map(len, encoder.write(sound) + encoder.finish()))

    assert size(book) < 0.98 * size(make_codebook(2, bootstrap(2)))


def test_noise_to_mask_ratio():
    from vqcodec.metrics.noise_to_mask import noise_to_mask_ratio

    generator = np.random.default_rng(0)
    t = np.arange(48000) / 48000
    tone = 0.3 * np.sin(2 * np.pi * 1000 * t)
    noise = 1e-3 * generator.normal(size=48000)
    near = np.convolve(noise, np.cos(2 * np.pi * 1000 * t[:400]) / 200, "same")
    far = np.convolve(noise, np.cos(2 * np.pi * 6000 * t[:400]) / 200, "same")
    ratios = [noise_to_mask_ratio(tone, tone + error, 48000) for error in (near, far)]
    assert ratios[0] < ratios[1]  # a tone masks what is near it
    louder = noise_to_mask_ratio(tone, tone + 2 * far, 48000)
    assert louder == pytest.approx(ratios[1] + 6.02, abs=1.0)
