"""The likeliest codes, without logits: those that softmax and maximum find."""

import pytest
import torch
from torch import nn

from tinyworlds.nn.codes import CodeLogits
from tinyworlds.nn.fsq import FSQ
from tinyworlds.nn.kernels import code_choice, loading
from tinyworlds.nn.kernels.code_choice import choose_codes, draw_codes, drawn, likeliest

pytestmark = pytest.mark.skipif(loading.find_compiler() is None, reason="needs a C++ compiler")


@torch.no_grad()
@pytest.mark.parametrize("tokens", [1, 16, 37])
@pytest.mark.parametrize("size", [0.1, 3.0, 100.0])
def test_it_is_softmax_and_maximum(tokens, size):
    torch.manual_seed(0)
    output, features = nn.Linear(20, 125), size * torch.randn(2, tokens, 20)
    codes, probability = choose_codes(features, output)
    wanted, truth = likeliest(output(features))
    assert torch.equal(codes, wanted)
    torch.testing.assert_close(probability, truth, rtol=1e-4, atol=1e-6)


@torch.no_grad()
def test_of_equals_the_first_is_taken():
    output = nn.Linear(4, 50)
    for weight in output.parameters():
        weight.zero_()
    output.bias[[7, 31]] = 2.0
    codes, probability = choose_codes(torch.randn(3, 4), output)
    assert codes.tolist() == [7, 7, 7]
    torch.testing.assert_close(probability, output.bias.softmax(dim=0)[7].expand(3))


@torch.no_grad()
def test_what_is_not_a_number_shows_in_its_token_only():
    features = torch.randn(5, 4)
    features[2, 1] = torch.nan
    codes, probability = choose_codes(features, nn.Linear(4, 50))
    assert probability.isnan().tolist() == [False, False, True, False, False]
    assert 0 <= codes.min() <= codes.max() < 50


@torch.no_grad()
def test_a_table_of_levels_serves_and_so_does_a_machine_without_compiler(monkeypatch):
    output, features = CodeLogits(FSQ(3, 4), 16), torch.randn(9, 16)
    codes, probability = choose_codes(features, output)
    monkeypatch.setattr(code_choice, "_kernel", lambda: None)
    plain_codes, plain_probability = choose_codes(features, output)
    assert torch.equal(codes, plain_codes)
    torch.testing.assert_close(probability, plain_probability)


# ---- drawn codes


@torch.no_grad()
@pytest.mark.parametrize("own", [True, False])
@pytest.mark.parametrize("top_p", [None, 0.9, 0.3, 1e-6])
@pytest.mark.parametrize("temperature", [0.3, 1.0, 4.0])
def test_the_kernel_draws_what_the_plain_code_draws(temperature, top_p, own):
    torch.manual_seed(0)
    output, features = nn.Linear(20, 125), torch.randn(37, 20)
    chance = torch.rand(37)
    codes, confidence = draw_codes(features, output, chance, temperature, None, top_p, own)
    wanted, truth = drawn(output(features), chance, temperature, None, top_p, own)
    assert torch.equal(codes, wanted)
    torch.testing.assert_close(confidence, truth, rtol=1e-4, atol=1e-6)


@torch.no_grad()
@pytest.mark.parametrize("top_p", [None, 0.8, 0.5])
def test_codes_are_drawn_as_often_as_they_are_likely_among_those_kept(top_p):
    output = nn.Linear(4, 6)
    nn.init.zeros_(output.weight)
    output.bias.copy_(torch.tensor([0.05, 0.4, 0.1, 0.3, 0.14, 0.01]).log())
    kept = {None: [0, 1, 2, 3, 4, 5], 0.8: [1, 3, 4], 0.5: [1, 3]}[top_p]
    share = output.bias.exp()[kept] / output.bias.exp()[kept].sum()
    chance = (torch.arange(20_000) + 0.5) / 20_000  # evenly over [0, 1): no luck
    codes, _ = draw_codes(torch.zeros(20_000, 4), output, chance, 1.0, None, top_p)
    found = torch.bincount(codes, minlength=6) / 20_000
    torch.testing.assert_close(found[kept], share, rtol=0, atol=2e-4)
    assert found.sum() == found[kept].sum()


@torch.no_grad()
def test_the_ends_of_the_range_of_chance_draw_the_first_and_the_last():
    output = nn.Linear(4, 50)
    features, ends = torch.randn(2, 4), torch.tensor([0.0, 1 - 2**-24])
    codes, _ = draw_codes(features, output, ends, 1.0)
    assert codes[0] == 0
    assert codes[1] == 49


@torch.no_grad()
def test_a_token_that_is_not_a_number_has_some_code():
    features = torch.randn(5, 4)
    features[2, 1] = torch.nan
    codes, confidence = draw_codes(features, nn.Linear(4, 50), torch.rand(5), 1.0, None, 0.9)
    assert confidence.isnan().tolist() == [False, False, True, False, False]
    assert 0 <= codes.min() <= codes.max() < 50


def test_plain_drawing_keeps_the_likeliest_even_where_chance_and_limits_leave_little():
    logits = torch.tensor([[5.0, 0.0, 0.0], [0.0, 0.0, 9.0]])
    for chance in (0.0, 0.5, 0.9999):
        codes, _ = drawn(logits, torch.full((2,), chance), 1.0, 1, None, True)
        assert codes.tolist() == [0, 2]
        codes, _ = drawn(logits, torch.full((2,), chance), 1.0, None, 1e-9, True)
        assert codes.tolist() == [0, 2]
