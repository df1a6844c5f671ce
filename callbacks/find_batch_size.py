"""``--find_batch_size true``: before the first step, the most clips a batch can hold in a GPU's memory.

Lightning's own finder runs its training loop and restores it from a checkpoint; here that would confuse the
order of windows, leave accumulation as it was and count no averaged weights. This one takes losses,
gradients and optimizer steps of real clips outside of the loop, so nothing is counted, logged or saved.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.utilities.memory import is_oom_error
from torch import nn

from tinyworlds.data.module import H5DataModule
from tinyworlds.errors import ConfigError
from tinyworlds.nn.compiling import is_compiled
from tinyworlds.nn.moe import MixtureOfExperts
from tinyworlds.training.stages.base import Stage
from tinyworlds.training.trainer_parts import parts_of

KEEP_FREE = 0.08
"""Share of the memory that no batch may fill: fragments, validation and the desktop need some."""


class FindBatchSize(Callback):
    """Finds the batch size at the start of a run; a resumed run goes on with what was found then.

    Accumulation shrinks so that an update holds as many clips as configured, or one batch if that is more.

    Args:
        say: takes the line that tells what was found.

    Raises:
        ConfigError: in `setup`, if this machine does not allow to search; while searching, if not even one
            clip fits.
    """

    def __init__(self, say: Callable[[str], None] = print) -> None:
        self.say = say
        self.batch_size: int | None = None
        self._peaks: dict[int, int] = {}

    def state_dict(self) -> dict[str, Any]:
        """What was found, for a resumed run."""
        return {"batch_size": self.batch_size}

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Refuse where memory cannot be filled safely."""
        if stage != "fit":
            return
        check_machine(trainer)
        if not isinstance(parts_of(trainer).datamodule, H5DataModule) or not isinstance(pl_module, Stage):
            raise ConfigError(
                "FindBatchSize sets the batch_size of an H5DataModule and runs the losses of a Stage, got "
                f"{type(parts_of(trainer).datamodule).__name__} and {type(pl_module).__name__}"
            )

    def on_load_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Take what was found when the run began: another outcome would change what an update is."""
        self.batch_size = checkpoint["callbacks"].get(self.state_key, {}).get("batch_size")
        if self.batch_size is not None:
            found = f"batch size {self.batch_size}, found when this run began"
            self._apply(trainer, f"{found} (find_batch_size false allows another)")

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Search, unless a checkpoint told."""
        if self.batch_size is not None:
            return
        if parts_of(trainer).fast_dev_run:
            self.say("find_batch_size: not searched in a fast_dev_run")
            return
        assert isinstance(pl_module, Stage)
        self.batch_size = self._search(trainer, pl_module)
        self._apply(trainer, f"batch size {self.batch_size}{self._memory(trainer)}")
        # both were made for the old batch: the optimizer has stepped, and epochs are of another length
        trainer.strategy.setup_optimizers(trainer)
        trainer.fit_loop._combined_loader = None

    def _apply(self, trainer: Trainer, found: str) -> None:
        assert self.batch_size is not None
        data, before = parts_of(trainer).datamodule, trainer.accumulate_grad_batches
        clips = data.batch_size * before
        after = max(1, round(clips / self.batch_size))
        data.batch_size, trainer.accumulate_grad_batches = self.batch_size, after
        if isinstance(trainer.val_check_interval, int):  # counts batches; its updates stay the same
            trainer.val_check_interval = max(1, trainer.val_check_interval * after // before)
        self.say(f"{found}; an update holds {self.batch_size * after} clips (was {clips})")

    # ---- the search

    def _search(self, trainer: Trainer, stage: Stage) -> int:
        data = parts_of(trainer).datamodule

        def fits(count: int) -> bool:
            return self._fits(trainer, stage, count)

        with _as_before(stage), limited(trainer.strategy.root_device):
            with _uncompiled(stage.network):  # else every size would be compiled, which takes minutes
                found = largest(fits, data.batch_size, data.num_windows("train"))
            while found and is_compiled(stage.network) and not fits(found):
                found -= max(1, found // 8)
        if not found:
            raise ConfigError(
                f"--find_batch_size true: not even one clip of {data.num_frames} frames fits into the memory "
                "of this GPU; lower --data.num_frames, --data.frame_size or the size of the network"
            )
        return found

    def _fits(self, trainer: Trainer, stage: Stage, count: int) -> bool:
        device = trainer.strategy.root_device
        give_back(device)  # what a failed one before held, which its error kept alive
        try:
            if device.type == "cuda":
                torch.cuda.reset_peak_memory_stats(device)
            _train_twice(trainer, stage, count)
            if device.type == "cuda":
                self._peaks[count] = torch.cuda.max_memory_reserved(device)
            return True
        except RuntimeError as error:
            if not is_full_memory(error):
                raise
        finally:
            trainer.optimizers[0].zero_grad()
            for module in stage.network.modules():
                if isinstance(module, MixtureOfExperts):
                    module.balance = None  # holds on to the graph
        return False

    def _memory(self, trainer: Trainer) -> str:
        peak, device = self._peaks.get(self.batch_size or 0), trainer.strategy.root_device
        if peak is None:
            return ""
        whole = torch.cuda.get_device_properties(device).total_memory
        return f": {peak / 2**30:.1f} of {whole / 2**30:.1f} GiB"


def check_machine(trainer: Trainer) -> None:
    """Make sure that a batch size can be searched with the devices of `trainer`.

    Raises:
        ConfigError: it trains on several devices, or on one that is not safely filled.
    """
    asked, device = "--find_batch_size true", trainer.strategy.root_device
    if trainer.world_size > 1:
        raise ConfigError(
            f"{asked} works on one device, and training runs on {trainer.world_size} here; find it with "
            "--trainer.devices 1, then leave the option out and give what was found as --data.batch_size"
        )
    if not can_be_filled(device):
        raise ConfigError(
            f"{asked} fills the memory of a CUDA GPU until it is full, and training runs on "
            f"{device.type} here, where the system would swap or end the process first; leave the option "
            "out and set --data.batch_size"
        )


def can_be_filled(device: torch.device) -> bool:
    """Whether asking for too much memory there is an error and harms nothing else."""
    return device.type == "cuda"


def is_full_memory(error: RuntimeError) -> bool:
    """Whether an error says that a device has no memory left."""
    return isinstance(error, torch.OutOfMemoryError) or is_oom_error(error)


def largest(fits: Callable[[int], bool], start: int, most: int) -> int:
    """Return the largest count up to `most` that fits, found within a sixteenth; 0 if not even 1 fits.

    Args:
        fits: whether a count does; asked from `start` upwards in doubles, then in between.
        start: the first to be tried.
        most: the largest of interest.
    """
    low, high, count = 0, most + 1, min(start, most)
    while high - low > max(1, low // 16):
        if fits(count):
            low = count
        else:
            high = count
        count = min(2 * low, (low + high) // 2) or high // 2
    return low


def _train_twice(trainer: Trainer, stage: Stage, count: int) -> None:
    """Two updates; the second finds gradients and optimizer states in memory, as all later ones do."""
    dataset = parts_of(trainer).datamodule.training_dataset()
    clips = dataset.__getitems__([number % len(dataset) for number in range(count)])
    batch = trainer.strategy.batch_to_device(clips)
    for _ in range(2):
        with trainer.precision_plugin.train_step_context():
            loss = stage.losses(batch)["loss"]
        loss.backward()
        trainer.optimizers[0].step()


@contextmanager
def _as_before(stage: Stage) -> Iterator[None]:
    """Put weights and random numbers back; the copy of the weights lies in main memory."""
    kept = [*stage.network.parameters(), *stage.network.buffers()]
    copies = [tensor.detach().to("cpu", copy=True) for tensor in kept]
    modes = [(module, module.training) for module in stage.network.modules()]
    device = stage.device
    stage.network.train()
    try:
        with torch.random.fork_rng([device] if device.type == "cuda" else []):
            yield
    finally:
        with torch.no_grad():
            for tensor, copy in zip(kept, copies, strict=True):
                tensor.copy_(copy)
        for module, training in modes:
            module.training = training
        give_back(device)


@contextmanager
def limited(device: torch.device) -> Iterator[None]:
    """Let a GPU's memory be full a little earlier; Windows would lend main memory instead, which crawls."""
    if device.type != "cuda":
        yield
        return
    torch.cuda.set_per_process_memory_fraction(1 - KEEP_FREE, device)
    try:
        yield
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0, device)


@contextmanager
def _uncompiled(network: nn.Module) -> Iterator[None]:
    """Call the parts of `network` as they are, compiled or not."""
    calls = [(child, child._compiled_call_impl) for child in network.children()]
    for child, _ in calls:
        child._compiled_call_impl = None
    try:
        yield
    finally:
        for child, call in calls:
            child._compiled_call_impl = call


def give_back(device: torch.device) -> None:
    """Return memory that nothing uses any more to the device."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()
