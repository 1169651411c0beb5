"""The trainer against scikit-learn, SciPy and faiss: python -m tests.bench.kmeans [section ...]

Sections: lloyd, pixels, equal, seeding, memory, correctness; all by default.
``--threads 2`` gives wall time on two threads instead of CPU time on one.
Every figure is the best of some interleaved runs in one process. The corpus is
looked for in VQCODEC_CORPUS or in ../shared/corpus beside the repository.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import threading
import time
import tracemalloc
import warnings
from pathlib import Path

import numpy as np

from tests.bench.corpus import corpus

CASES: tuple[tuple[str, int], ...] = (  # data, K
    ("4x4 patches", 256),
    ("4x4 patches", 1024),
    ("8x8 patches", 256),
    ("pixels", 16),
    ("pixels", 256),
    ("music frames", 512),
    ("2-D blobs", 8),
)
STEPS = 10
ROUNDS = 2
AGAINST = slice(None)  # the peers of `equal`
SEEDS = (0, 1)  # of fits that are compared by what they reach


def data(name: str) -> np.ndarray:
    """Return the float32 vectors of a case."""
    rng = np.random.default_rng(0)
    if name == "2-D blobs":
        centres = rng.uniform(-10, 10, (8, 2))
        return (centres[rng.integers(0, 8, 100_000)] + rng.normal(size=(100_000, 2))).astype("f4")
    if name == "music frames":
        import soundfile

        files = sorted((corpus() / "music").glob("*.flac"))
        mono = [soundfile.read(file, always_2d=True)[0].mean(axis=1) for file in files]
        frames = np.concatenate([x[: len(x) // 32 * 32].reshape(-1, 32) for x in mono])
        chosen = rng.choice(len(frames), 200_000, replace=len(frames) < 200_000)
        return frames[chosen].astype("f4")
    count = 2_000_000 if name == "pixels" else 500_000
    files = sorted((corpus() / "photos").glob("*.png"))
    share = -(-count // len(files))
    parts = [_patches(file, name, share, rng) for file in files]
    return rng.permutation(np.concatenate(parts))[:count].astype("f4")


def _patches(file: Path, name: str, share: int, rng: np.random.Generator) -> np.ndarray:
    from PIL import Image

    image = Image.open(file).convert("RGB")
    if name == "pixels":
        pixels = np.asarray(image).reshape(-1, 3)
        return pixels[rng.integers(0, len(pixels), share)]
    size, gray = int(name[0]), np.asarray(image.convert("L"))
    rows = rng.integers(0, gray.shape[0] - size + 1, share)
    columns = rng.integers(0, gray.shape[1] - size + 1, share)
    return np.lib.stride_tricks.sliding_window_view(gray, (size, size))[rows, columns].reshape(
        share, -1
    )


def start(points: np.ndarray, k: int) -> np.ndarray:
    """Return k distinct points."""
    rng = np.random.default_rng(1)
    some = np.unique(points[rng.permutation(len(points))[: 20 * k]], axis=0)
    return some[rng.permutation(len(some))[:k]]


def best_times(jobs: dict, rounds: int, clock) -> dict[str, float]:
    """Run all jobs in turn, some rounds; return the shortest time of each."""
    times = dict.fromkeys(jobs, np.inf)
    for _ in range(rounds):
        for name, job in jobs.items():
            began = clock()
            job()
            times[name] = min(times[name], clock() - began)
    return times


def geometric_mean(values) -> float:
    return float(np.exp(np.mean(np.log(list(values)))))


def lloyd(clock) -> None:
    """Ten Lloyd steps from the same centres."""
    import faiss
    from scipy.cluster.vq import kmeans2
    from sklearn.cluster import KMeans

    from vqcodec.cluster import fit_kmeans

    print(f"\n### {STEPS} Lloyd steps from the same centres\n")
    print("| data | K | vqcodec s | scikit-learn lloyd | SciPy kmeans2 | faiss |")
    print("|---|--:|--:|--:|--:|--:|")
    ratios: dict[str, list[float]] = {}
    for name, k in CASES:
        points = data(name)
        init = start(points, k)

        def sklearn(points=points, k=k, init=init):
            KMeans(k, init=init, n_init=1, max_iter=STEPS, tol=0).fit(points)

        def by_faiss(points=points, k=k, init=init):
            trainer = faiss.Kmeans(
                points.shape[1],
                k,
                niter=STEPS,
                min_points_per_centroid=1,
                max_points_per_centroid=len(points),
            )
            trainer.train(points, init_centroids=init)

        def ours(points=points, k=k, init=init):
            fit_kmeans(points, k, init=init, max_iter=STEPS, tol=0, empty="keep")

        def scipy(points=points, init=init):  # every step searches in full: two tell enough
            kmeans2(points, init, iter=2, minit="matrix")

        ours()  # compiles
        times = best_times({"vqcodec": ours, "lloyd": sklearn, "faiss": by_faiss}, ROUNDS, clock)
        times["scipy"] = best_times({"": scipy}, 1, clock)[""] * STEPS / 2
        row = {peer: times[peer] / times["vqcodec"] for peer in ("lloyd", "scipy", "faiss")}
        for peer, ratio in row.items():
            ratios.setdefault(peer, []).append(ratio)
        cells = " | ".join(f"{ratio:.2f}" for ratio in row.values())
        print(f"| {name} | {k} | {times['vqcodec']:.3f} | {cells} |", flush=True)
    means = " | ".join(f"{geometric_mean(values):.2f}" for values in ratios.values())
    print(f"| geometric mean | | | {means} |")


def pixels(clock) -> None:
    """Counted colours against all pixels."""
    from sklearn.cluster import KMeans

    from vqcodec.cluster import fit_kmeans

    points = data("pixels")
    init = start(points, 256)
    jobs = {
        "ours": lambda: fit_kmeans(points, 256, init=init, max_iter=STEPS, tol=0, empty="keep"),
        "peer": lambda: KMeans(256, init=init, n_init=1, max_iter=STEPS, tol=0).fit(points),
    }
    jobs["ours"]()
    times = best_times({"ours": jobs["ours"]}, 3, clock) | best_times(jobs, 2, clock)
    distinct = len(np.unique(points.astype(np.int64) @ [1, 256, 65536]))
    print(f"\n### {len(points)} pixels, {distinct} colours, K = 256, {STEPS} steps\n")
    print(f"counting included: {times['ours']:.3f} s; ", end="")
    print(f"scikit-learn on all pixels {times['peer'] / times['ours']:.1f} times as long")


def equal(clock) -> None:
    """Time to the distortion that others reach.

    Both sides start from two seeds; times and distortions are means of both.
    """
    from sklearn.cluster import KMeans, MiniBatchKMeans

    from vqcodec import cluster
    from vqcodec.cluster.assign import assign
    from vqcodec.cluster.seeding import seed_codebook

    def lloyd_steps(init, points, k, seed, goal):
        steps = _steps_to(goal, points, k, init, seed)

        def fit():
            if steps == 0:  # the seeding is as good already
                return seed_codebook(points, k, None, init, np.random.default_rng(seed))
            return cluster.fit_kmeans(
                points, k, init=init, max_iter=steps, tol=0, seed=seed
            ).centers

        return steps, fit

    def mini_batches(init, points, k, seed, _):
        trainer = cluster.MiniBatchKMeans(k, init=init, random_state=seed, compute_labels=False)
        return 0, lambda: trainer.fit(points).cluster_centers_

    peers = (
        (
            "MiniBatchKMeans",
            lambda k, seed: MiniBatchKMeans(
                k, batch_size=10240, random_state=seed, compute_labels=False
            ),
            ((mini_batches, "k-means++"), (lloyd_steps, "nested")),
        ),
        (
            "k-means++, 50 steps",
            lambda k, seed: KMeans(k, n_init=1, max_iter=50, tol=0, random_state=seed),
            ((lloyd_steps, "nested"), (lloyd_steps, "breathing")),
        ),
    )
    print("\n### To equal inertia\n")
    print("| data | K | against | peer s | ours | steps | ratio | inertia / peer's |")
    print("|---|--:|---|--:|---|--:|--:|--:|")
    for name, k in CASES:
        points = data(name)
        cluster.fit_kmeans(points[:5000], k, init="breathing", max_iter=2)  # compiles
        cluster.MiniBatchKMeans(k, max_iter=1).fit(points[:5000])
        for peer, make, ways in peers[AGAINST]:
            needed = goal = 0.0
            for seed in SEEDS:
                theirs, began = make(k, seed), clock()
                theirs.fit(points)
                needed += clock() - began
                goal += assign(points, theirs.cluster_centers_)[1].sum() / len(SEEDS)
            for way, init in ways:
                spent = reached = 0.0
                taken = []
                for seed in SEEDS:
                    steps, fit = way(init, points, k, seed, goal)
                    began = clock()
                    centers = fit()
                    spent += clock() - began
                    reached += assign(points, centers)[1].sum() / len(SEEDS)
                    taken.append(str(steps))
                print(
                    f"| {name} | {k} | {peer} | {needed / len(SEEDS):.2f} "
                    f"| {init}, {way.__name__.replace('_', ' ')} "
                    f"| {', '.join(taken)} | {needed / spent:.2f} | {reached / goal:.4f} |",
                    flush=True,
                )


def _steps_to(goal: float, points: np.ndarray, k: int, seeding: str, seed: int) -> int:
    """Return the Lloyd steps from a seeding to a distortion, at most 100; this is not timed."""
    from vqcodec.cluster import fit_kmeans
    from vqcodec.cluster.assign import assign
    from vqcodec.cluster.seeding import seed_codebook

    start = seed_codebook(points, k, None, seeding, np.random.default_rng(seed))
    if assign(points, start)[1].sum() <= goal:
        return 0
    fit = fit_kmeans(points, k, init=start, max_iter=1, tol=0)
    for steps in range(1, 100):
        if fit.inertia <= goal:
            return steps
        before, fit = fit, fit_kmeans(points, k, init=fit.centers, max_iter=1, tol=0)
        if fit.inertia >= before.inertia:  # has converged
            return steps
    return 100


def seeding(clock) -> None:
    """Greedy k-means++."""
    from sklearn.cluster import kmeans_plusplus

    from vqcodec.cluster.assign import assign
    from vqcodec.cluster.seeding import plus_plus

    print("\n### Greedy k-means++\n")
    print("| data | K | vqcodec s | scikit-learn | distortion / scikit-learn's |")
    print("|---|--:|--:|--:|--:|")
    for name, k in CASES:
        points = data(name)
        found = {}

        def ours(points=points, k=k, found=found):
            found["ours"] = plus_plus(points, k, None, np.random.default_rng(0))

        def theirs(points=points, k=k, found=found):
            found["theirs"] = kmeans_plusplus(points, k, random_state=0)[0]

        ours()
        slow = k > 512 or (name == "pixels" and k > 16)
        times = best_times({"ours": ours, "theirs": theirs}, 1 if slow else ROUNDS, clock)
        errors = {who: assign(points, book)[1].sum() for who, book in found.items()}
        print(
            f"| {name} | {k} | {times['ours']:.3f} | {times['theirs'] / times['ours']:.2f} "
            f"| {errors['ours'] / errors['theirs']:.3f} |",
            flush=True,
        )


def memory(_clock) -> None:
    """Peak of anonymous memory above the data, each fit in a process of its own."""
    print("\n### Peak memory above the data\n")
    print("| fit | data MiB | peak MiB | of the data |")
    print("|---|--:|--:|--:|")
    for name, k in CASES:
        run = [sys.executable, "-m", "tests.bench.kmeans", "--peak", name, str(k)]
        size, peak = map(float, subprocess.check_output(run, text=True).split())
        print(f"| {name}, K = {k} | {size:.1f} | {peak:.1f} | {peak / size:.2f} |", flush=True)
    for rows in (2_000_000, 8_000_000):
        run = [sys.executable, "-m", "tests.bench.kmeans", "--peak", "mapped", str(rows)]
        size, peak = map(float, subprocess.check_output(run, text=True).split())
        print(f"| mini-batch on a memory map | {size:.1f} | {peak:.1f} | {peak / size:.2f} |")


def anonymous() -> float:
    """Return the anonymous memory of this process in MiB."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("RssAnon"):
            return int(line.split()[1]) / 1024
    sys.exit("memory can only be measured where /proc/self/status is")


def peak(name: str, number: int) -> None:
    from vqcodec.cluster import MiniBatchKMeans, fit_kmeans

    small = np.random.default_rng(0).normal(size=(2000, 16)).astype("f4")
    fit_kmeans(small, 4)
    fit_kmeans(small[:, :3].round().clip(0), 4)
    if name == "mapped":
        with tempfile.NamedTemporaryFile(suffix=".npy") as file:
            shape = (number, 16)
            points = np.lib.format.open_memmap(file.name, "w+", np.float32, shape)
            for first in range(0, number, 100_000):
                points[first : first + 100_000] = np.random.default_rng(first).normal(
                    size=(min(100_000, number - first), 16)
                )
            points.flush()
            del points
            points = np.load(file.name, mmap_mode="r")
            mini = MiniBatchKMeans(256, batch_size=10240, compute_labels=False, random_state=0)
            print(points.nbytes / 2**20, _highest(lambda: mini.fit(points)))
        return
    points = data(name)
    print(points.nbytes / 2**20, _highest(lambda: fit_kmeans(points, number, max_iter=3, tol=0)))


def _highest(job) -> float:
    """Return by how many MiB memory rises while a job runs.

    The larger of what the system says, which leaves out what is used again, and
    of what NumPy asked for, which leaves out the kernels.
    """
    tracemalloc.start()
    before = highest = anonymous()
    done = threading.Event()

    def watch() -> None:
        nonlocal highest
        while not done.wait(0.002):
            highest = max(highest, anonymous())

    watcher = threading.Thread(target=watch)
    watcher.start()
    job()
    done.set()
    watcher.join()
    return max(highest - before, tracemalloc.get_traced_memory()[1] / 2**20)


def correctness(_clock) -> None:
    """Every step against plain Lloyd in float64, for one and two threads."""
    import numba

    from vqcodec.cluster import fit_kmeans

    print("\n### Single steps against plain Lloyd in float64\n")
    print("| data | K | steps | labels compared | ties | wrong | largest error of a mean |")
    print("|---|--:|--:|--:|--:|--:|--:|")
    for name, k in CASES:
        points = data(name)
        centres = start(points, k).astype(np.float64)
        compared = ties = wrong = 0
        off = 0.0
        for _ in range(2):
            fits = []
            for threads in (1, 2):
                numba.set_num_threads(min(threads, numba.config.NUMBA_NUM_THREADS))
                fits.append(fit_kmeans(points, k, init=centres, max_iter=1, tol=0, empty="keep"))
            if not all(
                np.array_equal(getattr(fits[0], part), getattr(fits[1], part))
                for part in ("centers", "labels", "counts")
            ):
                sys.exit(f"{name}: the result depends on the number of threads")
            labels = plain_labels(points, centres)
            off = max(off, float(np.abs(fits[0].centers - means(points, labels, centres)).max()))
            centres = fits[0].centers
            expected = plain_labels(points, centres)
            differing = np.flatnonzero(expected != fits[0].labels)
            compared += len(points)
            if len(differing):
                some = points[differing].astype(np.float64)
                own = ((some - centres[fits[0].labels[differing]]) ** 2).sum(axis=1)
                other = ((some - centres[expected[differing]]) ** 2).sum(axis=1)
                tied = np.abs(own - other) <= 1e-9 * other
                ties += int(tied.sum())
                wrong += int((~tied).sum())
        print(f"| {name} | {k} | 2 | {compared} | {ties} | {wrong} | {off:.2g} |", flush=True)


def plain_labels(points: np.ndarray, centres: np.ndarray) -> np.ndarray:
    halves = 0.5 * (centres**2).sum(axis=1)
    labels = np.empty(len(points), np.int32)
    for first in range(0, len(points), 20_000):
        some = points[first : first + 20_000].astype(np.float64)
        labels[first : first + len(some)] = (halves - some @ centres.T).argmin(axis=1)
    return labels


def means(points: np.ndarray, labels: np.ndarray, centres: np.ndarray) -> np.ndarray:
    counts = np.bincount(labels, minlength=len(centres))
    sums = [np.bincount(labels, x.astype(np.float64), minlength=len(centres)) for x in points.T]
    found = centres.copy()
    found[counts > 0] = np.stack(sums, axis=1)[counts > 0] / counts[counts > 0, None]
    return found


SECTIONS = {job.__name__: job for job in (lloyd, pixels, equal, seeding, memory, correctness)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sections", nargs="*", choices=[*SECTIONS, []], metavar="section")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--data", help="only the cases of this name")
    parser.add_argument("--k", type=int, help="only the cases of so many codewords")
    parser.add_argument("--against", choices=["mini-batches", "steps"], help="only this, in equal")
    parser.add_argument("--peak", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    if options.peak:
        peak(options.peak[0], int(options.peak[1]))
        return
    global CASES, AGAINST
    if options.against:
        AGAINST = slice(0, 1) if options.against == "mini-batches" else slice(1, 2)
    if options.data:
        CASES = tuple(case for case in CASES if case[0] == options.data)
    if options.k:
        CASES = tuple(case for case in CASES if case[1] == options.k)
    import faiss
    import numba
    import threadpoolctl

    numba.set_num_threads(min(options.threads, numba.config.NUMBA_NUM_THREADS))
    faiss.omp_set_num_threads(options.threads)
    clock = time.process_time if options.threads == 1 else time.perf_counter
    what = (
        "CPU time, one thread" if options.threads == 1 else f"wall time, {options.threads} threads"
    )
    print(f"{what}; ratios are the peer's time over ours, so more than 1 is faster than the peer")
    with threadpoolctl.threadpool_limits(options.threads):
        for name in options.sections or SECTIONS:
            SECTIONS[name](clock)


if __name__ == "__main__":
    main()
