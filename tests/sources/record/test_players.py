"""The driver and the runner: they go where a person would, and hold every key often and long enough."""

import numpy as np
import pytest

from tinyworlds.errors import ConfigError
from tinyworlds.sources.record.environments import LiveGame
from tinyworlds.sources.record.players import Driver, Runner, bar_speed, make_player, road_aside
from tinyworlds.sources.record.policies import PolicyChoice, make_policy
from tinyworlds.sources.record.share import fit_picture

DRIVING = ["noop", "right", "left", "gas", "brake"]
RUNNING = ["noop", "right", "left", "up", "right+up", "left+up"]


def meadow(road: slice | None = None, speed: float = 0.0) -> np.ndarray:
    """A picture as CarRacing draws it, with a road going up in some columns."""
    frame = np.full((64, 64, 3), (102, 204, 102), np.uint8)
    if road is not None:
        frame[:, road] = 105
    frame[56:] = 0
    height = speed * 64 / 2000
    frame[62, 8:10] = min(1.0, height) * 255
    return frame


def share_of(policy, frame, action: str, names, count: int = 1500) -> float:
    taken = [policy(frame) for _ in range(count)]
    return float(np.mean([names[action_id] == action for action_id in taken]))


def test_where_the_road_lies():
    assert road_aside(meadow(slice(26, 38))) == pytest.approx(0, abs=0.01)
    assert road_aside(meadow(slice(0, 12))) == pytest.approx(-0.41, abs=0.01)
    assert road_aside(meadow()) is None
    corner = meadow()
    corner[0:20, 50:62] = 105  # seen far away only
    assert road_aside(corner) == pytest.approx(0.375, abs=0.01)


def test_speed_is_read_from_the_bar():
    assert bar_speed(meadow(speed=0)) == 0
    assert bar_speed(meadow(speed=25)) == pytest.approx(25, rel=0.05)


@pytest.mark.parametrize(
    ("frame", "action"),
    [
        (meadow(slice(26, 38), speed=2), "gas"),
        (meadow(slice(26, 38), speed=20), "gas"),
        (meadow(slice(0, 12), speed=20), "left"),
        (meadow(slice(52, 64), speed=20), "right"),
    ],
)
def test_the_driver_steers_towards_the_road(frame, action):
    share = share_of(Driver(DRIVING, 0), frame, action, DRIVING)
    assert share > 0.45
    assert share < 0.9  # and goes on excursions


@pytest.mark.slow
def test_the_driver_stays_near_the_road_of_the_real_game():
    pytest.importorskip("Box2D")
    game = LiveGame("CarRacing-v3", 4)
    driver, on_road, taken = make_policy(PolicyChoice("driver"), [a.name for a in game.actions], 0), [], []
    picture = game.reset(3)
    for _ in range(230):
        frame = fit_picture(picture, 64)
        on_road.append(road_aside(frame) is not None)
        taken.append(driver(frame))
        picture, _, over = game.step(taken[-1])
        if over:
            break
    game.close()
    assert np.mean(on_road) > 0.8
    assert set(taken) == {0, 1, 2, 3, 4}


@pytest.mark.parametrize(
    ("player", "names", "frame"),
    [(Driver, DRIVING, meadow(slice(26, 38), speed=20)), (Runner, RUNNING, meadow())],
)
def test_the_same_seed_plays_alike_and_holds_keys(player, names, frame):
    one, other = player(names, 7), player(names, 7)
    actions = np.array([one(frame) for _ in range(3000)])
    assert actions.tolist() == [other(frame) for _ in range(3000)]
    lengths = np.diff(np.flatnonzero(np.diff(actions)))
    assert lengths.mean() > 3
    assert lengths.max() > 20


def test_the_runner_takes_every_action_often():
    runner = Runner(RUNNING, 0)
    shares = np.bincount([runner(meadow()) for _ in range(20000)]) / 20000
    assert shares.min() > 0.08
    assert RUNNING[int(shares.argmax())] == "right"


def test_a_game_without_the_actions_is_refused():
    with pytest.raises(ConfigError, match="'driver' needs the action gas; this game has noop, left, right"):
        make_player("driver", ["noop", "left", "right"], 0)
