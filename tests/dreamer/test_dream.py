"""Playing in an agent's dream: by hand, by the agent, beside the real game."""

import numpy as np
import pytest
import torch

from tinyworlds import load_network
from tinyworlds.commands.cli import main
from tinyworlds.dreamer.dream import AgentBesideGame, AgentDream
from tinyworlds.dreamer.games import AgentGame
from tinyworlds.dreamer.tasks import find_task
from tinyworlds.keys import KeyEvent, session_commands
from tinyworlds.play.session import Session


@pytest.fixture
def agent(whole):
    return load_network(whole / "checkpoints/last.ckpt")


@pytest.fixture
def make(agent):
    games = []

    def made(kind):
        games.append(AgentGame(find_task("catch")))
        return kind(agent, games[-1], "catch")

    yield made
    for game in games:
        game.close()


def test_it_begins_with_a_real_picture_and_goes_on_by_its_own(make):
    world, game = make(AgentDream), AgentGame(find_task("catch"))
    first = world.reset(seed=5)
    assert np.array_equal(first, game.reset(5).picture.repeat(3, axis=-1))
    game.close()
    frames = [world.step(action) for action in (0, 1, 2)]
    assert all(frame.shape == (16, 16, 3) and frame.dtype == np.uint8 for frame in frames)
    again = world.reset(seed=5)
    assert np.array_equal(again, first)
    assert all(
        np.array_equal(world.step(action), frame) for action, frame in zip((0, 1, 2), frames, strict=True)
    )


def test_it_can_go_back(make):
    world = make(AgentDream)
    world.reset(seed=1)
    state = world.state()
    ahead = world.step(2)
    world.step(1)
    world.restore(state)
    assert np.array_equal(world.step(2), ahead)


def test_the_real_game_takes_the_same_actions(make):
    world = make(AgentBesideGame)
    first = world.reset(seed=3)
    assert np.array_equal(world.beside, first)
    places = []
    for _ in range(7):
        world.step(1)
        places.append(int(world.beside[-1, :, 0].argmax()))
    assert places[:6] == [6, 4, 2, 0, 0, 0]  # two pixels a cell, to the left wall
    assert "real game: reward" in world.said
    assert "over" in world.said
    anew = world.step(2)
    assert np.array_equal(world.beside, anew)  # it had ended
    assert world.said == "a new episode"
    assert int(anew[-1, :, 0].argmax()) == 8  # where the paddle begins
    assert not hasattr(world, "state")


def test_a_session_knows_of_the_game_beside_from_the_start(make):
    commands = {command.name for command in Session(make(AgentBesideGame), seed=0).commands}
    assert {"switch", "both", "agent"} <= commands
    assert "rewind" not in commands
    assert "rewind" in {command.name for command in Session(make(AgentDream), seed=0).commands}


def test_after_a_dreamt_end_it_begins_anew(make, monkeypatch):
    world = make(AgentDream)
    world.reset(seed=4)
    monkeypatch.setattr(world.agent, "continues", lambda features: torch.zeros(1))
    world.step(0)
    assert "the dream says it is over" in world.said
    state = world.state()
    anew = world.step(1)
    assert world.said == "a new episode"
    assert world.score == 0.0
    world.restore(state)
    assert np.array_equal(world.step(1), anew)


def test_the_agent_takes_over_and_gives_back(make, monkeypatch):
    world = make(AgentDream)
    monkeypatch.setattr(world, "choose", lambda: 2)
    session = Session(world, seed=0)
    assert "o" in {command.key for command in session.commands}
    session.tick()
    taken = []
    for press in (False, True, False, True, False):
        session.handle([KeyEvent("o"), KeyEvent("o", down=False)] if press else [])
        taken.append(session.tick().action)
    assert taken == [0, 2, 2, 0, 0]


def test_what_the_agent_would_do_changes_nothing(make):
    world = make(AgentDream)
    world.reset(seed=2)
    choice = world.choose()
    assert world.choose() == choice
    one = world.step(choice)
    world.reset(seed=2)
    assert np.array_equal(world.step(choice), one)


def test_a_letter_for_the_agent_that_is_no_key_of_the_game():
    commands = {command.name: command.key for command in session_commands({"o": 1, "t": 0}, True, True)}
    assert commands["agent"] == "k"
    assert commands["switch"] == "y"
    assert "agent" not in {command.name for command in session_commands({}, False)}


@pytest.mark.parametrize("more", [[], ["--real"]])
def test_it_is_played_by_the_command(whole, tmp_path, capsys, more):
    for number, path in enumerate((whole / "checkpoints/last.ckpt", whole.parents[1])):
        out = tmp_path / f"{number}.mp4"
        words = ["--headless", "--keys", "left*3 idle*2 right*2", "--out", str(out)]
        assert main(["play", str(path), *words, *more]) == 0
        assert out.is_file()
    assert "catch: 3 actions, 8 frames/s" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--temperature", "1"], "--temperature is for worlds"),
        (["--real", "CartPole-v1"], "cannot play cart_pole"),
    ],
)
def test_what_only_worlds_do_is_said(whole, capsys, words, said):
    path = str(whole / "checkpoints/last.ckpt")
    assert main(["play", path, "--headless", "--keys", "left", *words]) != 0
    assert said in capsys.readouterr().err
