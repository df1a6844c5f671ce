"""How processes share the work: NCCL where there is one, gloo where there is none, FSDP on request.

Lightning asks for NCCL on every CUDA machine, which the Windows builds of torch do not have.
:func:`pick_strategy` replaces such a choice by DDP over gloo, which works everywhere. It also takes Apple's
GPUs, on which metrics fail that add up in float64; :func:`pick_accelerator` takes the CPU there.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from typing import Any

import torch
from lightning.fabric.plugins.environments import SLURMEnvironment, TorchElasticEnvironment
from lightning.pytorch.strategies import DDPStrategy, ModelParallelStrategy, StrategyRegistry
from torch import nn
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.fsdp import fully_shard, register_fsdp_forward_method

from tinyworlds.errors import ConfigError

GLOO = "ddp_gloo"
FSDP = "fsdp"
_DDP = ("ddp", "ddp_find_unused_parameters_true")


class FullySharded(ModelParallelStrategy):
    """FSDP over all processes: weights, gradients and optimizer states are split, checkpoints are not.

    The second generation (``torch.distributed.fsdp.fully_shard``), which also runs on CPUs; the stage says
    what is sharded, in ``configure_model``.
    """

    def __init__(self) -> None:
        super().__init__(tensor_parallel_size=1, save_distributed_checkpoint=False)

    def setup_environment(self) -> None:
        """Shard over every process there is."""
        self._data_parallel_size = self.num_nodes * self.num_processes
        super().setup_environment()


def register() -> None:
    """Make our strategies known to Lightning (safe to call again)."""
    names = StrategyRegistry.available_strategies()
    if GLOO not in names:
        StrategyRegistry.register(
            GLOO,
            DDPStrategy,
            description="DDP over gloo: for machines without NCCL (Windows)",
            process_group_backend="gloo",
        )


def shard(network: nn.Module, mesh: DeviceMesh) -> None:
    """Split the parameters of `network` over the processes of `mesh`, in place.

    Training calls ``loss``, ``encode``, ``decode`` and ``logits``, so these gather the weights as
    ``forward`` does.
    """
    fully_shard(network, mesh=mesh)
    for method in ("loss", "encode", "decode", "logits"):
        if hasattr(network, method):
            register_fsdp_forward_method(network, method)


def prepare_windows() -> None:
    """Set what torch's rendezvous and pip's launcher need on Windows; does nothing elsewhere."""
    if sys.platform != "win32":
        return
    os.environ.setdefault("USE_LIBUV", "0")
    # pip's launcher removes ".exe" from argv[0]; DDP would then start a file that does not exist
    spec = importlib.util.find_spec("tinyworlds.__main__")
    assert spec is not None
    assert spec.origin is not None
    sys.argv[0] = os.path.abspath(spec.origin)


def pick_accelerator(accelerator: Any) -> Any:
    """Return `accelerator`, or the CPU where Lightning would choose Apple's GPU by itself.

    Raises:
        ConfigError: that GPU was named.
    """
    if str(accelerator) == "mps":
        raise ConfigError(
            "--trainer.accelerator mps: metrics add up in float64, which Apple's GPUs do not have; use cpu"
        )
    others = torch.cuda.is_available() or not torch.backends.mps.is_available()
    return accelerator if others or str(accelerator) not in ("auto", "gpu") else "cpu"


def uses_cuda(accelerator: Any) -> bool:
    """Return whether training on `accelerator` (a Trainer argument) means CUDA here."""
    return str(accelerator) in ("auto", "gpu", "cuda") and torch.cuda.is_available()


def pick_strategy(strategy: Any, accelerator: Any, devices: Any, num_nodes: int = 1) -> Any:
    """Return `strategy`, or its gloo counterpart where NCCL was meant and is missing.

    Args:
        strategy: the Trainer's argument; objects are left alone.
        accelerator: the Trainer's argument.
        devices: the Trainer's argument.
        num_nodes: the Trainer's argument.

    Raises:
        ConfigError: FSDP where it cannot work, or processes were started that the Trainer is not told of.
    """
    register()
    on_cuda = uses_cuda(accelerator)
    _check_launcher(devices, num_nodes, on_cuda)
    if not isinstance(strategy, str):
        return strategy
    no_nccl = on_cuda and not torch.distributed.is_nccl_available()
    if strategy == FSDP:
        if no_nccl:
            raise ConfigError(
                "--trainer.strategy fsdp needs NCCL, which this PyTorch lacks (Windows has none); use ddp"
            )
        return FullySharded()
    several = num_nodes > 1 or str(devices) not in ("1", "auto", "[0]") or _counts_several(devices, on_cuda)
    wants_nccl = strategy in _DDP or (strategy == "auto" and several)
    return GLOO if no_nccl and wants_nccl else strategy


def _check_launcher(devices: Any, num_nodes: int, on_cuda: bool) -> None:
    """Lightning alone would let each process of a launcher train by itself, all into one run."""
    if TorchElasticEnvironment.detect():
        launcher, size, here = "torchrun", os.environ["WORLD_SIZE"], os.environ["LOCAL_WORLD_SIZE"]
    elif "SLURM_NTASKS" in os.environ and SLURMEnvironment.detect():
        size, nodes = os.environ["SLURM_NTASKS"], os.environ.get("SLURM_NNODES", "1")
        launcher, here = "srun", str(int(size) // int(nodes))
    else:
        return
    num_devices = torch.cuda.device_count() if on_cuda else 1
    if str(devices).isdecimal():
        num_devices = int(devices)
    elif str(devices) not in ("auto", "-1"):
        return  # a list; Lightning checks it
    if num_devices * num_nodes != int(size):
        raise ConfigError(
            f"{launcher} started {size} processes, but the trainer is told of {num_nodes} machine(s) with "
            f"{num_devices} each; add --trainer.num_nodes {int(size) // int(here)} --trainer.devices {here}"
        )


def _counts_several(devices: Any, on_cuda: bool) -> bool:
    return str(devices) == "auto" and on_cuda and torch.cuda.device_count() > 1
