"""Machine code of kernels, kept as object files and run without numba.

What numba has compiled is an object file with an entry point for Python. To run
it again takes no compiler, only LLVM's loader, a twentieth of a second instead
of a second and more for importing numba and its type system:

    load: file -> checks -> LLVM's loader -> symbols -> a function of Python's
    keep: numba's compiled function -> object file, names, symbols -> file

A file counts only if all of this agrees: the sources of the package, Python,
NumPy, numba and LLVM, the processor and its features, the function and the kinds
of its arguments. It is refused if a checksum fails, if it or its folder belongs
to or may be written by somebody else, or if it needs a symbol that is not known
here. Nothing is unpickled. Whenever there is doubt the answer is None, and numba
compiles. Only ELF objects (Linux and its relatives) are kept.
"""

from __future__ import annotations

import builtins
import contextlib
import ctypes
import functools
import hashlib
import importlib.machinery
import importlib.util
import json
import os
import struct
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from vqcodec import kernelcache
from vqcodec.files import write_atomically

_MAGIC = b"vqcodec machine code 1\n"
_NUMBERS = 16  # NumPy's dtypes from bool to complex double
_SCALARS = (bool, int, float, complex, type(None))
_HARMLESS = {"NUMBA_CACHE_DIR", "NUMBA_NUM_THREADS"}


@functools.cache
def usable() -> bool:
    """Return whether machine code may be kept and loaded at all.

    It is not where numba is configured: whoever wants bounds checks, or no
    compilation, shall have them.
    """
    configured = any(
        name.startswith("NUMBA_") and name not in _HARMLESS and value
        for name, value in os.environ.items()
    )
    return not configured and not Path(".numba_config.yaml").exists() and _origin() is not None


# --- what the code depends on -------------------------------------------------


@functools.cache
def _origin() -> Path | None:
    """Return the folder of numba, which is not imported."""
    with contextlib.suppress(ImportError, ValueError, AttributeError):
        spec = importlib.util.find_spec("numba")
        if spec is not None and spec.origin is not None:
            return Path(spec.origin).parent
    return None


@functools.cache
def _circumstances() -> str:
    """Return a digest of all that machine code depends on besides the kernel and its arguments."""
    import llvmlite
    import llvmlite.binding as llvm

    numba = _origin()
    assert numba is not None
    digest = hashlib.sha256((numba / "_version.py").read_bytes())
    for fact in (
        sys.version,
        sys.flags.optimize,
        np.__version__,
        llvmlite.__version__,
        llvm.llvm_version_info,
        llvm.get_process_triple(),
        llvm.get_host_cpu_name(),
        llvm.get_host_cpu_features().flatten(),
    ):
        digest.update(f"{fact}\n".encode())
    return digest.hexdigest()


def _identity(
    function: Callable[..., Any], options: dict[str, Any], kinds: tuple[Any, ...]
) -> str | None:
    """Return the words that name a kernel with its arguments, or None if it cannot be kept."""
    home, name = function.__module__, function.__qualname__
    if function.__closure__ or "<locals>" in name or not home.startswith("vqcodec."):
        return None
    with contextlib.suppress(TypeError):
        arguments = ",".join(map(_spelled, kinds))
        chosen = [
            f"{option}={','.join(sorted(value)) if isinstance(value, set) else value}"
            for option, value in sorted(options.items())
        ]
        called = f"{home}.{name}({arguments}) {' '.join(chosen)}"
        return f"{called}\n{kernelcache.sources(home)}\n{_circumstances()}"
    return None


def _spelled(kind: Any) -> str:
    if isinstance(kind, type):
        if kind in _SCALARS or (
            issubclass(kind, np.number | np.bool_) and kind.__module__ == "numpy"
        ):
            return kind.__name__ if kind in _SCALARS else f"numpy.{kind.__name__}"
        raise TypeError
    if len(kind) == 3 and isinstance(kind[0], int):
        if not 0 <= kind[0] < _NUMBERS:
            raise TypeError
        return "array" + ":".join(map(str, kind))
    return f"({','.join(map(_spelled, kind))})"


def _path(place: Path, identity: str) -> Path:
    name = identity.split("\n")[0]
    number = hashlib.sha256(f"{__file__} {sys.version} {name}".encode()).hexdigest()[:12]
    return place / "code" / f"{name.split('(')[0]}-{number}"


# --- keep ---------------------------------------------------------------------


def keep(
    function: Callable[..., Any],
    options: dict[str, Any],
    kinds: tuple[Any, ...],
    dispatcher: Any,
    arguments: tuple[Any, ...],
) -> None:
    """Keep what numba compiled for these arguments, if other processes can run it."""
    with contextlib.suppress(Exception):  # the kernel has run: this may fail, also in other numbas
        identity, place = _identity(function, options, kinds), kernelcache.folder()
        if identity is None or place is None or os.name == "nt" or not usable():
            return
        import numba
        from numba.core import serialize

        compiled = dispatcher.overloads[tuple(map(numba.typeof, arguments))]
        constants = compiled.environment.consts
        if compiled.lifted or compiled.library.has_dynamic_globals:
            return
        if not all(isinstance(constant, np.dtype) for constant in constants):
            return
        code = _object_code(dispatcher, compiled)
        header = {
            "identity": identity,
            "entry": compiled.fndesc.llvm_cpython_wrapper_name,
            "environment": compiled.fndesc.env_name,
            "constants": [constant.str for constant in constants],
            "ndarray": serialize.dumps(np.ndarray).hex(),
            "symbols": _undefined(code),
        }
        body = json.dumps(header).encode() + b"\n" + code
        path = _path(place, identity)
        path.parent.mkdir(mode=0o755, exist_ok=True)
        write_atomically(path, _MAGIC + hashlib.sha256(body).digest() + body)
        path.chmod(0o644)


def _object_code(dispatcher: Any, compiled: Any) -> bytes:
    """Return the object file of a compiled function."""
    with contextlib.suppress(RuntimeError):
        return bytes(compiled.library.serialize_using_object_code()[2][0])
    cache, codegen = (
        dispatcher._cache,
        dispatcher.targetctx.codegen(),
    )  # it comes from numba's cache
    for signature in (compiled.signature.args, compiled.signature):
        data = cache._cache_file.load(cache._index_key(signature, codegen))
        if data is not None:
            return bytes(data[0][2][0])
    return b""


def _undefined(code: bytes) -> list[str]:
    """Return the names that an object file (64-bit little-endian ELF) expects to be given."""
    if code[:6] != b"\x7fELF\x02\x01":
        raise ValueError("no ELF object")
    (sections,) = struct.unpack_from("<Q", code, 40)
    size, count = struct.unpack_from("<HH", code, 58)
    table = [struct.unpack_from("<IIQQQQII", code, sections + i * size) for i in range(count)]
    names = []
    for _, kind, _, _, start, length, link, _ in table:
        if kind == 2:  # a table of symbols; their names are in the section that it links to
            for symbol in range(start + 24, start + length, 24):
                name, _, _, section = struct.unpack_from("<IBBH", code, symbol)
                if section == 0:
                    first = table[link][4] + name
                    names.append(code[first : code.index(b"\0", first)].decode())
    return names


# --- load ---------------------------------------------------------------------


def load(
    function: Callable[..., Any], options: dict[str, Any], kinds: tuple[Any, ...]
) -> Callable[..., Any] | None:
    """Return the kept machine code of a kernel as a function, or None."""
    place = kernelcache.place()
    if place is None or not usable():
        return None
    with contextlib.suppress(Exception):  # whatever is wrong, numba can do it
        identity = _identity(function, options, kinds)
        if identity is not None:
            return _entry(function, *_read(_path(place, identity), identity))
    return None


def prepare(module: str) -> None:
    """Do what the first kernel of a module would wait for, in a thread that has time for it."""
    with contextlib.suppress(Exception):  # then `load` finds out
        if usable() and kernelcache.place() is not None:
            kernelcache.sources(module)
            _circumstances(), _engine(), _known_symbols()


def _read(path: Path, identity: str) -> tuple[dict[str, Any], bytes]:
    """Return header and code of a file that has passed every check."""
    with path.open("rb") as file:
        for status in (os.stat(path.parent), os.fstat(file.fileno())):
            if status.st_uid not in (0, os.geteuid()) or status.st_mode & 0o022:
                raise ValueError("somebody else could have written this")
        data = file.read()
    start = len(_MAGIC) + 32
    if data[:start] != _MAGIC + hashlib.sha256(data[start:]).digest():
        raise ValueError("damaged")
    end = data.index(b"\n", start)
    header = json.loads(data[start:end])
    if header["identity"] != identity:
        raise ValueError("made of other sources or for another machine")
    return header, data[end + 1 :]


def _entry(
    function: Callable[..., Any], header: dict[str, Any], code: bytes
) -> Callable[..., Any] | None:
    """Link an object file and wrap its entry point."""
    import llvmlite.binding as llvm

    engine, dynamic, known = _engine(), _extension("_dynfunc"), _known_symbols()
    for name in header["symbols"]:
        if name in known:
            llvm.add_symbol(name, known[name])
        elif name.startswith("PyExc_"):  # as numba has it: the class, no pointer to it
            llvm.add_symbol(name, id(getattr(builtins, name[6:])))
        elif name == "numba_unpickle":
            llvm.add_symbol(name, _unpickle(bytes.fromhex(header["ndarray"])))
        elif not llvm.address_of_symbol(name):  # LLVM would end the process
            return None
    engine.add_object_file(llvm.ObjectFileRef.from_data(code))
    engine.finalize_object()
    environment = dynamic.Environment(function.__globals__)
    environment.consts.extend(map(np.dtype, header["constants"]))
    slot = engine.get_global_value_address(header["environment"])
    ctypes.c_void_p.from_address(slot).value = id(environment)
    return dynamic.make_function(
        sys.modules[function.__module__],
        function.__name__,
        function.__doc__ or "",
        engine.get_function_address(header["entry"]),
        environment,
        engine,
    )


@functools.cache
def _engine() -> Any:
    """Return LLVM's loader, set as numba sets its own."""
    import llvmlite.binding as llvm

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    target = llvm.Target.from_triple(llvm.get_process_triple())
    machine = target.create_target_machine(
        cpu=llvm.get_host_cpu_name(),
        features=llvm.get_host_cpu_features().flatten(),
        reloc="static" if target.name.startswith("x86") else "default",
        codemodel="jitdefault",
        jit=True,
    )
    empty = llvm.parse_assembly("", context=llvm.create_context())
    return llvm.create_mcjit_compiler(empty, machine)


def _extension(name: str) -> Any:
    """Return an extension module of numba, imported without importing numba."""
    whole = f"numba.{name}"
    if whole not in _extensions:
        origin = _origin()
        assert origin is not None
        stem = origin.joinpath(*name.split("."))
        for suffix in importlib.machinery.EXTENSION_SUFFIXES:
            path = str(stem) + suffix
            if os.path.exists(path):
                loader = importlib.machinery.ExtensionFileLoader(whole, path)
                spec = importlib.util.spec_from_file_location(whole, path, loader=loader)
                assert spec is not None
                module = importlib.util.module_from_spec(spec)
                loader.exec_module(module)
                _extensions[whole] = module
                break
        else:
            raise ImportError(f"no {whole}")
    return _extensions[whole]


_extensions: dict[str, Any] = {}


@functools.cache
def _known_symbols() -> dict[str, int]:
    """Return the symbols that numba itself would define, under the names that code uses."""
    helpers, runtime = _extension("_helperlib"), _extension("core.runtime._nrt_python")
    runtime.memsys_use_cpython_allocator()
    known = {"_Py_NoneStruct": id(None)}
    known |= helpers.c_helpers  # functions of the mathematical library
    known |= {f"numba_{name}": address for name, address in helpers.c_helpers.items()}
    known |= {
        name if name.startswith("_") else f"NRT_{name}": address
        for name, address in runtime.c_helpers.items()
    }
    del known["numba_unpickle"]
    return known


@functools.cache
def _unpickle(ndarray: bytes) -> int:
    """Return the address of numba's function that turns embedded pickles into objects.

    Code that returns an array asks it for the array's class: that is answered
    here. All else, the exceptions that kernels raise, goes to numba.
    """

    def unpickle(data: int, length: int, digest: int) -> Any:
        if ctypes.string_at(data, length) == ndarray:
            return np.ndarray
        import numba  # noqa: F401

        return original(data, length, digest)

    form = ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p)
    original = form(_extension("_helperlib").c_helpers["unpickle"])
    callback = form(unpickle)
    _callbacks.append(callback)
    return int(ctypes.cast(callback, ctypes.c_void_p).value or 0)


_callbacks: list[Any] = []
