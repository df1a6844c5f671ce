"""Kernels of a training step: values and gradients are the formula's, and steps those of the modules."""

import pytest
import torch
from torch.nn import functional as F

from tinyworlds.nn.attention import attend_time, choose_time
from tinyworlds.nn.kernels import gating, loading, time_attention, token_map
from tinyworlds.nn.kernels.code_loss import judge_natively
from tinyworlds.nn.kernels.gating import gate_natively
from tinyworlds.nn.kernels.norm_silu import norm_silu_natively
from tinyworlds.nn.kernels.time_attention import attend_time_natively, has_time_kernel
from tinyworlds.nn.linear import Linear, joined_linear
from tinyworlds.nn.transformer import v1_transformer, v2_transformer

pytestmark = pytest.mark.skipif(
    loading.find_compiler() is None or not loading.products_pay(), reason="needs x86 and a C++ compiler"
)


@pytest.fixture
def set_threads():
    """Sets the number of threads for one test."""
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


def compare(ours, truth, inputs):
    """The same values, and the same gradients of a weighted sum; the truth is computed in float64."""
    torch.testing.assert_close(ours.double(), truth, atol=1e-5, rtol=1e-5)
    asked = torch.randn_like(ours)
    gradients = torch.autograd.grad((ours * asked).sum(), inputs)
    true_gradients = torch.autograd.grad((truth * asked).sum(), inputs)
    for gradient, true_gradient in zip(gradients, true_gradients, strict=True):
        bound = 1e-5 * max(float(true_gradient.abs().max()), 1.0)
        torch.testing.assert_close(gradient, true_gradient, atol=bound, rtol=1e-5)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize(("ins", "outs"), [(32, 96), (85, 32), (6, 17), (1, 1), (48, 341)])
def test_maps_of_tokens(ins, outs, threads, set_threads):
    set_threads(threads)
    torch.manual_seed(outs)
    x = torch.randn(3, 111, ins, requires_grad=True)  # 333 rows: no whole pieces
    layer = Linear(ins, outs)
    truth = F.linear(x.double(), layer.weight.double(), layer.bias.double())
    compare(layer(x), truth, [x, layer.weight, layer.bias])


def test_maps_without_a_bias_and_of_inputs_that_need_no_gradient():
    layer = Linear(20, 30, bias=False)
    x = torch.randn(30, 400).T[:, :20]  # strides of its own
    assert not x.is_contiguous()
    compare(layer(x), F.linear(x.double(), layer.weight.double()), [layer.weight])


def test_layers_that_lie_apart_learn_through_one_product():
    layers, x = [Linear(8, 5), Linear(8, 9)], torch.randn(300, 8, requires_grad=True)
    parts = [F.linear(x.double(), each.weight.double(), each.bias.double()) for each in layers]
    parameters = [parameter for each in layers for parameter in each.parameters()]
    compare(joined_linear(x, *layers), torch.cat(parts, dim=-1), [x, *parameters])


@pytest.mark.parametrize("width", [1, 16, 85])
def test_gates(width):
    joined = (5 * torch.randn(7, 9, 2 * width)).requires_grad_()
    gate, value = joined.double().chunk(2, dim=-1)
    compare(gate_natively(joined), F.silu(gate) * value, [joined])


def test_gates_far_from_zero_saturate():
    joined = torch.tensor([[-1e4, -90.0, 90.0, 1e4, 1.0, 1.0, 1.0, 1.0]], requires_grad=True)
    out = gate_natively(joined)
    torch.testing.assert_close(out, torch.tensor([[0.0, 0.0, 90.0, 1e4]]), atol=1e-30, rtol=1e-6)
    [gradient] = torch.autograd.grad(out.sum(), joined)
    torch.testing.assert_close(gradient[0, :4], torch.tensor([0.0, 0.0, 1.0, 1.0]), atol=1e-30, rtol=1e-6)


def formula(query, key, value):
    """Causal attention along frames, in float64."""
    query, key, value = (part.double().permute(0, 2, 3, 1, 4) for part in (query, key, value))
    seen = torch.ones(query.shape[-2], key.shape[-2], dtype=torch.bool)
    seen = seen.tril(key.shape[-2] - query.shape[-2])
    scores = (query @ key.mT / query.shape[-1] ** 0.5).masked_fill(~seen, -torch.inf)
    return (scores.softmax(dim=-1) @ value).permute(0, 3, 1, 2, 4)


@pytest.mark.parametrize("channels", [1, 2, 4, 8, 16, 32])
@pytest.mark.parametrize(("queries", "frames", "heads"), [(4, 4, 3), (1, 5, 8), (2, 20, 1)])
def test_attention_along_frames(channels, queries, frames, heads):
    torch.manual_seed(frames)
    joined = torch.randn(2, frames, 7, 3, heads, channels, requires_grad=True)
    query, key, value = joined.unbind(3)
    query = query[:, -queries:]  # the newest
    assert has_time_kernel(channels)
    compare(attend_time_natively(query, key, value), formula(query, key, value), [joined])


def test_scores_along_frames_far_beyond_what_a_power_holds():
    query, key, value = (40 * torch.randn(1, 5, 6, 2, 4) for _ in range(3))
    truth = formula(query, key, value)
    torch.testing.assert_close(attend_time_natively(query, key, value).double(), truth, atol=0.05, rtol=1e-3)


def test_what_is_not_a_number_stays_in_its_head_and_place():
    query, key, value = torch.randn(3, 1, 4, 5, 2, 4)
    key[0, 1, 2, 0, 0] = torch.nan  # frame 1, place 2, head 0
    mixed = attend_time_natively(query, key, value)
    assert mixed[0, 1:, 2, 0].isnan().all()
    mixed[0, 1:, 2, 0] = 0
    assert mixed.isfinite().all()


@pytest.mark.parametrize("build", [v1_transformer, v2_transformer])
def test_a_step_is_that_of_the_modules(build, monkeypatch):
    torch.manual_seed(0)
    grid = {"grid": 16} if build is v2_transformer else {}
    network = build(16, 4, 32, 2, **grid)
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    x, asked = torch.randn(2, 2, 2, 256, 16)
    (network(x) * asked).sum().backward()
    gradients = [parameter.grad.clone() for parameter in network.parameters()]
    network.zero_grad()
    monkeypatch.setenv("TINYWORLDS_NATIVE", "0")
    network.to("cpu")  # moved, it chooses anew
    (network(x) * asked).sum().backward()
    # that of a key's bias is zero but for rounding, so the largest of all says what counts
    bound = 1e-5 * max(float(gradient.abs().max()) for gradient in gradients)
    for gradient, parameter in zip(gradients, network.parameters(), strict=True):
        torch.testing.assert_close(gradient, parameter.grad, atol=bound, rtol=1e-3)


@pytest.mark.parametrize("kernel", ["linear", "gate", "time"])
def test_networks_use_the_kernels(kernel, monkeypatch):
    used = []
    module = {"linear": token_map, "gate": gating, "time": time_attention}[kernel]
    real = module._kernel
    monkeypatch.setattr(module, "_kernel", lambda *channels: used.append(1) or real(*channels))
    network = v1_transformer(16, 4, 32, 1).train()
    network(torch.randn(2, 2, 256, 16)).sum().backward()
    assert used


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize(("rows", "width"), [(128, 64), (1, 1), (7, 33), (2048, 8), (3, 1000)])
def test_norm_and_silu(rows, width, threads, set_threads):
    set_threads(threads)
    torch.manual_seed(width)
    x = (3 * torch.randn(2, rows, width)).requires_grad_()
    scale = torch.randn(width, requires_grad=True)
    truth = F.silu(F.rms_norm(x.double(), (width,), scale.double(), 1e-4))
    compare(norm_silu_natively(x, scale, 1e-4), truth, [x, scale])


def test_norm_and_silu_of_zeros_and_of_what_overflows():
    x = torch.tensor([[0.0, 0.0, 0.0], [1e18, -1e18, 1.0]], requires_grad=True)
    scale = torch.ones(3, requires_grad=True)
    out = norm_silu_natively(x, scale, 1e-4)
    out.sum().backward()
    assert torch.equal(out[0], torch.zeros(3))
    assert all(bool(part.isfinite().all()) for part in (out, x.grad, scale.grad))


def test_other_number_formats_go_by_the_library(monkeypatch):
    monkeypatch.setattr(token_map, "_kernel", lambda: pytest.fail("no kernel for this"))
    layer, x = Linear(8, 8), torch.randn(300, 8)
    assert layer.double()(x.double()).dtype == torch.float64
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert layer.float()(x).dtype == torch.bfloat16


def test_heads_that_no_kernel_takes_are_attended_to_as_well():
    query, key, value = (torch.randn(2, 3, 5, 2, 24) for _ in range(3))  # 24: no power of two
    assert not has_time_kernel(24)
    assert choose_time(query, 24) is attend_time
    truth = formula(query, key, value).flatten(-2).float()
    torch.testing.assert_close(attend_time(query, key, value), truth)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize(("rows", "width", "codes"), [(100, 8, 30), (33, 32, 1024), (1, 1, 1), (0, 4, 5)])
def test_loss_of_codes(rows, width, codes, threads, set_threads):
    set_threads(threads)
    torch.manual_seed(rows)
    inputs = [4 * torch.randn(shape) for shape in ((rows, width), (codes, width), (codes,))]
    targets = torch.randint(codes, (rows,))
    loss, correct, gradients = judge_natively(*inputs, targets, with_gradients=True)
    truth = [part.double().requires_grad_() for part in inputs]
    logits = F.linear(*truth)
    expected = F.cross_entropy(logits, targets, reduction="sum")
    torch.testing.assert_close(loss, expected.float(), rtol=1e-5, atol=1e-5)
    assert correct == (logits.argmax(dim=1) == targets).sum()
    for gradient, true in zip(gradients, torch.autograd.grad(expected, truth), strict=True):
        torch.testing.assert_close(gradient, true.float(), rtol=1e-4, atol=1e-4)
    assert torch.equal(judge_natively(*inputs, targets, with_gradients=False)[0], loss)


def test_of_equal_logits_the_first_is_the_guess():
    inputs = torch.zeros(3, 2), torch.zeros(5, 2), torch.zeros(5)
    assert judge_natively(*inputs, torch.tensor([0, 1, 4]), with_gradients=False)[1] == 1


def test_a_loss_that_is_not_a_number_shows_and_codes_out_of_range_are_refused():
    x, weight, bias = torch.randn(40, 8), torch.randn(9, 8), torch.randn(9)
    with pytest.raises(IndexError, match=r"0\.\.8"):
        judge_natively(x, weight, bias, torch.full((40,), 9), with_gradients=True)
    x[7, 3] = torch.nan
    loss, _, gradients = judge_natively(x, weight, bias, torch.zeros(40, dtype=torch.int64), True)
    assert loss.isnan()
    assert gradients[0][7].isnan().all()
    assert gradients[0][:7].isfinite().all()
