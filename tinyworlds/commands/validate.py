"""``tinyworlds validate --config FILE.yaml``: measure a stage on its validation split."""

from __future__ import annotations

from tinyworlds.fit.run import run


def main(argv: list[str]) -> int:
    """Run ``tinyworlds validate``."""
    return run("validate", argv)
