"""Naming latent actions by the true ones they go with, and guessing keys from names."""

import numpy as np
import pytest

from tinyworlds.actions.matching import idle_from_names, keys_from_names, match_actions, through_match

DOOM = ("noop", "left", "right", "attack")
DRAWS = pytest.mark.parametrize("draws", [4, pytest.param(50, marks=pytest.mark.slow)])
MIXED = [[25, 25, 25, 25]] * 4


def match_table(table, names=DOOM):
    """Match transitions, each on its own, that a table [true, latent] counts."""
    counts = np.array(table)
    pairs = np.repeat(np.arange(counts.size), counts.ravel())
    return match_actions(pairs // counts.shape[1], pairs % counts.shape[1], names, counts.shape[1])


@pytest.mark.parametrize(
    ("table", "found", "names"),
    [
        pytest.param(
            np.diag([90, 60, 30, 20]), {0: 0, 1: 1, 2: 2, 3: 3}, DOOM, id="perfect",
        ),
        pytest.param(
            np.diag([60, 60, 60, 60])[[2, 0, 3, 1]], {0: 2, 1: 0, 2: 3, 3: 1},
            ("left", "attack", "noop", "right"), id="permuted",
        ),
        pytest.param(
            [[90, 2, 1, 3], [3, 0, 50, 1], [1, 0, 48, 2], [2, 40, 1, 3]], {0: 0, 1: 2, 2: 2, 3: 1},
            ("noop", "attack", "left/right", "action 3"), id="merged: both keys go to one latent action",
        ),
        pytest.param(
            [[90, 0, 0, 2], [1, 45, 30, 1], [0, 2, 1, 50], [30, 2, 1, 1]], {0: 0, 1: 1, 2: 3},
            ("noop", "left", "left 2", "right"), id="split, and attack is no more than doing nothing",
        ),
        pytest.param(
            [[40, 40, 0, 0], [0, 0, 80, 0], [0, 0, 0, 80], [40, 40, 0, 0]], {0: 0, 1: 2, 2: 3},
            ("noop", "noop 2", "left", "right"), id="attack and noop are dealt out by a coin",
        ),
        pytest.param(
            [[80, 0, 0, 0], [0, 28, 26, 26], [0, 26, 28, 26], [0, 26, 26, 28]], {0: 0},
            ("noop", "action 1", "action 2", "action 3"), id="told from noop, and not from each other",
        ),
        pytest.param(MIXED, {}, tuple(f"action {i}" for i in range(4)), id="noise"),
        pytest.param(
            [[3400, 0, 0, 0], [0, 200, 0, 0], [0, 0, 200, 0], [0, 0, 0, 200]], {0: 0, 1: 1, 2: 2, 3: 3},
            DOOM, id="85 % idle, perfect",
        ),
        pytest.param(
            [[870, 850, 840, 840], [60, 120, 10, 10], [60, 10, 120, 10], [60, 10, 10, 120]], {},
            tuple(f"action {i}" for i in range(4)), id="85 % idle, dealt out evenly: each is mostly noop",
        ),
        pytest.param(
            [[64, 300, 8, 10], [6, 10, 250, 4], [8, 10, 9, 220], [36, 20, 5, 8]], {0: 1, 1: 2, 2: 3},
            ("action 0", "noop", "left", "right"), id="noop in 64 % of its uses is not attack",
        ),
        pytest.param(
            [[400, 5, 5, 0], [5, 300, 5, 0], [5, 5, 300, 0], [2, 0, 0, 12]], {0: 0, 1: 1, 2: 2, 3: 3}, DOOM,
            id="an action that is rare, but always the same",
        ),
        pytest.param(
            [[400, 5, 5, 0], [5, 300, 5, 0], [5, 5, 300, 0], [1, 0, 0, 8]], {0: 0, 1: 1, 2: 2},
            ("noop", "left", "right", "action 3"), id="one that dynamics hardly ever saw",
        ),
        pytest.param(
            [[400, 5, 5, 1], [5, 300, 5, 1], [5, 5, 300, 0], [1, 0, 0, 1]], {0: 0, 1: 1, 2: 2},
            ("noop", "left", "right", "action 3"), id="one of an action seen twice",
        ),
        pytest.param(np.diag([2, 1, 1, 1]), {}, tuple(f"action {i}" for i in range(4)), id="a tiny sample"),
        pytest.param(
            [[80, 20, 20], [20, 80, 20], [20, 20, 80], [0, 0, 0]], {0: 0, 1: 1, 2: 2},
            ("noop", "left", "right"), id="a true action that never occurs",
        ),
        pytest.param(
            [[900], [30], [30], [40]], {}, ("action 0",), id="one latent action tells nothing",
        ),
    ],
)  # fmt: skip
def test_names_are_earned(table, found, names):
    match = match_table(table)
    assert match.latent_of_true == found
    assert match.names == tuple(names)


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


def test_actions_without_an_idle_one_may_share_what_they_share():
    match = match_table([[50, 2, 2], [45, 3, 2], [2, 50, 1], [1, 2, 60]], ("punch", "kick", "walk", "run"))
    assert match.latent_of_true == {0: 0, 1: 0, 2: 1, 3: 2}
    assert match.names == ("punch/kick", "walk", "run")


@pytest.mark.parametrize("shares", [(0.25, 0.25, 0.25, 0.25), (0.85, 0.05, 0.05, 0.05)], ids=["even", "idle"])
@DRAWS
def test_chance_earns_no_names(shares, draws):
    random, found = np.random.default_rng(0), 0
    for _ in range(draws):
        true = np.repeat(random.choice(4, (100, 1), p=shares), 3, axis=1)  # held through each clip
        latent = np.repeat(random.integers(0, 4, (100, 1)), 3, axis=1)
        found += bool(match_actions(true, latent, DOOM, 4).latent_of_true)
    assert found <= 0.02 * draws


@DRAWS
@pytest.mark.parametrize("share", [0.5, 0.85])
def test_beside_keys_that_are_earned_chance_earns_none(share, draws):
    """Left and right are told for sure; attack and noop take two latent actions by a coin."""
    random, found = np.random.default_rng(0), 0
    for _ in range(draws):
        true = random.choice(4, 600, p=[share, (1 - share) / 4, (1 - share) / 4, (1 - share) / 2])
        latent = np.where(np.isin(true, (1, 2)), true, random.choice([0, 3], 600))
        match = match_actions(true, latent, DOOM, 4)
        assert (match.latent_of_true[1], match.latent_of_true[2]) == (1, 2)
        found += 3 in match.latent_of_true
    assert found <= 0.02 * draws


def test_true_actions_without_a_name_are_no_latent_ones():
    match = match_table(np.diag([60, 60, 60])[[1, 2, 0]], ("action 0", "action 5", "left"))
    assert match.names == ("left", "true action 0", "true action 5")


@DRAWS
def test_no_key_is_something_else_in_more_than_60_percent_of_its_uses(draws):
    random = np.random.default_rng(0)
    for _ in range(draws):
        table = random.gamma(0.3, 40, (4, 4)).astype(int)
        match = match_table(table)
        for true, latent in match.latent_of_true.items():
            others = np.delete(table[:, latent], true)
            assert others.max() <= 0.6 * table[:, latent].sum()
            assert true == 0 or table[0, latent] <= table[true, latent]


def test_a_key_that_is_held_is_one_piece_of_evidence():
    true = np.repeat([[1, 1, 1], [2, 2, 2], [1, 1, 1], [2, 2, 2]], 1, axis=0)
    assert match_actions(true, true, DOOM, 4).latent_of_true == {}  # 4 runs of 12 transitions
    assert match_actions(true.ravel(), true.ravel(), DOOM, 4).latent_of_true == {1: 1, 2: 2}


def test_unknown_actions_are_left_out():
    true = np.repeat([-1, 0, 1, 2], 50)
    assert match_actions(true, np.repeat([1, 0, 1, 1], 50), DOOM, 4).latent_of_true == {0: 0, 1: 1, 2: 1}


def test_keys_of_what_was_not_found_are_left_out():
    match = match_table(np.diag([90, 60, 30, 0]))
    assert through_match({"a": 1, "space": 3, "w": 7}, match) == {"a": 1}


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
