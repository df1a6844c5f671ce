"""Parts of the v2 latent action model: for now those of v1."""

from tinyworlds.models.latent_actions_v1 import build

__all__ = ["build"]
