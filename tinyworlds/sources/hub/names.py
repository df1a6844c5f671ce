"""Names that somebody else chose: which of them may become a path in a folder here, on any system."""

from __future__ import annotations

from pathlib import Path

from tinyworlds.errors import DataError

MAX_PART_BYTES = 200  # file systems allow 255; ours adds an ending while a file is incomplete
_FORBIDDEN = frozenset('<>:"|?*\\')
_DEVICES = frozenset(
    ["con", "prn", "aux", "nul", "conin$", "conout$", "clock$"]
    + [f"{port}{number}" for port in ("com", "lpt") for number in "0123456789¹²³"]
)


def path_in(folder: Path, name: str) -> Path:
    """Return where a file called `name` elsewhere goes in `folder`.

    The rules of Linux, macOS and Windows hold on all of them, so that a folder can be moved between them.

    Args:
        folder: where the file has to stay.
        name: a relative path with forward slashes.

    Raises:
        DataError: the name would lead out of the folder, or is no portable file name.
    """
    reason = why_unsafe(name)
    if reason is None:
        target = folder.joinpath(*name.split("/"))
        if target.parent.resolve().is_relative_to(folder.resolve()):
            return target
        reason = f"{target.parent} is a link that leads out of {folder}"
    raise DataError(f"refused the file name {name!a}: {reason}; nothing was fetched, tell its owner")


def why_unsafe(name: str) -> str | None:
    """Return why `name` is no safe relative path with forward slashes; None if it is one."""
    if name.startswith(("/", "\\")):
        return "it is an absolute path"
    return next((reason for part in name.split("/") if (reason := _why_unsafe_part(part))), None)


def _why_unsafe_part(part: str) -> str | None:
    if part in ("", ".", ".."):
        return "it has an empty part, '.' or '..'"
    if not part.isprintable():  # NUL, line ends, marks that turn the reading direction, lone surrogates
        return "it has characters that cannot be shown"
    if found := _FORBIDDEN.intersection(part):
        return f"it has {' '.join(sorted(found))}, which no portable name has"
    if part.startswith("."):
        return "it is a hidden file or folder"
    if part.startswith(" ") or part.endswith((".", " ")):
        return "a part begins with a space, or ends with a space or a dot, which Windows drops"
    if part.split(".")[0].rstrip(" ").lower() in _DEVICES:
        return f"'{part.split('.')[0]}' is a device on Windows"
    if len(part.encode()) > MAX_PART_BYTES:
        return f"a part is longer than {MAX_PART_BYTES} bytes"
    return None
