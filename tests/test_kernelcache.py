"""The cache of compiled kernels: where it is, and that its absence harms nothing."""

import os
import subprocess
import sys

from vqcodec import kernelcache


def test_the_folder_is_the_users_and_of_this_version(monkeypatch, tmp_path):
    monkeypatch.delenv(kernelcache.VARIABLE, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(sys, "platform", "linux")
    place = kernelcache.folder()
    assert place is not None
    assert place.parent == tmp_path / "vqcodec"
    assert place == kernelcache.folder()
    assert kernelcache.count(place) == 0
    (place / "kernel.nbc").touch()
    assert kernelcache.count(place) == 1


def test_no_writable_folder(monkeypatch, tmp_path):
    monkeypatch.delenv(kernelcache.VARIABLE, raising=False)
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    monkeypatch.setattr(sys, "platform", "linux")
    assert kernelcache.folder() is None


def test_kernels_work_without_a_cache(tmp_path):
    """A cache folder that cannot be written costs time only."""
    (tmp_path / "file").touch()
    program = (
        "from vqcodec import rangecoder, compiling; import numpy as np; b = np.zeros(9, np.uint8);"
        "s = rangecoder.encoder_state(); rangecoder.encode_raw(s, b, 5, 3);"
        "print(compiling.KEPT, rangecoder.finish(s, b).hex())"
    )
    environment = {k: v for k, v in os.environ.items() if k != kernelcache.VARIABLE}
    environment |= {"XDG_CACHE_HOME": str(tmp_path / "file"), "LOCALAPPDATA": str(tmp_path)}
    out = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env=environment
    )
    assert out.stdout.split()[-1] == "a0", out.stderr
    if sys.platform == "linux":
        assert out.stdout.split()[0] == "False"


def test_a_numba_of_the_future_compiles_in_its_own_way(tmp_path):
    program = (
        "import numba; numba.version_info = numba.version_info._replace(short=(9, 0));"
        "from vqcodec import rangecoder, compiling; import numpy as np; b = np.zeros(9, np.uint8);"
        "s = rangecoder.encoder_state(); rangecoder.encode_raw(s, b, 5, 3);"
        "made = compiling.part(rangecoder.encode_raw.py_func, {});"
        "print(made.targetoptions,"
        "rangecoder.finish(s, b).hex())"
    )
    environment = os.environ | {kernelcache.VARIABLE: str(tmp_path)}
    out = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env=environment
    )
    assert "no_cpython_wrapper" not in out.stdout, out.stderr
    assert out.stdout.split()[-1] == "a0", out.stderr
