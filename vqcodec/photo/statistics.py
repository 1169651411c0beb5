# mypy: allow-untyped-defs, no-check-untyped-defs
"""What training counts in a coded plane: residuals, coefficients, decisions.

`gather` walks over the blocks that the search has chosen and repeats what the
coder knows of each, so that statistics and codec cannot drift apart.
"""

from __future__ import annotations

import numpy as np

from vqcodec.jit import njit
from vqcodec.photo.colour import fit_factors, predict_block
from vqcodec.photo.contexts import (
    CODED,
    FEATURES,
    GREEN,
    LUMA,
    MODE,
    SIZE,
    advance,
    leaf_features,
)
from vqcodec.photo.elements import neighbour_modes, split_context
from vqcodec.photo.predict import (
    BORDER_LENGTH,
    BORDER_ROWS,
    MODES,
    border_direction,
    gather_references,
    is_horizontal,
)
from vqcodec.photo.quantizer import STEP
from vqcodec.photo.transform import CLASSES, forward, transform_class


@njit
def gather(
    original, plane, cells, symbols, values, luma, luma_cells, first, first_cells, order,
    kind, step_index, seed, share,
    forward4, forward8, forward16, forward32, scans,
    covariance4, covariance8, covariance16, energy32,
    samples, sample_features, sample_places, leaf_rows, leaf_places,
    split_counts, mode_counts, direction_counts, filled,
):  # fmt: skip
    """Add a plane to the statistics.

    `samples` receives pairs of normalised coefficients of the coded part, a
    random `share` of them; `leaf_places` size and number of coded pairs of
    every block; `filled` how many of both there are.
    """
    height, width = plane.shape
    borders = np.zeros((BORDER_ROWS, BORDER_LENGTH), np.int32)
    prediction = np.zeros((2, 1024), np.int16)
    detail = np.zeros(1024, np.int32)
    residual = np.zeros((1, 1024), np.float32)
    floats = np.zeros((1, 768), np.float32)
    transformed = np.zeros((1, 256), np.float32)
    f = np.zeros(FEATURES, np.int64)
    factors = np.zeros(2, np.int64)
    histogram = np.zeros(40, np.int64)
    step = STEP[step_index]
    delta = step / 16.0
    random = np.int64(seed)
    for y in range(0, height, 4):
        for x in range(0, width, 4):
            row, column = y >> 2, x >> 2
            size = np.int64(cells[row, column, SIZE])
            for s in range(3, 6):
                if s >= size and y % (1 << s) == 0 and x % (1 << s) == 0:
                    split_counts[s, split_context(cells, y, x, s), 1 if s > size else 0] += 1
            n = 1 << size
            if y % n != 0 or x % n != 0:
                continue
            mode, coded = np.int64(cells[row, column, MODE]), np.int64(cells[row, column, CODED])
            gather_references(plane, order, y, x, n, borders, 0)
            leaf_features(cells, luma_cells, first_cells, kind, borders, y, x, n, step, f)
            direction = border_direction(plane, y, x, n, histogram)
            context1, context2 = neighbour_modes(cells, y, x)
            if kind != LUMA:
                half = n >> 3
                context1, context2 = np.int64(luma_cells[row + half, column + half, MODE]), context1
                if kind == GREEN:
                    context2 = np.int64(first_cells[row + half, column + half, MODE])
            mode_counts[context1, context2, mode] += 1
            direction_counts[direction, mode] += 1
            if mode > 34:
                gather_references(luma, order, y, x, n, borders, 1)
                gather_references(first, order, y, x, n, borders, 2)
                fit_factors(plane, luma, first, y, x, n, step, factors)
            predict_block(
                mode,
                size,
                y,
                x,
                luma,
                first,
                borders,
                factors,
                detail,
                prediction,
                0,
            )
            turned = is_horizontal(mode)
            energy = np.float32(0)
            for i in range(n):
                for j in range(n):
                    sample = original[y + j, x + i] if turned else original[y + i, x + j]
                    gap = np.float32(np.int32(sample) - np.int32(prediction[0, i * n + j]))
                    residual[0, i * n + j] = gap
                    energy += gap * gap
            forward(
                residual, size, mode, forward4, forward8, forward16, forward32, scans, floats,
                transformed,
            )  # fmt: skip
            group = transform_class(mode)
            importance = np.float32(1.0 / (delta * delta + energy / (n * n)))
            if size == 2 or size == 3:
                covariance = covariance4[group] if size == 2 else covariance8[group]
                for i in range(n * n):
                    weighted = residual[0, i] * importance
                    for j in range(n * n):
                        covariance[i, j] += weighted * residual[0, j]
            elif size == 4:
                for i in range(16):
                    for j in range(16):
                        down = across = np.float32(0)
                        for k in range(16):
                            down += residual[0, i * 16 + k] * residual[0, j * 16 + k]
                            across += residual[0, k * 16 + i] * residual[0, k * 16 + j]
                        covariance16[group, 0, i, j] += down * importance
                        covariance16[group, 1, i, j] += across * importance
            else:
                for k in range(256):
                    energy32[scans[CLASSES, k]] += (
                        transformed[0, k] * transformed[0, k] * importance
                    )
            leaf = filled[1]
            if leaf < leaf_rows.shape[0]:
                for i in range(FEATURES):
                    leaf_rows[leaf, i] = f[i]
                leaf_places[leaf, 0] = size
                leaf_places[leaf, 1] = coded
                filled[1] += 1
            base = np.int64(order[row, column]) * 16
            for g in range(coded):
                random = (random * 1664525 + 1013904223) & 0xFFFFFFFF
                chosen = (random >> 16) < share
                k = filled[0]
                if chosen and k < samples.shape[0]:
                    samples[k, 0] = transformed[0, 2 * g] / delta
                    samples[k, 1] = transformed[0, 2 * g + 1] / delta
                    for i in range(FEATURES):
                        sample_features[k, i] = f[i]
                    sample_places[k, 0] = size
                    sample_places[k, 1] = g
                    filled[0] += 1
                advance(
                    f, g,
                    (abs(np.int64(values[base + 2 * g])) + abs(np.int64(values[base + 2 * g + 1])))
                    * 8,
                )  # fmt: skip
    return MODES
