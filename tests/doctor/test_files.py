"""Gameplay files: sound ones pass, others are named with what is wrong."""

import os
from pathlib import Path

import h5py
import numpy as np

from tinyworlds.doctor.files import check_data
from tinyworlds.system.shell import shown_command


def lines(findings) -> list[tuple[str, str, str]]:
    return [(finding.status, finding.text, finding.remedy) for finding in findings]


def test_sound_files(tiny_h5: Path, frames_only_h5: Path) -> None:
    public, ours = lines(check_data(str(tiny_h5.parent)))
    assert ours[:2] == ("ok", f"{tiny_h5}: 300 frames of 16x16, 15 fps, true actions")
    assert public[0] == "warning"
    assert "stored in chunks across many frames" in public[1]


def test_damaged_and_foreign_files(tiny_h5: Path) -> None:
    folder = tiny_h5.parent
    content = tiny_h5.read_bytes()
    (folder / "cut.h5").write_bytes(content[: len(content) // 2])
    (folder / "text.h5").write_bytes(b"no such thing")
    (folder / "notes.txt").write_bytes(b"nobody's business")
    with h5py.File(folder / "other.h5", "w") as file:
        file["observations"] = np.zeros(3)
    (folder / "deep er").mkdir()
    (folder / "deep er" / "film.mp4").write_bytes(b"")
    (folder / ".cache").mkdir()
    (folder / ".cache" / "copy.h5").write_bytes(b"")
    found = {Path(text.split(": ")[0].split(".h5")[0]).stem: (status, text, remedy)
             for status, text, remedy in lines(check_data(str(folder)))}  # fmt: skip
    assert {*found} == {"cut", "text", "other", "film", "tiny_frames"}
    assert found["cut"][0] == found["text"][0] == found["other"][0] == "failure"
    assert "truncated" in found["cut"][1]
    assert "not an HDF5 file" in found["text"][1]
    assert "it holds: observations" in found["other"][1]
    assert found["film"][0] == "ok"
    assert shown_command("ingest", folder / "deep er" / "film.mp4") in found["film"][2]


def test_unfinished_files(tmp_path: Path) -> None:
    (tmp_path / "new.h5.1.part").write_bytes(b"x")
    (tmp_path / "old.h5.2.part").write_bytes(b"x")
    os.utime(tmp_path / "old.h5.2.part", (1e9, 1e9))
    new, old = lines(check_data(str(tmp_path)))
    assert (new[0], old[0]) == ("ok", "warning")
    assert "delete" in old[2]


def test_no_data_is_fine(tmp_path: Path) -> None:
    assert [line[0] for line in lines(check_data(str(tmp_path)))] == ["ok"]
    ((status, _, remedy),) = lines(check_data(str(tmp_path / "none")))
    assert status == "ok"
    assert "tinyworlds record" in remedy
