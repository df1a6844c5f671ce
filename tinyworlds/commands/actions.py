"""``tinyworlds actions WORLD``: what each action does; propose keys, change them, store them."""

from __future__ import annotations

import argparse
import json
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

from tinyworlds.checkpoints.file_kinds import RUN, WORLD, expect
from tinyworlds.checkpoints.titles import named_world
from tinyworlds.errors import ConfigError
from tinyworlds.shipped import own_copy, written_beside
from tinyworlds.system.options import OptionParser
from tinyworlds.system.shell import shown_command

log = logging.getLogger(__name__)


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``tinyworlds actions``; return the exit code.

    Raises:
        TinyWorldsError: for the dispatcher to print.
    """
    args = _parser().parse_args(argv)
    expect("actions", [args.world], WORLD, RUN)
    path = Path(named_world(args.world, log.info if args.json else print))
    changes = args.bind or args.name or args.idle is not None
    if (changes or args.write) and path.is_dir():
        raise ConfigError(
            f"{path} is a folder: keys are stored in a .world file; make one with "
            f"`{shown_command('export', path)} OUT.world`"
        )
    if changes and not args.write:
        _check_alone(args)
        return _change(path, args)
    return _find_out(path, args)


def _parser() -> OptionParser:
    parser = OptionParser(
        "tinyworlds actions",
        description="Find out what each action of a world does; change its keys.",
        examples=(
            "tinyworlds actions doom.world",
            "tinyworlds actions doom.world --bind space=1 --name 1=shoot",
        ),
    )
    add = parser.add_argument
    add("world", metavar="WORLD", help="a .world file or its name; to look at also a run")
    add = parser.add_argument_group("change the keys").add_argument
    add("--write", action="store_true", help="store the proposed keys and names in the file")
    add(
        "--bind",
        metavar="KEY=ACTION",
        nargs="+",
        action="extend",
        default=[],
        help="give a key an action, by number or name, and store that: left=2; left= takes the key away",
    )
    add(
        "--name",
        metavar="ACTION=NAME",
        nargs="+",
        action="extend",
        default=[],
        help="rename an action and store that: 2=jump",
    )
    add("--idle", metavar="ACTION", help="the action taken while no key is pressed; stored")
    add = parser.add_argument_group("find out").add_argument
    add(
        "--by",
        choices=("auto", "truth", "flow"),
        default="auto",
        help="what the proposal rests on: true actions of the data, or the optical flow of dreams "
        "(default: the truth where there is any, else names in the file, else the flow)",
    )
    add(
        "--data",
        metavar="FILE",
        nargs="+",
        action="extend",
        help="gameplay to count in (default: as trained)",
    )
    add("--sheet", metavar="PNG", help="where the sheet goes, the clip beside it (default: NAME_actions.png "
        "beside the world); none draws none")  # fmt: skip
    add("--device", default="auto", help="cpu, cuda, cuda:0 or auto (default: %(default)s)")
    add("--json", action="store_true", help="print JSON for programs instead of text")
    return parser


def _check_alone(args: argparse.Namespace) -> None:
    """Refuse options that mean nothing where nothing is dreamt."""
    for option, given in (("by", args.by != "auto"), ("data", args.data), ("sheet", args.sheet)):
        if given:
            raise ConfigError(
                f"--{option} is for finding out, but single changes alone are stored without: leave it out, "
                "or add --write to store a proposal with these changes"
            )


def _change(path: Path, args: argparse.Namespace) -> int:
    """Change what a person wants changed: no dreams are needed."""
    from tinyworlds.world.keys import changed_keys, read_keys, write_keys

    keys = changed_keys(read_keys(path), args.bind, args.name, args.idle)
    write_keys(path := own_copy(path), keys)
    print(json.dumps(keys.entries()) if args.json else f"{path}: stored {keys}")
    return 0


def _find_out(path: Path, args: argparse.Namespace) -> int:
    from tinyworlds.actions.discovery import as_json, discover, work
    from tinyworlds.actions.naming import Naming
    from tinyworlds.actions.occurrence import gameplay_of
    from tinyworlds.actions.sheet import draw
    from tinyworlds.api import World
    from tinyworlds.media.suffixes import check_picture_path
    from tinyworlds.system.progress import progress_bar
    from tinyworlds.world.keys import Keys, changed_keys, write_keys

    if args.sheet not in (None, "none"):
        check_picture_path(args.sheet)

    world = World.load(path, args.device)
    gameplay = gameplay_of(world, path, args.data)
    enabled = sys.stderr.isatty() and not args.json
    with progress_bar("actions", work(world, gameplay), enabled) as advance:
        found = discover(world, gameplay, args.by, advance)
    proposal = found.proposal
    keys = changed_keys(
        Keys(proposal.key_map, proposal.names, proposal.idle, proposal.true_actions or None),
        args.bind, args.name, args.idle,
    )  # fmt: skip
    found = found.with_proposal(Naming(keys.key_map, keys.names, keys.idle, False, keys.true_actions or {}))
    files = draw(written_beside(path), args.sheet, world, found) if args.sheet != "none" else []
    if args.write:
        write_keys(path := own_copy(path), keys)
    if args.json:
        stored = keys if args.write else Keys(world.key_map, world.action_names, world.idle_action)
        told = {"stored": stored.entries(), "files": [str(file) for file in files]}
        print(json.dumps(as_json(found) | told))
        return 0
    from tinyworlds.actions.text import findings, outcome

    print(findings(found, world))
    if files:
        print(f"Sheet and clip: {', '.join(map(str, files))}")
    print(outcome(path, world, keys, args.write))
    return 0
