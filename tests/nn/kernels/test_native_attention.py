"""The kernel of our own: equal to the formula, forwards and backwards, wherever scores and sizes lie."""

import subprocess
import sys

import pytest
import torch

from tinyworlds.nn import attention
from tinyworlds.nn.attention import attend_space, choose_space
from tinyworlds.nn.kernels import loading, space_attention
from tinyworlds.nn.kernels.space_attention import attend_space_natively, has_space_kernel

pytestmark = pytest.mark.skipif(loading.find_compiler() is None, reason="needs a C++ compiler")


def rows(frames, places, heads, channels, size=1.0):
    """Queries, keys and values that lie side by side, as a joined projection leaves them."""
    torch.manual_seed(places)
    joined = torch.randn(frames, places, 3, heads, channels) * size
    return joined.requires_grad_()


def formula(joined):
    query, key, value = (part.double().transpose(1, 2) for part in joined.unbind(2))  # [N, heads, P, d]
    scores = query @ key.mT / query.shape[-1] ** 0.5
    return (scores.softmax(dim=-1) @ value).transpose(1, 2)


@pytest.mark.parametrize("channels", [2, 4, 6, 8])
@pytest.mark.parametrize("places", [1, 15, 16, 65, 256])
def test_values_and_gradients_are_those_of_the_formula(channels, places):
    joined = rows(2, places, 3, channels)
    asked = torch.randn(2, places, 3, channels)
    assert has_space_kernel(channels)
    ours, truth = attend_space_natively(*joined.unbind(2)), formula(joined)
    torch.testing.assert_close(ours.double(), truth, atol=2e-6, rtol=1e-5)
    [gradient] = torch.autograd.grad((ours * asked).sum(), joined)
    [true_gradient] = torch.autograd.grad((truth * asked).sum(), joined)
    torch.testing.assert_close(gradient, true_gradient, atol=5e-6, rtol=1e-4)


@pytest.mark.parametrize("size", [6.0, 40.0])
def test_scores_far_beyond_what_a_power_holds(size):
    joined = rows(1, 100, 2, 4, size)  # scores up to some thousands: exp would be infinite
    ours, truth = attend_space_natively(*joined.unbind(2)), formula(joined)
    torch.testing.assert_close(ours.double(), truth, atol=size * 1e-3, rtol=1e-3)
    [gradient] = torch.autograd.grad(ours.sum(), joined)
    [true_gradient] = torch.autograd.grad(truth.sum(), joined)
    torch.testing.assert_close(
        gradient, true_gradient, atol=float(true_gradient.abs().max()) * 1e-3, rtol=1e-2
    )


def test_what_is_not_a_number_shows():
    joined = rows(1, 20, 2, 4).detach()
    joined[0, 3, 1, 0, 0] = torch.nan  # one key of the first head
    mixed = attend_space_natively(*joined.unbind(2))
    assert mixed[:, :, 0].isnan().all()
    assert mixed[:, :, 1].isfinite().all()


def test_with_many_heads_each_thread_takes_whole_ones():
    joined = rows(9, 40, 8, 4).detach()
    torch.testing.assert_close(
        attend_space_natively(*joined.unbind(2)).double(), formula(joined), atol=2e-6, rtol=1e-5
    )


def test_other_types_and_strides_are_taken():
    joined = rows(2, 30, 2, 4).detach()
    truth = attend_space_natively(*joined.unbind(2))
    apart = [part.transpose(2, 3).contiguous().transpose(2, 3) for part in joined.unbind(2)]
    torch.testing.assert_close(attend_space_natively(*apart), truth)
    half = attend_space_natively(*(part.bfloat16() for part in joined.unbind(2)))
    assert half.dtype == torch.bfloat16
    torch.testing.assert_close(half.float(), truth, atol=0.05, rtol=0.05)


def test_tracers_are_told_the_truth_about_it():
    parts = [part.detach().requires_grad_() for part in rows(2, 20, 2, 4).unbind(2)]
    torch.library.opcheck(space_attention._attend, tuple(parts))


def test_networks_use_it_and_do_as_well_without(monkeypatch):
    query, key, value = (torch.randn(1, 2, 50, 3, 4) for _ in range(3))
    by_kernel = choose_space(query, 4)(query, key, value)
    monkeypatch.setattr(attention, "has_space_kernel", lambda channels: False)
    assert choose_space(query, 4) is attend_space
    torch.testing.assert_close(attend_space(query, key, value), by_kernel)


def test_a_compiler_that_fails_costs_a_warning(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(loading, "SOURCES", tmp_path)
    (tmp_path / "broken.cpp").write_text("this is no C++")
    with pytest.warns(UserWarning, match="No kernel from broken.cpp"):
        assert loading.load_kernel("broken", {}) is None
    assert [path for path in tmp_path.rglob("*.so")] == []


@pytest.mark.slow
def test_it_can_be_turned_off():
    code = "from tinyworlds.nn.kernels.space_attention import has_space_kernel; print(has_space_kernel(4))"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env={"TINYWORLDS_NATIVE": "0"}, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_there_is_none_on_windows(monkeypatch):
    monkeypatch.setattr(sys, "platform", "win32")
    assert loading.find_compiler() is None
