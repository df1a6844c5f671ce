"""Which rows a codes file has, and how frozen networks fill them; see :mod:`tinyworlds.data.codes`."""

from __future__ import annotations

import hashlib

import numpy as np
import torch
from torch import Tensor

from tinyworlds.data.reader import FrameFile
from tinyworlds.errors import ConfigError
from tinyworlds.media.pixels import frames_to_input
from tinyworlds.models import LatentActionModel, VideoTokenizer

_BATCH_PIXELS = 2**20
"""Pixels of a batch while encoding: 256 frames of 64 x 64."""

_ASIDE = 12
"""Frames before and after those of a batch that an anchored action model looks at as well: a key is held."""


class CodeEncoder:
    """Base of the two ways to encode a gameplay file.

    Args:
        file: the gameplay file.
        stride: stored frames from one frame of a training window to the next.
        tokenizer: in eval mode; frames are encoded in float32 on its device.
        action_model: in eval mode, or None.

    Attributes:
        starts: first frame of each row's window, int64 [W]; None where a row is a frame.
        window: what of the windows the codes depend on, in words.
        shapes: shape of each dataset, rows first.

    Raises:
        ConfigError: more codes than 16 bits hold.
    """

    starts: np.ndarray | None = None
    window: str
    shapes: dict[str, tuple[int, ...]]

    def __init__(
        self, file: FrameFile, stride: int, tokenizer: VideoTokenizer, action_model: LatentActionModel | None
    ) -> None:
        if tokenizer.num_codes > 2**15:
            raise ConfigError(
                f"{tokenizer.num_codes:,} codes are too many for a cache: set --model.cache_codes false"
            )
        self.file = file
        self.stride = stride
        self.tokenizer = tokenizer
        self.action_model = action_model
        self.device = next(tokenizer.parameters()).device
        self.batch_frames = max(1, _BATCH_PIXELS // (file.info.height * file.info.width))

    def __len__(self) -> int:
        """Rows in all."""
        return self.shapes["ids"][0]

    def encode(self, first: int) -> dict[str, np.ndarray]:
        """Return the next rows from row `first` on, as many as make a batch."""
        raise NotImplementedError

    @torch.no_grad()
    def _run(self, network: VideoTokenizer | LatentActionModel, images: Tensor) -> np.ndarray:
        """Encode images float32 [B,T,C,H,W]; codes come out wrong in half precision."""
        with torch.autocast(self.device.type, enabled=False):
            return network.encode(images).cpu().numpy()


class FrameEncoder(CodeEncoder):
    """A row for each frame: where codes depend on one frame alone and an action on its two frames alone.

    An anchored model reads the whole of an episode, which tells it more than a window would.
    """

    def __init__(
        self, file: FrameFile, stride: int, tokenizer: VideoTokenizer, action_model: LatentActionModel | None
    ) -> None:
        super().__init__(file, stride, tokenizer, action_model)
        self.window = f"frames, stride {stride}"
        self.shapes = {"ids": (len(file), tokenizer.num_patches)}
        if action_model is not None:
            self.shapes["action_ids"] = (len(file),)

    def encode(self, first: int) -> dict[str, np.ndarray]:
        """Return ids [R,P] and action_ids [R]; the last `stride` frames of a file have no action: 0."""
        left = len(self) - first
        count = min(self.batch_frames, left)
        frames = torch.from_numpy(self.file.frames(first, min(count + self.stride, left)))
        images = frames_to_input(frames.to(self.device))  # [count + stride, C, H, W]
        rows = {"ids": self._run(self.tokenizer, images[:count, None])[:, 0]}
        if self.action_model is not None:
            rows["action_ids"] = np.zeros(count, np.int16)
            if self.action_model.anchored:
                self._read_episodes(self.action_model, first, rows["action_ids"])
                return rows
            pairs = max(0, min(count, len(images) - self.stride))
            if pairs:
                both = torch.stack([images[:pairs], images[self.stride : self.stride + pairs]], dim=1)
                rows["action_ids"][:pairs] = self._run(self.action_model, both)[:, 0]
        return rows

    def _read_episodes(self, model: LatentActionModel, first: int, action_ids: np.ndarray) -> None:
        """Fill in the actions of the rows from `first` on, read episode by episode.

        With a stride an episode is several clips, which begin one stored frame after another.
        """
        stop, aside = first + len(action_ids), _ASIDE * self.stride
        ends = self.file.episode_ends + 1
        begins = np.concatenate([[0], ends[:-1]])
        for number in np.flatnonzero((ends > first) & (begins < stop)):
            low, high = max(begins[number], first - aside), min(ends[number], stop + self.stride + aside)
            for start in range(low, min(low + self.stride, high - self.stride)):
                places = np.arange(start, high - self.stride, self.stride)
                frames = torch.from_numpy(self.file.frames(start, len(places) + 1, self.stride))
                read = self._run(model, frames_to_input(frames.to(self.device))[None])[0]
                own = (places >= first) & (places < stop)
                action_ids[places[own] - first] = read[own]


class WindowEncoder(CodeEncoder):
    """A row for each window: where the codes of a frame depend on the frames before it (architecture v1).

    Args:
        file: the gameplay file.
        starts: first frames of the windows that training and validation draw, int64 [W], ascending.
        num_frames: T, frames of a window.
        stride: as above, like the networks.
        tokenizer: as above.
        action_model: as above.
    """

    starts: np.ndarray

    def __init__(
        self,
        file: FrameFile,
        starts: np.ndarray,
        num_frames: int,
        stride: int,
        tokenizer: VideoTokenizer,
        action_model: LatentActionModel | None,
    ) -> None:
        super().__init__(file, stride, tokenizer, action_model)
        self.starts = starts
        self.offsets = stride * np.arange(num_frames)  # of a window's frames from its first
        drawn = hashlib.sha256(starts.astype(np.int64).tobytes()).hexdigest()[:16]
        self.window = f"windows of {num_frames}, stride {stride}, first frames {drawn}"
        self.shapes = {"ids": (len(starts), num_frames, tokenizer.num_patches)}
        if action_model is not None:
            self.shapes["action_ids"] = (len(starts), num_frames - 1)

    def encode(self, first: int) -> dict[str, np.ndarray]:
        """Return ids [R,T,P] and action_ids [R,T-1]."""
        starts = self._batch(first)
        low, high = starts[0], starts[-1] + self.offsets[-1] + 1
        frames = torch.from_numpy(self.file.frames(int(low), int(high - low)))  # each frame is read once
        places = torch.from_numpy(starts[:, None] - low + self.offsets)  # [R,T]
        images = frames_to_input(frames.to(self.device)[places.to(self.device)])
        rows = {"ids": self._run(self.tokenizer, images)}
        if self.action_model is not None:
            rows["action_ids"] = self._run(self.action_model, images)
        return rows

    def _batch(self, first: int) -> np.ndarray:
        """First frames of the next windows, up to a gap: no frames are read that no window holds."""
        starts = self.starts[first : first + max(1, self.batch_frames // len(self.offsets))]
        gaps = np.flatnonzero(np.diff(starts) > self.offsets[-1] + 1)
        return starts[: gaps[0] + 1] if len(gaps) else starts
