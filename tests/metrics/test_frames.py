import math

import numpy as np
import pytest
import torch
from torchmetrics.functional.clustering import normalized_mutual_info_score
from torchmetrics.functional.image import peak_signal_noise_ratio, structural_similarity_index_measure

from tinyworlds import compare
from tinyworlds.media.pixels import frames_to_input
from tinyworlds.metrics import frames as metrics
from tinyworlds.metrics import usage
from tinyworlds.metrics.episodes import over_episodes, pooled_psnr
from tinyworlds.nn.motion import motion_mask, temporal_median
from tinyworlds.training.stages import VideoTokenizerStage


def frames(*shape, seed=0):
    return torch.rand(*shape, 3, 16, 16, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def grey(level):
    """One frame of a grey of 0 to 255."""
    return torch.full((1, 3, 16, 16), level / 127.5 - 1)


def test_psnr_agrees_with_torchmetrics_frame_by_frame():
    a, b = frames(2, 3), frames(2, 3, seed=1)
    ours = metrics.psnr(a, b)
    unit = [((x + 1) / 2).flatten(0, 1) for x in (a, b)]
    theirs = torch.stack([peak_signal_noise_ratio(x, y, data_range=1.0) for x, y in zip(*unit, strict=True)])
    torch.testing.assert_close(ours.flatten(), theirs)


@pytest.mark.parametrize("difference", [1, 5, 64, 255])
def test_errors_are_in_units_of_zero_to_one(difference):
    found = metrics.mse(grey(difference), grey(0)).item()
    assert found == pytest.approx((difference / 255) ** 2, rel=1e-4)
    assert metrics.psnr(grey(difference), grey(0)).item() == pytest.approx(
        20 * math.log10(255 / difference), abs=1e-3
    )


def test_equal_frames_count_as_eight_bit_rounding():
    assert metrics.psnr(frames(1), frames(1)).item() == pytest.approx(58.9, abs=0.1)


def test_there_is_one_psnr_in_the_project():
    """Whoever takes a logarithm of errors goes through `metrics.frames`; here are those that once did not."""
    rng = np.random.default_rng(0)
    truth, dream = rng.integers(0, 256, (2, 4, 16, 16, 3), np.uint8)
    dream[1] = truth[1]
    ours = metrics.psnr(frames_to_input(torch.from_numpy(dream)), frames_to_input(torch.from_numpy(truth)))
    assert compare(truth, dream).psnr == pytest.approx(ours.tolist(), abs=1e-3)

    class Halves(VideoTokenizerStage):
        def losses(self, batch):
            return {}

    torch.manual_seed(0)
    stage = Halves(frame_size=16, patch_size=4, embed_dim=16, num_heads=2, hidden_dim=24, num_blocks=1)
    batch = frames(2, 3)
    wanted = metrics.psnr(stage.network(batch).clamp(-1, 1), batch).mean()
    torch.testing.assert_close(stage.evaluation({"frames": batch})["psnr"], wanted)


def plain_ssim(a, b):
    """Of two constant frames in [0, 1] (Wang et al. 2004): luminance alone is left."""
    return (2 * a * b + 0.01**2) / (a**2 + b**2 + 0.01**2)


@pytest.mark.parametrize(("a", "b"), [(0, 5), (125, 130), (127, 128), (250, 255), (0, 255), (60, 60)])
def test_ssim_of_two_greys_is_what_everybodys_is(a, b):
    found = metrics.ssim(grey(a), grey(b)).item()
    assert found == pytest.approx(plain_ssim(a / 255, b / 255), abs=2e-3)
    assert metrics.ssim(grey(b), grey(a)).item() == pytest.approx(found, abs=1e-5)


def test_ssim_of_noise_is_that_of_zero_to_one():
    a, b = frames(1)[0] * 0.2 + 0.7, frames(1, seed=1)[0] * 0.2 + 0.7
    theirs = structural_similarity_index_measure((a[None] + 1) / 2, (b[None] + 1) / 2, data_range=1.0)
    assert metrics.ssim(a, b).item() == pytest.approx(theirs.item(), abs=1e-5)


def test_ssim_is_one_for_equal_and_falls():
    a = frames(2, 2)
    torch.testing.assert_close(metrics.ssim(a, a), torch.ones(2, 2))
    assert metrics.ssim(a, frames(2, 2, seed=1)).mean() < 0.2
    assert metrics.ssim(a[0, 0], a[0, 0]).shape == ()


@pytest.mark.parametrize("length", range(1, 10))
def test_temporal_median_is_everybodys(length):
    clip = torch.rand(2, length, 3, 4, 4, generator=torch.Generator().manual_seed(length))
    wanted = np.median(clip.numpy(), axis=1, keepdims=True)
    np.testing.assert_allclose(temporal_median(clip).numpy(), wanted, rtol=1e-6)


@pytest.mark.parametrize("sign", [-1.0, 1.0])
def test_dark_things_move_as_bright_ones_do(sign):
    clip = torch.zeros(1, 4, 3, 2, 2)
    clip[:, :2] = sign  # for half of the time
    assert motion_mask(clip).all()


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


def test_motion_errors_see_what_psnr_does_not():
    clip = ball_clip()
    still = temporal_median(clip).expand_as(clip)
    assert metrics.psnr(still, clip).mean() > 15  # the still picture looks fine to PSNR
    mask = motion_mask(clip)
    assert metrics.motion_errors(still, clip, mask).tolist() == [[28.0, 28.0]]  # every moving pixel is wrong
    assert metrics.motion_errors(clip, clip, mask).tolist() == [[0.0, 28.0]]


def test_in_a_still_clip_there_is_nothing_to_measure():
    still = torch.zeros(2, 3, 3, 8, 8)
    errors = metrics.motion_errors(still, still, motion_mask(still))
    assert errors.tolist() == [[0.0, 0.0]] * 2
    assert math.isnan(over_episodes(errors, torch.arange(2), pooled_psnr).value)


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
