"""CarRacing: keys with names, the camera at the car from the first frame, steps between frames not drawn."""

import numpy as np
import pytest

from tinyworlds.errors import ConfigError
from tinyworlds.sources.record.environments import LiveGame

pytest.importorskip("Box2D")


def test_keys_have_names_and_the_rate_is_the_true_one():
    game = LiveGame("CarRacing-v3")
    assert [action.name for action in game.actions] == ["noop", "right", "left", "gas", "brake"]
    assert game.fps == 12.5
    game.close()


def test_the_opening_flight_is_left_out():
    game = LiveGame("CarRacing-v3", 4)
    first = game.reset(1)
    assert first.shape == (96, 96, 3)
    assert first[:40].max(axis=2).min() > 60  # no black beyond the meadow, which is seen from high above
    still = game.step(0)[0]
    np.testing.assert_array_equal(first[:80], still[:80])  # the camera stands, and so does the car
    game.close()


def test_what_is_not_drawn_is_driven_all_the_same():
    pictures = []
    for skip, count in ((1, 40), (4, 10)):
        game = LiveGame("CarRacing-v3", skip)
        game.reset(2)
        reward = 0.0
        for _ in range(count):
            picture, gained, _ = game.step(3)
            reward += gained
        pictures.append((picture.copy(), reward))
        game.close()
    np.testing.assert_array_equal(pictures[0][0], pictures[1][0])
    assert pictures[0][1] == pytest.approx(pictures[1][1])


def test_its_own_settings_are_checked_and_sticks_stay_possible():
    game = LiveGame("CarRacing-v3", env_kwargs={"continuous": True})
    assert game.actions[1].name == "axis_0-"
    game.close()
    with pytest.raises(ConfigError, match="no setting 'wheels'"):
        LiveGame("CarRacing-v3", env_kwargs={"wheels": 3})
