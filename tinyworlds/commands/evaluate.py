"""``tinyworlds evaluate RUN_OR_WORLD ...``: measure worlds; report, plots and clips go into a folder each."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tinyworlds.checkpoints.titles import named_world
from tinyworlds.errors import ConfigError
from tinyworlds.system.options import OptionParser, natural, positive


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``tinyworlds evaluate``; return the exit code.

    Raises:
        TinyWorldsError: for the dispatcher to print.
    """
    parser = OptionParser(
        "tinyworlds evaluate", description="Measure a world on held-out clips; write a report."
    )
    add, whole = parser.add_argument, positive(int)
    add(
        "paths",
        metavar="RUN_OR_WORLD",
        nargs="+",
        help="run folders, worlds, or names; of several, such as three seeds, one table with mean and spread",
    )
    add("--data", metavar="FILE", action="append", help="gameplay file, once for each (default: as trained)")
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
    env_id = args.pop("real")
    args["play"] = not args.pop("skip_play_test")
    if env_id and not args["play"]:
        raise ConfigError("--real is for the play test; leave --skip_play_test out")
    from tinyworlds.evaluation.run import default_folder, evaluate
    from tinyworlds.evaluation.runs import compare_runs

    paths = [*dict.fromkeys(Path(named_world(path)) for path in args.pop("paths"))]
    out = args.pop("out")
    folders = [Path(out) if out else default_folder(path) for path in paths]
    if out and len(paths) > 1:
        folders = [Path(out) / f"{number}_{path.stem}" for number, path in enumerate(paths, start=1)]
    if env_id:
        from tinyworlds.sources.record.held_keys import recorded_game

        args["real"] = recorded_game(env_id)
    reports = {}
    for path, folder in zip(paths, folders, strict=True):
        reports[str(path)] = report = evaluate(path, out=folder, **args)
        if len(paths) == 1:
            print(report.to_markdown(report.listening_bars))
        print(f"Report, plots and clips: {folder / 'report.md'}")
    if len(paths) > 1:
        print(f"\n{compare_runs(reports)}")
    return 0
