"""The networks: plain ``nn.Module``s that know nothing of files, training or windows."""

from tinyworlds.models.dynamics import DynamicsModel
from tinyworlds.models.latent_actions import LatentActionModel
from tinyworlds.models.video_tokenizer import VideoTokenizer

__all__ = ["DynamicsModel", "LatentActionModel", "VideoTokenizer"]
