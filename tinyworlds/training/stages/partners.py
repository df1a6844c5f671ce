"""The frozen tokenizer and action model that dynamics are trained on: found, loaded, and checked to fit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import torch

from tinyworlds.checkpoints.load import CheckpointInfo, fingerprint
from tinyworlds.checkpoints.run_folder import default_run
from tinyworlds.checkpoints.search import Located, find_newest, locate
from tinyworlds.data.trained_on import TRAINED_ON_KEY, TrainedOn, read_trained_on
from tinyworlds.errors import CheckpointError, ConfigError
from tinyworlds.models import LatentActionModel, VideoTokenizer
from tinyworlds.models.base import Network
from tinyworlds.models.fit import check_settings
from tinyworlds.models.registry import INFERRED, STAGES
from tinyworlds.system.known_paths import remember
from tinyworlds.world.info import ACTION_KINDS

DEFAULT_SIZES = {"frame_size": 64, "patch_size": 4, "latent_dim": 5, "num_bins": 4}
"""What dynamics assume while no tokenizer is known."""


N = TypeVar("N", bound=Network)


@dataclass(frozen=True)
class Partner(Generic[N]):
    """A trained network, where it came from, and what it was trained on, if that was noted."""

    network: N
    path: str
    fingerprint: str
    trained_on: TrainedOn | None = None

    @property
    def meta(self) -> dict[str, str]:
        """What the checkpoint of the dynamics notes about this partner."""
        return {"path": self.path, "fingerprint": self.fingerprint}


Partners = tuple[Partner[VideoTokenizer], Partner[LatentActionModel] | None]


def check_action_kind(actions: str) -> None:
    """Raise a ConfigError unless `actions` is one of :data:`ACTION_KINDS`."""
    if actions not in ACTION_KINDS:
        raise ConfigError(f"actions must be one of {', '.join(ACTION_KINDS)}, got '{actions}'")


def sizes_from(tokenizer: str | None, given: dict[str, int | None]) -> dict[str, int]:
    """Return frame_size, patch_size, latent_dim, num_bins: as given, else the tokenizer's, else defaults.

    Raises:
        CheckpointError: a given size is not the tokenizer's.
    """
    sizes = dict(DEFAULT_SIZES)
    if tokenizer is not None:
        # built, not just read: what it draws at random comes before the weights of the dynamics, so that
        # without it the same seed would train another network
        config = locate(tokenizer, "video_tokenizer").network.config
        sizes = {key: config[key] for key in DEFAULT_SIZES}
        check_settings(f"the tokenizer {tokenizer}", sizes, {k: v for k, v in given.items() if v is not None})
    return {key: value if value is not None else sizes[key] for key, value in given.items()}


def find_partner(
    run: str | Path,
    stage: str,
    say: Callable[[str], None] = print,
    weights: str | None = None,
) -> Located:
    """Return the newest valid checkpoint of `stage` in the run folder and say which it is.

    Raises:
        CheckpointError: there is none.
    """
    checkpoint = find_newest(run, stage, say, weights=weights)
    if checkpoint is None:
        which = f" with fingerprint {weights}" if weights else ""
        raise CheckpointError(
            f"dynamics need a checkpoint of {stage}{which} and {Path(run) / stage} holds no valid one; "
            f"train that stage first or name one with --model.{STAGES[stage].part} FILE"
        )
    say(f"{stage}: using {checkpoint.path}")
    return checkpoint


def noted_partner(info: CheckpointInfo, option: str) -> tuple[str, str] | None:
    """Return (path, fingerprint) of the partner that a checkpoint of dynamics names, if it does."""
    partner = info.meta.get("partners", {}).get(option)
    return (partner["path"], partner["fingerprint"]) if partner else None


def check_same_partner(partner: Partner[Any], option: str, noted_path: str, noted_fingerprint: str) -> None:
    """Raise a CheckpointError unless `partner` is the network that dynamics were trained with."""
    if partner.fingerprint != noted_fingerprint:
        raise CheckpointError(
            f"these dynamics were trained with {option} {noted_path} ({noted_fingerprint}), not with "
            f"{partner.path} ({partner.fingerprint}): name the former with --model.{option}"
        )


def load_partner(checkpoint: Located, kind: type[N], device: torch.device | str = "cpu") -> Partner[N]:
    """Load a partner, a network of class `kind`, frozen, onto `device`."""
    network = checkpoint.network.to(device)
    assert isinstance(network, kind)
    remember([str(checkpoint.path)])  # the dynamics' checkpoint will name it
    noted = read_trained_on(checkpoint.info.meta.get(TRAINED_ON_KEY))
    return Partner(network, str(checkpoint.path), fingerprint(network), noted)


def load_partners(
    tokenizer: str | None, latent_actions: str | None, actions: str, game: str, device: torch.device
) -> Partners:
    """Load the tokenizer and, for latent actions, the action model; None means the newest of the game.

    Raises:
        CheckpointError: one is missing or the two do not fit each other.
        ConfigError: anchored actions are asked for, and the action model is not anchored.
    """

    def load(path: str | None, stage: str, kind: type[N]) -> Partner[N]:
        checkpoint = locate(path, stage) if path is not None else find_partner(default_run(game), stage)
        return load_partner(checkpoint, kind, device)

    first = load(tokenizer, "video_tokenizer", VideoTokenizer)
    if actions not in INFERRED:
        return first, None
    second = load(latent_actions, "latent_actions", LatentActionModel)
    if actions == "anchored" and not second.network.anchored:
        raise ConfigError(
            f"--model.actions anchored: the action model {second.path} was trained without labels; train it "
            "with --model.label_share, or use latent"
        )
    frame_size = {"frame_size": first.network.config["frame_size"]}
    check_settings(
        f"the action model {second.path} beside the tokenizer {first.path}", second.network.config, frame_size
    )
    return first, second
