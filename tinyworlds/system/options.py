"""Options of the small commands: `argparse` whose errors are one line of our own tree. Needs no torch."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any, NoReturn

from tinyworlds.errors import ConfigError, did_you_mean


class OptionParser(argparse.ArgumentParser):
    """Raises errors as a `ConfigError` that names the nearest option."""

    def __init__(self, prog: str, description: str) -> None:
        super().__init__(prog=prog, description=description, allow_abbrev=False)

    def error(self, message: str) -> NoReturn:
        """Raise instead of printing the usage and leaving."""
        known = [option for action in self._actions for option in action.option_strings]
        wrong = message.rpartition("unrecognized arguments: ")[2].split(" ")[0].split("=")[0]
        hint = did_you_mean(wrong, known) if "unrecognized" in message else ""
        raise ConfigError(f"{self.prog}: {message}.{hint} See {self.prog} --help")


def natural(text: str) -> int:
    """Convert an option that is a whole number from 0 on, such as a seed."""
    if not text.isdecimal() or int(text) >= 2**63:
        raise argparse.ArgumentTypeError(f"'{text}' is no whole number from 0 on")
    return int(text)


def positive(kind: type) -> Callable[[str], Any]:
    """Return a converter to `kind` (int or float) for an option that must be above 0 and finite."""

    def convert(text: str) -> Any:
        value = kind(text)
        if not 0 < value < float("inf"):
            raise argparse.ArgumentTypeError(f"'{text}' is not above 0")
        return value

    convert.__name__ = kind.__name__  # argparse quotes it in "invalid float value"
    return convert
