"""A real game under held keys: toy games in which every frame says what was done."""

import numpy as np
import pytest
import toy_games  # noqa: F401  registers them

from tinyworlds.errors import ConfigError, DataError
from tinyworlds.sources.record.held_keys import RecordedGame, recorded_game
from tinyworlds.sources.record.policies import PolicyChoice
from tinyworlds.sources.record.share import RecordingSettings


def game(env_id: str) -> RecordedGame:
    return RecordedGame(RecordingSettings(env_id, 8, None, None, None, PolicyChoice("sticky"), 0))


def test_every_key_is_held_from_the_same_places():
    """Red counts steps, green is the last action, blue a random number of the episode."""
    real = game("TinyWandering-v0").play(count=6, context=3, num_held=5, frame_size=8)
    assert real.names == ("noop", "left", "right", "fire", "leftfire")
    assert real.frames.shape == (6, 3, 8, 8, 3)
    assert real.actions.shape == (6, 2)
    red, green, blue = real.frames[:, :, 0, 0].transpose(2, 0, 1).astype(int)
    assert (np.diff(red, axis=1) == 1).all()
    assert (green[:, 1:] == real.actions).all()
    assert len({*blue[:, 0]}) > 1
    for action, name in enumerate(real.names):
        held, lived = real.held[name], real.lived[name]
        assert (held[:, 0] == real.frames[:, -1]).all()
        for start in range(6):
            seen = held[start, 1 : 1 + lived[start], 0, 0].astype(int)
            assert (seen[:, 1] == action).all()
            assert (seen[:, 2] == blue[start, 0]).all()
            assert (seen[:, 0] == red[start, -1] + 1 + np.arange(lived[start])).all()
            assert not held[start, 1 + lived[start] :].any()


def test_places_are_reached_before_an_episode_ends():
    """Episodes of seven steps: half of that is played, then the key is held until the end."""
    real = game("TinyCounting-v0")
    with pytest.raises(DataError, match="does not come to the same place twice"):
        real.play(2, 2, 5, 8)  # its pictures number the episodes


def test_a_game_that_ends_at_once_is_one_line():
    with pytest.raises(DataError, match="ended within 9 frames"):
        game("TinyCounting-v0").play(1, 9, 5, 8)


def test_titles_are_played_as_they_are_recorded():
    pong = recorded_game("pong").settings
    assert (pong.env_id, pong.actions, pong.frame_skip) == ("ALE/Pong-v5", ("noop", "right", "left"), 4)
    with pytest.raises(ConfigError, match="cannot be recorded here"):
        recorded_game("zelda")
