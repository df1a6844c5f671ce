"""The sizes that are measured, and networks of them: the reference's, ours with the same weights, v2.

    size = find_size("sonic")
    theirs = references(size)
    ours = same_weights(size, theirs)

Networks come by stage: video_tokenizer, latent_actions, dynamics.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tinyworlds.bench import reference
from tinyworlds.bench.pattern import moving_frames
from tinyworlds.checkpoints import v1_keys
from tinyworlds.errors import ConfigError, did_you_mean
from tinyworlds.media.pixels import frames_to_input
from tinyworlds.models.base import Network
from tinyworlds.models.registry import STAGES, network_class

Networks = Mapping[str, Any]
"""Networks by stage, the reference's or ours: of three classes, and then of three others."""

_V1_BLOCKS = {"video_tokenizer": 4, "latent_actions": 2, "dynamics": 8}


@dataclass(frozen=True)
class Size:
    """Sizes of the three networks, of a training window, and of a step of play.

    Attributes:
        context_frames: frames of a training window.
        play_context: past frames that a step of play sees.
        num_steps: decoding steps of a frame.
        num_blocks: by stage.
    """

    name: str
    frame_size: int
    patch_size: int = 4
    embed_dim: int = 32
    num_heads: int = 8
    hidden_dim: int = 128
    num_actions: int = 16
    latent_dim: int = 5
    num_bins: int = 4
    context_frames: int = 4
    play_context: int = 2
    num_steps: int = 10
    num_blocks: Mapping[str, int] = field(default_factory=lambda: dict(_V1_BLOCKS))

    @property
    def num_patches(self) -> int:
        """Codes of a frame."""
        return (self.frame_size // self.patch_size) ** 2

    @property
    def config(self) -> dict[str, Any]:
        """As a public checkpoint states it."""
        shared = (
            "frame_size",
            "patch_size",
            "embed_dim",
            "num_heads",
            "hidden_dim",
            "latent_dim",
            "num_bins",
        )
        return {name: getattr(self, name) for name in shared} | {
            "num_blocks": dict(self.num_blocks),
            "n_actions": self.num_actions,
            "context_length": self.context_frames,
        }


SIZES = {
    size.name: size
    for size in (
        Size("sonic", frame_size=64),
        Size("zelda", frame_size=128),
        Size(
            "tiny",
            frame_size=16,
            embed_dim=16,
            num_heads=4,
            hidden_dim=24,
            num_actions=4,
            latent_dim=3,
            num_steps=4,
            num_blocks={"video_tokenizer": 1, "latent_actions": 1, "dynamics": 2},
        ),
    )
}
"""Sonic and Zelda are the sizes of public weights; tiny is for tests."""


def find_size(name: str) -> Size:
    """The size called `name`.

    Raises:
        ConfigError: there is none.
    """
    if name not in SIZES:
        raise ConfigError(f"'{name}' is no size.{did_you_mean(name, SIZES)} There are: {', '.join(SIZES)}")
    return SIZES[name]


def references(size: Size, seed: int = 0, lively: bool = False) -> dict[str, Any]:
    """Fresh reference networks.

    Args:
        size: of them.
        seed: of their weights.
        lively: make the dynamics answer every place with a code of its own, see `enliven`.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        networks: dict[str, Any] = {
            stage: reference.build(stage, size.config) for stage in reference.NETWORKS
        }
    if lively:
        enliven(networks["dynamics"], networks["video_tokenizer"], size)
    return networks


def same_weights(size: Size, theirs: Networks) -> dict[str, Network]:
    """Our networks with the weights of the reference's, in eval mode."""
    networks = {}
    for stage, network in theirs.items():
        state = network.state_dict()
        ours = network_class(stage)(**v1_keys.network_config(stage, size.config, state))
        ours.load_state_dict(v1_keys.rename(stage, state), strict=True)
        networks[stage] = ours.eval()
    return networks


def v2_networks(size: Size, seed: int = 0) -> dict[str, Network]:
    """Fresh networks of the default architecture, of the same sizes."""
    shared = {name: getattr(size, name) for name in ("embed_dim", "num_heads", "hidden_dim")}
    frames = {"frame_size": size.frame_size, "patch_size": size.patch_size}
    codes = {"latent_dim": size.latent_dim, "num_bins": size.num_bins}
    own: dict[str, dict[str, Any]] = {
        "video_tokenizer": frames | codes,
        "latent_actions": frames | {"num_actions": size.num_actions},
        "dynamics": codes
        | {
            "num_patches": size.num_patches,
            "num_actions": size.num_actions,
            "context_frames": size.context_frames,
        },
    }
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return {
            stage: network_class(stage)(**shared | own[stage] | {"num_blocks": size.num_blocks[stage]}).eval()
            for stage in STAGES
        }


_GAINS = {
    "q_proj": 4.0,  # each place looks at few others
    "k_proj": 4.0,
    "spatial_attn.out_proj": 0.5,  # and is not drowned by what all places share
    "temporal_attn.out_proj": 3.0,  # its own past counts
    "w_o": 2.0,
    "to_gamma_beta": 0.3,  # an action changes some answers, not all
}


@torch.no_grad()
def enliven(
    dynamics: reference.ReferenceDynamics, tokenizer: reference.ReferenceTokenizer, size: Size
) -> None:
    """Change fresh weights so that answers hang on the place, the past, the actions and what was revealed.

    Untrained dynamics answer every place with the same code: what all places have in common outweighs the
    rest. Decoders could then agree by doing nothing right.
    """
    for name, weight in dynamics.named_parameters():
        gains = [gain for part, gain in _GAINS.items() if part in name]
        if weight.ndim > 1 and gains:
            weight.mul_(gains[0])
    ids = tokenizer.encode(clips(size, batch=2))
    latents = dynamics.vectors(ids)
    latents[:, -1] = dynamics.mask_token
    actions = torch.arange(2 * (size.context_frames - 1)).reshape(2, -1) % size.num_actions
    vectors = reference.code_vectors(actions, 2, dynamics.cond_dim)
    dynamics.output_mlp.bias.sub_(dynamics(latents, vectors)[:, -1].mean(dim=(0, 1)))


def clips(size: Size, batch: int) -> Tensor:
    """A batch of training clips, float32 [B, T, C, H, W] in [-1, 1]."""
    frames = [moving_frames(97 * i, size.context_frames, size.frame_size) for i in range(batch)]
    return frames_to_input(torch.from_numpy(np.stack(frames)))
