"""Choosing the palette: cut, merge, then k-means with swaps of badly used colours.

1. Greedy cuts across the principal axis of the box that gains most (X. Wu, "Color
   quantization by dynamic programming and principal analysis", 1992), into many
   more than the colours wanted.
2. Pairwise nearest neighbour merges by Ward's cost down to the colours wanted
   (W. H. Equitz, "A new vector quantization clustering algorithm", 1989).
3. Weighted k-means (`lloyd`).
4. Swaps: the colours that are cheapest to miss move to the clusters that gain most
   from a second colour, several at a time; kept if the error falls (after P. Fränti
   and J. Kivijärvi, "Randomised local search algorithm for the clustering problem",
   2000, with the candidates ranked in place of drawn).

Points are (n, 4) float32 in a `Space` with float32 weights. Everything runs on one
thread in a fixed order: the same result on every run. `Clusters` holds the arrays
that the kernels work on.
"""

from __future__ import annotations

import numpy as np

from vqcodec.palette import lloyd, reduce

BOXES = 128  # before the merges, at least; or twice the colours wanted
FIRST_STEPS = 20
SWAP_STEPS = 2
FAILURES = 12  # fruitless rounds in a row that end the search, or as many as there are colours


class Clusters:
    """Weighted points, their centres and labels; the first `fixed` centres never move."""

    def __init__(self, points: np.ndarray, weights: np.ndarray, centers: np.ndarray, fixed: int):
        self.points, self.weights, self.fixed = points, weights, fixed
        self.centers = np.ascontiguousarray(centers, np.float32)
        n, k = len(points), len(centers)
        self.labels = np.zeros(n, np.int32)
        self.sums = np.zeros((k, 5))
        self.reach = np.zeros(k, np.float32)
        others = np.arange(max(k - 1, 1), dtype=np.int32)
        self.near = others + (others >= np.arange(k)[:, None]).astype(np.int32)
        self._gaps = np.zeros(self.near.shape, np.float32)
        self._lengths = np.zeros(k, np.int32)
        self.spread = np.zeros((k, 4, 4))
        self._energy = 0.0

    def gather(self) -> None:
        """Bring the sums up to date with labels that were set from outside."""
        self._energy = lloyd.gather(
            self.points, self.weights, self.labels, self.centers, self.sums, self.reach
        )

    def neighbours(self, least: int = 0) -> tuple[np.ndarray, ...]:
        """Return the sorted neighbour lists: numbers, squared distances, lengths."""
        lists = self.near, self._gaps, self._lengths
        lloyd.find_neighbours(self.centers, self.reach, least, *lists)
        return lists

    def center(self) -> float:
        """Move the free centres to the means of their clusters; return the squared error."""
        moments = lloyd.center(self.centers, self.sums, self.reach, self.fixed)
        return max(0.0, self._energy + moments)

    def assign(self) -> int:
        """Give every point its nearest centre; return how many moved."""
        return lloyd.assign(
            self.points, self.weights, self.centers, *self.neighbours(),
            self.labels, self.sums, self.reach,
        )  # fmt: skip

    def iterate(self, steps: int, tolerance: float) -> float:
        """Run Lloyd's iteration from the labels; return the squared error."""
        self.gather()
        error = self.center()
        for _ in range(steps):
            moved = self.assign()
            last, error = error, self.center()
            if moved == 0 or last - error < tolerance * error:
                break
        return error

    def fix(self, number: int) -> None:
        """Make a centre one of the fixed ones; it changes places with the first free one."""
        first = self.fixed
        swap = np.arange(len(self.centers), dtype=np.int32)
        swap[[first, number]] = number, first
        self.labels = swap[self.labels]
        self.centers = self.centers[swap]
        self.fixed += 1

    def removal(self) -> tuple[np.ndarray, np.ndarray, float]:
        """Return what each free centre is worth, each point's second nearest, and the error.

        The worth of a centre is the rise of the error without it; that of a fixed
        one is infinite.
        """
        n, k = len(self.points), len(self.centers)
        second, loss, spread = np.zeros(n, np.int32), np.zeros(k), np.zeros((k, 4, 4))
        self.gather()
        error = self._energy + lloyd.center(self.centers, self.sums, self.reach, k)
        lists = self.neighbours(least=min(4, k - 1))
        lloyd.second_nearest(
            self.points, self.weights, self.centers, *lists, self.labels, second, loss, spread
        )
        loss[: self.fixed] = np.inf
        self.spread = spread
        return loss, second, max(0.0, error)


def choose_centers(
    points: np.ndarray,
    weights: np.ndarray,
    count: int,
    fixed: np.ndarray,
    rounds: int,
) -> Clusters:
    """Cluster points around at most `count` centres.

    Parameters
    ----------
    points : (n, 4) ndarray of float32
    weights : (n,) ndarray of float32
        Positive.
    count : int
        Centres, the fixed ones included.
    fixed : (f, 4) ndarray of float32
        Centres that stay where they are, f < `count`; they come first.
    rounds : int
        Rounds of swaps; 0 is fast and about 3 % worse.
    """
    free = max(1, min(count - len(fixed), len(points)))
    labels = np.zeros(len(points), np.int32)
    boxes = reduce.cut(points, weights, min(max(BOXES, 2 * free), len(points)), labels)
    start = Clusters(points, weights, np.zeros((boxes, 4), np.float32), 0)
    start.labels = labels
    start.gather()
    start.center()
    centers, mass = start.centers, start.sums[:, 4].copy()
    if boxes > free:
        owner = np.zeros(boxes, np.int32)
        reduce.merge(centers.copy(), mass, free, owner)
        labels = owner[labels]
        boxes = free
    clusters = Clusters(points, weights, np.zeros((len(fixed) + boxes, 4), np.float32), len(fixed))
    clusters.centers[: len(fixed)] = fixed
    clusters.labels = labels + np.int32(len(fixed))
    clusters.gather()
    clusters.center()
    clusters.iterate(FIRST_STEPS, 3e-3)
    if len(clusters.centers) > 2 and rounds:
        _swap(clusters, rounds)
    return clusters


def _swap(clusters: Clusters, rounds: int) -> None:
    """Move centres from where they are missed least to where they help most."""
    points, weights = clusters.points, clusters.weights
    n, count = len(points), len(clusters.centers)
    side, gain = np.zeros(n, np.uint8), np.zeros(count)
    pairs = max(1, count // 8)
    failures = 0
    random = None  # numpy.random is not imported before it is needed: that takes a while
    best = clusters.iterate(0, 0.0)
    labels = clusters.labels.copy()
    fresh = True
    for _ in range(rounds):
        if fresh:
            loss, second, _ = clusters.removal()
            lloyd.halve(
                points, weights, clusters.centers, clusters.labels, clusters.sums,
                clusters.spread, side, gain,
            )  # fmt: skip
            close = clusters.near[:, :2].copy()
        if failures == 0:
            moves = _pair_up(loss, gain, close, pairs)
        else:
            random = random or np.random.default_rng(0)
            noise = np.exp(0.25 * min(failures, 4) * random.standard_normal((2, count)))
            moves = _pair_up(loss * noise[0], gain * noise[1], close, pairs)
        if not moves:
            break
        target = np.full(count, -1, np.int32)
        emptied = np.zeros(count, bool)
        for source, receiver in moves:
            target[receiver] = source
            emptied[source] = True
        old = clusters.labels
        move = (target[old] >= 0) & (side != 0)
        clusters.labels = np.where(move, target[old], np.where(emptied[old], second, old))
        error = clusters.iterate(SWAP_STEPS, 1e-7)
        fresh = error < best * (1 - 1e-6)
        if fresh:
            best, failures = error, 0
            labels = clusters.labels.copy()
            continue
        clusters.labels = labels.copy()
        if pairs > 1:
            pairs //= 2
        else:
            failures += 1
            if failures >= min(FAILURES, count):
                break
    clusters.labels = labels
    clusters.iterate(FIRST_STEPS, 1e-5)


def _pair_up(
    loss: np.ndarray, gain: np.ndarray, close: np.ndarray, pairs: int
) -> list[tuple[int, int]]:
    """Pair the centres cheapest to remove with the clusters that gain most, all of them apart."""
    cheapest = np.argsort(loss, kind="stable").tolist()
    neediest = np.argsort(-gain, kind="stable").tolist()
    losses, gains = loss.tolist(), gain.tolist()
    locked: set[int] = set()
    moves: list[tuple[int, int]] = []
    for source in cheapest:
        if len(moves) == pairs or losses[source] == np.inf:
            break
        if source in locked:
            continue
        receiver = next((k for k in neediest if k not in locked and k != source), None)
        if receiver is None or (moves and gains[receiver] < losses[source]):
            break
        moves.append((source, receiver))
        locked.update((source, receiver))
        if len(losses) > 3:
            locked.update(close[source].tolist())
    return moves
