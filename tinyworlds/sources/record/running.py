"""A real game that runs beside its dream, played as it was recorded."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from games.registry import titles
from tinyworlds.errors import ConfigError
from tinyworlds.sources.record.held_keys import recorded_game
from tinyworlds.sources.record.share import RecordingSettings, fit_picture
from tinyworlds.world.core import WorldCore


class RecordedGameRunning:
    """A live game as a recording shows it; see `tinyworlds.play.beside.RunningGame`.

    Args:
        settings: how it was recorded; pictures come in their size.
        fps: frames a second of the world that it runs beside: its frame skip is chosen so that the speeds are
            as alike as they can be.
    """

    def __init__(self, settings: RecordingSettings, fps: float) -> None:
        self._settings, self._game = settings, settings.game()
        skip = max(round(self._game.fps * self._game.frame_skip / fps), 1)
        if skip != self._game.frame_skip:
            self._game.close()
            self._settings = replace(settings, frame_skip=skip)
            self._game = self._settings.game()

    @property
    def names(self) -> tuple[str, ...]:
        """See `RunningGame.names`."""
        return tuple(action.name for action in self._game.actions)

    @property
    def fps(self) -> float:
        """See `RunningGame.fps`."""
        return self._game.fps

    def reset(self, seed: int) -> np.ndarray:
        """See `RunningGame.reset`."""
        return self._fit(self._game.reset(seed))

    def step(self, action: int) -> np.ndarray | None:
        """See `RunningGame.step`."""
        picture, _, over = self._game.step(action)
        return None if over else self._fit(picture)

    def close(self) -> None:
        """See `RunningGame.close`."""
        self._game.close()

    def _fit(self, picture: np.ndarray) -> np.ndarray:
        return fit_picture(picture, self._settings.size, self._settings.crop)


def running_game(env_id: str, world: WorldCore) -> RecordedGameRunning:
    """Open the real game of a title or gymnasium id for a world; "" is the game of the world's own title.

    Raises:
        ConfigError: no environment plays it, or the world has no title that one plays.
        MissingExtraError: the game's package is not installed.
    """
    if not env_id and world.game not in titles():
        named = f"'{world.game}' is no title" if world.game else "this world has no title"
        raise ConfigError(f"{named} that a real game is known of: name one, as in --real ALE/Pong-v5")
    return RecordedGameRunning(
        replace(recorded_game(env_id or world.game).settings, size=world.frame_size), world.fps
    )
