"""A fuzzer for the decoders that knows how files are made.

    python -m tests.fuzz --seconds 120 --seed 1 [--kinds patch palette] [--bounds]
    python -m tests.fuzz --random --seconds 600 --seed 7 --log fuzz.jsonl     again and again

With --log each run is a line of that file, and a run with the same kinds, seed and
--bounds goes on where the last one ended. Cases are numbered and depend on the seed
alone. They run in a process of their own, which a watchdog kills when a case hangs;
after a crash the next case goes on. With --bounds the kernels check every index
that they use.
"""

from __future__ import annotations

import argparse
import json
import mmap
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from tests.fuzz.targets import KINDS, seeds
from tests.fuzz.worker import PLACE

_HANG = 20.0  # seconds of processor time without an end
_COMPILING = 900.0
_REPOSITORY = Path(__file__).parents[2]


def fuzz(
    kinds: list[str],
    seed: int,
    seconds: float = 1e9,
    first: int = 0,
    last: int = 1 << 62,
    exhaustive: bool = True,
    bounds: bool = False,
) -> dict[str, Any]:
    """Run cases; return how many, how many were accepted, and the findings."""
    findings: list[dict[str, Any]] = []
    total: Counter[str] = Counter()
    slowest = spent = 0.0
    while spent < seconds and first < last:
        with tempfile.NamedTemporaryFile() as place:
            place.write(PLACE.pack(-2, 0.0))
            place.flush()
            shared = mmap.mmap(place.fileno(), PLACE.size)
            task = [kinds, seed, first, last, seconds - spent, exhaustive, place.name]
            output, died = _run(task, shared, bounds)
            number, began = PLACE.unpack_from(shared)
        lines = [json.loads(line) for line in output.splitlines()]
        summary = lines.pop() if lines and "next" in lines[-1] else None
        findings += lines
        if summary is not None:
            total.update(done=summary["done"], accepted=summary["accepted"])
            slowest = max(slowest, summary["slowest"])
            return _report(total, findings, slowest, summary["next"])
        if number < 0:
            raise RuntimeError(f"the worker died before its first case: {died}")
        findings.append({"case": number, "error": died, "place": []})
        total["done"] += number + 1 - first
        spent += max(1.0, time.monotonic() - began)
        first = number + 1
    return _report(total, findings, slowest, first)


def _report(
    total: Counter[str], findings: list[dict[str, Any]], slowest: float, following: int
) -> dict[str, Any]:
    return {
        "cases": total["done"], "accepted": total["accepted"], "findings": findings,
        "slowest": slowest, "next": following,
    }  # fmt: skip


def _run(task: list[Any], shared: mmap.mmap, bounds: bool) -> tuple[str, str]:
    """Run a worker to its end, or until a case hangs; return its output and what it died of."""
    environment = {**os.environ, "NUMBA_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    if bounds:
        usual = os.environ.get("NUMBA_CACHE_DIR", str(Path(tempfile.gettempdir()) / "vqcodec"))
        environment |= {"NUMBA_BOUNDSCHECK": "1", "NUMBA_CACHE_DIR": usual + "-bounds"}
    with tempfile.TemporaryFile("w+") as output:
        place, used = -2, 0.0  # the case last seen, and the processor time when it was first seen
        worker = subprocess.Popen(
            [sys.executable, "-m", "tests.fuzz.worker", json.dumps(task)],
            stdout=output, cwd=_REPOSITORY, env=environment,
        )  # fmt: skip
        died = ""
        while worker.poll() is None:
            time.sleep(0.1)
            number, _ = PLACE.unpack_from(shared)
            spent = _processor_time(worker.pid)
            if number != place:
                place, used = number, spent
            if spent - used > (_HANG if number >= 0 else _COMPILING):
                worker.kill()
                worker.wait()
                died = "hang"
        if worker.returncode and not died:
            died = f"crash: status {worker.returncode}"
        output.seek(0)
        return output.read(), died


def _processor_time(process: int) -> float:
    """Return the seconds that a process has computed; what waits for its turn does not hang."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def logged(path: Path, run: dict[str, Any]) -> int:
    """Return the case at which the last run of the same kind in a log ended."""
    if not path.exists():
        return 0
    lines = map(json.loads, path.read_text().splitlines())
    return max((line["next"] for line in lines if run.items() <= line.items()), default=0)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=120)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=None)
    parser.add_argument("--first", type=int, default=0, help="the number of the first case")
    parser.add_argument("--cases", type=int, default=1 << 62, help="at most so many")
    parser.add_argument("--bounds", action="store_true", help="kernels check their indices")
    parser.add_argument("--random", action="store_true", help="leave out the exhaustive cases")
    parser.add_argument("--log", type=Path, default=None, help="append to it, and go on from it")
    parser.add_argument("--only", type=int, default=None, help="run one case again")
    wanted = parser.parse_args()
    kinds = wanted.kinds or [kind for kind in KINDS if seeds(kind)]
    if wanted.only is not None:
        wanted.first, wanted.cases = wanted.only, 1
    run = {
        "kinds": kinds, "seed": wanted.seed, "bounds": wanted.bounds, "random": wanted.random,
    }  # fmt: skip
    if wanted.log is not None:
        wanted.first = logged(wanted.log, run)
    started = time.monotonic()
    report = fuzz(
        kinds, wanted.seed, wanted.seconds, wanted.first, wanted.first + wanted.cases,
        exhaustive=not wanted.random, bounds=wanted.bounds,
    )  # fmt: skip
    for finding in report["findings"]:
        print(json.dumps(finding))
    print(
        f"{report['cases']} cases of {', '.join(kinds)} in {time.monotonic() - started:.0f} s, "
        f"seed {wanted.seed}, {report['accepted']} accepted, {len(report['findings'])} findings, "
        f"slowest {report['slowest'] * 1000:.0f} ms, next case {report['next']}"
    )
    if wanted.log is not None:
        with wanted.log.open("a") as file:
            seconds = round(time.monotonic() - started)
            file.write(json.dumps({**run, "first": wanted.first, "seconds": seconds, **report}))
            file.write("\n")
    return 1 if report["findings"] else 0


if __name__ == "__main__":
    raise SystemExit(main())
