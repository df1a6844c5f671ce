import math

import pytest
import torch
from torchmetrics.functional.image import peak_signal_noise_ratio

from tinyworlds.metrics import frames as metrics
from tinyworlds.metrics import usage


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


def test_accumulated_psnr_is_the_mean_over_frames():
    metric = metrics.PSNR()
    a, b = frames(4), frames(4, seed=1)
    metric.update(a[:1], b[:1])
    metric.update(a[1:], b[1:])
    torch.testing.assert_close(metric.compute(), metrics.psnr(a, b).mean())
    low, high = metric.interval()
    whole = metrics.estimate(metrics.psnr(a, b))
    assert (low, high) == pytest.approx((whole.low, whole.high), abs=1e-4)


def test_ssim_is_one_for_equal_and_falls():
    a = frames(2, 2)
    torch.testing.assert_close(metrics.ssim(a, a), torch.ones(2, 2))
    metric = metrics.SSIM()
    metric.update(a, frames(2, 2, seed=1))
    assert metric.compute() < 0.2


def ball_clip():
    clip = torch.full((1, 7, 3, 16, 16), -1.0)
    for t in range(7):
        clip[0, t, :, 4:6, 2 * t : 2 * t + 2] = 1.0
    return clip


def test_motion_mask_is_the_ball():
    mask = metrics.motion_mask(ball_clip())
    assert mask.sum().item() == 7 * 4
    assert mask[0, 3, 4:6, 6:8].all()


def test_motion_psnr_sees_what_psnr_does_not():
    clip = ball_clip()
    median = metrics.temporal_median(clip).expand_as(clip)
    assert metrics.psnr(median, clip).mean() > 15  # the still picture looks fine to PSNR
    mask = metrics.motion_mask(clip)
    assert metrics.motion_psnr(median, clip, mask).item() == pytest.approx(0.0, abs=1e-4)
    assert metrics.motion_psnr(clip, clip, mask).item() > 50
    metric = metrics.MotionPSNR()
    metric.update(median[:, 4:], clip[:, 4:], clip)
    assert metric.compute().item() == pytest.approx(0.0, abs=1e-4)


def test_motion_psnr_of_a_still_clip_is_nothing():
    still = torch.zeros(2, 3, 3, 8, 8)
    assert metrics.motion_psnr(still, still, metrics.motion_mask(still)).isnan().all()
    metric = metrics.MotionPSNR()
    metric.update(still, still)
    assert metric.compute().isnan()


def test_delta_t_psnr_counts_the_fourth_frame_only():
    target = torch.zeros(5, 6, 3, 8, 8)
    inferred, random = target + 0.01, target + 0.5
    inferred[:, 3], random[:, 3] = 0.1, 0.2
    metric = metrics.DeltaTPSNR()
    metric.update(inferred, random, target)
    assert metric.compute().item() == pytest.approx(20 * math.log10(2), abs=1e-3)
    low, high = metric.interval()
    assert low == pytest.approx(high, abs=1e-2)


def test_horizon_psnr_keeps_steps_apart():
    target = torch.zeros(3, 4, 3, 8, 8)
    prediction = target + torch.tensor([0.1, 0.2, 0.4, 0.8]).reshape(1, 4, 1, 1, 1)
    metric = metrics.HorizonPSNR(4)
    metric.update(prediction, target)
    values = metric.compute()
    torch.testing.assert_close(
        values[:-1] - values[1:], torch.full((3,), 20 * math.log10(2)), atol=1e-3, rtol=0
    )


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


def test_nmi_of_a_renaming_is_one_and_of_noise_near_zero():
    true = torch.randint(0, 4, (4000,))
    assert usage.normalised_mutual_information((true + 1) % 4, true) == pytest.approx(1.0)
    assert usage.normalised_mutual_information(torch.randint(0, 4, (4000,)), true) < 0.01
    assert usage.normalised_mutual_information(torch.zeros_like(true), true) == 0.0


def test_nmi_uses_the_arithmetic_mean():
    # A 4-way truth, latent tells only halves: I = ln 2, H = ln 4 and ln 2, so NMI = 2/3.
    true = torch.arange(4000) % 4
    assert usage.normalised_mutual_information(true // 2, true) == pytest.approx(2 / 3)


def test_mutual_information_accumulates():
    true, latent = torch.randint(0, 3, (500,)), torch.randint(0, 4, (500,))
    metric = usage.MutualInformation(4, 3)
    metric.update(latent[:200], true[:200])
    metric.update(latent[200:], true[200:])
    assert float(metric.compute()) == pytest.approx(
        usage.normalised_mutual_information(latent, true), abs=1e-6
    )


def test_perplexity_and_usage():
    perplexity, used = usage.CodePerplexity(16), usage.ActionUsage(16)
    ids = torch.arange(8).repeat(100)
    perplexity.update(ids)
    used.update(torch.cat([ids, torch.tensor([15])]))  # once in 801 is not used
    assert float(perplexity.compute()) == pytest.approx(8, abs=1e-3)
    assert float(used.compute()) == 8
    assert perplexity.evenness == pytest.approx(3 / 4, abs=1e-6)
