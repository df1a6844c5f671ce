"""What a dynamics network remembers of a clip while it goes on frame by frame.

A frame's keys and values are computed once, when the frame is finished. Each decoding pass then runs the new
frames only. A window that slides is run again: what its frames knew of one that has left it was in no window
in training, and dreams that go on from it soon stand still (docs/log.md, 2026-11-24).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import torch
from torch import Tensor

from tinyworlds.errors import ConfigError
from tinyworlds.models.masking import shift_frames
from tinyworlds.nn.kernels.code_choice import choose_codes, likeliest
from tinyworlds.nn.memory import TimeMemory
from tinyworlds.nn.norms import Condition

if TYPE_CHECKING:
    from tinyworlds.models.dynamics import DynamicsModel


class Guesser(Protocol):
    """Gives logits of the next frames of a clip; made by ``begin(past_ids, action_ids, limit)``."""

    def expect(self, action_ids: Tensor | None, num_new: int = 1) -> None:
        """Say what leads to the next `num_new` frames: actions ``[B, num_new]``, or None."""

    def logits(self, ids: Tensor, places: Tensor) -> Tensor:
        """Logits ``[B, n, K]`` at some of the places of the expected frames.

        Args:
            ids: ``[B, num_new, P]``, masked or revealed.
            places: ``[B, n]`` in 0..num_new * P - 1.
        """

    def choose(self, ids: Tensor, places: Tensor) -> tuple[Tensor, Tensor]:
        """The likeliest codes ``[B, n]`` at those places, and their probabilities."""

    def accept(self, ids: Tensor) -> None:
        """Take the expected frames ``[B, num_new, P]``, all revealed, as part of the past."""


class Past:
    """The last frames' codes and the actions between them, at most `limit` frames."""

    def __init__(self, ids: Tensor, action_ids: Tensor | None, limit: int) -> None:
        self.limit = limit
        self.ids, self.action_ids = ids, action_ids  # [B, T, P]; [B, T-1] or [B, T]
        # 1 if an action leads to the first frame, too
        self._lead = 0 if action_ids is None else action_ids.shape[1] - (ids.shape[1] - 1)
        self._trim()

    def append(self, ids: Tensor, action_ids: Tensor | None) -> None:
        """Add frames and the actions that led to them."""
        self.ids = torch.cat([self.ids, ids], dim=1)
        if self.action_ids is not None and action_ids is not None:
            self.action_ids = torch.cat([self.action_ids, action_ids], dim=1)
        self._trim()

    def _trim(self) -> None:
        surplus = self.ids.shape[1] - self.limit
        if surplus <= 0:
            return
        self.ids = self.ids[:, surplus:]
        if self.action_ids is not None:
            kept = self.limit - 1 + self._lead
            self.action_ids = self.action_ids[:, self.action_ids.shape[1] - kept :]


def at(frames: Tensor, places: Tensor) -> Tensor:
    """Rows ``[B, n, E]`` of ``[B, T, P, E]`` at the places ``[B, n]`` in 0..T * P - 1."""
    rows = frames.flatten(1, 2)
    return rows.gather(1, places[..., None].expand(-1, -1, rows.shape[-1]))


class Continuation:
    """A `Guesser` that remembers; made by `DynamicsModel.begin`."""

    def __init__(
        self, network: DynamicsModel, past_ids: Tensor, action_ids: Tensor | None, limit: int, slides: bool
    ) -> None:
        network.check_shapes(past_ids, action_ids)
        if slides and not network.transformer.slides:
            raise ConfigError("a memory that slides needs v2 dynamics, this is v1: feed back codes or pixels")
        self.network, self._slides = network, slides
        self.past = Past(past_ids, action_ids, limit)
        self._accepted: Tensor | None = None  # remembered when the frame after it is expected, if ever
        self._remember_anew()
        self.expect(None)

    def expect(self, action_ids: Tensor | None, num_new: int = 1) -> None:
        """See `Guesser`."""
        if self._accepted is not None:
            self._remember(self._accepted)
            self._accepted = None
        self._action_ids = action_ids
        places = self.past.ids[:, :1].expand(-1, num_new, -1)  # only their shape counts
        self._condition = Condition(self.network.conditioning(action_ids, places))

    def logits(self, ids: Tensor, places: Tensor) -> Tensor:
        """See `Guesser`."""
        return self.network.output(at(self._run(ids), places))

    def choose(self, ids: Tensor, places: Tensor) -> tuple[Tensor, Tensor]:
        """See `Guesser`."""
        return choose_codes(at(self._run(ids), places), self.network.output)

    def accept(self, ids: Tensor) -> None:
        """See `Guesser`."""
        self._accepted = ids

    def _remember(self, ids: Tensor) -> None:
        stays = self.past.ids.shape[1] + ids.shape[1] <= self.past.limit
        if stays or self._slides:
            with self._memory.growing(ids.shape[1]):
                self._run(ids)
            self.past.append(ids, self._action_ids)
        else:
            self.past.append(ids, self._action_ids)
            self._remember_anew()

    def _run(self, ids: Tensor) -> Tensor:
        previous = torch.cat([self.past.ids[:, -1:], ids[:, :-1]], dim=1)
        return self.network.transformer(
            self.network.token_input(ids, previous), self._condition, self._memory
        )

    def _remember_anew(self) -> None:
        network, ids = self.network, self.past.ids
        self._memory = TimeMemory(self.past.limit)
        x = network.token_input(ids, shift_frames(ids, network.mask_id))
        with self._memory.growing(ids.shape[1]):
            network.transformer(x, network.conditioning(self.past.action_ids, ids), self._memory)


class Rerun:
    """A `Guesser` that runs all frames in every pass, for a network that has no `begin`; nothing slides."""

    def __init__(
        self, network: Any, past_ids: Tensor, action_ids: Tensor | None, limit: int, slides: bool = False
    ) -> None:
        self.network = network
        self.past = Past(past_ids, action_ids, limit)
        self.expect(None)

    def expect(self, action_ids: Tensor | None, num_new: int = 1) -> None:
        """See `Guesser`."""
        self._new = action_ids

    def logits(self, ids: Tensor, places: Tensor) -> Tensor:
        """See `Guesser`."""
        canvas = torch.cat([self.past.ids, ids], dim=1)
        actions = None
        if self.past.action_ids is not None and self._new is not None:
            actions = torch.cat([self.past.action_ids, self._new], dim=1)
        return at(self.network.logits(canvas, actions)[:, self.past.ids.shape[1] :], places)

    def choose(self, ids: Tensor, places: Tensor) -> tuple[Tensor, Tensor]:
        """See `Guesser`."""
        return likeliest(self.logits(ids, places))

    def accept(self, ids: Tensor) -> None:
        """See `Guesser`."""
        self.past.append(ids, self._new)
