"""The recorded cases of the original program: weights, inputs, outputs."""

import json
from functools import lru_cache

import numpy as np
import torch
from paths import PARITY

from tinyworlds.checkpoints import v1_keys
from tinyworlds.models import DynamicsModel, LatentActionModel, VideoTokenizer

MOE_FILES = sorted((PARITY / "moe").glob("*.pth"))
CASES = ("pong_small", "sonic_size", "moe")


NETWORKS = {"video_tokenizer": VideoTokenizer, "latent_actions": LatentActionModel, "dynamics": DynamicsModel}


TOLERANCE = {"rtol": 1e-4, "atol": 1e-4}


def read(case, stage):
    """The weights and settings in a checkpoint."""
    path = next((PARITY / case).glob(f"*{stage}_step_*"))
    if path.is_dir():
        config = json.loads((PARITY / case / "config.json").read_text())
        return torch.load(path / "model_state_dict.pt", weights_only=True), config
    content = torch.load(path, weights_only=True)
    return content["model"], content["config"]


@lru_cache
def network(case, stage):
    state, config = read(case, stage)
    built = NETWORKS[stage](**v1_keys.network_config(stage, config, state))
    built.load_state_dict(v1_keys.rename(stage, state), strict=True)
    return built.eval().requires_grad_(False)


@lru_cache
def recorded(case):
    return {key: torch.from_numpy(value) for key, value in np.load(PARITY / case / "io.npz").items()}


def frames_of(case):
    return recorded(case)["frames"].float() / 127.5 - 1


def thinned(pictures):
    return pictures[..., ::4, 1::4]


def content_of(path):
    return torch.load(path, weights_only=True)
