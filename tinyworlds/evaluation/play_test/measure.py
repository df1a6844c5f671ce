"""The play test: hold every key in the dream, and ask a network that knows the game which key it was.

A figure of likeness asks whether the world drew what was recorded. A player asks whether a key does what it
says, for how long, and whether anything lives. docs/evaluation.md explains the rows.

Shapes: n clips, S starts, T frames, K keys.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from tinyworlds.data.held_out import Clips
from tinyworlds.evaluation.play_test.drift import DRIFT_BANDS, measure_drift
from tinyworlds.evaluation.play_test.holding import (
    BANDS,
    NUM_HELD,
    Key,
    Starts,
    by_band,
    change_of,
    dream,
    over_bands,
)
from tinyworlds.evaluation.play_test.reader import KeyReader, train_reader, triples_of
from tinyworlds.evaluation.play_test.real import RealPlay
from tinyworlds.evaluation.play_test.result import KeyResult, PlayTest
from tinyworlds.metrics.episodes import averaged
from tinyworlds.world.core import WorldCore

NUM_STARTS = 16
"""From how many places each key is held."""

NUM_SESSIONS = 16
"""How many sessions of hundreds of frames are played."""


SHOWN_HELD = (1, 4, 8, 16, 32, 64)
"""Frames that pictures show of a held key, counted from 1."""


class Reads(Protocol):
    """What tells actions, int64 [N], from triples of frames, uint8 [N, 3, H, W, C]."""

    def read(self, triples: Tensor) -> Tensor:
        """The actions taken at the middle frames."""


@dataclass(frozen=True)
class Judge:
    """What a world is judged by; made of the game's recording alone.

    Attributes:
        reader: tells actions from frames.
        accuracy: by action, share read right in held-out true frames; NaN where there are none.
        change: by action, mean change from frame to frame while it is held, of 255.
        looked: features of true frames that were trained on, [N, D].
        looked_held_out: of others.
    """

    reader: KeyReader
    accuracy: tuple[float, ...]
    change: tuple[float, ...]
    looked: Tensor
    looked_held_out: Tensor


def make_judge(
    train: Clips, held_out: Clips, num_actions: int, progress: Callable[[float], None] | None = None,
    device: torch.device | str = "cpu",
) -> Judge:  # fmt: skip
    """Train a reader on clips, and see how well it reads others.

    Args:
        train: clips of `CLIP_FRAMES` frames or more, with actions, for the reader to learn from.
        held_out: others.
        num_actions: how many there are.
        progress: told the share done, 0 to 1.
        device: where it learns and reads.
    """
    assert train.actions is not None
    assert held_out.actions is not None
    reader = _reader_of(train, num_actions, device, progress)
    triples, taken = triples_of(held_out.frames).flatten(0, 1), held_out.actions[:, 1:-1].flatten()
    right = (reader.read(triples) == taken).float()
    return Judge(
        reader,
        tuple(float(right[taken == action].mean()) for action in range(num_actions)),
        _held_change(train.frames, train.actions, num_actions),
        reader.look(triples_of(train.frames)[:, ::2].flatten(0, 1)),
        reader.look(triples),
    )


_last_reader: dict[str, KeyReader] = {}  # a world is often tuned and then measured: one training for both


def _reader_of(
    train: Clips, num_actions: int, device: torch.device | str, progress: Callable[[float], None] | None
) -> KeyReader:
    """A reader trained on clips, or the last one where it was trained on the very same."""
    assert train.actions is not None
    digest = hashlib.blake2b(train.frames.contiguous().numpy().data, digest_size=16)
    digest.update(train.actions.contiguous().numpy().data)
    name = f"{digest.hexdigest()} {num_actions} {device}"
    if name not in _last_reader:
        _last_reader.clear()
        _last_reader[name] = train_reader(train.frames, train.actions, num_actions, device, progress=progress)
    elif progress is not None:
        progress(1.0)
    return _last_reader[name]


def _held_change(frames: Tensor, actions: Tensor, num_actions: int) -> tuple[float, ...]:
    """Mean change of a frame, of 255, after an action that had been taken before it as well."""
    change, held = change_of(frames)[:, 1:], actions[:, 1:-1]
    still = held == actions[:, :-2]
    return tuple(float(change[still & (held == action)].mean()) for action in range(num_actions))


@dataclass(frozen=True)
class Shown:
    """Frames for whoever draws them, uint8.

    Attributes:
        held: each key held from one of the starts, at 0 and `SHOWN_HELD`: [K, 1 + len(SHOWN_HELD), H, W, C].
        played: some sessions of recorded play, at 0 and `SHOWN_PLAYED`; None where none was played.
        real: the real game from the same start, by number of the key; blank after its end.
    """

    held: Tensor
    played: Tensor | None = None
    real: Mapping[int, Tensor] = field(default_factory=dict)


def hold_keys(
    world: WorldCore, judge: Judge, reads: Reads, keys: Sequence[Key], starts: Starts,
    progress: Callable[[float], None] | None = None,
    real: RealPlay | None = None,
) -> tuple[tuple[KeyResult, ...], Tensor, Shown]:  # fmt: skip
    """Hold each key from every start and read it back.

    Returns:
        What was found for each key; what was read, int64 [K, S, NUM_HELD]; frames to show.
    """
    results, read, pictures = [], [], []
    pick, steps = _shown_start(starts, real), [0, *SHOWN_HELD]
    for number, key in enumerate(keys, start=1):
        sent = world.idle_action if key.sent is None else key.sent
        shown = dream(world, starts, np.full((len(starts), NUM_HELD), sent))
        found = reads.read(triples_of(shown).flatten(0, 1)).unflatten(0, (len(starts), NUM_HELD))
        read.append(found)
        pictures.append(shown[pick, 1:][steps])
        right, change = by_band(found == key.action).mean(0), by_band(change_of(shown)[:, 1:]).mean(0)
        results.append(_key_result(key, right.tolist(), change.tolist(), judge, reads, real))
        if progress is not None:
            progress(number / len(keys))
    seen = {} if real is None else {
        number: torch.from_numpy(real.held[key.name][pick, steps])
        for number, key in enumerate(keys) if key.name in real.held
    }  # fmt: skip
    return tuple(results), torch.stack(read), Shown(torch.stack(pictures), real=seen)


def _shown_start(starts: Starts, real: RealPlay | None) -> int:
    """A start that pictures show: livelier than most, and where the real game goes on for longest."""
    change = change_of(torch.from_numpy(starts.frames)).mean(dim=1)
    if real is not None:
        lived = torch.from_numpy(np.sum([*real.lived.values()], axis=0))
        change = change.masked_fill(lived < lived.max(), -1.0)
    shown = (change >= 0).nonzero()[:, 0]
    return int(shown[change[shown].argsort()[round(0.75 * (len(shown) - 1))]])


def _key_result(
    key: Key, right: list[float], change: list[float], judge: Judge, reads: Reads, real: RealPlay | None
) -> KeyResult:
    in_game, read_real = [judge.change[key.action]] * len(BANDS), list[float]()
    if real is not None and key.name in real.held:
        in_game, read_real = _in_real_game(key, reads, real)
    life = [each / true if true else math.nan for each, true in zip(change, in_game, strict=True)]
    return KeyResult(
        key.name,
        key.sent,
        tuple(right),
        tuple(change),
        tuple(in_game),
        judge.accuracy[key.action],
        tuple(life),
        tuple(read_real),
        key.pressed,
    )


def _in_real_game(key: Key, reads: Reads, real: RealPlay) -> tuple[list[float], list[float]]:
    """While a key is held in the real game: change a frame and share of frames it is read from, by band."""
    shown = torch.from_numpy(np.concatenate([real.frames[:, -2:-1], real.held[key.name]], axis=1))
    read = reads.read(triples_of(shown).flatten(0, 1)).unflatten(0, (len(shown), -1))
    there = torch.arange(read.shape[1]) < torch.from_numpy(real.lived[key.name])[:, None]
    change = change_of(shown)[:, 1:]
    return over_bands(change, there), over_bands((read == key.action).float(), there)


def macro_f1(read: Tensor, keys: Sequence[Key]) -> tuple[float, ...]:
    """Mean over keys of the F1 score in each band, of what was read [K, S, NUM_HELD] while each was held."""
    scores = []
    for first, last in BANDS:
        part = read[:, :, first - 1 : last].flatten(1)
        per_key = []
        for number, key in enumerate(keys):
            seen = part == key.action
            right = float(seen[number].sum())
            per_key.append(2 * right / max(float(seen.sum()) + part.shape[1], 1))
        scores.append(float(np.mean(per_key)))
    return tuple(scores)


def play_test(
    world: WorldCore, judge: Judge, keys: Sequence[Key], starts: Starts, *,
    reads: Reads | None = None, segments: np.ndarray | None = None, long_starts: Starts | None = None,
    real: RealPlay | None = None,
    progress: Callable[[float], None] | None = None,
) -> tuple[PlayTest, Shown]:  # fmt: skip
    """Test a world.

    Args:
        world: what is tested.
        judge: what it is judged by.
        keys: what to hold.
        starts: from where.
        reads: reads keys in place of the judge's reader: the world's own action model, where nobody recorded
            true actions.
        segments: as for `measure_drift`, which is left out without them.
        long_starts: where sessions of many frames begin; default `starts`.
        real: the real game, played from `starts`.
        progress: told the share done, 0 to 1.
    """
    share = 0.5 if segments is not None else 1.0
    results, read, shown = hold_keys(
        world, judge, reads or judge.reader, keys, starts, part(progress, 0.0, share), real
    )
    right = torch.stack([found == key.action for found, key in zip(read, keys, strict=True)])
    per_start = torch.stack([by_band(each) for each in right]).mean(0)  # [S, bands]
    found = PlayTest(
        bands=BANDS,
        keys=results,
        read_back=tuple(averaged(values, starts.episodes) for values in per_start.unbind(1)),
        macro_f1=macro_f1(read, keys),
        reader="true actions" if reads is None else "action model",
        num_starts=len(starts),
        real=real is not None,
    )
    if segments is None:
        return found, shown
    drift, floor, played = measure_drift(
        world,
        judge.reader,
        (judge.looked, judge.looked_held_out),
        segments,
        long_starts or starts,
        part(progress, share, 1 - share),
    )
    return replace(found, drift_bands=DRIFT_BANDS, drift=drift, drift_floor=floor), replace(
        shown, played=played
    )


def part(
    progress: Callable[[float], None] | None, begin: float, share: float
) -> Callable[[float], None] | None:
    """Tell a whole of the progress, 0 to 1, of a part of it."""
    return None if progress is None else lambda done: progress(begin + share * done)
