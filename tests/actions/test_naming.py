"""Which action is taken while no key is pressed."""

import numpy as np
import pytest
import torch

from tinyworlds.actions.naming import name_actions
from tinyworlds.data.gameplay import Gameplay


class Scripted(torch.nn.Module):
    """Finds `still` where nothing moves, and else the next of `moving`."""

    num_actions = 4

    def __init__(self, still: int, moving: list[int]) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(()))
        self.still, self.moving = still, moving

    def encode(self, frames):
        same = (frames[:, 1:] == frames[:, :-1]).flatten(2).all(2)
        moving = torch.tensor(self.moving).expand(len(frames), -1)[:, : same.shape[1]]
        return torch.where(same, self.still, moving)


@pytest.mark.parametrize(
    ("still", "moving", "idle"),
    [
        (2, [0, 1, 2, 3], 2),
        (
            0,
            [3, 3, 1, 3],
            3,
        ),  # 0 is found where nothing moves, as gameplay never is: nobody knows how it looks
    ],
)
def test_idling_takes_an_action_that_gameplay_has(still, moving, idle):
    frames = np.random.default_rng(0).integers(256, size=(8, 5, 4, 4, 3), dtype=np.uint8)
    gameplay = Gameplay(frames, None, None, None, (), 10.0, ("walk.h5",))
    assert name_actions("walk", "latent", Scripted(still, moving), gameplay).idle == idle
