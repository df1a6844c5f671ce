"""Runs the Python of a page of the documentation, all blocks in one namespace, as the cells of a notebook."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium
from doc_benches import frames
from doc_pages import blocks

from tinyworlds.envs import register_worlds

FRAGMENTS = {
    "load_my_network": "an agent of the reader's own, on recording.md",
    'if __name__ == "__main__"': "the end of a script of the reader's own, on platforms.md",
}
"""Words of a block that is no whole program, and what it is."""

_GIVEN: dict[str, Callable[[], dict[str, Any]]] = {
    "data": lambda: {"pictures": frames()[:40]},
    "environments": lambda: {"frames": frames()[:4], "truth": frames()[:12], "actions": [0] * 11},
}
"""What the text of a page supposes the reader to have, by name."""


def programs(page: Path) -> list[str]:
    """The blocks that are run."""
    found = blocks(page, "python")
    return [text for text in found if not any(words in text for words in FRAGMENTS)]


def run_programs(page: Path) -> None:
    """Run the programs of a page in their order, in the current folder.

    Raises:
        Exception: whatever a program raises.
    """
    known: dict[str, Any] = {"__name__": "page", **_GIVEN.get(page.stem, dict)()}
    before = dict(gymnasium.registry)
    register_worlds()  # as the first import does, in a process of the reader's
    try:
        for text in programs(page):
            exec(compile(text.replace('device="cuda"', 'device="cpu"'), page.name, "exec"), known)
    finally:
        gymnasium.registry.clear()
        gymnasium.registry.update(before)
