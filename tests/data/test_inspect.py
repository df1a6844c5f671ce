"""Statistics of gameplay files."""

from pathlib import Path

import h5py
import numpy as np
import pytest

from tinyworlds.commands.inspect import inspect_command
from tinyworlds.data.inspect import inspect_file


def h5(path: Path, **datasets) -> Path:
    with h5py.File(path, "w") as file:
        for name, value in datasets.items():
            file[name] = value
    return path


def test_inspection_of_a_full_file(tiny_h5):
    found = inspect_file(str(tiny_h5))
    assert found.shape == (300, 16, 16, 3)
    assert found.episodes == 10
    assert found.episode_lengths == (30, 30, 30)
    assert sum(found.actions.values()) == pytest.approx(1)
    assert set(found.actions) == {"noop", "left", "right", "up"}
    assert found.minutes == pytest.approx(300 / 15 / 60)
    assert found.notes == ()


def test_inspect_prints_what_a_public_file_holds(frames_only_h5, capsys):
    assert inspect_command(str(frames_only_h5)) == 0
    text = capsys.readouterr().out
    assert "300 of 16x16, no rate stored" in text
    assert "lzf" in text
    assert "actions" not in text
    inspect_command(str(frames_only_h5), json=True)
    assert '"shape": [300, 16, 16, 3]' in capsys.readouterr().out


def test_inspect_points_out_a_dead_recording(tmp_path):
    notes = " ".join(
        inspect_file(str(h5(tmp_path / "black.h5", frames=np.zeros((50, 4, 8, 3), np.uint8)))).notes
    )
    assert "one colour" in notes
    assert "nothing moves" in notes
    assert "not square" in notes


def test_one_frame_can_be_inspected(tmp_path):
    assert inspect_file(str(h5(tmp_path / "one.h5", frames=np.zeros((1, 4, 4, 3), np.uint8)))).shape[0] == 1
