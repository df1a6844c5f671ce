"""X servers of our own, so that no test opens windows on a person's desktop, and what they show."""

import contextlib
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator

import numpy as np
import pytest


@contextlib.contextmanager
def x_server(*options: str) -> Iterator[str]:
    """Xvfb with these options: the name of its display; the test is skipped where there is none."""
    if shutil.which("Xvfb") is None:
        pytest.skip("needs Xvfb (apt-get install xvfb)")
    read, write = os.pipe()
    command = ["Xvfb", "-displayfd", str(write), "-screen", "0", "1280x800x24", *options]
    server = subprocess.Popen(command, pass_fds=[write], stderr=subprocess.DEVNULL)
    os.close(write)
    try:
        with open(read) as numbers:
            number = numbers.readline().strip()
        if not number:
            pytest.skip("Xvfb does not start here")
        yield f":{number}"
    finally:
        server.terminate()
        server.wait()


def screenshot(display: str) -> np.ndarray:
    """What the display shows: (height, width, 3) uint8."""
    grab = pytest.importorskip("PIL.ImageGrab")
    return np.asarray(grab.grab(xdisplay=display))


def lit(display: str) -> float:
    """The share of the display that is not black."""
    return float((screenshot(display) > 0).any(axis=-1).mean())


def happens(condition: Callable[[], bool], seconds: float) -> bool:
    """Whether the condition comes true within so many seconds."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True
