"""The ``tinyworlds`` command: looks at the first word and hands over. Light: no torch for ``--help``.

Every command is imported when it is called. Errors of our own tree are printed as one line; anything else
is a bug and keeps its traceback (errors of the user's making that libraries report otherwise are translated
below).
"""

from __future__ import annotations

import errno
import importlib
import os
import sys
from collections.abc import Callable, Sequence

from tinyworlds import __version__
from tinyworlds.errors import ConfigError, StorageError, TinyWorldsError, did_you_mean

INTERRUPTED, BROKEN_PIPE, TERMINATED = 130, 141, 143
"""Exit codes after Ctrl-C, when nobody reads what is printed, and after SIGTERM, as shells have them."""

# command: (module, function that takes the remaining words and returns an exit code, what it does)
COMMANDS: dict[str, tuple[str, str, str]] = {
    "quickstart": ("tinyworlds.commands", "quickstart", "record a real game, train a world of it, play it"),
    "record": (
        "tinyworlds.commands",
        "record",
        "record a live game (any gymnasium id) with its true actions",
    ),
    "ingest": ("tinyworlds.ingest.command", "main", "turn gameplay videos into a gameplay file"),
    "download": ("tinyworlds.hub.command", "main", "fetch public data sets, weights or worlds"),
    "inspect": ("tinyworlds.commands", "inspect", "say what a gameplay file holds"),
    "optimize": ("tinyworlds.data.optimize", "main", "rewrite a gameplay file so that it reads fast"),
    "fit": ("tinyworlds.lightning_cli", "fit", "train one stage: --config configs/zelda_tokenizer.yaml"),
    "validate": ("tinyworlds.lightning_cli", "validate", "measure a stage on its validation split"),
    "test": ("tinyworlds.lightning_cli", "test", "measure a stage on its test split"),
    "predict": (
        "tinyworlds.lightning_cli",
        "predict",
        "roll a world out from held-out clips: PNG, MP4, metrics",
    ),
    "train": ("tinyworlds.pipeline", "main", "train the three stages of a game in order, resumable"),
    "evaluate": ("tinyworlds.evaluate_command", "main", "report on a world: numbers, plots, clips"),
    "export": ("tinyworlds.commands", "export", "put a trained run into one .world file"),
    "actions": (
        "tinyworlds.actions.command",
        "main",
        "find out what each latent action does; propose and change the keys",
    ),
    "convert": ("tinyworlds.convert", "main", "translate checkpoints of any known format"),
    "play": ("tinyworlds.play.cli", "main", "play a world with the keyboard, or headless into a clip"),
    "bench": ("tinyworlds.bench", "main", "measure this machine beside a plain reference: bench play train"),
    "doctor": ("tinyworlds.doctor.command", "main", "check machine, data and runs: ok, or what to do"),
}


def usage() -> str:
    """Return the help: every command with one line."""
    width = max(map(len, COMMANDS))
    lines = [f"  {name:<{width}}  {what}" for name, (_, _, what) in COMMANDS.items()]
    return "\n".join(
        [
            "usage: tinyworlds COMMAND [OPTIONS]",
            "",
            "Gameplay video in, a playable neural world out.",
            "",
            *lines,
            "",
            "tinyworlds COMMAND --help tells a command's options.",
        ]
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code.

    Args:
        argv: the words after ``tinyworlds``; None takes those of the process.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    if not words or words[0] in ("-h", "--help", "help"):
        return run_guarded(lambda: print(usage())) or (0 if words else ConfigError.exit_code)
    if words[0] in ("-V", "--version"):
        print(f"tinyworlds {__version__}")
        return 0
    return run_guarded(lambda: _command(words[0])(words[1:]))


def _command(name: str) -> Callable[[list[str]], int]:
    if name not in COMMANDS:
        raise ConfigError(
            f"'{name}' is no command.{did_you_mean(name, COMMANDS)} `tinyworlds --help` lists all of them"
        )
    module, function, _ = COMMANDS[name]
    return getattr(importlib.import_module(module), function)


def run_guarded(action: Callable[[], int | None]) -> int:
    """Call `action`; print an error of the user's making as one line and return the exit code."""
    try:
        code = action() or 0
        sys.stdout.flush()
        return code
    except TinyWorldsError as error:
        return _report(error)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:  # whoever read what we print has left, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # else Python complains at its end
        return BROKEN_PIPE
    except OSError as error:
        if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM) and error.filename:
            remedy = "see who may read and write there, or choose another folder"
            return _report(StorageError(f"{error.filename}: {error.strerror}; {remedy}"))
        if error.errno != errno.ENOSPC:
            raise
        where = f" {error.filename}" if error.filename else ""
        return _report(
            StorageError(f"the disk is full while writing{where}; free some space and run this again")
        )


def _report(error: TinyWorldsError) -> int:
    print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
    return error.exit_code


if __name__ == "__main__":
    sys.exit(main())
