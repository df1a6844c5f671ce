"""Whole files or none: everything is written to a temporary neighbour and renamed when it is complete."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tinyworlds.errors import StorageError


@contextlib.contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path with the same ending; rename it to `path` at the end of the block.

    If the block raises, the temporary file goes and an older `path` stays as it was. Missing parent
    folders are made.

    Raises:
        StorageError: the disk is full or the path cannot be written.
    """
    target = Path(path)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{target.stem}-", suffix=target.suffix, dir=target.parent)
        os.close(handle)
    except OSError as error:
        raise storage_error(target, error) from error
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(0o666 & ~_umask())  # mkstemp makes private files; ours are ordinary ones
        os.replace(temporary, target)
    except OSError as error:
        raise storage_error(target, error) from error
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: str | Path, text: str) -> None:
    """Write a whole UTF-8 text file or nothing."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def storage_error(path: Path, error: OSError) -> StorageError:
    """The one-line error for a file that could not be written."""
    reason = error.strerror or str(error)
    return StorageError(f"Could not write {path}: {reason}; free some space there or choose another folder.")


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
