"""Worlds with start clips, small enough to play thousands of steps in a test."""

import numpy as np
import torch
from fake_networks import FakeActions, FakeDynamics, FakeTokenizer, walk

from tinyworlds.api import World
from tinyworlds.models import DynamicsModel, LatentActionModel, VideoTokenizer
from tinyworlds.world.info import WorldInfo
from tinyworlds.world.start_clips import StartClips

KEYS = {"left": 2, "right": 1, "down": 3}
NAMES = ("stay", "right", "left", "down")


def known_world(game="walk", key_map=KEYS, fps=10.0, num_clips=5, **settings):
    """A bright patch walks over 16x16 frames, exactly as told (see `fake_networks`)."""
    frames, actions = walk(batch=max(num_clips, 1), length=4, seed=3)
    clips = ((frames + 1) * 127.5).round().to(torch.uint8).movedim(-3, -1).numpy()
    info = WorldInfo(game=game, fps=fps, key_map=dict(key_map), action_names=NAMES)
    starts = StartClips(clips, actions[:, :-1].numpy()) if num_clips else None
    return World(FakeTokenizer(), FakeDynamics(), FakeActions(), info=info, start_clips=starts, **settings)


def random_world(seed=0, architecture="v2", num_experts=0, **settings):
    """Real networks that learned nothing: 16x16 frames, four actions, five clips of noise."""
    torch.manual_seed(seed)
    sizes = {"embed_dim": 16, "num_heads": 2, "hidden_dim": 24, "num_blocks": 1}
    sizes["architecture"] = architecture
    frames = {"frame_size": 16, "patch_size": 4}
    tokenizer = VideoTokenizer(latent_dim=2, num_bins=4, **frames, **sizes)
    codes = {"num_patches": 16, "latent_dim": 2, "num_bins": 4, "num_experts": num_experts}
    dynamics = DynamicsModel(num_actions=4, **codes, **sizes)
    with torch.no_grad():
        for weights in dynamics.parameters():  # some begin at zero, and actions would change nothing
            weights += 0.3 * torch.randn_like(weights)
    latent = LatentActionModel(num_actions=4, **frames, **sizes)
    clips = np.random.default_rng(0).integers(0, 256, (5, 3, 16, 16, 3), np.uint8)
    info = WorldInfo(game="noise", fps=15.0, key_map={"left": 1}, idle_action=2)
    return World(tokenizer, dynamics, latent, info=info, start_clips=StartClips(clips), **settings)
