"""PyTorch against the GPU and its driver, and what the processor can do.

Which build fits which GPU follows PyTorch's own support matrix: the CUDA 12.6 builds reach from compute
capability 5.0 to 9.0, those of CUDA 13.0 begin at 7.5 and include Blackwell. The driver must be 525 or
newer for CUDA 12 and 580 or newer for CUDA 13.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from types import ModuleType

from tinyworlds.doctor.gpus import Gpu, find_gpus
from tinyworlds.doctor.report import Finding, failure, ok, warning
from tinyworlds.doctor.software import install_command, torch_command, torch_requirement

OLDEST_DRIVER = {12: 525, 13: 580}  # by CUDA's first number
_BLACKWELL, _TURING = (10, 0), (7, 5)
_DRIVERS = "from https://www.nvidia.com/drivers, then restart"
_VC_RUNTIME = "install the Microsoft Visual C++ Redistributable (x64), then restart"


@dataclass(frozen=True)
class TorchBuild:
    """What PyTorch says about itself.

    Attributes:
        version: such as "2.13.0+cpu".
        cuda: CUDA version it was built for, such as "12.6"; None for builds without.
        sees_gpu: whether it can use a GPU now.
        architectures: GPU architectures it has code for, such as "sm_86".
        hip: ROCm version it was built for, None for builds without.
        mps: whether Apple's GPU is available.
    """

    version: str
    cuda: str | None = None
    sees_gpu: bool = False
    architectures: tuple[str, ...] = ()
    hip: str | None = None
    mps: bool = False


def check_torch() -> Iterator[Finding]:
    """The build of PyTorch, the GPU, the driver, and a product computed on the GPU."""
    try:
        torch = importlib.import_module("torch")
        from tinyworlds.nn.devices import has_fast_bf16
        from tinyworlds.system.cores import num_cores
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        gpus = find_gpus()
        plain = install_command(torch_requirement())
        yield failure("PyTorch is not installed", _remedy(gpus) if gpus else plain)
        return
    except (ImportError, OSError) as error:
        reason = " ".join(str(error).split())[:200]
        again = f"reinstall it: {_remedy(find_gpus())}"
        remedy = f"{_VC_RUNTIME}; if that does not help, {again}" if sys.platform == "win32" else again
        yield failure(f"PyTorch is installed but does not load: {reason}", remedy)
        return
    build, gpus = _build_of(torch), find_gpus()
    yield judge_build(build, gpus)
    if build.sees_gpu:
        yield from _try_gpus(torch)
    yield judge_cpu(num_cores(), torch.get_num_threads(), has_fast_bf16(torch.device("cpu")))


def judge_build(build: TorchBuild, gpus: Sequence[Gpu]) -> Finding:
    """Compare PyTorch with the GPUs that the machine has."""
    text = f"PyTorch {build.version}"
    if build.sees_gpu:
        return _judge_architectures(build, gpus)
    if not gpus:
        extra = "; Apple's GPU is used only when asked for, see docs/platforms.md" if build.mps else ""
        return ok(f"{text}, no NVIDIA GPU found: everything runs on the CPU{extra}")
    gpu = gpus[0]
    if not gpu.has_driver:
        return failure(f"{gpu.name} has no driver, so {text} cannot use it", f"install it {_DRIVERS}")
    if build.cuda is None and build.hip is None:
        return failure(
            f"this machine has a GPU, {_describe(gpu)}, but {text} is a build for the CPU only", _remedy(gpus)
        )
    if os.environ.get("CUDA_VISIBLE_DEVICES", "0").strip() in ("", "-1"):
        return warning(
            f"{gpu.name} is hidden from {text} by CUDA_VISIBLE_DEVICES",
            "unset that variable to use the GPU",
        )
    needed = OLDEST_DRIVER.get(int((build.cuda or "0").split(".")[0]), 0)
    if gpu.driver and gpu.driver[0] < needed:
        return failure(
            f"{_describe(gpu)}: {text} is built for CUDA {build.cuda}, which needs driver {needed} or newer",
            f"update the driver {_DRIVERS}; or take an older CUDA: {_remedy(gpus)}",
        )
    return failure(
        f"{_describe(gpu)} is there, but {text} (CUDA {build.cuda}) cannot start it",
        "restart the machine (after a driver update), see whether nvidia-smi works, "
        f"else reinstall: {_remedy(gpus)}",
    )


def _judge_architectures(build: TorchBuild, gpus: Sequence[Gpu]) -> Finding:
    text = f"PyTorch {build.version} uses the GPU"
    missing = [gpu for gpu in gpus if not _has_code_for(gpu, build.architectures)]
    if not missing:
        return ok(f"{text}{f' (driver {_dotted(gpus[0].driver)})' if gpus and gpus[0].driver else ''}")
    return failure(
        f"{_describe(missing[0])} has compute capability {_dotted(missing[0].capability)}, for which "
        f"PyTorch {build.version} holds no code (it has {', '.join(build.architectures)})",
        _remedy(missing),
    )


def _has_code_for(gpu: Gpu, architectures: Sequence[str]) -> bool:
    """Whether there is code for the GPU's generation, or some that is compiled when it is first used."""
    if not gpu.capability or not architectures:
        return True
    own = gpu.capability[0] * 10 + (gpu.capability[1] if len(gpu.capability) > 1 else 0)
    for name in architectures:
        kind, _, digits = name.partition("_")
        number = int("".join(filter(str.isdigit, digits)) or 0)
        if number <= own and (kind == "compute" or number // 10 == own // 10):
            return True
    return False


def _remedy(gpus: Sequence[Gpu]) -> str:
    """Return the exact command that brings a build for these GPUs, with a new driver where one is needed."""
    build = _fitting_build(gpus)
    needed = OLDEST_DRIVER[13 if build == "cu130" else 12]
    command = torch_command(build)
    if any(gpu.driver and gpu.driver[0] < needed for gpu in gpus):
        return f"update the driver to {needed} or newer {_DRIVERS}; then: {command}"
    return command


def _fitting_build(gpus: Sequence[Gpu]) -> str:
    """Return the name of the CUDA build for these GPUs, as PyTorch's index calls it."""
    if not gpus:
        return "cpu"
    known = [gpu.capability for gpu in gpus if gpu.capability]
    if any(capability < _TURING for capability in known):
        return "cu126"
    new_driver = all(gpu.driver and gpu.driver[0] >= OLDEST_DRIVER[13] for gpu in gpus)
    return "cu130" if new_driver or any(capability >= _BLACKWELL for capability in known) else "cu126"


def _build_of(torch: ModuleType) -> TorchBuild:
    sees = bool(torch.cuda.is_available())
    return TorchBuild(
        version=str(torch.__version__),
        cuda=torch.version.cuda,
        sees_gpu=sees,
        architectures=tuple(torch.cuda.get_arch_list()) if sees else (),
        hip=getattr(torch.version, "hip", None),
        mps=torch.backends.mps.is_available(),
    )


def _try_gpus(torch: ModuleType) -> Iterator[Finding]:
    """Compute on every GPU and say what it offers."""
    for number in range(torch.cuda.device_count()):
        name = torch.cuda.get_device_name(number)
        try:
            ones = torch.ones(64, 64, device=f"cuda:{number}")
            right = float((ones @ ones).sum()) == 64**3
            free, total = (size / 2**30 for size in torch.cuda.mem_get_info(number))
        except RuntimeError as error:
            reason = " ".join(str(error).split())[:200]
            yield failure(f"GPU {number} ({name}) does not compute: {reason}", _remedy(find_gpus()))
            continue
        if not right:
            yield failure(f"GPU {number} ({name}) computes wrongly", "have it tested; it may be broken")
            continue
        bf16 = "bf16 is fast" if torch.cuda.is_bf16_supported(including_emulation=False) else "no fast bf16"
        text = f"GPU {number}: {name}, {free:.1f} of {total:.1f} GiB free, {bf16}"
        yield (
            ok(text)
            if free > 1
            else warning(text, "close other programs that use the GPU (nvidia-smi lists them)")
        )


def judge_cpu(cores: int, threads: int, fast_bf16: bool) -> Finding:
    """Say what the processor offers."""
    bf16 = "bf16 is fast" if fast_bf16 else "no fast bf16"
    text = f"CPU: {cores} core{'s' if cores > 1 else ''}, {threads} used by PyTorch, {bf16}"
    if threads > cores:
        return warning(f"{text}: threads wait for each other", f"set OMP_NUM_THREADS={cores}")
    return ok(text)


def _describe(gpu: Gpu) -> str:
    return f"{gpu.name} (driver {_dotted(gpu.driver)})" if gpu.driver else gpu.name


def _dotted(numbers: Sequence[int]) -> str:
    return ".".join(map(str, numbers))
