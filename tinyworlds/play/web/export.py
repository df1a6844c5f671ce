"""Worlds, wherever they lie, to a page that plays them (`tinyworlds export WORLD ... --web FOLDER`)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tinyworlds.checkpoints.packing import Weights
from tinyworlds.checkpoints.titles import named_world
from tinyworlds.export.loading import open_world
from tinyworlds.export.small import small_world
from tinyworlds.play.web.facts import WebWorld, check_plays, web_world
from tinyworlds.play.web.site import RESERVED, write_site
from tinyworlds.system.files import check_writable
from tinyworlds.world.core import WorldCore
from tinyworlds.world.sureness import note_sureness


def export_page(
    sources: Sequence[str], folder: Path, weights: Weights, num_clips: int, settings: Mapping[str, Any]
) -> Iterator[str]:
    """Write the page, and say what was written.

    Args:
        sources: files, runs and names of worlds.
        folder: of the page.
        weights: how they are packed.
        num_clips: most clips that each starts from.
        settings: arguments of the worlds that replace the stored ones.

    Raises:
        TinyWorldsError: a world is not there, is damaged, or cannot be played in a page; or nothing can be
            written.
    """
    found = [Path(named_world(source, say=lambda line: None)) for source in sources]
    opened = [_opened(path, num_clips, settings) for path in found]
    check_writable(folder / "index.html")
    worlds: list[WebWorld] = []
    for source, path, world in zip(sources, found, opened, strict=True):
        packed, _ = small_world(world, weights, None)
        name = _folder_name(path, {world.name for world in worlds})
        worlds.append(web_world(packed, name, weights))
        cost = packed.info.provenance["packing"]
        yield (
            f"{source}: {len(worlds[-1].data) / 1e6:.1f} MB, its weights as {weights} "
            f"({100 * cost['equal_codes']:.1f} % of the next codes as before, "
            f"the tokenizer loses {cost['psnr_lost']:.2f} dB)"
        )
    size = write_site(folder, worlds)
    yield f"wrote {folder}: {size / 1e6:.1f} MB in all"
    yield f"look at it: python -m http.server --directory {folder} 8000, then http://localhost:8000"


def _opened(path: Path, num_clips: int, settings: Mapping[str, Any]) -> WorldCore:
    world = open_world(path, **settings)
    check_plays(world, str(path))
    world.start_clips = world.start_clips.spread(num_clips)
    if world.usual_sureness is None:
        note_sureness(world)
    return world


def _folder_name(source: Path, taken: set[str]) -> str:
    """A name for addresses that no other world of the page has."""
    base = re.sub(r"[^a-z0-9_-]+", "-", source.stem.lower()).strip("-") or "world"
    names = (base if number == 1 else f"{base}-{number}" for number in range(1, len(taken) + 3))
    return next(name for name in names if name not in taken | RESERVED)
