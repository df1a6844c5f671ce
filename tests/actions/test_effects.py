"""What actions do is found out from a drawn world that does it, and keys follow from it."""

import numpy as np
import pytest
import scripted_world as script
from scripted_world import ScriptedWorld

from tinyworlds.actions.dreams import hold_each_action
from tinyworlds.actions.effect_names import distinct, effect_names, twins
from tinyworlds.actions.effects import measure_effects
from tinyworlds.actions.naming import Naming
from tinyworlds.actions.proposal import measured_naming, propose, with_effects
from tinyworlds.errors import ConfigError, DataError
from tinyworlds.world.start_clips import StartClips


def dreamt(world, num_frames=4):
    return hold_each_action(world, world.start_clips, num_frames)


def names_of(*actions, **settings):
    return effect_names(measure_effects(dreamt(ScriptedWorld(*actions, **settings)))[0])


@pytest.mark.parametrize(
    ("does", "name"),
    [
        (script.LEFT, "left"),
        (script.RIGHT, "right"),
        (script.UP, "up"),
        (script.DOWN, "down"),
        (script.UP_LEFT, "up left"),
        (script.TURN_LEFT, "turn left"),
        (script.TURN_RIGHT, "turn right"),
        (script.LOOK_UP, "look up"),
        (script.FORWARD, "forward"),
        (script.BACK, "back"),
        (script.FLASH, "flash"),
        (script.CUT, "change"),
        (script.IDLE, "nothing"),
    ],
)
def test_each_effect_has_its_name(does, name):
    assert names_of(script.IDLE, does, script.IDLE) == ["nothing", name, "nothing"]


def test_the_order_of_the_actions_does_not_matter():
    assert names_of(script.UP, script.RIGHT, script.IDLE, script.LEFT) == ["up", "right", "nothing", "left"]


def test_few_starts_are_enough():
    assert names_of(script.IDLE, script.LEFT, script.RIGHT, num_starts=2) == ["nothing", "left", "right"]


def test_what_scrolls_by_itself_is_nobodys_effect():
    found = names_of(script.IDLE, script.LEFT, script.DOWN, scroll=(2, 0))
    assert found == ["nothing", "left", "down"]


def test_without_an_idle_action_the_calmest_is_no_measure():
    slow_left = {"square": (-2, 0)}
    assert names_of(slow_left, script.RIGHT) == ["left", "right"]


def test_dreams_are_without_chance_and_leave_the_world_as_it_was():
    world = ScriptedWorld(script.IDLE, script.LEFT)
    counted = []
    dreams = hold_each_action(world, StartClips(world.start_clips.frames), 3, counted.append)
    assert dreams.shape == (2, 8, 4, 48, 48, 3)
    assert sum(counted) == 2 * 8 * 3
    assert (world.temperatures, world.sampling.temperature) == ({0.0}, 1.0)
    assert (dreams[0, :, 0] == dreams[1, :, 0]).all()
    assert (dreams[:, :, 0, 0, 0, 0] == np.arange(8)).all()  # every start with every action, in order


def test_more_sessions_than_fit_at_once():
    world = ScriptedWorld(*[script.IDLE, script.LEFT] * 10, num_starts=7)
    dreams = dreamt(world, 1)
    assert (dreams[:, :, 1, 0, 0, 0] == np.arange(7)).all()


def test_twins_do_the_same():
    dreams = dreamt(ScriptedWorld(script.IDLE, script.LEFT, script.LEFT, script.UP, script.IDLE))
    names = effect_names(measure_effects(dreams)[0])
    assert twins(dreams, names) == {2: 1, 4: 0}


def test_the_same_way_at_another_speed_is_no_twin():
    dreams = dreamt(ScriptedWorld(script.IDLE, script.TURN_LEFT, {"view": (-1, 0)}, script.TURN_RIGHT))
    names = effect_names(measure_effects(dreams)[0])
    assert names[1:3] == ["turn left", "turn left"]
    assert twins(dreams, names) == {}


def test_a_world_that_listens_to_nothing_does_nothing():
    dreams = dreamt(ScriptedWorld(script.IDLE, script.IDLE, script.IDLE))
    names = effect_names(measure_effects(dreams)[0])
    assert names == ["nothing"] * 3
    assert twins(dreams, names) == {1: 0, 2: 0}


def proposed(*actions, **known):
    return propose(*measure_effects(dreamt(ScriptedWorld(*actions)), known.get("dead", ())), **known)


def test_arrows_do_the_obvious():
    naming = proposed(script.UP, script.RIGHT, script.IDLE, script.LEFT, script.DOWN, script.FLASH)
    assert naming.key_map == {"left": 3, "right": 1, "up": 0, "down": 4, "space": 5}
    assert naming.names == ("up", "right", "nothing", "left", "down", "flash")
    assert naming.idle == 2


def test_turning_goes_on_the_arrows_and_diagonals_on_two_of_them():
    naming = proposed(script.IDLE, script.TURN_LEFT, script.TURN_RIGHT, script.FORWARD)
    assert naming.key_map == {"left": 1, "right": 2, "up": 3}
    both = proposed(script.IDLE, script.LEFT, script.UP, script.UP_LEFT, script.RIGHT)
    assert both.key_map == {"left": 1, "up": 2, "right": 4, "left+up": 3}


def test_the_action_that_occurs_most_gets_the_key():
    naming = proposed(script.LEFT, script.IDLE, script.LEFT, shares=[0.1, 0.5, 0.4])
    assert naming.key_map["left"] == 2
    assert naming.names == ("left 2", "nothing", "left")


def test_dead_actions_get_no_key():
    naming = proposed(script.LEFT, script.IDLE, script.RIGHT, shares=[0.0, 0.5, 0.5], dead=[0])
    assert naming.key_map == {"right": 2}


def test_a_second_action_that_moves_nothing_is_on_space():
    assert proposed(script.IDLE, script.LEFT, script.IDLE).key_map == {"left": 1, "space": 2}


def test_a_fresh_world_is_measured_unless_its_keys_are_known():
    world = ScriptedWorld(script.RIGHT, script.IDLE, script.LEFT)
    guess = Naming({"w": 0, "a": 1}, (), 0, guessed=True)
    assert measured_naming(world, guess) == Naming({"left": 2, "right": 0}, ("right", "nothing", "left"), 1)
    known = Naming({"a": 1}, ("x", "y", "z"), 0)
    assert measured_naming(world, known) is known


def test_what_the_clips_of_a_fresh_world_hardly_have_gets_no_key():
    """An action of 1 in 1,000 transitions, whose pictures fell apart, was put on an arrow."""
    world = ScriptedWorld(script.RIGHT, script.IDLE, script.LEFT)
    actions = np.ones((len(world.start_clips), 100), np.int64)
    actions[:, ::3] = 2
    actions[0, 0] = 0
    world.start_clips = StartClips(np.repeat(world.start_clips.frames, 101, axis=1)[:, :101], actions)
    assert measured_naming(world, Naming(guessed=True)).key_map == {"left": 2}


def test_a_guess_stays_where_nothing_moves_or_nothing_starts():
    guess = Naming({"w": 0}, (), 0, guessed=True)
    assert measured_naming(ScriptedWorld(script.IDLE, script.IDLE), guess) is guess
    empty = ScriptedWorld(script.LEFT, script.IDLE)
    empty.start_clips = StartClips()
    assert measured_naming(empty, guess) is guess


def test_known_names_stay_and_numbers_become_words():
    effects, _ = measure_effects(dreamt(ScriptedWorld(script.IDLE, script.LEFT, script.UP)))
    naming = with_effects(Naming({"a": 1}, ("nothing", "strafe", "action 2"), 0), effects)
    assert naming == Naming({"a": 1}, ("nothing", "strafe", "up"), 0)
    assert distinct(["left", "left", "up"], [1, 0, 2]) == ["left 2", "left", "up"]


def test_worlds_that_cannot_be_told_apart_say_so():
    with pytest.raises(ConfigError, match="does not listen"):
        dreamt(ScriptedWorld(script.IDLE))
    world = ScriptedWorld(script.IDLE, script.LEFT)
    with pytest.raises(DataError, match="--data FILE"):
        hold_each_action(world, StartClips(), 2)
