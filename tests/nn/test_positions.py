import math

import pytest
import torch

from tinyworlds.nn.patches import PatchLinear, patchify, unpatchify
from tinyworlds.nn.positions import (
    RotarySpace,
    RotaryTime,
    space_code,
    split_channels,
    time_code,
)


@pytest.mark.parametrize(
    ("embed_dim", "parts"), [(32, (10, 12, 10)), (64, (22, 22, 20)), (8, (2, 4, 2)), (96, (32, 32, 32))]
)
def test_channels_are_split_as_in_the_specification(embed_dim, parts):
    assert split_channels(embed_dim) == parts
    assert sum(parts) == embed_dim


def test_sincos_code_lays_out_column_row_time():
    code = space_code(4, 32)  # [16, 32]
    patch = 4 * 2 + 3  # row 2, column 3
    assert code[patch, 0] == pytest.approx(math.sin(3))
    assert code[patch, 1] == pytest.approx(math.cos(3))
    assert code[patch, 2] == pytest.approx(math.sin(3 / 10_000 ** (2 / 10)), abs=1e-6)
    assert code[patch, 10] == pytest.approx(math.sin(2))
    assert not code[:, 22:].any()
    time = time_code(5, 32)
    assert time[4, 0, 22] == pytest.approx(math.sin(4), abs=1e-6)
    assert not time[..., :22].any()


def test_rotary_time_scores_depend_on_the_distance_only():
    rotary = RotaryTime(16)
    query, key = torch.randn(16), torch.randn(16)

    def scores(first):
        turned = [rotary(x.expand(1, 8, 1, 1, 16), first_frame=first) for x in (query, key)]
        return (turned[0][0, 5] * turned[1][0, 2]).sum()

    torch.testing.assert_close(scores(0), scores(37), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("head_dim", [4, 8, 16, 24])
def test_rotary_space_scores_depend_on_both_distances_only(head_dim):
    grid = 6
    rotary = RotarySpace(grid, head_dim)
    query, key = (rotary(torch.randn(head_dim).expand(1, 1, grid**2, 1, head_dim))[0, 0, :, 0] for _ in "qk")
    scores = query @ key.T  # [P, P]

    def score(row, column, down, right):
        return scores[row * grid + column, (row + down) * grid + column + right]

    torch.testing.assert_close(score(0, 0, 1, 2), score(3, 2, 1, 2), rtol=1e-4, atol=1e-5)
    assert abs(score(0, 0, 1, 2) - score(0, 0, 2, 1)) > 1e-4
    assert abs(score(0, 0, 0, 1) - score(0, 0, 0, 2)) > 1e-4


@pytest.mark.parametrize("head_dim", [2, 4, 6, 16])
def test_rotation_keeps_lengths(head_dim):
    x = torch.randn(2, 3, 9, 2, head_dim)
    for rotary in (RotaryTime(head_dim), RotarySpace(3, head_dim)):
        torch.testing.assert_close(rotary(x).norm(dim=-1), x.norm(dim=-1))


def test_patches_are_laid_out_channel_row_column_and_row_by_row():
    frames = torch.arange(3 * 8 * 8).view(1, 1, 3, 8, 8)
    patches = patchify(frames, 4)
    assert patches.shape == (1, 1, 4, 48)
    assert torch.equal(patches[0, 0, 1].view(3, 4, 4), frames[0, 0, :, :4, 4:])
    assert torch.equal(unpatchify(patches, 4, 8, 8), frames)


def test_patch_linear_is_the_convolution_it_is_stored_as():
    layer = PatchLinear(12, 5)
    patches = torch.randn(2, 7, 12)
    convolved = torch.nn.functional.conv2d(patches.transpose(1, 2)[..., None], layer.weight, layer.bias)
    torch.testing.assert_close(layer(patches), convolved[..., 0].transpose(1, 2))
