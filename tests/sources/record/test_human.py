"""A person plays while we record: a real window under Xvfb with posted keys, where both are there."""

import os
import shutil
import subprocess
import sys
import time

import h5py
import numpy as np
import pytest
from paths import ROOT, SUPPORT
from x_server import happens, lit, screenshot

from tinyworlds.commands import cli

TOY = "toy_games:TinyWandering-v0"  # noop, left, right, fire, leftfire, at 24 pictures a second


def is_still(display):
    before = screenshot(display)
    time.sleep(0.3)
    return np.array_equal(before, screenshot(display))


@pytest.mark.skipif(shutil.which("xdotool") is None, reason="needs xdotool")
@pytest.mark.slow
def test_keys_become_actions(display, tmp_path):
    def keys(*words):
        """When the first key could have arrived, and when the last surely had."""
        began = time.monotonic()
        subprocess.run(["xdotool", *words], env={**os.environ, "DISPLAY": display}, check=True)
        return began, time.monotonic()

    out = tmp_path / "a.h5"
    path = os.pathsep.join([str(SUPPORT), str(ROOT)])
    process = subprocess.Popen(
        [sys.executable, "-m", "tinyworlds", "record", TOY, "--policy", "human", "--out", str(out)],
        env={**os.environ, "DISPLAY": display, "PYTHONPATH": path},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert happens(lambda: lit(display) > 0.25 or process.poll() is not None, 60)
        time.sleep(0.5)
        left = keys("keydown", "Left")
        time.sleep(1.5)
        both = keys("keydown", "space")
        time.sleep(1.5)
        none = keys("keyup", "Left", "keyup", "space")
        time.sleep(0.5)
        tap = keys("key", "d")
        time.sleep(0.5)
        assert happens(lambda: not is_still(display), 60)  # it still plays, however slowly
        keys("key", "p")
        assert happens(lambda: is_still(display), 60)
        shown = screenshot(display)
        time.sleep(1)
        assert np.array_equal(shown, screenshot(display))  # paused
        keys("key", "p")
        assert happens(lambda: not is_still(display), 60)
        keys("key", "Escape")
        said, told = process.communicate(timeout=60)
    finally:
        process.kill()
        process.communicate()
    assert process.returncode == 0, told
    assert "frames at 24 fps" in said
    with h5py.File(out) as file:
        actions, ends = file["actions"][:].tolist(), file["episode_ends"][:]
        green = file["frames"][:, 0, 0, 1]
    runs = [action for i, action in enumerate(actions) if i == 0 or actions[i - 1] != action]
    # the two keys that go up one after the other may do so in one frame or in two
    assert runs in ([0, 1, 4, 0, 2, 0], [0, 1, 4, 3, 0, 2, 0])

    def fits(count, pressed, released):
        """24 frames for each second held; a busy machine runs up to a second behind and catches up."""
        return released[0] - pressed[1] - 1 <= count / 24 <= released[1] - pressed[0] + 1

    assert fits(actions.count(1), left, both)
    assert fits(actions.count(4), both, none)
    assert actions.count(2) <= 24 * (tap[1] - tap[0]) + 2
    inside = np.flatnonzero(~ends[:-1])
    np.testing.assert_array_equal(green[inside + 1], np.array(actions)[inside])


def test_without_a_display_it_is_one_line(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("tinyworlds.sources.record.human.has_display", lambda: False)
    assert cli.main(["record", TOY, "--policy", "human", "--out", str(tmp_path / "a.h5")]) == 1
    error = capsys.readouterr().err
    assert "no display here" in error
    assert "--policy sticky" in error
    assert error.count("\n") == 1
    assert not (tmp_path / "a.h5").exists()
    assert not (tmp_path / ".record").exists()
