"""A live game beside a world: its pictures, its rate, its end; real Doom beside a dream."""

import dataclasses
import sys

import numpy as np
import pytest
import toy_games  # noqa: F401  (registers them)
from tiny_worlds import tiny_world

from tinyworlds.errors import ConfigError, MissingExtraError
from tinyworlds.keys import parse_script
from tinyworlds.play.beside import Beside
from tinyworlds.play.headless import play_script
from tinyworlds.play.session import Session
from tinyworlds.sources.record.running import running_game


def world_of(game, fps=24.0):
    world = tiny_world()
    world.info = dataclasses.replace(world.info, game=game, fps=fps)
    return world


def test_pictures_are_frames_of_the_world_until_the_episode_ends():
    game = running_game("TinyCounting-v0", world_of("toy"))
    assert game.reset(0).shape == (16, 16, 3)
    seen = [game.step(3) for _ in range(7)]
    assert [tuple(picture[0, 0, :2]) for picture in seen[:6]] == [(n, 3) for n in range(1, 7)]
    assert seen[6] is None
    assert tuple(game.reset(1)[0, 0, :2]) == (0, 99)
    game.close()


@pytest.mark.parametrize(("fps", "steps"), [(24.0, 1), (12.0, 2), (8.0, 3), (60.0, 1)])
def test_it_runs_at_the_worlds_rate(fps, steps):
    game = running_game("TinyCounting-v0", world_of("toy", fps))
    game.reset(0)
    assert game.step(0)[0, 0, 0] == steps
    assert game.fps == 24 / steps
    game.close()


def test_a_world_without_a_real_game_says_what_to_name():
    with pytest.raises(ConfigError, match="'toy' is no title that a real game is known of: name one"):
        running_game("", world_of("toy"))
    with pytest.raises(ConfigError, match="this world has no title"):
        running_game("", world_of(""))
    with pytest.raises(ConfigError, match="cannot be recorded here"):
        running_game("", world_of("zelda"))


def test_a_missing_package_is_named_with_its_command(monkeypatch):
    monkeypatch.setitem(sys.modules, "vizdoom", None)
    monkeypatch.delitem(sys.modules, "vizdoom.gymnasium_wrapper", raising=False)
    with pytest.raises(MissingExtraError, match=r"needs the package 'vizdoom'; run: pip install 'tiny"):
        running_game("VizdoomBasic-v1", world_of("toy"))


def test_real_doom_beside_a_dream_starts_where_the_dream_does():
    pytest.importorskip("vizdoom")
    world = world_of("doom", 8.75)
    pair = Beside(world, running_game("", world))
    try:
        frames, again = (
            play_script(Session(pair, seed=1), parse_script("d*6 space*2 idle r d*2")) for _ in range(2)
        )
        assert frames[0].truth.shape == (16, 16, 3)
        assert [f.truth.tobytes() for f in frames] == [f.truth.tobytes() for f in again]
        turned = np.abs(frames[6].truth.astype(int) - frames[0].truth).mean()
        assert turned > 3  # the game moves
        assert {"attack", "turn_right", "noop"} <= {*pair._game.names}
    finally:
        pair.close()
