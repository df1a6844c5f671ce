"""Python in a process of its own."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path


def run_python(code: str, folder: Path, *argv: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a script file, as a user does; the main module can be imported by spawned processes."""
    script = folder / "script.py"
    script.write_text(textwrap.dedent(code), encoding="utf-8")
    environment = {**os.environ, "OMP_NUM_THREADS": "1", **variables}
    return subprocess.run(
        [sys.executable, str(script), *argv],
        capture_output=True, text=True, env=environment, timeout=300, check=False, cwd=folder,
    )  # fmt: skip
