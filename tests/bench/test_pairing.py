"""Timings taken in turn, with a clock that only contestants move."""

import json

import pytest

from tinyworlds.bench.pairing import Pairing, Ratio, Timing, in_units, pair, table


class Bench:
    """A clock and contestants that take the seconds they are told to, call after call."""

    def __init__(self):
        self.time, self.calls = 100.0, []

    def contestant(self, name, *durations):
        def run():
            number = self.calls.count(name)
            self.calls.append(name)
            self.time += durations[min(number, len(durations) - 1)]

        return run

    def clock(self):
        return self.time


@pytest.fixture
def bench():
    return Bench()


def test_contestants_take_turns_after_a_warm_up(bench):
    both = {"a": bench.contestant("a", 50, 4, 5, 6), "b": bench.contestant("b", 70, 2)}
    times = pair(both, rounds=3, seconds=0, warmup=1, clock=bench.clock)
    assert bench.calls == ["a", "b"] * 4
    assert times.seconds == {"a": (4, 5, 6), "b": (2, 2, 2)}
    assert times.rounds == 3


def test_rounds_go_on_until_the_time_is_spent(bench):
    one = {"a": bench.contestant("a", 2.0)}
    assert pair(one, rounds=2, seconds=9, warmup=0, clock=bench.clock).rounds == 5
    assert pair(one, rounds=7, seconds=9, warmup=0, clock=bench.clock).rounds == 7


def test_work_that_is_still_queued_counts(bench):
    queue = []

    def finish():
        bench.time += sum(queue)
        queue.clear()

    times = pair(
        {"a": lambda: queue.append(3.0), "b": lambda: queue.append(1.0)},
        rounds=2,
        seconds=0,
        warmup=1,
        synchronize=finish,
        clock=bench.clock,
    )
    assert times.seconds == {"a": (3, 3), "b": (1, 1)}


def test_median_spread_and_ratio():
    times = Pairing({"slow": tuple(range(10, 120, 10)), "fast": tuple(range(1, 12))})
    assert times.timing("slow") == Timing(median=60, low=20, high=100)
    assert times.ratio("slow", "fast") == Ratio(10, 10, 10)  # round by round, whatever the machine was doing
    assert times.ratio("fast", "slow").median == pytest.approx(0.1)


def test_one_disturbed_round_does_not_move_the_ratio():
    times = Pairing({"slow": (6.0, 6.0, 6.0, 90.0, 6.0), "fast": (2.0, 2.0, 2.0, 2.0, 2.0)})
    assert times.ratio("slow", "fast").median == 3


def test_report_is_plain_numbers():
    times = Pairing({"reference": (0.6, 0.6), "ours": (0.02, 0.02)})
    report = json.loads(json.dumps(times.to_dict(against=["reference"])))
    assert report["rounds"] == 2
    assert report["seconds"]["ours"] == {"median": 0.02, "low": 0.02, "high": 0.02}
    assert report["speedup"]["reference"]["ours"]["median"] == pytest.approx(30)
    assert "speedup" not in times.to_dict()


def test_table_names_units():
    times = Pairing({"reference": (0.6, 0.6), "ours": (0.02, 0.02)})
    lines = table(times, against="reference").splitlines()
    assert lines[1].split() == ["reference", "600", "ms", "600", "ms", "-", "600", "ms", "1"]
    assert lines[2].endswith("30.00 (30.00 - 30.00)")
    assert "times faster" not in table(times)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (12.34, "12.3 s"),
        (0.9999, "1.00 s"),
        (0.607, "607 ms"),
        (0.00235, "2.35 ms"),
        (7e-5, "70.0 us"),
        (0.0, "0.00 us"),
    ],
)
def test_units(seconds, text):
    assert in_units(seconds) == text


def test_nothing_to_time_is_refused():
    with pytest.raises(ValueError, match="nothing to time"):
        pair({})
    with pytest.raises(ValueError, match="at least one round"):
        pair({"a": lambda: None}, rounds=0)
