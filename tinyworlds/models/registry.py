"""The one table of stages: what belongs to each, under which names. Another stage is one entry here.

Classes are named as text, so that the command line can ask without importing torch.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tinyworlds.models.base import Network


@dataclass(frozen=True)
class StageSpec:
    """Facts of one stage.

    Attributes:
        name: of the stage in checkpoints and messages, and of its folder in a run.
        network: class of its network, with its module where that is not `tinyworlds.models`.
        module: class of its LightningModule, likewise, where that is not `tinyworlds.training.stages`.
        part: the network's name in a world, and of the option by which a later stage is told its checkpoint.
        config_suffix: last part of its configs' file names, as in ``zelda_tokenizer.yaml``.
        option: of commands that take a checkpoint of each stage, as in ``--tokenizer FILE``.
        v1_names: what the original program calls it in names of files and folders, beside `name`.
        partners: stages whose trained networks it is trained on.
        optional: whether a world can do without it.
        data: class of what it is trained on.
        resolver: function that fills in its settings, see `tinyworlds.fit.resolve.resolve`.
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
    data: str = "tinyworlds.data.H5DataModule"
    resolver: str = "tinyworlds.fit.resolve.resolve"


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

AGENT = StageSpec(
    name="agent",
    network="tinyworlds.dreamer.agent.Agent",
    module="tinyworlds.dreamer.stage.DreamerStage",
    part="agent",
    config_suffix="agent",
    option="agent",
    data="tinyworlds.dreamer.data.ReplayDataModule",
    resolver="tinyworlds.dreamer.resolve.resolve",
)
"""The one stage of the second kind of world model."""

STAGES = {spec.name: spec for spec in _SPECS}
"""The stages of a world by name, in the order in which they are trained."""

ALL_STAGES = {**STAGES, AGENT.name: AGENT}
"""Whatever is trained by itself and has checkpoints."""

INFERRED = ("latent", "anchored")
"""Kinds of actions that a network reads off the frames; see `tinyworlds.world.info.ActionKind`."""

STAGE_OF_PART = {spec.part: spec.name for spec in _SPECS}
"""Name of a network in a world to its stage."""


def network_class(stage: str) -> Callable[..., Network]:
    """Return the class of a stage's network."""
    return named(ALL_STAGES[stage].network, "tinyworlds.models")


def named(path: str, package: str = "") -> Any:
    """Return the class or function of a path; without a module of its own it lies in `package`."""
    module, _, name = path.rpartition(".")
    return getattr(importlib.import_module(module or package), name)


def spec_of_module(class_path: str) -> StageSpec | None:
    """Return the stage whose LightningModule has a class path, or the last part of one; None for others."""
    name = class_path.rpartition(".")[2]
    return next((spec for spec in ALL_STAGES.values() if spec.module.rpartition(".")[2] == name), None)
