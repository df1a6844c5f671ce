"""Room on the disks, memory, and a C++ compiler."""

from __future__ import annotations

import ctypes
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

from tinyworlds.doctor.report import Finding, by_level, failure, ok, warning
from tinyworlds.nn.kernels import prebuilt

_GIB = 2**30
_DISK_LOW, _DISK_LOWEST = 10.0, 1.0
_MEMORY_LOW, _MEMORY_LOWEST = 4.0, 1.5
_SHARED_LOW = 0.25
_COMPILER_S = 10  # to say its version


def check_disk(data: str, runs: str) -> Iterator[Finding]:
    """Free space where gameplay and runs go, and whether files can be written there."""
    seen = set()
    for name in (data, runs):
        folder = _nearest_folder(Path(name))
        if folder in seen:
            continue
        seen.add(folder)
        yield judge_disk(folder, shutil.disk_usage(folder).free / _GIB)
        if not os.access(folder, os.W_OK):
            yield failure(
                f"this user may not write to {folder}", "change its permissions, or work in another folder"
            )


def judge_disk(folder: Path, free_gib: float) -> Finding:
    """Say whether `free_gib` is enough; below 1 GiB nothing is unpacked and recordings are refused."""
    text = f"{free_gib:.1f} GiB free in {folder}"
    remedy = (
        "free some space, or name a folder on another disk; .cache folders beside the data may be deleted"
    )
    return by_level(free_gib, _DISK_LOW, _DISK_LOWEST, text, remedy)


def check_memory() -> Iterator[Finding]:
    """Memory that a program may still take, within the limit of a container."""
    free, total = available_memory()
    yield judge_memory(free / _GIB, total / _GIB)
    shared = Path("/dev/shm")
    if sys.platform.startswith("linux") and shared.is_dir():
        size = shutil.disk_usage(shared).total / _GIB
        if size < _SHARED_LOW:
            yield warning(
                f"shared memory is {size * 1024:.0f} MiB, too little for --data.num_workers above 0",
                "start the container with --shm-size 2g, or leave num_workers at 0",
            )


def judge_memory(free_gib: float, total_gib: float) -> Finding:
    """Say whether `free_gib` is enough to train or play."""
    text = f"{free_gib:.1f} of {total_gib:.1f} GiB of memory available"
    return by_level(
        free_gib, _MEMORY_LOW, _MEMORY_LOWEST, text, "close other programs, lower --data.batch_size"
    )


def available_memory() -> tuple[int, int]:
    """Return the bytes still available and all bytes of this machine or its container."""
    if sys.platform == "win32":
        return _windows_memory()
    if sys.platform == "darwin":
        return _mac_memory()
    free, total = parse_meminfo(Path("/proc/meminfo").read_text(encoding="ascii"))
    return _within_container(free, total)


def parse_meminfo(text: str) -> tuple[int, int]:
    """Return available and total bytes out of the text of Linux's ``meminfo``."""
    found = {
        name: int(number) * 1024 for name, number in re.findall(r"^(\w+):\s+(\d+) kB", text, re.MULTILINE)
    }
    return found.get("MemAvailable", found.get("MemFree", 0)), found["MemTotal"]


def _within_container(free: int, total: int, group: Path = Path("/sys/fs/cgroup")) -> tuple[int, int]:
    try:
        limit = int((group / "memory.max").read_text(encoding="ascii"))
        used = int((group / "memory.current").read_text(encoding="ascii"))
    except (OSError, ValueError):  # no container, or "max"
        return free, total
    return min(free, max(0, limit - used)), min(total, limit)


def _windows_memory() -> tuple[int, int]:
    class Status(ctypes.Structure):
        _fields_ = (
            ("length", ctypes.c_ulong),
            ("load", ctypes.c_ulong),
            *(
                (name, ctypes.c_ulonglong)
                for name in ("total", "free", "page", "page_free", "space", "space_free")
            ),
            ("extended", ctypes.c_ulonglong),
        )

    status = Status(length=ctypes.sizeof(Status))
    windows = ctypes.windll.kernel32  # type: ignore[attr-defined]  # only there
    if not windows.GlobalMemoryStatusEx(ctypes.byref(status)):
        raise OSError("GlobalMemoryStatusEx failed")
    return status.free, status.total


def _mac_memory() -> tuple[int, int]:
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    done = subprocess.run(["/usr/bin/vm_stat"], capture_output=True, text=True, check=True)
    return parse_vm_stat(done.stdout), total


def parse_vm_stat(text: str) -> int:
    """Return the bytes that macOS can give out, from what ``vm_stat`` prints."""
    page = re.search(r"page size of (\d+) bytes", text)
    names = ("free", "inactive", "speculative", "purgeable")
    pages = [re.search(rf"Pages {name}:\s+(\d+)", text) for name in names]
    return int(page.group(1) if page else 4096) * sum(int(found.group(1)) for found in pages if found)


def _nearest_folder(path: Path) -> Path:
    """Return `path` or the nearest folder above it that exists."""
    path = path.resolve()
    while not path.is_dir():
        path = path.parent
    return path


def check_compiler() -> Iterator[Finding]:
    """A compiler that starts, Python's header files, and Triton for GPUs."""
    compiler, version = find_compiler()
    if compiler is None and prebuilt.FOLDER.is_dir():
        yield ok(f"no C++ compiler: {version}; the wheel brought its kernels, and --compile runs uncompiled")
        return
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
            asked, capture_output=True, text=True, errors="replace", timeout=_COMPILER_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    lines = (done.stdout or done.stderr).strip().splitlines()  # cl says it on stderr
    return lines[0].strip() if done.returncode == 0 and lines else ""
