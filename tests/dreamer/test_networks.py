"""The agent's networks: sizes as published, shapes, what they start from, what they forget."""

from dataclasses import asdict

import numpy as np
import pytest
import torch

from tinyworlds.dreamer.agent import Agent, Observation
from tinyworlds.dreamer.layers import BlockMap, Map
from tinyworlds.dreamer.networks import stage_widths
from tinyworlds.dreamer.sizes import sizes_of
from tinyworlds.dreamer.spaces import Spaces
from tinyworlds.errors import ConfigError

CATCH = Spaces(frame_size=16, channels=1, num_actions=3)


def num_parameters(agent):
    return sum(one.numel() for one in agent.parameters() if one.requires_grad)


@pytest.fixture
def agent():
    torch.manual_seed(0)
    return Agent(**asdict(CATCH), preset="cpu-tiny")


@pytest.mark.parametrize(
    ("preset", "spaces", "number"),
    [
        ("1m", Spaces(vector=24, action_dim=6), 640_867),  # Walker, as the published model counts it
        ("1m", Spaces(frame_size=64, num_actions=6), 686_456),
        ("12m", Spaces(frame_size=64, num_actions=6), 10_492_616),
        ("25m", Spaces(frame_size=64, num_actions=6), 23_487_016),
        ("50m", Spaces(frame_size=64, num_actions=6), 41_646_984),
        ("cpu-tiny", CATCH, 281_507),
    ],
)
def test_presets_have_the_published_sizes(preset, spaces, number):
    with torch.device("meta"):
        assert num_parameters(Agent(**asdict(spaces), preset=preset)) == number


@pytest.mark.parametrize(
    "spaces",
    [
        CATCH,
        Spaces(frame_size=64, num_actions=6),
        Spaces(frame_size=96, channels=1, vector=3, num_actions=2),
        Spaces(vector=5, action_dim=2),
    ],
)
def test_shapes(spaces):
    sizes = "cpu-tiny" if spaces.frame_size in (0, 16, 64) else "1m"
    agent = Agent(**asdict(spaces), preset=sizes)
    picture = torch.zeros(2, 3, spaces.frame_size, spaces.frame_size, spaces.channels, dtype=torch.uint8)
    seen = Observation(
        picture if spaces.frame_size else None, torch.zeros(2, 3, spaces.vector) if spaces.vector else None
    )
    actions, first = torch.zeros(2, 3, spaces.action_width), torch.zeros(2, 3, dtype=torch.bool)
    carry, logits = agent.rssm.observe(agent.rssm.initial(2), actions, agent.encode(seen), first)
    assert carry.deter.shape == (2, 3, agent.sizes.deter)
    assert carry.stoch.shape == logits.shape == (2, 3, agent.sizes.stoch)
    drawn = agent.draw(carry)
    assert (drawn.picture is None) == (spaces.frame_size == 0)
    if drawn.picture is not None:
        assert drawn.picture.shape == (2, 3, spaces.channels, spaces.frame_size, spaces.frame_size)
        assert drawn.picture.min() >= 0
        assert drawn.picture.max() <= 1
    if drawn.vector is not None:
        assert drawn.vector.shape == (2, 3, spaces.vector)
    assert agent.value(carry.features).shape == agent.continues(carry.features).shape == (2, 3)


def test_nothing_is_expected_before_training(agent):
    features = torch.randn(4, agent.sizes.feature)
    assert torch.equal(agent.value(features), torch.zeros(4))
    assert torch.equal(agent.rewards(features), torch.zeros(4))
    entropy = agent.actions.entropy(agent.actor(features))
    assert (entropy > 0.99 * np.log(3)).all()


def test_an_episode_that_begins_knows_nothing_of_the_one_before(agent):
    torch.manual_seed(1)
    rssm = agent.rssm
    tokens, actions = (
        torch.randn(2, 4, agent.encoder["picture"].width),
        torch.eye(3)[torch.randint(3, (2, 4))],
    )
    first = torch.tensor([[False, False, True, False]] * 2)
    other = type(rssm.initial(2))(*(torch.randn_like(part) for part in rssm.initial(2)))
    torch.manual_seed(2)
    one, _ = rssm.observe(rssm.initial(2), actions, tokens, first)
    torch.manual_seed(2)
    two, _ = rssm.observe(other, actions, tokens, first)
    assert not torch.allclose(one.deter[:, 1], two.deter[:, 1])
    assert torch.equal(one.deter[:, 2:], two.deter[:, 2:])
    changed = actions.clone()
    changed[:, 2] = actions[:, 2].roll(1, -1)  # what led to the beginning of an episode
    torch.manual_seed(2)
    three, _ = rssm.observe(rssm.initial(2), changed, tokens, first)
    assert torch.equal(one.deter[:, 2:], three.deter[:, 2:])


def test_latents_are_one_hot_and_pass_gradients(agent):
    logits = torch.randn(5, agent.sizes.stoch, requires_grad=True)
    stoch = agent.rssm.sample(logits)
    one_hot = stoch.detach().unflatten(-1, (agent.sizes.num_latents, -1))
    assert torch.allclose(one_hot.sum(-1), torch.ones(5, agent.sizes.num_latents), atol=1e-5)
    assert torch.allclose(one_hot.amax(-1), torch.ones(()), atol=1e-5)
    (stoch * torch.randn_like(stoch)).sum().backward()
    assert logits.grad.abs().sum() > 0


def test_latents_are_drawn_as_often_as_they_are_likely(agent):
    probabilities = torch.tensor([0.5, 0.25, 0.125, 0.125, 1e-9, 1e-9, 1e-9, 1e-9])
    logits = probabilities.log().repeat(agent.sizes.num_latents).expand(4000, -1)
    share = agent.rssm.sample(logits).unflatten(-1, (agent.sizes.num_latents, -1)).mean((0, 1))
    expected = 0.99 * probabilities + 0.01 / 8
    torch.testing.assert_close(share, expected, atol=0.01, rtol=0)


def test_a_block_sees_its_own_part_only():
    layer = BlockMap(12, 8, 4)
    x = torch.randn(2, 12)
    changed = x.clone()
    changed[:, 3:6] += 1
    differs = (layer(x) != layer(changed)).any(0)
    assert differs.tolist() == [False] * 2 + [True] * 2 + [False] * 4


def test_weights_begin_as_published():
    torch.manual_seed(0)
    weight = Map(400, 500).weight
    assert weight.std().item() == pytest.approx(1 / 20, rel=0.02)
    assert weight.abs().max() <= 2 * 1.1368 / 20
    block = BlockMap(400, 800, 8).weight
    assert block.std().item() == pytest.approx(1 / 20, rel=0.02)  # of the whole input, not of the block


@pytest.mark.parametrize(
    ("side", "stages", "inner"), [(16, 2, 4), (32, 3, 4), (48, 4, 3), (64, 4, 4), (96, 4, 6)]
)
def test_as_many_stages_as_a_picture_bears(side, stages, inner):
    widths = stage_widths(side, sizes_of("1m"))
    assert widths == (8, 12, 16, 16)[:stages]
    agent = Agent(frame_size=side, num_actions=2, preset="1m")
    assert agent.encoder["picture"].width == inner**2 * widths[-1]


@pytest.mark.parametrize(("side", "said"), [(50, "3.125"), (512, "32"), (2, "2")])
def test_pictures_that_do_not_fit_are_said(side, said):
    with pytest.raises(ConfigError, match=rf"pictures of {side} px.* in a map of {said}"):
        stage_widths(side, sizes_of("1m"))


def test_presets_are_known_by_name():
    with pytest.raises(ConfigError, match="12m"):
        sizes_of("12")
    with pytest.raises(ConfigError, match="multiple of blocks"):
        type(sizes_of("1m"))(100, 64, 4, 4, 64)
    with pytest.raises(ConfigError, match="gives neither"):
        Spaces(num_actions=3)
    with pytest.raises(ConfigError, match="one of the two"):
        Spaces(vector=3)
