"""Games that answer a frame or two after a key was pressed."""

import numpy as np
import pytest

from tinyworlds.actions.lags import lag_of
from tinyworlds.actions.matching import match_actions

NAMES = ("noop", "left", "right", "shoot")


def late(lag: int, hold: int, noise: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Keys held for `hold` transitions, and latent actions that follow `lag` later, some wrong."""
    random = np.random.default_rng(seed)
    true = random.integers(4, size=(400, 12)).repeat(hold, axis=1)[:, :12]
    order = np.array([2, 0, 3, 1])
    latent = np.concatenate([random.integers(4, size=(400, lag)), order[true][:, : 12 - lag]], axis=1)
    wrong = random.random(latent.shape) < noise
    return true, np.where(wrong, random.integers(4, size=latent.shape), latent)


@pytest.mark.parametrize("hold", [1, 4])
@pytest.mark.parametrize("noise", [0.0, 0.6])
@pytest.mark.parametrize("lag", [0, 1, 2])
def test_actions_are_found_when_they_show(lag: int, hold: int, noise: float) -> None:
    true, latent = late(lag, hold, noise)
    assert lag_of(true, latent) == lag
    match = match_actions(true, latent, NAMES, 4)
    assert match.lag == lag
    assert match.latent_of_true == {0: 2, 1: 0, 2: 3, 3: 1}


def test_what_is_not_there_has_no_lag() -> None:
    random = np.random.default_rng(1)
    found = [lag_of(*random.integers(4, size=(2, 200, 6))) for _ in range(50)]
    assert found == [0] * 50


def test_clips_too_short_and_unknown_actions_are_taken_as_they_are() -> None:
    assert lag_of(np.zeros((5, 2), int), np.zeros((5, 2), int)) == 0
    assert lag_of(np.full((5, 6), -1), np.zeros((5, 6), int)) == 0
    true, latent = late(1, 3, 0.0)
    assert match_actions(true.ravel(), latent.ravel(), NAMES, 4).lag == 0
