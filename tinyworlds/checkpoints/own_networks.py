"""Networks of a class of one's own: files name it and hold no code, and what they name is not run unasked.

A checkpoint or world of such a network can be read where its class can be imported: in the process that has
imported it, in the folder of the file that it was trained from, or where the user names its module with the
variable `TINYWORLDS_IMPORT`. Anywhere else it is refused with a line that says so.
"""

from __future__ import annotations

import inspect
import sys
from pathlib import Path
from typing import Any

from tinyworlds.errors import CheckpointError, ConfigError
from tinyworlds.models.base import Network
from tinyworlds.models.registry import network_class
from tinyworlds.system.user_code import ASKED_FOR, import_named, is_class_path, is_users_own

CLASS_KEY = "network_class"
"""Under which a checkpoint names the class of a network that is not ours."""

CLASSES_KEY = "network_classes"
"""Likewise in a world, by name of the network there."""


def own_class_path(network: object) -> str | None:
    """Return the dotted path of a network's class; None for ours."""
    kind = _written_class(network)
    is_ours = kind.__module__.startswith("tinyworlds.") or not isinstance(network, Network)
    return None if is_ours else f"{kind.__module__}.{kind.__qualname__}"


def _written_class(network: object) -> type:
    """Return the class that somebody wrote: torch derives others while it runs, as for FSDP."""
    return next(kind for kind in type(network).__mro__ if not kind.__module__.startswith("torch."))


def needed_code(class_path: str) -> str:
    """Say what somebody needs who reads a file with such a network."""
    module = class_path.split(".")[0]
    return (
        f"its network {class_path} is not part of tinyworlds: elsewhere it needs that module beside it, "
        f"and {ASKED_FOR}={module} set by whoever trusts it"
    )


def check_config(network: Network) -> None:
    """Raise a ConfigError unless the configuration of a network of one's own builds its like.

    Only what lies in it is saved, so that another network would be built from the checkpoint.
    """
    if own_class_path(network) is None:
        return
    kind = _written_class(network)
    parameters = inspect.signature(kind).parameters.values()
    named = [p.name for p in parameters if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    if missing := [name for name in named if name not in network.config]:
        raise ConfigError(
            f"{kind.__name__} takes {missing[0]}, which its `config` lacks, so that it would not be saved: "
            f"end its constructor with self.config |= {{'{missing[0]}': {missing[0]}}}"
        )


def class_of(path: str | Path, stage: str, named: Any) -> Any:
    """Return the class of the network in a file.

    Args:
        path: the file, for messages.
        stage: of the network.
        named: what the file says of its class; None is ours.

    Raises:
        CheckpointError: it is not here, is no network of the stage, or the user has not asked for its code.
    """
    ours: Any = network_class(stage)
    if named is None:
        return ours
    if not isinstance(named, str) or not is_class_path(named) or len(named) > 200:
        raise CheckpointError(f"{path} is damaged: what it says of the class of its network is malformed")
    module, _, name = named.rpartition(".")
    if not is_users_own(module):
        raise CheckpointError(
            f"{path} needs the network class {named}, which is not part of tinyworlds, and code that a file "
            f"names is not run unasked: if you have that module and trust it, set "
            f"{ASKED_FOR}={module.split('.')[0]}, or import it first in Python"
        )
    try:
        import_named(module)
    except ImportError as error:
        raise CheckpointError(f"{path} needs the network class {named}: {error}") from error
    found = vars(sys.modules[module]).get(name)
    if not (isinstance(found, type) and issubclass(found, ours)):
        raise CheckpointError(f"{path} needs the network class {named}, but that is no {ours.__name__}")
    return found
