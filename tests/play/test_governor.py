"""The governor, on a world whose steps take known times."""

from dataclasses import dataclass, field

import pytest
import torch

from tinyworlds.models.maskgit import Sampling
from tinyworlds.play import governor


@dataclass
class TimedWorld:
    """Takes `fixed` seconds a step and `each` seconds a decoding step; bf16 and compiling halve both."""

    fixed: float
    each: float
    sampling: Sampling = field(default_factory=lambda: Sampling(num_steps=10))
    bf16: bool = False
    compiled: bool = False
    now: float = 0.0
    idle_action: int = 0
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))

    def step(self, action_id):
        seconds = self.fixed + self.each * self.sampling.num_steps
        self.now += seconds / (1 + self.bf16) / (1 + self.compiled)

    def compile(self):
        self.compiled = True
        return True


@pytest.fixture(params=[False, True], ids=["plain CPU", "CPU with bf16"])
def fast_bf16(request, monkeypatch):
    monkeypatch.setattr(governor, "has_fast_bf16", lambda device: request.param)
    return request.param


def choose(world, fps, **settings):
    return governor.govern(world, fps, clock=lambda: world.now, **settings)


def test_nothing_is_given_up_where_the_machine_keeps_up(fast_bf16):
    world = TimedWorld(fixed=0.01, each=0.002)
    choice = choose(world, fps=15, may_compile=True)
    assert (choice.num_steps, choice.bf16, choice.compiled, choice.keeps_up) == (10, False, False, True)
    assert "10 of 10 decoding steps, float32: 30 ms a frame for 15 frames/s" in str(choice)


def test_precision_goes_before_decoding_steps(fast_bf16):
    world = TimedWorld(fixed=0.01, each=0.01)  # 110 ms with all steps, 57 ms allowed
    choice = choose(world, fps=15)
    assert choice.bf16 == world.bf16 == fast_bf16
    assert choice.num_steps == world.sampling.num_steps == (10 if fast_bf16 else 4)
    assert choice.keeps_up


def test_compiling_goes_before_decoding_steps_but_only_if_allowed(fast_bf16):
    choice = choose(TimedWorld(fixed=0.01, each=0.01), fps=15, may_compile=True)
    assert choice.num_steps == 10
    assert choice.compiled == (not fast_bf16)


def test_a_machine_that_cannot_keep_up_gets_one_step_and_is_told(fast_bf16):
    choice = choose(TimedWorld(fixed=1.0, each=0.01), fps=15)
    assert choice.num_steps == 1
    assert not choice.keeps_up
    assert "slower than wanted" in str(choice)


def test_other_settings_stay(fast_bf16):
    world = TimedWorld(0.01, 0.01, Sampling(num_steps=8, temperature=0.5, schedule="cosine"))
    choose(world, fps=20)
    assert (world.sampling.temperature, world.sampling.schedule) == (0.5, "cosine")
