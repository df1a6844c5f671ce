"""``tinyworlds completion SHELL``: the Tab key completes commands, options, choices, worlds and files.

The shell calls ``tinyworlds`` with what stands on the line; argcomplete answers. No command's work is
imported for that, so an answer takes some tenths of a second.
"""

from __future__ import annotations

import argparse
import importlib
import os
from collections.abc import Iterator, Mapping
from importlib.resources import files
from typing import Any, Literal

from tinyworlds.fit.known_settings import listed_settings
from tinyworlds.system.options import call, parser_of

Shell = Literal["bash", "zsh", "fish", "powershell"]

_OF_SETTINGS = ("fit", "validate", "test", "predict")
"""Commands whose options are those of Lightning and the networks: too slow to ask for."""
_HOW = {
    "bash": "tinyworlds completion bash >> ~/.bashrc",
    "zsh": "tinyworlds completion zsh >> ~/.zshrc",
    "fish": "tinyworlds completion fish > ~/.config/fish/completions/tinyworlds.fish",
    "powershell": "tinyworlds completion powershell >> $PROFILE",
}
_WORLDS = ("world", "paths", "path", "card")
_GAMES = ("game", "env_id", "task", "real")


def main(argv: list[str]) -> int:
    """Run ``tinyworlds completion``."""
    return call(completion, argv, "tinyworlds completion", examples=(_HOW["bash"], _HOW["fish"]))


def completion(shell: Shell) -> int:
    """Print what makes the Tab key complete commands, options, choices, names of worlds and files.

    Put it where your shell begins: see the examples. It holds from the next shell on.

    Args:
        shell: bash, zsh, fish or powershell.
    """
    import argcomplete

    kind = "bash" if shell == "zsh" else shell  # one text knows both
    print(argcomplete.shellcode(["tinyworlds"], shell=kind))
    return 0


def asked_by_shell() -> bool:
    """Whether a shell asks what may stand on its line."""
    return "_ARGCOMPLETE" in os.environ


def answer(commands: Mapping[str, str]) -> None:
    """Tell the shell what may stand where the cursor is, and end the process."""
    import argcomplete

    words = os.environ.get("COMP_LINE", "").split()
    argcomplete.autocomplete(
        _all_commands(commands, words[1] if len(words) > 1 else ""), always_complete_options=False
    )


def _all_commands(known: Mapping[str, str], typed: str) -> argparse.ArgumentParser:
    """A parser of all commands; that which is typed has its options."""
    root = argparse.ArgumentParser("tinyworlds")
    commands = root.add_subparsers()
    for name, what in known.items():
        parser: Any = commands.add_parser(name, help=what)
        if name == typed:
            full = parser if name in _OF_SETTINGS else _own(name)
            if name in (*_OF_SETTINGS, "train"):
                _add_settings(full)
            commands.choices[name] = _with_completers(full)
    helped = commands.add_parser("help", help="tell a command's options")
    helped.add_argument("command", choices=known)
    return root


def _own(name: str) -> argparse.ArgumentParser:
    return parser_of(importlib.import_module(f"tinyworlds.commands.{name}").main)


def _add_settings(parser: argparse.ArgumentParser) -> None:
    known = {option for action in parser._actions for option in action.option_strings}
    for name in listed_settings():
        if f"--{name}" not in known:
            parser.add_argument(f"--{name}")


def _with_completers(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    for action in parser._actions:
        if action.dest in _WORLDS:
            action.completer = _worlds  # type: ignore[attr-defined]
        elif action.dest in _GAMES:
            action.completer = _games  # type: ignore[attr-defined]
        elif action.dest == "config":
            action.completer = _configs  # type: ignore[attr-defined]
    return parser


def _worlds(prefix: str, **of_argcomplete: Any) -> Iterator[str]:
    from tinyworlds.checkpoints.titles import all_worlds

    yield from (name for name in all_worlds() if name.startswith(prefix))
    yield from _files(prefix)


def _games(prefix: str, **of_argcomplete: Any) -> Iterator[str]:
    from games.registry import titles

    yield from (name for name in titles() if name.startswith(prefix))


def _configs(prefix: str, **of_argcomplete: Any) -> Iterator[str]:
    shipped = sorted(file.name for file in files("configs").iterdir() if file.name.endswith(".yaml"))
    yield from (name for name in (f"configs/{one}" for one in shipped) if name.startswith(prefix))
    yield from _files(prefix)


def _files(prefix: str) -> Iterator[str]:
    from argcomplete.completers import FilesCompleter

    yield from FilesCompleter()(prefix)
