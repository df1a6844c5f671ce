"""Files are written whole, wait for readers on Windows, and have the modes that the user wants."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from tinyworlds.errors import StorageError
from tinyworlds.system import files


@pytest.fixture
def held_for_a_moment(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """Let renaming fail three times, as on Windows while a reader has the target open; counts attempts."""
    attempts: list[int] = []

    def replace(source: Path, target: Path, really=os.replace) -> None:
        attempts.append(1)
        if len(attempts) <= 3:
            raise PermissionError(13, "Access is denied")
        really(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(files.os, "replace", replace)
        yield attempts


def test_windows_waits_for_readers_of_the_old_file(
    held_for_a_moment: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "sys", SimpleNamespace(platform="win32"))
    files.write_text(tmp_path / "a.txt", "new")
    assert (tmp_path / "a.txt").read_text(encoding="utf-8") == "new"
    assert len(held_for_a_moment) == 4
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


def test_a_file_held_for_good_is_one_line(
    held_for_a_moment: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.txt").write_text("old", encoding="utf-8")
    monkeypatch.setattr(files, "sys", SimpleNamespace(platform="win32"))
    monkeypatch.setattr(files, "_WINDOWS_PATIENCE_S", -1)
    with pytest.raises(StorageError, match="close what has it open"):
        files.write_text(tmp_path / "a.txt", "new")
    assert [path.read_text(encoding="utf-8") for path in tmp_path.iterdir()] == ["old"]


def test_posix_does_not_wait_for_permission(held_for_a_moment: list[int], tmp_path: Path) -> None:
    if sys.platform == "win32":
        pytest.skip("is Windows")
    with pytest.raises(StorageError, match="Access is denied"):
        files.write_text(tmp_path / "a.txt", "new")
    assert len(held_for_a_moment) == 1


@pytest.mark.skipif(sys.platform == "win32", reason="has no modes")
def test_a_replaced_file_is_readable_by_whom_the_user_wants(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        files.write_text(tmp_path / "a.txt", "x")
    finally:
        os.umask(before)
    assert (tmp_path / "a.txt").stat().st_mode & 0o777 == 0o640
