"""Records what is played to a clip, without holding up the game while the clip is written."""

from __future__ import annotations

import datetime
import threading
from pathlib import Path

import numpy as np

DEFAULT_FOLDER = Path("recordings")


class Recorder:
    """Collects frames, then writes them to a video in a thread of its own.

    Args:
        path: the clip to write; the suffix may change with the codec that this machine has.
        fps: frames per second of the clip.
        scale: whole number by which the frames are enlarged.
    """

    def __init__(self, path: str | Path, fps: float, scale: int = 1) -> None:
        self.path, self.fps, self.scale = Path(path), fps, scale
        self._frames: list[np.ndarray] = []
        self._thread: threading.Thread | None = None
        self._written: Path | None = None
        self._error: Exception | None = None

    def add(self, frame: np.ndarray) -> None:
        """Add a frame, uint8 [H, W, 3]."""
        self._frames.append(frame)

    def finish(self) -> None:
        """Start writing the clip; nothing is written if no frame came in."""
        self._thread = threading.Thread(target=self._write, name="recorder")
        self._thread.start()

    @property
    def done(self) -> bool:
        """Whether writing has ended."""
        return self._thread is not None and not self._thread.is_alive()

    def result(self) -> Path | None:
        """Wait for the clip and return its path, or None if there were no frames.

        Raises:
            VideoError: no codec could write it.
            StorageError: the disk is full or the folder cannot be written.
        """
        assert self._thread is not None, "finish() comes before result()"
        self._thread.join()
        if self._error is not None:
            raise self._error
        return self._written

    def _write(self) -> None:
        from tinyworlds.media import save_video

        if not self._frames:
            return
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._written = Path(save_video(self.path, np.stack(self._frames), self.fps, self.scale))
        except Exception as error:  # handed to the thread that asks for the result
            self._error = error
        self._frames = []


def recording_path(game: str, folder: str | Path = DEFAULT_FOLDER) -> Path:
    """Return a path for a new clip, named after the game and the time."""
    # Milliseconds, since an earlier clip of the same second may not be on the disk yet.
    now = datetime.datetime.now().strftime("%Y%m%d_%H%M%S_%f")[:-3]
    return Path(folder) / f"{game or 'world'}_{now}.mp4"
