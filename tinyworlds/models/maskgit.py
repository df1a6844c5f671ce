"""Decoding: fill masked codes over a few passes, the surest first.

After MaskGIT (https://arxiv.org/abs/2202.04200, section 3.1). Pure functions over a dynamics network; they
know nothing of pixels. How many codes a pass reveals is known in advance (`schedule`), so nothing waits for
the device, and every clip of a batch is treated alike.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

import torch
from torch import Tensor

from tinyworlds.errors import ConfigError, DataError
from tinyworlds.models.base import pick
from tinyworlds.models.continuation import CodeNetwork, Continuation, Guesser
from tinyworlds.nn.kernels.code_choice import drawn, likeliest

_STEEPNESS = 5.0  # of the exponential schedule
_LEAST_PROBABILITY = 1e-9  # has a logarithm
_LEAST_SHARE = 16  # each of its passes reveals at least one code in this many


class Dynamics(CodeNetwork, Protocol):
    """What decoding needs of a dynamics network; see `tinyworlds.models.DynamicsModel`."""

    num_past: int
    joint_horizon: bool


def _exponential(num_tokens: int, num_steps: int) -> list[int]:
    """Few codes at first, most in the last pass: the rule of the original program. Passes count from 0."""
    counts: list[int] = []
    for step in range(num_steps):
        share = math.expm1(_STEEPNESS * step / num_steps) / math.expm1(_STEEPNESS)
        target = num_tokens if step == num_steps - 1 else math.ceil(num_tokens * share)
        left = num_tokens - sum(counts)
        wanted = max(target - sum(counts), num_tokens // _LEAST_SHARE, 1)
        counts.append(min(wanted, left))
    return [count for count in counts if count]


def _spread(num_tokens: int, targets: Sequence[float]) -> list[int]:
    """Counts that follow rising shares in (0, 1], each pass revealing at least one code while any is left."""
    counts: list[int] = []
    for target in targets:
        left = num_tokens - sum(counts)
        counts.append(min(max(round(num_tokens * target) - sum(counts), 1), left))
    counts[-1] += num_tokens - sum(counts)
    return [count for count in counts if count]


def _cosine(num_tokens: int, num_steps: int) -> list[int]:
    return _spread(
        num_tokens, [1 - math.cos(math.pi / 2 * step / num_steps) for step in range(1, num_steps + 1)]
    )


def _linear(num_tokens: int, num_steps: int) -> list[int]:
    return _spread(num_tokens, [step / num_steps for step in range(1, num_steps + 1)])


SCHEDULES = {"exponential": _exponential, "cosine": _cosine, "linear": _linear, "halton": _cosine}
"""Schedules by name. "halton" reveals at fixed, well spread places instead of the surest ones."""


def schedule(name: str, num_tokens: int, num_steps: int) -> list[int]:
    """How many codes each pass reveals.

    Args:
        name: One of `SCHEDULES`.
        num_tokens: Codes to reveal in all.
        num_steps: Passes; fewer are made when that many are not needed.

    Returns:
        Up to `num_steps` positive counts whose sum is `num_tokens`.

    Raises:
        ConfigError: The name is unknown or `num_steps` is below 1.
    """
    if num_steps < 1:
        raise ConfigError(f"num_steps must be at least 1, got {num_steps}.")
    return pick("schedule", name, SCHEDULES)(num_tokens, num_steps)


def _halton(index: int, base: int) -> float:
    value, share = 0.0, 1.0
    while index:
        share /= base
        value += share * (index % base)
        index //= base
    return value


@lru_cache(maxsize=8)
def halton_ranks(num_patches: int) -> tuple[int, ...]:
    """Rank of each patch of a square grid in a Halton sequence, whose first k points always lie far apart.

    After https://arxiv.org/abs/2503.17076, section 3.3: neighbours depend on each other and should not be
    guessed in the same pass.
    """
    grid = math.isqrt(num_patches)
    ranks: dict[int, int] = {}
    index = 1
    while len(ranks) < num_patches:
        row, column = int(_halton(index, 3) * grid), int(_halton(index, 2) * grid)
        ranks.setdefault(row * grid + column, len(ranks))
        index += 1
    return tuple(ranks[patch] for patch in range(num_patches))


def sample_tokens(
    logits: Tensor,
    temperature: float = 0.0,
    top_k: int | None = None,
    top_p: float | None = None,
    generator: torch.Generator | None = None,
    own: bool = False,
) -> tuple[Tensor, Tensor]:
    """Choose a code for each token.

    Args:
        logits: ``[..., K]``.
        temperature: 0 takes the likeliest code; above, codes are drawn from the tempered softmax, that of
            ``logits / temperature``.
        top_k: Draw from this many likeliest codes only.
        top_p: Draw from the fewest likeliest codes that together have at least this probability.
        generator: Random numbers, on the device of `logits`; the global ones by default.
        own: Return the probability of the chosen code; else the largest one of its token.

    Returns:
        Codes ``[...]`` int64, and ``[...]`` that probability under the tempered softmax.
    """
    if temperature == 0:
        return likeliest(logits)
    chance = torch.rand(logits.shape[:-1], generator=generator, device=logits.device)
    return drawn(logits, chance, temperature, top_k, top_p, own)


@dataclass(frozen=True)
class Sampling:
    """How a frame is decoded.

    Args:
        num_steps: Passes a frame.
        temperature: See `sample_tokens`; so for `top_k` and `top_p`.
        top_k: See there.
        top_p: See there.
        schedule: One of `SCHEDULES`.

    Raises:
        ConfigError: A setting is out of range.
    """

    num_steps: int = 10
    temperature: float = 0.0
    top_k: int | None = None
    top_p: float | None = None
    schedule: str = "exponential"

    def __post_init__(self) -> None:
        schedule(self.schedule, 1, self.num_steps)
        if self.temperature < 0:
            raise ConfigError(f"temperature must be 0 or above, got {self.temperature}.")
        if self.top_k is not None and self.top_k < 1:
            raise ConfigError(
                f"top_k must be at least 1, got {self.top_k}: leave it out to draw from all codes."
            )
        if self.top_p is not None and not 0 < self.top_p <= 1:
            raise ConfigError(f"top_p must lie in (0, 1], got {self.top_p}.")


AS_PLAYED = Sampling(num_steps=4, temperature=1.0, top_p=0.9, schedule="halton")
"""How a fresh v2 world plays unless it is told otherwise. The likeliest codes make pictures that stand still;
drawn ones keep turning, shooting and walking, and codes revealed far apart do not contradict each other (play
tests in docs/log.md, 2026-11-29)."""


@torch.no_grad()
def decode(
    dynamics: Dynamics,
    ids: Tensor,
    action_ids: Tensor | None = None,
    horizon: int = 1,
    num_steps: int = 10,
    temperature: float = 0.0,
    top_k: int | None = None,
    top_p: float | None = None,
    schedule: str = "exponential",
    generator: torch.Generator | None = None,
) -> Tensor:
    """Continue clips by `horizon` frames.

    A network with `joint_horizon` fills all new frames together; others fill one after another, each from
    the last `num_past` frames before it.

    Args:
        dynamics: The network, in eval mode.
        ids: ``[B, T, P]``, the codes of the frames so far.
        action_ids: ``[B, T + horizon - 1]``, the actions between all frames, the last leading to the last new
            frame; or ``[B, T + horizon]`` with one more in front, for the action that led to the first
            frame; or None.
        horizon: Frames to add.
        num_steps: Passes per fill.
        temperature: See `sample_tokens`; so for `top_k` and `top_p`.
        top_k: See there.
        top_p: See there.
        schedule: One of `SCHEDULES`.
        generator: Random numbers, on the device of `ids`.

    Returns:
        ``[B, horizon, P]`` int64, the new frames.

    Raises:
        ConfigError: A setting is out of range.
        DataError: The number of actions does not fit.
    """
    if horizon < 1:
        raise ConfigError(f"horizon must be at least 1, got {horizon}.")
    first, total = ids.shape[1], ids.shape[1] + horizon
    lead = _leading_actions(action_ids, total)
    sampling = Sampling(num_steps, temperature, top_k, top_p, schedule)
    joint = dynamics.joint_horizon
    limit = first if joint else dynamics.num_past
    past_actions = None if action_ids is None else action_ids[:, : first - 1 + lead]
    guess = begin(dynamics, ids, past_actions, limit)
    count = horizon if joint else 1  # frames to a fill
    blank = ids.new_full((len(ids), count, ids.shape[2]), dynamics.mask_id)
    new = []
    for start in range(first - 1 + lead, total - 1 + lead, count):
        guess.expect(None if action_ids is None else action_ids[:, start : start + count], count)
        new.append(fill(guess, blank, sampling, generator)[0])
        guess.accept(new[-1])
    return torch.cat(new, dim=1)


def begin(
    dynamics: CodeNetwork, past_ids: Tensor, action_ids: Tensor | None, limit: int, slides: bool = False
) -> Guesser:
    """Remember a past ``[B, T, P]`` and the actions between its frames, to guess what comes after it.

    See `Continuation`.
    """
    return Continuation(dynamics, past_ids, action_ids, limit, slides)


def _leading_actions(action_ids: Tensor | None, num_frames: int) -> int:
    """1 if an action led to the first frame, else 0."""
    lead = 0 if action_ids is None else action_ids.shape[1] - (num_frames - 1)
    if lead not in (0, 1):
        raise DataError(
            f"{num_frames} frames, new ones included, take {num_frames - 1} or {num_frames} actions,"
            f" got {num_frames - 1 + lead}: pass one action for each step."
        )
    return lead


@torch.no_grad()
def fill(
    guess: Guesser, blank: Tensor, sampling: Sampling, generator: torch.Generator | None = None
) -> tuple[Tensor, Tensor]:
    """Reveal the frames that `guess` expects.

    Args:
        guess: Gives the logits.
        blank: ``[B, num_new, P]`` int64, all masked.
        sampling: How.
        generator: Random numbers, on the device of `blank`.

    Returns:
        ``[B, num_new, P]``, all revealed, and ``[B]`` how sure the network was: the mean logarithm of the
        probability that it gave each code when it revealed it (the likeliest code's where it ranks by that).
    """
    batch, num_new, patches = blank.shape
    new = blank.flatten(1)
    hidden = torch.arange(num_new * patches, device=blank.device).expand(batch, -1)  # places yet to reveal
    order = _fixed_order(sampling.schedule, num_new * patches, patches, blank.device)
    revealed: list[Tensor] = []  # probabilities
    for count in schedule(sampling.schedule, num_new * patches, sampling.num_steps):
        tokens, confidence = _guess_tokens(
            guess, new.view(batch, num_new, patches), hidden, sampling, generator
        )
        if count == hidden.shape[1]:
            sureness = torch.cat([*revealed, confidence], dim=1).clamp_min(_LEAST_PROBABILITY).log().mean(1)
            return new.scatter(1, hidden, tokens).view(batch, num_new, patches), sureness
        chosen = (confidence if order is None else order[hidden]).topk(count, dim=1).indices
        revealed.append(confidence.gather(1, chosen))
        new = new.scatter(1, hidden.gather(1, chosen), tokens.gather(1, chosen))
        hidden = _without(hidden, chosen)
    raise AssertionError("a schedule reveals every code")


def _guess_tokens(
    guess: Guesser, ids: Tensor, places: Tensor, sampling: Sampling, generator: torch.Generator | None
) -> tuple[Tensor, Tensor]:
    if sampling.temperature == 0:
        return guess.choose(ids, places)
    chance = torch.rand(places.shape, generator=generator, device=places.device)
    return guess.draw(ids, places, chance, sampling.temperature, sampling.top_k, sampling.top_p)


def _without(places: Tensor, chosen: Tensor) -> Tensor:
    """Drop the entries ``[B, k]`` of ``[B, n]``; the others keep their order."""
    left = torch.ones_like(places, dtype=torch.bool).scatter(1, chosen, False)
    # a stable sort puts the dropped ones last; unlike a mask it does not wait for the device
    kept = left.to(torch.uint8).argsort(dim=1, descending=True, stable=True)
    return places.gather(1, kept[:, : places.shape[1] - chosen.shape[1]])


def _fixed_order(name: str, num_tokens: int, num_patches: int, device: torch.device) -> Tensor | None:
    """Priorities of a schedule that goes by place rather than by confidence."""
    return _halton_order(num_tokens, num_patches, device) if name == "halton" else None


@lru_cache(maxsize=8)  # a GPU is sent it once
def _halton_order(num_tokens: int, num_patches: int, device: torch.device) -> Tensor:
    ranks = torch.tensor(halton_ranks(num_patches), dtype=torch.float32, device=device)
    return (num_patches - ranks).repeat(num_tokens // num_patches)
