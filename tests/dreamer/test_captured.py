"""The loss as CUDA graphs: that it can be one, and that recording it leaves no trace."""

import warnings

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from tinyworlds.bench.dreamer import made_up_steps
from tinyworlds.dreamer import captured, layers
from tinyworlds.dreamer.agent import Agent
from tinyworlds.dreamer.captured import CapturedLoss, FlatLoss, capture, flattened
from tinyworlds.dreamer.losses import LossSettings, agent_loss

SETTINGS = LossSettings(imagined_steps=3)
ASKS_THE_HOST = {
    "aten._local_scalar_dense.default", "aten.nonzero.default", "aten.masked_select.default",
    "aten.multinomial.default", "aten.lift_fresh.default", "aten.unique_dim.default", "aten.equal.default",
}  # fmt: skip
"""What waits for the GPU, or sends it numbers of Python's: neither can be part of a graph."""


def small_agent(vector=0):
    torch.manual_seed(0)
    return Agent(frame_size=16, channels=1, vector=vector, num_actions=3, preset="cpu-tiny")


class Recorder(TorchDispatchMode):
    def __init__(self):
        super().__init__()
        self.seen = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.seen.append(str(func))
        return func(*args, **(kwargs or {}))


def test_nothing_in_it_asks_the_host(monkeypatch):
    monkeypatch.setattr(layers, "has_norm_kernel", lambda: False)  # as on a GPU
    agent = small_agent()
    steps = made_up_steps(agent, 2, 5, torch.device("cpu"))
    agent_loss(agent, steps, SETTINGS)  # what is made once is made by now
    with Recorder() as recorder:
        agent_loss(agent, steps, SETTINGS).loss.backward()
        agent.update_slow_critic()
    assert len(recorder.seen) > 500
    assert set(recorder.seen) & ASKS_THE_HOST == set()


def test_the_recorder_would_see_it():
    with Recorder() as recorder:
        torch.rand(3).sum().item()
        torch.tensor([1.0])
    assert set(recorder.seen) & ASKS_THE_HOST == {
        "aten._local_scalar_dense.default",
        "aten.lift_fresh.default",
    }


def gradients(agent):
    return [None if part.grad is None else part.grad.clone() for part in agent.parameters()]


def test_tensors_alone_give_the_same_loss():
    one, other = small_agent(), small_agent()
    steps = made_up_steps(one, 2, 5, torch.device("cpu"))
    torch.manual_seed(1)
    wanted = agent_loss(one, steps, SETTINGS)
    wanted.loss.backward()
    flat = FlatLoss(other, SETTINGS, steps)
    torch.manual_seed(1)
    found = flat.named(flat(*flattened(steps)))
    found.loss.backward()
    assert torch.equal(found.loss, wanted.loss)
    assert found.terms.keys() == wanted.terms.keys()
    assert all(torch.equal(found.terms[name], value) for name, value in wanted.terms.items())
    assert torch.equal(found.memory.deter, wanted.memory.deter)
    assert torch.equal(found.memory.stoch, wanted.memory.stoch)
    for a, b in zip(gradients(one), gradients(other), strict=True):
        assert (a is None and b is None) or torch.equal(a, b)


def stand_in(flat, parts, **settings):
    """As `make_graphed_callables` does: runs to warm up, then always the same tensors, in and out."""
    for _ in range(3):
        flat(*parts)[0].backward()
    flat.zero_grad()
    run = flat.forward

    def replay(*given):
        with torch.no_grad():
            for own, new in zip(parts, given, strict=True):
                own.copy_(new)
        return run(*parts)

    return replay


def test_recording_changes_nothing(monkeypatch):
    monkeypatch.setattr(torch.cuda, "make_graphed_callables", stand_in)
    one, other = small_agent(), small_agent()
    first, second = (made_up_steps(one, 2, 5, torch.device("cpu")) for _ in range(2))
    torch.manual_seed(2)
    wanted = [agent_loss(one, steps, SETTINGS).loss for steps in (first, second)]
    torch.manual_seed(2)
    loss = capture(other, SETTINGS, first)
    assert torch.equal(loss(first).loss, wanted[0])
    assert torch.equal(loss(second).loss, wanted[1])
    assert torch.equal(one.return_scale.high, other.return_scale.high)


def test_what_cannot_be_captured_is_said_once_and_computed_as_usual(monkeypatch):
    def refuses(*args, **settings):
        raise RuntimeError("operation not permitted when stream is capturing\nmore")

    monkeypatch.setattr(torch.cuda, "make_graphed_callables", refuses)
    agent = small_agent()
    steps, loss = made_up_steps(agent, 2, 5, torch.device("cpu")), CapturedLoss(agent, SETTINGS)
    with pytest.warns(UserWarning, match=r"not captured as CUDA graphs.*stream is capturing$"):
        assert loss(steps).loss.isfinite()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert loss(steps).loss.isfinite()


def test_windows_of_another_shape_are_computed_as_usual(monkeypatch):
    calls = []
    monkeypatch.setattr(captured, "capture", lambda *given: calls.append(given) or (lambda steps: "replayed"))
    agent = small_agent()
    loss = CapturedLoss(agent, SETTINGS)
    assert loss(made_up_steps(agent, 2, 5, torch.device("cpu"))) == "replayed"
    assert loss(made_up_steps(agent, 2, 4, torch.device("cpu"))).loss.isfinite()
    assert len(calls) == 1


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_replayed_on_a_gpu_it_is_the_same_loss():
    device = torch.device("cuda")
    one, other = small_agent().to(device), small_agent().to(device)
    steps = made_up_steps(one, 2, 5, device)
    loss = CapturedLoss(other, SETTINGS)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        losses = [(agent_loss(one, steps, SETTINGS).loss, loss(steps).loss) for _ in range(50)]
    eager, replayed = (torch.stack(column).mean() for column in zip(*losses, strict=True))
    assert torch.isclose(eager, replayed, rtol=0.02)  # drawn differently, alike in the mean
    losses[-1][1].backward()
    assert all(grad is None or grad.isfinite().all() for grad in gradients(other))
