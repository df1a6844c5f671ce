"""A world freezes networks of its own: those that it was given stay as they were, and share their weights."""

import warnings

import numpy as np
import pytest
import torch
from torch import nn

from tinyworlds.models import DynamicsModel, LatentActionModel, VideoTokenizer
from tinyworlds.world.core import WorldCore
from tinyworlds.world.networks import frozen

SIZES = {"embed_dim": 16, "num_heads": 2, "hidden_dim": 24, "num_blocks": 1}
CPU = torch.device("cpu")


def networks(**settings):
    torch.manual_seed(0)
    frames = {"frame_size": 16, "patch_size": 4}
    codes = {"num_patches": 16, "latent_dim": 2, "num_bins": 4, "num_actions": 4}
    return (
        VideoTokenizer(**frames, **SIZES, latent_dim=2, num_bins=4),
        DynamicsModel(**codes, **SIZES, **settings),
        LatentActionModel(**frames, **SIZES, num_actions=4),
    )


def addresses(network):
    return [tensor.data_ptr() for tensor in network.state_dict().values()]


def learn(network, ids):
    """A step of plain gradient descent; large, so that another code is the likeliest."""
    network.loss(ids)["loss"].backward()
    with torch.no_grad():
        for weight in network.parameters():
            if weight.grad is not None:
                weight -= 10 * weight.grad


@pytest.mark.parametrize("num_experts", [0, 2])
def test_networks_in_training_stay_in_training(num_experts):
    given = networks(num_experts=num_experts)
    given[1].loss(torch.randint(16, (2, 4, 16)))  # experts keep a figure of the pass, with its gradient
    world = WorldCore(*given)
    world.reset(np.zeros((3, 16, 16, 3), np.uint8))
    world.step(1)
    for network, own in zip(given, (world.tokenizer, world.dynamics, world.latent_actions), strict=True):
        assert all(module.training for module in network.modules())
        assert all(weight.requires_grad for weight in network.parameters())
        assert not any(module.training for module in own.modules())
        assert not any(weight.requires_grad for weight in own.parameters())
        assert addresses(own) == addresses(network)  # nothing was copied


def test_a_world_plays_with_what_its_networks_have_learned_since():
    """Although tables of codes are kept from step to step: it shares the versions of weights, too."""
    given = networks()
    world = WorldCore(*given, context_frames=2)
    frames = np.random.default_rng(0).integers(0, 256, (2, 16, 16, 3), np.uint8)
    world.reset(frames)
    before = world.step(1)
    learn(given[1], torch.randint(16, (2, 4, 16)))
    learn(given[1], torch.randint(16, (2, 4, 16)))
    world.reset(frames)
    after = world.step(1)
    fresh = WorldCore(*given, context_frames=2)
    fresh.reset(frames)
    assert np.array_equal(fresh.step(1), after)
    assert not np.array_equal(before, after)


def test_on_another_device_weights_are_copied_and_the_given_ones_stay():
    network = networks()[0]
    own = frozen(network, torch.device("meta"))
    assert {weight.device.type for weight in own.parameters()} == {"meta"}
    assert {weight.device.type for weight in network.parameters()} == {"cpu"}


def test_what_is_shared_within_a_network_is_shared_within_its_copy():
    class Tied(nn.Module):
        def __init__(self):
            super().__init__()
            self.one = nn.Linear(3, 3)
            self.other = nn.Linear(3, 3)
            self.other.weight, self.again = self.one.weight, self.one

    own = frozen(Tied(), CPU)
    assert own.other.weight is own.one.weight
    assert own.again is own.one


def test_what_a_world_compiles_is_not_compiled_for_others():
    given = networks()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=DeprecationWarning)  # the compiler's own
        world = WorldCore(*given, precision="bf16", compile=True)  # at the first step, which does not come
    assert world.compiled
    assert all(each._compiled_call_impl is None for network in given for each in network.modules())
    assert world.session().compiled
    assert not WorldCore(*given).compiled


def test_a_session_shares_networks_and_nothing_else():
    world = WorldCore(*networks(), temperature=1.0)
    frames = np.zeros((3, 16, 16, 3), np.uint8)
    world.reset(frames, seed=1)
    own = world.session()
    assert (own.tokenizer, own.dynamics) == (world.tokenizer, world.dynamics)
    assert own.codes is None
    codes = world.codes
    own.reset(frames, seed=2)
    own.step(3)
    assert torch.equal(world.codes, codes)
