"""``tinyworlds actions WORLD``: what each action does; propose keys, change them, store them."""

from __future__ import annotations

import argparse
import json
import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tinyworlds.errors import ConfigError, DataError, MissingFileError
from tinyworlds.system.options import OptionParser

if TYPE_CHECKING:
    from tinyworlds.actions.discovery import Discovery
    from tinyworlds.api import World
    from tinyworlds.data.gameplay import Gameplay
    from tinyworlds.world.keys import Keys

log = logging.getLogger(__name__)

_COUNTED = 1024  # transitions
_MOST_ACTIONS = 1 << 16  # more is a damaged file


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``tinyworlds actions``; return the exit code.

    Raises:
        TinyWorldsError: for the dispatcher to print.
    """
    args = _parser().parse_args(argv)
    path = Path(args.world)
    changes = args.bind or args.name or args.idle is not None
    if (changes or args.write) and path.is_dir():
        raise ConfigError(
            f"{path} is a folder: keys are stored in a .world file; make one with 'tinyworlds export "
            f"{path} OUT.world'"
        )
    if changes and not args.write:
        _check_alone(args)
        return _change(path, args)
    return _find_out(path, args)


def _parser() -> OptionParser:
    parser = OptionParser(
        "tinyworlds actions", description="Find out what each action of a world does; change its keys."
    )
    add = parser.add_argument
    add("world", metavar="WORLD", help="a .world file; without --write and changes also a run folder")
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


# Changing what a person wants changed: no dreams are needed.


def _change(path: Path, args: argparse.Namespace) -> int:
    from tinyworlds.world.keys import changed_keys, write_keys

    keys = changed_keys(_stored(path), args.bind, args.name, args.idle)
    write_keys(path, keys)
    print(json.dumps(_keys_json(keys)) if args.json else f"{path}: {_keys_text(keys)}")
    return 0


def _stored(path: Path) -> Keys:
    """The keys in a world file, without its weights."""
    from tinyworlds.world.file import read_header
    from tinyworlds.world.keys import Keys, known_keys

    header = read_header(path)
    try:
        count = 1 if header.get("actions") == "none" else int(header["configs"]["dynamics"]["num_actions"])
        if not 0 < count <= _MOST_ACTIONS:
            raise ValueError(f"{count} actions")
        given = [str(name) for name in header.get("action_names") or ()][:count]
        names = (*given, *(f"action {i}" for i in range(len(given), count)))
        keys = {str(key): int(action) for key, action in (header.get("key_map") or {}).items()}
        idle = int(header.get("idle_action") or 0)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DataError(
            f"{path}: what it says of its actions is damaged ({error!r}): export it again"
        ) from None
    return Keys(known_keys(keys, count), names, idle if 0 <= idle < count else 0)


# Finding out.


def _find_out(path: Path, args: argparse.Namespace) -> int:
    from tinyworlds.actions.discovery import as_json, discover, work
    from tinyworlds.actions.naming import Naming
    from tinyworlds.api import World
    from tinyworlds.system.progress import progress_bar
    from tinyworlds.world.keys import Keys, changed_keys, write_keys

    world = World.load(path, args.device)
    gameplay = _gameplay(path, world, args.data)
    enabled = sys.stderr.isatty() and not args.json
    with progress_bar("actions", work(world, gameplay), enabled) as advance:
        found = discover(world, gameplay, args.by, advance)
    proposal = found.proposal
    keys = changed_keys(
        Keys(proposal.key_map, proposal.names, proposal.idle), args.bind, args.name, args.idle
    )
    found = found.with_proposal(Naming(keys.key_map, keys.names, keys.idle))
    files = _draw(path, args.sheet, world, found)
    if args.write:
        write_keys(path, keys)
    if args.json:
        stored = keys if args.write else Keys(world.key_map, world.action_names, world.idle_action)
        told = {"stored": _keys_json(stored), "files": [str(file) for file in files]}
        print(json.dumps(as_json(found) | told))
        return 0
    from tinyworlds.actions.text import findings

    print(findings(found, world))
    if files:
        print(f"Sheet and clip: {', '.join(map(str, files))}")
    print(_outcome(path, world, keys, args.write))
    return 0


def _gameplay(path: Path, world: World, data: list[str] | None) -> Gameplay | None:
    """Gameplay to count in: the files named, else those the world was trained on, where they are here."""
    from tinyworlds.actions.occurrence import sample_gameplay
    from tinyworlds.evaluation.run import settings_of

    if world.info.actions == "latent" and world.latent_actions is None:
        log.warning("%s holds no model to infer actions with: how often each occurs stays unknown", path)
        return None
    settings = dict(settings_of(path, world.info.provenance))
    if data:
        settings |= {"files": data, "split": "time"}  # other files may not have the episodes to split by
    if not settings.get("files") and not settings.get("game"):
        return None
    settings = {"fps": world.fps, **settings, "frame_size": world.frame_size}
    length = max(world.dynamics.context_frames, 2)
    try:
        return sample_gameplay(settings, length, -(-_COUNTED // (length - 1)))
    except (MissingFileError, ConfigError, DataError) as error:
        if data:
            raise
        log.warning("what the world was trained on is not at hand (%s): --data FILE names it", error)
        return None


def _draw(path: Path, sheet: str | None, world: World, found: Discovery) -> list[Path]:
    from tinyworlds.actions.sheet import save_clip, save_sheet

    if sheet == "none":
        return []
    folder = path.parent if path.is_file() else path
    picture = Path(sheet) if sheet else folder / f"{path.stem}_actions.png"
    title = (
        f"What each action of {world.game or path.stem} does: held for several frames from the same starts"
    )
    clip = save_clip(picture.with_suffix(".mp4"), found, world.fps)
    return [save_sheet(picture, found, title), *([clip] if clip else [])]


def _outcome(path: Path, world: World, keys: Keys, written: bool) -> str:
    if written:
        return f"Stored in {path}."
    if (keys.key_map, keys.names, keys.idle) == (world.key_map, world.action_names, world.idle_action):
        return f"{path} has these keys and names already."
    here = ", ".join(f"{key}={action}" for key, action in world.key_map.items()) or "none"
    if path.is_dir():
        return f"The run's own keys: {here}. Export it to store others."
    return (
        f"Nothing was stored; {path} has the keys {here}. To store the proposal: "
        f"tinyworlds actions {path} --write; to change single keys: --bind left=2"
    )


def _keys_json(keys: Keys) -> dict[str, Any]:
    return {"key_map": keys.key_map, "action_names": list(keys.names), "idle_action": keys.idle}


def _keys_text(keys: Keys) -> str:
    bound = ", ".join(f"{key} = {action} {keys.names[action]}" for key, action in keys.key_map.items())
    return f"stored the keys {bound or 'none'}; no key = {keys.idle} {keys.names[keys.idle]}"
