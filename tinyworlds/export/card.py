"""The card of a world: a page about it, made from its file alone, so that its figures are the file's."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from tinyworlds.export.loading import open_world
from tinyworlds.system.files import replacing
from tinyworlds.system.text import literal
from tinyworlds.world.core import WorldCore
from tinyworlds.world.facts import WorldFacts

_SHOWN = (1, 4, 8, 16, 32, 64)
_SCALE = 2


def write_card(world_file: Path, out: Path) -> list[Path]:
    """Write the page and its picture; return both.

    Args:
        world_file: the world.
        out: the page, Markdown; the picture lies beside it as ``NAME.png``.

    Raises:
        CheckpointError: the file is no world, or damaged.
        StorageError: `out` cannot be written.
    """
    facts, world = WorldFacts.of(world_file), open_world(world_file)
    picture = out.with_suffix(".png")
    out.parent.mkdir(parents=True, exist_ok=True)
    _write(picture, cv2.imencode(".png", held_keys(world)[..., ::-1])[1].tobytes())
    _write(out, card_text(facts, picture.name, world.action_names).encode())
    return [out, picture]


def card_text(facts: WorldFacts, picture: str, names: tuple[str, ...] | list[str]) -> str:
    """Return the page."""
    name = facts.path.stem
    rows = [(label, value) for label, value in facts.rows() if label != "file"]
    table = [f"| {literal(label)} | {literal(value)} |" for label, value in rows]
    frames = ", ".join(map(str, _SHOWN))
    return "\n".join(
        [
            f"# {literal(name)}",
            "",
            f"`tinyworlds play {name}`. This page is made from the world's file: "
            f"`tinyworlds worlds --card {name} --out docs/worlds/{name}.md`.",
            "",
            "| | |",
            "|---|---|",
            f"| size of the file | {facts.megabytes:.1f} MB |",
            *table,
            "",
            f"![each key held]({picture})",
            "",
            f"*Each key held from the same true frame (left), at frames {frames}; from top to bottom: "
            f"{literal(', '.join(names))}.*",
            "",
        ]
    )


def held_keys(world: WorldCore) -> np.ndarray:
    """Return a picture, uint8 [H,W,3]: a row for each action held from the same start, which comes first."""
    rows = []
    for action in range(world.num_actions):
        start = world.reset(seed=0)
        dream = [world.step(action) for _ in range(_SHOWN[-1])]
        rows.append(np.concatenate([start, *(dream[i - 1] for i in _SHOWN)], axis=1))
    return np.repeat(np.repeat(np.concatenate(rows), _SCALE, 0), _SCALE, 1)


def _write(path: Path, content: bytes) -> None:
    with replacing(path) as temporary:
        temporary.write_bytes(content)
