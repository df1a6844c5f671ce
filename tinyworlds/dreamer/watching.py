"""While an agent learns: at each validation, what it imagines of what it has just lived through."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.trainer.states import TrainerFn
from lightning_utilities.core.apply_func import apply_to_collection

from callbacks.publishing import harmless, pictures_folder, publish
from tinyworlds.dreamer.losses import Steps
from tinyworlds.dreamer.open_loop import CONTEXT, open_loop
from tinyworlds.dreamer.open_loop_files import save_open_loop
from tinyworlds.training.run_logger import version_folder

if TYPE_CHECKING:
    from tinyworlds.dreamer.stage import DreamerStage

_SEED = 7


class OpenLoopVideo(Callback):
    """Writes ``open_loop_STEP.mp4``, a strip and the errors into ``pictures/``.

    Args:
        clips: How many windows, the newest of the replay.
        length: Steps of each, half of them given.
    """

    def __init__(self, clips: int = 6, length: int = 2 * CONTEXT) -> None:
        self._clips, self._length = clips, length

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write, where there is a window yet."""
        stage = cast("DreamerStage", pl_module)
        if not trainer.is_global_zero or trainer.sanity_checking or trainer.state.fn != TrainerFn.FITTING:
            return
        replay = stage.data.replay
        places = replay.newest(self._clips)
        if not len(places.envs):
            return
        steps = _cut(replay.windows(places), self._length, stage.device)
        folder, name = pictures_folder(trainer), f"open_loop_{trainer.global_step:07d}"
        with harmless(), torch.random.fork_rng([stage.device] if stage.device.type == "cuda" else []):
            torch.manual_seed(_SEED)
            context = (steps.rewards.shape[1] - 1) // 2
            found = open_loop(stage.network, steps, context, stage.loss_settings.discount)
            files = save_open_loop(folder, found, stage.data.fps or 15.0, name, raw=False)
            for path in files:
                if path.suffix == ".png":
                    publish(trainer, "open_loop", path)


class OpenLoopFiles(Callback):
    """Writes what ``tinyworlds predict`` imagined: a clip, a strip, the raw pictures, the errors."""

    def on_predict_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Write, and say where."""
        stage = cast("DreamerStage", pl_module)
        asked = stage.rollout.get("out")
        folder = Path(asked) if asked else version_folder(trainer) / "predict"
        for path in save_open_loop(folder, outputs, stage.data.judged_game.fps):
            print(path)


def _cut(steps: Steps, length: int, device: torch.device) -> Steps:
    """Windows of at most so many steps, on a device."""
    return apply_to_collection(steps, torch.Tensor, lambda part: part[:, : length + 1].to(device))
