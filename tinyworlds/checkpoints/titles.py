"""Which world a person means who names a file, a run folder, a title, or one that comes with the package."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from tinyworlds.checkpoints.run_folder import default_run, has_checkpoint
from tinyworlds.errors import MissingFileError, did_you_mean
from tinyworlds.models.registry import STAGES
from tinyworlds.shipped import shipped_worlds
from tinyworlds.system.shell import shown_command

if TYPE_CHECKING:
    from games.spec import GameSpec

Say = Callable[[str], None]


def named_world(named: str, say: Say = print) -> str | Path:
    """Return where the world lies that is named.

    A path is what it says. A name is looked for in this folder (``NAME.world``), in ``worlds/``, in the run
    folder of that name, and then among the worlds that come with the package.

    Args:
        named: a path or a name.
        say: called with one line that says which one was taken, where a name was given.

    Raises:
        MissingFileError: there is none.
    """
    from games.registry import titles

    path = Path(named)
    if path.exists() or path.suffix == ".world" or path.name != named:
        return _existing(path, named)
    if (found := _own_world(named) or shipped_worlds().get(named)) is not None:
        say(f"{named}: {_whose(found, named)}")
        return found
    if named in titles():
        raise _not_trained(named)
    raise _unknown(named)


def newest_world(spec: GameSpec, say: Say = print) -> Path:
    """Return the world of a title: one's own, or the one that comes with the package; see `named_world`.

    Raises:
        MissingFileError: there is none; the message says how to get one.
    """
    found = _own_world(spec.name) or shipped_worlds().get(spec.name)
    if found is None:
        raise _not_trained(spec.name)
    say(f"{spec.name}: {_whose(found, spec.name)}")
    return found


def only_world(say: Say = print) -> Path:
    """Return the world that lies in the usual places, where there is exactly one.

    Raises:
        MissingFileError: there is none, or there are several; the message lists those that can be played.
    """
    found, shipped = own_worlds(), ", ".join(shipped_worlds())
    if len(found) == 1:
        say(f"playing your own world {found[0]}")
        return found[0]
    if found:
        names = ", ".join(map(str, found[:6])) + (", ..." if len(found) > 6 else "")
        raise MissingFileError(f"which world? Name one of {names}, or one that comes along: {shipped}")
    first = next(iter(shipped_worlds()), "NAME")
    raise MissingFileError(
        f"there is no world here; play one that comes along ({shipped}) with `{shown_command('play', first)}`"
    )


def own_worlds() -> list[Path]:
    """Return the world files in the usual places: this folder, ``worlds/``, the run folders."""
    places = (
        Path().glob("*.world"),
        Path("worlds").glob("*.world"),
        default_run("x").parent.glob("*/*.world"),
    )
    return [path for place in places for path in sorted(place)]


def all_worlds() -> dict[str, Path]:
    """Return all worlds that can be played by name: those that come with the package, and one's own."""
    own = own_worlds()
    names = [path.stem for path in own]
    told = {path.stem if names.count(path.stem) == 1 else str(path): path for path in own}
    return {**{name: path for name, path in shipped_worlds().items() if name not in told}, **told}


def _own_world(name: str) -> Path | None:
    """The world file of that name in this folder, else the newest elsewhere, else a trained run."""
    run = default_run(name)
    if (here := Path(f"{name}.world")).is_file():
        return here
    files = [path for path in (Path("worlds") / here, *run.glob("*.world")) if path.is_file()]
    if files:
        return max(files, key=lambda path: path.stat().st_mtime)
    return run if all(has_checkpoint(run, stage) for stage in STAGES) else None


def _whose(path: Path, name: str) -> str:
    if path == shipped_worlds().get(name):
        return "the world that comes with TinyWorlds (`tinyworlds worlds` lists all)"
    kind = "run" if path.is_dir() else "world"
    return f"your own {kind} {path}"


def _existing(path: Path, named: str) -> str:
    if not path.exists() and path.suffix == ".world" and path.stem in shipped_worlds():
        raise MissingFileError(
            f"there is no {named}; the world of that name that comes with TinyWorlds is "
            f"`{path.stem}`, without an ending"
        )
    if not path.exists():
        raise _unknown(named)
    return named


def _unknown(named: str) -> MissingFileError:
    from games.registry import titles

    own = own_worlds()
    files = [str(path) for path in own]
    known = (
        files if named.endswith(".world") else [*shipped_worlds(), *(path.stem for path in own), *titles()]
    )
    hint = did_you_mean(named, dict.fromkeys(known))
    return MissingFileError(
        f"there is no {named}: name a .world file, a run folder, a title, or a world that "
        f"`tinyworlds worlds` lists.{hint}"
    )


def _not_trained(name: str) -> MissingFileError:
    from games.registry import get

    spec, run, file = get(name), default_run(name), Path(f"{name}.world")
    fetch = (
        f"fetch one with `{shown_command('download', 'models', '--suite', name)}`, "
        if spec.public_file
        else ""
    )
    return MissingFileError(
        f"{spec.title} has no trained world in {file}, {Path('worlds') / file} or {run}: {fetch}run "
        f"`{shown_command('train', name)}` and `{shown_command('export', run, file)}`, or give "
        "one with --world FILE"
    )
