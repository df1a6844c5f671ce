"""``tinyworlds play FILE`` and ``python -m games.<title>``."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tinyworlds.checkpoints.file_kinds import AGENT_RUN, CHECKPOINT, RUN, WORLD, expect
from tinyworlds.checkpoints.run_folder import is_of_stage
from tinyworlds.checkpoints.titles import named_world, newest_world, only_world
from tinyworlds.errors import ConfigError
from tinyworlds.models.registry import AGENT
from tinyworlds.play.launch import launch
from tinyworlds.play.options import WORLD_SETTINGS, play_parser
from tinyworlds.system.exits import run_guarded

if TYPE_CHECKING:
    from games.spec import GameSpec
    from tinyworlds.dreamer.dream import AgentWorld
    from tinyworlds.play.beside import RunningGame
    from tinyworlds.world.core import WorldCore


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``tinyworlds play``; return the exit code.

    Raises:
        TinyWorldsError: for the dispatcher to print.
    """
    parser = play_parser("tinyworlds play", "Play a world with the keyboard, or with a script of keys.")
    known = "a .world file, a run folder, or a name that `tinyworlds worlds` lists; two play side by side; "
    known += "or an agent's run or checkpoint (default: the only .world file here)"
    parser.add_argument("world", metavar="FILE", nargs="*", help=known)
    args = parser.parse_args(argv)
    if len(args.world) > 2:
        raise ConfigError(f"play takes one world, or two to compare; got {len(args.world)}")
    expect("play", args.world, WORLD, RUN, AGENT_RUN, CHECKPOINT)
    paths = [named_world(name) for name in args.world] or [only_world()]
    return launch(args, *paths, open_game=_open_game, open_other=_open_agent)


def play_game(spec: GameSpec, argv: Sequence[str] | None = None) -> int:
    """Run ``python -m games.<title>``; prints errors itself and returns the exit code."""
    parser = play_parser(f"python -m games.{spec.name}", f"Play {spec.title}.")
    parser.add_argument(
        "--world", metavar="FILE", help="a .world file or run folder; default: the newest one here"
    )

    def run() -> int:
        args = parser.parse_args(argv)
        return launch(args, args.world or newest_world(spec), open_game=_open_game)

    return run_guarded(run)


def _open_agent(paths: Sequence[str | Path], args: Namespace) -> AgentWorld | None:
    """The world model of an agent, where the path is one; with its real game for ``--real``.

    Raises:
        ConfigError: it is asked for what only worlds do.
    """
    if not any(is_of_stage(path, AGENT.name) for path in paths):
        return None
    if len(paths) > 1:
        raise ConfigError("an agent's dream is played alone: name one FILE")
    unfit = [name for name in (*WORLD_SETTINGS, "start") if getattr(args, name) is not None]
    if unfit or args.govern:
        raise ConfigError(
            f"--{unfit[0] if unfit else 'govern'} is for worlds, {paths[0]} is an agent; leave it out"
        )
    from tinyworlds.dreamer.dream import AgentBesideGame, AgentDream
    from tinyworlds.dreamer.trained import find_agents, open_game
    from tinyworlds.nn.devices import pick_device

    [trained] = find_agents([str(paths[0])], pick_device(args.device))
    task, game = open_game(trained, args.real or None, drawn=False)
    return (AgentDream if args.real is None else AgentBesideGame)(trained.agent, game, task.name)


def _open_game(env_id: str, world: WorldCore) -> RunningGame:
    from tinyworlds.sources.record.running import running_game  # imports gymnasium

    return running_game(env_id, world)
