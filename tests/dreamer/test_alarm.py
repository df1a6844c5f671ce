"""A policy that has collapsed is told of, once, and nothing else is."""

import warnings
from types import SimpleNamespace

import pytest
import torch

from tinyworlds.dreamer.collector import Episode
from tinyworlds.dreamer.distributions import DiscreteActions
from tinyworlds.dreamer.logs import AgentLog

ACTIONS = DiscreteActions(3, unimix=0.01)


def stage(entropy, score, chance=(-1.0, -0.5, -1.0, -0.5)):
    return SimpleNamespace(
        network=SimpleNamespace(actions=ACTIONS),
        data=SimpleNamespace(episodes=[Episode(score, 8)] * 20, first_scores=[*chance]),
        policy_entropy=torch.tensor(entropy),
        loss_settings=SimpleNamespace(entropy=3e-4),
    )


def watched(*stages, patience=3):
    log = AgentLog(patience=patience)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        for each in stages:
            log._watch(each)
    return [str(warning.message) for warning in told]


FLOOR = ACTIONS.entropy_range[0]


def test_a_policy_at_its_floor_that_scores_like_chance_is_told_of_once():
    told = watched(*[stage(FLOOR + 0.001, -0.8)] * 8)
    assert len(told) == 1
    assert "the policy has collapsed" in told[0]
    assert "larger --model.entropy (now 0.0003)" in told[0]


@pytest.mark.parametrize(
    ("entropy", "score"),
    [
        (FLOOR + 0.001, 0.9),  # it knows what it does
        (0.5, -0.8),  # it still tries
    ],
)
def test_a_policy_that_is_sure_and_good_or_unsure_is_no_alarm(entropy, score):
    assert watched(*[stage(entropy, score)] * 8) == []


def test_it_must_last():
    low, high = stage(FLOOR, -0.8), stage(0.9, -0.8)
    assert watched(low, low, high, low, low, high, low, low) == []


def test_without_episodes_enough_nothing_is_said():
    short = stage(FLOOR, -0.8)
    short.data.episodes = short.data.episodes[:5]
    assert watched(*[short] * 8) == []
