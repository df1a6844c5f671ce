"""Rewards and ends of windows."""

import numpy as np
import pytest

from tinyworlds import H5DataModule
from tinyworlds.data.outcomes import check_outcomes, outcomes_of
from tinyworlds.data.reader import FrameFile
from tinyworlds.data.writer import FrameWriter
from tinyworlds.errors import DataError

LENGTH = 10


def written(path, terminations=True, names=("noop", "go")):
    """Episodes of 10 frames; the reward tells the frame's number, every second episode is cut."""
    with FrameWriter(path, 16, 16, 10.0, action_names=names, terminations=terminations) as writer:
        for number in range(60 * LENGTH):
            last = number % LENGTH == LENGTH - 1
            frame = np.full((16, 16, 3), number % 256, np.uint8)
            writer.append(frame, 0, float(number), last, last and number // LENGTH % 2 == 0)
    return path


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    return FrameFile(written(tmp_path_factory.mktemp("outcomes") / "a.h5"))


def test_a_window_has_what_came_of_each_of_its_actions(file):
    rewards, over = outcomes_of(file, 6, 4, 1)
    assert rewards.tolist() == [6, 7, 8, 9]
    assert over.tolist() == [False, False, False, True]
    assert not outcomes_of(file, 16, 4, 1)[1].any()  # that episode was cut


def test_with_a_stride_rewards_are_added_up_and_never_those_of_another_episode(file):
    rewards, over = outcomes_of(file, 1, 3, 3)
    assert rewards.tolist() == [1 + 2 + 3, 4 + 5 + 6, 7 + 8 + 9]
    assert over.tolist() == [False, False, True]
    rewards, over = outcomes_of(file, 2, 3, 3)
    assert rewards.tolist() == [2 + 3 + 4, 5 + 6 + 7, 8 + 9]
    assert over.tolist() == [False, False, True]
    rewards, over = outcomes_of(file, 597, 1, 5)
    assert (rewards.tolist(), over.tolist()) == ([597 + 598 + 599], [False])


def test_batches_hold_them_when_asked_to(file):
    module = H5DataModule([str(file.info.path)], num_frames=4, batch_size=8, num_workers=0, cache=False)
    module.setup("fit")
    assert "rewards" not in next(iter(module.train_dataloader()))
    module.use_outcomes()
    batch = next(iter(module.train_dataloader()))
    assert batch["rewards"].shape == batch["terminations"].shape == (8, 4)
    assert np.array_equal(batch["rewards"] % 256, batch["frames"][:, :, 0, 0, 0])
    assert np.array_equal(batch["terminations"], batch["rewards"] % 20 == 9)


@pytest.mark.parametrize(
    ("settings", "missing"),
    [({"terminations": False}, "no terminations"), ({"names": None}, "no rewards")],
)
def test_a_file_without_them_is_refused(tmp_path, settings, missing):
    with pytest.raises(DataError, match=f"holds {missing}.*record it"):
        check_outcomes(FrameFile(written(tmp_path / "b.h5", **settings)))
