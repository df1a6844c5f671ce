"""Worlds and agents beside each other: the same held-out clips, the same keys, one judge.

Each is shown the frames before a moment and goes on from there, by itself, under the actions that were really
taken. Pictures are compared at the smallest side among the contenders, so that nobody is punished for seeing
more; docs/dreamer.md explains the rows.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from tinyworlds.data.held_out import Clips, keep_untrained, networks_trained_on
from tinyworlds.dreamer.contenders import AgentContender, Contender, WorldContender, resized
from tinyworlds.dreamer.trained import Trained, find_agents
from tinyworlds.errors import ConfigError, DataError
from tinyworlds.evaluation.play_test.holding import BANDS, NUM_HELD, Key, by_band
from tinyworlds.evaluation.play_test.measure import NUM_STARTS, Judge, make_judge, part
from tinyworlds.evaluation.play_test.preparing import Examples, find_examples, in_turn
from tinyworlds.evaluation.play_test.reader import triples_of
from tinyworlds.evaluation.run import HeldOut, open_held_out
from tinyworlds.export.loading import open_world
from tinyworlds.metrics.frames import mse_to_psnr
from tinyworlds.nn.devices import Precision, pick_device
from tinyworlds.world.core import WorldCore

Progress = Callable[[float], None]

_SAME_RATE = 0.02  # rates of steps that differ by less are the same
_JUDGE = 0.3  # of the progress


@dataclass(frozen=True)
class Result:
    """What one contender does.

    Attributes:
        name: which.
        kind: what it is, in words.
        frame_size: side of its pictures, px.
        context: true frames that it was given.
        num_parameters: of all its networks.
        ms_a_frame: that one player waits for.
        psnr: in dB, of the mean error, by dreamt frame.
        keys: by name of a held key the share of frames it is read back from, by band.
    """

    name: str
    kind: str
    frame_size: int
    context: int
    num_parameters: int
    ms_a_frame: float
    psnr: tuple[float, ...]
    keys: dict[str, tuple[float, ...]]

    @property
    def read_back(self) -> tuple[float, ...]:
        """The mean over keys, by band."""
        return tuple(sum(shares) / len(shares) for shares in zip(*self.keys.values(), strict=True))


@dataclass(frozen=True)
class Comparison:
    """Contenders on the same clips.

    Attributes:
        results: one each.
        side: at which pictures were compared, px.
        repeat_psnr: of the last given frame, shown again and again, by frame.
        read_game: by key, share of held-out true frames it is read right in.
        source: which clips.
        num_clips: how many.
        notes: what is to be said of the clips.
        shown: truth, then each contender, in one clip: uint8 ``[1 + K, T, side, side, 3]``.
    """

    results: tuple[Result, ...]
    side: int
    repeat_psnr: tuple[float, ...]
    read_game: dict[str, float]
    source: str
    num_clips: int
    notes: tuple[str, ...]
    shown: Tensor


def compare(
    worlds: Sequence[Path],
    agents: Sequence[Path],
    data: str | list[str] | None = None,
    *,
    num_clips: int = 96,
    horizon: int = 8,
    device: str = "auto",
    precision: Precision = "auto",
    progress: Progress | None = None,
) -> Comparison:
    """Compare worlds and agents on gameplay that no world was trained on.

    Args:
        worlds: ``.world`` files or run folders; the first one's data are taken unless others are named.
        agents: runs or checkpoints of agents.
        data: gameplay files with recorded actions.
        num_clips: held-out clips, at most.
        horizon: frames that are dreamt under recorded actions.
        device: where they run.
        precision: of the worlds.
        progress: told the share done, 0 to 1.

    Raises:
        ConfigError: there is no world or no agent, or they are not of one game.
        DataError: the data have too few held-out clips, or no recorded actions.
    """
    if not worlds or not agents:
        raise ConfigError("this compares worlds with agents: name at least one of each")
    named = [data] if isinstance(data, str) else data or ()
    trained = find_agents([str(path) for path in agents], pick_device(device))
    opened = [open_world(path, device, data=named, precision=precision) for path in worlds]
    sides = [world.frame_size for world in opened] + [each.agent.spaces.frame_size for each in trained]
    held_out = open_held_out(opened[0], worlds[0], data, frame_size=max(sides))
    notes = [note for world in opened[1:] for note in _kept_from(world, held_out)]
    examples = find_examples(opened[0], held_out.settings, held_out.module)
    if examples.reads is not None:
        raise DataError(f"{examples.train.source}: no recorded actions, so nobody knows which keys were held")
    contenders: list[Contender] = [
        WorldContender(world, path.name, examples.names) for path, world in zip(worlds, opened, strict=True)
    ]
    contenders += [AgentContender(each, examples.names) for each in trained]
    context = max(contender.context for contender in contenders)
    clips = held_out.clips(context + horizon, num_clips)
    _check_rates(trained, clips)
    contest = Contest(
        clips, context, examples, min(side for side in sides if side), device, part(progress, 0, _JUDGE)
    )
    found = []
    for number, contender in enumerate(contenders):
        share = (1 - _JUDGE) / len(contenders)
        found.append(contest.enter(contender, part(progress, _JUDGE + number * share, share)))
    return contest.ended(found, (*notes, *map(_lived, trained)))


def _kept_from(world: WorldCore, held_out: HeldOut) -> list[str]:
    return keep_untrained(held_out.module, networks_trained_on(world.info.provenance))


def _lived(trained: Trained) -> str:
    return (
        f"{trained.name} was trained on its own play of {trained.task}, {trained.frames:,} frames; where "
        "these clips are out of its replay, it has seen them"
    )


def _check_rates(agents: Sequence[Trained], clips: Clips) -> None:
    for agent in agents:
        if agent.fps and abs(agent.fps / clips.fps - 1) > _SAME_RATE:
            raise ConfigError(
                f"{agent.path} takes {agent.fps:g} steps in a second of the game, the clips have "
                f"{clips.fps:g} frames: record with the agent's own --frame_skip, or export its replay"
            )


class Contest:
    """The clips, the judge, and the task that every contender gets."""

    def __init__(
        self,
        clips: Clips,
        context: int,
        examples: Examples,
        side: int,
        device: str = "cpu",
        progress: Progress | None = None,
    ) -> None:
        assert clips.actions is not None
        self.clips, self.side, self.keys = clips, side, examples.keys
        self.given, self.truth = clips.frames[:, :context], resized(clips.frames[:, context:], side)
        self.last = resized(clips.frames[:, context - 1 : context], side)
        actions = clips.actions.clamp(min=0)
        self.before, self.sent = actions[:, : context - 1], actions[:, context - 1 : -1]
        self.starts = torch.tensor(in_turn(clips.episodes.tolist())[:NUM_STARTS])
        self.judge: Judge = make_judge(
            replace(examples.train, frames=resized(examples.train.frames, side)),
            replace(examples.held_out, frames=resized(examples.held_out.frames, side)),
            len(examples.names),
            progress,
            device=pick_device(device),
        )

    def enter(self, contender: Contender, progress: Progress | None = None) -> tuple[Result, Tensor]:
        """Measure one; returns what it dreamt, too, uint8 ``[S, T, side, side, 3]``."""
        dreamt = resized(contender.dream(self.given, self.before, self.sent)[:, 2:], self.side)
        keys = {}
        for number, key in enumerate(self.keys, start=1):
            keys[key.name] = self._held(contender, key)
            if progress is not None:
                progress(number / len(self.keys))
        result = Result(
            contender.name,
            contender.kind,
            contender.frame_size,
            contender.context,
            contender.num_parameters,
            contender.ms_a_frame(self.given, self.before),
            self._psnr(dreamt),
            keys,
        )
        return result, dreamt

    def ended(self, found: Sequence[tuple[Result, Tensor]], notes: tuple[str, ...]) -> Comparison:
        """All of them, beside the truth."""
        lively = int((self.truth.short() - self.last.short()).abs().float().mean(dim=(1, 2, 3, 4)).argmax())
        return Comparison(
            tuple(result for result, _ in found),
            self.side,
            self._psnr(self.last),
            {key.name: self.judge.accuracy[key.action] for key in self.keys},
            self.clips.source,
            len(self.clips),
            notes,
            torch.stack([self.truth[lively], *(dreamt[lively] for _, dreamt in found)]),
        )

    def _held(self, contender: Contender, key: Key) -> tuple[float, ...]:
        """Share of frames that a key is read back from while it is held, by band."""
        sent = torch.full((len(self.starts), NUM_HELD), key.action)
        shown = resized(contender.dream(self.given[self.starts], self.before[self.starts], sent), self.side)
        read = self.judge.reader.read(triples_of(shown).flatten(0, 1)).unflatten(0, sent.shape)
        return tuple(by_band(read == key.action).mean(0).tolist())

    def _psnr(self, shown: Tensor) -> tuple[float, ...]:
        error = ((shown.float() - self.truth.float()) / 255).square().mean(dim=(0, 2, 3, 4))
        return tuple(mse_to_psnr(error).tolist())


def band_names() -> tuple[str, ...]:
    """The bands in words."""
    return tuple(f"frames {first} to {last}" for first, last in BANDS)


def pooled(psnr: Sequence[float]) -> float:
    """PSNR of the mean error over all frames, of that of each."""
    return -10 * math.log10(sum(10 ** (-value / 10) for value in psnr) / len(psnr))
