import pytest
import torch

from tinyworlds.errors import ConfigError, DataError
from tinyworlds.models import VideoTokenizer
from tinyworlds.nn.losses import motion_loss

SMALL = {
    "frame_size": 16,
    "patch_size": 4,
    "embed_dim": 16,
    "num_heads": 2,
    "hidden_dim": 32,
    "num_blocks": 1,
}


def clip(batch=2, length=3, size=16):
    """A bright square that walks over noise-free ground."""
    frames = torch.full((batch, length, 3, size, size), -0.5)
    for t in range(length):
        frames[:, t, :, 4:8, 4 * t : 4 * t + 4] = 0.8
    return frames


@pytest.fixture(params=["v1", "v2"])
def tokenizer(request):
    torch.manual_seed(0)
    return VideoTokenizer(**SMALL, architecture=request.param)


def test_shapes_and_types(tokenizer):
    ids = tokenizer.encode(clip())
    assert ids.shape == (2, 3, tokenizer.num_patches)
    assert ids.dtype == torch.int64
    assert ids.min() >= 0
    assert ids.max() < tokenizer.num_codes == 1024
    assert tokenizer.latents(ids).shape == (2, 3, 16, 5)
    assert torch.equal(tokenizer.ids(tokenizer.latents(ids)), ids)
    assert tokenizer.decode(ids).shape == clip().shape
    torch.testing.assert_close(tokenizer.decode(ids), tokenizer(clip()), rtol=1e-5, atol=1e-5)


def test_config_builds_the_same_network(tokenizer):
    twin = VideoTokenizer(**tokenizer.config)
    twin.load_state_dict(tokenizer.state_dict(), strict=True)
    assert torch.equal(twin.encode(clip()), tokenizer.encode(clip()))
    assert all(type(value) in (int, str) for value in tokenizer.config.values())


@torch.no_grad()
def test_codes_depend_on_the_frame_alone_when_per_frame():
    frames = clip()
    v2 = VideoTokenizer(**SMALL)
    assert v2.per_frame
    assert torch.equal(v2.encode(frames)[:, 1:2], v2.encode(frames[:, 1:2]))
    assert not VideoTokenizer(**SMALL, architecture="v1").per_frame


@torch.no_grad()
def test_v1_codes_do_not_depend_on_later_frames():
    v1 = VideoTokenizer(**SMALL, architecture="v1")
    frames = clip()
    changed = torch.cat([frames[:, :2], -frames[:, 2:]], dim=1)
    torch.testing.assert_close(v1.encoder(frames)[:, :2], v1.encoder(changed)[:, :2])


def test_training_lowers_the_loss(tokenizer):
    optimizer = torch.optim.AdamW(tokenizer.parameters(), lr=3e-3)
    losses = []
    for _ in range(40):
        terms = tokenizer.loss(clip())
        optimizer.zero_grad()
        terms["loss"].backward()
        optimizer.step()
        losses.append(terms["loss"].item())
    assert losses[-1] < losses[0] / 3
    assert terms.keys() == {"loss", "reconstruction"}


def test_every_parameter_has_a_gradient(tokenizer):
    tokenizer.loss(clip())["loss"].backward()
    assert all(parameter.grad is not None for parameter in tokenizer.parameters())


def test_bf16_autocast_gives_whole_codes(tokenizer):
    with torch.autocast("cpu", dtype=torch.bfloat16):
        ids = tokenizer.encode(clip())
        assert torch.equal(tokenizer.ids(tokenizer.latents(ids)), ids)
        assert tokenizer.latents(ids).dtype == torch.float32
        assert tokenizer.loss(clip())["loss"].isfinite()


def test_motion_loss_weighs_an_error_on_what_moves_more():
    frames = clip()
    on_sprite, on_ground = frames.clone(), frames.clone()
    on_sprite[:, 1, :, 5, 5] += 0.5
    on_ground[:, 1, :, 12, 12] += 0.5
    assert motion_loss(on_sprite, frames) > 3 * motion_loss(on_ground, frames)
    torch.testing.assert_close(motion_loss(on_ground, frames), (on_ground - frames).square().mean())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"patch_size": 5}, "frame_size 16 is not a multiple of patch_size 5"),
        ({"num_heads": 3}, "embed_dim 16 does not divide into num_heads 3"),
        ({"num_heads": 16}, "heads of even width"),
        ({"num_bins": 1}, "num_bins must be at least 2"),
        ({"num_blocks": 0}, "num_blocks must be at least 1"),
        ({"architecture": "v3"}, "architecture 'v3' is unknown.*There are: v1, v2"),
    ],
)
def test_settings_that_cannot_work_are_refused(changes, message):
    with pytest.raises(ConfigError, match=message):
        VideoTokenizer(**SMALL | changes)


def test_frames_of_another_size_are_refused_in_plain_words(tokenizer):
    with pytest.raises(DataError, match=r"\(3, 16, 16\) are expected, got \(2, 3, 3, 32, 32\)"):
        tokenizer.encode(clip(size=32))
