"""Weights & Biases: installed, and what --wandb would do. Nothing is sent, no key is printed."""

from __future__ import annotations

import importlib.util
import netrc
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from tinyworlds.doctor.findings import Finding, ok, warning
from tinyworlds.doctor.installing import install_command

_DEFAULT_HOST = "https://api.wandb.ai"


def check_wandb() -> Iterator[Finding]:
    """Whether runs would be sent, kept on disk, or not logged to W&B at all."""
    if importlib.util.find_spec("wandb") is None:
        yield warning("wandb is not installed: --wandb is ignored", install_command("wandb"))
        return
    mode = os.environ.get("WANDB_MODE", "")
    if mode:
        yield ok(f"WANDB_MODE={mode} decides what --wandb does")
    elif is_logged_in():
        yield ok("logged in to W&B: --wandb sends runs")
    else:
        yield ok("not logged in to W&B: --wandb keeps runs on this disk", "to send them: wandb login")


def is_logged_in(home: Path | None = None) -> bool:
    """Whether a key for W&B is in the environment or in the file where ``wandb login`` leaves it."""
    if os.environ.get("WANDB_API_KEY"):
        return True
    host = urlsplit(os.environ.get("WANDB_BASE_URL", _DEFAULT_HOST)).hostname or ""
    return any(_has_entry(path, host) for path in _key_files(home or Path.home()))


def _key_files(home: Path) -> list[Path]:
    named = os.environ.get("NETRC")
    if named:
        return [Path(named).expanduser()]
    names = ("_netrc", ".netrc") if sys.platform == "win32" else (".netrc", "_netrc")
    return [home / name for name in names]


def _has_entry(path: Path, host: str) -> bool:
    try:
        return netrc.netrc(path).authenticators(host) is not None
    except (OSError, netrc.NetrcParseError, UnicodeDecodeError):
        return False
