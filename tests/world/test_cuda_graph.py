"""Captured steps: what a CUDA graph needs of a step holds, and replays are the steps themselves.

A trace by `make_fx` is to a CPU what a CUDA graph is to a GPU: the operations of one run, done again on
whatever stands in the inputs, with everything that Python decided on the way frozen.
"""

from contextlib import nullcontext
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from small_worlds import random_world
from torch.fx.experimental.proxy_tensor import make_fx
from torch.utils._python_dispatch import TorchDispatchMode

from tinyworlds.models.maskgit import Sampling
from tinyworlds.world.cuda_graph import CapturedStep
from tinyworlds.world.dream import Dream


class Trace:
    """A capture on the CPU."""

    def __init__(self, step, inputs, generator):
        given = [each for each in inputs if each is not None]
        self._inputs, self.outputs = given, ()

        def traced(*tensors):
            left = iter(tensors)
            return step(*(None if each is None else next(left) for each in inputs))

        self._graph = make_fx(traced)(*given)

    def replay(self):
        self.outputs = self._graph(*self._inputs)


class Again:
    """A capture that runs the step itself on its own inputs: enough where only the keeping matters."""

    def __init__(self, step, inputs, generator):
        self._step, self._inputs, self.outputs = step, inputs, ()

    def replay(self):
        self.outputs = self._step(*self._inputs)


@pytest.fixture(autouse=True)
def modules_only(monkeypatch):
    """As on a GPU: kernels for the CPU are not there."""
    monkeypatch.setenv("TINYWORLDS_NATIVE", "0")


def frames_of(world, actions, seed=3):
    world.reset(seed=seed)
    return [world.step(action) for action in actions]


def capturing(world, capture=Trace):
    dream = world._dream
    dream.captured = CapturedStep(dream._step, dream.generator, capture)
    return dream.captured


ACTIONS = [0, 3, 3, 1, 2, 0, 1, 1]


@pytest.mark.parametrize("architecture", [pytest.param("v1", marks=pytest.mark.slow), "v2"])
@pytest.mark.parametrize(
    "settings",
    [
        {"num_steps": 3},
        {"num_steps": 2, "schedule": "halton", "context_frames": 1},
        {"num_steps": 2, "temperature": 0.7, "top_k": 5, "top_p": 0.9},
    ],
    ids=["likeliest", "halton, no past", "drawn among few"],
)
def test_replays_are_the_steps(architecture, settings):
    world = random_world(architecture=architecture, **settings)
    plain = frames_of(world, ACTIONS)
    captured = capturing(world)
    replayed = frames_of(world, ACTIONS)
    assert len(captured._kept) == 1
    assert all((one == other).all() for one, other in zip(plain, replayed, strict=True))
    assert len({frame.tobytes() for frame in plain}) > 4  # there was something to get wrong


def test_many_sessions_and_going_back():
    world = random_world(num_steps=2, temperature=1.0)
    world.reset_many(3, seed=1)
    plain = [world.step_many([0, 1, 2]) for _ in range(4)]
    capturing(world)
    world.reset_many(3, seed=1)
    world.step_many([0, 1, 2])
    world.step_many([0, 1, 2])
    state = world.state()
    for _ in range(2):
        assert (world.step_many([0, 1, 2]) == plain[2]).all()
        assert (world.step_many([0, 1, 2]) == plain[3]).all()
        world.restore(state)


def test_other_settings_are_captured_anew_and_the_oldest_are_dropped():
    world = random_world(num_steps=1)
    captured = capturing(world, Again)
    world.reset(seed=0)
    for num_steps in (1, 2, 3, 4, 5, 2):
        world.sampling = replace(world.sampling, num_steps=num_steps)
        frame, state = world.step(1), world.state()
        world.restore(state)
    assert [kind[0].num_steps for kind, _ in captured._kept] == [3, 4, 5, 2]
    world._dream.captured = None
    world.reset(seed=0)
    for num_steps in (1, 2, 3, 4, 5, 2):
        world.sampling = replace(world.sampling, num_steps=num_steps)
        plain = world.step(1)
    assert (plain == frame).all()


def failing(step, inputs, generator):
    raise RuntimeError("operation not permitted when stream is capturing\nmore of it")


def wrong(step, inputs, generator):
    outputs = tuple(output + 1 for output in step(*inputs))
    return SimpleNamespace(outputs=outputs, replay=lambda: None)


@pytest.mark.parametrize(("capture", "told"), [(failing, "not permitted"), (wrong, "gives something else")])
def test_where_capturing_fails_the_step_itself_runs(capture, told):
    world = random_world(num_steps=2, temperature=1.0)
    plain = frames_of(world, ACTIONS)
    capturing(world, capture)
    with pytest.warns(UserWarning, match=told) as warned:
        frames = frames_of(world, ACTIONS)
    assert len(warned) == 1
    assert "\n" not in str(warned[0].message)
    assert all((one == other).all() for one, other in zip(plain, frames, strict=True))


class NothingFromTheHost(TorchDispatchMode):
    """Fails where an operation takes or makes a tensor on the CPU."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        tensors = [
            each for each in torch.utils._pytree.tree_leaves((args, kwargs, out)) if torch.is_tensor(each)
        ]
        assert all(each.device.type == "meta" for each in tensors), func
        return out


@pytest.mark.parametrize("architecture", ["v1", "v2"])
@pytest.mark.parametrize(("name", "num_experts"), [("exponential", 0), ("halton", 0), ("exponential", 3)])
def test_a_step_asks_for_no_values_and_sends_none(architecture, name, num_experts, monkeypatch):
    world = random_world(architecture=architecture, num_experts=num_experts)
    tokenizer, dynamics = world.tokenizer.to("meta"), world.dynamics.to("meta")
    dream = Dream(tokenizer, dynamics, Sampling(4, schedule=name), 2)
    monkeypatch.setattr(dream, "_autocast", nullcontext)  # which knows no such device
    whole = {"dtype": torch.int64, "device": "meta"}
    window = torch.zeros(2, 2, 16, **whole), torch.zeros(2, 1, **whole), torch.zeros(2, 1, **whole)
    with torch.inference_mode():
        dream._step(*window)  # what is made once may come from the host
        with NothingFromTheHost():
            new, frame, sureness = dream._step(*window)
    assert (new.shape, frame.shape, sureness.shape) == ((2, 1, 16), (2, 3, 16, 16), (2,))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("architecture", ["v1", "v2"])
@pytest.mark.parametrize("settings", [{}, {"temperature": 1.0}, {"precision": "bf16"}])
def test_cuda_graphs_are_the_steps(architecture, settings):
    world = random_world(architecture=architecture, device="cuda", **settings)
    replayed = frames_of(world, ACTIONS)
    assert len(world._dream.captured._kept) == 1
    plain = frames_of(
        random_world(architecture=architecture, device="cuda", cuda_graphs=False, **settings), ACTIONS
    )
    assert all((one == other).all() for one, other in zip(plain, replayed, strict=True))
