# mypy: allow-untyped-defs, no-check-untyped-defs
"""Which block sizes: the encoder's decision, a binary tree for every frame.

A long block spreads its quantization noise over all of its time, so that what
comes before an onset is heard (pre-echo). The decision compares the *perceptual
entropy* (Johnston 1988) of the alternatives at equal audibility: for each short
stretch of time and each band there is a noise power that is masked there; a
block gets the weighted harmonic mean of those that it covers, which is small as
soon as part of it is quiet, and pays for it in bits. The tree is then pruned
from the leaves (Coifman and Wickerhauser 1992). Short blocks that are louder
than their surroundings get finer steps, for their noise is heard around them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from vqcodec.audio import mdct
from vqcodec.audio.bands import ENERGY_UNIT, LEVELS, Layout
from vqcodec.audio.contexts import OFFSET_LIMIT
from vqcodec.audio.masking import OCTAVE, REFERENCE, Masking
from vqcodec.audio.mixing import kernel

FINE = 4  # level of the blocks that resolve time
_DECAY = 0.5  # of masking from one fine block to the next
FIRST_SHORT = 3  # level from which on steps may be finer in loud blocks
AROUND = 4  # fine blocks before and after that its loudness is compared with


@dataclass(frozen=True)
class Knobs:
    """What the decision is tuned by."""

    side_bits: float = 1.2  # of a block, for each band and channel
    bias: float = 1.0  # factor of the bits of blocks shorter than a frame
    onset: float = 3.0  # finer steps of short loud blocks, quarter octaves of amplitude an octave


@kernel("void(f4[::1],i8,i8,i8[::1],i8[::1],i8[::1],i8[::1],f8,f8,f8,f4[:,::1],f8[::1])")
def _weights(x, count, size, edges, up, down, floor, factor, gamma, decay, weights, spread):
    """Fill the reciprocal of the masked noise power of each fine block and band.

    x : (n,) float32, coefficients of `count` fine blocks; edges, up, down, floor : of their level
    factor : float, masked noise at the power 1; weights : (count, bands) float32, the result
    spread : (bands,) float64, work space
    """
    bands = weights.shape[1]
    for block in range(count):
        start = block * size
        below = 0.0
        for band in range(bands):
            total = 0.0
            for k in range(edges[band], edges[band + 1]):
                here = np.float64(x[start + k])
                ahead = np.float64(x[start + k + 1]) if k + 1 < size else 0.0
                behind = np.float64(x[start + k - 1]) if k > 0 else 0.0
                # Squares of MDCT and of an approximate MDST: a steadier power.
                total += 0.5 * here * here + 0.5 * (ahead - behind) * (ahead - behind) * 0.5
            below = below * up[band] / 256 + total
            spread[band] = below
        above = 0.0
        for band in range(bands - 1, -1, -1):
            mine = spread[band] - (spread[band - 1] * up[band] / 256 if band > 0 else 0.0)
            above = above * down[band] / 256
            spread[band] += above
            above += mine
        for band in range(bands):
            power = spread[band] / (edges[band + 1] - edges[band]) * 256 + 1e-9
            noise = max(factor * math.exp(gamma * math.log(power)), 2.0 ** (floor[band] / 256.0))
            weight = 256 / noise
            if block > 0:
                weight = min(weight, np.float64(weights[block - 1, band]) / decay)
            weights[block, band] = np.float32(weight)


@kernel("void(f4[::1],i8,i8,i8[::1],i8,i8[::1],f4[:,::1],i8,f8,f8[::1])")
def _costs(x, count, size, edges, bands, mapping, weights, fine, side, costs):
    """Add the perceptual entropy of `count` blocks to `costs` (count,) float64.

    mapping : (bands,) int64, band of the fine blocks; fine : fine blocks in this one, or 0
    for blocks of half the fine size.
    """
    for block in range(count):
        bits = 0.0
        for band in range(bands):
            place = mapping[band]
            weight = np.float32(0)
            if fine == 0:
                weight = weights[block >> 1, place]
            else:
                for i in range(block * fine, (block + 1) * fine):
                    weight += weights[i, place]
                weight /= np.float32(fine)
            product = np.float64(1)
            for k in range(block * size + edges[band], block * size + edges[band + 1]):
                product *= 1 + np.float64(x[k] * x[k] * weight)
                if product > 1e200:
                    bits += math.log2(product)
                    product = 1.0
            bits += math.log2(product)
        costs[block] += 0.5 * bits + side


def choose(
    x: np.ndarray, frames: int, bands: Layout, masks: Masking, knob: int, gamma: int, knobs: Knobs
) -> tuple[np.ndarray, np.ndarray]:
    """Choose the block sizes of some frames, and how much finer their steps are.

    Parameters
    ----------
    x : (channels, frame / 2 + frames * frame + frame / 2) float32
        Samples in 16-bit units, with a margin on both sides.
    frames : int
    bands, masks
        Of the sampling rate.
    knob, gamma : int
        See `masking`.

    Returns
    -------
    chosen : (frames, 32) int8
        Level of the block at each place, in units of the smallest block.
    offsets : (frames, 32) int8
        In quarter octaves of amplitude, likewise.
    """
    frame = bands.frame
    smallest = 1 << (LEVELS - 1)
    costs = [np.zeros(frames << level) for level in range(LEVELS)]
    exponent = gamma / 256
    log_factor = (REFERENCE * (1 - exponent) + knob) / OCTAVE
    factor = 2.0**log_factor
    spectra = [
        mdct.forward(
            x, np.full(frames << level, frame >> level), frame // 2, frame >> level, frame >> level
        )
        for level in range(LEVELS)
    ]
    count = int(bands.counts[FINE])
    weights = np.zeros((frames << FINE, count), np.float32)
    spread = np.zeros(count)
    loudness = np.zeros((frames << FINE) << 1)
    for channel in range(len(x)):
        _weights(
            spectra[FINE][channel], frames << FINE, frame >> FINE, bands.edges[FINE],
            masks.up[FINE], masks.down[FINE], masks.floor[FINE], factor, exponent, _DECAY,
            weights, spread,
        )  # fmt: skip
        loudness += np.repeat(_excess(weights, bands.edges[FINE, : count + 1]), 2) / len(x)
        for level in range(LEVELS):
            _costs(
                spectra[level][channel], frames << level, frame >> level, bands.edges[level],
                bands.counts[level], bands.nearest[level, FINE], weights,
                (1 << FINE) >> level, knobs.side_bits * bands.counts[level], costs[level],
            )  # fmt: skip
    best = costs[-1] * knobs.bias
    chosen = np.full((frames, smallest), LEVELS - 1, np.int8)
    for level in range(LEVELS - 2, -1, -1):
        split = best.reshape(-1, 2).sum(1)
        whole = costs[level] * (knobs.bias if level else 1.0)
        keep = whole <= split
        best = np.where(keep, whole, split)
        wide = np.repeat(keep.reshape(frames, -1), smallest >> level, axis=1)
        chosen[wide] = level
    offsets = np.zeros_like(chosen)
    for level in range(FIRST_SHORT, LEVELS):
        excess = loudness.reshape(frames << level, -1).mean(1)
        finer = np.clip(np.floor(knobs.onset * excess + 0.5), 0, OFFSET_LIMIT).astype(np.int8)
        finer = np.repeat(finer.reshape(frames, -1), smallest >> level, axis=1)
        offsets = np.where(chosen == level, finer, offsets)
    return chosen, offsets


def _excess(weights: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Return by how many octaves each fine block may hold more noise than its surroundings.

    weights : (blocks, bands), reciprocals of the masked noise; edges : (bands + 1,)
    """
    noise = 1 / weights.astype(np.float64)
    total = np.concatenate([np.zeros((1, noise.shape[1])), np.cumsum(noise, axis=0)])
    last = np.minimum(np.arange(len(noise)) + AROUND + 1, len(noise))
    first = np.maximum(np.arange(len(noise)) - AROUND, 0)
    mean = (total[last] - total[first]) / (last - first)[:, np.newaxis]
    widths = np.diff(edges)
    return np.asarray(np.log2(noise / mean) @ widths / widths.sum())


def block_levels(chosen: np.ndarray, offsets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return levels and offsets of the blocks in order, from those of each smallest block."""
    places = []
    for number, row in enumerate(chosen):
        place = 0
        while place < len(row):
            places.append(number * len(row) + place)
            place += len(row) >> int(row[place])
    return chosen.ravel()[places].astype(np.int64), offsets.ravel()[places].astype(np.int64)


assert ENERGY_UNIT == 256
