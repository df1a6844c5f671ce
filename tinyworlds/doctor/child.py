"""One topic in a process of its own: ``python -m tinyworlds.doctor.child JSON`` prints JSON lines.

The words of the topic (module, function, arguments) come as one JSON list. What libraries print goes to
stderr, so that stdout holds findings only.
"""

from __future__ import annotations

import dataclasses
import importlib
import json
import os
import sys
from typing import TextIO

from tinyworlds.doctor.report import Finding, failure
from tinyworlds.errors import TinyWorldsError


def look(module: str, function: str, arguments: dict[str, str], out: TextIO) -> None:
    """Write each finding of one check as it comes; an exception becomes a failed one."""
    try:
        for finding in getattr(importlib.import_module(module), function)(**arguments):
            _write(finding, out)
    except Exception as error:
        _write(from_exception(error), out)


def from_exception(error: Exception) -> Finding:
    """Return the failed line for an exception that a check did not expect."""
    reason = " ".join(str(error).split())[:300]
    if isinstance(error, TinyWorldsError):
        return failure(reason)
    if isinstance(error, ModuleNotFoundError):
        return failure(
            f"this check needs '{error.name}', which is not installed", "see the lines of topic packages"
        )
    return failure(
        f"the check itself failed: {type(error).__name__}: {reason}",
        "repair what it names, or report it with the output of `tinyworlds doctor --json`",
    )


def _write(finding: Finding, out: TextIO) -> None:
    print(json.dumps(dataclasses.asdict(finding)), file=out, flush=True)


def main() -> None:
    """Run the topic named on the command line."""
    module, function, arguments = json.loads(sys.argv[1])
    with os.fdopen(os.dup(1), "w", encoding="ascii") as out:
        os.dup2(2, 1)  # also for what C libraries print
        look(module, function, arguments, out)
        out.flush()
        os._exit(0)  # skips what libraries do at exit, which has hung and crashed before


if __name__ == "__main__":
    main()
