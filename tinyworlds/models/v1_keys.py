"""Public v1 weights: which network they belong to, its settings, and what each weight is called here.

Works on what is in a checkpoint once it is read; reading files is the business of others.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from torch import Tensor

from tinyworlds.errors import CheckpointError

STAGE_NAMES = {
    "video_tokenizer": "video_tokenizer",
    "latent_actions": "latent_actions",
    "actions": "latent_actions",
    "lam": "latent_actions",
    "action_tokenizer": "latent_actions",
    "dynamics": "dynamics",
}
"""Names of stages found in file names, and ours."""

_WRAPPERS = ("_orig_mod.", "module.")  # torch.compile, DDP
_TELLTALES = {
    "encoder.latent_head.1.weight": "video_tokenizer",
    "encoder.action_head.3.weight": "latent_actions",
    "output_mlp.weight": "dynamics",
}
_RENAMED = {
    "mask_token": "token_input.mask_token",
    "latent_embed.": "token_input.latent_embed.",
    "output_mlp.": "output.",
}


def unwrap(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Drop what ``torch.compile`` and DDP put in front of names, in any order and number."""
    return {_unwrapped(name): value for name, value in state.items()}


def _unwrapped(name: str) -> str:
    for wrapper in _WRAPPERS:
        if name.startswith(wrapper):
            return _unwrapped(name[len(wrapper) :])
    return name


def find_stage(names: Collection[str]) -> str:
    """Tell the stage from the names of unwrapped weights.

    Raises:
        CheckpointError: They are of none of the three networks.
    """
    for telltale, stage in _TELLTALES.items():
        if telltale in names:
            return stage
    raise CheckpointError(
        f"these {len(names)} weights are of no TinyWorlds network: none is called {' or '.join(_TELLTALES)}."
    )


def rename(stage: str, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Name unwrapped weights as our networks do; only those of dynamics differ."""
    if stage != "dynamics":
        return dict(state)
    return {_renamed(name): value for name, value in state.items()}


def _renamed(name: str) -> str:
    for old, new in _RENAMED.items():
        if name.startswith(old):
            return new + name[len(old) :]
    return name


def network_config(stage: str, config: Mapping[str, Any], state: Mapping[str, Tensor]) -> dict[str, Any]:
    """Translate a checkpoint's flat settings to constructor arguments.

    Sizes that the weights show are read off the weights, since settings are not always stored with them.

    Args:
        stage: One of the three stages.
        config: Flat settings as stored; needs frame_size, patch_size, num_heads, hidden_dim, num_bins.
        state: Unwrapped weights, under their old or new names.

    Raises:
        CheckpointError: A setting is missing.
    """
    missing = {"frame_size", "patch_size", "num_heads", "hidden_dim"} - set(config)
    if missing:
        raise CheckpointError(
            f"the checkpoint's settings lack {', '.join(sorted(missing))}: use a complete checkpoint."
        )
    read = {"video_tokenizer": _tokenizer, "latent_actions": _latent_actions, "dynamics": _dynamics}[stage]
    state = rename(stage, state)
    shared = {
        "num_heads": int(config["num_heads"]),
        "hidden_dim": int(config["hidden_dim"]),
        "num_blocks": _count(state, "blocks"),
        "architecture": "v1",
    }
    return read(config, state) | shared


def _tokenizer(config: Mapping[str, Any], state: Mapping[str, Tensor]) -> dict[str, Any]:
    latent_dim, embed_dim = state["encoder.latent_head.1.weight"].shape
    return _frame_sizes(config) | {
        "embed_dim": embed_dim,
        "latent_dim": latent_dim,
        "num_bins": int(config.get("num_bins", 4)),
        "num_channels": _num_channels(config, state),
    }


def _latent_actions(config: Mapping[str, Any], state: Mapping[str, Tensor]) -> dict[str, Any]:
    return _frame_sizes(config) | {
        "embed_dim": state["decoder.mask_token"].shape[-1],
        "num_actions": 2 ** state["encoder.action_head.3.weight"].shape[0],
        "num_channels": _num_channels(config, state),
    }


def _dynamics(config: Mapping[str, Any], state: Mapping[str, Tensor]) -> dict[str, Any]:
    embed_dim, latent_dim = state["token_input.latent_embed.weight"].shape
    num_codes = state["output.weight"].shape[0]
    condition = state.get("transformer.blocks.0.spatial_attn.norm.to_gamma_beta.1.weight")
    return {
        "num_patches": (int(config["frame_size"]) // int(config["patch_size"])) ** 2,
        "embed_dim": embed_dim,
        "latent_dim": latent_dim,
        "num_bins": round(num_codes ** (1 / latent_dim)),
        "num_actions": 0 if condition is None else 2 ** condition.shape[1],
        "num_experts": _count(state, "experts"),
        "top_k": int(config.get("top_k_experts", 2)),
        "context_frames": int(config.get("context_length", 4)),
    }


def _frame_sizes(config: Mapping[str, Any]) -> dict[str, Any]:
    return {"frame_size": int(config["frame_size"]), "patch_size": int(config["patch_size"])}


def _num_channels(config: Mapping[str, Any], state: Mapping[str, Tensor]) -> int:
    return state["encoder.patch_embed.proj.weight"].shape[1] // int(config["patch_size"]) ** 2


def _count(state: Mapping[str, Tensor], what: str) -> int:
    """How many numbered parts called `what` there are; 0 if none."""
    numbers = [name.split(f"{what}.")[1].split(".")[0] for name in state if f"{what}." in name]
    return max(map(int, numbers), default=-1) + 1
