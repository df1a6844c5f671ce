"""How sure a world is of what it draws, beside how sure it is where true frames go on.

While it reveals a frame, the dynamics gives each code a probability; the mean of their logarithms says how
sure it was of the frame (`maskgit.fill`). What is much or little of that differs from world to world, so an
export notes what is usual: over pieces of held-out play, each frame predicted from true ones.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from einops import rearrange
from torch import Tensor

from tinyworlds.media.pixels import frames_to_input
from tinyworlds.models import maskgit
from tinyworlds.models.maskgit import Sampling

if TYPE_CHECKING:
    from tinyworlds.world.core import WorldCore

_NUM_QUANTILES = 41
_PIECES = 2  # that are looked at of each clip, with all between them: seconds, on a CPU


@dataclass(frozen=True)
class UsualSureness:
    """How sure a world is where true frames go on.

    Attributes:
        quantiles: of the mean sureness of pieces of play, at evenly spaced shares from 0 to 1.
        num_frames: how many frames a piece has, a second where the clips are that long.
        sampling: how frames were decoded; other settings give other figures.
    """

    quantiles: tuple[float, ...]
    num_frames: int
    sampling: Sampling

    def share(self, sureness: Sequence[float]) -> float | None:
        """The share of pieces, 0 to 1, of which the world was less sure than of these frames.

        Args:
            sureness: of the latest frames, the last of them last; None where they are fewer than a piece has.
        """
        if len(sureness) < self.num_frames:
            return None
        mean = float(np.mean(sureness[-self.num_frames :]))
        return float(np.interp(mean, self.quantiles, np.linspace(0, 1, len(self.quantiles))))

    @classmethod
    def from_plain(cls, noted: Mapping[str, Any]) -> UsualSureness:
        """Read what `dataclasses.asdict` makes of one."""
        return cls(tuple(noted["quantiles"]), noted["num_frames"], Sampling(**noted["sampling"]))


@torch.inference_mode()
def measure_sureness(world: WorldCore, seed: int = 0) -> UsualSureness | None:
    """Measure on its own start clips, which were held out, how sure a world usually is.

    Args:
        world: as it is played.
        seed: of the sampling.

    Returns:
        None where no true frames follow those that the world starts from.
    """
    given, clips = world.context_frames, world.start_clips
    follow = clips.frames.shape[1] - given if clips else 0
    num_frames = min(max(round(world.fps), 1), follow // 2)
    if num_frames < 1:
        return None
    frames = frames_to_input(torch.from_numpy(np.ascontiguousarray(clips.frames)).to(world.device))
    actions = world.actions_between(frames, clips.actions)
    generator = torch.Generator(world.device).manual_seed(seed)
    encode, seen, whole = world.tokenizer.encode, [], None
    if world.tokenizer.per_frame:
        whole = torch.cat([encode(clip[None]) for clip in frames])  # [n, T, P]
    for place in range(min(follow, _PIECES * num_frames)):
        window = slice(place, place + given)
        past = encode(frames[:, window]) if whole is None else whole[:, window]
        seen.append(_next_frame(world, past, actions, place, generator))
    each = torch.stack(seen, dim=1)  # [n, places]
    pieces = rearrange(each.unfold(1, num_frames, 1).mean(-1), "n place -> (n place)").double().cpu()
    shares = torch.linspace(0, 1, _NUM_QUANTILES, dtype=torch.float64)
    return UsualSureness(tuple(pieces.quantile(shares).tolist()), num_frames, world.sampling)


def _next_frame(
    world: WorldCore, past: Tensor, actions: Tensor | None, place: int, generator: torch.Generator
) -> Tensor:
    """How sure the world is of the frame after codes [n, T, P], which begin at frame `place`: [n]."""
    last = place + past.shape[1] - 1  # the action that leads on
    between = None if actions is None else actions[:, place:last]
    guess = maskgit.begin(world.dynamics, past, between, past.shape[1])
    blank = torch.full_like(past[:, :1], world.dynamics.mask_id)
    with torch.autocast(world.device.type, dtype=torch.bfloat16, enabled=world.bf16):
        guess.expect(None if actions is None else actions[:, last : last + 1])
        return maskgit.fill(guess, blank, world.sampling, generator)[1].float()


def note_sureness(world: WorldCore) -> None:
    """Measure how sure a world usually is, and note it in what is known of it."""
    world.info = replace(world.info, sureness=measure_sureness(world))
