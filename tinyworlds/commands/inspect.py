"""``tinyworlds inspect FILE``: what a gameplay file holds, with a contact sheet, or what a world holds."""

from __future__ import annotations

from json import dumps
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tinyworlds.checkpoints.file_kinds import GAMEPLAY, WORLD, expect
from tinyworlds.errors import ConfigError, StorageError, listed
from tinyworlds.system.options import call

if TYPE_CHECKING:
    from tinyworlds.data.inspect import Inspection


def main(argv: list[str]) -> int:
    """Run ``tinyworlds inspect FILE``."""
    return call(
        inspect_command,
        argv,
        "tinyworlds inspect",
        examples=("tinyworlds inspect data/doom_frames.h5", "tinyworlds inspect doom.world --json"),
    )


def inspect_command(file: str, sheet: str | None = None, json: bool = False) -> int:
    """Show what a gameplay file holds: shape, rate, episodes, actions, statistics, and a picture of it.

    Of a world it shows what its file says: keys, how weights and clips are kept, the play test.

    Args:
        file: the gameplay file, or a .world file.
        sheet: where the contact sheet goes, a PNG (default: NAME_sheet.png beside the file); none draws none.
        json: print JSON for programs instead of text.

    Raises:
        StorageError: `sheet` cannot be written.
    """
    expect("inspect", [file], GAMEPLAY, WORLD)
    if file.endswith(".world"):
        return _inspect_world(Path(file), json)
    from tinyworlds.data.inspect import inspect_file

    found = inspect_file(file)
    drawn, note = _draw(file, sheet)
    if json:
        print(dumps(found.__dict__ | {"sheet": None if drawn is None else str(drawn)}))
        return 0
    for name, value in _rows(found):
        print(f"{name:<10} {value}")
    print(f"{'sheet':<10} {drawn or note}")
    return 0


def _inspect_world(path: Path, json: bool) -> int:
    from tinyworlds.world.facts import WorldFacts

    rows = WorldFacts.of(path).rows()
    if json:
        print(dumps(dict(rows)))
        return 0
    for name, value in rows:
        print(f"{name:<10} {value}")
    return 0


def _draw(file: str, sheet: str | None) -> tuple[Path | None, str]:
    """Draw the contact sheet; return where it is, or why it is not."""
    from tinyworlds.data.contact_sheet import save_contact_sheet, sheet_path

    if sheet == "none":
        return None, "not drawn"
    try:
        return save_contact_sheet(file, _png(sheet) if sheet else sheet_path(file)), ""
    except (StorageError, ConfigError) as error:
        if sheet is not None:
            raise
        return None, f"not drawn: {error}; or name another place with --sheet FILE"


def _png(path: str) -> str:
    if not path.lower().endswith(".png"):
        raise ConfigError(f"--sheet {path}: the contact sheet is a PNG; call it {path}.png, or none")
    return path


def _rows(found: Inspection) -> list[tuple[str, Any]]:
    count, height, width, _ = found.shape
    rate = f"{found.fps:g} fps" if found.fps else "no rate stored, taken as 60 fps"
    rows = [
        ("file", f"{found.path}, {found.megabytes:.1f} MB"),
        ("frames", f"{count:,} of {width}x{height}, {rate}, {found.minutes:.1f} min of play"),
        ("source", found.source or "unknown"),
        ("storage", found.storage),
    ]
    if found.episodes is not None and found.episode_lengths is not None:
        low, middle, high = found.episode_lengths
        rows.append(("episodes", f"{found.episodes}, of {low} to {high} frames, median {middle}"))
    if found.actions is not None:
        rows.append(("actions", listed([f"{name} {share:.0%}" for name, share in found.actions.items()], 20)))
    if found.reward_sum is not None:
        rows.append(("rewards", f"{found.reward_sum:g} in all"))
    rows.append(("pixels", f"mean {list(found.mean)}, std {list(found.std)}, {found.still:.0%} still"))
    return rows + [("note", note) for note in found.notes]
