"""Kernels that run without numba: when they are loaded, and above all when they are not."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from vqcodec import jit, kernelcache, machinecode, rangecoder

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or not machinecode.usable(), reason="numba does everything here"
)

# Codes five bits with two kernels; says whether numba was needed.
PROGRAM = """
import sys
import numpy as np
from vqcodec import rangecoder
state, buffer = rangecoder.encoder_state(), np.zeros(9, np.uint8)
rangecoder.encode_raw(state, buffer, 21, 5)
print(rangecoder.finish(state, buffer).hex(), "numba" in sys.modules)
"""
WITH_NUMBA, WITHOUT = ["a8", "True"], ["a8", "False"]

# Codes three numbers by kernels that call others, and decodes them.
NUMBERS = """
import numpy as np
from vqcodec import rangecoder as coder
contexts, buffer = coder.new_contexts(8), np.zeros(9, np.uint8)
state = coder.encoder_state()
for number in (5, 1, 7):
    coder.encode_tree(state, buffer, contexts, 0, number, 3)
data = np.frombuffer(bytearray(coder.finish(state, buffer)), np.uint8)
contexts, state = coder.new_contexts(8), coder.decoder_state(data)
print(*(int(coder.decode_tree(state, data, contexts, 0, 3)) for _ in range(3)))
"""

# A module of kernels that take, return and raise what kernels may.
TRIAL = """
import numpy as np
from vqcodec.jit import njit
from vqcodec.rangecoder import U

@njit
def arrays(points, pair):
    low = points[0].astype(np.float64)
    for i in range(points.shape[0]):
        low = np.minimum(low, points[i])
    return low, points[::2], pair[0] * pair[1], np.int64(points.shape[0]), low[0] > 0

@njit
def divide(a, b):
    return a // b

@njit
def refuse(a):
    if a > 3:
        raise ValueError("too much")
    return None
"""
TRY = """
import sys
import numpy as np
from vqcodec import trial
points = np.arange(12, dtype=np.float32).reshape(4, 3)
low, rows, product, count, positive = trial.arrays(points, (2, 1.5))
print(low.tolist(), type(low) is np.ndarray, rows.shape, np.shares_memory(rows, points))
print(product, count, positive, trial.divide(7, 2), trial.divide(7.0, 2), trial.refuse(1))
print("numba" in sys.modules)
for call in (lambda: trial.divide(1, 0), lambda: trial.refuse(9), lambda: trial.divide(1)):
    try:
        call()
    except Exception as error:
        print(type(error).__name__, error)
"""

# Kernels of which one is a part of the others, and one of these optimized before it is.
NESTED = """
import numpy as np
from vqcodec.jit import njit

@njit(_nrt=False, hot=True)
def dot(a, b):
    total = 0
    for i in range(a.shape[0]):
        total += a[i] * b[i]
    return total

@njit(_nrt=False, signature="i8(i8[::1])")
def inner(a):
    return dot(a, a)

@njit
def outer(a):
    return inner(a) + np.int64(1)
"""
CALL_OUTER = """
import sys
import numpy as np
from vqcodec import trial
print(trial.outer(np.array([1, 0, 3])), "numba" in sys.modules)
"""
CALL_INNER = """
import sys
import numpy as np
from vqcodec import trial
half = np.full(3, 0.5)
print(trial.inner(np.array([1, 0, 3])), trial.dot(half, half), "numba" in sys.modules)
"""


def run(kernels, program=PROGRAM, package=None, **variables):
    """Run a program with that folder of kernels; return the words that it printed."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("NUMBA_")}
    environment |= {"NUMBA_CACHE_DIR": str(kernels), "PYTHONWARNINGS": "ignore", **variables}
    environment["PYTHONPATH"] = str(package or Path(jit.__file__).parents[1])
    finished = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        env=environment,
        cwd=kernels.parent,
    )
    assert finished.returncode == 0, finished.stderr
    return finished.stdout if program is not PROGRAM else finished.stdout.split()


@pytest.fixture(scope="module")
def compiled(tmp_path_factory):
    folder = tmp_path_factory.mktemp("kernels")
    assert run(folder) == WITH_NUMBA
    return folder


@pytest.fixture
def kept(compiled, tmp_path):
    """Return a folder of kernels after a first run."""
    shutil.copytree(compiled, tmp_path / "kernels")
    return tmp_path / "kernels"


@pytest.fixture
def load(kept, monkeypatch):
    """Return a function that loads a kernel from that folder, or None."""
    monkeypatch.setenv(kernelcache.VARIABLE, str(kept))
    arguments = rangecoder.encoder_state(), np.zeros(9, np.uint8), 21, 5
    kinds = tuple(map(jit._kind, arguments))
    kernel = rangecoder.encode_raw
    return lambda: machinecode.load(kernel.py_func, kernel._options, kinds)


def test_a_second_process_needs_no_numba(kept):
    assert run(kept, NUMBA_NUM_THREADS="1") == WITHOUT
    for path in (kept / "code").iterdir():
        path.chmod(0o444)
    for path in (kept / "code", kept):
        path.chmod(0o555)
    assert run(kept) == WITHOUT, "a folder that is only read will do"


def test_what_cannot_be_used_is_replaced(kept):
    for path in (kept / "code").iterdir():
        path.write_bytes(path.read_bytes()[:-9])
    assert run(kept) == WITH_NUMBA
    assert run(kept) == WITHOUT


def test_damaged_and_exchanged_files_are_not_loaded(kept, load):
    assert load() is not None
    (one,) = (kept / "code").glob("*encode_raw*")
    (other,) = (kept / "code").glob("*_flush*")
    whole = one.read_bytes()
    for place in (0, 30, 200, len(whole) // 2, len(whole) - 1):
        one.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        assert load() is None
    for length in (0, 10, 60, len(whole) - 1):
        one.write_bytes(whole[:length])
        assert load() is None
    one.write_bytes(other.read_bytes())  # whole, but of another kernel
    assert load() is None
    one.unlink()
    assert load() is None
    one.write_bytes(whole)
    assert load() is not None


def test_what_others_could_have_written_is_not_loaded(kept, load, monkeypatch):
    (one,) = (kept / "code").glob("*encode_raw*")
    for path, mode in ((one, 0o644), (kept / "code", 0o755)):
        for more in (0o020, 0o002):
            path.chmod(mode | more)
            assert load() is None
        path.chmod(mode)
        assert load() is not None
    if os.geteuid() == 0:
        os.chown(one, 12345, -1)
        assert load() is None


@pytest.mark.parametrize(
    "fact", ["sys.version", "np.__version__", "llvmlite.__version__", "sources"]
)
def test_code_of_other_versions_is_not_loaded(load, monkeypatch, fact):
    import llvmlite

    assert load() is not None
    target = {"sys": sys, "np": np, "llvmlite": llvmlite}.get(fact.partition(".")[0])
    if target is None:
        monkeypatch.setattr(kernelcache, "sources", lambda module: "others")
    else:
        monkeypatch.setattr(target, fact.partition(".")[2], "another version")
    machinecode._circumstances.cache_clear()
    try:
        assert load() is None
    finally:
        machinecode._circumstances.cache_clear()


def test_code_with_unknown_symbols_is_not_loaded(load, monkeypatch):
    assert load() is not None
    read = machinecode._read

    def with_another(path, identity):
        header, code = read(path, identity)
        header["symbols"].append("no_such_function")
        return header, code

    monkeypatch.setattr(machinecode, "_read", with_another)
    assert load() is None


@pytest.mark.parametrize("variable", ["NUMBA_BOUNDSCHECK", "NUMBA_DISABLE_JIT"])
def test_where_numba_is_configured_it_does_everything(kept, variable):
    assert run(kept, **{variable: "1"}) == WITH_NUMBA


def test_kernels_call_each_other_with_checked_indices(tmp_path):
    """There none is a part of another: each must be what others call, too."""
    for _ in range(2):
        found = run(tmp_path / "kernels", NUMBERS, NUMBA_BOUNDSCHECK="1")
        assert found.split() == ["5", "1", "7"]


def with_trial(folder, source):
    """Copy the package, with one more module, `trial`; return where to."""
    package = folder / "changed"
    shutil.copytree(
        Path(jit.__file__).parent,
        package / "vqcodec",
        ignore=shutil.ignore_patterns("models", "__pycache__"),
    )
    (package / "vqcodec" / "trial.py").write_text(source)
    return package


def test_changed_sources_and_all_that_kernels_return_and_raise(tmp_path):
    package, kernels = with_trial(tmp_path, TRIAL), tmp_path / "kernels"
    first = run(kernels, TRY, package).splitlines()
    assert first == [
        "[0.0, 1.0, 2.0] True (2, 3) True",
        "3.0 4 False 3 3.0 None",
        "True",
        "ZeroDivisionError integer division by zero",
        "ValueError too much",
        "TypeError not enough arguments: expected 2, got 1",
    ]
    again = run(kernels, TRY, package).splitlines()
    assert again[2] == "False"
    assert again[:2] + again[3:] == first[:2] + first[3:]

    assert run(kernels, package=package) == WITH_NUMBA
    with (package / "vqcodec" / "color.py").open("a") as file:
        file.write("# nothing to do with it\n")
    assert run(kernels, package=package) == WITHOUT
    with (package / "vqcodec" / "errors.py").open("a") as file:
        file.write("# imported by the kernel's module\n")
    assert run(kernels, package=package) == WITH_NUMBA


def test_a_kernel_inside_another_is_no_machine_code_of_its_own(tmp_path):
    """It is kept as a part; called from Python, in whatever process, it is compiled for that."""
    package, kernels = with_trial(tmp_path, NESTED), tmp_path / "kernels"
    assert run(kernels, CALL_OUTER, package).split() == ["11", "True"]
    assert [path.name.split(".")[2].split("-")[0] for path in (kernels / "code").iterdir()] == [
        "outer"
    ]
    parts = {path.name for path in kernels.rglob("*.nbc") if ".part." in path.name}
    assert len(parts) == 2
    assert run(kernels, CALL_OUTER, package).split() == ["11", "False"]
    assert run(kernels, CALL_INNER, package).split() == ["10", "0.75", "True"]
    assert run(kernels, CALL_INNER, package).split() == ["10", "0.75", "False"]
    assert {path.name for path in kernels.rglob("*.nbc") if ".part." in path.name} >= parts


def test_kinds_tell_arguments_apart_as_numba_does():
    numba = pytest.importorskip("numba")
    plain = np.zeros((4, 6), np.float32)
    locked = plain.copy()
    locked.setflags(write=False)
    skewed = np.zeros(4 * 6 * 4 + 1, np.uint8)[1:].view(np.float32).reshape(4, 6)
    values = [
        plain, plain.T, plain[:, ::2], plain[:, :1], plain[:1], plain[0], locked, skewed,
        plain.astype(np.float64), plain.astype(np.int32), plain.astype(np.uint8), plain > 0,
        1, 1.5, True, None, np.float32(1), np.int64(1), np.uint8(1), np.bool_(1),
        (1, 2), (1, 2.5), (1, 2, 3), (plain, 1), ((1, 2), 3),
    ]  # fmt: skip
    for one in values:
        assert machinecode._spelled(jit._kind(one))
        for other in values:
            if jit._kind(one) == jit._kind(other):
                assert numba.typeof(one) == numba.typeof(other)


@pytest.mark.parametrize(
    "value",
    [
        "text",
        [1],
        b"",
        np.zeros(2, ">f4"),
        np.zeros(2, "f4,i4"),
        np.zeros(2, object),
        np.ma.zeros(2),
    ],
    ids=repr,
)
def test_other_arguments_are_left_to_numba(value):
    with pytest.raises(TypeError):
        machinecode._spelled(jit._kind(value))


def test_what_a_kernel_depends_on():
    assert "vqcodec.errors" in kernelcache._source("vqcodec.rangecoder")[1]
    assert "vqcodec.jit" in kernelcache._source("vqcodec.rangecoder")[1]
    blocks = kernelcache._source("vqcodec.cluster.blocks")[1]
    assert "vqcodec.cluster.microkernel" in blocks, "it is named for later"
    digests = {kernelcache.sources(f"vqcodec.{name}") for name in ("rangecoder", "color", "errors")}
    assert len(digests) == 3


def test_preparing_loads_llvm_and_no_numba_and_never_fails():
    code = """
import sys
from vqcodec import machinecode
machinecode.prepare("vqcodec.no_such_module")
machinecode.prepare("vqcodec.photo.stream")
assert "llvmlite.binding" in sys.modules
assert "numba" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True)
