"""Run folders of untrained networks, written as the stages write them."""

from pathlib import Path

import torch
import yaml

from tinyworlds.checkpoints.load import META_KEY, fingerprint
from tinyworlds.models import DynamicsModel, LatentActionModel, VideoTokenizer
from tinyworlds.system.known_paths import remember

SIZES = {"embed_dim": 16, "num_heads": 2, "hidden_dim": 24, "num_blocks": 1}


def save_stage(run: Path, stage: str, network, step=1, name="last", version=0, **meta) -> Path:
    """Write what a stage writes."""
    path = run / stage / f"version_{version}" / "checkpoints" / f"{name}.ckpt"
    path.parent.mkdir(parents=True, exist_ok=True)
    about = {"schema_version": 1, "stage": stage, "network": network.config, "game": "sprite", **meta}
    weights = {f"network.{key}": value for key, value in network.state_dict().items()}
    torch.save({META_KEY: about, "state_dict": weights, "global_step": step}, path)
    return path


def networks() -> dict:
    """An untrained network of each stage, by stage."""
    return {
        "video_tokenizer": VideoTokenizer(frame_size=16, patch_size=4, latent_dim=2, num_bins=4, **SIZES),
        "latent_actions": LatentActionModel(frame_size=16, patch_size=4, num_actions=4, **SIZES),
        "dynamics": DynamicsModel(num_patches=16, latent_dim=2, num_bins=4, num_actions=4, **SIZES),
    }


def make_run(run: Path, data: Path | str | None, actions="latent", seed=0, name="last", by_stranger=False):
    if data and not by_stranger:
        remember([str(data)])  # as training does
    torch.manual_seed(seed)
    tokenizer, latent, dynamics = networks().values()
    partners = {}
    named = [("video_tokenizer", "tokenizer", tokenizer), ("latent_actions", "latent_actions", latent)]
    for stage, key, network in named if actions == "latent" else named[:1]:
        path = save_stage(run, stage, network, name=name)
        partners[key] = {"path": str(path), "fingerprint": fingerprint(network)}
    save_stage(run, "dynamics", dynamics, step=7, partners=partners, actions=actions)
    settings = {
        "files": data and [str(data)],
        "game": None,
        "num_frames": 4,
        "batch_size": 99,
        "cache": False,
    }
    (run / "dynamics" / "version_0" / "config.yaml").write_text(yaml.safe_dump({"data": settings}))
    return tokenizer, dynamics
