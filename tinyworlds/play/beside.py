"""A real game beside its dream, on the same keys: ``tinyworlds play doom.world --real``.

The game is handed in by whoever can open one (`tinyworlds.sources.record.running`), so nothing here knows
engines:

    world = World.load("doom.world")
    both = Beside(world, running_game("doom", world))
    clip = play_keys(both, "d*20 space*6")
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from typing import Protocol

import numpy as np

from tinyworlds.actions.matching import idle_from_names
from tinyworlds.actions.naming import keys_of_true_actions
from tinyworlds.keys import complete_key_map, held_action, normalise_key
from tinyworlds.play.pairs import Pair, number_pairs
from tinyworlds.world.core import WorldCore

ANEW = "the real game was over and starts anew; B takes the dream there"


class RunningGame(Protocol):
    """A real game that is played picture by picture."""

    @property
    def names(self) -> tuple[str, ...]:
        """Of its actions; an action is a place in them."""

    @property
    def fps(self) -> float:
        """Pictures a second of game time."""

    def reset(self, seed: int) -> np.ndarray:
        """Start an episode; return its first picture as a frame of the world, uint8 [H, W, 3]."""

    def step(self, action: int) -> np.ndarray | None:
        """Take an action; return the next picture, or None if that ended the episode."""

    def close(self) -> None:
        """End the game."""


OpenGame = Callable[[str, WorldCore], RunningGame]
"""Opens the game of a gymnasium id or title ("" is that of the world's own title) for a world."""


class Beside:
    """A world with its real game beside it (a `PlayableWorld` of the session).

    An action is one of the dream and one of the game. Those below the dream's number of actions are the
    dream's own, each with the true action that it stands for. The dream starts from the game's first frames.

    Args:
        dream: the world.
        game: the real game, running; `close` ends it.

    Attributes:
        beside: the game's picture now, uint8 [H, W, 3].
        said: what there is to say of the last step.
    """

    def __init__(self, dream: WorldCore, game: RunningGame) -> None:
        self.worlds = (dream,)
        self.dream, self._game = dream, game
        self.fps, self.game, self.device = dream.fps, dream.game, dream.device
        self.frame_shape = dream.frame_shape
        self._still = _still(dream, game.names)
        self.key_map, self._pairs = _paired(dream, game.names, self._still)
        self.num_actions = len(self._pairs)
        self.action_names = tuple(self._name(pair) for pair in self._pairs)
        self.idle_action = self._pairs.index((dream.idle_action, self._still))
        self.said = ""
        self._chance = np.random.default_rng()
        self._seen: deque[np.ndarray] = deque(maxlen=dream.context_frames)  # of this episode of the game
        self._taken: deque[int] = deque(maxlen=dream.context_frames)  # what led to each but the first
        self._begin()

    @property
    def notes(self) -> list[str]:
        """What a player should know, one line each."""
        notes = self.dream.notes
        if abs(self._game.fps / self.fps - 1) > 0.1:
            notes.append(
                f"the game has {self._game.fps:.3g} pictures a second, this world {self.fps:.3g}: they run at"
                " different speeds"
            )
        return notes

    @property
    def beside(self) -> np.ndarray:
        """The game's picture now, uint8 [H, W, 3]."""
        return self._seen[-1]

    @property
    def sampling(self) -> object:
        """How the dream's frames are decoded."""
        return self.dream.sampling

    @property
    def sureness(self) -> object:
        """See `WorldCore.sureness`."""
        return self.dream.sureness

    @property
    def usual_sureness(self) -> object:
        """See `WorldCore.usual_sureness`."""
        return self.dream.usual_sureness

    def reset(self, *, seed: int | None = None) -> np.ndarray:
        """Start the game anew and the dream from its first frames; return the dream's, uint8 [H, W, 3]."""
        if seed is not None:
            self._chance = np.random.default_rng(seed)
        self.said = ""
        self._begin()
        for _ in range(self.dream.context_frames - 1):
            self._play(self._still)
        return self._dream_on(seed)

    def step(self, action_id: int) -> np.ndarray:
        """Take a pair of actions; return the dream's next frame, uint8 [H, W, 3]."""
        dreamt, true = self._pairs[action_id]
        self.said = "" if self._play(true) else ANEW
        return self.dream.step(dreamt)

    def reset_near(self, image: np.ndarray) -> np.ndarray:
        """Have the dream go on from where the game is, whatever `image` it shows; return its frame."""
        self.said = ""
        return self._dream_on(None)

    def dreamt(self, action_id: int) -> int:
        """The dream's part of a pair of actions."""
        return self._pairs[action_id][0]

    def close(self) -> None:
        """End the game."""
        self._game.close()

    def _play(self, action: int) -> bool:
        """Play on; return whether the episode goes on, and begin another one where it does not."""
        picture = self._game.step(action)
        if picture is None:
            self._begin()
            return False
        self._seen.append(picture)
        self._taken.append(action)
        return True

    def _begin(self) -> None:
        self._seen.clear()
        self._taken.clear()
        self._seen.append(self._game.reset(int(self._chance.integers(2**31))))

    def _dream_on(self, seed: int | None) -> np.ndarray:
        taken = [*self._taken][-(len(self._seen) - 1) :] if len(self._seen) > 1 else []
        return self.dream.reset(np.stack(self._seen), self._as_recorded(taken), seed)

    def _as_recorded(self, taken: list[int]) -> np.ndarray | None:
        """Actions of the game as the dream knows them; None where it infers them."""
        if self.dream.info.actions != "labels":
            return None
        sent = [self.dream.info.sent_for(self._game.names[action]) for action in taken]
        return np.array([self.dream.idle_action if each is None else each for each in sent], np.int64)

    def _name(self, pair: Pair) -> str:
        names = (self.dream.action_names[pair[0]], self._game.names[pair[1]])
        return " | ".join(dict.fromkeys(names))


def _still(dream: WorldCore, names: tuple[str, ...]) -> int:
    """What the game does while no key is pressed; of games that always do something what the dream does."""
    named = idle_from_names(names)
    return next(iter(_carried(dream, names)[dream.idle_action]), 0) if named is None else named


def _paired(dream: WorldCore, names: tuple[str, ...], still: int) -> tuple[dict[str, int], list[Pair]]:
    """Return the keys of dream and game, each with the number of its pair of actions, and the pairs.

    The dream's keys decide; where several true actions share one of its actions, or it has none for a key,
    the game's own keys do.
    """
    own = complete_key_map(dream.key_map, dream.num_actions)
    games = _without_digits(keys_of_true_actions(dream.game, names), len(names))
    idle = (dream.idle_action, still)
    carried = _carried(dream, names)
    pairs: list[Pair] = [(action, next(iter(trues), still)) for action, trues in enumerate(carried)]
    wanted: dict[str, Pair] = {}
    for entry in dict.fromkeys([*own, *games]):
        held = entry.split("+")
        action, true = held_action(held, own), held_action(held, games)
        if action is None:
            sent = None if true is None else dream.info.sent_for(names[true])
            pair = (dream.idle_action if sent is None else sent, still if true is None else true)
        elif true is None or (carried[action] and true not in carried[action]):
            pair = pairs[action]
        else:
            pair = (action, true)
        wanted[entry] = pair
    return number_pairs(wanted, idle, pairs)


def _carried(dream: WorldCore, names: tuple[str, ...]) -> list[list[int]]:
    """The true actions that each action of the dream stands for, its namesake first."""
    sent = [dream.info.sent_for(name) for name in names]
    found = [[true for true, own in enumerate(sent) if own == action] for action in range(dream.num_actions)]
    for action, trues in enumerate(found):
        trues.sort(key=lambda true: names[true] != dream.action_names[action])
    return found


def _without_digits(keys: Mapping[str, int], count: int) -> dict[str, int]:
    """The game's keys; a digit is an action of the dream."""
    digits = {key for key in complete_key_map({}, count)}
    known = {normalise_key(key): action for key, action in keys.items()}
    return {key: a for key, a in complete_key_map(known, count).items() if key not in digits or key in known}
