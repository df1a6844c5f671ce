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


@pytest.fixture
def anchored():
    torch.manual_seed(0)
    return LatentActionModel(**SMALL, num_actions=3, anchored=True)


def test_an_anchored_model_has_as_many_actions_as_are_recorded(anchored, frames):
    anchored.anchor([5, 3, 0], 0.8)
    ids = anchored.encode(frames)
    assert ids.shape == (3, 3)
    assert ids.max() < 2  # of the third none is known
    twin = LatentActionModel(**anchored.config)
    twin.load_state_dict(anchored.state_dict(), strict=True)
    assert torch.equal(twin.encode(frames), ids)
    assert torch.equal(twin.encoder(frames), anchored.encoder(frames))
    assert twin.objective.shares.tolist() == pytest.approx([5 / 8, 3 / 8, 0])


@torch.no_grad()
def test_an_anchored_action_depends_on_three_frames(anchored, frames):
    whole = anchored.encoder(frames)
    torch.testing.assert_close(anchored.encoder(frames[:, 1:])[:, 1:], whole[:, 2:])
    later = torch.cat([frames[:, :3], -frames[:, 3:]], dim=1)
    torch.testing.assert_close(anchored.encoder(later)[:, :2], whole[:, :2])
    before = torch.cat([-frames[:, :1], frames[:, 1:]], dim=1)
    assert not torch.allclose(anchored.encoder(before)[:, 1], whole[:, 1])
    torch.testing.assert_close(anchored.encoder(before)[:, 2], whole[:, 2])


@torch.no_grad()
def test_what_an_anchored_model_reads_is_weighed_with_what_comes_before_and_after(anchored, frames):
    anchored.anchor([1, 1, 1], 0.999)
    seen = torch.tensor([[[0.0, 5.0, 0.0], [0.1, 0.0, 0.0], [0.0, 5.0, 0.0]]])
    anchored.encoder.forward = lambda clips: seen
    assert anchored.encode(frames[:1]).tolist() == [[1, 1, 1]]
    anchored.anchor([1, 1, 1], 1 / 3)  # as often as by chance: nothing is held
    assert anchored.encode(frames[:1]).tolist() == [[1, 0, 1]]


def test_anchors_and_other_frames_both_teach(anchored, frames):
    anchored.anchor([5, 3, 2], 0.8)
    anchors = (frames[:, :3], torch.tensor([0, 1, 2]))
    alone, both = anchored.loss(frames), anchored.loss(frames, anchors)
    assert {*alone} == {"loss", "consistency"}
    assert {*both} == {"loss", "consistency", "anchored"}
    both["loss"].backward()
    assert all(parameter.grad.any() for parameter in anchored.parameters())


def test_what_is_said_of_other_frames_counts_once_anchors_are_read(anchored, frames):
    anchored.anchor([1, 1, 1], 0.8)
    anchors = (frames[:, :3], torch.tensor([0, 1, 2]))

    def trusted(logits):
        anchored.encoder.read = lambda triples: logits[: len(triples)]
        terms = anchored.loss(frames, anchors)
        return ((terms["loss"] - terms["anchored"]) / terms["consistency"]).item()

    blind, knowing = torch.zeros(9, 3), 4 * torch.eye(3).repeat(3, 1)
    assert trusted(blind) == pytest.approx(0, abs=1e-6)
    assert trusted(knowing) > 0.9


def test_no_action_takes_over_what_is_said_of_other_frames(anchored, frames):
    anchored.anchor([1, 1, 1], 1 / 3)
    anchored.encoder.read = lambda triples: torch.tensor([0.3, 0.0, 0.0]).repeat(len(triples), 1)
    first = anchored.loss(frames)["consistency"]
    for _ in range(100):
        anchored.train().loss(frames)
    # what it always says is no news, so it is aligned to how often each action is anchored
    torch.testing.assert_close(
        anchored.objective.said, torch.tensor([0.3, 0.0, 0.0]).softmax(0), rtol=0, atol=0.01
    )
    assert anchored.eval().loss(frames)["consistency"] > first


@pytest.mark.parametrize("size", [16, 20, 64, 84, 128])
def test_an_anchored_model_reads_frames_of_any_size(size):
    model = LatentActionModel(frame_size=size, patch_size=4, num_actions=3, anchored=True)
    frames = torch.rand(1, 3, 3, size, size) * 2 - 1
    assert model.encode(frames).shape == (1, 2)
    assert model.loss(frames, (frames, torch.tensor([1])))["loss"].isfinite()


def test_an_anchored_model_predicts_nothing_and_is_of_v2(anchored, frames):
    with pytest.raises(ConfigError, match="predicts no frames"):
        anchored(frames)
    with pytest.raises(ConfigError, match="v1 cannot be anchored"):
        LatentActionModel(**SMALL, num_actions=4, architecture="v1", anchored=True)
    with pytest.raises(ConfigError, match=r"4 actions, the network knows 3: set --model.num_actions 4"):
        anchored.anchor([1, 1, 1, 1], 0.5)
