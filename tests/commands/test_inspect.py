"""``tinyworlds inspect``: the contact sheet and JSON, for files of ours and of others."""

import json
from pathlib import Path

import numpy as np
import pytest
from gameplay_files import write_gameplay
from PIL import Image

from tinyworlds.commands.cli import main
from tinyworlds.data.contact_sheet import save_contact_sheet, sheet_path
from tinyworlds.data.writer import FrameWriter


def picture(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path).convert("RGB")).astype(int)


def test_the_sheet_lies_beside_the_file(tiny_h5: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", str(tiny_h5)]) == 0
    printed = capsys.readouterr().out
    assert sheet_path(tiny_h5) == tiny_h5.with_name("tiny_sheet.png")
    assert str(sheet_path(tiny_h5)) in printed
    assert "10, of 30 to 30 frames" in printed
    assert min(picture(sheet_path(tiny_h5)).shape[:2]) > 100


def test_json_for_programs(frames_only_h5: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An upstream-style file: frames and nothing else."""
    out = tmp_path / "elsewhere" / "sheet.png"
    assert main(["inspect", str(frames_only_h5), "--json", "--sheet", str(out)]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["shape"] == [300, 16, 16, 3]
    assert found["fps"] is None
    assert found["actions"] is None
    assert found["episodes"] is None
    assert found["sheet"] == str(out)
    assert out.exists()
    assert not sheet_path(frames_only_h5).exists()


def test_no_sheet_and_wrong_places(tiny_h5: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", str(tiny_h5), "--sheet", "none"]) == 0
    assert not sheet_path(tiny_h5).exists()
    assert main(["inspect", str(tiny_h5), "--sheet", "a.jpg"]) == 2
    assert main(["inspect", str(tiny_h5), "--sheet", str(tiny_h5 / "x.png")]) == 1
    assert main(["inspect", str(tiny_h5.with_name("none.h5"))]) == 1
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 3
    assert all(line.startswith("error: ") for line in lines)


def test_a_folder_that_cannot_be_written_costs_the_sheet_only(
    tiny_h5: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    sheet_path(tiny_h5).mkdir()  # a name that is taken stands for a folder that refuses, which root ignores
    assert main(["inspect", str(tiny_h5)]) == 0
    assert "is a folder; name a picture in it" in capsys.readouterr().out


def test_frames_are_where_the_sheet_says(tmp_path: Path) -> None:
    """Each frame has one colour; rows begin evenly spread, columns follow each other, ends are red."""
    path = tmp_path / "g_frames.h5"
    with FrameWriter(path, 64, 64, 15.0) as writer:
        for i in range(120):
            writer.append(np.full((64, 64, 3), i * 2, np.uint8), episode_end=i == 5)
    sheet = picture(save_contact_sheet(path, tmp_path / "sheet.png"))
    grey = (sheet.max(-1) == sheet.min(-1)) & (sheet[..., 0] < 250)
    for start in np.linspace(0, 120 - 12, 10).astype(int):
        for i in (0, 7, 11):
            assert (grey & (sheet[..., 0] == 2 * (start + i))).sum() > 60 * 60, (start, i)
    red = (sheet == (230, 30, 30)).all(-1)
    assert red.sum() == 2 * 2 * 64 * 2 * 2, "the ends of both episodes, two pixels wide, enlarged twice"
    columns = np.flatnonzero(red.any(0))
    assert len(columns) == 8


@pytest.mark.parametrize(
    "settings", [{"num_episodes": 1, "episode_length": 1}, {"size": 256, "num_episodes": 1}]
)
def test_odd_files(tmp_path: Path, settings: dict) -> None:
    path = write_gameplay(tmp_path / "odd.h5", **settings)
    sheet = picture(save_contact_sheet(path, tmp_path / "sheet.png"))
    assert sheet.shape[1] < 2200


def test_a_video_is_sent_to_ingest(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    video = tmp_path / "Play.MP4"
    video.write_bytes(b"....ftypisom")
    assert main(["inspect", str(video)]) != 0
    assert f"tinyworlds ingest {video} --game NAME" in capsys.readouterr().err
