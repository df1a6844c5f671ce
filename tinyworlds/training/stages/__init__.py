"""The three training stages: a LightningModule each, with steps, logging and the optimizer only."""

from tinyworlds.models.registry import STAGES
from tinyworlds.training.stages.base import Stage
from tinyworlds.training.stages.dynamics import DynamicsStage
from tinyworlds.training.stages.latent_actions import LatentActionsStage
from tinyworlds.training.stages.video_tokenizer import VideoTokenizerStage

STAGE_CLASSES: dict[str, type[Stage]] = {name: globals()[spec.module] for name, spec in STAGES.items()}
"""The LightningModules by name of their stage, in the order of training."""

__all__ = ["STAGE_CLASSES", "DynamicsStage", "LatentActionsStage", "Stage", "VideoTokenizerStage"]
