"""Exports over a world whose keys a person changed."""

import dataclasses

import pytest
from tiny_worlds import change, tiny_world

from tinyworlds.api import World
from tinyworlds.commands.actions import main as actions
from tinyworlds.errors import CheckpointError
from tinyworlds.export.keeping import save_over
from tinyworlds.world.file import load_world, save_world
from tinyworlds.world.keys import read_keys


def world_of(fingerprint: str = "a", **settings) -> World:
    world = tiny_world(**settings)
    stages = {"latent_actions": {"fingerprint": fingerprint}}
    world.info = dataclasses.replace(world.info, provenance={"stages": stages})
    return world


@pytest.fixture
def changed(tmp_path):
    """A world whose owner bound two keys in turn, took one away, renamed and chose what idles."""
    path = tmp_path / "tiny.world"
    assert save_over(path, world_of()) == ""
    for words in (["--bind", "space=3", "left="], ["--bind", "d=2", "--name", "3=jump"], ["--idle", "0"]):
        assert actions([str(path), *words]) == 0
    return path


def test_what_was_changed_is_noted_in_the_file(changed):
    keys = read_keys(changed)
    assert keys.key_map == {"space": 3, "d": 2}
    assert keys.by_hand == {"bind": {"space": 3, "left": None, "d": 2}, "names": {"3": "jump"}, "idle": 0}


def test_a_new_export_keeps_it_and_says_so(changed):
    new = world_of()
    new.info = dataclasses.replace(new.info, key_map={"left": 1, "up": 2})  # as found this time
    told = save_over(changed, new)
    assert told == (
        f"kept what was changed by hand in {changed}: space = 3, left = nothing, d = 2, 3 is called jump, "
        "no key = 0"
    )
    for world in (new, load_world(changed)):
        assert world.key_map == {"up": 2, "space": 3, "d": 2}
        assert world.action_names == ("noop", "left", "action 2", "jump")
        assert world.idle_action == 0
    assert save_over(changed, world_of()) == told  # and the one after that as well


def test_actions_of_another_model_are_others(changed):
    assert "its actions were other ones" in save_over(changed, world_of("b"))
    assert load_world(changed).key_map == {"left": 1}
    assert read_keys(changed).by_hand == {}


def test_recorded_actions_are_the_same_by_their_names(tmp_path):
    path = tmp_path / "tiny.world"
    world = tiny_world(actions="labels")
    world.info = dataclasses.replace(world.info, true_actions={"noop": 0, "left": 1})
    save_world(path, world)
    actions([str(path), "--bind", "q=1"])
    assert "q = 1" in save_over(path, world)
    world.info = dataclasses.replace(world.info, true_actions={"left": 0, "noop": 1}, by_hand={})
    assert "other ones" in save_over(path, world)


def test_a_proposal_that_is_stored_is_no_change_by_hand(changed):
    assert actions([str(changed), "--write", "--sheet", "none"]) == 0
    assert read_keys(changed).by_hand == {}


@pytest.mark.parametrize(
    "by_hand",
    [
        7,
        {"bind": 3},
        {"bind": {"left": "x"}},
        {"names": {"a": "b"}},
        {"idle": -1},
        {"other": {}},
        {"idle": None},
    ],
)
def test_what_a_stranger_wrote_there_is_checked(by_hand, changed):
    change(changed, by_hand=by_hand)
    with pytest.raises(CheckpointError, match="by_hand is"):
        load_world(changed)
    assert save_over(changed, world_of()) == ""  # nothing that could be kept


def test_something_else_in_its_place_is_no_world(tmp_path):
    path = tmp_path / "tiny.world"
    path.write_bytes(b"no world")
    assert save_over(path, world_of()) == ""
    assert load_world(path).key_map == {"left": 1}
