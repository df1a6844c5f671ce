"""What a page has to know of a world (``world.json``), and the one file of its weights and start clips."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tinyworlds.checkpoints.packing import Weights
from tinyworlds.errors import ConfigError
from tinyworlds.keys import Command, complete_key_map, key_hints, session_commands
from tinyworlds.media.pixels import frames_to_input
from tinyworlds.models.maskgit import halton_ranks, schedule
from tinyworlds.models.registry import STAGE_OF_PART
from tinyworlds.nn.attention import Attention
from tinyworlds.nn.kernels.wasm import HEAD_WIDTHS
from tinyworlds.nn.moe import MixtureOfExperts
from tinyworlds.play.browser.messages import world_text
from tinyworlds.play.web.image import NetworkPart, network_part, weights_of
from tinyworlds.world.core import WorldCore
from tinyworlds.world.file import own_classes

_NOT_IN_A_PAGE = ("quit", "record")


@dataclass(frozen=True)
class WebWorld:
    """A world as files of a page.

    Attributes:
        name: of its folder.
        title: of its page.
        facts: for the page, plain.
        data: its weights and the codes of its start clips.
        picture: of a start, uint8 [H, W, 3].
    """

    name: str
    title: str
    facts: dict[str, Any]
    data: bytes
    picture: np.ndarray


def check_plays(world: WorldCore, name: str) -> None:
    """Raise ConfigError for a world that no page can play.

    Args:
        world: the world.
        name: what it is called in the message.
    """
    networks = [each for part in STAGE_OF_PART if (each := getattr(world, part)) is not None]
    reasons = {
        "its networks are of the first architecture (v1), and pages play v2": not world.tokenizer.per_frame
        or world.dynamics.joint_horizon,
        "it has a mixture of experts, which has no kernel for pages": any(
            isinstance(layer, MixtureOfExperts) for each in networks for layer in each.modules()
        ),
        "a network of it is of a class of your own": bool(own_classes(world)),
        "it stores no start clips: put some in with `tinyworlds convert IN OUT.world --data GAMEPLAY.h5`": (
            not world.start_clips
        ),
        "pages draw from all codes or by --top_p, not by top_k": world.sampling.top_k is not None,
        "its pictures are not in colour": world.frame_shape[2] != 3,
    }
    for reason, holds in reasons.items():
        if holds:
            raise ConfigError(f"{name} cannot be played in a page: {reason}")
    for network in (world.tokenizer.decoder, world.dynamics):
        for layer in network.modules():
            if isinstance(layer, Attention) and layer.head_dim not in HEAD_WIDTHS:
                widths = ", ".join(map(str, HEAD_WIDTHS))
                raise ConfigError(
                    f"{name} cannot be played in a page: its heads have {layer.head_dim} channels, and "
                    f"there are kernels for {widths}"
                )


@torch.inference_mode()
def web_world(world: WorldCore, name: str, weights: Weights) -> WebWorld:
    """Return a world as a page plays it.

    Args:
        world: one that `check_plays`.
        name: of its folder.
        weights: how its weights are packed.
    """
    context = min(world.context_frames, world.start_clips.frames.shape[1])
    ids, actions = _clips(world)
    dynamics = network_part(
        weights_of(world.dynamics, "outcomes"), world.dynamics.transformer, weights, context + 1
    )
    decoder = network_part(
        weights_of(world.tokenizer.decoder), world.tokenizer.decoder.transformer, weights, 1
    )
    parts, data = _joined({"dynamics": dynamics, "decoder": decoder})
    clips = {"from": len(data), "frames": ids.shape[1], "actions": actions}
    data += ids.numpy().astype("<u2").tobytes()
    title = f"TinyWorlds {world.game}".strip()
    facts = {
        "says": json.loads(_says(world, title)),
        "keys": complete_key_map(world.key_map, world.num_actions),
        "idle": world.idle_action,
        "listens": world.info.actions != "none",
        "context": context,
        "sampling": _sampling(world, ids.shape[2]),
        "sureness": _sureness(world),
        **{name: world.tokenizer.config[name] for name in ("frame_size", "patch_size")},
        "channels": world.frame_shape[2],
        "codes": {
            "count": world.tokenizer.num_codes,
            "bins": world.tokenizer.config["num_bins"],
            "latents": world.tokenizer.config["latent_dim"],
        },
        "bytes": len(data),
        **parts,
        "clips": clips,
    }
    return WebWorld(name, title, facts, data, world.start_clips.frames[0, context - 1])


def _clips(world: WorldCore) -> tuple[Tensor, list[list[int]]]:
    """Codes of the start clips, int64 [n, T, P], and the actions between their frames."""
    clips = world.start_clips
    ids, actions = [], []
    for i in range(len(clips)):
        frames = frames_to_input(torch.from_numpy(clips.frames[i : i + 1]).to(world.device))
        ids.append(world.tokenizer.encode(frames).cpu())
        between = world.actions_between(frames, None if clips.actions is None else clips.actions[i : i + 1])
        actions.append([0] * (clips.frames.shape[1] - 1) if between is None else between[0].tolist())
    return torch.cat(ids), actions


def _joined(parts: dict[str, NetworkPart]) -> tuple[dict[str, Any], bytes]:
    """The parts' facts, with where each begins in the file, and the file."""
    facts, data = {}, b""
    for name, part in parts.items():
        facts[name] = {"from": len(data), **part.facts}
        data += part.data
    return facts, data


def _says(world: WorldCore, title: str) -> str:
    """What the server of a session would tell the page of this world."""
    keys = {
        key: hint.action
        for hint in key_hints(complete_key_map(world.key_map, world.num_actions), world.action_names)
        for key in hint.keys
    }
    return world_text(title, world.fps, world.action_names, keys, world.notes, page_commands(world))


def page_commands(world: WorldCore) -> tuple[Command, ...]:
    """The commands of a session that a page by itself has, too: there nothing is recorded, nothing ends."""
    return tuple(each for each in session_commands(world.key_map) if each.name not in _NOT_IN_A_PAGE)


def _sampling(world: WorldCore, places: int) -> dict[str, Any]:
    """How a frame is decoded; `counts` are codes that passes reveal, `order` ranks of places, if fixed."""
    sampling = world.sampling
    return {
        "num_steps": sampling.num_steps,
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "counts": schedule(sampling.schedule, places, sampling.num_steps),
        "order": halton_ranks(places) if sampling.schedule == "halton" else None,
        "ranks_drawn": world.dynamics.ranks_drawn_codes,
    }


def _sureness(world: WorldCore) -> dict[str, Any] | None:
    usual = world.usual_sureness
    if usual is None:
        return None
    return {name: value for name, value in dataclasses.asdict(usual).items() if name != "sampling"}
