"""The streaming writer: whole files or none."""

import subprocess
import sys
import textwrap

import h5py
import numpy as np
import pytest

from tinyworlds.data.optimize import optimize
from tinyworlds.data.reader import FrameFile
from tinyworlds.data.schema import read_info
from tinyworlds.data.writer import FrameWriter
from tinyworlds.errors import DataError


def blank(count=8, size=4):
    return np.zeros((count, size, size, 3), np.uint8)


def test_frames_come_back_as_written(tmp_path):
    frames = np.random.default_rng(0).integers(0, 256, (150, 8, 6, 3), dtype=np.uint8)  # more than a buffer
    path = tmp_path / "new" / "folder" / "a.h5"
    with FrameWriter(path, 8, 6, fps=30, action_names=["a", "b"]) as writer:
        for i, frame in enumerate(frames):
            writer.append(frame, action=i % 2, reward=i, episode_end=i == 99)
        assert not path.exists()
        assert writer.partial.exists()
    assert not writer.partial.exists()
    file = FrameFile(path)
    np.testing.assert_array_equal(file.frames(0, 150), frames)
    np.testing.assert_array_equal(file.actions, np.arange(150) % 2)
    assert file.episode_ends.tolist() == [99, 149]


def test_a_writer_without_actions(tmp_path):
    with FrameWriter(tmp_path / "a.h5", 4, 4, fps=15) as writer:
        writer.append(blank()[0])
    info = read_info(tmp_path / "a.h5")
    assert not info.has_actions
    assert info.has_episodes


def test_an_error_leaves_nothing_and_keeps_the_old_file(tiny_h5):
    before = tiny_h5.read_bytes()

    def interrupted():
        with FrameWriter(tiny_h5, 4, 4, fps=15) as writer:
            for _ in range(100):
                writer.append(blank()[0])
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert [path.name for path in tiny_h5.parent.iterdir()] == [tiny_h5.name]
    assert tiny_h5.read_bytes() == before


def test_wrong_and_missing_frames_are_refused(tmp_path):
    with (
        pytest.raises(DataError, match=r"float32 \[4, 4, 3\]"),
        FrameWriter(tmp_path / "a.h5", 4, 4, 15) as w,
    ):
        w.append(blank()[0].astype(np.float32))
    with pytest.raises(DataError, match="not one frame"), FrameWriter(tmp_path / "b.h5", 4, 4, 15):
        pass
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(sys.platform == "win32", reason="file size limits are POSIX")
def test_a_full_disk_is_one_line_and_leaves_nothing(tmp_path):
    """A limit on file size makes writes fail as a full disk does."""
    code = f"""
        import resource, signal
        import numpy as np
        from tinyworlds.data.writer import FrameWriter
        from tinyworlds.errors import StorageError
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))
        noise = np.random.default_rng(0)
        try:
            with FrameWriter({str(tmp_path / "a.h5")!r}, 64, 64, 15) as writer:
                for _ in range(200):
                    writer.append(noise.integers(0, 256, (64, 64, 3), dtype=np.uint8))
        except StorageError as error:
            print("refused:", error)
    """
    result = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=False
    )
    assert result.stdout.startswith("refused: Could not write"), result.stdout + result.stderr
    assert result.stdout.count("\n") == 1
    assert result.stderr == ""
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["jeu-\udce9t\udce9.mp4", "a\0b", "\u0417\u0435\u043b\u044c", "\ud83c"])
def test_any_name_can_be_stored(name, tmp_path):
    """Names of files and actions that are no UTF-8, as in an archive of another system."""
    with FrameWriter(tmp_path / "x.h5", 8, 8, 15, source=name, action_names=[name, "b"]) as writer:
        writer.append(np.zeros((8, 8, 3), np.uint8))
        writer.add_text("videos", name)
    shown = name.encode("utf-8", "backslashreplace").decode().replace("\0", "\\x00")
    optimize(tmp_path / "x.h5", tmp_path / "y.h5")
    for file in ("x.h5", "y.h5"):
        info = read_info(tmp_path / file)
        assert (info.source, info.action_names) == (shown, (name, "b"))
        with h5py.File(tmp_path / file) as stored:
            assert stored["videos"].asstr()[()] == shown
