"""The number of threads follows what the cores give: on a machine that is pretended, second by second."""

from __future__ import annotations

import statistics

import pytest

from tinyworlds.training.thread_choice import ThreadChoice


class Machine:
    """Updates take what a table says for each number of threads; threads wait for cores or do not."""

    def __init__(
        self, most: int, seconds: dict[int, float], waiting: float = 0.0, tells: bool = True
    ) -> None:
        self.now = self.waited = 0.0
        self.seconds, self.waiting, self.tells = seconds, waiting, tells
        self.choice = ThreadChoice(most, self._waited, lambda: self.now)
        self.used: list[int] = []

    def _waited(self) -> float | None:
        return self.waited if self.tells else None

    def run(self, seconds: float) -> float:
        """Train for so long; return updates a second."""
        until, begun, updates = self.now + seconds, self.now, 0
        while self.now < until:
            threads = self.choice.num_threads
            taken = self.seconds[threads]
            self.now += taken
            self.waited += self.waiting * threads * taken
            self.choice.note(taken)
            self.used.append(threads)
            updates += 1
        return updates / (self.now - begun)

    def chosen(self) -> int:
        """Threads of most of the latest updates; some are tries."""
        return statistics.mode(self.used[-15:])


BUSY = {2: 1.28, 1: 0.57}  # three processes beside it on two cores: updates of the quickstart's dynamics
ALONE = {2: 0.15, 1: 0.28}


def test_alone_nothing_is_ever_tried() -> None:
    machine = Machine(2, ALONE)
    machine.run(600)
    assert set(machine.used) == {2}


def test_one_thread_beside_busy_processes() -> None:
    machine = Machine(2, BUSY, waiting=0.5)
    assert machine.run(60) > 0.85 / BUSY[1]
    assert machine.chosen() == 1
    assert machine.run(600) > 0.95 / BUSY[1], "tries become rare"


def test_it_comes_and_goes() -> None:
    machine = Machine(2, ALONE)
    machine.run(30)
    machine.seconds, machine.waiting = BUSY, 0.5
    machine.run(30)
    assert machine.chosen() == 1
    machine.seconds, machine.waiting = ALONE, 0.0
    machine.run(20)
    assert machine.chosen() == 2


def test_others_that_leave_a_core_free_are_seen_to_go() -> None:
    machine = Machine(2, {2: 0.4, 1: 0.28}, waiting=0.3)
    machine.run(300)
    assert machine.chosen() == 1
    machine.seconds, machine.waiting = ALONE, 0.0  # one thread is as fast as before
    machine.run(130)
    assert machine.chosen() == 2


def test_more_threads_stay_where_they_are_faster_all_the_same() -> None:
    machine = Machine(2, {2: 0.2, 1: 0.28}, waiting=0.3)
    assert machine.run(120) > 0.93 / 0.2
    assert machine.chosen() == 2


@pytest.mark.parametrize("best", [1, 2, 8, 16, 64])
def test_many_cores(best: int) -> None:
    def seconds(threads: int) -> float:
        return 0.1 * (best / threads if threads < best else threads / best)

    machine = Machine(64, {2**k: seconds(2**k) for k in range(7)}, waiting=0.5)
    machine.run(120)
    assert statistics.mode(machine.used[-400:]) == best


def test_a_system_that_does_not_tell_shows_it_by_the_time() -> None:
    machine = Machine(2, ALONE, tells=False)
    machine.run(60)
    assert set(machine.used) == {2}
    machine.seconds = BUSY
    machine.run(60)
    assert machine.chosen() == 1


def test_one_thread_is_never_more() -> None:
    machine = Machine(1, {1: 0.1}, waiting=0.9)
    machine.run(30)
    assert set(machine.used) == {1}


def test_one_update_that_was_held_up_changes_nothing() -> None:
    machine = Machine(2, ALONE)
    machine.run(10)
    machine.choice.note(50.0)
    machine.run(60)
    assert set(machine.used) == {2}
