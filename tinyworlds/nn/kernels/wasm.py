"""The kernels of play as WebAssembly (``wasm.cpp``), for worlds that play in a page by themselves.

A page runs the same files wherever it is opened, so they come compiled with the package
(``wasm_modules/``), and nobody who exports a world needs a compiler: two for each width of a head, since
browsers that know relaxed SIMD multiply and add in one instruction, a fifth faster, and others would not load
that. After a change of the sources, `build` makes them anew with the compiler of the package `ziglang`
(extra ``web``).
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

from tinyworlds.errors import MissingExtraError, StorageError
from tinyworlds.nn.kernels.loading import SOURCES
from tinyworlds.system.files import replacing, write_text

HEAD_WIDTHS = (4, 8, 16, 32)
"""Channels of a head that there is a file for."""

_FOLDER = SOURCES / "wasm_modules"
_MADE_FROM = _FOLDER / "sources.sha256"
_EXPORTS = ("allocate", "run", "take_codes", "map_rows")
_FLAGS = (
    *("-target", "wasm32-wasi", "-mexec-model=reactor", "-msimd128", "-O3", "-std=c++17", "-w"),
    *("-ffp-contract=fast", "-fno-math-errno", "-fno-exceptions", "-fno-rtti", "-Wl,--strip-all"),
    *(f"-Wl,--export={name}" for name in _EXPORTS),
)


def wasm_files(head_width: int) -> tuple[Path, Path]:
    """The files for heads of so many channels, one of `HEAD_WIDTHS`: with relaxed SIMD, and without."""
    return _FOLDER / f"heads_{head_width}_fused.wasm", _FOLDER / f"heads_{head_width}.wasm"


def is_current() -> bool:
    """Whether the files were made from the sources as they are."""
    return _MADE_FROM.is_file() and _MADE_FROM.read_text(encoding="ascii") == _digest()


def build(folder: Path = _FOLDER) -> None:
    """Compile the files anew, a minute's work at the first time.

    Args:
        folder: where they go.

    Raises:
        MissingExtraError: the compiler is not installed.
        StorageError: it failed.
    """
    for width in HEAD_WIDTHS:
        for file, flag in zip(wasm_files(width), ("-mrelaxed-simd", "-mno-relaxed-simd"), strict=True):
            with replacing(folder / file.name) as temporary:
                _compile([f"-DCHANNELS={width}", flag], temporary)
    write_text(folder / _MADE_FROM.name, _digest())


def _compile(flags: list[str], file: Path) -> None:
    try:
        import ziglang  # noqa: F401
    except ImportError as error:
        raise MissingExtraError(
            "kernels for pages are compiled by ziglang: pip install 'tinyworlds[web]'"
        ) from error
    command = [sys.executable, "-m", "ziglang", "c++", *_FLAGS, *flags]
    done = subprocess.run(
        [*command, str(SOURCES / "wasm.cpp"), "-o", str(file)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise StorageError(f"wasm.cpp was not compiled: {' '.join(done.stderr.split())[:300]}")


def _digest() -> str:
    """Of all that the files depend on but the compiler."""
    names = ("wasm.cpp", "transformer_pass.cpp", "code_choice.cpp", "tiles.h", "lanes.h")
    sources = [(SOURCES / name).read_text(encoding="utf-8").encode() for name in names]  # whatever ends lines
    words = " ".join((*_FLAGS, *map(str, HEAD_WIDTHS))).encode()
    return hashlib.sha256(b"\0".join([*sources, words])).hexdigest()
