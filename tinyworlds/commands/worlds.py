"""``tinyworlds worlds``: those that come with the package, and your own."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tinyworlds.errors import ConfigError, TinyWorldsError, did_you_mean
from tinyworlds.shipped import shipped_worlds
from tinyworlds.system.options import call

if TYPE_CHECKING:
    from tinyworlds.world.facts import WorldFacts


def main(argv: list[str]) -> int:
    """Run ``tinyworlds worlds``."""
    return call(
        worlds_command,
        argv,
        "tinyworlds worlds",
        examples=("tinyworlds worlds", "tinyworlds worlds --card doom --out doom.md"),
    )


def worlds_command(card: str | None = None, out: str | None = None, json: bool = False) -> int:
    """List the worlds that come with TinyWorlds and your own: this folder, worlds/ and lightning_logs/.

    Args:
        card: write the card of this world instead, made from its file: a page with pictures.
        out: the page to write (default: NAME.md); its pictures go beside it.
        json: print JSON for programs instead of text.
    """
    if card is not None:
        return _card(card, out)
    if out is not None:
        raise ConfigError("--out is for a card: add --card NAME, or leave it out")
    from tinyworlds.checkpoints.titles import own_worlds

    shipped = shipped_worlds()
    found = [(name, "comes with TinyWorlds", path) for name, path in shipped.items()]
    found += [(path.stem, "your own", path) for path in own_worlds()]
    read = [(name, whose, path, _facts(path)) for name, whose, path in found]
    if json:
        from json import dumps

        told = [
            {"name": name, "whose": whose, "path": str(path)}
            | ({"error": facts} if isinstance(facts, str) else dict(facts.rows()))
            for name, whose, path, facts in read
        ]
        print(dumps(told))
        return 0
    for name, whose, path, facts in read:
        print("\n".join(_lines(name, whose, path, facts)))
    print("Play one: tinyworlds play NAME" if read else "There are none; make one: tinyworlds quickstart")
    return 0


def _facts(path: Path) -> WorldFacts | str:
    """What a file says, or why it cannot be read: one damaged file hides no other."""
    from tinyworlds.world.facts import WorldFacts

    try:
        return WorldFacts.of(path)
    except TinyWorldsError as error:
        return str(error)


def _lines(name: str, whose: str, path: Path, facts: WorldFacts | str) -> list[str]:
    if isinstance(facts, str):
        return [f"{name:<14} {whose}", f"  {facts}"]
    size = f"{facts.size} px, {facts.fps:g} fps, {facts.megabytes:.1f} MB"
    lines = [f"{name:<14} {whose:<22} {facts.game or 'unknown game':<14} {size}"]
    rows = {
        "keys": facts.key_text,
        "play test": facts.play_text,
        "art": str(facts.provenance.get("art") or ""),
    }
    rows["file"] = str(path)
    return lines + [f"  {label:<10} {value}" for label, value in rows.items() if value]


def _card(name: str, out: str | None) -> int:
    from tinyworlds.checkpoints.titles import named_world
    from tinyworlds.export.card import write_card

    path = Path(named_world(name, say=lambda line: None))
    if path.is_dir() or not path.is_file():
        hint = did_you_mean(name, shipped_worlds())
        raise ConfigError(f"--card takes a world file, and {path} is none: export it first.{hint}")
    written = write_card(path, Path(out or f"{path.stem}.md"))
    print("wrote " + ", ".join(map(str, written)))
    return 0
