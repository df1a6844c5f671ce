"""The Tab key, in real shells where they are installed."""

import os
import pty
import select
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tinyworlds.fit.known_settings import known_settings, listed_settings

pytestmark = pytest.mark.skipif(os.name == "nt", reason="needs a terminal of Unix")

ANSWERS = {
    "tinyworlds pl": "play",
    "tinyworlds play plat": "platformer",
    "tinyworlds play doom --sched": "--schedule",
    "tinyworlds fit --model.num_bl": "--model.num_blocks",
    "tinyworlds validate --config configs/doom_dyn": "configs/doom_dynamics.yaml",
    "tinyworlds train pico": "picodoom",
    "tinyworlds help evalu": "evaluate",
    "tinyworlds inspect mine": "mine.h5",
}


def answers(line: str, folder: Path) -> list[str]:
    """What is proposed for a line that ends where the cursor is."""
    asked = {"COMP_LINE": line, "COMP_POINT": str(len(line)), "COMP_TYPE": "9", "_ARGCOMPLETE": "1"}
    out = folder / "answer"
    done = subprocess.run(
        [sys.executable, "-m", "tinyworlds"], cwd=folder, capture_output=True, text=True,
        env={**os.environ, **asked, "_ARGCOMPLETE_IFS": "\n", "_ARGCOMPLETE_STDOUT_FILENAME": str(out),
             "_ARGCOMPLETE_SUPPRESS_SPACE": "1"},
    )  # fmt: skip
    assert "Traceback" not in done.stderr
    return out.read_text().split("\n")


@pytest.mark.parametrize(("line", "wanted"), ANSWERS.items())
def test_a_beginning_is_completed(line: str, wanted: str, tmp_path: Path) -> None:
    (tmp_path / "mine.h5").touch()
    assert [word.strip() for word in answers(line, tmp_path)] == [wanted]


def test_choices_and_own_worlds_are_proposed(tmp_path: Path) -> None:
    (tmp_path / "mine.world").touch()
    assert "mine" in answers("tinyworlds play ", tmp_path)
    assert answers("tinyworlds play mine --schedule ", tmp_path)[0] == "exponential"


START = {
    "bash": (["bash", "--norc", "-i"], 'eval "$(tinyworlds completion bash)"'),
    "zsh": (["zsh", "-f", "-i"], 'autoload -U compinit; compinit -u; eval "$(tinyworlds completion zsh)"'),
    "fish": (["fish", "--no-config", "-i"], "tinyworlds completion fish | source"),
}


OWN_TERMINAL = """
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execvp(sys.argv[1], sys.argv[1:])
"""


@pytest.mark.parametrize("shell", START)
def test_the_tab_key_of_a_real_shell(shell: str, tmp_path: Path) -> None:
    words, setup = START[shell]
    script = Path(sys.executable).with_name("tinyworlds")
    if shutil.which(shell) is None or not script.exists():
        pytest.skip(f"needs {shell} and an installed command")
    ours, theirs = pty.openpty()
    path = f"{script.parent}:{os.environ['PATH']}"
    process = subprocess.Popen(
        [sys.executable, "-c", OWN_TERMINAL, *words],
        stdin=theirs, stdout=theirs, stderr=theirs, cwd=tmp_path,
        env={**os.environ, "PATH": path, "HOME": str(tmp_path), "TERM": "xterm"}, start_new_session=True,
    )  # fmt: skip
    try:
        send(ours, setup + "; echo rea''dy\n", "ready", 60)
        # what Tab makes of the beginning is run: the help of evaluate
        send(ours, "tinyworlds evalua\t", "evaluate", 30)
        send(ours, "--help; echo do''ne\n", "done", 60, needed="usage: tinyworlds evaluate")
    finally:
        process.kill()
        process.wait()
        os.close(ours)
        os.close(theirs)


def send(terminal: int, text: str, wanted: str, seconds: float, needed: str = "") -> None:
    """Type, and wait for what should appear."""
    os.write(terminal, text.encode())
    seen, end = "", time.monotonic() + seconds
    while wanted not in seen or needed not in seen:
        assert time.monotonic() < end, seen
        if select.select([terminal], [], [], 0.2)[0]:
            seen += os.read(terminal, 65536).decode(errors="replace")


def test_all_settings_can_be_completed() -> None:
    ours = ("model.", "data.", "checkpoint.", "rollout.")
    known = {name for name in known_settings() if name.startswith(ours)}
    listed = {name for name in listed_settings() if name.startswith(ours)}
    assert known == listed, "python -m tinyworlds.fit.known_settings writes the file anew"
