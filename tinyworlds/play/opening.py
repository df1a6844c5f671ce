"""Opens what is to be played: a world, two as one, or one with its real game."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, cast

from tinyworlds.errors import ConfigError
from tinyworlds.play.options import WORLD_SETTINGS

if TYPE_CHECKING:
    from tinyworlds.play.beside import Beside, OpenGame
    from tinyworlds.play.session_log import SessionLog
    from tinyworlds.play.side_by_side import SideBySide
    from tinyworlds.world.core import WorldCore

    Played = WorldCore | SideBySide | Beside


def load(paths: Sequence[str | Path], args: argparse.Namespace, replayed: SessionLog | None) -> Played:
    """Open a world, or two as one, with what it starts from; notes of it are printed.

    Raises:
        TinyWorldsError: a file is no world, or they do not fit what is asked.
    """
    from tinyworlds.export.loading import open_world

    settings = {name: getattr(args, name) for name in WORLD_SETTINGS if getattr(args, name) is not None}
    if args.govern:
        settings.pop("compile", None)  # the governor compiles if it must
    logged = replayed.settings if replayed else [{}] * len(paths)
    if len(logged) != len(paths):
        raise ConfigError(f"the log is of {len(logged)} worlds, here are {len(paths)}: name those played")
    worlds = [
        open_world(path, args.device, **{**own, **settings}) for path, own in zip(paths, logged, strict=True)
    ]
    if settings.get("compile") and not any(world.compiled for world in worlds):
        print("note: nothing to compile; float32 on a CPU runs in a kernel of its own", file=sys.stderr)
    _give_starts(worlds, args)
    played: Played = worlds[0]
    if len(worlds) > 1:
        from tinyworlds.play.side_by_side import SideBySide

        (left, right), names = worlds, [Path(path).name for path in paths]
        played = SideBySide(left, right, (names[0], names[1]))
    for note in played.notes:
        print(f"note: {note}", file=sys.stderr)
    return played


def for_another(args: argparse.Namespace) -> argparse.Namespace:
    """Return the options for a world that the player chose instead: those that fit any world."""
    only_here = ("start", "real", "fps", *WORLD_SETTINGS)
    kept = {name: value for name, value in vars(args).items() if name not in only_here}
    kept |= {name: getattr(args, name) for name in ("precision", "compile", "cuda_graphs")}
    return argparse.Namespace(**dict.fromkeys(only_here) | kept)


def with_game(world: Played, args: argparse.Namespace, open_game: OpenGame | None) -> Beside:
    """The world with its real game beside it."""
    from tinyworlds.play.beside import Beside
    from tinyworlds.world.core import WorldCore

    if open_game is None or not isinstance(world, WorldCore):
        raise ConfigError("--real goes with one world: name only that")
    both = Beside(world, open_game(args.real, world))
    for note in [note for note in both.notes if note not in world.notes]:
        print(f"note: {note}", file=sys.stderr)
    return both


def govern(world: Played, args: argparse.Namespace) -> None:
    """Let the governor choose, and say what it chose."""
    from tinyworlds.play import governor

    worlds = cast("Sequence[WorldCore]", getattr(world, "worlds", (world,)))
    world.reset(seed=args.seed)
    for each in worlds:
        wanted = len(worlds) * (args.fps or world.fps)
        print(f"governor: {governor.govern(each, wanted, bool(args.compile))}", flush=True)


def _give_starts(worlds: Sequence[WorldCore], args: argparse.Namespace) -> None:
    """Start from --start; who plays live and has nothing to start from is shown what to do."""
    has_clips = any(world.start_clips for world in worlds)
    if args.real is not None or (not args.start and (has_clips or args.headless or args.replay)):
        return
    from tinyworlds.play.start import NO_START, grey_clip, start_clips

    for world in worlds:
        if args.start:
            world.start_clips = start_clips(args.start, world.frame_shape, world.fps, world.context_frames)
        else:
            world.start_clips = grey_clip(world.frame_shape, world.context_frames)
            world.remarks.append(NO_START)
