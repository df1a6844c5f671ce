import pytest
import torch

from tinyworlds.errors import ConfigError, DataError
from tinyworlds.models import DynamicsModel
from tinyworlds.models.masking import IGNORED, FrameMasking, UniformMasking

SMALL = {
    "num_patches": 16,
    "latent_dim": 3,
    "num_bins": 3,
    "embed_dim": 16,
    "num_heads": 2,
    "hidden_dim": 32,
    "num_blocks": 2,
    "num_actions": 4,
}
CODES = 27


def build(awake=True, **changes):
    torch.manual_seed(0)
    model = DynamicsModel(**SMALL | changes)
    for parameter in model.parameters() if awake else ():
        torch.nn.init.normal_(parameter, std=0.3)  # zero-initialised layers act, too
    return model.eval()


@pytest.fixture(params=["v1", "v2", "v2 moe"])
def model(request):
    architecture, _, moe = request.param.partition(" ")
    return build(architecture=architecture, num_experts=3 if moe else 0)


@pytest.fixture
def ids():
    return torch.randint(CODES, (2, 4, 16), generator=torch.Generator().manual_seed(1))


@pytest.fixture
def actions():
    return torch.tensor([[0, 1, 2], [3, 2, 1]])


@torch.no_grad()
def test_shapes(model, ids, actions):
    assert model.mask_id == model.num_codes == CODES
    for given in (None, actions, torch.cat([actions, actions[:, :1]], dim=1)):
        assert model.logits(ids, given).shape == (2, 4, 16, CODES)


@torch.no_grad()
def test_no_frame_sees_later_codes_or_actions(model, ids, actions):
    before = model.logits(ids, actions)
    changed_ids = torch.cat([ids[:, :3], (ids[:, 3:] + 1) % CODES], dim=1)
    changed_actions = torch.cat([actions[:, :2], (actions[:, 2:] + 1) % 4], dim=1)
    torch.testing.assert_close(before[:, :3], model.logits(changed_ids, actions)[:, :3])
    torch.testing.assert_close(before[:, :3], model.logits(ids, changed_actions)[:, :3])
    assert not torch.allclose(before[:, 3], model.logits(ids, changed_actions)[:, 3])


@torch.no_grad()
def test_one_action_per_frame_conditions_the_first_frame_too(model, ids, actions):
    short = model.logits(ids, actions)
    long = model.logits(ids, torch.cat([actions[:, :1], actions], dim=1))
    assert not torch.allclose(short[:, 0], long[:, 0])


@torch.no_grad()
def test_masked_tokens_hide_their_code(model, ids, actions):
    other = ids.clone()
    other[:, 3] = (other[:, 3] + 1) % CODES
    for clip in (ids, other):
        clip[:, 3] = model.mask_id
    torch.testing.assert_close(model.logits(ids, actions), model.logits(other, actions))


@torch.no_grad()
def test_v2_sees_the_frame_before_at_the_same_place(ids):
    model = build(architecture="v2")
    explicit = torch.cat([torch.full_like(ids[:, :1], CODES), ids[:, :-1]], dim=1)
    torch.testing.assert_close(model.logits(ids), model.logits(ids, previous_ids=explicit))
    assert not torch.allclose(model.logits(ids), model.logits(ids, previous_ids=explicit.flip(1)))


def test_config_builds_the_same_network(model, ids):
    twin = DynamicsModel(**model.config).eval()
    twin.load_state_dict(model.state_dict(), strict=True)
    assert torch.equal(twin.logits(ids), model.logits(ids))


@pytest.mark.parametrize("settings", [{"architecture": "v1"}, {}, {"num_experts": 4}])
def test_every_parameter_has_a_gradient(settings, ids, actions):
    model = build(awake=False, **settings).train()
    terms = model.loss(ids, actions)
    terms["loss"].backward()
    assert not [name for name, parameter in model.named_parameters() if parameter.grad is None]
    assert ("balance" in terms) == ("num_experts" in settings)


@pytest.mark.parametrize(("architecture", "accuracy"), [("v1", 0.05), ("v2", 0.2)])
def test_training_learns_a_rule(architecture, accuracy):
    """Codes that grow by the action are learned: chance is one in 27."""
    torch.manual_seed(0)
    model = build(awake=False, architecture=architecture).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    reached = []
    for _ in range(60):
        actions = torch.randint(4, (16, 3))
        start = torch.randint(CODES, (16, 1, 16))
        moves = torch.cat([torch.zeros(16, 1, dtype=torch.int64), actions.cumsum(1)], dim=1)
        terms = model.loss((start + moves[..., None]) % CODES, actions)
        optimizer.zero_grad()
        terms["loss"].backward()
        optimizer.step()
        reached.append(terms["accuracy"].item())
    assert sum(reached[-10:]) / 10 > accuracy


def test_loss_without_actions_and_in_bf16(model, ids):
    model.train()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert model.loss(ids)["loss"].isfinite()


def test_v1_masking_keeps_one_frame_of_every_place(ids):
    big = torch.randint(CODES, (64, 4, 16))
    task = UniformMasking(CODES)(big)
    masked = task.ids == CODES
    assert masked.sum(dim=1).max() == 3
    assert torch.equal(task.targets != IGNORED, masked)
    assert torch.equal(task.targets[masked], big[masked])


def test_v2_masking_draws_each_frame_for_itself():
    big = torch.randint(CODES, (512, 4, 16))
    task = FrameMasking(CODES, noise=0.0)(big)
    masked = task.ids == CODES
    whole = masked.all(dim=2).float().mean()
    assert 0.5 <= whole < 0.62  # a few more come from the cosine
    assert (task.targets[:, 0] == IGNORED).all()
    assert torch.equal(task.targets[:, 1:] != IGNORED, masked[:, 1:])
    assert torch.equal(task.previous_ids[:, 1:], big[:, :-1])
    assert (task.previous_ids[:, 0] == CODES).all()


def test_v2_noise_replaces_a_few_codes_of_the_frame_before_only():
    big = torch.randint(CODES, (512, 4, 16))
    task = FrameMasking(CODES, noise=0.2)(big)
    wrong = (task.previous_ids[:, 1:] != big[:, :-1]).float().mean()
    assert 0.05 < wrong < 0.12
    shown = task.ids != CODES
    assert torch.equal(task.ids[shown], big[shown])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"num_patches": 15}, "num_patches must be a square number"),
        ({"num_actions": 1}, "num_actions must be 0 .none. or at least 2"),
        ({"num_experts": 2, "top_k": 3}, "top_k 3 exceeds num_experts 2"),
        ({"embed_dim": 15}, "embed_dim 15 does not divide"),
        ({"architecture": "V2"}, "Did you mean 'v2'"),
    ],
)
def test_settings_that_cannot_work_are_refused(changes, message):
    with pytest.raises(ConfigError, match=message):
        DynamicsModel(**SMALL | changes)


def test_codes_and_actions_that_do_not_fit_are_refused(model, ids, actions):
    with pytest.raises(DataError, match="P = 16 are expected"):
        model.logits(ids[:, :, :9])
    with pytest.raises(DataError, match="4 frames take 3 or 4 actions, got 2"):
        model.logits(ids, actions[:, :2])
