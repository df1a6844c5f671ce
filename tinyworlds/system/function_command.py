"""Commands that are one function: their options are the function's parameters, their help its docstring."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from inspect import signature
from typing import Any, NoReturn

from jsonargparse import ArgumentParser

from tinyworlds.errors import ConfigError
from tinyworlds.system.parser_messages import one_line


class CommandParser(ArgumentParser):
    """Raises a ConfigError of one line."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, allow_abbrev=False, **kwargs)

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        """Say what is wrong in one line."""
        known = [
            option[2:] for action in self._actions for option in action.option_strings if len(option) > 2
        ]
        raise ConfigError(f"{self.prog}: {one_line(message, known)}") from None


def call(function: Callable[..., Any], argv: list[str], name: str, program: str = "tinyworlds") -> Any:
    """Call `function` with the arguments in `argv`: required ones by position, the others as options."""
    parser = CommandParser(prog=f"{program} {name}", description=(function.__doc__ or "").split("\n\n")[0])
    parser.add_function_arguments(function, as_positional=True, fail_untyped=False)
    config = parser.parse_args(plain_words(argv, function))
    return function(**config.as_dict())


def plain_words(argv: list[str], function: Callable[..., Any]) -> list[str]:
    """Return `argv` as the parser wants it, from what people type.

    ``--num-clips`` for ``--num_clips``; ``--fresh`` and ``--no-play`` for ``--fresh=true`` and
    ``--play=false``; ``--actions left right`` for ``--actions=["left", "right"]``.
    """
    parameters = signature(function).parameters
    switches = {name for name, p in parameters.items() if isinstance(p.default, bool)}
    series = {name for name, p in parameters.items() if re.search(r"\b(list|tuple)\[", str(p.annotation))}
    words, rest = [], list(argv)
    while rest:
        option, equals, value = rest.pop(0).partition("=")
        if not option.startswith("--"):
            words.append(option + equals + value)
            continue
        name = option[2:].replace("-", "_")
        followed = bool(rest) and not rest[0].startswith("--")
        if name in switches and not equals and not (followed and rest[0] in ("true", "false")):
            words.append(f"--{name}=true")
        elif name.startswith("no_") and name[3:] in switches:
            words.append(f"--{name[3:]}=false")
        elif name in series and not equals and followed and not rest[0].startswith("["):
            found = []
            while rest and not rest[0].startswith("--"):
                found.append(rest.pop(0))
            words.append(f"--{name}={json.dumps(found)}")
        else:
            words.append(f"--{name}{equals}{value}")
    return words
