"""Commands that are printed can be copied into a shell, whatever the names in them."""

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tinyworlds.system.shell import quoted, shown_command

NAMES = [
    "my run.world", "it's.h5", 'a"b', "$HOME.h5", "`id`", "a;b&c|d", "*", "[1].h5", "back\\slash", "tab\tend",
    "two\nlines", "Зельда.h5", "-x.h5", "--out", "~/x", "~", "!x", "#x", "", "a  b", "jeu-\udce9.h5",
    "esc\x1b[1m", "(a)", "a=b", "x\u202ey",
]  # fmt: skip


@pytest.mark.skipif(sys.platform == "win32", reason="a shell of POSIX")
def test_a_shell_reads_what_was_meant() -> None:
    command = shown_command("play", *NAMES)
    script = f"tinyworlds() {{ printf '%s\\0' \"$@\"; }}; {command}"
    done = subprocess.run(
        ["bash", "-c", script.encode("utf-8", "surrogateescape")], capture_output=True, check=True
    )
    assert os.fsdecode(done.stdout).split("\0")[:-1] == ["play", *NAMES]
    assert command.isprintable()


@pytest.mark.parametrize("name", [name for name in NAMES if name])
def test_a_file_is_no_option(name: str) -> None:
    word = quoted(Path(name))
    assert not word.lstrip("'\"$").startswith("-")
    if name.isprintable():
        assert Path(shlex.split(word)[0]) == Path(name)
        assert not shlex.split(word)[0].startswith(("-", "~"))


@pytest.mark.parametrize(
    ("word", "shown"),
    [
        (r"C:\runs\my run", r'"C:\runs\my run"'), (r"C:\runs\pong", r"C:\runs\pong"), ("a&b.h5", '"a&b.h5"'),
        ("--trainer.max_steps=500", "--trainer.max_steps=500"), ("", '""'),
        ("it's.h5", '"it\'s.h5"'), ("d*20 a", '"d*20 a"'),
    ],
)  # fmt: skip
def test_windows_has_its_own_quotes(word: str, shown: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    assert quoted(word) == shown
