"""``tinyworlds test --config FILE.yaml``: measure a stage on its test split."""

from __future__ import annotations

from tinyworlds.fit.run import run


def main(argv: list[str]) -> int:
    """Run ``tinyworlds test``."""
    return run("test", argv)
