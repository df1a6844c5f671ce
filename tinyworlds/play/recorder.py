"""Records what is played without holding up the game: a clip, a GIF, a gameplay file with the actions."""

from __future__ import annotations

import datetime
import logging
import threading
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tinyworlds.errors import TinyWorldsError
from tinyworlds.system.files import portable_name

if TYPE_CHECKING:
    from tinyworlds.data.writer import FrameWriter

log = logging.getLogger(__name__)

DEFAULT_FOLDER = Path("recordings")
PATIENCE_S = 1.0  # clips that take longer to write at the end of a session are worth a word


class Recorder:
    """Writes a gameplay file as frames come, then clips of it in a thread of its own.

    Args:
        path: the clip to write, with any suffix: that of the clip goes by the codecs of this machine, and a
            ``.gif`` and an ``.h5`` of the same name lie beside it.
        fps: frames per second.
        scale: whole number by which the frames of the clips are enlarged.
        action_names: one for each action.
        idle_action: noted where no action led on.
        source: what is played, for the gameplay file.
    """

    def __init__(
        self,
        path: str | Path,
        fps: float,
        scale: int = 1,
        action_names: Sequence[str] = (),
        idle_action: int = 0,
        source: str = "",
    ) -> None:
        self.path, self.fps, self.scale = Path(path), fps, scale
        self._names, self._idle, self._source = tuple(action_names), idle_action, source
        self._writer: FrameWriter | None = None
        self._last: np.ndarray | None = None
        self._thread: threading.Thread | None = None
        self.written: list[Path] = []
        self._error: Exception | None = None

    def add(self, frame: np.ndarray, action: int | None = None) -> None:
        """Add a frame, uint8 [H, W, 3].

        Args:
            frame: what is seen.
            action: what led to it from the frame before; None if it begins an episode.

        Raises:
            StorageError: the disk is full or the folder cannot be written.
        """
        if self._last is not None:
            self._store(self._last, self._idle if action is None else action, episode_end=action is None)
        self._last = frame

    def finish(self) -> None:
        """Start writing the clips; nothing is written if no frame came in."""
        self._thread = threading.Thread(target=self._finish, name="recorder")
        self._thread.start()

    @property
    def done(self) -> bool:
        """Whether writing has ended."""
        return self._thread is not None and not self._thread.is_alive()

    def is_done_within(self, seconds: float) -> bool:
        """Wait for so long; return whether writing has ended."""
        assert self._thread is not None, "finish() comes before is_done_within()"
        self._thread.join(seconds)
        return self.done

    def wait(self) -> None:
        """Wait for the files; `written` then names them, none if there were no frames.

        Raises:
            VideoError: no codec could write the clip.
            StorageError: the disk is full or the folder cannot be written.
        """
        assert self._thread is not None, "finish() comes before result()"
        self._thread.join()
        if self._error is not None:
            raise self._error

    def _store(self, frame: np.ndarray, action: int, episode_end: bool) -> FrameWriter:
        from tinyworlds.data.writer import FrameWriter

        if self._writer is None:
            height, width = frame.shape[:2]
            path = self.path.with_suffix(".h5")
            self._writer = FrameWriter(path, height, width, self.fps, self._source, self._names)
        self._writer.append(frame, action, episode_end=episode_end)
        return self._writer

    def _finish(self) -> None:
        try:
            if self._last is None:
                return
            writer = self._store(self._last, self._idle, episode_end=True)
            writer.close()
            self.written.append(writer.path)
            self._write_clips(writer.path)
        except Exception as error:  # handed to the thread that asks for the result
            self._error = error

    def _write_clips(self, gameplay: Path) -> None:
        from tinyworlds.data.reader import FrameFile
        from tinyworlds.media.video import save_gif, save_video

        with closing(FrameFile(gameplay)) as file:
            frames = file.frames(0, len(file))
        self.written.append(save_video(self.path.with_suffix(".mp4"), frames, self.fps, self.scale))
        self.written.append(save_gif(self.path.with_suffix(".gif"), frames, self.fps, self.scale))


class Recordings:
    """The recordings of a session: at most one runs, others may still be written.

    Args:
        new_recorder: makes one; None if nothing can be recorded.
        say: tells the player.
    """

    def __init__(self, new_recorder: Callable[[], Recorder] | None, say: Callable[[str], None]) -> None:
        self.written: list[Path] = []
        self.failed: list[str] = []  # what could not be recorded, and why
        self._new, self._say = new_recorder, say
        self._recorder: Recorder | None = None
        self._last: np.ndarray | None = None  # the very frame that was recorded last
        self._finishing: list[Recorder] = []

    @property
    def running(self) -> bool:
        """Whether frames are being recorded."""
        return self._recorder is not None

    def toggle(self, frame: np.ndarray | None) -> None:
        """Stop the recording, or start one with the frame in sight."""
        if self._recorder is not None:
            self._stop()
        elif self._new is not None:
            self._recorder, self._last = self._new(), None
            if frame is not None:
                self.add(frame, None)

    def add(self, frame: np.ndarray, action: int | None) -> None:
        """Record a frame and the action that led to it, if a recording runs.

        The frame recorded last may come again without an action: play goes on from it, nothing is added.
        """
        if self._recorder is None or (action is None and frame is self._last):
            return
        try:
            self._recorder.add(frame, action)
            self._last = frame
        except TinyWorldsError as error:  # a full disk must not end the game
            self._fail(f"recording stopped: {error}")
            self._recorder = None

    def collect(self, wait: bool = False) -> None:
        """Take in what has been written meanwhile."""
        for recorder in [r for r in self._finishing if wait or r.done]:
            self._finishing.remove(recorder)
            try:
                recorder.wait()
                if recorder.written:
                    endings = " ".join(path.suffix for path in recorder.written)
                    self._say(f"saved {recorder.written[0].stem} {endings}")
            except (TinyWorldsError, OSError) as error:  # a failing codec must not end the game
                self._fail(f"recording failed: {error}")
            self.written += recorder.written

    def close(self) -> list[Path]:
        """Finish everything and return all files that were written."""
        self._stop()
        for recorder in self._finishing:
            if not recorder.is_done_within(PATIENCE_S):
                log.warning("writing the clips of %s; a long recording takes a while", recorder.path.stem)
        self.collect(wait=True)
        return self.written

    def _fail(self, message: str) -> None:
        self.failed.append(message)
        self._say(message)

    def _stop(self) -> None:
        if self._recorder is not None:
            self._recorder.finish()
            self._say(f"saving {self._recorder.path.stem}")
            self._finishing.append(self._recorder)
            self._recorder = None


def recording_path(game: str, folder: str | Path = DEFAULT_FOLDER) -> Path:
    """Return a path for a new clip, named after the game and the time."""
    # Milliseconds, since an earlier clip of the same second may not be on the disk yet.
    now = datetime.datetime.now().strftime("%Y%m%d_%H%M%S_%f")[:-3]
    return Path(folder) / f"{portable_name(game, 'world')}_{now}.mp4"
