"""The range coder: decisions a second, and rate over entropy.

Run as ``python -m tests.bench.rangecoder``; prints a Markdown table. Four
million decisions in 64 adaptive contexts, of which each is an independent
source with a probability of its own; CPU time of one thread, best of five.
"""

from __future__ import annotations

import time

import numpy as np

from vqcodec import rangecoder as rc
from vqcodec.jit import njit

COUNT = 4_000_000


@njit
def encode(state, buffer, contexts, where, bits):
    for i in range(bits.shape[0]):
        rc.encode_bit(state, buffer, contexts, where[i], bits[i])


@njit
def decode(state, data, contexts, where, bits):
    for i in range(bits.shape[0]):
        bits[i] = rc.decode_bit(state, data, contexts, where[i])


def main() -> None:
    rng = np.random.default_rng(0)
    chance = 0.002 + 0.99 * rng.random(64) ** 2
    where = rng.integers(0, 64, COUNT)
    bits = (rng.random(COUNT) < chance[where]).astype(np.int64)
    spent: dict[str, list[float]] = {"encoding": [], "decoding": []}
    for _ in range(6):  # the first one compiles
        buffer, state = np.zeros(COUNT, np.uint8), rc.encoder_state()
        start = time.process_time()
        encode(state, buffer, rc.new_contexts(64), where, bits)
        spent["encoding"].append(time.process_time() - start)
        data = np.frombuffer(rc.finish(state, buffer), np.uint8)
        back = np.zeros(COUNT, np.int64)
        start = time.process_time()
        decode(rc.decoder_state(data), data, rc.new_contexts(64), where, back)
        spent["decoding"].append(time.process_time() - start)
        assert (back == bits).all()
    entropy = 0.0
    for context in range(64):
        mean = bits[where == context].mean()
        uses = np.count_nonzero(where == context)
        entropy -= uses * (mean * np.log2(mean) + (1 - mean) * np.log2(1 - mean))
    print("| range coder, adaptive binary contexts | |\n|---|---|")
    for name, seconds in spent.items():
        print(f"| {name}, million decisions a second | {COUNT / min(seconds) / 1e6:.0f} |")
    print(f"| rate over order-0 entropy | {8 * data.size / entropy:.4f} |")


if __name__ == "__main__":
    main()
