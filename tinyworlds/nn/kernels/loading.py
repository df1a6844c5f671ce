"""Kernels in C++, compiled for this machine at first use, where it has a compiler.

Some seconds' work, kept (`tinyworlds.nn.kernels.store`) under a name that changes with source, compiler,
flags and machine. Without a compiler those of the wheel serve, if it has any
(`tinyworlds.nn.kernels.prebuilt`). Callers have a way without: no kernel means slower, not broken.
``TINYWORLDS_NATIVE=0`` turns kernels off, ``TINYWORLDS_NATIVE=prebuilt`` compiles none.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from tinyworlds.errors import StorageError
from tinyworlds.nn.kernels.prebuilt import COMMON, find_prebuilt
from tinyworlds.nn.kernels.store import find_library, store_library

_COMMON = (*COMMON, "-fPIC")
# Apple's compiler knows no OpenMP, and some know the processor by another word: the first that works is taken
_CHOICES = (("-march=native", "-fopenmp"), ("-march=native",), ("-mcpu=native",), ())
_PATIENCE_S = 120.0

SOURCES = Path(__file__).parent
"""Where the C++ files are."""


def are_wanted() -> bool:
    """Whether kernels may run; asked at every use, so that they can be turned off at any time."""
    return os.environ.get("TINYWORLDS_NATIVE") != "0"


def products_pay() -> bool:
    """Whether our products may be as fast as the library's: on x86. Apple's has matrix units to itself."""
    return platform.machine().lower() in ("x86_64", "amd64")


@contextmanager
def without_kernels() -> Iterator[None]:
    """Run the modules themselves inside, for whoever looks at their operations."""
    before = os.environ.get("TINYWORLDS_NATIVE")
    os.environ["TINYWORLDS_NATIVE"] = "0"
    try:
        yield
    finally:
        if before is None:
            del os.environ["TINYWORLDS_NATIVE"]
        else:
            os.environ["TINYWORLDS_NATIVE"] = before


def find_compiler() -> str | None:
    """The C++ compiler that kernels are made with; None where there is none that will do.

    Windows has none: its own knows no vector types, and others misalign them on the stack.
    """
    if sys.platform == "win32" or os.environ.get("TINYWORLDS_NATIVE") in ("0", "prebuilt"):
        return None
    wanted = [os.environ.get("CXX", ""), "g++", "clang++", "c++"]
    return next((found for name in wanted if name and (found := shutil.which(name))), None)


def may_use_kernels(*tensors: Tensor) -> bool:
    """Whether kernels may have these: float32 on the CPU, while nothing compiles or chooses another type."""
    plain = all(tensor.device.type == "cpu" and tensor.dtype == torch.float32 for tensor in tensors)
    busy = torch.compiler.is_compiling() or torch.is_autocast_enabled("cpu")
    return plain and not busy and are_wanted()


def can_run_natively(x: Tensor) -> bool:
    """Whether kernels without gradients may have tokens, here and now: some, and `may_use_kernels`."""
    return not torch.is_grad_enabled() and may_use_kernels(x) and x.numel() > 0


def loaded(kernel: ctypes.CDLL | None) -> ctypes.CDLL:
    """A kernel that is there: callers have asked before."""
    assert kernel is not None
    return kernel


def dense_heads(rows: Tensor) -> Tensor:
    """Rows ``[..., heads, d]`` whose heads lie side by side, as kernels read them; a copy if need be."""
    return rows if rows.stride()[-2:] == (rows.shape[-1], 1) else rows.contiguous()


def load_kernel(name: str, constants: Mapping[str, int]) -> ctypes.CDLL | None:
    """Compile a source file, unless that was done before, and load it; without a compiler, that of the wheel.

    Args:
        name: Of the C++ file beside this one, with ``extern "C"`` functions.
        constants: Of the preprocessor.

    Returns:
        The library, or None where there is none, or it fails (with a warning then).
    """
    if not are_wanted():
        return None
    compiler = find_compiler()
    if compiler is None:
        return _load_prebuilt(name, constants)
    source = SOURCES / f"{name}.cpp"
    defined = [f"-D{word}={value}" for word, value in constants.items()]
    try:
        key = f"{name}-{_key(source, compiler, defined)}"
        library = find_library(key)
        if library is None:
            library = store_library(key, partial(_compile, [compiler, *_COMMON, *defined], source))
        return ctypes.CDLL(str(library))
    except (OSError, RuntimeError, StorageError, subprocess.SubprocessError) as error:
        kernel = _load_prebuilt(name, constants)
        if kernel is None:
            _say_none(source.name, error)
        return kernel


def _load_prebuilt(name: str, constants: Mapping[str, int]) -> ctypes.CDLL | None:
    library = find_prebuilt(name, constants)
    try:
        return None if library is None else ctypes.CDLL(str(library))
    except OSError as error:
        _say_none(f"the wheel's {name}", error)
        return None


def _say_none(origin: str, error: Exception) -> None:
    reason = " ".join(str(error).split())[:300]
    warnings.warn(f"No kernel from {origin}, slower code takes its place: {reason}", stacklevel=3)


def _compile(command: list[str], source: Path, library: Path) -> None:
    for choice in _CHOICES:
        words = [*command, *choice, str(source), "-o", str(library)]
        done = subprocess.run(words, capture_output=True, text=True, timeout=_PATIENCE_S, check=False)
        if done.returncode == 0:
            return
    raise RuntimeError(done.stderr)


def _key(source: Path, compiler: str, defined: list[str]) -> str:
    """Names what a library was made from and for: a home folder may be shared by unlike machines."""
    sources = [source, *sorted(source.parent.glob("*.h"))]
    words = (*_COMMON, *defined, *sum(_CHOICES, ()))
    made_from = [*(path.read_bytes() for path in sources), *(word.encode() for word in words)]
    path = Path(compiler).resolve()
    made_with = f"{path} {path.stat().st_size} {path.stat().st_mtime_ns}"
    made_for = f"{platform.system()} {platform.machine()} {_processor()}"
    digest = hashlib.sha256(b"\0".join([*made_from, made_with.encode(), made_for.encode()]))
    return digest.hexdigest()[:16]


def _processor() -> str:
    """The instructions this processor knows, as far as the system tells."""
    try:
        told = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return f"{platform.platform()} {platform.processor()}"
    return next((line for line in told.splitlines() if line.startswith(("flags", "Features"))), told[:1000])
