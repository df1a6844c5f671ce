"""PyTorch against GPU and driver: every way in which the two can miss each other, each with its remedy."""

import shutil
import sys
from pathlib import Path

import pytest

from tinyworlds.doctor import gpus, software, torch_build
from tinyworlds.doctor.gpus import Gpu, ask_tool, driver_files, find_gpus, without_driver
from tinyworlds.doctor.torch_build import TorchBuild, judge_build, judge_cpu

CPU = TorchBuild("2.13.0+cpu")
AMPERE = Gpu("NVIDIA GeForce RTX 3060", (560, 94), (8, 6))
PASCAL = Gpu("NVIDIA GeForce GTX 1080", (580, 10), (6, 1))
BLACKWELL = Gpu("NVIDIA GeForce RTX 5090", (590, 1), (12, 0))
OLD_DRIVER = Gpu("NVIDIA GeForce RTX 3060", (516, 94), (8, 6))
LINUX_ONLY = pytest.mark.skipif(sys.platform == "win32", reason="looks where Linux keeps it")


@pytest.fixture(autouse=True)
def with_pip(monkeypatch):
    monkeypatch.setattr(software, "installer", lambda: "python -m pip")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)


@pytest.mark.parametrize(
    ("gpu", "build"),
    [(AMPERE, "cu126"), (PASCAL, "cu126"), (BLACKWELL, "cu130"), (Gpu("NVIDIA GPU"), "cu126")],
)
def test_the_classic_a_cpu_build_beside_a_gpu(gpu, build):
    finding = judge_build(CPU, [gpu])
    assert finding.status == "failure"
    assert gpu.name in finding.text
    assert "2.13.0+cpu" in finding.text
    bounds = software.torch_requirement()
    assert bounds.startswith("torch>=")
    command = f'install --force-reinstall "{bounds}" --index-url https://download.pytorch.org/whl/{build}'
    assert finding.remedy == f"python -m pip {command}"


def test_uv_environments_get_a_command_of_uv(monkeypatch):
    monkeypatch.setattr(software, "installer", lambda: "uv pip")
    assert judge_build(CPU, [AMPERE]).remedy.startswith("uv pip install --reinstall-package torch ")


def test_a_driver_too_old_for_any_build_comes_first():
    remedy = judge_build(CPU, [OLD_DRIVER]).remedy
    assert remedy.index("update the driver to 525") < remedy.index("/cu126")


def test_no_gpu_is_fine():
    assert judge_build(CPU, []).status == "ok"


def test_a_gpu_without_a_driver():
    finding = judge_build(CPU, [Gpu("NVIDIA GPU", has_driver=False)])
    assert finding.status == "failure"
    assert "nvidia.com/drivers" in finding.remedy


def test_a_driver_older_than_the_cuda_of_the_build():
    finding = judge_build(TorchBuild("2.13.0+cu130", "13.0"), [AMPERE])
    assert finding.status == "failure"
    assert "needs driver 580" in finding.text
    assert "/cu126" in finding.remedy


def test_a_hidden_gpu(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    finding = judge_build(TorchBuild("2.13.0+cu126", "12.6"), [AMPERE])
    assert finding.status == "warning"
    assert "CUDA_VISIBLE_DEVICES" in finding.text


def test_a_gpu_that_does_not_start():
    finding = judge_build(TorchBuild("2.13.0+cu126", "12.6"), [AMPERE])
    assert finding.status == "failure"
    assert "restart" in finding.remedy


@pytest.mark.parametrize(
    ("gpu", "architectures", "status"),
    [
        (AMPERE, ("sm_80", "sm_86"), "ok"),
        (Gpu("RTX 4090", (560,), (8, 9)), ("sm_80", "sm_86", "sm_90"), "ok"),  # runs code of its generation
        (BLACKWELL, ("sm_80", "sm_86", "sm_90"), "failure"),
        (BLACKWELL, ("sm_80", "compute_90"), "ok"),  # compiled when first used
        (PASCAL, ("sm_75", "sm_80"), "failure"),
        (Gpu("H100", (560,), (9, 0)), ("sm_80", "sm_90a"), "ok"),
        (Gpu("NVIDIA GPU"), ("sm_80",), "ok"),  # unknown: the products computed on it decide
    ],
)
def test_a_build_without_code_for_the_gpu(gpu, architectures, status):
    build = TorchBuild("2.13.0+cu126", "12.6", sees_gpu=True, architectures=architectures)
    finding = judge_build(build, [gpu])
    assert finding.status == status
    assert bool(finding.remedy) == (status == "failure")


def test_more_threads_than_cores():
    assert judge_cpu(2, 2, fast_bf16=False).status == "ok"
    assert "OMP_NUM_THREADS=2" in judge_cpu(2, 16, fast_bf16=True).remedy


# ---- finding GPUs without PyTorch

TOOL = """#!/bin/sh
case "$1" in
  *compute_cap*) {new} ;;
  *) echo "NVIDIA GeForce RTX 3060, 560.94" ;;
esac
"""


@LINUX_ONLY
@pytest.mark.parametrize(
    ("new", "expected"),
    [
        ('echo "NVIDIA GeForce RTX 3060, 560.94, 8.6"', [AMPERE]),
        ("exit 2", [Gpu("NVIDIA GeForce RTX 3060", (560, 94))]),  # a driver that knows no compute_cap
    ],
)
def test_the_drivers_own_tool(tmp_path, new, expected):
    tool = tmp_path / "usr/bin/nvidia-smi"
    tool.parent.mkdir(parents=True)
    tool.write_text(TOOL.format(new=new), encoding="ascii")
    tool.chmod(0o755)
    assert ask_tool(str(tool)) == expected
    if shutil.which("nvidia-smi") is None:
        assert find_gpus(tmp_path) == expected


def test_a_tool_that_fails_or_hangs_is_no_gpu(monkeypatch, tmp_path):
    assert ask_tool(str(tmp_path / "missing")) == []
    monkeypatch.setattr(gpus, "_TOOL_SECONDS", 0.2)
    monkeypatch.setattr(gpus, "_FIELDS", ("a", "b"))
    assert gpus._lines([sys.executable, "-c", "import time; time.sleep(60)"]) == []


@LINUX_ONLY
def test_files_of_a_linux_driver(tmp_path):
    version = tmp_path / "proc/driver/nvidia/version"
    version.parent.mkdir(parents=True)
    version.write_text(
        "NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.54.14  Thu Feb 22\n", encoding="ascii"
    )
    assert driver_files(tmp_path) == [Gpu("NVIDIA GPU", (550, 54, 14))]


@LINUX_ONLY
def test_files_of_wsl(tmp_path):
    library = tmp_path / "usr/lib/wsl/lib/libcuda.so.1"
    library.parent.mkdir(parents=True)
    library.touch()
    assert driver_files(tmp_path) == [Gpu("NVIDIA GPU")]


@LINUX_ONLY
def test_a_card_on_the_bus_without_a_driver(tmp_path):
    for name, vendor, kind in [
        ("a", "0x10de", "0x030000"),
        ("b", "0x10de", "0x040300"),
        ("c", "0x1002", "0x030000"),
    ]:
        device = tmp_path / "sys/bus/pci/devices" / name
        device.mkdir(parents=True)
        (device / "vendor").write_text(vendor, encoding="ascii")
        (device / "class").write_text(kind, encoding="ascii")
    assert without_driver(tmp_path) == [Gpu("NVIDIA GPU", has_driver=False)], (
        "not its sound device, not AMD's"
    )


def test_windows_looks_into_system32(tmp_path, monkeypatch):
    system = tmp_path / "System32"
    system.mkdir()
    monkeypatch.setattr(gpus.sys, "platform", "win32")
    monkeypatch.setattr(gpus.shutil, "which", lambda name: None)
    monkeypatch.setenv("SYSTEMROOT", str(tmp_path))
    monkeypatch.setenv("PROGRAMFILES", str(tmp_path / "none"))
    assert gpus.find_tool() is None
    assert driver_files() == []
    (system / "nvcuda.dll").touch()
    assert driver_files() == [Gpu("NVIDIA GPU")]
    (system / "nvidia-smi.exe").touch()
    assert Path(gpus.find_tool() or "") == system / "nvidia-smi.exe"
    asked = []
    monkeypatch.setattr(
        gpus, "_lines", lambda words: asked.append(words[0]) or ["NVIDIA GeForce", "Intel UHD"]
    )
    assert without_driver() == [Gpu("NVIDIA GeForce", has_driver=False)]
    assert asked == ["powershell"]


# ---- PyTorch that does not load, packages that do not fit


def test_a_pytorch_that_does_not_load(monkeypatch):
    def fails(name):
        raise OSError("[WinError 126] The specified module could not be found: c10.dll")

    monkeypatch.setattr(torch_build.importlib, "import_module", fails)
    (finding,) = torch_build.check_torch()
    assert finding.status == "failure"
    assert "c10.dll" in finding.text
    assert "reinstall" in finding.remedy


def test_no_pytorch(monkeypatch):
    def fails(name):
        raise ModuleNotFoundError("No module named 'torch'", name="torch")

    monkeypatch.setattr(torch_build.importlib, "import_module", fails)
    monkeypatch.setattr(torch_build, "find_gpus", lambda: [])
    (finding,) = torch_build.check_torch()
    assert finding.text == "PyTorch is not installed"
    assert 'install "torch>=' in finding.remedy
    monkeypatch.setattr(torch_build, "find_gpus", lambda: [BLACKWELL])
    (finding,) = torch_build.check_torch()
    assert finding.remedy.endswith("/cu130"), "and not the one for CPUs"


def test_this_pytorch_passes():
    assert all(finding.status == "ok" for finding in torch_build.check_torch())


def test_packages(monkeypatch):
    assert {finding.status for finding in software.check_packages()} == {"ok"}
    installed = {"h5py": "2.10.0", "rich": "13.0.0"}

    def version(name):
        if name not in installed:
            raise software.PackageNotFoundError(name)
        return installed[name]

    needs = ["h5py>=3.11", "rich>=13", "av>=14", 'vizdoom>=1.2; extra == "games"']
    monkeypatch.setattr(software, "version", version)
    monkeypatch.setattr(software, "requires", lambda name: needs)
    old, missing, *extras = software.check_packages()
    assert (old.status, old.text) == ("failure", "h5py is 2.10.0, needed is >=3.11")
    assert old.remedy == 'python -m pip install "h5py>=3.11"' or "uv pip" in old.remedy
    assert missing.text == "av is not installed"
    assert all(extra.status == "ok" for extra in extras)
    assert "tinyworlds[games]" in extras[0].remedy


def test_pythons():
    assert software.judge_python((3, 11), True).status == "ok"
    assert software.judge_python((3, 9), True).status == "failure"
    assert software.judge_python((3, 11), False).status == "failure"
    assert software.judge_python((3, 99), True).status == "warning"
