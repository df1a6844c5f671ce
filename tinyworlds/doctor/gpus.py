"""Which NVIDIA GPUs there are, found without PyTorch: by the driver's own tool, its files, the PCI bus.

The question that matters is put to machines whose PyTorch does not see the GPU, so PyTorch is not asked.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

_NVIDIA = "0x10de"
_FIELDS = ("name", "driver_version", "compute_cap")
_TOOL_SECONDS = 10


@dataclass(frozen=True)
class Gpu:
    """One NVIDIA GPU.

    Attributes:
        name: of the model.
        driver: version of the driver, such as (560, 94); empty if unknown.
        capability: compute capability, such as (8, 6); empty if unknown.
        has_driver: whether a driver is installed at all.
    """

    name: str
    driver: tuple[int, ...] = ()
    capability: tuple[int, ...] = ()
    has_driver: bool = True


def find_gpus(root: Path = Path("/")) -> list[Gpu]:
    """Return the NVIDIA GPUs of this machine; `root` is where the file system begins (for tests)."""
    tool = find_tool(root)
    return (ask_tool(tool) if tool else []) or driver_files(root) or without_driver(root)


def find_tool(root: Path = Path("/")) -> str | None:
    """Return the path of ``nvidia-smi``, also where it is not on the PATH."""
    found = shutil.which("nvidia-smi")
    if found:
        return found
    if sys.platform == "win32":
        places = [
            Path(os.environ.get("SYSTEMROOT", r"C:\Windows"), "System32", "nvidia-smi.exe"),
            Path(
                os.environ.get("PROGRAMFILES", r"C:\Program Files"), "NVIDIA Corporation/NVSMI/nvidia-smi.exe"
            ),
        ]
    else:
        places = [root / "usr/lib/wsl/lib/nvidia-smi", root / "usr/bin/nvidia-smi"]
    return next((str(place) for place in places if place.is_file()), None)


def ask_tool(tool: str) -> list[Gpu]:
    """Return what ``nvidia-smi`` lists; nothing where it fails (the driver is not running)."""
    for fields in (_FIELDS, _FIELDS[:2]):  # old drivers know no compute_cap
        lines = _lines([tool, f"--query-gpu={','.join(fields)}", "--format=csv,noheader"])
        if lines:
            return [_parse(line) for line in lines]
    return []


def driver_files(root: Path = Path("/")) -> list[Gpu]:
    """Return one GPU without details where the driver's files show that there is one."""
    version = root / "proc/driver/nvidia/version"
    if version.is_file():
        found = re.search(r"\b(\d{3,}\.[\d.]+)\b", version.read_text(encoding="utf-8", errors="replace"))
        return [Gpu("NVIDIA GPU", _numbers(found.group(1)) if found else ())]
    if sys.platform == "win32":
        library = Path(os.environ.get("SYSTEMROOT", r"C:\Windows"), "System32", "nvcuda.dll")
        return [Gpu("NVIDIA GPU")] if library.is_file() else []
    return [Gpu("NVIDIA GPU")] if (root / "usr/lib/wsl/lib/libcuda.so.1").exists() else []


def without_driver(root: Path = Path("/")) -> list[Gpu]:
    """Return the NVIDIA display devices that the system lists although no driver runs them."""
    if sys.platform == "win32":
        query = "(Get-CimInstance Win32_VideoController).Name"
        names = _lines(["powershell", "-NoProfile", "-NonInteractive", "-Command", query])
        return [Gpu(name, has_driver=False) for name in names if "nvidia" in name.lower()]
    found = []
    for device in sorted((root / "sys/bus/pci/devices").glob("*")):
        vendor, kind = (_first_line(device / name) for name in ("vendor", "class"))
        if vendor == _NVIDIA and kind.startswith("0x03"):  # display controllers
            found.append(Gpu("NVIDIA GPU", has_driver=False))
    return found


def _lines(command: list[str]) -> list[str]:
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, errors="replace", timeout=_TOOL_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return []
    return [line.strip() for line in done.stdout.splitlines() if line.strip()] if done.returncode == 0 else []


def _parse(line: str) -> Gpu:
    name, driver, capability = [*(part.strip() for part in line.split(",")), "", ""][:3]
    return Gpu(name, _numbers(driver), _numbers(capability))


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(".") if part.isdigit())


def _first_line(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        return ""
