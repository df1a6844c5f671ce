import pytest
import torch

from tinyworlds.nn.feedforward import SeparateSwiGLU, SwiGLU, swiglu_width
from tinyworlds.nn.moe import MixtureOfExperts, balance_loss


def mixture(num_experts=4, top_k=2, expert=SeparateSwiGLU):
    torch.manual_seed(0)
    return MixtureOfExperts(8, num_experts, top_k, make_expert=lambda: expert(8, 24))


@pytest.mark.parametrize("top_k", [1, 2, 4])
def test_output_is_the_weighted_sum_of_the_chosen_experts(top_k):
    layer = mixture(top_k=top_k)
    x = torch.randn(2, 3, 5, 8)
    best, chosen = layer.router(x).topk(top_k, dim=-1)
    weights = best.softmax(dim=-1)
    every = torch.stack([expert(x) for expert in layer.experts], dim=-2)  # [..., experts, E]
    expected = (every.gather(-2, chosen[..., None].expand(*chosen.shape, 8)) * weights[..., None]).sum(dim=-2)
    torch.testing.assert_close(layer(x), expected)


def test_each_expert_runs_once_on_its_own_tokens():
    layer = mixture()
    seen = []
    for expert in layer.experts:
        expert.register_forward_hook(lambda module, args, out: seen.append(len(args[0])))
    layer(torch.randn(1, 2, 25, 8))
    assert len(seen) == 4
    assert sum(seen) == 2 * 50


@pytest.mark.parametrize("expert", [SeparateSwiGLU, SwiGLU])
def test_at_play_on_a_gpu_all_experts_run_and_nothing_else_changes(expert, monkeypatch):
    layer = mixture(top_k=3, expert=expert).eval()
    for parameter in layer.parameters():
        torch.nn.init.normal_(parameter)
    x = torch.randn(2, 3, 5, 8)
    grouped = layer(x)
    monkeypatch.setattr(layer, "_should_run_all", lambda tokens: True)
    torch.testing.assert_close(layer(x), grouped, rtol=1e-4, atol=1e-5)


def test_idle_experts_take_part_in_the_graph():
    layer = mixture().train()
    with torch.no_grad():
        layer.router.weight.zero_()
        layer.router.weight[2:, 0] = 10.0
    x = torch.randn(1, 1, 6, 8)
    x[..., 0] = 1.0  # experts 2 and 3 always win
    layer(x).sum().backward()
    assert all(parameter.grad is not None for parameter in layer.experts.parameters())
    assert not layer.experts[0].w_o.weight.grad.any()
    assert layer.experts[2].w_o.weight.grad.any()


def test_balance_is_one_for_even_use_and_grows_with_collapse():
    layer = mixture(num_experts=4, top_k=1).train()
    with torch.no_grad():
        layer.router.weight.copy_(torch.eye(8)[:4] * 20)
    layer(torch.eye(8)[:4])  # token i goes to expert i
    assert layer.balance.item() == pytest.approx(1, abs=1e-3)
    layer(torch.eye(8)[:1].repeat(4, 1))
    assert layer.balance.item() == pytest.approx(4, abs=1e-3)


def test_balance_loss_sums_layers_and_is_absent_in_eval():
    stack = torch.nn.Sequential(mixture(), mixture()).train()
    stack(torch.randn(10, 8))
    torch.testing.assert_close(balance_loss(stack), stack[0].balance + stack[1].balance)
    balance_loss(stack).backward()
    assert stack[0].router.weight.grad.any()
    stack.eval()(torch.randn(10, 8))
    assert balance_loss(stack) == 0


def test_routing_in_bf16_autocast_decides_in_float32():
    layer = mixture(expert=SwiGLU).train()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        layer(torch.randn(10, 8))
    assert layer.balance.dtype == torch.float32


def test_hidden_width_is_two_thirds_rounded_down():
    assert swiglu_width(64) == 42
    assert SeparateSwiGLU(8, 64).w_v.weight.shape == (42, 8)
    assert SwiGLU(8, 64).inner.weight.shape == (84, 8)
