"""Two worlds played as one, side by side on the same keys: ``tinyworlds play A.world B.world``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from itertools import combinations
from typing import Any

import numpy as np

from tinyworlds.actions.words import player_words
from tinyworlds.errors import DataError
from tinyworlds.keys import complete_key_map, held_action
from tinyworlds.play.pairs import Pair, number_pairs
from tinyworlds.play.panels import PAIR_SHAPE, panel_frame, side_by_side
from tinyworlds.play.view import PlayFrame
from tinyworlds.world.core import WorldCore


class SideBySide:
    """A world that holds two (a `PlayableWorld` of the session).

    A key does in each world what that world's own key map says, and nothing where it has no meaning. An
    action of this world is a pair of actions; those below the larger number of actions are the same id in
    both. Frames show both pictures, enlarged, each under its name and the action taken: uint8
    [22 + 256, 512, 3].

    Worlds of one title and frame size start from the same stored clip (the left one's; the right one's where
    the left has none), others each from a clip of its own.

    Args:
        left: a world.
        right: another one, or another session of the same.
        names: what stands above the pictures.

    Attributes:
        shares_start: whether both start from the same frames.
        notes: what a player should know, one line each.

    Raises:
        DataError: one of them has no clip to start from.
    """

    frame_shape = PAIR_SHAPE

    def __init__(self, left: WorldCore, right: WorldCore, names: tuple[str, str]) -> None:
        self.worlds, self.names = (left, right), names
        self.game = "_and_".join(dict.fromkeys(world.game or "world" for world in self.worlds))
        self.fps, self.device = min(left.fps, right.fps), left.device
        self._clips_of = left if left.start_clips else right
        titles = {world.game for world in self.worlds if world.game}
        self.shares_start = left.frame_shape == right.frame_shape and len(titles) < 2
        for world, name in zip(self.worlds, names, strict=True):
            if not world.start_clips and not (self.shares_start and self._clips_of.start_clips):
                raise DataError(f"{name} stores no clips to start from: export it with its gameplay at hand")
        self.key_map, self._pairs = _paired(left, right)
        self.num_actions = len(self._pairs)
        self.action_names = tuple(self._name(pair) for pair in self._pairs)
        self.idle_action = self._pairs.index((left.idle_action, right.idle_action))
        self._chance = np.random.default_rng()

    @property
    def notes(self) -> list[str]:
        """What a player should know, one line each."""
        left, right = self.worlds
        both = zip(self.names, self.worlds, strict=True)
        notes = [f"{name}: {note}" for name, world in both for note in world.notes]
        if not self.shares_start:
            notes.append("the worlds differ in title or frame size: each starts from a clip of its own")
        if left.fps != right.fps:
            notes.append(
                f"the worlds learned {left.fps:g} and {right.fps:g} frames/s: both run at {self.fps:g}"
            )
        return notes

    def reset(self, *, seed: int | None = None) -> np.ndarray:
        """Start both anew; return the first frame, uint8 [H, W, 3]."""
        if seed is not None:
            self._chance = np.random.default_rng(seed)
        if not self.shares_start:
            return self._picture([world.reset(seed=seed) for world in self.worlds])
        source = self._clips_of
        frames, actions = source.start_clips.draw(self._chance, 1).window(source.context_frames)
        return self._picture(
            [
                world.reset_many(frames, actions if self._counts_alike(world) else None, seed)[0]
                for world in self.worlds
            ]
        )

    def step(self, action_id: int) -> np.ndarray:
        """Take a pair of actions; return the next frame, uint8 [H, W, 3]."""
        pair = self._pairs[action_id]
        frames = [world.step(action) for world, action in zip(self.worlds, pair, strict=True)]
        return self._picture(frames, action_id)

    def state(self) -> tuple[Any, ...]:
        """Where both stand; `restore` goes back to it."""
        return (*(world.state() for world in self.worlds), self._chance.bit_generator.state)

    def restore(self, state: tuple[Any, ...]) -> None:
        """Go on from an earlier `state`."""
        *states, self._chance.bit_generator.state = state
        for world, own in zip(self.worlds, states, strict=True):
            world.restore(own)

    def _counts_alike(self, world: WorldCore) -> bool:
        """Whether a world numbers its actions as the one does that the start clips are of."""
        source = self._clips_of
        labels = source.info.actions == world.info.actions == "labels"
        return world is source or (labels and source.num_actions == world.num_actions)

    def _name(self, pair: Pair) -> str:
        names = [world.action_names[action] for world, action in zip(self.worlds, pair, strict=True)]
        return " | ".join(dict.fromkeys(names))

    def apart(self, picture: np.ndarray) -> list[np.ndarray]:
        """Return the two frames that a picture of `step` or `reset` shows, uint8 [H, W, 3] each.

        Each has its world's own pixels, where these were enlarged by a whole number; else it is as it was
        drawn.
        """
        return [panel_frame(picture, side, world.frame_shape[:2]) for side, world in enumerate(self.worlds)]

    def frame_apart(self, frame: PlayFrame) -> PlayFrame:
        """Return a frame of both as two pictures, each with its caption in a player's words."""
        left, right = self.apart(frame.image)
        captions = [
            f"{name}: {player_words(action)}" if action else name for name, action in self.taken(frame.action)
        ]
        return replace(frame, image=left, truth=right, label=captions[0], truth_label=captions[1])

    def taken(self, action_id: int | None) -> list[tuple[str, str]]:
        """Return of each world its name and that of the action it took, "" at a start."""
        if action_id is None:
            return [(name, "") for name in self.names]
        both = zip(self.names, self.worlds, self._pairs[action_id], strict=True)
        return [(name, world.action_names[action]) for name, world, action in both]

    def _picture(self, frames: list[np.ndarray], action_id: int | None = None) -> np.ndarray:
        texts = [f"{name}: {action}" if action else name for name, action in self.taken(action_id)]
        return side_by_side(frames, texts)


def _paired(left: WorldCore, right: WorldCore) -> tuple[dict[str, int], list[Pair]]:
    """Return the keys of both worlds, each with the number of its pair of actions, and the pairs."""
    maps = [complete_key_map(world.key_map, world.num_actions) for world in (left, right)]
    idle = (left.idle_action, right.idle_action)
    most = max(left.num_actions, right.num_actions)
    pairs = [(_or_idle(left, i), _or_idle(right, i)) for i in range(most)]
    entries = list(dict.fromkeys([*maps[0], *maps[1], *"0123456789", *_independent(*maps)]))
    wanted: dict[str, Pair] = {}
    for entry in entries:
        taken = [held_action(entry.split("+"), own) for own in maps]
        wanted[entry] = (idle[0] if taken[0] is None else taken[0], idle[1] if taken[1] is None else taken[1])
    return number_pairs(wanted, idle, pairs)


def _or_idle(world: WorldCore, action: int) -> int:
    return action if action < world.num_actions else world.idle_action


def _independent(left: Mapping[str, int], right: Mapping[str, int]) -> list[str]:
    """Two keys held together that each mean something in the other world only: each world takes its own."""
    keys = sorted(key for key in left.keys() ^ right.keys() if "+" not in key and not key.isdigit())
    return [f"{a}+{b}" for a, b in combinations(keys, 2) if (a in left) != (b in left)]
