import pytest
import torch

from tinyworlds.errors import ConfigError, DataError
from tinyworlds.models import LatentActionModel

SMALL = {
    "frame_size": 16,
    "patch_size": 4,
    "embed_dim": 16,
    "num_heads": 2,
    "hidden_dim": 32,
    "num_blocks": 1,
}


@pytest.fixture(params=["v1", "v2"])
def model(request):
    torch.manual_seed(0)
    return LatentActionModel(**SMALL, num_actions=8, architecture=request.param)


@pytest.fixture
def frames():
    return torch.rand(3, 4, 3, 16, 16) * 2 - 1


def test_shapes_and_types(model, frames):
    ids = model.encode(frames)
    assert ids.shape == (3, 3)
    assert ids.dtype == torch.int64
    assert ids.min() >= 0
    assert ids.max() < model.num_actions == 8
    assert model.latents(ids).shape[:2] == (3, 3)
    assert model(frames).shape == (3, 3, 3, 16, 16)


def test_config_builds_the_same_network(model, frames):
    twin = LatentActionModel(**model.config).eval()
    twin.load_state_dict(model.state_dict(), strict=True)
    assert torch.equal(twin.encode(frames), model.eval().encode(frames))


@torch.no_grad()
def test_an_action_does_not_depend_on_later_frames(model, frames):
    model.eval()
    changed = torch.cat([frames[:, :3], -frames[:, 3:]], dim=1)
    torch.testing.assert_close(model.encoder(frames)[:, :2], model.encoder(changed)[:, :2])


@torch.no_grad()
def test_a_prediction_does_not_depend_on_later_frames_or_actions(model, frames):
    model.eval()
    ids = torch.tensor([[0, 1, 2]]).expand(3, 3)
    other = torch.tensor([[0, 1, 5]]).expand(3, 3)
    changed = torch.cat([frames[:, :2], -frames[:, 2:]], dim=1)
    before = model.decoder(frames, model.latents(ids))
    torch.testing.assert_close(before[:, :2], model.decoder(frames, model.latents(other))[:, :2])
    torch.testing.assert_close(before[:, :1], model.decoder(changed, model.latents(ids))[:, :1])


def test_loss_reaches_the_encoder_through_the_actions(model, frames):
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    for _ in range(3):
        optimizer.zero_grad()
        terms = model.loss(frames)
        terms["loss"].backward()
        optimizer.step()
    assert all(value.isfinite() for value in terms.values())
    assert any(parameter.grad.any() for parameter in model.encoder.parameters())


def test_every_parameter_has_a_gradient(model, frames):
    model.loss(frames)["loss"].backward()
    assert not [name for name, parameter in model.named_parameters() if parameter.grad is None]


def test_bf16_autocast_keeps_ids_whole(model, frames):
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert model.encode(frames).dtype == torch.int64
        assert model.loss(frames)["loss"].isfinite()


def test_v1_decoder_hides_later_frames_while_training(frames):
    model = LatentActionModel(**SMALL, architecture="v1").train()
    latents = model.latents(torch.zeros(3, 3, dtype=torch.int64))
    changed = torch.cat([frames[:, :1], -frames[:, 1:]], dim=1)
    torch.testing.assert_close(model.decoder(frames, latents), model.decoder(changed, latents))
    model.eval()
    assert not torch.allclose(model.decoder(frames, latents), model.decoder(changed, latents))


def test_v1_loss_rises_when_actions_hardly_differ(frames):
    objective = LatentActionModel(**SMALL, architecture="v1").objective

    def loss(actions):
        return objective(lambda _: actions, torch.tanh, lambda clip, _: clip[:, 1:], frames)["loss"]

    assert loss(torch.zeros(3, 3, 4)) == pytest.approx(1.0)
    assert loss(torch.tensor([-1.0, 0.0, 1.0])[:, None, None].expand(3, 3, 4)) == 0


@pytest.mark.parametrize(("number", "advice"), [(6, 8), (0, 2), (1, 2)])
def test_number_of_actions_must_be_a_power_of_two(number, advice):
    with pytest.raises(ConfigError, match=f"power of two, got {number}: take {advice}"):
        LatentActionModel(**SMALL, num_actions=number)


def test_a_single_frame_holds_no_action(model, frames):
    with pytest.raises(DataError, match="set num_frames to 2 or more"):
        model.encode(frames[:, :1])
