"""Topics in a process of their own: ``python -m tinyworlds.doctor.child JSON`` prints JSON lines.

The words of the topics (module, function, arguments) come as one JSON list; those that need the same packages
share a process, which loads them once. A line is a finding, or `END` where a topic is done. What libraries
print goes to stderr, so that stdout holds findings only.
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

END = "end"
"""The line behind the findings of a topic."""


def look(module: str, function: str, arguments: dict[str, str], out: TextIO) -> None:
    """Write each finding of one check as it comes, then `END`; an exception becomes a failed finding."""
    try:
        for finding in getattr(importlib.import_module(module), function)(**arguments):
            _write(finding, out)
    except Exception as error:
        _write(from_exception(error), out)
    print(json.dumps(END), file=out, flush=True)


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
    """Run the topics named on the command line."""
    with os.fdopen(os.dup(1), "w", encoding="ascii") as out:
        os.dup2(2, 1)  # also for what C libraries print
        for module, function, arguments in json.loads(sys.argv[1]):
            look(module, function, arguments, out)
        out.flush()
        os._exit(0)  # skips what libraries do at exit, which has hung and crashed before


if __name__ == "__main__":
    main()
