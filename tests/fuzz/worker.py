"""The fuzzer's worker: runs cases one after the other, each known by its number.

It says which case it is at in a shared file, so that its parent knows what it
died of, and reports findings as JSON lines.
"""

from __future__ import annotations

import copy
import itertools
import json
import math
import mmap
import random
import resource
import struct
import sys
import time
import warnings
from pathlib import Path

from tests.fuzz import mutate, targets

PLACE = struct.Struct("<qd")  # number of the case, when it began
_SLOW = 3.0  # seconds of processor time
_MEMORY = 256 << 20  # bytes that no mutant may add to what all have taken before
_HEADROOM = 2 << 30


def case(seed: int, kind: str, number: int, files: list[targets.Seed]) -> tuple[
    str, targets.Seed, bytes, random.Random
]:  # fmt: skip
    """Return mutation, origin and mutant of a case."""
    rng = random.Random(f"{seed} {kind} {number}")
    origin = rng.choice(files)
    name, data = mutate.mutate(rng, origin.data, rng.choice(files).data)
    return name, origin, data, rng


def peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def cases(kinds: list[str], seed: int, first: int, exhaustive: bool):  # type: ignore[no-untyped-def]
    """Yield number, kind, mutation, origin, mutant and generator of each case from `first` on."""
    files = {kind: targets.seeds(kind) for kind in kinds}
    count = 0
    if exhaustive:
        for kind in kinds:
            for origin in files[kind]:
                for data in mutate.exhaustive(origin.data):
                    if count >= first:
                        yield count, kind, "exhaustive", origin, data, random.Random(count)
                    count += 1
    for number in itertools.count(max(first, count)):
        kind = kinds[number % len(kinds)]
        name, origin, data, rng = case(seed, kind, number, files[kind])
        yield number, kind, name, origin, data, rng


def warm_up(kinds: list[str]) -> None:
    """Decode the good files: this compiles the kernels, and all must be accepted."""
    for kind in kinds:
        for origin in targets.seeds(kind):
            for number in range(24):  # every way in which a mutant may be taken
                accepted = targets.exercise(kind, origin, origin.data, random.Random(number))
                if number == 0 and not accepted:
                    targets.exercise(kind, origin, origin.data, random.Random(0))


def main() -> None:
    kinds, seed, first, last, seconds, exhaustive, place = json.loads(sys.argv[1])
    warnings.simplefilter("ignore")
    with open(place, "r+b") as file:
        shared = mmap.mmap(file.fileno(), PLACE.size)
    warm_up(kinds)
    virtual = int(Path("/proc/self/statm").read_text().split()[0]) * mmap.PAGESIZE
    resource.setrlimit(resource.RLIMIT_AS, (virtual + _HEADROOM, virtual + _HEADROOM))
    most = peak()
    end = time.monotonic() + seconds
    done = accepted = 0
    slowest, number = 0.0, first
    for number, kind, name, origin, data, rng in cases(kinds, seed, first, exhaustive):
        if number >= last or time.monotonic() > end:
            break
        PLACE.pack_into(shared, 0, number, time.monotonic())
        found, spent = None, math.inf
        for _ in range(2):  # again if it was slow: a kernel of another kind may have been compiled
            again = copy.deepcopy(rng)
            started = time.process_time()
            try:
                taken = targets.exercise(kind, origin, data, again)
            except Exception as error:
                found, taken = targets.describe(error), False
            spent = min(spent, time.process_time() - started)
            if spent <= _SLOW:
                break
        accepted += taken
        slowest = max(slowest, spent)
        if found is None and spent > _SLOW:
            found = {"error": f"slow: {spent:.1f} s", "place": []}
        now = peak()
        if found is None and now - most > _MEMORY:
            found = {"error": f"memory: {(now - most) >> 20} MiB", "place": []}
        most = max(most, now)
        done += 1
        if found is not None:
            about = {"case": number, "kind": kind, "mutation": name, "origin": origin.name}
            print(json.dumps({**about, **found}), flush=True)
    PLACE.pack_into(shared, 0, -1, time.monotonic())
    print(json.dumps({"next": number, "done": done, "accepted": accepted, "slowest": slowest}))


if __name__ == "__main__":
    main()
