"""The option parser of every command: `argparse` whose complaints are one line and name the nearest option.

A command is a function (`call`): its parameters are its options, its docstring is its help. Options that are
no plain function, as those of ``play``, are added to an `OptionParser` one by one; ``fit`` mixes it into
Lightning's parser. Only `call` needs a package, so that ``doctor`` runs where packages are missing.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from inspect import Parameter, signature
from itertools import chain
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, NoReturn, TypeVar, Union, get_args, get_origin, get_type_hints

from tinyworlds.errors import ConfigError, did_you_mean
from tinyworlds.system.dialect import as_spelt_here
from tinyworlds.system.help import HelpFormatter, examples_text, usage_of

_ActionT = TypeVar("_ActionT", bound=argparse.Action)

_ALSO = {"--out": "--output", "--output": "--out", "--overwrite": "--force"}
"""Other words that people type, and commands once had, for the same thing."""


class _StoreAloud(argparse.Action):
    """Stores the last value of an option, and says so when another one was given before."""

    given: Any = None

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        if option_string is not None:
            if self.given is not None and self.nargs in ("+", "*"):  # a list grows: --data a --data b
                values = [*self.given, *values]
            elif self.given not in (None, values):
                print(f"{option_string} is given twice: {values} counts, not {self.given}", file=sys.stderr)
            self.given = values
        setattr(namespace, self.dest, values)


class _Built(Exception):
    """Carries the parser of a command to who asked for it."""


_hands_over = False


def parser_of(main: Callable[[list[str]], Any]) -> OptionParser:
    """Return the parser of a command, which its `main` makes and would parse its words with."""
    global _hands_over
    _hands_over = True
    try:
        main(["x"])
    except _Built as built:
        return built.args[0]
    finally:
        _hands_over = False
    raise TypeError(f"{main} parses nothing")


class OptionParser(argparse.ArgumentParser):
    """Raises errors as a `ConfigError` of one line; takes ``--num-clips`` for ``--num_clips``.

    Args:
        examples: lines at the end of the help, as they are typed.
    """

    stores_aloud = True

    def __init__(self, *args: Any, examples: Sequence[str] = (), **kwargs: Any) -> None:
        if examples:
            kwargs["formatter_class"] = HelpFormatter
            kwargs["epilog"] = "\n\n".join(filter(None, [kwargs.get("epilog"), examples_text(examples)]))
        super().__init__(*args, **{**kwargs, "allow_abbrev": False})
        if self.stores_aloud:
            self._positionals.title = "arguments"
            for name in (None, "store"):
                self.register("action", name, _StoreAloud)

    def parse_known_args(self, args: Any = None, namespace: Any = None, **more: Any) -> Any:
        """Parse, unless `parser_of` asks for the parser."""
        if _hands_over:
            raise _Built(self)
        if self.stores_aloud:
            args = as_spelt_here(sys.argv[1:] if args is None else args, self._option_string_actions)
        return super().parse_known_args(args, namespace, **more)

    def format_usage(self) -> str:
        """Return the line of usage, which leaves the options to the sections of the help."""
        if self.usage is None:
            self.usage = usage_of(self.prog, self._actions)
        return super().format_usage()

    def format_help(self, *formatter: Any) -> str:
        """Return the help, with that line first."""
        self.format_usage()
        return super().format_help(*formatter)

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        """Raise instead of printing the usage and leaving."""
        raise ConfigError(self.explain(message)) from None

    def explain(self, message: str) -> str:
        """Return what the parser says as a line that a person can act on."""
        hint = ""
        if left_over := re.match(r"unrecognized arguments: ([^-].*)", message):
            message = f"'{left_over[1]}' is left over; a pattern or a name with spaces stands in quotes"
        elif unknown := re.match(r"unrecognized arguments: ([^ =]+)", message):
            shown = [action.option_strings for action in self._actions if action.help != argparse.SUPPRESS]
            message, hint = f"{unknown[1]} is no option", did_you_mean(unknown[1], chain(*shown))
        elif switch := re.match(r"argument (.*): ignored explicit argument ('.*')", message):
            message = f"{switch[1]} takes true or false, not {switch[2]}"
        elif choice := re.search(r"invalid choice: '(.*?)' \(choose from (.*)\)", message):
            hint = did_you_mean(choice[1], re.findall(r"[^ ,']+", choice[2]))
        return f"{self.prog}: {message}.{hint} See {self.prog} --help"

    def _add_action(self, action: _ActionT) -> _ActionT:
        super()._add_action(action)
        dashed = {option.replace("_", "-"): action for option in action.option_strings}
        self._option_string_actions.update(dashed)
        if self.stores_aloud:
            also = {_ALSO[option]: action for option in action.option_strings if option in _ALSO}
            self._option_string_actions.update(also)
        return action


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


Positive = Annotated[int, positive(int)]
PositiveFloat = Annotated[float, positive(float)]


def call(
    function: Callable[..., Any],
    argv: Sequence[str],
    prog: str,
    by_position: str | None = None,
    sections: Mapping[str, Sequence[str]] | None = None,
    examples: Sequence[str] = (),
) -> Any:
    """Call `function` with the arguments in `argv`.

    Args:
        function: parameters with a default are options; others are given by position or, where they are
            keyword-only, as options that must be there. A type `Annotated` with a converter uses that.
        argv: the words after `prog`.
        prog: the command, as it is typed.
        by_position: an option that may be given by position, too.
        sections: title to names of options that stand together in the help; the others come first.
        examples: lines at the end of the help.
    """
    from docstring_parser import parse

    doc = parse(function.__doc__ or "")
    about = " ".join(filter(None, (doc.short_description, doc.long_description)))
    told = {p.arg_name: (p.description or "").removesuffix(".").replace("%", "%%") for p in doc.params}
    parser = OptionParser(prog, description=about, examples=examples)
    groups = {
        name: group
        for title, names in (sections or {}).items()
        for group in [parser.add_argument_group(title)]
        for name in names
    }
    hints = {key: _not_none(hint) for key, hint in get_type_hints(function, include_extras=True).items()}
    for key, parameter in signature(function).parameters.items():
        _add(groups.get(key, parser), parameter, hints[key], told.get(key, ""), key == by_position)
    values = vars(parser.parse_intermixed_args(argv))
    tuples = {key: tuple(value) for key, value in values.items() if value and get_origin(hints[key]) is tuple}
    return function(**values | tuples)


def _not_none(hint: Any) -> Any:
    kinds = [kind for kind in get_args(hint) if kind is not NoneType]
    return kinds[0] if get_origin(hint) in (Union, UnionType) else hint


def _add(
    parser: argparse._ActionsContainer, parameter: Parameter, hint: Any, told: str, by_position: bool
) -> None:
    """Add a parameter of a function as an option, a switch or an argument without a name."""
    name, default = parameter.name, parameter.default
    required = default is Parameter.empty
    if hint is bool:
        told += " (default)" * default
        parser.add_argument(f"--{name}", action="store_true", default=default, help=told)
        opposite = f"do not {name.replace('_', ' ')}" if default else argparse.SUPPRESS
        parser.add_argument(f"--no_{name}", action="store_false", dest=name, help=opposite)
        return
    settings = _settings(hint)
    if settings.get("nargs") == "+":
        settings["metavar"] = name.removesuffix("s").upper()
    elif "choices" not in settings:
        settings["metavar"] = name.upper()
    if not required and default is not None and "default" not in told:
        told += " (default: %(default)s)"
    if required and parameter.kind is not Parameter.KEYWORD_ONLY:
        parser.add_argument(name, help=told, **settings)
        return
    if by_position:
        several = "*" if "nargs" in settings else "?"
        parser.add_argument(name, help=told, default=argparse.SUPPRESS, **settings | {"nargs": several})
        told = argparse.SUPPRESS
    settings["default"] = None if required else default
    parser.add_argument(f"--{name}", required=required, help=told, **settings)


def _settings(hint: Any) -> dict[str, Any]:
    """Return what `add_argument` must know of a type."""
    origin, inner = get_origin(hint), get_args(hint)
    if origin is Literal:
        return {"choices": inner}
    if origin is list:
        return {"type": inner[0], "nargs": "+", "action": "extend"}
    if origin is tuple:
        return {"type": inner[0], "nargs": len(inner)}
    return {"type": inner[1] if origin is Annotated else hint}
