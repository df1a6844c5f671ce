"""Numbers as shares of bins."""

import math

import numpy as np
import pytest
import torch

from tinyworlds.nn.two_hot import bins, bins_loss, mean_of_bins, symexp, symlog, two_hot


def test_symlog_and_back():
    x = torch.tensor([-1e4, -1.0, 0.0, 0.5, 3e5])
    torch.testing.assert_close(symexp(symlog(x)), x)
    assert symlog(torch.tensor(np.e - 1.0)).item() == pytest.approx(1.0)


@pytest.mark.parametrize("value", [0.0, 1.0, -1.0, 0.37, 123.4, -9e4, 4e8])
def test_two_hot_round_trip(value):
    shares = two_hot(torch.tensor([value]))
    assert shares.sum().item() == pytest.approx(1)
    assert (shares > 0).sum() <= 2
    mean = (shares.double() * bins(torch.device("cpu")).double()).sum().item()
    assert mean == pytest.approx(value, rel=1e-5, abs=1e-6)
    assert mean_of_bins(shares.clamp(min=1e-30).log()).item() == pytest.approx(value, rel=1e-3, abs=1e-3)


def test_bins_are_mirrored_and_cancel():
    edges = bins(torch.device("cpu"))
    assert len(edges) == 255
    assert torch.equal(edges, -edges.flip(0))
    assert edges[127] == 0
    assert edges[-1].item() == pytest.approx(math.expm1(20), rel=1e-5)
    assert torch.equal(mean_of_bins(torch.full((3, 255), 2.5)), torch.zeros(3))


def test_the_loss_of_bins_is_least_at_their_value():
    logits = torch.zeros(255, requires_grad=True)
    optimizer = torch.optim.Adam([logits], lr=0.3)
    for _ in range(300):
        optimizer.zero_grad()
        bins_loss(logits, torch.tensor(-2.5)).backward()
        optimizer.step()
    assert mean_of_bins(logits.detach()).item() == pytest.approx(-2.5, abs=0.05)
