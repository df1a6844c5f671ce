"""What was played, as a thing that shows itself in a notebook: a clip, and a dream beside the truth.

clip = world.play("d*30 space*2")    # the last line of a cell plays it
clip.save("clip.mp4")
compare(truth, clip)
"""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np

from tinyworlds.errors import ConfigError, DataError, VideoError

if TYPE_CHECKING:
    from tinyworlds.play.session import PlayableWorld

SHOWN_PX = 320  # of a clip in a notebook, the longer side
ERROR_GAIN = 2
_MIME = {".mp4": "video/mp4", ".gif": "image/gif"}


@dataclass(frozen=True, eq=False)
class Clip:
    """Played frames and what was pressed.

    Attributes:
        frames: uint8 [T, H, W, 3]; the first is the start frame.
        actions: for each frame the action id that led to it, None for a start frame.
        fps: frames per second.
        action_names: one for each action id; may be empty.
    """

    frames: np.ndarray
    actions: tuple[int | None, ...]
    fps: float
    action_names: tuple[str, ...] = field(default=(), repr=False)

    def __len__(self) -> int:
        return len(self.frames)

    def __repr__(self) -> str:
        height, width = self.frames.shape[1:3]
        return f"Clip of {len(self)} frames, {width} x {height}, {self.fps:g} a second"

    def save(self, path: str | Path, scale: int | None = None) -> Path:
        """Write the clip in the format that its name ends in.

        Args:
            path: where to; it ends in ``.mp4``, ``.webm``, ``.gif``, ``.mkv`` or ``.mov``.
            scale: pixels per pixel; by default the longer side becomes about 320.

        Returns:
            The path written.

        Raises:
            ConfigError: the path ends in something else.
            VideoError: the video could not be encoded.
            StorageError: the disk is full or the path cannot be written.
        """
        from tinyworlds.media.video import save_clip

        return save_clip(path, self.frames, self.fps, scale or self._scale)

    def _repr_html_(self) -> str:
        """Play in a notebook: a video, or a GIF where this machine has no codec."""
        with TemporaryDirectory() as folder:
            try:
                path = self.save(Path(folder) / "clip.mp4")
            except VideoError:
                path = self.save(Path(folder) / "clip.gif")
            data = base64.b64encode(path.read_bytes()).decode()
        source = f"data:{_MIME[path.suffix]};base64,{data}"
        width = self.frames.shape[2] * self._scale
        if path.suffix == ".gif":
            return f'<img src="{source}" width="{width}" alt="{self!r}">'
        return f'<video src="{source}" width="{width}" controls autoplay loop muted playsinline></video>'

    @property
    def _scale(self) -> int:
        return max(SHOWN_PX // max(self.frames.shape[1:3]), 1)


@dataclass(frozen=True, eq=False)
class Strip:
    """A labelled picture.

    Attributes:
        picture: uint8 [H, W, 3].
        psnr: likeness of dream and truth in dB for each pair of frames; equal ones count as 58.9 dB, as in
            every report.
        summary: the likeness of all of them together, in words.
    """

    picture: np.ndarray
    psnr: tuple[float, ...]
    summary: str = ""

    def __repr__(self) -> str:
        return f"Strip: {self.summary}"

    def save(self, path: str | Path) -> Path:
        """Write the picture in the format that its name ends in, such as ``.png``, and return the path.

        Raises:
            ConfigError: it ends in nothing that pictures end in.
            StorageError: the disk is full or the path cannot be written.
        """
        from tinyworlds.media.pictures import save_picture

        return save_picture(path, self.picture)

    def _repr_png_(self) -> bytes:
        """Show in a notebook."""
        from PIL import Image

        data = io.BytesIO()
        Image.fromarray(self.picture).save(data, format="PNG")
        return data.getvalue()


def play_keys(world: PlayableWorld, keys: str, seed: int | None = None) -> Clip:
    """Play a script of keys, as fast as the world goes.

    Args:
        world: the world to play.
        keys: such as ``"d*30 space*2"``, see `tinyworlds.keys.parse_script`.
        seed: the same seed starts from the same clip and samples alike.

    Raises:
        ConfigError: a word is no key, or means nothing in this world.
        DataError: the world stores no clips to start from.
    """
    from tinyworlds.keys import do_nothing, keys_without_meaning, parse_script
    from tinyworlds.play.headless import play_script
    from tinyworlds.play.session import Session

    session, script = Session(world, seed=seed), parse_script(keys)
    if unused := keys_without_meaning(script, session.key_map):
        raise ConfigError(do_nothing(unused, session.key_map))
    played = play_script(session, script)
    frames = np.stack([frame.image for frame in played])
    return Clip(frames, tuple(frame.action for frame in played), session.fps, tuple(world.action_names))


def compare(
    truth: np.ndarray | Clip, dream: np.ndarray | Clip, title: str = "", max_columns: int = 12
) -> Strip:
    """Lay a dream under the truth, frame by frame, with the error below.

    Args:
        truth: what really happened, a clip or uint8 [T, H, W, 3].
        dream: what the world made of it, from the same frame on; it may be longer or shorter.
        title: a line above everything, before the likeness of all frames together.
        max_columns: of more pairs than these, as many are shown, spread evenly.

    Returns:
        A strip that shows itself in a notebook. Columns are numbered from 0; the error is the difference
        times 2, black where both are equal.

    Raises:
        DataError: these are no frames, or not of one size.
    """
    from tinyworlds.media.pictures import strip

    true, dreamt = _frames(truth, "truth"), _frames(dream, "dream")
    if true.shape[1:] != dreamt.shape[1:]:
        raise DataError(f"truth is {list(true.shape[1:3])} pixels and the dream {list(dreamt.shape[1:3])}")
    if max_columns < 1:
        raise ConfigError(f"max_columns is {max_columns}; a strip has at least 1")
    shared, longest = min(len(true), len(dreamt)), max(len(true), len(dreamt))
    difference = np.abs(true[:shared].astype(np.int16) - dreamt[:shared])
    error = np.minimum(difference * ERROR_GAIN, 255).astype(np.uint8)
    errors = np.square(difference / 255).mean(axis=(1, 2, 3))
    shown = np.unique(np.linspace(0, longest - 1, min(longest, max_columns)).round().astype(int)).tolist()
    rows = [[frames[i] for i in shown if i < len(frames)] for frames in (true, dreamt, error)]
    columns = [f"{i}: {_decibels(errors[i])}" if i < shared else str(i) for i in shown]
    summary = f"PSNR {_decibels(errors.mean())} over {shared} frame{'s' * (shared > 1)}"
    labels = ["truth", "dream", f"error x{ERROR_GAIN}"]
    picture = strip(rows, labels, columns, f"{title}: {summary}" if title else summary)
    return Strip(picture, tuple(_psnr(errors)), summary)


def _frames(given: np.ndarray | Clip, name: str) -> np.ndarray:
    frames: Any = given.frames if isinstance(given, Clip) else given
    shape, dtype = np.shape(frames), getattr(frames, "dtype", type(frames).__name__)
    if dtype != np.uint8 or len(shape) != 4 or shape[-1] != 3 or not shape[0]:
        raise DataError(f"the {name} is no clip: wanted uint8 [T, H, W, 3], got {dtype} {list(shape)}")
    return frames


def _psnr(errors: np.ndarray) -> list[float]:
    import torch  # late, as it takes seconds

    from tinyworlds.metrics.frames import mse_to_psnr

    return mse_to_psnr(torch.from_numpy(errors)).tolist()


def _decibels(error: float) -> str:
    return "equal" if error == 0 else f"{_psnr(np.array([error]))[0]:.1f} dB"
