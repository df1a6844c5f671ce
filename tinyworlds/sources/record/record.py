"""Record a live game: any gymnasium environment to a gameplay file, true actions beside the frames.

    record("VizdoomBasic-v1", "data/doom_frames.h5", num_frames=8000)

Frame i is what the player saw, action i what was then pressed, reward i what came of it. The picture after
the last action of an episode is not stored (ViZDoom has none), so every stored frame has a true action.

Frames go to pieces in ``.record`` beside the file, which are joined at the end. Interrupted, the same call
goes on after the last complete piece.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tinyworlds.data.cache import cache_folder
from tinyworlds.errors import ConfigError, DataError
from tinyworlds.sources.record.environments import LiveGame
from tinyworlds.sources.record.policies import Policy, PolicyChoice, make_policy
from tinyworlds.sources.record.pool import play_in_processes
from tinyworlds.sources.record.share import RecordingSettings, fit_picture, play_share
from tinyworlds.sources.record.work import Facts, Work
from tinyworlds.system.files import storing
from tinyworlds.system.locks import locked
from tinyworlds.system.progress import progress_bar
from tinyworlds.system.stopping import interrupts

__all__ = ["Recording", "fit_picture", "record"]


@dataclass(frozen=True)
class Recording:
    """What was recorded.

    Attributes:
        path: the finished file.
        env_id: the environment as registered.
        num_frames: stored frames, those that were in the file before included.
        num_episodes: episodes begun, likewise.
        fps: stored frames per second of game time.
        action_names: the name of each action id.
        seconds: how long it took.
    """

    path: Path
    env_id: str
    num_frames: int
    num_episodes: int
    fps: float
    action_names: tuple[str, ...]
    seconds: float


def record(
    env_id: str,
    out: str | Path,
    num_frames: int,
    policy: str | PolicyChoice | Policy = "sticky",
    size: int = 64,
    frame_skip: int | None = None,
    seed: int = 0,
    progress: bool = True,
    hold: float = 4.0,
    actions: Sequence[str] | None = None,
    crop: tuple[int, int, int, int] | None = None,
    overwrite: bool = False,
    append: bool = False,
    processes: int = 1,
    env_kwargs: Mapping[str, Any] | None = None,
    picture: str | None = None,
) -> Recording:
    """Play `env_id` and store `num_frames` frames of it. Interrupted, the same call goes on where it stopped.

    Args:
        env_id: any gymnasium id, such as ``ALE/Pong-v5``, ``VizdoomBasic-v1``, ``CartPole-v1``; or
            ``procgen/coinrun``, ``retro/Airstriker-Genesis-v0``.
        out: the gameplay file to write; it is complete at all times.
        num_frames: frames to store, over as many episodes as it takes.
        policy: "sticky" (holds each action for a while), "random", "driver", "runner", "human" (a window), an
            agent as
            ``module:function`` or ``agent.py``, a `PolicyChoice`, or a function from frame to action id.
        size: stored height and width in pixels; pictures are resized by area.
        frame_skip: game steps per stored frame; None takes 4 for Atari, ViZDoom, CarRacing and consoles,
            1 elsewhere.
        seed: of the game and the policy.
        progress: show a bar with the time left.
        hold: mean number of frames the sticky policy holds an action.
        actions: names of the actions to play, in the order of their stored ids; None plays all.
        crop: part of the game's picture to keep, in its own pixels: left, top, width, height.
        overwrite: replace `out` if it exists, and drop an interrupted recording with other settings.
        append: add to `out` if it exists.
        processes: how many games are played at a time; the result depends on this number, not on timing. A
            script that asks for several calls this under ``if __name__ == "__main__":``.
        env_kwargs: settings of the environment's own, by name.
        picture: what is recorded: "render", "observation" or the key of an entry of the observation; None
            takes the observation if it is a picture of bytes, else what the game renders, else any picture.

    Raises:
        ConfigError: a setting is out of range, or no such environment, action or policy exists.
        DataError: `out` exists and may not be replaced, or holds something else than would be appended; the
            environment fails.
        MissingExtraError: the game's package is not installed.
        StorageError: the disk is full or the folder cannot be written.
        DisplayError: a person is to play and there is no display.
        KeyboardInterrupt: Ctrl-C; what was recorded until then is kept. A second one ends the process.
        SystemExit: SIGTERM or a closed terminal; likewise.
    """
    out, start = Path(out), time.monotonic()
    choice = PolicyChoice(policy, hold) if isinstance(policy, str) else policy
    _check(num_frames, size, processes, choice, overwrite, append)
    settings = RecordingSettings(
        env_id, size, frame_skip, tuple(actions) if actions else None, crop, choice, seed,
        dict(env_kwargs or {}), picture,
    )  # fmt: skip
    with closing(settings.game()) as game:
        facts = Facts.of(game, size)
        _check_policy(choice, facts)
        lock = cache_folder(out) / f"{out.name}.record.lock"
        with storing(out), locked(lock, f"recording {out}"):
            work = Work(out, settings, facts, num_frames, processes, overwrite, append)
            _play(work, game, progress)
            num_stored, num_episodes = work.finish(progress)
    seconds = time.monotonic() - start
    return Recording(out, facts.env_id, num_stored, num_episodes, facts.fps, facts.action_names, seconds)


def _check_policy(policy: PolicyChoice | Policy, facts: Facts) -> None:
    """What is wrong with the player is said before anything is begun."""
    if not isinstance(policy, PolicyChoice):
        return
    if policy.name == "human":
        from tinyworlds.sources.record.human import check_display  # loads what a window needs

        check_display()
    else:
        make_policy(policy, facts.action_names, seed=0)


def _play(work: Work, game: LiveGame, progress: bool) -> None:
    """Fill what is not full yet, in this process or in several."""
    if work.is_played:
        return
    total = sum(share.num_frames for share in work.shares)
    with progress_bar(f"recording {game.env_id}", total, progress) as advance:
        done = [0] * len(work.shares)

        def reached(number: int, count: int) -> None:
            advance(count - done[number])
            done[number] = count

        with interrupts() as stopped:
            try:
                if len(work.shares) == 1:
                    play_share(work.shares[0], work.settings, game, lambda done: reached(0, done), stopped)
                else:
                    game.close()  # some engines run once on a machine's screen or sound
                    play_in_processes(work.shares, work.settings, reached, stopped)
                stopped.end()
            except BaseException:
                work.leave()
                game.close()  # while a second Ctrl-C still ends it all
                raise


def _check(
    num_frames: int,
    size: int,
    processes: int,
    policy: PolicyChoice | Policy,
    overwrite: bool,
    append: bool,
) -> None:
    for name, value in {"num_frames": num_frames, "size": size, "processes": processes}.items():
        if value < 1:
            raise ConfigError(f"{name} is {value}; it must be at least 1.")
    if size % 4:
        raise ConfigError(f"size is {size}; no network takes such frames, it must be a multiple of 4 pixels.")
    if overwrite and append:
        raise DataError("--overwrite and --append exclude each other; pass one of them.")
    if processes > 1 and not (isinstance(policy, PolicyChoice) and policy.name != "human"):
        raise ConfigError(
            f"processes is {processes}, but a person or a function of this process plays in one; "
            "set processes to 1, or name an agent as module:function."
        )
