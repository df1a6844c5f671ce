"""The three training stages: a LightningModule each, with steps, logging and the optimizer only."""

from tinyworlds.stages.base import Stage
from tinyworlds.stages.dynamics import DynamicsStage
from tinyworlds.stages.latent_actions import LatentActionsStage
from tinyworlds.stages.video_tokenizer import VideoTokenizerStage

__all__ = ["DynamicsStage", "LatentActionsStage", "Stage", "VideoTokenizerStage"]
