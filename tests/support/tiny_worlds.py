"""A world of untrained networks of 16 px, and its file with something changed."""

import json

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from tinyworlds.api import World
from tinyworlds.models import DynamicsModel, LatentActionModel, VideoTokenizer
from tinyworlds.world.info import WorldInfo
from tinyworlds.world.start_clips import StartClips

SIZES = {
    "frame_size": 16,
    "patch_size": 4,
    "embed_dim": 16,
    "num_heads": 2,
    "hidden_dim": 24,
    "num_blocks": 1,
}


def tiny_world(architecture="v2", actions="latent", **settings):
    torch.manual_seed(0)
    tokenizer = VideoTokenizer(**SIZES, latent_dim=2, num_bins=4, architecture=architecture)
    sizes = {name: SIZES[name] for name in ("embed_dim", "num_heads", "hidden_dim", "num_blocks")}
    dynamics = DynamicsModel(
        num_patches=16, latent_dim=2, num_bins=4, num_actions=4, architecture=architecture, **sizes
    )
    latent = (
        LatentActionModel(**SIZES, num_actions=4, architecture=architecture) if actions == "latent" else None
    )
    info = WorldInfo(
        game="tiny",
        fps=15.0,
        key_map={"left": 1},
        action_names=("noop", "left"),
        idle_action=2,
        actions=actions,
    )
    rng = np.random.default_rng(0)
    clips = rng.integers(0, 256, (3, 3, 16, 16, 3), np.uint8)
    starts = StartClips(clips, rng.integers(0, 4, (3, 2)) if actions == "labels" else None)
    return World(tokenizer, dynamics, latent, info=info, start_clips=starts, **settings)


def change(file, tensors=None, **header):
    """Rewrite a world with some things changed."""
    with safe_open(file, framework="pt") as opened:
        known = json.loads(opened.metadata()["tinyworlds"])
    contents = {**load_file(file), **(tensors or {})}
    save_file(contents, file, metadata={"tinyworlds": json.dumps({**known, **header})})
