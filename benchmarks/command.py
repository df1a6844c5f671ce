"""Comparisons as commands, ``python -m benchmarks.NAME``: options by signature, one line for bad input."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, NoReturn

from tinyworlds.system.exits import run_guarded
from tinyworlds.system.options import call


def run(function: Callable[..., Any], name: str) -> NoReturn:
    """Call `function` with the words of this process and end it; `name` is the module's in this folder."""
    sys.exit(run_guarded(lambda: call(function, sys.argv[1:], f"python -m benchmarks.{name}")))
