"""The range coder: round trips, compression near the entropy, behaviour at the edges."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vqcodec import rangecoder as rc
from vqcodec.errors import VQError
from vqcodec.jit import njit

BIT, RAW, TREE, NUMBER, SIGNED, SYMBOL, WITH = range(7)


@njit
def encode_all(state, buffer, contexts, kinds, values, arguments):
    for i in range(kinds.shape[0]):
        kind, value, argument = kinds[i], values[i], arguments[i]
        if kind == BIT:
            rc.encode_bit(state, buffer, contexts, argument, value)
        elif kind == RAW:
            rc.encode_raw(state, buffer, value, argument)
        elif kind == TREE:
            rc.encode_tree(state, buffer, contexts, 64, value, argument)
        elif kind == NUMBER:
            rc.encode_number(state, buffer, contexts, 400, value)
        elif kind == SIGNED:
            rc.encode_signed(state, buffer, contexts, 500, value)
        elif kind == SYMBOL:
            rc.encode_symbol(state, buffer, value, 1 + value % 3, argument)
        else:
            rc.encode_with(state, buffer, argument, value)


@njit
def decode_all(state, data, contexts, kinds, values, arguments, out):
    for i in range(kinds.shape[0]):
        kind, argument = kinds[i], arguments[i]
        if kind == BIT:
            out[i] = rc.decode_bit(state, data, contexts, argument)
        elif kind == RAW:
            out[i] = rc.decode_raw(state, data, argument)
        elif kind == TREE:
            out[i] = rc.decode_tree(state, data, contexts, 64, argument)
        elif kind == NUMBER:
            out[i] = rc.decode_number(state, data, contexts, 400)
        elif kind == SIGNED:
            out[i] = rc.decode_signed(state, data, contexts, 500)
        elif kind == SYMBOL:
            target = rc.decode_target(state, argument)
            size = 1 + values[i] % 3
            out[i] = values[i] if values[i] <= target < values[i] + size else -1
            rc.decode_symbol(state, data, values[i], size, argument)
        else:
            out[i] = rc.decode_with(state, data, argument)


def decisions():
    """One decision of each sort: (kind, value, argument)."""
    return st.one_of(
        st.tuples(st.just(BIT), st.integers(0, 1), st.integers(0, 63)),
        st.integers(0, 16).flatmap(
            lambda n: st.tuples(st.just(RAW), st.integers(0, 2**n - 1), st.just(n))
        ),
        st.integers(0, 8).flatmap(
            lambda n: st.tuples(st.just(TREE), st.integers(0, 2**n - 1), st.just(n))
        ),
        st.tuples(st.just(NUMBER), st.integers(0, 2**32 - 2), st.just(0)),
        st.tuples(st.just(SIGNED), st.integers(-(2**31), 2**31), st.just(0)),
        st.integers(3, 2**30).flatmap(
            lambda n: st.tuples(st.just(SYMBOL), st.integers(0, n - 3), st.just(n))
        ),
        st.tuples(st.just(WITH), st.integers(0, 1), st.sampled_from([1, 100, 32768, 65535])),
    )


def round_trip(stream, capacity=1 << 16):
    kinds, values, arguments = np.array(stream, np.int64).reshape(-1, 3).T.copy()
    buffer = np.zeros(capacity, np.uint8)
    state = rc.encoder_state()
    encode_all(state, buffer, rc.new_contexts(700), kinds, values, arguments)
    data = rc.finish(state, buffer)
    source = np.frombuffer(data, np.uint8)
    out = np.full(len(kinds), -7)
    decode_all(
        rc.decoder_state(source), source, rc.new_contexts(700), kinds, values, arguments, out
    )
    return data, values, out


@settings(max_examples=150, deadline=None)
@given(st.lists(decisions(), max_size=200))
def test_any_mixture_comes_back(stream):
    _, values, out = round_trip(stream)
    np.testing.assert_array_equal(out, values)


@pytest.mark.parametrize("bit", [0, 1])
@pytest.mark.parametrize("probability", [1, 32768, 65535])
def test_long_runs_carry_correctly(bit, probability):
    _, values, out = round_trip([(WITH, bit, probability)] * 20000)
    np.testing.assert_array_equal(out, values)


def test_an_empty_stream_is_empty():
    assert round_trip([])[0] == b""


def test_rate_is_near_the_entropy():
    rng = np.random.default_rng(5)
    count, chance = 200_000, np.array([0.002, 0.05, 0.3, 0.5])
    context = rng.integers(0, 4, count)
    bits = rng.random(count) < chance[context]
    stream = np.stack([np.full(count, BIT), bits, context], 1)
    data, values, out = round_trip(stream)
    np.testing.assert_array_equal(out, values)
    entropy = -(chance * np.log2(chance) + (1 - chance) * np.log2(1 - chance)).mean() * count
    assert entropy * 0.98 < 8 * len(data) < entropy * 1.015


def test_full_buffer_is_an_error_not_a_write():
    with pytest.raises(VQError, match="too small"):
        round_trip([(RAW, 12345, 16)] * 100, capacity=20)


def test_random_bytes_decode_to_legal_values():
    rng = np.random.default_rng(1)
    kinds = np.repeat(np.array([BIT, RAW, TREE, NUMBER, SIGNED]), 50)
    arguments = np.repeat(np.array([3, 7, 5, 0, 0]), 50)
    for _ in range(20):
        source = rng.integers(0, 256, 100).astype(np.uint8)
        out = np.zeros(250, np.int64)
        state, contexts = rc.decoder_state(source), rc.new_contexts(700)
        decode_all(state, source, contexts, kinds, out, arguments, out)
        assert out[:50].max() <= 1
        assert out[50:100].max() < 128
        assert out[100:150].max() < 32
        assert out[150:200].min() >= 0
        assert abs(out[200:]).max() < 2**33


def test_golden_stream():
    """A change of these bytes is a change of every format built on the coder."""
    stream = [(BIT, i % 3 == 0, i % 5) for i in range(50)]
    stream += [(NUMBER, i * i, 0) for i in range(10)] + [(SIGNED, -i, 0) for i in range(10)]
    stream += [(TREE, i, 4) for i in range(16)] + [(RAW, 513, 10), (SYMBOL, 77, 100)]
    assert round_trip(stream)[0].hex() == GOLDEN


GOLDEN = "9123ce6a7c8ade68f6b7b810ddd85f239e3d8e7b4594bc40b9bbbf9fb4972aa4804431c815"
