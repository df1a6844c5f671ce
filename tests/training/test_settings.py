"""The settings that the stages share: one list, without a group of their own for users."""

from dataclasses import fields
from inspect import signature

import pytest

from tinyworlds import DynamicsStage, LatentActionsStage, VideoTokenizerStage
from tinyworlds.errors import ConfigError
from tinyworlds.training.settings import TrainingSettings

STAGES = {VideoTokenizerStage: 1e-3, LatentActionsStage: 1e-4, DynamicsStage: 1e-2}
NAMES = [field.name for field in fields(TrainingSettings)]
SMALL = {"embed_dim": 16, "num_heads": 2, "hidden_dim": 16, "num_blocks": 1}


@pytest.mark.parametrize("stage", STAGES)
def test_constructors_take_them_one_by_one(stage: type) -> None:
    parameters = signature(stage).parameters
    assert "training" not in parameters
    assert [name for name in parameters if name in NAMES] == NAMES
    assert parameters["learning_rate"].default == STAGES[stage]
    built = stage(beta2=0.95, **SMALL)
    assert built.settings == TrainingSettings(STAGES[stage], beta2=0.95)


def test_hyper_parameters_build_the_same_stage() -> None:
    stage = DynamicsStage(num_actions=2, weight_decay=0.2, context_frames=3, **SMALL)
    assert {"weight_decay": 0.2, "context_frames": 3, "cache_codes": True}.items() <= stage.hparams.items()
    again = DynamicsStage(**stage.hparams)
    assert again.settings == stage.settings
    assert again.network.config == stage.network.config


@pytest.mark.parametrize(
    ("name", "value"), [("learning_rate", -1.0), ("beta2", 1.0), ("final_fraction", 1.5), ("ema_decay", 1.0)]
)
def test_a_setting_out_of_range_is_named(name: str, value: float) -> None:
    with pytest.raises(ConfigError, match=f"{name} must be at least 0"):
        VideoTokenizerStage(**{name: value})
