"""How numba compiles kernels: this module imports it, `vqcodec.jit` imports this one late.

numba makes machine code of every function by itself, and optimizes what a function
calls once more in each of its callers. A kernel that is called from Python calls
dozens, four deep. So one that other kernels call becomes a *part*: typed and turned
into LLVM's language, and left as it is. The kernel around it takes it in and is
optimized as a whole, once. Parts have no entry for Python either.

The results are those that numba gives alone: which function is optimized where does
not change what integers and IEEE floating point come to. All this leans on numba's inner
parts: with a version newer than those it was written for, numba compiles in its own way.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import llvmlite.binding as llvm
import numba
import numpy as np
from numba.core import caching, codegen, compiler, sigutils, types
from numba.core.compiler_lock import global_compiler_lock as lock
from numba.core.compiler_machinery import LoweringPass, register_pass
from numba.core.registry import cpu_target

from vqcodec import kernelcache

__all__ = ["KEPT", "dispatcher", "interpreted", "lock", "part", "type_of", "whole"]

_njit: Any = numba.njit
_config: Any = numba.config
_UNDERSTOOD = numba.version_info.short <= (0, 68)


# --- parts --------------------------------------------------------------------

_PART = "part"  # kind of entry in numba's cache, beside its own "object" and "bitcode"
_OWN_NAMES = "_ZN7vqcodec"  # how names of our functions begin, mangled
_PASSES = ("add_sroa_pass", "add_dead_code_elimination_pass", "add_global_dead_code_eliminate_pass")
_TIDY = hasattr(llvm, "create_new_module_pass_manager") and all(
    hasattr(llvm.create_new_module_pass_manager(), name) for name in _PASSES
)  # else LLVM's passes have other names, and parts are not kept


class _PartLibrary(codegen.JITCodeLibrary):
    """The code of a part: it is there to be linked into others."""

    def _optimize_functions(self, ll_module: Any) -> None:
        """Remove what nothing uses: among it addresses of this process, which no cache can hold."""
        ll_module.data_layout = self._codegen._data_layout
        if _TIDY:
            passes = llvm.create_new_module_pass_manager()
            for name in _PASSES:
                getattr(passes, name)()
            options = llvm.create_pipeline_tuning_options()
            passes.run(ll_module, llvm.create_pass_builder(self._codegen._tm, options))

    def _optimize_final_module(self) -> None:
        pass

    def _finalize_final_module(self) -> None:
        self._finalize_dynamic_globals()
        self._finalized = True

    def get_pointer_to_function(self, name: str) -> int:
        return 0

    def serialize_using_object_code(self) -> tuple[str, str, bytes]:
        """Return what numba's cache keeps of it."""
        return self.name, _PART, self._final_module.as_bitcode()

    @classmethod
    def _unserialize(cls, generator: Any, state: tuple[str, str, bytes]) -> Any:
        self = cls(generator, state[0])
        self._final_module = llvm.parse_bitcode(state[2])
        self._finalize_final_module()
        return self

    @property
    def codegen(self) -> Any:
        return _WithoutEnvironments(self._codegen)


class _HotPartLibrary(_PartLibrary):
    """That of a part whose loops shall be optimized before they stand amid others."""

    def _optimize_functions(self, ll_module: Any) -> None:
        codegen.JITCodeLibrary._optimize_functions(self, ll_module)

    def _optimize_final_module(self) -> None:
        codegen.JITCodeLibrary._optimize_final_module(self)


class _WholeLibrary(codegen.JITCodeLibrary):
    """The code of a kernel with all its parts, which nothing else will call."""

    def _optimize_final_module(self) -> None:
        # LLVM may then leave out arguments that a part does not use: most of what describes an
        # array, of which numba passes seven words.
        for function in self._final_module.functions:
            if not function.is_declaration and function.name.startswith(_OWN_NAMES):
                function.linkage = llvm.Linkage.internal
        super()._optimize_final_module()


class _WithoutEnvironments:
    """numba's code generator for parts, whose environment is in no machine code yet."""

    def __init__(self, generator: Any) -> None:
        self._generator = generator

    def __getattr__(self, name: str) -> Any:
        return getattr(self._generator, name)

    def set_env(self, name: str, environment: Any) -> None:
        pass


@register_pass(mutates_CFG=False, analysis_only=True)
class _BeginLibrary(LoweringPass):
    _name = "vqcodec_begin_library"

    def __init__(self) -> None:
        LoweringPass.__init__(self)

    def run_pass(self, state: Any) -> bool:
        name = state.func_id.func_qualname
        state.library = state.pipeline.library(state.targetctx.codegen(), name)
        state.library.enable_object_caching()
        return True


class _WholeCompiler(compiler.CompilerBase):
    library: Any = _WholeLibrary

    def define_pipelines(self) -> list[Any]:
        passes = compiler.DefaultPassBuilder.define_nopython_pipeline(self.state)
        passes.passes.insert(0, (_BeginLibrary, "begin a library"))
        passes.finalize()
        return [passes]


class _PartCompiler(_WholeCompiler):
    library = _PartLibrary


class _HotPartCompiler(_WholeCompiler):
    library = _HotPartLibrary


# --- dispatchers --------------------------------------------------------------


def dispatcher(function: Callable[..., Any], options: dict[str, Any]) -> Any:
    """Return numba's dispatcher of a function; it compiles, or loads from numba's cache."""
    return _dispatcher(function, options, "plain")


def whole(function: Callable[..., Any], options: dict[str, Any]) -> Any:
    """Return the dispatcher of a function that no other kernel calls."""
    if not _UNDERSTOOD or options.get("parallel"):
        return dispatcher(function, options)
    return _dispatcher(function, options, "whole", pipeline_class=_WholeCompiler)


def _dispatcher(
    function: Callable[..., Any], options: dict[str, Any], form: str, **more: Any
) -> Any:
    made = _njit(nogil=True, no_cfunc_wrapper=True, **more, **_numbas(options))(function)
    if hasattr(made, "enable_caching"):  # else numba is disabled
        _settle(made, options, form)
    return made


def part(function: Callable[..., Any], options: dict[str, Any]) -> Any:
    """Return the dispatcher of a function that other kernels call."""
    if not _UNDERSTOOD:
        return dispatcher(function, options)
    made = _njit(
        no_cfunc_wrapper=True,
        no_cpython_wrapper=True,
        pipeline_class=_HotPartCompiler if options.get("hot") else _PartCompiler,
        **_numbas(options),
    )(function)
    _settle(made, options, "part" if _TIDY else "")
    return made


def type_of(made: Any) -> Any:
    """Return numba's type of a dispatcher, or whatever else it may call."""
    cpu_target.typing_context.refresh()  # numba learns of it in the midst of compiling
    cpu_target.target_context.refresh()
    return cpu_target.typing_context.resolve_value_type(made)


def interpreted() -> bool:
    """Return whether numba is told to run kernels as plain Python."""
    return bool(_config.DISABLE_JIT)


def _numbas(options: dict[str, Any]) -> dict[str, Any]:
    """Return the options that are numba's own."""
    return {name: value for name, value in options.items() if name not in ("signature", "hot")}


def _settle(made: Any, options: dict[str, Any], form: str) -> None:
    """Have numba compile a kernel for types, not for each number, and keep what it makes.

    One with a signature is compiled for that at once.
    """
    if KEPT and form:
        _keep(made, form)
    template = made.get_call_template

    def of_types(arguments: Any, named: Any) -> Any:
        unliteral = types.unliteral
        return template(
            tuple(map(unliteral, arguments)), {k: unliteral(v) for k, v in named.items()}
        )

    made.get_call_template = of_types
    if "signature" in options:
        arguments, result = sigutils.normalize_signature(options["signature"])
        made.compile(result(*arguments))
        made.disable_compile()


def _keep(made: Any, form: str) -> None:
    """Have numba keep what it compiles, parts and wholes in files of their own."""
    made.enable_caching()
    cache, module = made._cache, made.py_func.__module__
    stamp = cache._impl.locator.get_source_stamp()
    if module.startswith("vqcodec."):
        stamp = kernelcache.sources(module), np.__version__
    cache._cache_file = caching.IndexDataCacheFile(
        cache_path=cache.cache_path,
        filename_base=f"{cache._impl.filename_base}.{form}",
        source_stamp=stamp,
    )


# --- numba itself -------------------------------------------------------------


def _choose_folder() -> bool:
    """Tell numba where to keep what it compiles; return whether there is a place."""
    folder = kernelcache.folder()
    if folder is not None:
        _config.CACHE_DIR = str(folder)
    save = caching.Cache.save_overload

    def save_if_possible(self: Any, sig: Any, data: Any) -> None:
        """Let a full disk or a quota cost time, not the result."""
        with contextlib.suppress(OSError):
            save(self, sig, data)

    setattr(caching.Cache, "save_overload", save_if_possible)  # noqa: B010 (as above)
    return folder is not None


def _remember_types() -> None:
    """Have numba find the type of each operator and builtin once, not at each place of its use.

    It tries some forty definitions of `+` in turn, twice each: a sixth of all its time.
    """
    context, known = cpu_target.typing_context, {}
    resolve = context.resolve_function_type

    def resolve_once(function: Any, arguments: Any, named: Any) -> Any:
        if named or not isinstance(function, types.Function | types.NumberClass):
            return resolve(function, arguments, named)
        call = function, tuple(arguments)
        if call not in known:
            known[call] = resolve(function, arguments, named)
        return known[call]

    context.resolve_function_type = resolve_once


def _read_parts() -> None:
    """Have numba read parts from its cache as such."""
    generator = cpu_target.target_context.codegen()
    read = generator.unserialize_library

    def read_any(state: Any) -> Any:
        return _PartLibrary._unserialize(generator, state) if state[1] == _PART else read(state)

    generator.unserialize_library = read_any


KEPT = _choose_folder()
if _UNDERSTOOD:
    _read_parts()
    _remember_types()
