"""The three training stages: a LightningModule each, with steps, logging and the optimizer only."""

from tinyworlds.training.stages.base import Stage
from tinyworlds.training.stages.dynamics import DynamicsStage
from tinyworlds.training.stages.latent_actions import LatentActionsStage
from tinyworlds.training.stages.video_tokenizer import VideoTokenizerStage

__all__ = ["DynamicsStage", "LatentActionsStage", "Stage", "VideoTokenizerStage"]
