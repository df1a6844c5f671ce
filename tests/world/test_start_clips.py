"""Start clips: which frames and actions a window holds, what is drawn, what does not fit."""

import numpy as np
import pytest

from tinyworlds import StartClips
from tinyworlds.errors import DataError


@pytest.fixture
def clips():
    """Seven clips of five 2x2 frames: frame t of clip n is 10 n + t, the action after it 100 n + t."""
    number, time = np.arange(7)[:, None], np.arange(5)
    frames = np.broadcast_to((10 * number + time)[..., None, None, None], (7, 5, 2, 2, 3)).astype(np.uint8)
    return StartClips(frames, 100 * number + time[:-1])


def test_the_actions_of_a_window_lie_between_its_frames(clips):
    frames, actions = clips.window(3, place=1)
    assert frames[:, :, 0, 0, 0].tolist() == [[10 * n + t for t in (1, 2, 3)] for n in range(7)]
    assert actions.tolist() == [[100 * n + t for t in (1, 2)] for n in range(7)]
    frames, actions = clips.window(9, place=3)  # the clips end before
    assert frames.shape[1] == 2
    assert actions.tolist() == [[100 * n + 3] for n in range(7)]
    assert StartClips(clips.frames).window(3)[1] is None


def test_parts_keep_their_actions(clips):
    assert [part.actions[0, 0] for part in (clips[2:], clips[[5]])] == [200, 500]
    assert clips.spread(3).actions[:, 0].tolist() == [0, 300, 600]
    assert len(clips.spread(99)) == 7


def test_clips_are_drawn_with_replacement(clips):
    drawn = clips.draw(np.random.default_rng(0), 50)
    assert len(drawn) == 50
    assert set(drawn.actions[:, 0]) == {100 * n for n in range(7)}
    assert np.array_equal(drawn.frames[:, 0, 0, 0, 0].astype(int) * 10, drawn.actions[:, 0])


def test_the_window_that_ends_most_like_a_picture(clips):
    assert clips.most_like(np.full((2, 2, 3), 43, np.uint8), 3) == (4, 1)
    assert clips.most_like(np.full((2, 2, 3), 40, np.uint8), 3) == (4, 0)  # frames 40 and 41 end no window


def test_no_clips_are_false(clips):
    assert clips
    assert not StartClips()
    assert not clips[:0]


@pytest.mark.parametrize(
    ("frames", "actions", "message"),
    [
        (np.zeros((2, 3, 4, 4, 3)), None, r"uint8 .*; got float64 \[2, 3, 4, 4, 3\]"),
        (np.zeros((3, 4, 4, 3), np.uint8), None, r"got uint8 \[3, 4, 4, 3\]"),
        (
            np.zeros((2, 3, 4, 4, 3), np.uint8),
            np.zeros((2, 3), int),
            r"integers \[2, 2\]; got int64 \[2, 3\]",
        ),
        (np.zeros((2, 3, 4, 4, 3), np.uint8), np.zeros((2, 2)), r"integers \[2, 2\]; got float64"),
    ],
)
def test_what_does_not_fit_is_refused(frames, actions, message):
    with pytest.raises(DataError, match=message):
        StartClips(frames, actions)
