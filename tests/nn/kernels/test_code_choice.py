"""The likeliest codes, without logits: those that softmax and maximum find."""

import pytest
import torch
from torch import nn

from tinyworlds.nn.codes import CodeLogits
from tinyworlds.nn.fsq import FSQ
from tinyworlds.nn.kernels import code_choice, loading
from tinyworlds.nn.kernels.code_choice import choose_codes, likeliest

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
