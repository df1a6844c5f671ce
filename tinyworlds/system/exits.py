"""How a command ends: errors of our own tree as one line, exit codes as shells have them.

Anything else is a bug and keeps its traceback; errors of the user's making that libraries report otherwise
are translated here.
"""

from __future__ import annotations

import errno
import os
import re
import sys
from collections.abc import Callable

from tinyworlds.errors import StorageError, TinyWorldsError
from tinyworlds.system.console import visible_streams

INTERRUPTED, BROKEN_PIPE, TERMINATED = 130, 141, 143
"""Exit codes after Ctrl-C, when nobody reads what is printed, and after SIGTERM, as shells have them."""


def run_guarded(action: Callable[[], int | None]) -> int:
    """Call `action`; print an error of the user's making as one line and return the exit code.

    Whatever is printed on the way, nothing in it is obeyed by a terminal, see `visible_streams`.
    """
    with visible_streams():
        return _guarded(action)


def _guarded(action: Callable[[], int | None]) -> int:
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
    print("error:", re.sub(r"\s*[\r\n]\s*", " ", str(error).strip()), file=sys.stderr)
    return error.exit_code
