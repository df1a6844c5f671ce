"""What processes of the pool do in its tests; imported there."""

import os
import signal
import subprocess
import sys
import time


def echo(job, report, stopped):
    return job


def die(job, report, stopped):
    """Start a child that would inherit every pipe, as a game's engine does, and be killed."""
    report("begun")
    kept = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], close_fds=False)
    with open(job, "w", encoding="utf-8") as file:
        file.write(str(kept.pid))
    if hasattr(signal, "SIGKILL"):
        os.kill(os.getpid(), signal.SIGKILL)


def until_stopped(job, report, stopped):
    while not stopped():
        report("playing")
        time.sleep(0.01)
    return "kept"


def for_ever(job, report, stopped):
    report("playing")
    while True:
        time.sleep(0.05)
