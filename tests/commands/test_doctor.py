"""``tinyworlds doctor`` as a whole: processes of its own, limits in time, exit codes, output."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tinyworlds.commands import doctor as command
from tinyworlds.commands.cli import main
from tinyworlds.commands.doctor import choose, exit_code, topics
from tinyworlds.doctor.report import TopicReport, failure, in_colour, ok, warning
from tinyworlds.doctor.runner import Topic, run
from tinyworlds.errors import ConfigError

CHECKS = """
import ctypes, os, subprocess, sys, time
from tinyworlds.doctor.report import ok
from tinyworlds.errors import DataError

def fine(word):
    print("chatter of a library")
    os.write(1, b"chatter of a C library\\n")
    yield ok(word)

def raises():
    yield ok("first")
    raise ValueError("three\\nlines\\nhere")

def refuses():
    raise DataError("one line of ours")
    yield

def hangs(note):
    yield ok("first")
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    open(note, "w", encoding="ascii").write(str(child.pid))
    time.sleep(600)

def crashes():
    yield ok("first")
    print("last words", file=sys.stderr, flush=True)
    os.abort()

def who():
    yield ok(str(os.getpid()))

who_else = who

def needs():
    import no_such_package
    yield
"""


@pytest.fixture
def topic(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Make a topic of one of the checks above."""
    (tmp_path / "their_checks.py").write_text(CHECKS, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    return lambda function, group="", **arguments: Topic(function, "their_checks", function, arguments, group)


def texts(report: TopicReport) -> list[tuple[str, str]]:
    return [(finding.status, finding.text) for finding in report.findings]


def test_findings_come_back_and_chatter_does_not(topic):
    word = "a file named \N{SNOWMAN}"
    (report,) = run([topic("fine", word=word)], timeout_s=60)
    assert texts(report) == [("ok", word)]


def test_an_exception_is_one_failed_line(topic):
    raised, refused, lacking = run([topic("raises"), topic("refuses"), topic("needs")], timeout_s=60)
    assert texts(raised) == [
        ("ok", "first"),
        ("failure", "the check itself failed: ValueError: three lines here"),
    ]
    assert texts(refused) == [("failure", "one line of ours")]
    assert "'no_such_package', which is not installed" in texts(lacking)[0][1]


def test_topics_of_a_group_share_a_process(topic):
    fine, raises, who, again = run(
        [topic("fine", "g", word="a"), topic("raises", "g"), topic("who", "g"), topic("who_else", "g")],
        timeout_s=60,
    )
    assert texts(fine) == [("ok", "a")]
    assert texts(raises)[1][0] == "failure"
    assert texts(who) == texts(again), "one process"


@pytest.mark.skipif(sys.platform == "win32", reason="asks for a process by os.kill")
@pytest.mark.slow
def test_behind_one_that_ends_its_process_a_group_goes_on_in_another(topic, tmp_path):
    group = [
        topic("who", "g"), topic("crashes", "g"), topic("who_else", "g"),
        topic("hangs", "g", note=str(tmp_path / "pid")), topic("fine", "g", word="last"),
    ]  # fmt: skip
    first, crashed, second, hung, last = run(group, timeout_s=5)
    assert texts(first) != texts(second)
    assert "crashed" in texts(crashed)[1][1]
    assert "last words" in texts(crashed)[1][1] or "signal" in texts(crashed)[1][1]
    assert "stopped after 5 s" in texts(hung)[1][1]
    assert texts(last) == [("ok", "last")]


def test_a_crash_is_one_failed_line(topic):
    (report,) = run([topic("crashes")], timeout_s=60)
    assert texts(report)[0] == ("ok", "first")
    status, text = texts(report)[1]
    assert status == "failure"
    assert "crashed" in text
    assert sys.platform == "win32" or "signal 6" in text


@pytest.mark.skipif(sys.platform == "win32", reason="asks for a process by os.kill")
def test_a_check_that_hangs_is_ended_with_all_it_started(topic, tmp_path):
    note = tmp_path / "pid"
    started = time.monotonic()
    (report,) = run([topic("hangs", note=str(note))], timeout_s=3)
    assert time.monotonic() - started < 20
    assert texts(report)[0] == ("ok", "first"), "what it found before is kept"
    assert "stopped after 3 s" in texts(report)[1][1]
    for _ in range(200):
        try:
            os.kill(int(note.read_text(encoding="ascii")), 0)
        except ProcessLookupError:
            return
        if _is_zombie(int(note.read_text(encoding="ascii"))):
            return
        time.sleep(0.02)
    pytest.fail("the process it started lives on")


def _is_zombie(pid: int) -> bool:
    status = Path(f"/proc/{pid}/stat")
    return status.exists() and status.read_text(encoding="ascii").split(")")[1].split()[0] == "Z"


def test_reports_are_shown_in_order(topic):
    shown = []
    names = ["one", "two", "three", "four"]
    chosen = [Topic(name, "their_checks", "fine", {"word": name}) for name in names]
    topic("fine")
    reports = run(chosen, 60, lambda report: shown.append(report.topic))
    assert shown == names == [report.topic for report in reports]


def test_exit_codes():
    def of(*findings):
        return [TopicReport("x", findings)]

    assert exit_code(of(ok("a"))) == 0
    assert exit_code(of(ok("a"), warning("b", "c"))) == 0
    assert exit_code(of(ok("a"), warning("b", "c")), strict=True) == 1
    assert exit_code(of(failure("b", "c"), ok("a"))) == 1


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["--only", "troch"], "Did you mean 'torch'?"),
        (["--timeout", "0"], "not above 0"),
        (["--jsno"], "Did you mean '--json'?"),
        (["--data", __file__], "is a file"),
    ],
)
def test_wrong_options_are_one_line(argv, words, capsys):
    assert main(["doctor", *argv]) == 2
    err = capsys.readouterr().err
    assert words in err
    assert err.count("\n") == 1


def test_choose_keeps_the_order():
    assert [topic.name for topic in choose(topics(), ["data", "python"])] == ["python", "data"]
    with pytest.raises(ConfigError):
        choose(topics(), ["nothing"])


def test_every_topic_has_its_function():
    import importlib

    for each in topics():
        assert callable(getattr(importlib.import_module(each.module), each.function))


def test_piped_output_is_one_plain_line_a_finding(tmp_path):
    argv = [sys.executable, "-m", "tinyworlds", "doctor", "--only", "python", "data", "--data", str(tmp_path)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    first, *_, last = done.stdout.splitlines()
    assert first.split()[1] == "python"
    assert "\x1b" not in done.stdout
    assert last.split()[1:2] == ["ok,"]


def test_json_is_json(tmp_path, capsys):
    (tmp_path / "cut.h5").write_bytes(b"nothing")
    assert main(["doctor", "--only", "data", "--data", str(tmp_path), "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert found["counts"] == {"ok": 0, "warning": 0, "failure": 1}
    assert found["exit_code"] == 1
    assert found["findings"][0]["topic"] == "data"
    assert "cut.h5" in found["findings"][0]["text"]


def test_on_a_terminal_there_is_colour_and_the_remedy_stands_below():
    from rich.console import Console

    console = Console(force_terminal=True, width=60, color_system="standard", legacy_windows=False)
    with console.capture() as captured:
        console.print(in_colour("disk", warning("little is free " * 4, "free some")))
    lines = captured.get().splitlines()
    assert "\x1b[33m" in lines[0], "yellow"
    assert len(lines) == 3, "wrapped in its own column"
    assert lines[1].startswith(" " * 10)
    assert "-> free some" in lines[-1]


def test_it_starts_without_packages(tmp_path):
    """A broken environment is what it is for: the parent needs Python's own library only."""
    code = """
        import sys
        for name in ("numpy", "rich", "jsonargparse", "torch", "packaging", "yaml"):
            sys.modules[name] = None
        from tinyworlds.commands.cli import main
        sys.exit(main(["doctor", "--only", "python", "--json"]))
    """
    import textwrap

    words = [sys.executable, "-c", textwrap.dedent(code)]
    done = subprocess.run(words, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["counts"]["failure"] == 0


def test_the_exit_codes_are_documented():
    text = (Path(command.__file__).parents[2] / "docs" / "doctor.md").read_text(encoding="utf-8")
    for name in [topic.name for topic in topics()]:
        assert f"`{name}`" in text
    for code in (0, 1, 2):
        assert f"| {code} |" in text
