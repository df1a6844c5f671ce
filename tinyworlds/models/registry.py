"""The one table of stages: what belongs to each, under which names. A fourth stage is one entry here.

Classes are named as text, so that the command line can ask without importing torch.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tinyworlds.models.base import Network


@dataclass(frozen=True)
class StageSpec:
    """Facts of one stage.

    Attributes:
        name: of the stage in checkpoints and messages, and of its folder in a run.
        network: class of its network, in `tinyworlds.models`.
        module: class of its LightningModule, in `tinyworlds.training.stages`.
        part: the network's name in a world, and of the option by which a later stage is told its checkpoint.
        config_suffix: last part of its configs' file names, as in ``zelda_tokenizer.yaml``.
        option: of commands that take a checkpoint of each stage, as in ``--tokenizer FILE``.
        v1_names: what the original program calls it in names of files and folders, beside `name`.
        partners: stages whose trained networks it is trained on.
        optional: whether a world can do without it.
    """

    name: str
    network: str
    module: str
    part: str
    config_suffix: str
    option: str
    v1_names: tuple[str, ...] = ()
    partners: tuple[str, ...] = ()
    optional: bool = False


_SPECS = (
    StageSpec(
        name="video_tokenizer",
        network="VideoTokenizer",
        module="VideoTokenizerStage",
        part="tokenizer",
        config_suffix="tokenizer",
        option="tokenizer",
    ),
    StageSpec(
        name="latent_actions",
        network="LatentActionModel",
        module="LatentActionsStage",
        part="latent_actions",
        config_suffix="latent_actions",
        option="actions",
        v1_names=("actions", "lam", "action_tokenizer"),
        optional=True,  # dynamics may take true actions, or none
    ),
    StageSpec(
        name="dynamics",
        network="DynamicsModel",
        module="DynamicsStage",
        part="dynamics",
        config_suffix="dynamics",
        option="dynamics",
        partners=("video_tokenizer", "latent_actions"),
    ),
)

STAGES = {spec.name: spec for spec in _SPECS}

INFERRED = ("latent", "anchored")
"""Kinds of actions that a network reads off the frames; see `tinyworlds.world.info.ActionKind`."""
"""The stages by name, in the order in which they are trained."""

STAGE_OF_PART = {spec.part: spec.name for spec in _SPECS}
"""Name of a network in a world to its stage."""


def network_class(stage: str) -> Callable[..., Network]:
    """Return the class of a stage's network."""
    return getattr(importlib.import_module("tinyworlds.models"), STAGES[stage].network)
