"""``tinyworlds play FILE`` and ``python -m games.<title>``: options, choice of a view, an orderly end."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tinyworlds.cli import INTERRUPTED, run_guarded
from tinyworlds.errors import ConfigError, DisplayError, MissingFileError
from tinyworlds.option_parser import OptionParser, positive
from tinyworlds.play.keys import keys_without_meaning, parse_script
from tinyworlds.run_layout import STAGES, default_run, versions

if TYPE_CHECKING:
    from games.spec import GameSpec
    from tinyworlds.models.world import World
    from tinyworlds.play.session import Session

_WORLD_SETTINGS = (
    "num_steps", "temperature", "top_k", "top_p", "schedule", "context_frames", "feedback", "precision",
    "compile",
)  # fmt: skip
_CLIP_PX = 512


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``tinyworlds play``; return the exit code.

    Raises:
        TinyWorldsError: for the dispatcher to print.
    """
    parser = _parser("tinyworlds play", "Play a world with the keyboard, or with a script of keys.")
    parser.add_argument("world", metavar="FILE", help="a .world file, or a run folder with the three stages")
    args = parser.parse_args(argv)
    return _play(args, args.world)


def play_game(spec: GameSpec, argv: Sequence[str] | None = None) -> int:
    """Run ``python -m games.<title>``; prints errors itself and returns the exit code."""
    parser = _parser(f"python -m games.{spec.name}", f"Play {spec.title}.")
    parser.add_argument(
        "--world", metavar="FILE", help="a .world file or run folder; default: the newest one here"
    )

    def run() -> int:
        args = parser.parse_args(argv)
        return _play(args, args.world or _find_world(spec))

    return run_guarded(run)


def _parser(prog: str, description: str) -> OptionParser:
    parser = OptionParser(prog, description)
    add = parser.add_argument
    view = parser.add_mutually_exclusive_group()
    view.add_argument(
        "--window", action="store_true", help="play in a window (default where there is a display)"
    )
    view.add_argument("--headless", action="store_true", help="play --keys and write the clip --out")
    add("--keys", help="script of keys, one per frame, such as 'w*10 d*20 idle*5'")
    add("--out", metavar="CLIP", help="clip to write with --headless (default: GAME_play.mp4)")
    add("--recordings", metavar="FOLDER", default="recordings", help="where 'o' in the window saves clips")
    add("--fps", type=positive(float), help="frames per second to play at (default: the world's own)")
    add("--seed", type=int, help="repeat a session: same keys, same frames")
    add("--smooth", action="store_true", help="cubic instead of nearest-neighbour enlargement in the window")
    add("--device", default="auto", help="cpu, cuda, cuda:0 or auto (default: %(default)s)")
    add("--precision", choices=("auto", "32", "bf16"), help="number format (default: auto)")
    add(
        "--num_steps",
        type=positive(int),
        help="decoding steps per frame (default: stored in the world, else 4)",
    )
    add(
        "--temperature",
        type=float,
        help="0 takes the likeliest picture, above 0 samples (default: stored, else 0)",
    )
    add("--top_k", type=positive(int), help="sample among the k likeliest codes only")
    add(
        "--top_p",
        type=positive(float),
        help="sample among the likeliest codes with this probability together",
    )
    add(
        "--schedule",
        choices=("exponential", "cosine", "linear", "halton"),
        help="how many codes each decoding step reveals (default: stored, else exponential)",
    )
    add(
        "--compile",
        action="store_const",
        const=True,
        help="compile the world first: a minute of waiting, then more frames a second",
    )
    add(
        "--govern",
        action="store_true",
        help="lower decoding steps and precision as far as this machine needs to keep the frame rate"
        " (with --compile: compile only if needed)",
    )
    add("--context_frames", type=positive(int), help="past frames the world sees (default: as trained)")
    add(
        "--feedback",
        choices=("codes", "pixels"),
        help="go on from predicted codes, or encode every frame again",
    )
    return parser


def _play(args: argparse.Namespace, path: str | Path) -> int:
    from tinyworlds.play.governor import govern
    from tinyworlds.play.window import has_display, require_display

    script = parse_script(args.keys) if args.keys is not None else None
    _check_view(args, has_display())
    if not args.headless:
        require_display()
    world = _load(path, args)
    if args.govern:
        world.reset(seed=args.seed)
        print(f"governor: {govern(world, args.fps or world.fps, bool(args.compile))}", flush=True)
    print(
        f"{world.game or path}: {world.num_actions} actions, {world.fps:g} frames/s, on {world.device}",
        flush=True,
    )
    return _play_headless(args, world, script) if args.headless else _play_window(args, world)


def _check_view(args: argparse.Namespace, display: bool) -> None:
    """Refuse options that cannot go together before anything slow happens."""
    if not args.headless:
        for name in ("keys", "out"):
            if getattr(args, name) is not None:
                raise ConfigError(f"--{name} goes with --headless; add --headless, or leave --{name} out")
        if not display:
            raise DisplayError(
                "there is no display to open a window on: play a script instead, "
                "with --headless --keys 'w*10 d*20' --out clip.mp4"
            )
    elif args.keys is None:
        raise ConfigError("--headless needs the keys to press, for example --keys 'w*10 d*20'")


def _load(path: str | Path, args: argparse.Namespace) -> World:
    from tinyworlds.models.world import World

    settings = {name: getattr(args, name) for name in _WORLD_SETTINGS if getattr(args, name) is not None}
    if args.govern:
        settings.pop("compile", None)  # the governor compiles if it must
    return World.load(path, device=args.device, **settings)


def _play_headless(args: argparse.Namespace, world: World, script: list[str | None]) -> int:
    from tinyworlds.play.headless import ScriptedView, write_clip
    from tinyworlds.play.session import play

    view, session = ScriptedView(script), _session(args, world)
    if unused := keys_without_meaning(script, session.key_map):
        print(
            f"note: {', '.join(unused)} do nothing in this world; it has {_key_list(session)}",
            file=sys.stderr,
        )
    code = 0
    try:
        play(session, view)
    except KeyboardInterrupt:
        code = INTERRUPTED
    if not view.frames:
        return code
    out = Path(args.out or f"{world.game or 'world'}_play.mp4")
    path = write_clip(out, view.frames, session.fps, scale=_clip_scale(world))
    print(f"{len(view.frames)} frames, {view.frames[-1].fps:.1f} frames/s: {path}")
    return code


def _play_window(args: argparse.Namespace, world: World) -> int:
    from tinyworlds.play.session import play
    from tinyworlds.play.window import Window

    session = _session(args, world)
    window = Window(f"TinyWorlds {world.game}".strip(), session.hints, world.num_actions, smooth=args.smooth)
    code = 0
    try:
        play(session, window)
    except KeyboardInterrupt:
        code = INTERRUPTED
    finally:
        window.close()
    for path in session.close():
        print(f"saved {path}")
    return code


def _session(args: argparse.Namespace, world: World) -> Session:
    from tinyworlds.play.recorder import Recorder, recording_path
    from tinyworlds.play.session import Session

    fps = args.fps or world.fps

    def new_recorder() -> Recorder:
        return Recorder(recording_path(world.game, args.recordings), fps, _clip_scale(world))

    return Session(world, fps=fps, seed=args.seed, new_recorder=new_recorder)


def _clip_scale(world: World) -> int:
    return max(_CLIP_PX // max(world.frame_shape[:2]), 1)


def _key_list(session: Session) -> str:
    return ", ".join(sorted(session.key_map, key=lambda key: (len(key), key)))


def _find_world(spec: GameSpec) -> Path:
    """Return the newest world of a game in the usual places: this folder, ``worlds/``, its run folder."""
    run = default_run(spec.name)
    files = [Path(f"{spec.name}.world"), Path("worlds") / f"{spec.name}.world", *run.glob("*.world")]
    if found := [path for path in files if path.is_file()]:
        return max(found, key=lambda path: path.stat().st_mtime)
    if all(versions(run, stage) for stage in STAGES):
        return run
    raise MissingFileError(
        f"{spec.title} has no trained world in {files[0]} or {run}: run 'tinyworlds train {spec.name}' and "
        f"'tinyworlds export {run} {files[0]}', or give one with --world FILE"
    )
