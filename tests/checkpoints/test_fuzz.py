"""Thousands of damaged checkpoints: each a network or one clear error; no hang, no crash, no code that runs.

The fuzzing itself runs in a process of its own (`checkpoint_fuzzing.py`), so that a crash of the interpreter
or a hang is seen as such.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from paths import SUPPORT

SCRIPT = SUPPORT / "checkpoint_fuzzing.py"
SEED = 20_251_004


def fuzz(tmp_path: Path, count: int, limit_s: float) -> dict[str, dict[str, int]]:
    command = [sys.executable, str(SCRIPT), str(tmp_path), str(count), str(SEED)]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=limit_s, cwd=SCRIPT.parent.parent
        )
    except subprocess.TimeoutExpired:
        pytest.fail(f"hangs after {count} of seed {SEED}: {(tmp_path / 'now').read_text()}")
    assert done.returncode == 0, f"seed {SEED}, {(tmp_path / 'now').read_text()}: {done.stderr[-2000:]}"
    return json.loads(done.stdout)


def check(counts: dict[str, dict[str, int]], count: int) -> None:
    print(counts)  # shown with pytest -s
    assert sum(sum(found.values()) for found in counts.values()) == count
    assert all(found.get("error", 0) > 0 for found in counts.values())
    assert not any(found.get("bug", 0) for found in counts.values())


def test_a_hundred_damaged_checkpoints(tmp_path):
    check(fuzz(tmp_path, 100, limit_s=300), 100)


@pytest.mark.slow
def test_a_thousand_damaged_checkpoints(tmp_path):
    check(fuzz(tmp_path, 1000, limit_s=600), 1000)
