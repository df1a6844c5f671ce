"""Signals as a question: the first is noted, the second ends the process."""

import signal
import subprocess
import sys
import textwrap

import pytest

from tinyworlds.system.stopping import interrupts

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals are those of POSIX")


def run(code):
    """Run Python that has `interrupts`, `os` and `signal`; return its exit code and what it printed."""
    head = "import os, signal, sys\nfrom tinyworlds.system.stopping import interrupts\n"
    command = [sys.executable, "-c", head + textwrap.dedent(code)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr
    return done.returncode, done.stdout


@pytest.mark.parametrize(
    ("number", "error"),
    [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, SystemExit), (signal.SIGHUP, SystemExit)],
)
def test_the_first_signal_is_noted_and_raised_when_asked(number, error):
    before = signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
    try:
        with interrupts() as stopped:
            assert not stopped()
            stopped.end()
            signal.raise_signal(number)
            assert stopped()
            with pytest.raises(error) as caught:
                stopped.end()
        assert getattr(caught.value, "code", 130) == 128 + number
        assert signal.getsignal(signal.SIGINT) == signal.default_int_handler
    finally:
        signal.signal(number, before)


@pytest.mark.parametrize("first", ["SIGINT", "SIGTERM"])
@pytest.mark.parametrize("second", ["SIGINT", "SIGTERM"])
def test_the_second_ends_the_process_by_itself(first, second):
    code, said = run(f"""
        with interrupts() as stopped:
            os.kill(os.getpid(), signal.{first})
            print(stopped(), flush=True)
            os.kill(os.getpid(), signal.{second})
            print("not reached", flush=True)
    """)
    assert (code, said) == (-getattr(signal, second), "True\n")


def test_where_a_person_types_the_second_only_interrupts():
    code, said = run("""
        sys.ps1 = ">>> "
        try:
            with interrupts() as stopped:
                os.kill(os.getpid(), signal.SIGINT)
                os.kill(os.getpid(), signal.SIGINT)
        except KeyboardInterrupt:
            print("memory is kept")
    """)
    assert (code, said) == (0, "memory is kept\n")


def test_a_terminal_that_closes_does_not_end_what_nohup_started():
    code, said = run("""
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        with interrupts() as stopped:
            os.kill(os.getpid(), signal.SIGHUP)
            print(stopped())
    """)
    assert (code, said) == (0, "False\n")


def test_handlers_of_others_are_put_back():
    code, said = run("""
        signal.signal(signal.SIGTERM, lambda *_: print("theirs"))
        with interrupts() as stopped:
            os.kill(os.getpid(), signal.SIGTERM)
            os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGTERM)
        print(stopped(), signal.getsignal(signal.SIGINT) is signal.default_int_handler)
    """)
    assert (code, said) == (0, "theirs\ntheirs\nTrue True\n")
