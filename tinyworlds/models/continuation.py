"""What a dynamics network remembers of a clip while it goes on frame by frame.

A frame's keys and values are computed once, when the frame is finished. Each decoding pass then runs the new
frames only. A window that slides is run again: what its frames knew of one that has left it was in no window
in training, and dreams that go on from it soon stand still (docs/log.md, 2026-11-24).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn

from tinyworlds.errors import ConfigError
from tinyworlds.models.masking import shift_frames
from tinyworlds.nn.codes import CodeLogits
from tinyworlds.nn.kernels.code_choice import choose_codes, draw_codes
from tinyworlds.nn.linear import Linear
from tinyworlds.nn.memory import TimeMemory
from tinyworlds.nn.norms import Condition
from tinyworlds.nn.transformer import Transformer


class CodeNetwork(Protocol):
    """What a `Continuation` runs; see `tinyworlds.models.DynamicsModel`."""

    mask_id: int
    ranks_drawn_codes: bool  # see `DynamicsModel`
    token_input: nn.Module
    conditioning: nn.Module
    transformer: Transformer
    output: Linear | CodeLogits

    def check_shapes(self, ids: Tensor, action_ids: Tensor | None) -> None:
        """Raise DataError unless codes and actions fit the network and each other."""


class Guesser(Protocol):
    """Gives logits of the next frames of a clip; made by `tinyworlds.models.maskgit.begin`.

    Attributes:
        past: What it goes on from; what is accepted becomes part of it.
    """

    past: Past

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

    def draw(
        self,
        ids: Tensor,
        places: Tensor,
        chance: Tensor,
        temperature: float,
        top_k: int | None,
        top_p: float | None,
    ) -> tuple[Tensor, Tensor]:
        """Codes ``[B, n]`` at those places, drawn by `chance` ``[B, n]`` in [0, 1), and what ranks them.

        The others are those of `tinyworlds.models.maskgit.sample_tokens`.
        """

    def accept(self, ids: Tensor) -> None:
        """Take the expected frames ``[B, num_new, P]``, all revealed, as part of the past."""


@dataclass(frozen=True)
class Past:
    """The last frames' codes and the actions between them; it never changes, others follow from it.

    Attributes:
        ids: ``[B, T, P]``, at most `limit` frames.
        action_ids: ``[B, T-1]``, or ``[B, T]`` where an action led to the first frame, too; None where no
            actions are known.
        limit: Most frames that are kept.
    """

    ids: Tensor
    action_ids: Tensor | None
    limit: int

    @classmethod
    def of(cls, ids: Tensor, action_ids: Tensor | None, limit: int) -> Past:
        """The last `limit` of these frames."""
        surplus = max(ids.shape[1] - limit, 0)
        return cls(ids[:, surplus:], None if action_ids is None else action_ids[:, surplus:], limit)

    @property
    def is_full(self) -> bool:
        """Whether a frame has to go when another comes."""
        return self.ids.shape[1] == self.limit

    def append(self, ids: Tensor, action_ids: Tensor | None) -> Past:
        """The past after frames, and the actions that led to them."""
        actions = None
        if self.action_ids is not None and action_ids is not None:
            actions = torch.cat([self.action_ids, action_ids], dim=1)
        return Past.of(torch.cat([self.ids, ids], dim=1), actions, self.limit)


def at(frames: Tensor, places: Tensor) -> Tensor:
    """Rows ``[B, n, E]`` of ``[B, T, P, E]`` at the places ``[B, n]`` in 0..T * P - 1."""
    rows = frames.flatten(1, 2)
    return rows.gather(1, places[..., None].expand(-1, -1, rows.shape[-1]))


class Continuation:
    """A `Guesser` that remembers. The past runs when a frame is expected.

    Args:
        network: Guesses.
        past_ids: ``[B, T, P]``, revealed.
        action_ids: ``[B, T-1]`` or ``[B, T]``, as in `DynamicsModel.logits`.
        limit: Most frames to remember.
        slides: When a frame is forgotten, keep what the others knew of it, instead of running them anew.

    Raises:
        ConfigError: `slides`, but positions in the window are part of the tokens (v1).
    """

    def __init__(
        self,
        network: CodeNetwork,
        past_ids: Tensor,
        action_ids: Tensor | None,
        limit: int,
        slides: bool = False,
    ) -> None:
        network.check_shapes(past_ids, action_ids)
        if slides and not network.transformer.slides:
            raise ConfigError("a memory that slides needs v2 dynamics, this is v1: feed back codes or pixels")
        self.network, self._slides = network, slides
        self.past = Past.of(past_ids, action_ids, limit)
        self._memory: TimeMemory | None = None  # of the past; None before it has run
        self._accepted: Tensor | None = None  # remembered when the frame after it is expected, if ever

    def expect(self, action_ids: Tensor | None, num_new: int = 1) -> None:
        """See `Guesser`."""
        self._remember()
        self._action_ids = action_ids
        self._previous = self.past.ids[:, -1:]
        places = self._previous.expand(-1, num_new, -1)  # only their shape counts
        self._condition = Condition(self.network.conditioning(action_ids, places))

    def logits(self, ids: Tensor, places: Tensor) -> Tensor:
        """See `Guesser`."""
        return self.network.output(at(self._run(ids), places))

    def choose(self, ids: Tensor, places: Tensor) -> tuple[Tensor, Tensor]:
        """See `Guesser`."""
        return choose_codes(at(self._run(ids), places), self.network.output)

    def draw(
        self,
        ids: Tensor,
        places: Tensor,
        chance: Tensor,
        temperature: float,
        top_k: int | None,
        top_p: float | None,
    ) -> tuple[Tensor, Tensor]:
        """See `Guesser`."""
        features, network = at(self._run(ids), places), self.network
        return draw_codes(
            features, network.output, chance, temperature, top_k, top_p, network.ranks_drawn_codes
        )

    def accept(self, ids: Tensor) -> None:
        """See `Guesser`."""
        if self._slides or self.past.ids.shape[1] + ids.shape[1] <= self.past.limit:
            self._accepted = ids
        else:
            self._memory = None
        self.past = self.past.append(ids, self._action_ids)

    def _run(self, ids: Tensor) -> Tensor:
        assert self._memory is not None, "expect() comes before guessing"
        previous = torch.cat([self._previous, ids[:, :-1]], dim=1)
        return self.network.transformer(
            self.network.token_input(ids, previous), self._condition, self._memory
        )

    def _remember(self) -> None:
        """Bring the memory up to the past."""
        if self._memory is None:
            self._memory = self._remembered()
        elif self._accepted is not None:  # what led to it still stands as it was expected
            with self._memory.growing(self._accepted.shape[1]):
                self._run(self._accepted)
        self._accepted = None

    def _remembered(self) -> TimeMemory:
        network, ids = self.network, self.past.ids
        memory = TimeMemory(self.past.limit)
        x = network.token_input(ids, shift_frames(ids, network.mask_id))
        with memory.growing(ids.shape[1]):
            network.transformer(x, network.conditioning(self.past.action_ids, ids), memory)
        return memory
