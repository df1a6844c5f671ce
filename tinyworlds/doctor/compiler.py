"""A C++ compiler, which compiled play and ``--compile`` need; without one everything runs, only slower."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

from tinyworlds.doctor.findings import Finding, ok, warning

_SECONDS = 10


def check_compiler() -> Iterator[Finding]:
    """A compiler that starts, Python's header files, and Triton for GPUs."""
    compiler, version = find_compiler()
    if compiler is None:
        yield warning(f"no C++ compiler: {version}; play and --compile run uncompiled", how_to_install())
        return
    yield ok(f"C++ compiler {compiler}: {version}")
    header = Path(sysconfig.get_paths()["include"], "Python.h")
    if not header.is_file():
        yield warning(
            f"Python's header files are missing ({header}), so --compile falls back to uncompiled",
            "install them: on Debian and Ubuntu sudo apt install "
            f"python{sys.version_info.major}.{sys.version_info.minor}-dev",
        )
    if importlib.util.find_spec("triton") is None:
        yield ok("no Triton: --compile works on the CPU only, which matters with a GPU alone")


def find_compiler() -> tuple[str | None, str]:
    """Return the first compiler that starts and its version, or None and the reason."""
    named = os.environ.get("CXX", "").split()[:1]
    usual = ["cl", "clang-cl", "g++"] if sys.platform == "win32" else ["c++", "g++", "clang++"]
    reason = f"none of {', '.join(named + usual)} is on the PATH"
    for name in named + usual:
        path = shutil.which(name)
        if path is None:
            continue
        version = _version(path)
        if version:
            return name, version
        reason = f"{name} is there but does not start"
    return None, reason


def how_to_install() -> str:
    """Return what installs a compiler on this system."""
    if sys.platform == "win32":
        return (
            "install the Build Tools for Visual Studio with 'Desktop development with C++', "
            "then work in its 'x64 Native Tools' prompt"
        )
    if sys.platform == "darwin":
        return "xcode-select --install"
    return "install one: on Debian and Ubuntu sudo apt install g++, on Fedora sudo dnf install gcc-c++"


def _version(path: str) -> str:
    """Return the first line a compiler says of itself; empty if it fails, as the stub of a Mac does."""
    asked = [path] if Path(path).stem.lower() == "cl" else [path, "--version"]
    try:
        done = subprocess.run(
            asked, capture_output=True, text=True, errors="replace", timeout=_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    lines = (done.stdout or done.stderr).strip().splitlines()  # cl says it on stderr
    return lines[0].strip() if done.returncode == 0 and lines else ""
