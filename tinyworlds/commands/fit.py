"""``tinyworlds fit --config FILE.yaml``: train one stage."""

from __future__ import annotations

from tinyworlds.fit.run import run


def main(argv: list[str]) -> int:
    """Run ``tinyworlds fit``."""
    return run("fit", argv)
