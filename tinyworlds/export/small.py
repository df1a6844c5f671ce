"""Small world files: packed weights and clips, what that costs, and a proof that a file is what it was."""

from __future__ import annotations

import dataclasses
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from tinyworlds.checkpoints.packing import WEIGHTS, Weights
from tinyworlds.errors import ConfigError
from tinyworlds.export.build import art_of
from tinyworlds.media.pixels import frames_to_input
from tinyworlds.world.core import WorldCore
from tinyworlds.world.file import load_world, save_world

PROOF_KEY = "proof"
_NUM_PROVED = 8  # clips whose next frame is predicted
_FEWEST_CLIPS = 4


def small_world(world: WorldCore, weights: Weights | None, max_mb: float | None) -> tuple[WorldCore, Weights]:
    """Return the world as a small file keeps it, and the precision of its weights.

    What packing costs and a `proof` are noted in its provenance.

    Args:
        world: the world in full precision; its clips may become fewer.
        weights: how they are kept; None takes the finest that fits.
        max_mb: of the file, in millions of bytes; None for no limit.

    Raises:
        ConfigError: it does not fit, whatever is packed.
    """
    tried: list[float] = []
    counts = [len(world.start_clips)]
    while max_mb is not None and counts[-1] // 2 >= _FEWEST_CLIPS:
        counts.append(counts[-1] // 2)
    kinds = WEIGHTS if weights is None else (weights,)
    # whole weights with all clips, else packed ones: half precision with fewer clips before eight bits
    ways = [(kind, count) for kind in kinds for count in (counts[:1] if kind == "float32" else counts)]
    for kind, count in ways:
        kept, size = _packed(world, kind, count)
        tried.append(size)
        if max_mb is None or size <= max_mb:
            return kept, kind
    raise ConfigError(
        f"the world takes {min(tried):.1f} MB at least, not {max_mb:g}: train smaller networks, or allow more"
    )


def _packed(world: WorldCore, weights: Weights, num_clips: int) -> tuple[WorldCore, float]:
    """The world as it is read back from a file, with its notes, and the size of that file in MB."""
    some = world.session()
    some.start_clips = world.start_clips.spread(num_clips) if num_clips else world.start_clips
    with tempfile.TemporaryDirectory() as folder:
        file = save_world(Path(folder) / "small.world", some, weights)
        read = load_world(file, world_class=type(world))
        if read.start_clips:
            notes = {"weights": weights, **packing_cost(some, read), PROOF_KEY: proof(read)}
            known = {**art_of(read.info.game), **read.info.provenance}  # files of before do not tell the art
            read.info = dataclasses.replace(read.info, provenance={**known, **notes})
        # noted or not, what is saved is what was read: packing it again changes nothing
        return read, os.path.getsize(save_world(file, read, weights)) / 1e6


@torch.no_grad()
def proof(world: WorldCore) -> dict[str, Any]:
    """Return what a sound file gives again on any machine, as nearly as arithmetic allows.

    Returns:
        ``next_codes``: the likeliest codes of the frame after the start of some clips, all decided at once;
        ``reconstruction_psnr``: of the tokenizer on these clips, in dB.
    """
    frames, codes = _next_codes(world)
    seen = world.tokenizer.decode(world.tokenizer.encode(frames))
    return {"next_codes": codes.tolist(), "reconstruction_psnr": round(_psnr(frames, seen), 3)}


def equal_share(found: Mapping[str, Any], noted: Mapping[str, Any]) -> float:
    """Return the share of codes in which two proofs agree; 0 where they are not of the same clips."""
    one, other = np.array(found["next_codes"]), np.array(noted["next_codes"])
    return float((one == other).mean()) if one.shape == other.shape else 0.0


@torch.no_grad()
def packing_cost(full: WorldCore, packed: WorldCore) -> dict[str, Any]:
    """Return what packing the weights changed: equal codes of the next frame, and the tokenizer's dB lost."""
    before, after = proof(full), proof(packed)
    lost = before["reconstruction_psnr"] - after["reconstruction_psnr"]
    return {"packing": {"equal_codes": round(equal_share(before, after), 4), "psnr_lost": round(lost, 3)}}


def _next_codes(world: WorldCore) -> tuple[torch.Tensor, torch.Tensor]:
    """The first frames of some clips, [-1, 1], and the likeliest codes of the frame after the context."""
    clips, context = world.start_clips.spread(_NUM_PROVED), world.context_frames
    shown, actions = clips.window(context)
    frames = frames_to_input(torch.from_numpy(shown).to(world.device))
    ids = world.tokenizer.encode(frames)  # [B, T, P]
    hidden = torch.full_like(ids[:, :1], world.dynamics.mask_id)
    taken = torch.full((len(ids), ids.shape[1]), world.info.idle_action, device=ids.device)
    if actions is not None:
        taken[:, :-1] = torch.from_numpy(actions).to(ids.device)
    known = ids.shape[1]
    ids, taken = torch.cat([ids, hidden], 1), taken[:, :known]
    logits = world.dynamics.logits(ids, taken if world.dynamics.num_actions else None)
    return frames, logits[:, -1].argmax(-1).cpu()


def _psnr(truth: torch.Tensor, seen: torch.Tensor) -> float:
    error = (truth - seen.clamp(-1, 1)).square().mean().item()
    return float(10 * np.log10(4 / max(error, 1e-12)))
