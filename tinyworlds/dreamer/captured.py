"""The loss of an update as CUDA graphs: recorded once, then replayed, forward and backward.

An update of the agent is thousands of small kernels, one dreamt step after another, and a GPU finishes each
before Python has sent the next. Replayed, they are sent together. What is replayed cannot ask the host
anything; that `agent_loss` does not is what `tests/dreamer/test_captured.py` looks after.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from tinyworlds.dreamer.agent import Agent, Observation
from tinyworlds.dreamer.losses import LossSettings, Outcome, Steps, agent_loss
from tinyworlds.dreamer.rssm import Carry

Loss = Callable[[Steps], Outcome]


class CapturedLoss:
    """`agent_loss` of one agent, captured at the first windows it is given on a GPU.

    Where that cannot be done, it says so once and computes the loss as usual; so it does for windows of
    another shape than the first ones.

    Args:
        agent: whose loss; its parameters must stay the same tensors.
        settings: of the loss.
    """

    def __init__(self, agent: Agent, settings: LossSettings) -> None:
        self._agent, self._settings = agent, settings
        self._captured: Loss | None = None
        self._shapes: list[torch.Size] | None = None

    def __call__(self, steps: Steps) -> Outcome:
        """The loss on windows of experience, see `agent_loss`."""
        shapes = [part.shape for part in flattened(steps)]
        if self._shapes is None:
            self._shapes = shapes
            try:
                self._captured = capture(self._agent, self._settings, steps)
            except RuntimeError as error:
                reason = str(error).split("\n", maxsplit=1)[0]
                warnings.warn(
                    f"the agent's updates are not captured as CUDA graphs, which is slower: {reason}",
                    stacklevel=2,
                )
        if self._captured is None or shapes != self._shapes:
            return agent_loss(self._agent, steps, self._settings)
        return self._captured(steps)


def capture(agent: Agent, settings: LossSettings, steps: Steps) -> Loss:
    """Record the loss on windows of this shape, and its gradient.

    Recording runs the loss several times: what those runs changed, and what they drew, is taken back.

    Args:
        agent: on a GPU.
        settings: of the loss.
        steps: windows to record with.

    Raises:
        RuntimeError: something in it cannot be captured.
    """
    flat = FlatLoss(agent, settings, steps)
    device = next(agent.parameters()).device
    before = [buffer.clone() for buffer in agent.buffers()]
    enabled, dtype = torch.is_autocast_enabled(device.type), torch.get_autocast_dtype(device.type)
    with (
        torch.random.fork_rng([device] if device.type == "cuda" else []),
        torch.autocast(device.type, dtype, enabled, cache_enabled=False),
    ):
        replayed: Any = torch.cuda.make_graphed_callables(
            flat, tuple(part.clone() for part in flattened(steps)), allow_unused_input=True
        )
    with torch.no_grad():
        for buffer, value in zip(agent.buffers(), before, strict=True):
            buffer.copy_(value)
    return lambda windows: flat.named(replayed(*flattened(windows)))


class FlatLoss(nn.Module):
    """`agent_loss` from tensors to tensors.

    Args:
        agent: whose.
        settings: of the loss.
        like: windows that have what others have.
    """

    def __init__(self, agent: Agent, settings: LossSettings, like: Steps) -> None:
        super().__init__()
        self.agent, self.settings = agent, settings
        self._has = tuple(part is not None for part in like.seen)
        self._names: tuple[str, ...] = ()

    def forward(self, *parts: Tensor) -> tuple[Tensor, ...]:
        """Loss, terms ``[K]``, and the two tensors of the memory; of `flattened` windows."""
        rest = iter(parts)
        seen = Observation(*(next(rest) if there else None for there in self._has))
        actions, rewards, first, last, terminal, *memory = rest
        steps = Steps(seen, actions, rewards, first, last, terminal, Carry(*memory))
        outcome = agent_loss(self.agent, steps, self.settings)
        self._names = tuple(outcome.terms)
        terms = torch.stack([term.float() for term in outcome.terms.values()])
        return outcome.loss, terms, *outcome.memory

    def named(self, parts: tuple[Tensor, ...]) -> Outcome:
        """What `forward` returned, by name; copied where the next replay would write over it."""
        loss, terms, *memory = parts
        told = dict(zip(self._names, terms.clone().unbind(), strict=True))
        return Outcome(loss, told, Carry(*(part.clone() for part in memory)))


def flattened(steps: Steps) -> list[Tensor]:
    """The tensors of windows, in a fixed order."""
    return [part for part in (*steps.seen, *steps[1:-1], *steps.memory) if part is not None]
