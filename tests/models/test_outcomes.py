"""Rewards and ends of actions, told from codes."""

import pytest
import torch

from tinyworlds.errors import ConfigError
from tinyworlds.models import DynamicsModel
from tinyworlds.models.outcomes import Outcomes
from tinyworlds.nn.fsq import FSQ

GRID, NUM_ACTIONS = 4, 3


def rule(ids, actions):
    """Action 2 earns 5 at a high code in the first patch, 1 ends it where there was one just before."""
    high = ids[..., 0] >= 8
    before = torch.cat([torch.zeros_like(high[:, :1]), high[:, :-1]], dim=1)
    return 5.0 * (high & (actions == 2)), before & (actions == 1)


def windows(count, generator):
    ids = torch.randint(16, (count, 4, GRID**2), generator=generator)
    actions = torch.randint(NUM_ACTIONS, (count, 4), generator=generator)
    return ids, actions, *rule(ids, actions)


@pytest.mark.slow
def test_it_learns_what_follows_from_two_frames_and_the_action_taken_there():
    torch.manual_seed(0)
    head, generator = Outcomes(GRID, FSQ(2, 4), NUM_ACTIONS), torch.Generator().manual_seed(0)
    optimizer = torch.optim.AdamW(head.parameters(), 3e-3)
    for _ in range(400):
        losses = head.loss(*windows(64, generator))
        optimizer.zero_grad()
        (losses["reward_loss"] + losses["end_loss"]).backward()
        optimizer.step()
    ids, actions, rewards, over = windows(200, generator)
    reward, chance = head.tell(ids, actions[:, -1])
    assert (reward - rewards[:, -1]).abs().mean() < 0.2  # 0.8 for who ignores frames or action
    assert ((chance > 0.5) == over[:, -1]).float().mean() > 0.97
    assert torch.equal(head.tell(ids[:, -2:], actions[:, -1])[0], reward)  # older frames do not count


def test_one_frame_is_enough_to_ask():
    head = Outcomes(GRID, FSQ(2, 4), NUM_ACTIONS)
    ids = torch.zeros(2, 1, GRID**2, dtype=torch.int64)
    reward, chance = head.tell(ids, torch.tensor([0, 2]))
    assert reward.tolist() == [0.0, 0.0]  # untrained, it expects nothing
    assert (chance < 0.1).all()
    losses = head.loss(ids, torch.zeros(2, 1, dtype=torch.int64), torch.zeros(2, 1), torch.zeros(2, 1))
    assert all(value.isfinite() for value in losses.values())


def test_dynamics_have_them_when_asked_to():
    sizes = {"embed_dim": 16, "num_heads": 2, "hidden_dim": 16, "num_blocks": 1}
    plain, told = (
        DynamicsModel(16, 2, 4, num_actions=3, outcomes=wanted, **sizes) for wanted in (False, True)
    )
    assert plain.outcomes is None
    assert {name for name in told.state_dict() if name not in plain.state_dict()} == {
        f"outcomes.{name}" for name in told.outcomes.state_dict()
    }
    again = DynamicsModel(**told.config)
    again.load_state_dict(told.state_dict())
    with pytest.raises(ConfigError, match="outcomes are those of actions"):
        DynamicsModel(16, 2, 4, num_actions=0, outcomes=True, **sizes)
