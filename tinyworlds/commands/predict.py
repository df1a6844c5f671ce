"""``tinyworlds predict --config FILE.yaml``: roll a world out from held-out clips.

Of a tokenizer or latent actions, their codes are shown instead.
"""

from __future__ import annotations

from tinyworlds.fit.run import run


def main(argv: list[str]) -> int:
    """Run ``tinyworlds predict``."""
    return run("predict", argv)
