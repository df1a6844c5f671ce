"""What a training of the agent tells: scores, speed, an alarm; in the published code's files too."""

from __future__ import annotations

import json
import time
import warnings
from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.loggers.logger import Logger
from lightning.pytorch.trainer.states import TrainerFn
from lightning.pytorch.utilities import rank_zero_only

from tinyworlds.system.files import replacing
from tinyworlds.training.run_logger import Silence, version_folder
from tinyworlds.training.scope_logger import FRAMES
from tinyworlds.training.trainer_parts import parts_of

if TYPE_CHECKING:
    from tinyworlds.dreamer.stage import DreamerStage

METRICS, SCORES = "metrics.jsonl", "scores.jsonl"


class JsonlLogger(Logger):
    """``metrics.jsonl``, a line for each logged step, under the published code's names.

    Its "step" counts frames of the game, as there: steps of the agent times those of the game for each.

    Args:
        folder: The version folder of a run.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder
        self._frames = 0  # of the last training step: validation comes without

    @property
    def name(self) -> str:
        """Of the file."""
        return METRICS

    @property
    def version(self) -> str:
        """Of the folder."""
        return self._folder.name

    @property
    def experiment(self) -> Any:
        """Nothing: lines are written by this class itself."""
        return Silence()

    @rank_zero_only
    def log_hyperparams(self, params: dict[str, Any] | Namespace, *args: Any, **kwargs: Any) -> None:
        """Do nothing: the run's ``config.yaml`` holds them."""

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Append a line."""
        figures = {key: float(value) for key, value in metrics.items() if key not in ("epoch", FRAMES)}
        self._frames = int(metrics.get(FRAMES, self._frames))
        append_line(self._folder / METRICS, {"step": self._frames, **figures})


def append_line(path: Path, values: Mapping[str, float]) -> None:
    """Add a line of JSON; a disk that fails costs a warning, never the run."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(values) + "\n")
    except OSError as failure:
        warnings.warn(f"{path} cannot be written ({failure}); training goes on", stacklevel=2)


def cut_lines(path: Path, frames: int) -> None:
    """Drop the lines of later steps: training goes on before them."""
    if not path.is_file():
        return
    kept = [line for line in path.read_text(encoding="utf-8").splitlines() if _step_of(line) <= frames]
    with replacing(path) as part:
        part.write_text("".join(f"{line}\n" for line in kept), encoding="utf-8")


def _step_of(line: str) -> float:
    try:
        return float(json.loads(line)["step"])
    except (ValueError, KeyError, TypeError):
        return float("inf")  # a line that was cut off by a kill


class AgentLog(Callback):
    """Logs scores of episodes and speeds, writes ``scores.jsonl``, and warns of a policy that has collapsed.

    A policy has collapsed when it hardly varies what it does, although it scores no better than chance.

    Args:
        alarm_below: Share of the range of its entropy, from what its uniform part leaves to the most, 0 to 1.
        patience: Logged steps in a row before the alarm.
    """

    def __init__(self, alarm_below: float = 0.02, patience: int = 10) -> None:
        self._alarm_below, self._patience = alarm_below, patience
        self._collapsed_for, self._told = 0, False
        self._since, self._steps, self._updates = 0.0, 0, 0

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Go on with the files where training goes on."""
        stage = _stage(pl_module)
        frames = stage.data.known_env_steps * stage.data.frames_per_step
        for name in (METRICS, SCORES):
            cut_lines(version_folder(trainer) / name, frames)
        self._restart(trainer, stage)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Begin to measure anew: validation is no training."""
        if trainer.state.fn == TrainerFn.FITTING:
            self._restart(trainer, _stage(pl_module))

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Write the scores of new episodes; log when the trainer logs."""
        stage = _stage(pl_module)
        data = stage.data
        while data.new_episodes:
            each = data.new_episodes.pop(0)
            line = {"step": each.env_steps * data.frames_per_step, "episode/score": each.score}
            append_line(version_folder(trainer) / SCORES, line)
        if trainer.global_step % parts_of(trainer).log_every_n_steps:
            return
        figures = {
            FRAMES: float(data.env_steps * data.frames_per_step),
            "replay/items": float(data.replay.num_windows),
        }
        if data.episodes:
            figures["episode/score"] = float(np.mean([each.score for each in data.episodes]))
            figures["episode/length"] = float(np.mean([each.length for each in data.episodes]))
        seconds = max(time.perf_counter() - self._since, 1e-9)
        figures["fps/policy"] = (data.env_steps - self._steps) / seconds
        figures["fps/updates"] = (trainer.global_step - self._updates) / seconds
        pl_module.log_dict(figures, batch_size=1)
        self._watch(stage)
        self._restart(trainer, stage)

    def _restart(self, trainer: Trainer, stage: DreamerStage) -> None:
        self._since, self._steps, self._updates = (
            time.perf_counter(),
            stage.data.env_steps,
            trainer.global_step,
        )

    def _watch(self, stage: DreamerStage) -> None:
        """Raise the alarm, once."""
        entropy_range = getattr(stage.network.actions, "entropy_range", None)
        scores, chance = [each.score for each in stage.data.episodes], stage.data.first_scores
        if entropy_range is None or len(scores) < 10 or len(chance) < 2 or stage.policy_entropy is None:
            return
        entropy = float(stage.policy_entropy)
        low, high = entropy_range
        narrow = (entropy - low) / max(high - low, 1e-9) < self._alarm_below
        random_level = float(np.mean(scores)) <= float(np.mean(chance)) + float(np.std(chance))
        self._collapsed_for = self._collapsed_for + 1 if narrow and random_level else 0
        if self._collapsed_for >= self._patience and not self._told:
            self._told = True
            warnings.warn(
                f"the policy has collapsed: its entropy is {entropy:.3f} of {high:.2f}, and it "
                f"scores {np.mean(scores):.3g} where chance scores {np.mean(chance):.3g}; train anew with a "
                f"larger --model.entropy (now {stage.loss_settings.entropy:g})",
                stacklevel=2,
            )


def _stage(module: LightningModule) -> DreamerStage:
    return cast("DreamerStage", module)  # which brings this callback, so it cannot be imported here
