"""Text from files is seen, never obeyed: by terminals, by Markdown; names from files lead nowhere."""

import io
import sys
from pathlib import Path

import pytest

from tinyworlds.errors import ConfigError
from tinyworlds.system.console import VisibleStream, terminal
from tinyworlds.system.exits import run_guarded
from tinyworlds.system.files import portable_name, why_unsafe
from tinyworlds.system.text import literal, visible

ACTING = {
    "a colour": "\x1b[31mred", "the title": "\x1b]0;owned\x07", "a clear": "\x1b[2J\x1b[H", "C1": "\x9b31m",
    "backspace": "ok\b\bno", "carriage return": "safe\rerror", "bell": "\a", "delete": "\x7f", "NUL": "\0",
    "right to left": "\u202egpj.exe", "isolate": "\u2066x\u2069", "surrogate": "\udc80", "tags": "\U000e0041",
    "line separator": "a\u2028b", "vertical tab": "a\vb",
    "link": "\x1b]8;;http://evil\x1b\\click\x1b]8;;\x1b\\",
}  # fmt: skip


def acts(text: str) -> bool:
    return any(not (c.isprintable() or c in "\n\t") for c in text)


@pytest.mark.parametrize("text", ACTING.values(), ids=ACTING)
def test_what_a_terminal_would_obey_is_shown(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert not acts(visible(text))

    def speak() -> int:
        print(text)
        print(text, file=sys.stderr)
        sys.stdout.writelines([text, "\n"])
        raise ConfigError(f"{text} is no setting")

    assert run_guarded(speak) == 2
    said = capsys.readouterr()
    assert not acts(said.out)
    assert not acts(said.err)
    assert said.err.endswith("is no setting\n")


@pytest.mark.parametrize(
    "text", ["tab\tand\nline", "é ü 日本 🎮", "\u0645\u06cc\u200c\u062e", "a\u00a0b", "👨\u200d👩", ""]
)
def test_what_people_write_stays(text: str) -> None:
    assert visible(text, "\n\t") == text


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("text", ["\x1b[31mred\x1b[0m", "\x1b[1;34mwandb\x1b[m", "\x1b[39m"])
def test_colours_of_libraries_reach_terminals_only(text: str) -> None:
    shown, piped = Terminal(), io.StringIO()
    VisibleStream(shown).write(text)
    VisibleStream(piped).write(text)
    assert shown.getvalue() == text
    assert not acts(piped.getvalue())


@pytest.mark.parametrize(
    "text", ["\x1b[8mhidden", "\x1b[2J", "\x1b]0;t\x07", "\x1b[38;5;0m", "\x1b[1A", "\x1b[7m"]
)
def test_nothing_else_reaches_a_terminal(text: str) -> None:
    shown = Terminal()
    VisibleStream(shown).write(text)
    assert not acts(shown.getvalue())


def test_streams_are_put_back_and_bars_find_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    before = sys.stdout, sys.stderr
    found = []
    assert run_guarded(lambda: found.append(terminal())) == 0
    assert found == [before[1]]
    assert (sys.stdout, sys.stderr) == before


@pytest.mark.parametrize(
    "text",
    ["<img src=//x>", "![a](http://x)", "[a](x)", "a|b", "`x`", "**x**", "http://x", "&lt;", "\\", "a\n# b"],
)
def test_markdown_shows_names_as_they_are(text: str) -> None:
    found = literal(text)
    assert "\n" not in found
    for sign in "<>`*[|":
        assert sign not in found.replace(f"\\{sign}", "")
    assert "p://" not in found


NAMES = (
    "../../x", "/etc/x", "C:\\x", "\\\\host\\x", "CON", "con.txt", "nul", "x.", "x ", " x", ".hidden",
    "..", ".", "",
    "a\0b", "a\x1bb", "a/b", "a\\b", "x" * 999, "\u202ex", "a:b", 'a"b', "a?b*", "\udc80",
    "日本" * 200, "-x", "~/x", "$HOME",
)  # fmt: skip


@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_names_from_files_lead_nowhere(name: str, tmp_path: Path) -> None:
    made = portable_name(name, "world")
    assert why_unsafe(f"{made}_play.mp4") is None
    assert (tmp_path / f"{made}_play.mp4").parent == tmp_path
    (tmp_path / f"{made}_play.mp4").touch()


@pytest.mark.parametrize("name", ["zelda", "pole_position", "My Game 2", "Pokémon (red)", "日本", "v1.2"])
def test_names_of_games_stay(name: str) -> None:
    assert portable_name(name, "world") == name
