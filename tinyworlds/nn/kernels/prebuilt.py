"""Kernels that were compiled into a wheel, for machines without a compiler; `setup.py` calls `build`.

Each is there once for every set of instructions that such machines may have, and the one is loaded whose
instructions this machine knows, which PyTorch tells. Nothing but the standard library is imported here, as
whoever builds a wheel has no more.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

COMMON = ("-O3", "-std=c++17", "-shared", "-fno-math-errno", "-ffp-contract=fast", "-w")
"""What every kernel is compiled with, here or elsewhere."""

FOLDER = Path(__file__).parent / "compiled"
"""Where they lie in a wheel; a clone and the pure wheel have no such folder."""

_X86: dict[str, tuple[str, ...]] = {
    # no more than PyTorch asks about before it calls a processor so
    "AVX512": ("-mavx512f", "-mavx512bw", "-mavx512dq", "-mavx512vl", "-mavx2", "-mfma"),
    "AVX2": ("-mavx2", "-mfma"),
}
_ARM: dict[str, tuple[str, ...]] = {"NEON": ()}
INSTRUCTIONS = {"x86_64": _X86, "amd64": _X86, "arm64": _ARM, "aarch64": _ARM}
"""By machine: sets of instructions, the best first, and what makes the compiler use them."""

HEADS = {"space_attention": (4, 8), "time_attention": (4, 8, 16, 32), "transformer_pass": (4, 8, 16, 32)}
"""Kernels for heads of so many channels: those of the shipped configs and worlds, and of plans."""
PLAIN = ("code_choice", "gating", "norm_silu")
ONLY_X86 = ("code_loss", "token_map")
OF_PLAY = ("code_choice", "transformer_pass")
"""All that Windows gets: without OpenMP they run in one thread, and a training may have many cores."""


def find_prebuilt(name: str, constants: Mapping[str, int]) -> Path | None:
    """The kernel of a wheel for this machine's instructions; None where there is none."""
    if not FOLDER.is_dir():
        return None
    files = (FOLDER / _file_name(name, constants, level) for level in _known_instructions())
    return next((file for file in files if file.is_file()), None)


def _known_instructions() -> Iterator[str]:
    """The sets that this machine knows, the best first."""
    import torch

    told = torch.backends.cpu.get_cpu_capability()
    levels = [*INSTRUCTIONS.get(platform.machine().lower(), ())]
    if "NEON" in levels:  # every such processor has them
        yield from levels
    elif told in levels:
        yield from levels[levels.index(told) :]


def build(folder: Path) -> None:
    """Compile all kernels for machines like this one.

    Args:
        folder: to write them to; made if need be.

    Raises:
        RuntimeError: there is no compiler that can, or it fails.
    """
    folder.mkdir(parents=True, exist_ok=True)
    levels = INSTRUCTIONS.get(platform.machine().lower(), {})
    if not levels:
        raise RuntimeError(f"no kernels are prebuilt for {platform.machine()}")
    commands = [
        _command(folder, name, constants, level) for level in levels for name, constants in all_kernels()
    ]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for _ in pool.map(_run, commands):
            pass


def all_kernels() -> Iterator[tuple[str, dict[str, int]]]:
    """Name and constants of every kernel that a wheel for machines like this one has."""
    for name in _names():
        for constants in [{"CHANNELS": channels} for channels in HEADS.get(name, ())] or [{}]:
            yield name, constants


def _names() -> Iterator[str]:
    is_x86 = INSTRUCTIONS.get(platform.machine().lower()) is _X86
    for name in (*HEADS, *PLAIN, *(ONLY_X86 if is_x86 else ())):
        if sys.platform != "win32" or name in OF_PLAY:
            yield name


def _file_name(name: str, constants: Mapping[str, int], level: str) -> str:
    words = [name, *(f"{word}{value}" for word, value in constants.items()), level]
    return "-".join(words) + (".dll" if sys.platform == "win32" else ".so")


def _command(folder: Path, name: str, constants: Mapping[str, int], level: str) -> list[str]:
    source = Path(__file__).parent / f"{name}.cpp"
    flags = INSTRUCTIONS[platform.machine().lower()][level]
    defined = [f"-D{word}={value}" for word, value in constants.items()]
    out = folder / _file_name(name, constants, level)
    return [*_compiler(source), *COMMON, *flags, *defined, str(source), "-o", str(out)]


def _compiler(source: Path) -> list[str]:
    """The compiler and what it needs on this system."""
    wanted = (os.environ.get("CXX"), "clang++") if sys.platform == "win32" else (os.environ.get("CXX"), "c++")
    path = next((found for name in wanted if name and (found := shutil.which(name))), None)
    if path is None:
        raise RuntimeError("no C++ compiler is on the PATH")
    if sys.platform == "win32":  # Clang knows the vector types there; a DLL shows only what it is told to
        names = re.findall(r'^extern "C" \w+ (\w+)\(', source.read_text(encoding="utf-8"), re.MULTILINE)
        return [path, *(f"-Wl,-export:{name}" for name in names)]
    # Apple's compiler knows no OpenMP; elsewhere PyTorch has loaded the same library already
    return [path, "-fPIC", "-s", "-fopenmp"] if sys.platform == "linux" else [path, "-fPIC"]


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr[-2000:]}")
