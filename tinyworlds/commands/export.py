"""``tinyworlds export RUN OUT.world``, or of several runs: ``--tokenizer A --actions B --dynamics C OUT``.

Of an agent's run, ``OUT.h5`` is its replay as gameplay. With ``--web FOLDER``, worlds become a page.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tinyworlds.checkpoints.file_kinds import AGENT_RUN, CHECKPOINT, RUN, WORLD, expect
from tinyworlds.errors import ConfigError, listed
from tinyworlds.models.registry import STAGES
from tinyworlds.system.options import OptionParser, positive

if TYPE_CHECKING:
    from tinyworlds.checkpoints.packing import Weights

_OPTIONS = {stage.option: name for name, stage in STAGES.items()}


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``tinyworlds export``; return the exit code.

    Raises:
        TinyWorldsError: for the dispatcher to print.
    """
    args = _parser().parse_intermixed_args(argv)
    if args.web is not None:
        return _export_page(args)
    if args.data and args.data[-1].endswith(".world"):  # --data takes several files: OUT behind them, too
        args.paths.append(args.data.pop())
    if args.paths and args.paths[-1].lower().endswith((".h5", ".hdf5")):
        return _export_replay(args.paths)
    expect("export", args.paths[:-1], RUN, WORLD, AGENT_RUN, CHECKPOINT)
    given = {stage: getattr(args, option) for option, stage in _OPTIONS.items() if getattr(args, option)}
    run, out = _run_and_out(args.paths, given)
    settings = _settings(args)
    if args.tune:
        _check_tuned(settings, run, args.data)
    notes = _notes(args.note)
    from tinyworlds.checkpoints.formats import holds_world
    from tinyworlds.checkpoints.search import locate
    from tinyworlds.checkpoints.world_search import locate_run
    from tinyworlds.export.build import build_world, evaluated_figures
    from tinyworlds.export.convert import written
    from tinyworlds.export.keeping import save_over
    from tinyworlds.export.loading import open_world, world_from_checkpoints
    from tinyworlds.export.small import small_world
    from tinyworlds.world.sureness import note_sureness

    is_world = run is not None and holds_world(run) and not (given or args.data or args.tune)
    chosen = {stage: locate(path, stage) for stage, path in given.items()}
    stages = {**(locate_run(run) if run and not is_world and len(chosen) < len(_OPTIONS) else {}), **chosen}
    if is_world and run is not None:
        world = open_world(run, **settings)
    elif run is not None or args.data:
        metrics = evaluated_figures(run) if run is not None and not chosen else {}
        world = build_world(stages, args.data or (), args.num_clips, metrics, **settings)
    else:
        world = world_from_checkpoints(stages, num_clips=args.num_clips, **settings)
    if args.tune:
        from tinyworlds.evaluation.tuning import tune

        print("\n".join(tune(world, run or out, args.data, stages["dynamics"])))
    note_sureness(world)
    weights: Weights = args.weights or "float32"
    if args.weights or args.max_mb:
        world, weights = small_world(world, args.weights, args.max_mb)
    if told := save_over(out, world, weights, notes):
        print(told)
    print(written(out, world))
    return 0


def _export_replay(paths: Sequence[str]) -> int:
    """What an agent has lived through, as gameplay."""
    if len(paths) != 2:
        raise ConfigError("tinyworlds export: name an agent's RUN and the file to write, OUT.h5")
    from tinyworlds.dreamer.replay_export import export_replay

    number = export_replay(Path(paths[0]), Path(paths[1]))
    print(
        f"wrote {paths[1]}: {number:,} frames; "
        f"train a world of it with: tinyworlds train NAME --data.files {paths[1]}"
    )
    return 0


def _export_page(args: argparse.Namespace) -> int:
    """A page that plays worlds by itself."""
    if not args.paths:
        raise ConfigError("tinyworlds export --web FOLDER: name the worlds or runs to play there")
    idle = ("data", "tune", "note", "max_mb", *_OPTIONS.values())
    if unused := [f"--{name}" for name in (*idle, *_OPTIONS) if getattr(args, name, None)]:
        raise ConfigError(
            f"--web takes finished worlds and runs: export with {listed(unused)} to a .world first"
        )
    expect("export --web", args.paths, RUN, WORLD)
    from tinyworlds.play.web.export import export_page

    weights: Weights = args.weights or "int8"
    for line in export_page(args.paths, Path(args.web), weights, args.num_clips, _settings(args)):
        print(line)
    return 0


def _settings(args: argparse.Namespace) -> dict[str, Any]:
    """How it plays, as far as that was said."""
    given = {name: getattr(args, name) for name in ("num_steps", "temperature", "top_p", "schedule")}
    return {name: value for name, value in given.items() if value is not None}


def _check_tuned(settings: dict[str, Any], run: Path | None, data: list[str] | None) -> None:
    given = [f"--{name}" for name in settings if name != "num_steps"]
    if given:
        raise ConfigError(f"--tune chooses what {listed(given)} would set: leave one of them out")
    if run is None and not data:
        raise ConfigError("--tune plays from recorded frames: name a RUN, or gameplay with --data FILE")


def _parser() -> OptionParser:
    parser = OptionParser(
        "tinyworlds export",
        usage="tinyworlds export [RUN] OUT.world [OPTIONS]\n       tinyworlds export WORLD ... --web FOLDER",
        description="Put a trained run, or stages of several, into one .world file; or what an agent has "
        "lived through (RUN) into a gameplay file (OUT.h5); or worlds into a page that plays by itself.",
        examples=(
            "tinyworlds export lightning_logs/doom doom.world",
            "tinyworlds export doom.world --web site",
        ),
    )
    add = parser.add_argument
    add("paths", metavar="[RUN] OUT", nargs="*", help="a run folder or a world, and the file to write")
    add = parser.add_argument_group("what goes in").add_argument
    for option, stage in _OPTIONS.items():
        add(f"--{option}", metavar="FILE", help=f"checkpoint of {stage}, of any format, instead of the run's")
    add(
        "--data",
        metavar="FILE",
        nargs="+",
        action="extend",
        help="gameplay files for the start clips (default: those the run was trained on)",
    )
    add(
        "--num_clips",
        type=positive(int),
        default=16,
        help="clips to start from, at most (default: %(default)s)",
    )
    add = parser.add_argument_group("the file").add_argument
    add(
        "--web",
        metavar="FOLDER",
        help="write static files instead, which play the worlds in any browser: for any host of files",
    )
    add(
        "--weights",
        choices=("float32", "half", "int8"),
        help="how weights are kept: whole, in half precision, or in eight bits; the clips are then packed, "
        "too, without loss (default: float32; in a page: int8)",
    )
    add(
        "--max_mb",
        type=positive(float),
        metavar="MB",
        help="of the file: take the finest weights and the most clips that fit",
    )
    add(
        "--note",
        metavar="NAME=TEXT",
        nargs="+",
        action="extend",
        default=[],
        help="kept in the file and shown on its card: hours=2.5 machine='two cores'",
    )
    add = parser.add_argument_group("how it plays").add_argument
    add("--num_steps", type=positive(int), help="decoding steps a frame at play (default: 4)")
    add(
        "--temperature",
        type=float,
        help="at play, 0 takes the likeliest code, above 0 draws "
        "(default: as `train` chose by play tests, else 1; weights of the original program: 0, no --top_p, "
        "exponential)",
    )
    add(
        "--top_p",
        type=float,
        help="draw from the likeliest codes that have this share (default: as chosen, else 0.9)",
    )
    add(
        "--schedule",
        help="how codes are revealed: halton, cosine, linear, exponential (default: as chosen, else halton)",
    )
    add(
        "--tune",
        action="store_true",
        help="choose the last three anew, by short play tests on validation frames: minutes on two cores",
    )
    return parser


def _notes(words: Sequence[str]) -> dict[str, str]:
    pairs = [word.partition("=") for word in words]
    if wrong := [name for name, equals, _ in pairs if not (name and equals)]:
        raise ConfigError(f"--note takes NAME=TEXT, such as hours=2.5, not '{wrong[0]}'")
    return {name: text for name, _, text in pairs}


def _run_and_out(paths: Sequence[str], given: dict[str, str]) -> tuple[Path | None, Path]:
    if len(paths) == 2:
        return Path(paths[0]), Path(paths[1])
    if len(paths) == 1 and {name for name, stage in STAGES.items() if not stage.optional} <= {*given}:
        return None, Path(paths[0])
    raise ConfigError(
        "tinyworlds export: name RUN and OUT.world, or OUT.world with --tokenizer, --actions and --dynamics; "
        f"got {' '.join(paths) or 'none'}"
    )
