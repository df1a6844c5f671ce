"""The command itself: light, found from anywhere, one line for a wrong word."""

import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from child_processes import run_python

from tinyworlds.commands.cli import COMMANDS, main
from tinyworlds.errors import ConfigError
from tinyworlds.system.exits import run_guarded
from tinyworlds.system.options import call


def test_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    out = capsys.readouterr().out
    for name, what in COMMANDS.items():
        assert any(line.split()[:1] == [name] and what in line for line in out.splitlines())


@pytest.mark.parametrize("argv", [["--help"], ["fti"]])
def test_light(argv: list[str]) -> None:
    code = "import sys; from tinyworlds.commands.cli import main; main(sys.argv[1:]); "
    code += "assert 'torch' not in sys.modules"
    started = time.monotonic()
    subprocess.run([sys.executable, "-c", code, *argv], check=True, capture_output=True)
    assert time.monotonic() - started < 5  # 0.1 s here; the bound is for a busy machine


def test_unknown_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["quickstrt"]) == 2
    err = capsys.readouterr().err
    assert "Did you mean 'quickstart'?" in err
    assert err.count("\n") == 1


def test_no_command_is_an_error() -> None:
    assert main([]) == 2


@pytest.mark.slow
def test_console_script_from_another_folder(tmp_path: Path) -> None:
    script = Path(sys.executable).with_name("tinyworlds")
    if not script.exists():
        pytest.skip("not installed")
    done = subprocess.run([script, "--version"], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("tinyworlds ")
    # configs, games and callbacks are packaged too, not found by luck in the working folder
    argv = [script, "fit", "--config", "configs/zelda_tokenizer.yaml", "--print_config=skip_default"]
    done = subprocess.run(argv, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "VideoTokenizerStage" in done.stdout
    import_all = "import configs, games, callbacks"
    subprocess.run([sys.executable, "-c", import_all], cwd=tmp_path, check=True)


@pytest.mark.parametrize("number", [errno.EROFS, errno.EACCES, errno.ENOSPC])
def test_a_library_that_may_not_write_is_one_line(number: int, capsys: pytest.CaptureFixture[str]) -> None:
    def refuse() -> int:
        raise OSError(number, os.strerror(number), "some/folder")

    assert run_guarded(refuse) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert "some/folder" in error
    assert error.count("\n") == 1
    with pytest.raises(OSError, match="not a tty"):  # a fault of ours stays a traceback
        run_guarded(lambda: (_ for _ in ()).throw(OSError(errno.ENOTTY, "not a tty")))


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such pipes")
def test_a_reader_that_leaves_ends_the_command_quietly() -> None:
    code = "from tinyworlds.commands.cli import run_guarded; run_guarded(lambda: print('line\\n' * 100_000))"
    child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert child.stdout is not None
    assert child.stderr is not None
    child.stdout.readline()
    child.stdout.close()
    assert child.stderr.read() == b""
    child.wait()
    child.stderr.close()


def example(
    file: str, fresh: bool = False, play: bool = True, num_clips: int = 3, names: list[str] | None = None
) -> tuple[object, ...]:
    """Take words.

    Args:
        file: to read.
        fresh: begin anew.
        play: play in the end.
        num_clips: of 100 %.
        names: of actions.
    """
    return file, fresh, play, num_clips, names


@pytest.mark.parametrize(
    ("typed", "values"),
    [
        ("a --fresh --no-play --num-clips 4 --names left right", ("a", True, False, 4, ["left", "right"])),
        ("--fresh false a --play=true --num_clips=4", ("a", False, True, 4, None)),
        ("--fresh a --names [left] --names=['right','up']", ("a", True, True, 3, ["left", "right", "up"])),
    ],
)
def test_words_as_people_type_them(typed: str, values: tuple[object, ...]) -> None:
    assert call(example, typed.split(), "tinyworlds example") == values


def test_the_last_of_two_values_is_not_taken_silently(capsys: pytest.CaptureFixture[str]) -> None:
    assert call(example, ["a", "--num_clips", "4", "--num-clips=5"], "x") == ("a", False, True, 5, None)
    assert capsys.readouterr().err == "--num_clips is given twice: 5 counts, not 4\n"
    call(example, ["a", "--num_clips=4", "--num_clips=4", "--names=b", "--names=c"], "x")
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("word", "expanded"),
    [
        ("~/x.h5", "HOME/x.h5"), ("--out=~/c.mp4", "--out=HOME/c.mp4"), ("--out=~", "--out=HOME"),
        ("--config.a=~/~/x", "--config.a=HOME/~/x"), ("a~/x", "a~/x"), ("./~", "./~"), ("~a b", "~a b"),
        ("--keys=d*3 ~", "--keys=d*3 ~"), ("x=~/y", "x=~/y"), ("~nobody_here/x", "~nobody_here/x"),
    ],
)  # fmt: skip
def test_home_is_expanded_behind_an_option_as_well(
    word: str, expanded: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(variable, str(tmp_path))
    seen: list[str] = []
    command = SimpleNamespace(main=seen.extend)
    monkeypatch.setitem(sys.modules, "tinyworlds.commands.doctor", command)
    assert main(["doctor", word]) == 0
    assert seen == [expanded.replace("HOME", str(tmp_path))]


@pytest.mark.parametrize("encoding", ["cp1252", "ascii", "ascii:strict", "cp437", "utf-8:strict"])
def test_no_letter_ends_a_command(encoding: str, tmp_path: Path) -> None:
    code = """
import sys
from tinyworlds.system.exits import run_guarded
def say():
    for stream in (sys.stdout, sys.stderr):
        print("\\u0417\\u0435\\u043b\\u044c\\u0434\\u0430 \\udce9 \\U0001f3ae", file=stream)
        getattr(stream, "raw", stream).write("\\u0417\\n")
sys.exit(run_guarded(say))
"""
    done = run_python(code, tmp_path, PYTHONIOENCODING=encoding)
    assert done.returncode == 0, done.stderr
    assert "\\udce9" in done.stdout
    assert "\\udce9" in done.stderr


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        ("", "the following arguments are required: FILE."),
        ("a b", "'b' is left over; a pattern or a name with spaces stands in quotes."),
        ("a --fesh", "--fesh is no option. Did you mean '--fresh'?"),
        ("a --num-clips few", "argument --num_clips: invalid int value: 'few'."),
        ("a --names", "argument --names: expected at least one argument."),
    ],
)
def test_a_wrong_word_is_one_line(typed: str, told: str) -> None:
    with pytest.raises(ConfigError) as error:
        call(example, typed.split(), "tinyworlds example")
    assert str(error.value) == f"tinyworlds example: {told} See tinyworlds example --help"


def test_a_docstring_is_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        call(example, ["--help"], "tinyworlds example")
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert "Take words." in lines
    assert "of 100 % (default: 3)" in lines
    assert "--names NAME [NAME ...]" in lines


_LATE = """
import atexit, signal, sys
from tinyworlds.commands import cli

def again(*args):
    raise KeyboardInterrupt

late = {late}
if late == "at the end of the process":
    atexit.register(signal.raise_signal, signal.SIGINT)
else:  # between the command's last word and the end of the process
    cli.run_guarded = again
sys.argv = ["tinyworlds", "--help"]
sys.exit(cli.process_main())
"""


@pytest.mark.parametrize("late", ["at the end of the process", "when the command has ended"])
def test_a_late_ctrl_c_says_nothing(tmp_path: Path, late: str) -> None:
    done = run_python(_LATE.format(late=repr(late)), tmp_path)
    assert done.returncode in (130, -signal.SIGINT)
    assert done.stderr == ""
