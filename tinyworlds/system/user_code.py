"""Python code of the user's own that is named on the command line: environments, agents."""

from __future__ import annotations

import importlib
import os
import sys
import traceback
from pathlib import Path
from types import ModuleType

_LENGTH = 300  # of what is quoted of somebody else's message


def import_named(place: str) -> ModuleType:
    """Import a module by its dotted name or its file (``my_env.py``); the current folder is looked at first.

    So does ``python -m``, while a console script has no current folder on `sys.path`. The folder stays there:
    environments import more from it when they are made, and spawned processes take the path over.

    Raises:
        ImportError: there is no such module, or it cannot be imported; one line that says why.
    """
    folder, name = Path.cwd(), place
    if place.endswith(".py"):
        path = Path(place).expanduser().resolve()
        if not path.is_file():
            raise ImportError(f"there is no file '{place}'")
        folder, name = path.parent, path.stem
        loaded = getattr(sys.modules.get(name), "__file__", None)
        if loaded is not None and Path(loaded).resolve() != path:
            raise ImportError(f"another module is called '{name}' ({loaded}); rename the file")
    elif not all(part.isidentifier() for part in name.split(".")):
        raise ImportError(f"'{place}' is no name of a module")
    first = name.split(".")[0]
    if (folder / f"{first}.py").is_file() or (folder / first).is_dir():
        look_first_in(folder)
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name and error.name != first:
            raise ImportError(f"it needs the module '{error.name}', which is not installed") from error
        raise ImportError(
            f"no module '{error.name}' is installed, and none lies in {_shown(folder)}", name=error.name
        ) from error
    except (Exception, SystemExit) as error:
        raise ImportError(in_one_line(error)) from error


def look_first_in(folder: Path) -> None:
    """Put a folder before all others that modules are imported from, unless it is among them."""
    if not any(Path(known).resolve() == folder.resolve() for known in sys.path):
        sys.path.insert(0, str(folder))
        importlib.invalidate_caches()


def in_one_line(error: BaseException) -> str:
    """Return what code that is not ours raised, and where: ``ValueError: no level 9 (env.py, line 12)``."""
    said = " ".join("".join(sign if sign.isprintable() else " " for sign in str(error)).split())
    told = type(error).__name__ + (f": {said[:_LENGTH]}" if said else "")
    places = [frame for frame in traceback.extract_tb(error.__traceback__) if not _is_known(frame.filename)]
    if not places or isinstance(error, SyntaxError):  # which names the place itself
        return told
    return f"{told} ({os.path.basename(places[-1].filename)}, line {places[-1].lineno})"


def _is_known(file: str) -> bool:
    """Whether a file is Python's, an installed package's or this project's: nothing for the user to mend."""
    ours, standard = str(Path(__file__).resolve().parents[1]), os.path.dirname(os.__file__)
    return file.startswith((ours, standard, "<frozen")) or "site-packages" in file


def _shown(folder: Path) -> str:
    return "this folder" if folder == Path.cwd() else str(folder)
