"""Compiled loops: numba compiles them, and their machine code is stored, so that later processes load it without numba.

Importing numba and loading a function from its own cache takes more than a second of processor time in each process,
the import of llvmlite and the loading of machine code about a tenth of it.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cache
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from threading import Lock, get_ident
from types import FunctionType
from typing import Any, NamedTuple

import numpy as np
import platformdirs

# What the compiler may assume, so that it can sum up in several lanes: nothing about NaN and infinity.
_FAST_MATH = frozenset({"contract", "nsz", "reassoc"})
_SUFFIX = ".kernel"
# Imported when something is measured; it has no types.
LLVM = "llvmlite.binding"
# Status of a function that returns None.
_NONE = -2
_DESTRUCTOR = "NRT_MemInfo_call_dtor"
_DIGEST = hashlib.sha256().digest_size

Signature = tuple[tuple[str, int], ...]
"""Type and number of axes of each argument; -1 axes for an integer."""


class MachineCode(NamedTuple):
    """A compiled loop.

    Attributes:
        name: Name of the function.
        code: Object file that holds it and needs no other.
    """

    name: str
    code: bytes


@cache
def compiled(function: FunctionType) -> Callable[..., None]:
    """Compile a loop that writes its results into its arguments.

    Args:
        function: Function of C-contiguous arrays and integers that numba can compile. It allocates nothing, raises
            nothing and returns None.

    Returns:
        The same function. It is compiled at the first call with arguments of new types, and holds no lock of Python
        while it runs. Indices are not checked.
    """
    loops: dict[Signature, Callable[..., None]] = {}
    lock = Lock()

    def call(*arguments: Any) -> None:
        signature = tuple(
            (one.dtype.str, one.ndim) if isinstance(one, np.ndarray) else ("<i8", -1) for one in arguments
        )
        if signature not in loops:
            with lock:
                if signature not in loops:
                    loops[signature] = _loop(function, signature)
        flat: list[int] = []
        for one in arguments:
            if isinstance(one, np.ndarray):
                assert one.flags.c_contiguous
                flat += [one.ctypes.data, *one.shape]
            else:
                flat.append(one)
        loops[signature](*flat)

    return call


def _loop(function: FunctionType, signature: Signature) -> Callable[..., None]:
    """Load a loop from disk, or compile and store it; a function of addresses, sizes and integers."""
    llvm = import_module(LLVM)

    key = _key(function, signature, f"{llvm.get_host_cpu_name()} {llvm.get_host_cpu_features().flatten()}")
    found = _stored(key)
    if found is None:
        found = _compile(function, signature)
        _store(key, found)
    arguments = sum(1 + max(axes, 0) for _, axes in signature)
    # Functions of numba return a status, and have the places of their result and of an exception as first arguments.
    prototype = ctypes.CFUNCTYPE(
        ctypes.c_int32, *[ctypes.POINTER(ctypes.c_void_p)] * 2, *[ctypes.c_int64] * arguments
    )
    run = prototype(_load(found))

    def loop(*flat: int) -> None:
        status = run(ctypes.c_void_p(), ctypes.c_void_p(), *flat)
        assert status in {0, _NONE}, status

    return loop


def _key(function: FunctionType, signature: Signature, processor: str) -> str:
    """Hash everything that machine code depends on."""
    code = function.__code__
    parts = (
        code.co_code,
        repr((code.co_consts, code.co_names, code.co_varnames)).encode(),
        repr((signature, sorted(_FAST_MATH), processor)).encode(),
        repr((version("numba"), version("llvmlite"), sys.implementation.cache_tag, sys.platform)).encode(),
    )
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


def _compile(function: FunctionType, signature: Signature) -> MachineCode:
    numba: Any = import_module("numba")  # Half of what its types say is missing.
    types, parameters, values = [], [], []
    for place, (dtype, axes) in enumerate(signature):
        if axes < 0:
            types.append(numba.int64)
            parameters.append(f"n{place}")
            values.append(f"n{place}")
            continue
        sizes = [f"s{place}_{axis}" for axis in range(axes)]
        types += [numba.types.CPointer(numba.from_dtype(np.dtype(dtype))), *[numba.int64] * axes]
        parameters += [f"p{place}", *sizes]
        values.append(f"carray(p{place}, ({', '.join(sizes)},))")
    options: dict[str, Any] = {"fastmath": set(_FAST_MATH), "error_model": "numpy", "nogil": True}
    names = {"carray": numba.carray, "function": numba.njit(**options)(function)}
    # A function of addresses and sizes calls that of arrays: numba has no arrays of a variable number of axes.
    exec(f"def entry({', '.join(parameters)}):\n    function({', '.join(values)})", names)
    made = numba.njit(**options, no_cpython_wrapper=True, no_cfunc_wrapper=True)(names["entry"])
    made.compile(tuple(types))
    (result,) = made.overloads.values()
    needed = re.findall(r"^declare [^@]*@\"?([^\s(\"]+)", result.library.get_llvm_str(), re.MULTILINE)
    unknown = {name for name in needed if not name.startswith("llvm.")} - {_DESTRUCTOR}
    assert not unknown, f"{function.__name__} allocates or raises: {unknown}"
    return MachineCode(result.fndesc.llvm_func_name, result.library._get_compiled_object())


def _load(found: MachineCode) -> int:
    """Load machine code for as long as the process lives; the address of the function."""
    llvm = import_module(LLVM)
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    if not llvm.address_of_symbol(_DESTRUCTOR):
        # Never called: no array here owns its memory. numba puts its own in place of it.
        llvm.add_symbol(_DESTRUCTOR, ctypes.cast(_no_destructor, ctypes.c_void_p).value)
    engine = llvm.create_mcjit_compiler(
        llvm.parse_assembly(""), llvm.Target.from_default_triple().create_target_machine()
    )
    engine.add_object_file(llvm.ObjectFileRef.from_data(found.code))
    engine.finalize_object()
    _engines.append(engine)
    return int(engine.get_function_address(found.name))


_engines: list[Any] = []
_no_destructor = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(lambda _: None)


def _folders() -> Iterator[Path]:
    """Folders of stored loops, best first: with the package's compiled modules, or else the user's."""
    yield Path(__file__).with_name("__pycache__")
    yield platformdirs.user_cache_path("onnx_ood") / "kernels"


def _stored(key: str) -> MachineCode | None:
    """Read a stored loop; None without one that is whole."""
    for folder in _folders():
        with suppress(OSError):
            content = (folder / f"{key}{_SUFFIX}").read_bytes()
            digest, body = content[:_DIGEST], content[_DIGEST:]
            # A file that was cut short would end the process.
            if hashlib.sha256(body).digest() == digest:
                name, _, code = body.partition(b"\0")
                return MachineCode(name.decode(), code)
    return None


def _store(key: str, found: MachineCode) -> None:
    """Store a loop where possible; otherwise the next process compiles it again."""
    body = found.name.encode() + b"\0" + found.code
    for folder in _folders():
        temporary = folder / f"{key}.{os.getpid()}-{get_ident()}"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            temporary.write_bytes(hashlib.sha256(body).digest() + body)
            temporary.replace(folder / f"{key}{_SUFFIX}")
        except OSError:
            with suppress(OSError):
                temporary.unlink()
        else:
            return
