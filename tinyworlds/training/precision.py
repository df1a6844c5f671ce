"""Which precisions networks are trained in: 32 bits, or 16 for the operations that bear it."""

from __future__ import annotations

from typing import Any

from tinyworlds.errors import ConfigError

_SUPPORTED = ("32-true", "bf16-mixed", "16-mixed")
_ALIASES = ("32", "bf16", "16", "None")
_NEAREST = {
    "16-true": "16-mixed",
    "transformer-engine-float16": "16-mixed",
    "64": "32-true",
    "64-true": "32-true",
}


def check_precision(precision: Any) -> None:
    """Raise unless training works in a precision of Lightning's.

    True half precision rounds weights, whose updates then vanish, and codes, which come out wrong; double
    precision has no use here. Both would need pixels, losses and kernels of their own.

    Args:
        precision: the Trainer's argument, or what the Trainer made of it and of its plugins.

    Raises:
        ConfigError: says which one to take instead.
    """
    asked = str(precision)
    if asked not in (*_SUPPORTED, *_ALIASES):
        raise ConfigError(
            f"--trainer.precision {asked} is not supported; use {_NEAREST.get(asked, 'bf16-mixed')} "
            f"(there are {', '.join(_SUPPORTED)})"
        )
