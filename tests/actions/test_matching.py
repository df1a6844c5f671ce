"""Naming latent actions by the true ones they go with, and guessing keys from names."""

import numpy as np
import pytest

from tinyworlds.actions.matching import idle_from_names, keys_from_names, match_actions, through_match


def test_a_permutation_is_found_in_noise():
    rng = np.random.default_rng(0)
    order = np.array([2, 0, 3, 1])
    true = rng.integers(0, 4, 2000)
    latent = np.where(rng.random(2000) < 0.5, order[true], rng.integers(0, 4, 2000))
    match = match_actions(true, latent, ("noop", "left", "right", "shoot"), num_latent=4)
    assert match.latent_of_true == dict(enumerate(order.tolist()))
    assert match.names == ("left", "shoot", "noop", "right")


def test_rare_actions_keep_their_code():
    true = np.array([0] * 1000 + [1] * 20)
    latent = np.array([0] * 990 + [1] * 10 + [1] * 15 + [0] * 5)
    assert match_actions(true, latent, ("noop", "jump"), 2).latent_of_true == {0: 0, 1: 1}


def test_fewer_latent_actions_than_true_ones_are_shared():
    true = np.array([0, 0, 1, 1, 2, 2])
    latent = np.array([0, 0, 1, 1, 1, 1])
    match = match_actions(true, latent, ("a", "b", "c", "never"), 2)
    assert match.latent_of_true == {0: 0, 1: 1, 2: 1}


def test_latent_actions_without_a_partner_keep_their_number():
    match = match_actions(np.array([0, 1]), np.array([3, 1]), ("noop", "left"), 4)
    assert match.names == ("action 0", "left", "action 2", "noop")
    assert through_match({"a": 1, "space": 5}, match) == {"a": 1}


def test_no_transitions_match_nothing():
    assert match_actions(np.zeros(0, int), np.zeros(0, int), ("a",), 2).latent_of_true == {}


@pytest.mark.parametrize(
    ("names", "keys"),
    [
        (("noop", "left", "right", "shoot"), {"left": 1, "right": 2, "space": 3}),
        (("NOOP", "FIRE", "RIGHT", "LEFT", "RIGHTFIRE"), {"space": 1, "right": 2, "left": 3}),
        (("MOVE_LEFT", "TURN_LEFT", "MOVE_FORWARD"), {"left": 0, "up": 2}),
        (("0", "1"), {}),
    ],
)
def test_keys_from_names(names, keys):
    assert keys_from_names(names) == keys


def test_idle_from_names():
    assert idle_from_names(("left", "Nothing")) == 1
    assert idle_from_names(("left", "right")) is None
