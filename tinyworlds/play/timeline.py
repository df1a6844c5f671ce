"""Where a player is in a world, and the ways from there: on, back, to a fork, to a real frame."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tinyworlds.play.history import History, Moment
from tinyworlds.play.view import PlayableWorld


class Timeline:
    """The moments of a session.

    Args:
        world: the world to play.
        seed: of the first start.
        limit: how many moments can be gone back to.
        say: tells the player.
        arrived: told the picture and the action that led to it, None where it begins an episode.

    Attributes:
        now: the present moment; None where the next one is a start frame.
    """

    def __init__(
        self,
        world: PlayableWorld,
        seed: int | None,
        limit: int,
        say: Callable[[str], None],
        arrived: Callable[[np.ndarray, int | None], None],
    ) -> None:
        self.now: Moment | None = None
        self._world, self._seed, self._say, self._arrived = world, seed, say, arrived
        self._abilities: Any = world  # those that not every world has, see `PlayableWorld`
        self._moved = False  # the world stands elsewhere than at `now`
        self._true_since = 0  # number of the last frame that was real
        self._history = History(limit)
        self._fork: Moment | None = None

    @property
    def present(self) -> Moment:
        """The present moment, once there is one."""
        assert self.now is not None, "start() comes first"
        return self.now

    def sureness(self, count: int) -> list[float]:
        """How sure the world was of the latest frames up to the present one, at most `count`."""
        found: list[float] = []
        for moment in (self.present, *reversed(self._history.latest(count - 1))):
            if moment.sureness is None:  # a start frame: what was before is another piece of play
                break
            found.append(moment.sureness)
        return found[::-1]

    def can(self, ability: str, what: str) -> bool:
        """Whether the world has an optional ability; the player is told where it has not."""
        if hasattr(self._world, ability):
            return True
        self._say(f"{what} is not possible in this world")
        return False

    def start(self) -> None:
        """Begin anew."""
        # Only the first start is seeded: every press of `r` then starts elsewhere, and yet repeatably.
        image = self._world.reset(seed=self._seed)
        self._seed, self._fork = None, None
        self._history.clear()
        self._true_since = 0
        self._arrive(image, 0, None)

    def forward(self, action: int) -> None:
        """Take an action."""
        past = self._leave()
        self._arrive(self._world.step(action), past.number + 1, action)

    def back(self) -> None:
        """Go to the moment before."""
        moment = self._history.pop()
        if moment is None:
            self._say("this is as far back as is remembered")
        else:
            self._jump(moment)

    def fork(self) -> None:
        """Set a fork here, go back to it, or take it away where it is."""
        if self.now is None or not self.can("state", "a fork"):
            return
        if self._fork is None:
            self._fork = self.now
            self._say(f"fork at frame {self.now.number}: F comes back here")
        elif self._fork is self.now:
            self._fork = None
            self._say("fork taken away")
        else:
            self._history.push(self.now)
            self._jump(self._fork)
            self._say(f"back at the fork, frame {self._fork.number}; F again takes it away")

    def real(self) -> None:
        """Go on from the real frame that is most like the present one."""
        past = self._leave()
        self._true_since = past.number + 1
        self._arrive(self._abilities.reset_near(past.image), self._true_since, None)
        self._say("back to a real frame")

    def explain_truth(self) -> None:
        """Say why no true frame appears; at a start frame, which is true itself, one will with the next."""
        truth, now = getattr(self._world, "truth", None), self.now
        if now is None or hasattr(self._world, "beside"):
            return
        if truth is None or not len(truth):
            self._say("no true frames are known in this world")
        elif now.truth is None and now.action is not None:
            self._say("no true frame is known here: the start clip has ended")

    def _leave(self) -> Moment:
        """Make the world stand at the present moment, and that moment a past one."""
        now = self.present
        if self._moved:
            state, self._true_since = now.state
            self._abilities.restore(state)
            self._moved = False
            self._arrived(now.image, None)  # what follows is another episode
        self._history.push(now)
        return now

    def _arrive(self, image: np.ndarray, number: int, action: int | None) -> None:
        state = None
        if hasattr(self._world, "state"):
            state = (self._abilities.state(), self._true_since)
        sure = getattr(self._world, "sureness", None)
        self.now = Moment(
            image, number, action, state, self._seen_beside(number), None if sure is None else float(sure)
        )
        self._moved = False
        self._arrived(image, action)
        if said := getattr(self._world, "said", ""):
            self._say(said)

    def _seen_beside(self, number: int) -> np.ndarray | None:
        """The picture of a real game, or the true frame at this place of the start clip."""
        if (beside := getattr(self._world, "beside", None)) is not None:
            return beside
        truth = getattr(self._world, "truth", None)
        place = number - self._true_since - 1  # in the frames that followed the last real one
        return truth[place] if truth is not None and 0 <= place < len(truth) else None

    def _jump(self, moment: Moment) -> None:
        self.now, self._moved = moment, True
