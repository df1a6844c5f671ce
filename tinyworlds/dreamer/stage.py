"""The LightningModule of the agent: one loss, one optimizer, Lightning's own loop."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import torch
from lightning.pytorch import Callback
from lightning.pytorch.loggers import Logger
from lightning.pytorch.trainer.states import TrainerFn
from torch import Tensor

from tinyworlds.dreamer.agent import Agent
from tinyworlds.dreamer.captured import CapturedLoss
from tinyworlds.dreamer.data import Experience, ReplayDataModule
from tinyworlds.dreamer.logs import AgentLog, JsonlLogger
from tinyworlds.dreamer.losses import LossSettings, Outcome, Steps, agent_loss
from tinyworlds.dreamer.open_loop import CONTEXT, OpenLoop, open_loop, played_windows
from tinyworlds.dreamer.optimizer import LaProp
from tinyworlds.dreamer.playing import episode
from tinyworlds.dreamer.rssm import Carry
from tinyworlds.errors import ConfigError, did_you_mean
from tinyworlds.training.settings import TrainingSettings
from tinyworlds.training.stages import Stage
from tinyworlds.training.trainer_parts import parts_of

VARIANTS = {"repo2026": {"beta2": 0.999}, "paper": {"beta2": 0.99}}
"""What the published code and the paper's text do differently; the train ratio is the data's."""


class DreamerStage(Stage):
    """Trains an :class:`~tinyworlds.dreamer.agent.Agent` in its own dreams.

    After DreamerV3 (https://arxiv.org/abs/2301.04104, 2024): a sum of losses, LaProp with adaptive clipping,
    a warm-up and then a constant rate.

    Args:
        learning_rate: After the warm-up; None for the preset's, published 4e-5.
        warmup_steps: Updates in which it rises from 0; None for the preset's, published 1000.
        beta1: Decay of the averaged gradients.
        beta2: Decay of their squares; None for the variant's.
        clip: Largest norm of a gradient, as a share of its weights' norm.
        variant: ``repo2026``, the published code, or ``paper``.
        horizon: Steps after which a reward counts a third.
        imagined_steps: Length of a dream.
        lam: Of the returns.
        free_nats: Divergence that costs nothing.
        entropy: Weight of the actor's entropy; None for the preset's, published 3e-4.
        dynamics_scale: Weight of teaching the prior.
        representation_scale: Weight of keeping the posterior predictable.
        slow_scale: Weight of staying near the slow critic.
        replay_scale: Weight of the critic's loss on what really happened.
        slow_rate: Share by which the slow critic follows with each update.
        greedy: Whether it is judged by its likeliest actions, rather than by actions as it draws them.
        compile: Compile the recurrent step with torch.compile.
        cuda_graphs: On one GPU, capture an update's loss and gradient as CUDA graphs and replay them, unless
            it is compiled.
        agent: Arguments of the agent; what it sees and does is filled in from the game.
    """

    name = "agent"
    network: Agent
    measures: ClassVar[tuple[str, ...]] = ()
    picture_callbacks = ("tinyworlds.dreamer.watching.OpenLoopVideo",)
    predict_callbacks = ("tinyworlds.dreamer.watching.OpenLoopFiles",)
    counts_no_more: ClassVar[dict[str, tuple[str, ...]]] = {
        "optimizer": ("learning_rate", "beta1", "beta2", "clip", "warmup_steps"),
        "lr_scheduler": ("warmup_steps",),
    }
    monitor: ClassVar[tuple[str, str]] = ("val/score", "max")
    trainer_defaults: ClassVar[dict[str, Any]] = {
        "gradient_clip_val": None,  # the optimizer clips by itself
        "limit_val_batches": 1.0,
        "val_check_interval": 5000,
    }

    def __init__(
        self,
        learning_rate: float | None = None,
        warmup_steps: int | None = None,
        beta1: float = 0.9,
        beta2: float | None = None,
        clip: float = 0.3,
        variant: str = "repo2026",
        horizon: float = 333.0,
        imagined_steps: int = 15,
        lam: float = 0.95,
        free_nats: float = 1.0,
        entropy: float | None = None,
        dynamics_scale: float = 1.0,
        representation_scale: float = 0.1,
        slow_scale: float = 1.0,
        replay_scale: float = 0.3,
        slow_rate: float = 0.02,
        greedy: bool = False,
        compile: bool = False,
        cuda_graphs: bool = True,
        **agent: Any,
    ) -> None:
        if variant not in VARIANTS:
            raise ConfigError(
                f"model.variant must be one of {', '.join(VARIANTS)}, got '{variant}'."
                f"{did_you_mean(variant, VARIANTS)}"
            )
        network = Agent(**agent)
        preset = network.sizes.changes
        rate = float(learning_rate or preset.get("learning_rate", 4e-5))
        super().__init__(
            network, TrainingSettings(rate, beta2=beta2 or VARIANTS[variant]["beta2"], compile=compile)
        )
        self.save_hyperparameters()
        self.warmup_steps = int(preset.get("warmup_steps", 1000) if warmup_steps is None else warmup_steps)
        self.beta1, self.clip, self.slow_rate, self.greedy = beta1, clip, slow_rate, greedy
        self.loss_settings = LossSettings(
            horizon,
            imagined_steps,
            lam,
            free_nats,
            float(preset.get("entropy", 3e-4) if entropy is None else entropy),
            dynamics_scale,
            representation_scale,
            slow_scale,
            replay_scale,
        )
        self.cuda_graphs = cuda_graphs and not compile
        self._captured: CapturedLoss | None = None
        self.policy_entropy: Tensor | None = None
        """Of the last batch whose loss was logged, in nats."""
        self.rollout: dict[str, Any] = {}
        self._memory: Carry | None = None
        self._places: Any = None

    @property
    def data(self) -> ReplayDataModule:
        """Where the experience comes from."""
        module: Any = parts_of(self.trainer).datamodule
        assert isinstance(module, ReplayDataModule)
        return module

    def losses(self, batch: Experience) -> dict[str, Tensor]:  # type: ignore[override]
        """The loss on windows of experience, and its parts by the published code's names."""
        outcome = self._loss(batch.steps)
        self._memory, self._places = outcome.memory, batch.places
        self.policy_entropy = outcome.terms["ent/action"]
        return {"loss": outcome.loss, **outcome.terms}

    def _loss(self, steps: Steps) -> Outcome:
        alone = self.trainer.world_size == 1  # several processes reduce gradients while they are made
        if not (self.cuda_graphs and alone and self.device.type == "cuda"):
            return agent_loss(self.network, steps, self.loss_settings)
        if self._captured is None:
            self._captured = CapturedLoss(self.network, self.loss_settings)
        return self._captured(steps)

    def optimizer_step(self, *args: Any, **kwargs: Any) -> None:
        """Update; then the slow critic follows, and the replay learns how the agent sees its steps now.

        Here, because checkpoints are saved before Lightning calls `on_train_batch_end` of a module.
        """
        super().optimizer_step(*args, **kwargs)
        self.network.update_slow_critic(self.slow_rate)
        if self._memory is not None:
            self.data.replay.write_back(self._places, self._memory)

    def setup(self, stage: str) -> None:
        """Compile the steps of the recurrent model, if asked."""
        if self.settings.compile:
            rssm = self.network.rssm
            rssm.advance = torch.compile(rssm.advance)  # type: ignore[method-assign]

    @classmethod
    def own_loggers(cls, folder: Path) -> list[Logger]:
        """The published code's files in a run's version folder."""
        return [JsonlLogger(folder)]

    def configure_callbacks(self) -> list[Callback]:
        """Return what tells of scores."""
        told: list[Callback] = [AgentLog()] if self.trainer.state.fn == TrainerFn.FITTING else []
        return [*super().configure_callbacks(), *told]

    def on_train_batch_end(self, *args: Any) -> None:
        """End when enough steps were taken."""
        if self.data.is_over:
            self.trainer.should_stop = True

    # ---- judging: episodes of games that it is not trained on

    def validation_step(self, batch: int, batch_idx: int) -> None:
        """Play one episode; its score is logged as ``val/score``."""
        self._judge("val", batch)

    def test_step(self, batch: int, batch_idx: int) -> None:
        """Play one episode; its score is logged as ``test/score``."""
        self._judge("test", batch)

    def _judge(self, split: str, number: int) -> None:
        played = episode(self.network, self.data.judged_game, 1_000_000 + number, self.greedy)
        figures = {f"{split}/score": played.score, f"{split}/length": float(played.length)}
        self.log_dict(figures, on_step=False, on_epoch=True, batch_size=1)

    # ---- what it imagines

    def prepare_predict(self, rollout: dict[str, Any]) -> int:
        """Take the settings of rollouts; the clips are played, not read, so they need no frames."""
        self.rollout = rollout
        return 0

    def predict_step(self, batch: int, batch_idx: int) -> OpenLoop:
        """Play episodes of which `batch` is the first one's seed, and imagine how they go on."""
        settings = self.rollout
        context, number = settings.get("context_frames") or CONTEXT, settings.get("num_clips", 8)
        length = context + settings.get("horizon", 8)
        steps = played_windows(self.network, self.data.judged_game, number, length, batch, self.greedy)
        given = min(context, (steps.rewards.shape[1] - 1) // 2)
        return open_loop(self.network, steps, given, self.loss_settings.discount)

    # ---- optimizer

    def build_optimizer(self) -> torch.optim.Optimizer:
        """Return LaProp."""
        params = [param for param in self.network.parameters() if param.requires_grad]
        own = self.settings
        return LaProp(params, own.learning_rate, (self.beta1, own.beta2), clip=self.clip)

    def build_schedule(self, optimizer: torch.optim.Optimizer) -> torch.optim.lr_scheduler.LRScheduler:
        """Return a linear warm-up."""
        warmup = max(self.warmup_steps, 1)
        return torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: min((step + 1) / warmup, 1.0))

    # ---- checkpoints

    def checkpoint_meta(self) -> dict[str, Any]:
        """What a checkpoint says about itself: the task, and how far it has come, besides what others say."""
        data = self.data
        return {
            **super().checkpoint_meta(),
            "task": data.asked_task,
            "env_kwargs": dict(data.env_kwargs or {}),
            "env_steps": data.env_steps,
            "frames_per_step": data.frames_per_step,
            "action_names": data.action_names,
        }
