"""Signals wait for the end of what must not be cut in two."""

import signal
import threading

import pytest

from tinyworlds.system.interrupts import uninterrupted


@pytest.fixture(autouse=True)
def _handlers_as_usual():
    """Where tests run in the background, Python has not taken SIGINT."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_an_interrupt_waits_and_is_not_lost():
    done = []

    @uninterrupted()
    def work():
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        done.append("inside")

    with pytest.raises(KeyboardInterrupt):
        work()
    assert done == ["inside"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_nested_blocks_wait_for_the_outer_one():
    done = []

    @uninterrupted()
    def work():
        with uninterrupted():
            signal.raise_signal(signal.SIGINT)
        done.append("between")

    with pytest.raises(KeyboardInterrupt):
        work()
    assert done == ["between"]


def test_errors_come_through_and_handlers_return():
    with pytest.raises(ZeroDivisionError), uninterrupted():
        _ = 1 / 0
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


def test_an_interrupt_during_an_error_is_the_interrupt():
    @uninterrupted()
    def work():
        signal.raise_signal(signal.SIGINT)
        _ = 1 / 0

    with pytest.raises(KeyboardInterrupt):
        work()


def test_a_handler_of_ones_own_is_called():
    came = []
    before = signal.signal(signal.SIGTERM, lambda number, _: came.append(number))
    try:
        with uninterrupted():
            signal.raise_signal(signal.SIGTERM)
            assert came == []
        assert came == [signal.SIGTERM]
    finally:
        signal.signal(signal.SIGTERM, before)


def test_other_threads_have_nothing_to_wait_for():
    done = []

    def work():
        with uninterrupted():
            done.append(1)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert done == [1]
