"""Whether this machine is logged in to Weights & Biases: looked up on this disk, without wandb or a network.

wandb itself is not asked: releases disagree on how, and after its login the mode of a run is settled.
"""

from __future__ import annotations

import netrc
import os
import sys
from pathlib import Path
from urllib.parse import urlsplit

_HOST = "https://api.wandb.ai"


def is_logged_in(home: Path | None = None) -> bool:
    """Whether a key for W&B is in the environment or in the file where ``wandb login`` leaves it."""
    if os.environ.get("WANDB_API_KEY"):
        return True
    host = urlsplit(os.environ.get("WANDB_BASE_URL", _HOST)).hostname or ""
    return any(_has_entry(path, host) for path in _key_files(home))


def _key_files(home: Path | None) -> list[Path]:
    named = os.environ.get("NETRC")
    try:
        if named:
            return [Path(named).expanduser()]
        home = home or Path.home()
    except RuntimeError:  # this user has no home folder
        return []
    names = ("_netrc", ".netrc") if sys.platform == "win32" else (".netrc", "_netrc")
    return [home / name for name in names]


def _has_entry(path: Path, host: str) -> bool:
    try:
        return netrc.netrc(path).authenticators(host) is not None
    except (OSError, netrc.NetrcParseError, UnicodeDecodeError):
        return False
