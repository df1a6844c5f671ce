import pytest
import torch

from tinyworlds.nn.fsq import FSQ


@pytest.mark.parametrize(("latent_dim", "num_bins"), [(5, 4), (4, 2), (3, 7), (1, 2)])
def test_every_code_survives_the_round_trip(latent_dim, num_bins):
    quantizer = FSQ(latent_dim, num_bins)
    ids = torch.arange(quantizer.num_codes)
    latents = quantizer.latents(ids)
    assert torch.equal(quantizer.ids(latents), ids)
    assert latents.dtype == torch.float32
    assert latents.min() == -1
    assert latents.max() == 1


def test_index_is_the_number_with_the_first_channel_lowest():
    quantizer = FSQ(5, 4)
    digits = torch.tensor([[3, 0, 2, 1, 0]])
    assert quantizer.ids(digits / 1.5 - 1).item() == 3 + 2 * 16 + 1 * 64
    assert quantizer.basis.dtype == torch.int64
    assert quantizer.basis.tolist() == [1, 4, 16, 64, 256]


def test_ids_of_quantised_values_are_exact_in_bf16_autocast():
    quantizer = FSQ(5, 4)
    z = torch.randn(4096, 5) * 2
    with torch.autocast("cpu", dtype=torch.bfloat16):
        latents = quantizer(z)
        ids = quantizer.ids(latents)
    assert latents.dtype == torch.float32
    assert torch.equal(ids, quantizer.ids(quantizer(z)))
    assert torch.equal(quantizer.latents(ids), quantizer.latents(quantizer.ids(latents)))


def test_bf16_input_is_quantised_in_float32():
    z = torch.randn(100, 5).bfloat16()
    quantizer = FSQ(5, 4)
    assert torch.equal(quantizer(z), quantizer(z.float()))


def test_gradient_passes_straight_through_the_rounding():
    z = torch.randn(10, 3, requires_grad=True)
    FSQ(3, 4)(z).sum().backward()
    torch.testing.assert_close(z.grad, 1 - torch.tanh(z.detach()) ** 2)


def test_basis_is_stored_only_on_demand():
    assert "basis" in FSQ(2, 2).state_dict()
    assert not FSQ(2, 2, stored=False).state_dict()
