"""Stage 3: predict the codes of the next frame from those before it and the action."""

from __future__ import annotations

from typing import Any

import torch

from tinyworlds.checkpoints.load import META_KEY
from tinyworlds.checkpoints.run_folder import game_of
from tinyworlds.checkpoints.search import locate
from tinyworlds.data.dataset import Batch
from tinyworlds.errors import ConfigError, DataError
from tinyworlds.models import DynamicsModel, LatentActionModel, VideoTokenizer
from tinyworlds.models.fit import check_settings
from tinyworlds.models.registry import INFERRED
from tinyworlds.nn.norms import ConditionedNorm
from tinyworlds.training.settings import TrainingSettings, flat_training
from tinyworlds.training.stages.base import Losses, Stage, warn_of_trained
from tinyworlds.training.stages.codes.cache import cache_codes
from tinyworlds.training.stages.partners import (
    Partners,
    check_action_kind,
    check_same_partner,
    load_partners,
    sizes_from,
)
from tinyworlds.training.trainer_parts import parts_of
from tinyworlds.world.info import ActionKind
from tinyworlds.world.rollout import RolloutOptions, RolloutResult, open_loop


class DynamicsStage(Stage):
    """Trains a :class:`~tinyworlds.models.DynamicsModel` on codes of a frozen tokenizer.

    Args:
        tokenizer: checkpoint of the tokenizer; None takes the newest valid one of the same game.
        latent_actions: checkpoint of the action model; None takes the newest valid one of the same game.
        actions: "latent" (found by the action model), "anchored" (the same, of a model that was told some
            true ones), "labels" (the true ones in the data) or "none".
        frame_size: must be the tokenizer's; None takes it from there (as the next three).
        patch_size: must be the tokenizer's.
        latent_dim: must be the tokenizer's.
        num_bins: must be the tokenizer's.
        num_actions: how many actions there are; None takes it from the action model (16 without one).
        cache_codes: encode the data once, into a file beside it, and train on the codes.
        training: see :class:`~tinyworlds.training.settings.TrainingSettings`, given one by one.
        network: further arguments of the network.

    Raises:
        CheckpointError: a partner does not fit.
    """

    name = "dynamics"
    picture_callbacks = ("OpenLoopClip", "KeyReadBack")
    predict_callbacks = ("OpenLoopWriter",)
    network: DynamicsModel

    @flat_training(learning_rate=1e-2)
    def __init__(
        self,
        tokenizer: str | None = None,
        latent_actions: str | None = None,
        actions: str = "latent",
        frame_size: int | None = None,
        patch_size: int | None = None,
        latent_dim: int | None = None,
        num_bins: int | None = None,
        num_actions: int | None = None,
        cache_codes: bool = True,
        *,
        training: TrainingSettings,
        **network: Any,
    ) -> None:
        check_action_kind(actions)
        given = {
            "frame_size": frame_size,
            "patch_size": patch_size,
            "latent_dim": latent_dim,
            "num_bins": num_bins,
        }
        sizes = sizes_from(tokenizer, given)
        if num_actions is None and latent_actions is not None and actions in INFERRED:
            # built, as in sizes_from
            num_actions = locate(latent_actions, "latent_actions").network.config["num_actions"]
        super().__init__(
            self.build_network(
                num_patches=_num_patches(sizes["frame_size"], sizes["patch_size"]),
                latent_dim=sizes["latent_dim"],
                num_bins=sizes["num_bins"],
                num_actions=num_actions or 16,
                **network,
            ),
            training,
        )
        if self.network.outcomes is not None and actions != "labels":
            raise ConfigError(
                f"--model.outcomes needs --model.actions labels, not {actions}: what an action earns is "
                "recorded with the true one"
            )
        if actions == "none":
            for module in self.network.modules():
                if isinstance(module, ConditionedNorm):
                    module.requires_grad_(False)  # never used, and DDP waits for every gradient
        self.sizes = sizes
        self.actions: ActionKind = actions  # type: ignore[assignment]  # checked above
        self.cache_codes = cache_codes
        self.paths = (tokenizer, latent_actions)
        self.rollout_options = RolloutOptions()  # of `predict`
        # in a tuple, so that the frozen partners are no submodules: they are neither trained nor saved
        self._partners: Partners | None = None

    def build_network(self, **network: Any) -> DynamicsModel:
        """Return the network; its arguments are settings of the stage. Called before all else."""
        return DynamicsModel(**network)

    @property
    def tokenizer(self) -> VideoTokenizer:
        """The frozen tokenizer."""
        return self._loaded()[0].network

    @property
    def action_model(self) -> LatentActionModel | None:
        """The frozen action model; None where actions are labels or none."""
        partner = self._loaded()[1]
        return partner.network if partner is not None else None

    @property
    def action_kind(self) -> ActionKind:
        """What the dynamics listen to; latent actions of an anchored model are anchored ones."""
        model = self.action_model
        return "anchored" if model is not None and model.anchored else self.actions

    def _loaded(self) -> Partners:
        if self._partners is None:
            data = parts_of(self.trainer).datamodule
            game = game_of(getattr(data, "game", None), getattr(data, "files", None))
            self._partners = load_partners(*self.paths, self.actions, game, self.trainer.strategy.root_device)
        return self._partners

    def setup(self, stage: str) -> None:
        """Load the partners, check that they fit, and encode the training data once unless told not to."""
        super().setup(stage)
        tokenizer, action_model = self._loaded()
        check_settings(f"the tokenizer {tokenizer.path}", tokenizer.network.config, self.sizes)
        if action_model is not None:
            num_actions = {"num_actions": self.network.config["num_actions"]}
            check_settings(f"the action model {action_model.path}", action_model.network.config, num_actions)
        if self.actions == "labels":
            parts_of(self.trainer).datamodule.check_labels(self.network.config["num_actions"])
        if self.network.outcomes is not None:
            parts_of(self.trainer).datamodule.use_outcomes()
        if stage == "fit":
            self._check_held_out()
        if stage == "fit" and self.cache_codes and not parts_of(self.trainer).fast_dev_run:
            cache_codes(self.trainer, tokenizer, action_model)

    def _check_held_out(self) -> None:
        """Say what the partners were trained on of what is held out here, or that nobody knows."""
        for partner in self._loaded():
            if partner is None:
                continue
            warn_of_trained(parts_of(self.trainer).datamodule, f"{partner.path} was", partner.trained_on)
            known = partner.trained_on is not None and partner.trained_on.whole
            if not known and self.trainer.is_global_zero:
                print(
                    f"{partner.path} does not say which frames it was trained on; it may know some of those "
                    "that are held out here"
                )

    def losses(self, batch: Batch) -> Losses:
        """Return the dynamics' losses on the codes of the batch."""
        ids, action_ids = self.codes(batch)
        losses = self.network.loss(ids, action_ids)
        if self.network.outcomes is not None:
            parts = {**batch, "ids": ids}
            windows = [
                torch.cat([parts[name], *([parts[f"more_{name}"]] if f"more_{name}" in parts else [])])
                for name in ("ids", "actions", "rewards", "terminations")
            ]
            terms = self.network.outcomes.loss(*windows)
            losses |= terms | {"loss": losses["loss"] + sum(terms.values())}
        return losses

    @torch.no_grad()
    def codes(self, batch: Batch) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Return code ids [B, T, P] and action ids [B, T-1] (or None), of the batch or of its frames.

        Raises:
            DataError: labels were asked for and the file has none.
        """
        frames = batch.get("frames")
        ids = batch.get("ids")
        if ids is None:
            assert frames is not None
            with torch.autocast(self.device.type, enabled=False):  # codes come out wrong in half precision
                ids = self.tokenizer.encode(frames.float())
        if self.actions == "none":
            return ids, None
        if self.actions == "labels":
            return ids, self._labels(batch)
        action_ids = batch.get("action_ids")
        if action_ids is None:
            assert frames is not None
            assert self.action_model is not None
            with torch.autocast(self.device.type, enabled=False):
                action_ids = self.action_model.encode(frames.float())
        return ids, action_ids

    def _labels(self, batch: Batch) -> torch.Tensor:
        if "actions" not in batch:
            raise DataError(
                "--model.actions labels: the data file holds no actions; use latent, or record them"
            )
        return batch["actions"][:, :-1]

    def prepare_predict(self, rollout: dict[str, Any]) -> int:
        """Take the settings of rollouts; return the frames of a clip with the truth of each dreamt one."""
        self.rollout_options = RolloutOptions(**rollout)
        return self.rollout_options.num_frames(self.network)

    def predict_step(self, batch: Batch, batch_idx: int) -> RolloutResult:
        """Roll the world out from the first frames of each clip; see :mod:`tinyworlds.world.rollout`."""
        options, frames = self.rollout_options, batch["frames"]
        labels = self._labels(batch) if self.actions == "labels" else None
        clips = slice(options.num_clips)
        return open_loop(
            self.tokenizer,
            self.action_model,
            self.network,
            frames[clips],
            options,
            None if labels is None else labels[clips],
        )

    def checkpoint_meta(self) -> dict[str, Any]:
        """Add the partners and how actions were had."""
        tokenizer, action_model = self._loaded()
        partners = {"tokenizer": tokenizer.meta}
        if action_model is not None:
            partners["latent_actions"] = action_model.meta
        return {
            **super().checkpoint_meta(),
            "partners": partners,
            "actions": self.action_kind,
            "sizes": self.sizes,
        }

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Refuse weights that were trained on the codes of another tokenizer or action model."""
        super().on_load_checkpoint(checkpoint)
        if self._trainer is None:
            return  # load_from_checkpoint: the partners are not loaded yet
        partners = checkpoint[META_KEY].get("partners", {})
        for key, partner in zip(("tokenizer", "latent_actions"), self._loaded(), strict=True):
            if partner is not None and key in partners:
                check_same_partner(partner, key, partners[key]["path"], partners[key]["fingerprint"])


def _num_patches(frame_size: int, patch_size: int) -> int:
    if patch_size < 1 or frame_size % patch_size:
        raise ConfigError(f"frame_size {frame_size} must be a multiple of patch_size {patch_size}")
    return (frame_size // patch_size) ** 2
