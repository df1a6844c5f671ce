import pytest
import torch

from tinyworlds.nn.assignment import balanced_assignment


def test_rows_are_shares_and_columns_alike():
    errors = torch.rand(64, 4, generator=torch.Generator().manual_seed(0))
    shares = balanced_assignment(errors)
    torch.testing.assert_close(shares.sum(dim=1), torch.ones(64))
    torch.testing.assert_close(shares.sum(dim=0), torch.full((4,), 16.0), atol=0.2, rtol=0)


def test_each_sample_goes_where_its_error_is_least():
    suited = torch.arange(32) % 4
    errors = torch.ones(32, 4).scatter(1, suited[:, None], 0.5)
    assert torch.equal(balanced_assignment(errors).argmax(dim=1), suited)


def test_an_alternative_that_is_worse_everywhere_still_gets_its_share():
    generator = torch.Generator().manual_seed(0)
    errors = torch.rand(64, 4, generator=generator) + torch.tensor([0.0, 0.0, 0.0, 5.0])
    assert balanced_assignment(errors)[:, 3].sum() == pytest.approx(16, abs=0.5)


@pytest.mark.parametrize("errors", [torch.zeros(5, 4), torch.ones(1, 8), 1e-12 * torch.rand(6, 2)])
def test_alternatives_without_a_difference_give_finite_shares(errors):
    shares = balanced_assignment(errors)
    assert shares.isfinite().all()
    torch.testing.assert_close(shares.sum(dim=1), torch.ones(len(errors)))


def test_scale_does_not_matter():
    errors = torch.rand(16, 4, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(
        balanced_assignment(errors), balanced_assignment(1000 * errors), atol=1e-3, rtol=0
    )
