"""Python code of the user's own that is named on the command line: environments, agents, stages, networks.

Code is imported when the user names it. Files name code, too (a checkpoint its network); whoever sends a file
chose that name, so :func:`is_users_own` tells whether the user has run that very code here, or asks for it.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import re
import sys
import traceback
from pathlib import Path
from types import ModuleType
from typing import Any

from tinyworlds.errors import did_you_mean
from tinyworlds.system.known_paths import is_known, remember

ASKED_FOR = "TINYWORLDS_IMPORT"
"""Variable of the environment that names modules, by commas, whose code is run when a file asks for it."""

_LENGTH = 300  # of what is quoted of somebody else's message
_DOTTED = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)+")


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
        if _is_another(name, path):
            raise ImportError(_taken(name, path))
    elif not all(part.isidentifier() for part in name.split(".")):
        raise ImportError(f"'{place}' is no name of a module")
    first = name.split(".")[0]
    here = _source_in(folder, first)
    if (here is not None or (folder / first).is_dir()) and not _is_another(first, here):
        look_first_in(folder)
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name and error.name != first:
            raise ImportError(
                f"it needs the module '{error.name}', which is not installed{_place(error)}"
            ) from error
        near = did_you_mean(first, (path.stem for path in folder.glob("*.py")))
        raise ImportError(
            f"no module '{error.name}' is installed, and none lies in {_shown(folder)}.{near}".rstrip("."),
            name=error.name,
        ) from error
    except (Exception, SystemExit) as error:
        raise ImportError(in_one_line(error)) from error


def is_class_path(text: str) -> bool:
    """Whether a text can name a class in a module: ``my_actions.SmoothActions``."""
    return _DOTTED.fullmatch(text) is not None


def import_object(path: str, kind: type = object) -> Any:
    """Return what a dotted path names, such as a class; its module is imported as by :func:`import_named`.

    Args:
        path: ``module.Name``.
        kind: what a class is meant to be; those of the module that are one are proposed for a name that is
            not in it.

    Raises:
        ImportError: there is no such module, it cannot be imported, or has nothing of that name; one line.
    """
    place, _, name = path.rpartition(".")
    module = import_named(place)
    try:
        return getattr(module, name)
    except AttributeError:
        pass
    own = [key for key, value in vars(module).items() if isinstance(value, type) and issubclass(value, kind)]
    own = [key for key in own if vars(module)[key].__module__ == module.__name__] or own
    first = place.split(".")[0]
    if not own and _is_another(first, here := _source_in(Path.cwd(), first)):
        raise ImportError(_taken(first, here))
    file = os.path.basename(getattr(module, "__file__", None) or place)
    holds = f" It holds {', '.join(own[:6])}." if own else ""
    raise ImportError(f"{file} has no '{name}'.{did_you_mean(name, own) or holds}")


def remember_code(kind: type) -> None:
    """Note that the user has named this class: its module may be imported when a file names it."""
    source = source_of(kind.__module__)
    if source is not None and not _is_known(str(source)):  # not all of a package that was installed
        remember([str(source)])


def is_users_own(module: str) -> bool:
    """Whether code of this module may be run because a file names it; nothing is imported to find out.

    It may if the module is in use already, if the user has named it here before, or names it now with the
    variable :data:`ASKED_FOR`.
    """
    asked = [name.strip() for name in os.environ.get(ASKED_FOR, "").split(",")]
    named = bool({module, module.split(".")[0]} & {*asked})
    return named or module in sys.modules or is_known_code(module)


def is_known_code(module: str) -> bool:
    """Whether the user has named a class of this module here before: of the same file, that is."""
    source = source_of(module)
    return source is not None and is_known(str(source))


def source_of(module: str) -> Path | None:
    """Return the file that the first part of a module's name comes from, the current folder first."""
    first = module.split(".")[0]
    if not first.isidentifier():
        return None
    if (here := _source_in(Path.cwd(), first)) is not None:
        return here
    try:
        found = importlib.util.find_spec(first)  # of a first part: imports nothing
    except (ImportError, ValueError, AttributeError):
        return None
    return Path(found.origin) if found is not None and found.origin is not None else None


def look_first_in(folder: Path) -> None:
    """Put a folder before all others that modules are imported from, unless it is among them."""
    if not any(Path(known).resolve() == folder.resolve() for known in sys.path):
        sys.path.insert(0, str(folder))
        importlib.invalidate_caches()


def in_one_line(error: BaseException) -> str:
    """Return what code that is not ours raised, and where: ``ValueError: no level 9 (env.py, line 12)``."""
    said = " ".join("".join(sign if sign.isprintable() else " " for sign in str(error)).split())
    told = type(error).__name__ + (f": {said[:_LENGTH]}" if said else "")
    return told if isinstance(error, SyntaxError) else told + _place(error)  # which names the place itself


def _place(error: BaseException) -> str:
    """Where in the user's code it was raised, in brackets; empty where it was nowhere in it."""
    places = [frame for frame in traceback.extract_tb(error.__traceback__) if not _is_known(frame.filename)]
    return f" ({os.path.basename(places[-1].filename)}, line {places[-1].lineno})" if places else ""


def _source_in(folder: Path, first: str) -> Path | None:
    """The file or the package in a folder that is imported under a name; None where there is none."""
    if (folder / first / "__init__.py").is_file():  # before a file of that name, as Python does
        return (folder / first / "__init__.py").resolve()
    file = folder / f"{first}.py"
    return file.resolve() if file.is_file() else None


def _is_another(name: str, source: Path | None) -> bool:
    """Whether the module of this name that is in use comes from elsewhere than `source`."""
    loaded = getattr(sys.modules.get(name), "__file__", None)
    return source is not None and loaded is not None and Path(loaded).resolve() != source


def _taken(name: str, source: Path | None) -> str:
    which = f"{source.name}" if source is not None else "the file"
    return f"another module is called '{name}' ({sys.modules[name].__file__}); rename {which}"


def _is_known(file: str) -> bool:
    """Whether a file is Python's, an installed package's or this project's: nothing for the user to mend."""
    ours, standard = str(Path(__file__).resolve().parents[1]), os.path.dirname(os.__file__)
    return file.startswith((ours, standard, "<frozen")) or "site-packages" in file


def _shown(folder: Path) -> str:
    return "this folder" if folder == Path.cwd() else str(folder)
