"""``tinyworlds play FILE`` and ``python -m games.<title>``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tinyworlds.checkpoints.titles import named_world, newest_world
from tinyworlds.errors import ConfigError
from tinyworlds.play.launch import launch
from tinyworlds.play.options import play_parser
from tinyworlds.system.exits import run_guarded

if TYPE_CHECKING:
    from games.spec import GameSpec
    from tinyworlds.play.beside import RunningGame
    from tinyworlds.world.core import WorldCore


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``tinyworlds play``; return the exit code.

    Raises:
        TinyWorldsError: for the dispatcher to print.
    """
    parser = play_parser("tinyworlds play", "Play a world with the keyboard, or with a script of keys.")
    known = "a .world file, a run folder, or a name that `tinyworlds worlds` lists; two play side by side"
    parser.add_argument("world", metavar="FILE", nargs="+", help=known)
    args = parser.parse_args(argv)
    if len(args.world) > 2:
        raise ConfigError(f"play takes one world, or two to compare; got {len(args.world)}")
    return launch(args, *map(named_world, args.world), open_game=_open_game)


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


def _open_game(env_id: str, world: WorldCore) -> RunningGame:
    from tinyworlds.sources.record.running import running_game  # imports gymnasium

    return running_game(env_id, world)
