"""What a play test needs of the data that a world was trained on: examples, keys, places to start from.

Shapes: n clips, S starts, T frames.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from tinyworlds.actions.naming import infer_actions, keys_of_true_actions, true_action_names
from tinyworlds.data.gameplay import training_samples
from tinyworlds.data.held_out import Clips, held_out_clips
from tinyworlds.errors import DataError
from tinyworlds.evaluation.play_test.holding import Key, Starts
from tinyworlds.evaluation.play_test.reader import TRIPLE
from tinyworlds.evaluation.play_test.real import RealPlay
from tinyworlds.evaluation.sources import sent_at_play
from tinyworlds.media.pixels import frames_to_input
from tinyworlds.metrics.usage import MIN_SHARE
from tinyworlds.world.core import WorldCore

CLIP_FRAMES = 9
"""Frames of the clips that a reader learns from."""

RARE = 50
"""An action of fewer examples is not tested: nobody could say how it looks."""

_NUM_CLIPS, _NUM_HELD_OUT = 2000, 300
_MOST_BYTES = 1 << 28  # of the clips that a reader learns from


class ActionModelReads:
    """A world's own action model as a reader, where nobody recorded the true actions."""

    def __init__(self, world: WorldCore) -> None:
        assert world.latent_actions is not None
        self.model, self.device = world.latent_actions, world.device

    @torch.inference_mode()
    def read(self, triples: Tensor) -> Tensor:
        """Latent actions, int64 [N], at the middle of triples uint8 [N, 3, H, W, C]."""
        parts = triples[:, 1:].split(512)
        return torch.cat([self.model.encode(frames_to_input(p.to(self.device)))[:, 0].cpu() for p in parts])


@dataclass(frozen=True)
class Examples:
    """Gameplay and what was pressed in it.

    Attributes:
        train: clips of `CLIP_FRAMES` frames that stages were trained on; their `actions` are true ones, or
            latent ones where the recording has none.
        held_out: clips that none was trained on.
        names: of all actions, by number.
        keys: what can be held, without what hardly occurs.
        too_rare: names of the actions left out for that.
        segments: pieces of play as actions that the world is sent, int64 [n, T-1].
        reads: reads keys where there are no true actions; None has a reader trained.
    """

    train: Clips
    held_out: Clips
    names: tuple[str, ...]
    keys: tuple[Key, ...]
    too_rare: tuple[str, ...]
    segments: np.ndarray
    reads: ActionModelReads | None


def find_examples(
    world: WorldCore, settings: dict[str, Any], module: Any, split: str = "test", own_actions: bool = False
) -> Examples:
    """Read examples of the keys of a world.

    Args:
        world: a world that has actions.
        settings: arguments of `H5DataModule`.
        module: the same, opened, with what stages were trained on left out of its held-out part.
        split: which part that is, "test" or "val".
        own_actions: look for the world's own actions even where true ones were recorded.

    Raises:
        DataError: there is no clip, or no action occurs often enough.
    """
    size = world.frame_size
    most = min(_NUM_CLIPS, _MOST_BYTES // (CLIP_FRAMES * 3 * size * size))
    train, held_out = _train_clips(settings, most), held_out_clips(module, CLIP_FRAMES, _NUM_HELD_OUT, split)
    recorded = train.actions is not None and held_out.actions is not None and not own_actions
    if not recorded:
        train, held_out = (replace(clips, actions=_inferred(world, clips)) for clips in (train, held_out))
    assert train.actions is not None
    if recorded:
        highest = int(max(train.actions.max(), held_out.actions.max()))  # type: ignore[union-attr]
        names = true_action_names(world.game, train.action_names, highest + 1)
        sent = list(range(len(names))) if world.info.actions == "labels" else sent_at_play(world, names)
    else:
        names, sent = world.action_names, list(range(world.num_actions))
    keyboard = keys_of_true_actions(world.game, names) if recorded else world.key_map
    every = tuple(
        Key(name, action, sent[action], tuple(key for key, does in keyboard.items() if does == action))
        for action, name in enumerate(names)
    )
    counts = _counts(train.actions[:, 1:-1], len(names))
    least = max(RARE, MIN_SHARE * counts.sum())
    keys = tuple(key for key in every if counts[key.action] >= least)
    if not keys:
        raise DataError(
            f"{train.source}: no action occurs {RARE} times: no key can be tested; record for longer"
        )
    too_rare = tuple(key.name for key in every if 0 < counts[key.action] < least)
    taken = np.array([world.idle_action if action is None else action for action in sent])
    pressed = train.actions[:, :-1].clamp(min=0).numpy()
    reads = None if recorded else ActionModelReads(world)
    return Examples(train, held_out, tuple(names), keys, too_rare, taken[pressed], reads)


def find_starts(world: WorldCore, module: Any, count: int, split: str = "test") -> Starts:
    """Draw `count` held-out places to start from, of as many episodes as there are.

    Raises:
        DataError: the held-out part is shorter than a world's context.
    """
    length = max(world.context_frames, TRIPLE - 1)
    clips = held_out_clips(module, length, 16 * count, split)
    order = in_turn(clips.episodes.tolist())
    chosen = torch.tensor([order[i % len(order)] for i in range(count)])
    actions = None
    if world.info.actions == "labels" and clips.actions is not None:
        actions = clips.actions[chosen, : length - 1].numpy()
    return Starts(clips.frames[chosen].numpy(), actions, clips.episodes[chosen])


def starts_of(world: WorldCore, real: RealPlay, names: Sequence[str]) -> Starts:
    """The places that a real game was played to.

    Args:
        world: that dreams on from there.
        real: the game.
        names: of the world's true actions, by number.
    """
    actions = None
    if world.info.actions == "labels":
        number = {name: action for action, name in enumerate(names)}
        known = np.array([number.get(name, world.idle_action) for name in real.names])
        actions = known[real.actions]
    return Starts(real.frames, actions, torch.arange(len(real.frames)))


def in_turn(episodes: list[int]) -> list[int]:
    """Places in a list such that the first of each episode come first, then the second of each, ..."""
    seen: dict[int, int] = {}
    rank = []
    for place, episode in enumerate(episodes):
        seen[episode] = seen.get(episode, 0) + 1
        rank.append((seen[episode], place))
    return [place for _, place in sorted(rank)]


def _train_clips(settings: dict[str, Any], most: int) -> Clips:
    from tinyworlds.data import H5DataModule

    module = H5DataModule(**{**settings, "num_frames": CLIP_FRAMES, "num_workers": 0})
    module.setup("fit")
    batch = training_samples(module, most)
    frames = torch.as_tensor(batch["frames"])
    actions = torch.as_tensor(batch["actions"]).long() if module.has_actions else None
    files = ", ".join(str(path) for path in module.files)
    episodes = torch.zeros(len(frames), dtype=torch.int64)
    return Clips(
        frames, actions, float(module.fps), f"training part of {files}", episodes, module.action_names
    )


def _inferred(world: WorldCore, clips: Clips) -> Tensor:
    """Latent actions taken at each frame of clips, int64 [n, T]; that at the last is unknown."""
    assert world.latent_actions is not None  # a world of latent actions has a model of them
    found = torch.from_numpy(infer_actions(world.latent_actions, clips.frames.numpy()))
    return F.pad(found, (0, 1), value=-1)


def _counts(actions: Tensor, num_actions: int) -> np.ndarray:
    known = actions.flatten()
    return torch.bincount(known[known >= 0], minlength=num_actions).numpy()
