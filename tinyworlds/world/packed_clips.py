"""Start clips in a file: plain, or packed without loss (LZMA, a quarter of the room)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from tinyworlds.errors import DataError, MissingExtraError
from tinyworlds.world.start_clips import StartClips

_FRAMES, _ACTIONS, _PACKED = "start_frames", "start_actions", "start_frames_xz"
_MOST_BYTES = 1 << 30  # more than any world starts from


def clip_tensors(clips: StartClips, packed: bool) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """Return the tensors of clips, and what the header says of packed ones: their shape [n, T, H, W, C].

    Raises:
        MissingExtraError: this Python was built without LZMA.
    """
    if not clips:
        return {}, {}
    tensors, shape = {}, {}
    if packed:
        data = np.frombuffer(_lzma().compress(clips.frames.tobytes(), preset=9), np.uint8)
        tensors[_PACKED], shape = torch.from_numpy(data.copy()), {"clips_shape": list(clips.frames.shape)}
    else:
        tensors[_FRAMES] = torch.from_numpy(np.ascontiguousarray(clips.frames))
    if clips.actions is not None:
        tensors[_ACTIONS] = torch.from_numpy(np.ascontiguousarray(clips.actions))
    return tensors, shape


def stored_clips(
    tensors: Mapping[str, torch.Tensor], header: Mapping[str, Any], num_actions: int
) -> StartClips:
    """Return the clips that a file holds, if any.

    Raises:
        DataError: they are damaged.
        MissingExtraError: this Python was built without LZMA.
    """
    if _PACKED in tensors:
        frames = _unpacked(tensors[_PACKED], header.get("clips_shape"))
    elif _FRAMES in tensors:
        frames = tensors[_FRAMES].numpy()
    else:
        return StartClips()
    actions = tensors[_ACTIONS].numpy() if _ACTIONS in tensors else None
    clips = StartClips(frames, actions)
    if actions is not None and ((actions < 0) | (actions >= max(num_actions, 1))).any():
        raise DataError(f"the actions of its start clips are not all 0 to {num_actions - 1}")
    return clips


def _unpacked(data: torch.Tensor, shape: Any) -> np.ndarray:
    sound = isinstance(shape, list) and len(shape) == 5 and all(type(n) is int and n > 0 for n in shape)
    if not sound or data.dtype != torch.uint8 or math.prod(shape) > _MOST_BYTES:
        raise DataError(f"its packed start clips are damaged (shape {shape!r:.60})")
    lzma, size = _lzma(), math.prod(shape)
    try:  # no more than is expected: a few bytes may unpack to terabytes
        frames = lzma.LZMADecompressor().decompress(data.numpy().tobytes(), max_length=size + 1)
    except (lzma.LZMAError, EOFError) as error:
        raise DataError(f"its packed start clips are damaged ({error})") from None
    if len(frames) != size:
        raise DataError(f"its packed start clips hold {len(frames):,} bytes or more, not {size:,}")
    return np.frombuffer(frames, np.uint8).reshape(shape).copy()


def _lzma() -> Any:
    try:
        import lzma
    except ImportError as error:  # a Python compiled without the library
        raise MissingExtraError(
            "this Python was built without LZMA, which the start clips of this world need: use another Python"
        ) from error
    return lzma
