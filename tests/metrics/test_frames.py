import math

import pytest
import torch
from torchmetrics.functional.clustering import normalized_mutual_info_score
from torchmetrics.functional.image import peak_signal_noise_ratio

from tinyworlds.metrics import frames as metrics
from tinyworlds.metrics import usage
from tinyworlds.nn.motion import motion_mask, temporal_median


def frames(*shape, seed=0):
    return torch.rand(*shape, 3, 16, 16, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def test_psnr_agrees_with_torchmetrics_frame_by_frame():
    a, b = frames(2, 3), frames(2, 3, seed=1)
    ours = metrics.psnr(a, b)
    theirs = torch.stack(
        [
            peak_signal_noise_ratio(x, y, data_range=2.0)
            for x, y in zip(a.flatten(0, 1), b.flatten(0, 1), strict=True)
        ]
    )
    torch.testing.assert_close(ours.flatten(), theirs)


def test_equal_frames_count_as_eight_bit_rounding():
    assert metrics.psnr(frames(1), frames(1)).item() == pytest.approx(58.9, abs=0.1)


def test_ssim_is_one_for_equal_and_falls():
    a = frames(2, 2)
    torch.testing.assert_close(metrics.ssim(a, a), torch.ones(2, 2))
    assert metrics.ssim(a, frames(2, 2, seed=1)).mean() < 0.2
    assert metrics.ssim(a[0, 0], a[0, 0]).shape == ()


def ball_clip():
    clip = torch.full((1, 7, 3, 16, 16), -1.0)
    for t in range(7):
        clip[0, t, :, 4:6, 2 * t : 2 * t + 2] = 1.0
    return clip


def test_motion_mask_is_the_ball():
    mask = motion_mask(ball_clip())
    assert mask.sum().item() == 7 * 4
    assert mask[0, 3, 4:6, 6:8].all()
    assert not motion_mask(ball_clip()[:, :1]).any()  # nothing moves in a single frame


def test_motion_psnr_sees_what_psnr_does_not():
    clip = ball_clip()
    median = temporal_median(clip).expand_as(clip)
    assert metrics.psnr(median, clip).mean() > 15  # the still picture looks fine to PSNR
    mask = motion_mask(clip)
    assert metrics.motion_psnr(median, clip, mask).item() == pytest.approx(0.0, abs=1e-4)
    assert metrics.motion_psnr(clip, clip, mask).item() > 50


def test_motion_psnr_of_a_still_clip_is_nothing():
    still = torch.zeros(2, 3, 3, 8, 8)
    assert metrics.motion_psnr(still, still, motion_mask(still)).isnan().all()


def test_pooled_gain_is_not_swayed_by_still_frames():
    errors, baseline = torch.full((40,), 0.01), torch.full((40,), 0.04)
    baseline[::2] = 0.0  # half of the frames do not change: repeating is exact there
    gain = metrics.pooled_gain(errors, baseline)
    assert gain.mean == pytest.approx(10 * math.log10(2), abs=0.01)
    assert metrics.mse_to_psnr(errors).mean() < metrics.mse_to_psnr(baseline).mean()
    assert 0.5 < gain.half_width < 3
    assert metrics.pooled_gain(errors, errors * 2).half_width == pytest.approx(0, abs=1e-6)


def test_estimate_narrows_with_more_values():
    few, many = metrics.estimate(torch.randn(20)), metrics.estimate(torch.randn(2000))
    assert many.half_width < few.half_width
    assert metrics.estimate(torch.tensor([1.0])).low == -math.inf
    assert metrics.estimate(torch.tensor([1.0, 3.0, torch.nan])).mean == 2.0


def test_perplexity_and_usage():
    perplexity, used = usage.CodePerplexity(16), usage.ActionUsage(16)
    ids = torch.arange(8).repeat(100)
    perplexity.update(ids)
    used.update(torch.cat([ids, torch.tensor([15])]))  # once in 801 is not used
    assert float(perplexity.compute()) == pytest.approx(8, abs=1e-3)
    assert float(used.compute()) == 8


@pytest.mark.filterwarnings("ignore:Sparse invariant checks")  # of torch, about torchmetrics
@pytest.mark.parametrize("num_told_apart", [1, 2, 4])
def test_nmi_agrees_with_torchmetrics(num_told_apart):
    true = torch.randint(0, 4, (4000,))
    latent = true % num_told_apart
    table = usage.contingency(latent, true, 5, 4)
    theirs = normalized_mutual_info_score(latent, true, "arithmetic")
    assert float(usage.table_nmi(table)) == pytest.approx(float(theirs), abs=1e-5)


def test_nmi_of_noise_is_near_zero():
    table = usage.contingency(torch.randint(0, 4, (4000,)), torch.randint(0, 4, (4000,)), 4, 4)
    assert usage.table_nmi(table) < 0.01
