"""A progress bar for runs that are counted in steps: step k of max_steps, speed, loss, time left.

Lightning's own bar counts epochs and shows "Epoch 0/-2" when only ``max_steps`` is set. Drawing happens a
few times a second whatever the number of steps, so that small models are not slowed down. Without a
terminal (a log file, CI) one line is printed every half minute instead.
"""

from __future__ import annotations

import sys
import time
from typing import Any

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import ProgressBar, Timer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn

from tinyworlds.system.console import terminal
from tinyworlds.training.trainer_parts import parts_of


def format_seconds(seconds: float | None) -> str:
    """Return ``1:02:03`` or ``2:03``; ``-:--`` for None."""
    if seconds is None:
        return "-:--"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


class StepProgressBar(ProgressBar):
    """Progress of fit, validate, test and predict.

    Args:
        title: what the bar says in front, e.g. "tokenizer 1/3".
        interval_s: seconds between two drawings on a terminal.
        line_interval_s: seconds between two printed lines without a terminal.
    """

    def __init__(
        self, title: str | None = None, interval_s: float = 0.2, line_interval_s: float = 30.0
    ) -> None:
        super().__init__()
        self.title = title
        self._interval_s = interval_s
        self._line_interval_s = line_interval_s
        self._enabled = True
        self._bar: Progress | None = None
        self._task: TaskID | None = None
        self._drawn_at = 0.0
        self._clock: list[tuple[float, int]] = []

    def disable(self) -> None:
        """Show nothing (Lightning calls this on ranks other than 0)."""
        self._enabled = False

    def enable(self) -> None:
        """Show progress again."""
        self._enabled = True

    def print(self, *args: Any, **kwargs: Any) -> None:
        """Print a line without breaking the bar."""
        if self._enabled and self._bar is not None:
            self._bar.console.print(*args, highlight=False, markup=False)
        elif self._enabled:
            print(*args, **kwargs)

    def _open(self, label: str, total: float | None, done: int = 0) -> None:
        self._close()
        self._clock = [(time.monotonic(), done)]
        self._drawn_at = time.monotonic() if not sys.stderr.isatty() else 0.0
        self._label = f"{self.title}: {label}" if self.title else label
        if not self._enabled or not sys.stderr.isatty():
            return
        columns = (
            TextColumn("{task.description}"),
            BarColumn(bar_width=None),
            TextColumn("{task.fields[text]}"),
        )
        self._bar = Progress(*columns, console=Console(file=terminal()), expand=True, auto_refresh=False)
        self._bar.start()
        self._task = self._bar.add_task(self._label, total=total, text="")

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.refresh()
            self._bar.stop()
        self._bar, self._task = None, None

    def _show(self, done: int, total: float | None, left_s: float | None, loss: float | None) -> None:
        of = f"{done:,}/{int(total):,}" if total else f"{done:,}"
        speed = self._speed(done)
        text = [f"step {of}", f"{speed:.2f}/s" if speed else "-/s"]
        if loss is not None:
            text.append(f"loss {loss:.4g}")
        text.append(f"{format_seconds(left_s)} left")
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, completed=done, total=total, text="  ".join(text))
            self._bar.refresh()
        elif self._enabled:
            print(f"{self._label}: {'  '.join(text)}", file=sys.stderr, flush=True)

    def _due(self, last: bool = False) -> bool:
        now = time.monotonic()
        if not self._enabled or (not last and now - self._drawn_at < self._current_interval()):
            return False
        self._drawn_at = now
        return True

    def _current_interval(self) -> float:
        return self._interval_s if self._bar is not None else self._line_interval_s

    def _speed(self, done: int) -> float | None:
        """Return steps per second over the last half minute or so; compiling and warming up soon drop out."""
        now = time.monotonic()
        self._clock.append((now, done))
        while len(self._clock) > 2 and now - self._clock[1][0] > 30:
            self._clock.pop(0)
        (then, before), (_, after) = self._clock[0], self._clock[-1]
        return (after - before) / (now - then) if after > before and now > then else None

    def time_left(self, trainer: Trainer, done: int, total: float | None) -> float | None:
        """Return the seconds left by steps or by ``max_time``, whichever ends first; None when unknown."""
        speed = self._speed(done)
        limits = [(total - done) / speed] if total and speed else []
        timers = [callback for callback in parts_of(trainer).callbacks if isinstance(callback, Timer)]
        limits += [seconds for timer in timers if (seconds := timer.time_remaining()) is not None]
        return max(min(limits), 0.0) if limits else None

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Open the bar of training."""
        label = getattr(pl_module, "name", "training").replace("_", " ")
        self._open(label, _total_steps(trainer), trainer.global_step)

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *args: Any) -> None:
        """Draw, a few times a second."""
        total = _total_steps(trainer)
        last = total is not None and trainer.global_step >= total
        if self._due(last):
            left = self.time_left(trainer, trainer.global_step, total)
            loss = args[0].get("loss") if args and isinstance(args[0], dict) else None
            self._show(trainer.global_step, total, left, None if loss is None else float(loss))

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Close the bar."""
        self._close()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Close the bar, so that the error stands on a line of its own."""
        self._close()

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Open a bar, unless validation runs within training."""
        if trainer.state.fn == "validate":
            self._open("validate", _finite(sum(trainer.num_val_batches)))

    def on_validation_batch_end(self, trainer: Trainer, pl_module: LightningModule, *args: Any) -> None:
        """Draw the progress of ``validate``."""
        if trainer.state.fn == "validate":
            self._evaluation(trainer, args[2], _finite(sum(trainer.num_val_batches)))

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Close the bar of ``validate``."""
        if trainer.state.fn == "validate":
            self._close()

    def on_test_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Open the bar of ``test``."""
        self._open("test", _finite(sum(trainer.num_test_batches)))

    def on_test_batch_end(self, trainer: Trainer, pl_module: LightningModule, *args: Any) -> None:
        """Draw the progress of ``test``."""
        self._evaluation(trainer, args[2], _finite(sum(trainer.num_test_batches)))

    def on_test_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Close the bar of ``test``."""
        self._close()

    def on_predict_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Open the bar of ``predict``."""
        self._open("predict", _finite(sum(trainer.num_predict_batches)))

    def on_predict_batch_end(self, trainer: Trainer, pl_module: LightningModule, *args: Any) -> None:
        """Draw the progress of ``predict``."""
        self._evaluation(trainer, args[2], _finite(sum(trainer.num_predict_batches)))

    def on_predict_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Close the bar of ``predict``."""
        self._close()

    def _evaluation(self, trainer: Trainer, batch_index: int, total: float | None) -> None:
        if self._due():
            self._show(batch_index + 1, total, self.time_left(trainer, batch_index + 1, total), None)


def _finite(total: float) -> float | None:
    return total if total < float("inf") else None


def _total_steps(trainer: Trainer) -> float | None:
    if trainer.max_steps > 0:
        return trainer.max_steps
    epochs = trainer.max_epochs or -1
    per_epoch = trainer.num_training_batches / trainer.accumulate_grad_batches
    return _finite(epochs * per_epoch) if epochs > 0 else None
