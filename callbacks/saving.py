"""What every run does besides training: save often and safely, stop cleanly on Ctrl-C, hush chatter."""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import signal
import threading
from pathlib import Path
from types import FrameType
from typing import Any

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback, Checkpoint, ModelCheckpoint
from lightning.pytorch.utilities.exceptions import SIGTERMException

from tinyworlds.errors import ConfigError
from tinyworlds.system.files import move_into_place
from tinyworlds.training.run_logger import version_folder
from tinyworlds.training.trainer_parts import parts_of


class TrainingInterrupted(BaseException):
    """Ctrl-C was pressed and the run saved. Not an error, hence no ``Exception``.

    Attributes:
        checkpoint: where training can go on from; None when nothing could be saved.
    """

    def __init__(self, checkpoint: Path | None) -> None:
        super().__init__(str(checkpoint))
        self.checkpoint = checkpoint


def best_checkpoint(monitor: str = "val/loss", mode: str = "min") -> ModelCheckpoint:
    """Return the callback that keeps ``best.ckpt``, by a figure of validation; `mode` is min or max."""
    return ModelCheckpoint(
        monitor=monitor,
        mode=mode,
        filename="best",
        auto_insert_metric_name=False,
        enable_version_counter=False,
        save_on_train_epoch_end=False,
    )


class StepCheckpoint(Checkpoint):
    """Keeps ``step_N.ckpt`` every so many steps and ``last.ckpt``, which the end of training writes too.

    Args:
        every_n_steps: optimizer steps between two saves.
        keep: how many ``step_N.ckpt`` stay; -1 keeps all.
    """

    def __init__(self, every_n_steps: int = 1000, keep: int = 3) -> None:
        super().__init__()
        if every_n_steps < 1:
            raise ConfigError(f"--checkpoint.every_n_steps must be at least 1, got {every_n_steps}")
        self.every_n_steps = every_n_steps
        self.keep = keep
        self.folder: Path | None = None
        self._saved_at = -1
        self._told_the_end = False

    @property
    def last(self) -> Path | None:
        """The newest ``last.ckpt`` of this run, if it was written."""
        path = self.folder / "last.ckpt" if self.folder is not None else None
        return path if path is not None and path.is_file() else None

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Fix the folder, the same on all ranks."""
        self.folder = Path(trainer.strategy.broadcast(str(version_folder(trainer)))) / "checkpoints"

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Remember where training starts, so that nothing is saved twice."""
        self._saved_at, self._told_the_end = trainer.global_step, False

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *args: Any) -> None:
        """Save when it is time."""
        step = trainer.global_step
        if step == self._saved_at:
            return
        if step % self.every_n_steps == 0:
            self.save(trainer, numbered=True)
        elif step == trainer.max_steps:
            # here and not at the end of training, where averaged weights have replaced the trained ones
            self.save(trainer, numbered=False)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Save the last steps, however many they are, and that these were the last."""
        if trainer.global_step != self._saved_at or not self._told_the_end:
            self.save(trainer, numbered=False)

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Save when the machine asks the process to end (SLURM, shutdown)."""
        if isinstance(exception, SIGTERMException) and trainer.global_step != self._saved_at:
            self.save(trainer, numbered=False)

    def save(self, trainer: Trainer, numbered: bool) -> None:
        """Write ``last.ckpt`` and, if `numbered`, ``step_N.ckpt`` beside it."""
        if parts_of(trainer).fast_dev_run or self.folder is None:
            return
        last = self.folder / "last.ckpt"
        if not numbered:
            trainer.save_checkpoint(last)
        else:
            path = self.folder / f"step_{trainer.global_step}.ckpt"
            trainer.save_checkpoint(path)
            if trainer.is_global_zero:
                _copy_atomically(path, last)
                self._prune()
        self._saved_at, self._told_the_end = trainer.global_step, trainer.fit_loop.done

    def _prune(self) -> None:
        assert self.folder is not None
        steps = sorted(self.folder.glob("step_*.ckpt"), key=lambda path: int(path.stem.removeprefix("step_")))
        for path in steps[: -self.keep] if self.keep > 0 else []:
            with contextlib.suppress(OSError):
                path.unlink()


def _copy_atomically(source: Path, target: Path) -> None:
    """Make `target` the same file as `source`: a hard link where the file system has them, else a copy."""
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        part.unlink(missing_ok=True)
        if source.is_dir():  # a sharded checkpoint
            shutil.copytree(source, target, dirs_exist_ok=True)
            return
        try:
            os.link(source, part)
        except OSError:
            shutil.copyfile(source, part)
        move_into_place(part, target)
    finally:
        part.unlink(missing_ok=True)


class GracefulInterrupt(Callback):
    """First Ctrl-C: finish the step, save, stop. Second: stop at once; earlier checkpoints stay valid."""

    def __init__(self) -> None:
        self._pressed = False
        self._before: Any = None

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Take over Ctrl-C."""
        if threading.current_thread() is threading.main_thread():
            self._before = signal.signal(signal.SIGINT, self._on_signal)

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *args: Any) -> None:
        """Save and stop, once Ctrl-C was pressed; between two steps everything is consistent."""
        if not self._asked(trainer):
            return
        saver = next((c for c in trainer.checkpoint_callbacks if isinstance(c, StepCheckpoint)), None)
        if saver is not None:
            saver.save(trainer, numbered=False)
        raise TrainingInterrupted(saver.last if saver is not None else None)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Give Ctrl-C back."""
        self._release()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Give Ctrl-C back."""
        self._release()

    def _asked(self, trainer: Trainer) -> bool:
        if trainer.world_size == 1:
            return self._pressed
        if trainer.global_step % parts_of(trainer).log_every_n_steps != 0:
            return False  # the ranks must agree, and agreeing at every step costs time
        return trainer.strategy.reduce_boolean_decision(self._pressed, all=False)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if self._pressed:
            raise KeyboardInterrupt
        self._pressed = True
        # printing is not safe in a handler that may interrupt a print
        os.write(2, b"\nstopping after this step (Ctrl-C again: at once)\n")

    def _release(self) -> None:
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)
            self._before = None


def quiet_lightning() -> None:
    """Silence Lightning's start-up chatter (devices, tips); warnings stay."""
    for name in (
        "lightning.pytorch.utilities.rank_zero",
        "lightning.fabric.utilities.seed",
        "lightning.pytorch",
    ):
        logging.getLogger(name).setLevel(logging.WARNING)
