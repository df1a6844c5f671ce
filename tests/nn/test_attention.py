import pytest
import torch

from tinyworlds.nn import attention
from tinyworlds.nn.attention import SpaceAttention, TimeAttention, attend_space, attend_time
from tinyworlds.nn.compiling import compile_network
from tinyworlds.nn.kernels.loading import find_compiler
from tinyworlds.nn.norms import Condition, ConditionedNorm, ModulatedResidual
from tinyworlds.nn.transformer import v1_transformer, v2_transformer


def plain_attention(query, key, value, mask=None):
    """The formula, for [..., N, d]."""
    scores = query @ key.transpose(-1, -2) / query.shape[-1] ** 0.5
    if mask is not None:
        scores = scores.masked_fill(~mask, float("-inf"))
    return scores.softmax(dim=-1) @ value


@pytest.mark.parametrize("head_dim", [4, 16])
def test_attention_equals_the_formula(head_dim):
    query, key, value = (torch.randn(2, 5, 9, 3, head_dim) for _ in range(3))
    space = plain_attention(*(x.transpose(2, 3) for x in (query, key, value)))  # [B, T, heads, P, d]
    torch.testing.assert_close(attend_space(query, key, value), space.transpose(2, 3).flatten(-2))
    causal = torch.ones(5, 5, dtype=torch.bool).tril()
    moved = (x.permute(0, 2, 3, 1, 4) for x in (query, key, value))  # [B, P, heads, T, d]
    time = plain_attention(*moved, causal)
    torch.testing.assert_close(attend_time(query, key, value), time.permute(0, 3, 1, 2, 4).flatten(-2))


@pytest.mark.parametrize("new", [1, 2])
def test_queries_of_the_newest_frames_give_the_newest_rows(new):
    query, key, value = (torch.randn(2, 5, 4, 3, 8) for _ in range(3))
    full = attend_time(query, key, value)
    torch.testing.assert_close(attend_time(query[:, -new:], key, value), full[:, -new:])


def wake(module):
    """Give zero-initialised weights a value, so that every layer acts."""
    torch.manual_seed(0)
    for parameter in module.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return module.eval()


TRANSFORMERS = {
    "v1": lambda: v1_transformer(16, 4, 32, 2),
    "v1 conditioned": lambda: v1_transformer(16, 4, 32, 2, condition_dim=3),
    "v1 moe": lambda: v1_transformer(16, 4, 32, 2, num_experts=3),
    "v2": lambda: v2_transformer(16, 4, 32, 2, grid=3),
    "v2 conditioned": lambda: v2_transformer(16, 4, 32, 2, grid=3, conditioned=True),
    "v2 moe": lambda: v2_transformer(16, 4, 32, 2, grid=3, num_experts=3),
}


@pytest.mark.parametrize("name", TRANSFORMERS)
@torch.no_grad()
def test_no_frame_sees_a_later_one(name):
    transformer = wake(TRANSFORMERS[name]())
    width = {"v1 conditioned": 3, "v2 conditioned": 16}.get(name)
    condition = None if width is None else torch.randn(1, 4, width)
    x = torch.randn(1, 4, 9, 16)
    changed = x.clone()
    changed[:, 2] += torch.randn(9, 16)
    before, after = transformer(x, condition), transformer(changed, condition)
    torch.testing.assert_close(before[:, :2], after[:, :2])
    assert not torch.allclose(before[:, 2], after[:, 2])
    assert not torch.allclose(before[:, 3], after[:, 3])


@torch.no_grad()
def test_every_patch_of_a_frame_sees_every_other():
    transformer = wake(v2_transformer(16, 4, 32, 1, grid=3))
    x = torch.randn(1, 1, 9, 16)
    changed = x.clone()
    changed[:, :, 8] += torch.randn(16)
    moved = (transformer(x) - transformer(changed)).abs().amax(dim=-1)[0, 0]
    assert (moved > 1e-5).all()


@torch.no_grad()
def test_without_temporal_layers_frames_are_strangers():
    transformer = wake(v2_transformer(16, 4, 32, 2, grid=3, temporal=False))
    x = torch.randn(1, 3, 9, 16)
    torch.testing.assert_close(transformer(x)[:, 1:2], transformer(x[:, 1:2]))


def test_fresh_v2_blocks_pass_their_input_through():
    block = v2_transformer(16, 4, 32, 1, grid=3, conditioned=True).blocks[0]
    x = torch.randn(2, 3, 9, 16)
    torch.testing.assert_close(block(x, Condition(torch.randn(2, 3, 16))), x)


@pytest.mark.parametrize("name", ["v2", "v2 conditioned", "v2 moe"])
def test_every_weight_learns(name):
    transformer = TRANSFORMERS[name]().train()
    condition = torch.randn(2, 3, 16) if "conditioned" in name else None
    x, target = torch.randn(2, 3, 9, 16), torch.randn(2, 3, 9, 16)
    optimizer = torch.optim.SGD(transformer.parameters(), lr=0.1)
    for _ in range(3):  # zero-initialised last maps let gradients through from the second step on
        optimizer.zero_grad()
        (transformer(x, condition) - target).square().mean().backward()
        optimizer.step()
    idle = [n for n, p in transformer.named_parameters() if p.grad is None or not p.grad.any()]
    assert not [name for name in idle if "experts" not in name]


def test_condition_one_frame_short_leaves_the_first_frame_alone():
    norm = wake(ConditionedNorm(8, 3))
    x, condition = torch.randn(2, 4, 5, 8), torch.randn(2, 3, 3)
    out = norm(x, Condition(condition))
    torch.testing.assert_close(out[:, :1], norm(x)[:, :1])
    torch.testing.assert_close(out[:, 1:], norm(x[:, 1:], Condition(condition)))


def test_modulation_is_per_frame():
    step = wake(ModulatedResidual(8, 8, torch.nn.Linear(8, 8)))
    x, condition = torch.randn(1, 3, 5, 8), torch.randn(1, 3, 8)
    changed = condition.clone()
    changed[:, 1] += 1
    moved = (step(x, Condition(condition)) - step(x, Condition(changed))).abs().amax(dim=(0, 2, 3))
    assert moved[1] > 1e-4
    assert moved[0] == moved[2] == 0


@pytest.mark.parametrize("layer", [SpaceAttention(16, 2, 3), TimeAttention(16, 2)])
def test_attention_runs_in_bf16_autocast(layer):
    with torch.autocast("cpu", dtype=torch.bfloat16):
        out = wake(layer)(torch.randn(2, 3, 9, 16))
    assert out.dtype == torch.bfloat16
    assert out.isfinite().all()


def test_queries_and_keys_are_normed():
    layer = SpaceAttention(16, 2, 3)
    query, key, _ = layer.project(torch.randn(1, 1, 9, 16) * 50)
    for part in (query, key):
        torch.testing.assert_close(part.square().mean(dim=-1), torch.ones(1, 1, 9, 2), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("num_queries", [1, 2, 5])
def test_short_windows_attend_as_the_library_does(num_queries, monkeypatch):
    parts = [torch.randn(2, 5, 9, 2, 4, requires_grad=True) for _ in range(3)]

    def result():
        query, key, value = parts
        mixed = attend_time(query[:, 5 - num_queries :], key, value)
        return mixed, *torch.autograd.grad(mixed.square().sum(), parts)

    written_out = result()
    monkeypatch.setattr(attention, "_MAX_FRAMES_SHORT", 0)
    torch.testing.assert_close(written_out, result(), rtol=1e-4, atol=1e-5)


LAYERS = {"space": lambda: SpaceAttention(16, 4, 3), "time": lambda: TimeAttention(16, 4)}
needs_compiler = pytest.mark.skipif(find_compiler() is None, reason="needs a C++ compiler")


@needs_compiler
@pytest.mark.parametrize("kind", LAYERS)
def test_layers_choose_once_and_anew_when_moved(kind, monkeypatch):
    layer, asked = LAYERS[kind](), []
    name = f"has_{kind}_kernel"
    monkeypatch.setattr(attention, name, lambda channels: asked.append(channels) or False)
    x = torch.randn(1, 2, 9, 16)
    layer(x), layer(x)
    assert asked == [4]
    layer.to("cpu")(x)
    assert asked == [4, 4]
    layer.double()(x.double())
    assert asked == [4, 4]  # no kernel takes these


@needs_compiler
@pytest.mark.parametrize("kind", LAYERS)
def test_layers_do_the_same_by_kernel_and_by_library(kind, monkeypatch):
    layer, x = wake(LAYERS[kind]()), torch.randn(1, 2, 9, 16)
    by_kernel = layer(x)
    assert "kernel" in layer._chosen.__name__
    monkeypatch.setenv("TINYWORLDS_NATIVE", "0")
    torch.testing.assert_close(layer.to("cpu")(x), by_kernel, rtol=1e-4, atol=1e-5)
    assert layer._chosen is getattr(attention, f"attend_{kind}")


@pytest.mark.parametrize("kind", LAYERS)
def test_layers_on_a_gpu_take_the_library(kind):
    layer = LAYERS[kind]().to("meta")
    assert layer(torch.empty(1, 2, 9, 16, device="meta")).shape == (1, 2, 9, 16)
    assert layer._chosen is getattr(attention, f"attend_{kind}")


def test_what_is_compiled_has_chosen_before(monkeypatch):
    network = torch.nn.ModuleDict({"transformer": v2_transformer(16, 4, 32, 2, grid=3)})
    layers = [layer for layer in network.modules() if isinstance(layer, attention.Attention)]
    chosen = []
    compiled = lambda x: chosen.extend(layer._chosen for layer in layers)  # noqa: E731
    monkeypatch.setattr(torch, "compile", lambda *given, **options: compiled)
    compile_network(network)
    network["transformer"](torch.randn(1, 2, 9, 16))
    assert len(chosen) == 4
    assert None not in chosen
