"""A real game beside its dream: one start, the same keys, what is shown, what happens when the game ends."""

import dataclasses

import numpy as np
import pytest
from fake_game import FakeGame
from small_worlds import KEYS, known_world, random_world

from tinyworlds.keys import KeyEvent, complete_key_map, parse_script
from tinyworlds.play.beside import ANEW, Beside
from tinyworlds.play.headless import play_script
from tinyworlds.play.session import Session

NAMES = ("stay", "right", "left", "down")


def both(game=None, **settings):
    return Beside(known_world(**settings), game or FakeGame())


def press(session, *keys):
    session.handle([KeyEvent(key) for key in keys])
    session.handle([KeyEvent(key, down=False) for key in keys])


def with_info(world, **changes):
    world.info = dataclasses.replace(world.info, **changes)
    return world


def test_dream_and_game_start_at_one_place_and_take_the_same_keys():
    frames = play_script(Session(both(), seed=2), parse_script("d*3 s*2 a idle"))
    assert len(frames) == 8
    for frame in frames:  # this dream is right about everything
        assert np.array_equal(frame.image, frame.truth)
    assert len({frame.image.tobytes() for frame in frames}) > 4
    assert (frames[1].label, frames[1].truth_label, frames[1].action_name) == ("dream", "real game", "right")


def test_a_new_start_is_another_place_for_both_and_a_seed_repeats_all():
    script = parse_script("d r s r a")
    first, second = (play_script(Session(both(), seed=5), script) for _ in range(2))
    assert [f.image.tobytes() for f in first] == [f.image.tobytes() for f in second]
    assert [f.truth.tobytes() for f in first] == [f.truth.tobytes() for f in second]
    assert all(np.array_equal(frame.image, frame.truth) for frame in first)
    assert len({frame.image.tobytes() for frame in first if frame.number == 0}) > 1


def test_t_switches_and_g_shows_both():
    game = FakeGame(moves=(0, 2, 1, 3))  # goes left where the dream goes right
    session = Session(both(game), seed=0)
    session.tick()
    press(session, "d")
    apart = session.tick()
    assert apart.truth is not None
    assert not np.array_equal(apart.image, apart.truth)
    press(session, "p", "t")
    shown = session.tick()
    assert (shown.label, shown.truth, shown.sure) == ("real game", None, None)
    assert np.array_equal(shown.image, apart.truth)
    press(session, "t")
    assert session.tick().label == "dream"
    assert np.array_equal(session.tick().image, apart.image)
    press(session, "g")
    frame = session.tick()
    assert np.array_equal(frame.image, apart.image)
    assert np.array_equal(frame.truth, apart.truth)


def test_a_game_that_is_over_starts_anew_and_b_takes_the_dream_there():
    game = FakeGame(length=5)
    session = Session(both(game), seed=1)
    session.tick()
    begun = game.episodes
    said = [session.tick().message for _ in range(3)]
    assert said == ["", "", ANEW]  # the episode had two frames for the start already
    assert game.episodes == begun + 1
    press(session, "b")
    frame = session.tick()
    assert np.array_equal(frame.image, frame.truth)
    press(session, "s")
    frame = session.tick()
    assert np.array_equal(frame.image, frame.truth)


def test_a_game_that_cannot_go_back_offers_no_way_back():
    session = Session(both(), seed=0)
    names = {command.name for command in session.commands}
    assert not names & {"rewind", "fork"}
    for _ in range(3):
        session.tick()
    session.handle([KeyEvent("backspace")])
    assert session.tick().number == 3


def test_a_game_that_binds_t_keeps_it():
    session = Session(both(key_map={**KEYS, "t": 3}), seed=0)
    assert {command.key for command in session.commands if command.name == "switch"} == {"y"}
    session.tick()
    press(session, "t")
    assert session.tick().action_name == "down"
    press(session, "y")
    assert session.tick().label == "real game"
    session = Session(known_world(key_map={"t": 3}), seed=0)  # no game, no switch
    assert "switch" not in {command.name for command in session.commands}


def test_true_actions_that_share_one_of_the_dreams_are_told_apart_by_the_key():
    world = with_info(known_world(key_map={"left": 2, "space": 2}), true_actions={"left": 2, "fire": 2})
    game = FakeGame(("noop", "left", "fire"), moves=(0, 2, 2))
    session = Session(Beside(world, game), seed=0)
    session.tick()
    game.taken.clear()
    for key in ("left", "space"):
        press(session, key)
        session.tick()
    session.tick()
    assert game.taken == ["left", "fire", "noop"]


def test_a_key_that_the_dream_found_nothing_for_plays_the_game_alone():
    true = {"stay": 0, "right": 1, "left": 2, "fire": None}
    world = with_info(known_world(key_map={"left": 2, "right": 1}), true_actions=true)
    game = FakeGame(("stay", "right", "left", "fire"))
    session = Session(Beside(world, game), seed=0)
    session.tick()
    game.taken.clear()
    press(session, "space")
    frame = session.tick()
    assert game.taken == ["fire"]
    assert frame.action_name == "stay | fire"


def test_a_key_that_a_player_gave_another_action_means_it_in_both():
    world = with_info(
        known_world(key_map={"left": 1, "x": 3}), true_actions={name: i for i, name in enumerate(NAMES)}
    )
    game = FakeGame()
    pair = Beside(world, game)
    session = Session(pair, seed=0)
    session.tick()
    game.taken.clear()
    for key in ("left", "x", "2"):
        press(session, key)
        session.tick()
    assert game.taken == ["right", "down", "left"]
    assert [pair.dreamt(pair.key_map[key]) for key in ("left", "x", "2")] == [1, 3, 2]


def test_a_world_of_recorded_actions_is_told_what_the_game_did():
    told = []
    world = with_info(known_world(), actions="labels", action_names=NAMES)
    reset_many = world.reset_many
    world.reset_many = lambda frames, actions=None, seed=None: (
        told.append((frames.shape, actions.tolist())) or reset_many(frames, actions, seed)
    )
    pair = Beside(world, FakeGame(("left", "right", "stay")[::-1], moves=(0, 1, 2)))
    pair.reset(seed=0)
    pair.step(2)
    pair.reset_near(pair.beside)
    assert told == [((1, 3, 16, 16, 3), [[0, 0]]), ((1, 3, 16, 16, 3), [[0, 2]])]


def test_a_world_of_another_rate_says_so_and_no_world_is_too_short_of_frames():
    assert any("different speeds" in note for note in both(FakeGame(fps=30.0)).notes)
    assert both().notes == []
    short = both(FakeGame(length=2))  # shorter than what the dream wants to see
    assert short.reset(seed=0).shape == (16, 16, 3)
    for _ in range(4):
        short.step(0)


def test_networks_that_learned_nothing_play_beside_a_game():
    pair = Beside(random_world(), FakeGame())
    clip = play_script(Session(pair, seed=0), parse_script("a*2 3 d"))
    assert len(clip) == 5
    assert pair.key_map.keys() >= complete_key_map({}, 4).keys()
    pair.close()
    assert pair._game.closed


@pytest.mark.parametrize("digit", range(4))
def test_a_digit_is_an_action_of_the_dream_with_the_true_one_it_stands_for(digit):
    order = ("down", "left", "right", "stay")
    pair = Beside(known_world(), FakeGame(order, moves=(3, 2, 1, 0)))
    pair.reset(seed=0)
    assert np.array_equal(pair.step(pair.key_map[str(digit)]), pair.beside)
