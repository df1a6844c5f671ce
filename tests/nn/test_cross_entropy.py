import pytest
import torch
from torch.nn import functional as F

from tinyworlds.nn import cross_entropy
from tinyworlds.nn.cross_entropy import IGNORED, linear_cross_entropy


@pytest.fixture
def inputs():
    generator = torch.Generator().manual_seed(0)
    shapes = [(101, 8), (30, 8), (30,)]
    return [torch.randn(shape, generator=generator, requires_grad=True) for shape in shapes]


@pytest.fixture
def targets():
    return torch.randint(30, (101,), generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("chunk_logits", [1, 300, 10**6])
def test_equals_the_formula_whatever_the_chunks(inputs, targets, chunk_logits, monkeypatch):
    monkeypatch.setenv("TINYWORLDS_NATIVE", "0")  # the kernel has pieces of its own
    monkeypatch.setitem(cross_entropy._CHUNK_LOGITS, "cpu", chunk_logits)
    x, weight, bias = inputs
    total, correct = linear_cross_entropy(x, weight, bias, targets)
    logits = F.linear(x, weight, bias)
    expected = F.cross_entropy(logits, targets, reduction="sum")
    torch.testing.assert_close(total, expected)
    assert correct == (logits.argmax(dim=1) == targets).sum()
    grads = torch.autograd.grad(total / 101, inputs)
    torch.testing.assert_close(grads, torch.autograd.grad(expected / 101, inputs))


def test_runs_in_bf16_autocast_and_without_rows(inputs, targets):
    x, weight, bias = inputs
    with torch.autocast("cpu", dtype=torch.bfloat16):
        total, _ = linear_cross_entropy(x, weight, bias, targets)
    torch.testing.assert_close(total, linear_cross_entropy(*inputs, targets)[0], rtol=1e-2, atol=0)
    nothing, _ = linear_cross_entropy(x[:0], weight, bias, targets[:0])
    nothing.backward()
    assert nothing == 0
    assert not weight.grad.any()


@pytest.mark.parametrize("on_gpu", [False, True], ids=["rows picked", "rows weighed"])
def test_rows_without_a_target_count_for_nothing(inputs, targets, on_gpu, monkeypatch):
    monkeypatch.setitem(cross_entropy._CHUNK_LOGITS, "cpu", 900)
    targets[::3] = IGNORED
    if on_gpu:  # where picking rows would wait for the device
        judged = targets != IGNORED
        apply = cross_entropy._LinearCrossEntropy.apply
        total, correct = apply(*inputs, targets.where(judged, 0), judged)
    else:
        total, correct = linear_cross_entropy(*inputs, targets)
    logits = F.linear(*inputs)
    expected = F.cross_entropy(logits, targets, reduction="sum")
    torch.testing.assert_close(total, expected)
    assert correct == (logits.argmax(dim=1) == targets).sum()
    grads = torch.autograd.grad(total, inputs)
    torch.testing.assert_close(grads, torch.autograd.grad(expected, inputs))
