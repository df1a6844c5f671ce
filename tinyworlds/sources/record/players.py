"""Who plays a title so that its recording shows the game: a driver who stays near the road, a runner.

Whoever presses keys at random leaves the road within seconds and stays at the first wall. These two go where
a person would go, and stray often enough that every key is seen held in many places.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from tinyworlds.errors import ConfigError

PLAYERS = ("driver", "runner")

_ROWS = (0.42, 0.64)  # what the driver looks at, as shares of the picture's height; the car is just below
_AHEAD = 0.09  # a road that lies less than this share of the width aside is straight ahead
_SHARP = 0.2  # one that lies further aside is a bend to brake before
_SLOW, _FAST = 14.0, 30.0  # below and above these speeds the driver changes them


class Player:
    """Holds one key after the other, each for some frames, as `choose` says.

    Args:
        names: of the game's actions.
        needed: actions without which it cannot play.
        seed: of the random numbers.

    Raises:
        ConfigError: the game lacks an action.
    """

    def __init__(self, names: Sequence[str], needed: Sequence[str], seed: int) -> None:
        lacking = [name for name in needed if name not in names]
        if lacking:
            raise ConfigError(
                f"The policy '{type(self).__name__.lower()}' needs the action {lacking[0]}; this game has "
                f"{', '.join(names)}."
            )
        self._ids = {name: names.index(name) for name in needed}
        self.random = np.random.default_rng(seed)
        self._action, self._frames_left = 0, 0

    def __call__(self, frame: np.ndarray) -> int:
        """Return the action for this frame, uint8 [H,W,3]."""
        if self._frames_left == 0:
            name, self._frames_left = self.choose(frame)
            self._action = self._ids[name]
        self._frames_left -= 1
        return self._action

    def choose(self, frame: np.ndarray) -> tuple[str, int]:
        """Return the name of the next action and for how many frames it is held, at least 1."""
        raise NotImplementedError

    def draw(self, shares: Mapping[str, float]) -> str:
        """Return one of the names, each as likely as its share."""
        return str(self.random.choice([*shares], p=np.array([*shares.values()]) / sum(shares.values())))

    def frames(self, mean: float, least: int = 2) -> int:
        """Return a number of frames around `mean`, at least `least`."""
        return least - 1 + int(self.random.geometric(1 / (mean - least + 1)))

    def stretch(self, mean: float) -> float:
        """Return `mean`, or one time in six five times as much: players hold a key for seconds, too."""
        return mean * (5 if self.random.random() < 1 / 6 else 1)


class Driver(Player):
    """Stays near a grey road between green meadows, as CarRacing's, and goes on excursions.

    Args:
        names: of the game's actions; noop, left, right, gas and brake are needed.
        seed: of the random numbers.
    """

    def __init__(self, names: Sequence[str], seed: int = 0) -> None:
        super().__init__(names, ("noop", "left", "right", "gas", "brake"), seed)
        self._side = "left"  # where the road was last seen

    def choose(self, frame: np.ndarray) -> tuple[str, int]:
        """Go on an excursion now and then, else follow the road."""
        if self.random.random() < 0.1:
            every = {"noop": 0.2, "left": 0.2, "right": 0.2, "gas": 0.1, "brake": 0.3}
            return self.draw(every), self.frames(self.stretch(6))
        aside, speed = road_aside(frame), bar_speed(frame)
        if aside is not None and abs(aside) > _AHEAD:
            self._side = "left" if aside < 0 else "right"
        if speed < _SLOW:
            return self.draw({"gas": 0.8, self._side: 0.2}), self.frames(4)
        if aside is None or abs(aside) > _AHEAD:
            bends = aside is not None and abs(aside) > _SHARP and speed > _FAST
            return ("brake" if bends and self.random.random() < 0.5 else self._side), 2
        return self.draw({"gas": 0.7, "noop": 0.3} if speed < _FAST else {"noop": 0.8, "brake": 0.2}), 3


def bar_speed(frame: np.ndarray) -> float:
    """Return the speed that the white column in CarRacing's bar shows, 0 to about 100.

    Args:
        frame: uint8 [H,W,3], the whole picture; the column is W/40 wide and H/2000 high a unit of speed.
    """
    height, width = frame.shape[:2]
    column = frame[height * 7 // 8 :, width // 8 : width // 8 + max(1, width // 32)]
    return float(column.mean(axis=2).sum() / 255 / (height / 2000) / column.shape[1])


def road_aside(frame: np.ndarray) -> float | None:
    """Return where the road ahead lies, -0.5 (left edge) to 0.5; None where none is seen.

    Args:
        frame: uint8 [H,W,3]; what is neither bright nor dark and has no colour is road.
    """
    height, width = frame.shape[:2]
    for top, bottom in (_ROWS, (0.0, 0.8)):  # where none is straight ahead, anywhere above the bar
        rows = frame[int(top * height) : int(bottom * height)].astype(np.int16)
        is_road = (np.ptp(rows, axis=2) < 30) & (rows.mean(axis=2) > 70) & (rows.mean(axis=2) < 150)
        if is_road.sum() > is_road.size * 0.02:
            return float((is_road.nonzero()[1].mean() + 0.5) / width - 0.5)
    return None


class Runner(Player):
    """Runs to the right through a side scroller, jumps often, sometimes turns back or stands.

    Args:
        names: of the game's actions; noop, left, right, up, left+up and right+up are needed.
        seed: of the random numbers.
    """

    _SHARES = {"noop": 0.1, "left": 0.13, "right": 0.33, "up": 0.12, "left+up": 0.11, "right+up": 0.21}  # noqa: RUF012

    def __init__(self, names: Sequence[str], seed: int = 0) -> None:
        super().__init__(names, tuple(self._SHARES), seed)

    def choose(self, frame: np.ndarray) -> tuple[str, int]:
        """Any action for a while, the frame is not looked at."""
        return self.draw(self._SHARES), self.frames(self.stretch(6), least=3)


def make_player(name: str, names: Sequence[str], seed: int) -> Player:
    """Return one of `PLAYERS`, for a game with these action names.

    Raises:
        ConfigError: the game lacks an action.
    """
    return {"driver": Driver, "runner": Runner}[name](names, seed)
