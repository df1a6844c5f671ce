"""Intervals are over episodes, and cover the truth about as often as they say."""

import math

import pytest
import torch

from tinyworlds.metrics import usage
from tinyworlds.metrics.episodes import averaged, correlation, gain, over_episodes, pooled_psnr, student


def episodes_of(num_episodes: int, num_clips: int) -> torch.Tensor:
    return torch.arange(num_episodes).repeat_interleave(num_clips)


def test_with_one_clip_an_episode_it_is_the_t_interval_of_a_mean():
    values = torch.tensor([1.0, 2.0, 4.0, 9.0], dtype=torch.float64)
    found = averaged(values, torch.arange(4))
    assert found.value == 4.0
    assert found.half_width == pytest.approx(3.1824 * float(values.std()) / 2, rel=1e-6)
    assert found.count == 4


@pytest.mark.parametrize("copies", [1, 2, 50])
def test_the_same_clip_again_tells_nothing_new(copies):
    values = torch.tensor([1.0, 2.0, 4.0, 9.0]).repeat_interleave(copies)
    once = averaged(torch.tensor([1.0, 2.0, 4.0, 9.0]), torch.arange(4))
    again = averaged(values, episodes_of(4, copies))
    assert again.half_width == pytest.approx(once.half_width)
    assert again.count == 4


@pytest.mark.parametrize("numbers", [[7, 7, 7], [0, 0, 0]])
def test_one_episode_gives_no_interval(numbers):
    found = averaged(torch.tensor([1.0, 2.0, 6.0]), torch.tensor(numbers))
    assert found.value == 3.0
    assert not found.has_interval
    assert found.low == -math.inf


def test_nor_does_a_second_one_with_nothing_to_measure():
    sums = torch.tensor([[3.0, 2.0], [5.0, 2.0], [0.0, 0.0]])
    found = over_episodes(sums, torch.tensor([0, 0, 1]), pooled_psnr)
    assert math.isfinite(found.value)
    assert not found.has_interval


@pytest.mark.parametrize(("num_episodes", "num_clips"), [(3, 20), (6, 10), (12, 5), (30, 3)])
def test_intervals_cover_the_truth_where_clips_of_an_episode_are_alike(num_episodes, num_clips):
    """In 300 draws; an interval over clips would cover it in about half of them."""
    generator = torch.Generator().manual_seed(num_episodes)
    covered = 0
    for _ in range(300):
        shared = torch.randn(num_episodes, generator=generator).repeat_interleave(num_clips)
        values = shared + 0.3 * torch.randn(len(shared), generator=generator)
        found = averaged(values, episodes_of(num_episodes, num_clips))
        covered += found.low <= 0 <= found.high
    assert 0.91 <= covered / 300 <= 0.985


def test_a_pooled_gain_is_not_swayed_by_still_frames():
    errors, baseline = torch.full((40,), 0.01), torch.full((40,), 0.04)
    baseline[::2] = 0.0  # half of the frames do not change: repeating is exact there
    sums = torch.stack([errors, baseline, torch.ones(40)], dim=1)
    found = over_episodes(sums, torch.arange(40), gain)
    assert found.value == pytest.approx(10 * math.log10(2), abs=0.01)
    assert 0.5 < found.half_width < 3
    twice = torch.stack([errors, errors * 2, torch.ones(40)], dim=1)
    assert over_episodes(twice, torch.arange(40), gain).half_width == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize(
    ("freedom", "wanted"), [(1, 12.706), (2, 4.303), (10, 2.228), (11, 2.201), (20, 2.086), (120, 1.980)]
)
def test_students_quantiles(freedom, wanted):
    assert student(freedom) == pytest.approx(wanted, abs=3e-3)


def test_nmi_has_an_interval_over_episodes():
    generator = torch.Generator().manual_seed(0)
    true = torch.randint(0, 4, (12, 50), generator=generator)
    noise = torch.randint(0, 4, true.shape, generator=generator)
    latent = torch.where(torch.rand(true.shape, generator=generator) < 0.8, true, noise)
    tables = torch.stack([usage.contingency(a, b, 4, 4) for a, b in zip(latent, true, strict=True)])
    found = over_episodes(tables, episodes_of(6, 2), usage.table_nmi)
    assert found.value == pytest.approx(float(usage.table_nmi(tables.sum(0))))
    assert 0 < found.half_width < 0.2


def test_a_correlation_is_that_of_all_values_together():
    x, y = torch.randn(2, 40, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    y = y - 2 * x
    sums = torch.stack([x, y, x * x, y * y, x * y, torch.ones_like(x)], dim=1)
    found = over_episodes(sums, torch.arange(40) // 4, correlation)
    assert found.value == pytest.approx(float(torch.corrcoef(torch.stack([x, y]))[0, 1]))
    assert found.low < found.value < found.high
    same = torch.stack([x * 0 + 3, y, x * 0 + 9, y * y, 3 * y, torch.ones_like(x)], dim=1)
    assert math.isnan(over_episodes(same, torch.arange(40), correlation).value)
