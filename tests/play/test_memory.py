"""Hours of play need no more memory than minutes."""

import gc
import os
from pathlib import Path

import pytest
from tiny_worlds import tiny_world

from tinyworlds.keys import KeyEvent
from tinyworlds.play.session import Session

STATM = Path("/proc/self/statm")


def resident_mb():
    gc.collect()
    return int(STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


@pytest.mark.slow
@pytest.mark.skipif(not STATM.exists(), reason="needs /proc")
def test_ten_thousand_steps_take_no_more_memory():
    session = Session(tiny_world(num_steps=1), seed=0)
    keys = ["left", "1", "2", "3"]

    def play(count):
        for tick in range(count):
            if tick % 7 == 0:
                session.handle([KeyEvent(keys[tick // 7 % 4]), KeyEvent(keys[tick // 7 % 4], down=False)])
            session.tick()

    play(2000)  # the past is as long as it gets
    before = resident_mb()
    play(8000)
    assert resident_mb() - before < 10
