"""The ``tinyworlds`` command: looks at the first word and hands over. Light: no torch for ``--help``.

Every command is imported when it is called.
"""

from __future__ import annotations

import importlib
import signal
import sys
from collections.abc import Callable, Sequence

from tinyworlds import __version__
from tinyworlds.commands.completion import answer, asked_by_shell
from tinyworlds.errors import ConfigError, did_you_mean
from tinyworlds.system.exits import INTERRUPTED, run_guarded
from tinyworlds.system.help import examples_text
from tinyworlds.system.shell import word_at_home

GROUPS = {
    "play": {
        "quickstart": "record a real game, train a world of it, play it",
        "play": "play a world with the keyboard, or headless into a clip",
        "worlds": "list the worlds that come with it, and your own",
    },
    "gameplay to train on": {
        "record": "record a live game (any gymnasium id) with its true actions",
        "ingest": "turn gameplay videos into a gameplay file",
        "download": "fetch public data sets, weights or worlds",
        "inspect": "say what a gameplay file holds",
        "optimize": "rewrite a gameplay file so that it reads fast",
    },
    "a world of it": {
        "train": "train the stages of a game in order, in the time you have, resumable",
        "evaluate": "report on a world: what the keys do, numbers, plots, clips",
        "actions": "find out what each latent action does; propose and change the keys",
        "export": "put a trained run into one .world file",
        "runs": "runs and worlds side by side: settings, figures, learning curves",
    },
    "one stage, or the agent": {
        "fit": "train one stage: --config configs/zelda_tokenizer.yaml",
        "validate": "measure a stage on its validation split",
        "test": "measure a stage on its test split",
        "predict": "roll a world out from held-out clips: PNG, MP4, metrics",
        "episodes": "let agents play to the end: a video of each episode, and the scores",
        "convert": "translate checkpoints of any known format",
    },
    "this machine": {
        "bench": "measure this machine beside a plain reference: bench play train",
        "doctor": "check machine, data and runs: ok, or what to do",
        "completion": "complete commands, options and names with the Tab key in your shell",
    },
}
"""What each command does, in the order of the work."""
COMMANDS = {name: what for group in GROUPS.values() for name, what in group.items()}
"""All of them. A command's module here has its name; `main` in it takes the words after that name."""


def usage() -> str:
    """Return the help: every command with one line."""
    width = max(map(len, COMMANDS))
    lines = ["usage: tinyworlds COMMAND [OPTIONS]", "", "Gameplay video in, a playable neural world out."]
    for title, commands in GROUPS.items():
        lines += ["", f"{title}:", *(f"  {name:<{width}}  {what}" for name, what in commands.items())]
    lines += ["", "`tinyworlds help COMMAND` tells a command's options. To see a world at once:"]
    return "\n".join([*lines, "", examples_text(["tinyworlds play doom", "tinyworlds quickstart"])])


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code.

    Args:
        argv: the words after ``tinyworlds``; None takes those of the process.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    if words[:1] == ["help"] and words[1:]:
        words = [*words[1:], "--help"]
    if not words or words[0] in ("-h", "--help", "help"):
        return run_guarded(lambda: print(usage())) or (0 if words else ConfigError.exit_code)
    if words[0] in ("-V", "--version"):
        print(f"tinyworlds {__version__}")
        return 0
    return run_guarded(lambda: _command(words[0])([word_at_home(word) for word in words[1:]]))


def process_main() -> int:
    """Run the command of this process and return its exit code; what the installed ``tinyworlds`` calls.

    Ctrl-C in the last moments, after the command has said how it ended, ends the process without more words.
    """
    try:
        if asked_by_shell():
            answer(COMMANDS)
        return main()
    except KeyboardInterrupt:
        return INTERRUPTED
    finally:
        if signal.getsignal(signal.SIGINT) == signal.default_int_handler:  # as nohup leaves it, it stays
            signal.signal(signal.SIGINT, signal.SIG_DFL)  # Python's own way out would print a traceback


def _command(name: str) -> Callable[[list[str]], int]:
    if name not in COMMANDS:
        raise ConfigError(
            f"'{name}' is no command.{did_you_mean(name, COMMANDS)} `tinyworlds --help` lists all of them"
        )
    return importlib.import_module(f"tinyworlds.commands.{name}").main


if __name__ == "__main__":
    sys.exit(process_main())
