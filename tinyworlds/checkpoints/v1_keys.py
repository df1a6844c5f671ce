"""Public v1 weights: which network they belong to, its settings, and what each weight is called here.

Works on what is in a checkpoint once it is read, and back again; files are the business of
:mod:`tinyworlds.checkpoints.v1_files`.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from typing import Any

from torch import Tensor

from tinyworlds.errors import CheckpointError
from tinyworlds.models.registry import STAGES

STAGE_NAMES = {found: spec.name for spec in STAGES.values() for found in (spec.name, *spec.v1_names)}
"""Names of stages found in file names, and ours."""

# torch.compile, DDP, FSDP, and the attribute that a training class keeps its network in
_WRAPPERS = ("_orig_mod.", "module.", "_fsdp_wrapped_module.", "network.", "model.")
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
_UNSEEN = ("frame_size", "num_heads")
"""Settings that leave no trace in any weight."""


def unwrap(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Drop what ``torch.compile``, DDP and training classes put before names, in any order and number."""
    return {_unwrapped(name): value for name, value in state.items()}


def _unwrapped(name: str) -> str:
    for wrapper in _WRAPPERS:
        if name.startswith(wrapper):
            return _unwrapped(name[len(wrapper) :])
    return name.replace("._orig_mod.", ".")  # parts that were compiled on their own


def find_stage(names: Collection[str]) -> str:
    """Tell the stage from the names of unwrapped weights.

    Raises:
        CheckpointError: They are of none of the three networks.
    """
    for telltale, stage in _TELLTALES.items():
        if telltale in names:
            return stage
    raise CheckpointError(
        f"these {len(names)} weights are of no TinyWorlds network: none is called {' or '.join(_TELLTALES)}; "
        "use another file"
    )


def rename(stage: str, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Name unwrapped weights as our networks do; only those of dynamics differ."""
    return _renamed(stage, state, _RENAMED)


def original_names(stage: str, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Name the weights of a v1 network of ours as the original program does."""
    return _renamed(stage, state, {new: old for old, new in _RENAMED.items()})


def _renamed(stage: str, state: Mapping[str, Tensor], names: Mapping[str, str]) -> dict[str, Tensor]:
    if stage != "dynamics":
        return dict(state)
    renamed = {}
    for name, value in state.items():
        old = next((old for old in names if name.startswith(old)), "")
        renamed[names.get(old, "") + name[len(old) :]] = value
    return renamed


def unseen_settings(config: Mapping[str, Any], stage: str) -> list[str]:
    """Return the settings that `config` lacks and that no weight shows."""
    unseen = (*_UNSEEN, "patch_size") if stage == "dynamics" else _UNSEEN
    return [name for name in unseen if config.get(name) is None]


def network_config(stage: str, config: Mapping[str, Any], state: Mapping[str, Tensor]) -> dict[str, Any]:
    """Translate a checkpoint's flat settings to constructor arguments.

    Sizes that the weights show are read off the weights, since settings are not always stored with them.

    Args:
        stage: One of the three stages.
        config: Flat settings as stored; needs frame_size and num_heads, for dynamics patch_size, too.
        state: Unwrapped weights, under their old or new names.

    Raises:
        CheckpointError: A setting is missing that no weight shows.
    """
    if missing := unseen_settings(config, stage):
        raise CheckpointError(
            f"the checkpoint's settings lack {', '.join(missing)}: use a complete checkpoint."
        )
    read = {"video_tokenizer": _tokenizer, "latent_actions": _latent_actions, "dynamics": _dynamics}[stage]
    state = rename(stage, state)
    shared = {
        "num_heads": int(config["num_heads"]),
        "hidden_dim": _hidden_dim(config, state),
        "num_blocks": _count(state, "blocks"),
        "architecture": "v1",
    }
    return read(config, state) | shared


def original_config(
    stage: str, config: Mapping[str, Any], frame_size: int | None = None, patch_size: int | None = None
) -> dict[str, Any]:
    """Translate constructor arguments of a v1 network to the flat settings of the original program.

    Args:
        stage: One of the three stages.
        config: The network's constructor arguments.
        frame_size: Of the tokenizer, in pixels, for dynamics, which know only the number of patches.
        patch_size: Of the tokenizer, in pixels, for dynamics.

    Raises:
        CheckpointError: The network is no v1 network, so that the original program cannot run it.
    """
    if config.get("architecture") != "v1":
        raise CheckpointError(
            f"the original program runs networks of architecture v1 only; this one of {stage} is "
            f"{config.get('architecture')}: convert it to .safetensors or .world instead"
        )
    names = ("embed_dim", "num_heads", "hidden_dim", "num_blocks")
    settings = {name: config[name] for name in names}
    if stage != "dynamics":
        settings |= {"frame_size": config["frame_size"], "patch_size": config["patch_size"]}
    if stage == "latent_actions":
        return settings | {"n_actions": config["num_actions"]}
    settings |= {"latent_dim": config["latent_dim"], "num_bins": config["num_bins"]}
    return settings if stage == "video_tokenizer" else settings | _of_dynamics(config, frame_size, patch_size)


def _of_dynamics(config: Mapping[str, Any], frame_size: int | None, patch_size: int | None) -> dict[str, Any]:
    side, patch_size = round(config["num_patches"] ** 0.5), patch_size or 4
    num_actions = config["num_actions"]
    return {
        "frame_size": frame_size or side * patch_size,  # only their quotient matters to dynamics
        "patch_size": patch_size,
        "n_actions": num_actions,
        "use_actions": num_actions > 0,
        "conditioning_dim": (num_actions - 1).bit_length() if num_actions else None,
        "context_length": config["context_frames"],
        "use_moe": config["num_experts"] > 0,
        "num_experts": config["num_experts"] or 4,
        "top_k_experts": config["top_k"],
        "moe_aux_loss_coeff": 0.01,
    }


def _tokenizer(config: Mapping[str, Any], state: Mapping[str, Tensor]) -> dict[str, Any]:
    latent_dim, embed_dim = state["encoder.latent_head.1.weight"].shape
    return _frame_sizes(config, state) | {
        "embed_dim": embed_dim,
        "latent_dim": latent_dim,
        "num_bins": _num_bins(config, state),
    }


def _num_bins(config: Mapping[str, Any], state: Mapping[str, Tensor]) -> int:
    """The quantiser's basis is 1, D, D^2, ...; older settings may lack D."""
    basis = state.get("quantizer.basis")
    return int(basis[1]) if basis is not None and len(basis) > 1 else int(config.get("num_bins") or 4)


def _latent_actions(config: Mapping[str, Any], state: Mapping[str, Tensor]) -> dict[str, Any]:
    return _frame_sizes(config, state) | {
        "embed_dim": state["decoder.mask_token"].shape[-1],
        "num_actions": 2 ** state["encoder.action_head.3.weight"].shape[0],
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
        "top_k": int(config.get("top_k_experts") or 2),
        "context_frames": int(config.get("context_length") or 4),
    }


def _frame_sizes(config: Mapping[str, Any], state: Mapping[str, Tensor]) -> dict[str, Any]:
    values = state["encoder.patch_embed.proj.weight"].shape[1]  # of one patch: channels * side * side
    patch_size = int(config.get("patch_size") or math.isqrt(values // 3))
    sizes = {"frame_size": int(config["frame_size"]), "patch_size": patch_size}
    return sizes | {"num_channels": values // patch_size**2}


def _hidden_dim(config: Mapping[str, Any], state: Mapping[str, Tensor]) -> int:
    """As stored, else the rounder of the numbers of which two thirds are the width that the weights show."""
    if config.get("hidden_dim") is not None:
        return int(config["hidden_dim"])
    width = next(value.shape[0] for name, value in state.items() if name.endswith(".w_v.weight"))
    fitting = [hidden for hidden in range(width, 2 * width + 2) if 2 * hidden // 3 == width]
    return max(fitting, key=lambda hidden: hidden & -hidden)  # the highest power of two that divides it


def _count(state: Mapping[str, Tensor], what: str) -> int:
    """How many numbered parts called `what` there are; 0 if none."""
    numbers = [name.split(f"{what}.")[1].split(".")[0] for name in state if f"{what}." in name]
    return max(map(int, numbers), default=-1) + 1
