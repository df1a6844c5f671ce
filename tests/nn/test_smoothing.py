"""What is likely over time: against all paths there are, and what it is for."""

from itertools import pairwise, product

import pytest
import torch

from tinyworlds.nn.smoothing import smoothed

SHARES = torch.tensor([0.5, 0.3, 0.2])


def test_it_is_the_sum_over_all_paths():
    seen = torch.randn(2, 4, 3)
    anew = (1 - 0.8) / (1 - SHARES.square().sum())
    moves = (1 - anew) * torch.eye(3) + anew * SHARES
    expected = torch.zeros(2, 4, 3)
    for path in product(range(3), repeat=4):
        steps = torch.stack([moves[step] for step in pairwise(path)])
        weight = SHARES[path[0]] * steps.prod()
        for time, state in enumerate(path):
            expected[:, time, state] += weight * seen[:, range(4), path].exp().prod(dim=1)
    expected /= expected.sum(dim=-1, keepdim=True)
    torch.testing.assert_close(smoothed(seen, SHARES, 0.8), expected)


def test_states_are_followed_by_themselves_as_often_as_said():
    pairs = torch.zeros(1, 2, 3)
    first = smoothed(torch.cat([pairs[:, :1], torch.tensor([[[40.0, 0.0, 0.0]]])], dim=1), SHARES, 0.8)[0, 0]
    # by Bayes: P(0, then 0) = P(0) * P(0 | 0)
    anew = (1 - 0.8) / (1 - SHARES.square().sum())
    assert first[0] == pytest.approx(float(1 - anew + anew * SHARES[0]), abs=1e-5)


def test_what_cannot_be_told_is_taken_from_before_and_after():
    seen = torch.tensor([[[0.0, 6.0, 0.0], [0.0, 0.0, 0.0], [0.0, 6.0, 0.0]]])
    assert smoothed(seen, SHARES, 0.9)[0, 1].argmax() == 1
    by_chance = float(SHARES.square().sum())  # independent draws: neighbours tell nothing
    torch.testing.assert_close(smoothed(seen, SHARES, by_chance)[0, 1], SHARES)


def test_a_state_that_never_occurs_is_never_likely():
    shares = torch.tensor([0.6, 0.4, 0.0])
    found = smoothed(torch.tensor([[[0.0, 0.0, 90.0]] * 3]), shares, 0.7)
    assert found.isfinite().all()
    assert (found[..., 2] == 0).all()
