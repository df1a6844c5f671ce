"""Worlds and agents as what they have in common: given true frames, they dream on under recorded actions.

Shapes: S starts, C frames of context, T dreamt frames, H W pixels; frames are uint8, actions are numbers of
the recording's true actions.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from statistics import median
from typing import Protocol

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from tinyworlds.dreamer.agent import Observation
from tinyworlds.dreamer.dream import seeded
from tinyworlds.dreamer.open_loop import CONTEXT
from tinyworlds.dreamer.rssm import Carry
from tinyworlds.dreamer.trained import Trained
from tinyworlds.errors import ConfigError
from tinyworlds.evaluation.play_test.holding import Starts, dream
from tinyworlds.evaluation.sources import sent_at_play
from tinyworlds.sources.record.action_keys import idle_action
from tinyworlds.world.core import WorldCore

_AT_A_TIME = 16
_WARM_UP, _TIMED = 8, 48  # frames


class Contender(Protocol):
    """A world model that is compared with others.

    Attributes:
        name: for tables.
        kind: what it is, in words.
        frame_size: side of its pictures, px.
        context: true frames that it is given.
        num_parameters: of everything that it is made of.
    """

    name: str
    kind: str
    frame_size: int
    context: int
    num_parameters: int

    def dream(self, frames: Tensor, before: Tensor, sent: Tensor) -> Tensor:
        """Go on from given frames.

        Args:
            frames: ``[S, C, H, W, 3]``, of any side; the last `context` of them are looked at.
            before: actions between them, ``[S, C - 1]``.
            sent: the action that leads to each dreamt frame, ``[S, T]``.

        Returns:
            uint8 ``[S, 2 + T, side, side, 3]``: the last two given frames as it sees them, then the dream.
        """

    def ms_a_frame(self, frames: Tensor, before: Tensor) -> float:
        """Milliseconds that one player waits for a frame, the median of some."""


class WorldContender:
    """A world of tokenizer and dynamics.

    Args:
        world: which.
        name: for tables.
        names: of the recording's true actions.
    """

    def __init__(self, world: WorldCore, name: str, names: Sequence[str]) -> None:
        self.world, self.name = world, name
        self.kind = f"world ({world.info.actions})"
        self.frame_size, self.context = world.frame_size, max(world.context_frames, 2)
        self.num_parameters = world.num_parameters
        labels = world.info.actions == "labels"
        sent = [*range(len(names))] if labels else sent_at_play(world, names)
        self._sent = np.array([world.idle_action if action is None else action for action in sent])

    def dream(self, frames: Tensor, before: Tensor, sent: Tensor) -> Tensor:
        """See :class:`Contender`."""
        parts = zip(*(part.split(_AT_A_TIME) for part in (frames, before, sent)), strict=True)
        return torch.cat(
            [
                dream(self.world, self._starts(given, between), self._sent[actions.numpy()])
                for given, between, actions in parts
            ]
        )

    def ms_a_frame(self, frames: Tensor, before: Tensor) -> float:
        """See :class:`Contender`."""
        starts, session = self._starts(frames[:1], before[:1]), self.world.session()
        session.reset_many(starts.frames, starts.actions, 0)
        action = np.array([self.world.idle_action])
        return _median_ms(lambda: session.step_many(action))

    def _starts(self, frames: Tensor, before: Tensor) -> Starts:
        given = resized(frames[:, -self.context :], self.frame_size).numpy()
        between = before[:, before.shape[1] - self.context + 1 :].numpy()
        known = between if self.world.info.actions == "labels" else None
        return Starts(given, known, torch.arange(len(given)))


class AgentContender:
    """An agent's world model.

    Args:
        trained: whose.
        names: of the recording's true actions.

    Raises:
        ConfigError: it does not see the game in pictures alone, or knows none of these actions.
    """

    context = CONTEXT

    def __init__(self, trained: Trained, names: Sequence[str]) -> None:
        self.agent, self.name = trained.agent, trained.name
        spaces = self.agent.spaces
        if not spaces.frame_size or spaces.vector or not spaces.num_actions:
            raise ConfigError(
                f"{trained.path} sees more than pictures, or does not choose one of several actions: "
                "worlds see pictures alone, and take one action"
            )
        known = list(trained.action_names)
        if not set(names) & set(known):
            raise ConfigError(
                f"{trained.path} knows the actions {', '.join(known)}; the recording has {', '.join(names)}: "
                "name gameplay of the agent's own game with --data"
            )
        idle = idle_action(known)
        self._sent = torch.tensor([known.index(name) if name in known else idle for name in names])
        self.kind, self.frame_size = f"agent ({trained.preset})", spaces.frame_size
        self.num_parameters = num_parameters(self.agent)
        self._device = next(self.agent.parameters()).device

    @torch.inference_mode()
    def dream(self, frames: Tensor, before: Tensor, sent: Tensor) -> Tensor:
        """See :class:`Contender`."""
        with seeded(0, self._device):
            carry, shown = self._seen(
                frames[:, -self.context :], before[:, before.shape[1] - self.context + 1 :]
            )
            for actions in sent.unbind(1):
                carry = self._step(carry, actions)
                shown.append(self._shown(carry))
        return torch.stack(shown, dim=1)

    @torch.inference_mode()
    def ms_a_frame(self, frames: Tensor, before: Tensor) -> float:
        """See :class:`Contender`."""
        carry, _ = self._seen(frames[:1, -2:], before[:1, -1:])
        action = torch.zeros(1, dtype=torch.int64)

        def step() -> None:
            nonlocal carry
            carry = self._step(carry, action)
            self._shown(carry)

        return _median_ms(step)

    def _seen(self, frames: Tensor, before: Tensor) -> tuple[Carry, list[Tensor]]:
        """The state after given frames, and the last two as it sees them."""
        pictures = self._pictures(frames)
        start = self.agent.initial_memory(len(frames), self._device)
        carry, action, shown = start.carry, start.action, []
        for step, picture in enumerate(pictures.unbind(1)):
            first = torch.full((len(frames),), step == 0, device=self._device)
            if step:
                action = self._one_hot(before[:, step - 1])
            carry, _ = self.agent.rssm.see(carry, action, self.agent.encode(Observation(picture)), first)
            if step >= pictures.shape[1] - 2:
                shown.append(self._shown(carry))
        return carry, shown

    def _step(self, carry: Carry, actions: Tensor) -> Carry:
        return self.agent.rssm.step(carry, self._one_hot(actions))[0]

    def _one_hot(self, actions: Tensor) -> Tensor:
        return F.one_hot(self._sent[actions], self.agent.spaces.num_actions).float().to(self._device)

    def _pictures(self, frames: Tensor) -> Tensor:
        """As it was trained on, ``[S, C, side, side, 1 or 3]``."""
        pictures = resized(frames, self.frame_size)
        if self.agent.spaces.channels == 1:
            weights = torch.tensor([0.299, 0.587, 0.114])  # as grey is made everywhere, ITU-R BT.601
            pictures = (pictures.float() @ weights)[..., None].round().to(torch.uint8)
        return pictures.to(self._device)

    def _shown(self, carry: Carry) -> Tensor:
        picture = self.agent.draw(carry).picture
        assert picture is not None
        shown = (picture.movedim(1, -1).clamp(0, 1) * 255).round().to(torch.uint8).cpu()
        return shown.expand(*shown.shape[:-1], 3)


def resized(frames: Tensor, side: int) -> Tensor:
    """Frames uint8 ``[..., H, W, C]`` at another side, by the mean of the areas that fall together."""
    if frames.shape[-3:-1] == (side, side):
        return frames
    flat = frames.flatten(0, -4).movedim(-1, 1).float()
    small = F.interpolate(flat, (side, side), mode="area")
    return small.movedim(1, -1).round().to(torch.uint8).unflatten(0, frames.shape[:-3])


def num_parameters(*networks: torch.nn.Module | None) -> int:
    """Numbers that networks have learned."""
    return sum(part.numel() for network in networks if network is not None for part in network.parameters())


def _median_ms(step: Callable[[], object]) -> float:
    times = []
    for _ in range(_WARM_UP + _TIMED):
        began = time.perf_counter()
        step()
        times.append(time.perf_counter() - began)
    return 1000 * median(times[_WARM_UP:])
