"""Two worlds on the same keys: what each does, where they start, what is seen."""

import numpy as np
import pytest
from small_worlds import KEYS, known_world, random_world

from tinyworlds.errors import DataError
from tinyworlds.keys import KeyEvent, parse_script
from tinyworlds.play.clip import play_keys
from tinyworlds.play.panels import LABEL_PX, PANEL_PX
from tinyworlds.play.session import Session
from tinyworlds.play.side_by_side import SideBySide

OTHER_KEYS = {"left": 1, "right": 2, "space": 3}  # left goes right, and space goes down


def panels(picture):
    """The two pictures without label and divider, 16x16."""
    centre = slice(PANEL_PX // 32, None, PANEL_PX // 16)
    shown = picture[LABEL_PX:]
    return shown[centre, :PANEL_PX][:, centre], shown[centre, PANEL_PX:][:, centre]


def pair(left=None, right=None, **settings):
    return SideBySide(left or known_world(**settings), right or known_world(**settings), ("a", "b"))


def test_both_start_from_the_same_frame_and_take_the_same_keys():
    both = pair()
    assert both.notes == []
    clip = play_keys(both, "d*2 s a idle", seed=2)
    assert clip.frames.shape == (6, *both.frame_shape)
    alone = known_world()
    alone.reset(frames=alone.start_clips.frames[int(np.random.default_rng(2).integers(5))])
    for picture, action in zip(clip.frames[1:], (1, 1, 3, 2, 0), strict=True):
        left, right = panels(picture)
        assert np.array_equal(left, right)
        assert np.array_equal(left, alone.step(action))


def test_a_key_means_in_each_world_what_its_own_map_says():
    both = pair(known_world(), known_world(key_map=OTHER_KEYS))
    start = panels(both.reset(seed=0))[0]
    left, right = panels(both.step(both.key_map["left"]))
    assert np.array_equal(left, np.roll(start, -4, axis=1))
    assert np.array_equal(right, np.roll(start, 4, axis=1))
    assert both.action_names[both.key_map["left"]] == "left | right"
    both.reset(seed=0)
    left, right = panels(both.step(both.key_map["space"]))  # nothing in the left world
    assert np.array_equal(left, start)
    assert np.array_equal(right, np.roll(start, 4, axis=0))


def test_keys_held_together_reach_the_world_that_knows_them():
    both = pair(known_world(key_map={"left": 2}), known_world(key_map={"space": 3}))
    session = Session(both, seed=0)
    start = panels(session.tick().image)[0]
    session.handle([KeyEvent("left"), KeyEvent("space")])
    left, right = panels(session.tick().image)
    assert np.array_equal(left, np.roll(start, -4, axis=1))
    assert np.array_equal(right, np.roll(start, 4, axis=0))


def test_digits_are_raw_action_ids_in_both():
    both = pair(known_world(), known_world(key_map=OTHER_KEYS))
    clip = play_keys(both, "1 3 9", seed=0)
    for before, after, shift, axis in ((0, 1, 4, 1), (1, 2, 4, 0), (2, 3, 0, 0)):
        for old, new in zip(panels(clip.frames[before]), panels(clip.frames[after]), strict=True):
            assert np.array_equal(new, np.roll(old, shift, axis))


def test_no_key_leaves_both_idle():
    both = SideBySide(random_world(), known_world(), ("noise", "walk"))
    assert both._pairs[both.idle_action] == (2, 0)
    assert Session(both).key_map["down"] == both.key_map["down"]


def test_worlds_of_different_titles_start_from_clips_of_their_own():
    both = SideBySide(random_world(), known_world(fps=10), ("noise", "walk"))
    first, second = both.notes
    assert "clip of its own" in first
    assert "both run at 10" in second
    assert both.fps == 10
    both.reset(seed=1)
    left, right = panels(both.step(0))
    assert len(np.unique(right)) <= 2 < len(np.unique(left))
    assert both.game == "noise_and_walk"


def test_clips_may_lie_in_one_of_two_worlds_of_a_title():
    both = pair(known_world(num_clips=0), known_world())
    left, right = panels(both.reset(seed=0))
    assert np.array_equal(left, right)
    with pytest.raises(DataError, match="b stores no clips"):
        pair(random_world(), known_world(num_clips=0))
    with pytest.raises(DataError, match="a stores no clips"):
        pair(known_world(num_clips=0), known_world(num_clips=0))


def test_the_same_seed_plays_the_same_and_later_starts_differ():
    def starts(seed):
        both = pair()
        return [
            panels(frame)[0].tobytes() for frame in (both.reset(seed=seed), *(both.reset() for _ in range(8)))
        ]

    assert starts(1) == starts(1)
    assert len(set(starts(1))) > 1


def test_a_player_can_go_back():
    both = pair(key_map={**KEYS, "up": 0})
    both.reset(seed=0)
    both.step(1)
    state = both.state()
    there = both.step(3)
    both.step(2)
    both.reset()
    both.restore(state)
    assert np.array_equal(both.step(3), there)


def test_each_picture_says_whose_it_is_and_what_was_done():
    both = SideBySide(known_world(), known_world(key_map=OTHER_KEYS), ("a", "x" * 200))
    start, after = both.reset(seed=0), both.step(both.key_map["left"])
    bars = [picture[:LABEL_PX].copy() for picture in (start, after)]
    assert not np.array_equal(bars[0], bars[1])
    for bar in bars:
        assert (bar[:, :PANEL_PX] > 100).any()
        assert (bar[:, PANEL_PX:] > 100).any()
        assert not (bar[:, PANEL_PX - 4 : PANEL_PX] > 100).any()  # no name runs into the other picture


def test_two_worlds_run_in_a_session_as_one():
    both = pair()
    session = Session(both, seed=0)
    for key in parse_script("d*3 s*2"):
        session.handle([KeyEvent(key)])
        frame = session.tick()
        session.handle([KeyEvent(key, down=False)])
    assert frame.action_name == "down"
    assert frame.image.shape == both.frame_shape
