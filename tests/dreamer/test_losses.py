"""What the agent is trained on, against small references written the slow way."""

import math
from dataclasses import asdict

import numpy as np
import pytest
import torch

from tinyworlds.dreamer.agent import Agent, Observation
from tinyworlds.dreamer.distributions import ContinuousActions, DiscreteActions
from tinyworlds.dreamer.losses import LossSettings, Steps, agent_loss
from tinyworlds.dreamer.optimizer import LaProp
from tinyworlds.dreamer.returns import ReturnScale, lambda_return
from tinyworlds.dreamer.rssm import kl_divergence
from tinyworlds.dreamer.spaces import Spaces

CATCH = Spaces(frame_size=16, channels=1, num_actions=3)


def window(agent, batch=2, length=5, seed=0):
    """Made-up experience with an end in the middle of the first window."""
    torch.manual_seed(seed)
    shape = (batch, length)
    picture = torch.randint(256, (*shape, 16, 16, 1), dtype=torch.uint8)
    first, last = torch.zeros(shape, dtype=torch.bool), torch.zeros(shape, dtype=torch.bool)
    last[0, 2], first[0, 3] = True, True
    actions = torch.eye(3)[torch.randint(3, shape)]
    memory = agent.rssm.initial(batch * length)
    memory = type(memory)(*(part.unflatten(0, shape) for part in memory))
    return Steps(Observation(picture), actions, torch.randn(shape), first, last, last.clone(), memory)


@pytest.fixture
def agent():
    torch.manual_seed(0)
    return Agent(**asdict(CATCH), preset="cpu-tiny")


def test_lambda_returns_against_a_loop():
    torch.manual_seed(0)
    rewards, continues, values = torch.randn(3, 7), torch.rand(3, 7), torch.randn(3, 7)
    found = lambda_return(rewards, continues, values, 0.95)
    for row in range(3):
        following = values[row, 6]
        for t in range(5, -1, -1):
            ahead = 0.05 * values[row, t + 1] + 0.95 * following
            following = rewards[row, t + 1] + continues[row, t + 1] * ahead
            assert found[row, t].item() == pytest.approx(following.item(), rel=1e-4)
    one_step = lambda_return(rewards, continues, values, torch.zeros(3, 7))
    torch.testing.assert_close(one_step, rewards[:, 1:] + continues[:, 1:] * values[:, 1:])
    summed = lambda_return(rewards, torch.ones(3, 7), torch.zeros(3, 7), 1.0)
    torch.testing.assert_close(summed[:, 0], rewards[:, 1:].sum(1))


def test_divergence_below_the_floor_teaches_nothing(agent):
    steps = window(agent)
    for floor, taught in ((1e6, False), (0.0, True)):
        agent.zero_grad()
        agent_loss(agent, steps, LossSettings(free_nats=floor)).loss.backward()
        gradient = sum(p.grad.abs().sum() for p in agent.rssm.prior.parameters() if p.grad is not None)
        assert (gradient > 0) == taught  # the prior learns from nothing else


def test_divergence_against_torch():
    torch.manual_seed(0)
    p, q = torch.randn(2, 4, 8).log_softmax(-1), torch.randn(2, 4, 8).log_softmax(-1)
    wanted = torch.distributions.kl_divergence(
        torch.distributions.Categorical(logits=p), torch.distributions.Categorical(logits=q)
    )
    torch.testing.assert_close(kl_divergence(p, q), wanted.sum(-1))


def gradients(agent, part):
    return sum(p.grad.abs().sum().item() for p in part.parameters() if p.grad is not None)


def test_who_learns_from_what(agent):
    """Dreams teach actor and critic alone; what really happened also teaches the world through the critic."""
    for part in (agent.actor, agent.critic, agent.reward):
        torch.nn.init.normal_(part[-1].weight, std=0.1)  # zero weights would stop every gradient
    steps = window(agent)
    alone = LossSettings(replay_scale=0.0, dynamics_scale=0.0, representation_scale=0.0)
    agent_loss(agent, steps, alone).loss.backward()
    assert gradients(agent, agent.actor) > 0
    assert gradients(agent, agent.critic) > 0
    assert gradients(agent, agent.slow_critic) == 0
    with_replay = {}
    for scale in (0.0, 1.0):
        agent.zero_grad()
        torch.manual_seed(3)
        agent_loss(agent, steps, LossSettings(replay_scale=scale)).loss.backward()
        with_replay[scale] = agent.encoder["picture"].convs[0].weight.grad.clone()
    assert not torch.allclose(with_replay[0.0], with_replay[1.0])


def test_a_loss_says_what_it_is_made_of(agent):
    outcome = agent_loss(agent, window(agent), LossSettings())
    names = {f"loss/{name}" for name in ("image", "rew", "con", "dyn", "rep", "policy", "value", "repval")}
    assert names <= {*outcome.terms}
    assert outcome.loss.item() == pytest.approx(sum(outcome.terms[name].item() for name in names), rel=1e-5)
    assert outcome.memory.deter.shape == (2, 4, agent.sizes.deter)
    assert not outcome.memory.deter.requires_grad


def test_the_scale_of_returns_follows_slowly_and_never_blows_up():
    scale = ReturnScale(rate=0.5)
    assert scale.value == 1
    scale.update(torch.linspace(0, 100, 101))
    assert scale.value.item() == pytest.approx(0.5 * 90)
    scale.update(torch.linspace(0, 100, 101))
    assert scale.value.item() == pytest.approx(0.75 * 90)


def test_unimix_leaves_every_action_a_chance():
    actions = DiscreteActions(4, unimix=0.01)
    outputs = torch.tensor([100.0, 0, 0, 0])
    assert actions.log_probability(outputs, torch.eye(4)[1]).exp().item() == pytest.approx(0.0025)
    least, most = actions.entropy_range
    assert actions.entropy(outputs).item() == pytest.approx(least, rel=1e-3)
    assert most == pytest.approx(math.log(4))
    assert DiscreteActions(4, unimix=0.0).entropy_range[0] == pytest.approx(0, abs=1e-6)
    assert actions.likeliest(outputs).tolist() == [1, 0, 0, 0]


def test_numbers_as_actions():
    actions = ContinuousActions(2)
    outputs = torch.tensor([[50.0, -50.0, 50.0, -50.0]])
    assert actions.likeliest(outputs).tolist() == [[1.0, -1.0]]
    normal = torch.distributions.Normal(torch.tensor([1.0, -1.0]), torch.tensor([1.0, 0.1]))
    taken = torch.tensor([[0.5, -0.9]])
    assert actions.log_probability(outputs, taken).item() == pytest.approx(
        normal.log_prob(taken).sum().item()
    )
    least, most = actions.entropy_range
    assert least <= actions.entropy(outputs).item() <= most


def reference_laprop(weights, gradients, lr, b1, b2, clip):
    """Three updates in numpy, as the papers write them."""
    square, average = np.zeros_like(weights), np.zeros_like(weights)
    for count, gradient in enumerate(gradients, start=1):
        most = clip * max(np.linalg.norm(weights), 1e-3)
        gradient = gradient * min(1.0, most / np.linalg.norm(gradient))
        square = b2 * square + (1 - b2) * gradient**2
        average = b1 * average + (1 - b1) * gradient / (np.sqrt(square / (1 - b2**count)) + 1e-20)
        weights = weights - lr * average / (1 - b1**count)
    return weights


@pytest.mark.parametrize("size", [0.01, 100.0])  # below what is clipped, and far above
def test_laprop_against_numpy(size):
    random = np.random.default_rng(0)
    start, steps = random.normal(size=(4, 3)), random.normal(size=(3, 4, 3)) * size
    weight = torch.nn.Parameter(torch.from_numpy(start.copy()))
    optimizer = LaProp([weight], lr=0.1, clip=0.3)
    for step in steps:
        weight.grad = torch.from_numpy(step.copy())
        optimizer.step()
    np.testing.assert_allclose(
        weight.detach().numpy(), reference_laprop(start, steps, 0.1, 0.9, 0.999, 0.3), rtol=1e-6
    )


def test_weights_without_a_gradient_stay():
    one, two = torch.nn.Parameter(torch.ones(2)), torch.nn.Parameter(torch.ones(2))
    optimizer = LaProp([one, two], lr=0.1)
    one.grad = torch.ones(2)
    optimizer.step()
    assert one.tolist() != [1, 1]
    assert two.tolist() == [1, 1]
