"""``tinyworlds evaluate RUN_OR_WORLD ...``: measure worlds; report, plots and clips go into a folder each."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tinyworlds.checkpoints.file_kinds import AGENT_RUN, CHECKPOINT, RUN, WORLD, expect
from tinyworlds.checkpoints.run_folder import is_of_stage
from tinyworlds.checkpoints.titles import named_world
from tinyworlds.errors import ConfigError
from tinyworlds.models.registry import AGENT
from tinyworlds.system.options import OptionParser, natural, positive

_TICKS = 100


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``tinyworlds evaluate``; return the exit code.

    Raises:
        TinyWorldsError: for the dispatcher to print.
    """
    parser = OptionParser(
        "tinyworlds evaluate",
        description="Measure a world on held-out clips; write a report; or compare it with an agent.",
        examples=(
            "tinyworlds evaluate lightning_logs/doom",
            "tinyworlds evaluate doom.world --real doom --data data/doom_frames.h5",
        ),
    )
    add, whole = parser.add_argument, positive(int)
    add(
        "paths",
        metavar="RUN_OR_WORLD",
        nargs="+",
        help="run folders, worlds, or names; of several, such as three seeds, one table with mean and spread;"
        " beside an agent's run or checkpoint, all are compared on the same clips",
    )
    add = parser.add_argument_group("what is measured").add_argument
    add("--data", metavar="FILE", nargs="+", action="extend", help="gameplay files (default: as trained)")
    add(
        "--out",
        metavar="DIR",
        help="folder for the report (default: evaluation in the run); of several worlds a folder in it each",
    )
    add("--num_clips", type=whole, default=96, help="held-out clips, at most (default: %(default)s)")
    add("--horizon", type=whole, default=8, help="frames of the rollouts (default: %(default)s)")
    add("--num_steps", type=whole, help="decoding steps a frame (default: as the world plays)")
    add("--device", default="auto", help="cpu, cuda, cuda:1, ... (default: a GPU if there is one)")
    add("--precision", choices=("auto", "32", "bf16"), default="auto", help="as in tinyworlds play")
    add("--seed", type=natural, default=0, help="of the random actions (default: %(default)s)")
    add(
        "--skip_play_test",
        action="store_true",
        help="do not hold the keys and read them back, which takes a minute or two",
    )
    add(
        "--real",
        metavar="ENV_ID",
        help="play the real game (a gymnasium id, or doom, pong) from the same places under the same keys",
    )
    args = vars(parser.parse_args(argv))
    worlds = [path for path in args["data"] or () if path.endswith(".world")]  # typed behind the gameplay
    args["paths"] += worlds
    args["data"] = [path for path in args["data"] or () if path not in worlds] or None
    expect("evaluate", args["paths"], WORLD, RUN, AGENT_RUN, CHECKPOINT)
    env_id = args.pop("real")
    args["play"] = not args.pop("skip_play_test")
    if env_id and not args["play"]:
        raise ConfigError("--real is for the play test; leave --skip_play_test out")
    from tinyworlds.evaluation.next_steps import next_steps
    from tinyworlds.evaluation.run import default_folder, evaluate
    from tinyworlds.evaluation.terminal import print_report

    paths = [*dict.fromkeys(Path(named_world(path)) for path in args.pop("paths"))]
    out = args.pop("out")
    agents = [path for path in paths if is_of_stage(path, AGENT.name)]
    if agents:
        return _compare([path for path in paths if path not in agents], agents, out, env_id, args)
    folders = [Path(out) if out else default_folder(path) for path in paths]
    if out and len(paths) > 1:
        folders = [Path(out) / f"{number}_{path.stem}" for number, path in enumerate(paths, start=1)]
    if env_id:
        from tinyworlds.sources.record.held_keys import recorded_game

        args["real"] = recorded_game(env_id)
    for path, folder in zip(paths, folders, strict=True):
        report = evaluate(path, out=folder, **args)
        if len(paths) == 1:
            print_report(report, report.listening_bars, next_steps(report, path))
        print(f"Report with pictures and clips: {folder / 'report.html'}")
    if len(paths) > 1:
        _side_by_side(dict(zip(paths, folders, strict=True)), out)
    return 0


def _side_by_side(folders: dict[Path, Path], out: str | None) -> None:
    """Show what was measured beside each other, with the settings that differ and the curves."""
    from tinyworlds.evaluation.run_facts import distinct_names, facts_of
    from tinyworlds.evaluation.side_by_side import default_out, side_by_side_lines, write_side_by_side

    named = zip(distinct_names(folders), folders.items(), strict=True)
    runs = [facts_of(path, name, folder) for name, (path, folder) in named]
    print("\n".join(["", *side_by_side_lines(runs)]))
    print(
        f"Side by side, with learning curves: {write_side_by_side(Path(out) if out else default_out(), runs)}"
    )


def _compare(
    worlds: list[Path], agents: list[Path], out: str | None, env_id: str | None, args: dict[str, Any]
) -> int:
    """Worlds and agents on the same clips.

    Raises:
        ConfigError: there is no world, or an option means nothing here.
    """
    from tinyworlds.dreamer.comparison import compare
    from tinyworlds.dreamer.comparison_files import comparison_table, save_comparison
    from tinyworlds.evaluation.run import default_folder, ticks
    from tinyworlds.system.progress import progress_bar

    if not worlds:
        raise ConfigError(
            f"{agents[0]} is an agent: name a world to compare it with, or score it: "
            f"tinyworlds episodes --checkpoint {agents[0]}"
        )
    unfit = [f"--{name}" for name, value in (("real", env_id), ("num_steps", args["num_steps"])) if value]
    unfit += [] if args["play"] else ["--skip_play_test"]
    if unfit:
        raise ConfigError(f"{unfit[0]} is not for worlds beside an agent; leave it out")
    names = ("num_clips", "horizon", "device", "precision")
    with progress_bar("compare", _TICKS, enabled=sys.stderr.isatty()) as advance:
        told = ticks(advance, _TICKS)
        found = compare(worlds, agents, args["data"], **{name: args[name] for name in names}, progress=told)
    report = save_comparison(Path(out) if out else default_folder(worlds[0]) / "comparison", found)
    print(comparison_table(found))
    print(f"Table, curve and dreams: {report}")
    return 0
