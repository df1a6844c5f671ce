"""Windows as tensors: the dataset behind every loader."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from tinyworlds.data.reader import FrameFile, SpanReader
from tinyworlds.data.windows import WindowIndex
from tinyworlds.errors import DataError

Batch = dict[str, Tensor]


class CodesFile:
    """Token and action ids of every frame of one gameplay file, computed once (HDF5 `ids` and `action_ids`).

    Args:
        path: the codes file: `ids` [N,P], and optionally `action_ids` [N], the latent action of the pair
            (i, i + stride).
        num_frames: N of the gameplay file.

    Raises:
        DataError: it was made for another file.
    """

    def __init__(self, path: str | Path, num_frames: int) -> None:
        self.ids = SpanReader(path, "ids")
        if len(self.ids) != num_frames or len(self.ids.shape) != 2:
            raise DataError(f"{path}: 'ids' is {list(self.ids.shape)}, not [{num_frames},P]; delete it.")
        try:
            self.action_ids: SpanReader | None = SpanReader(path, "action_ids")
        except DataError:  # tokens alone: the true actions, or none, are used
            self.action_ids = None


class WindowDataset(Dataset):
    """Windows of several files, read on demand; a list of numbers gives a whole batch.

    A batch holds, as far as asked for and known:

    ``frames`` uint8 [B,T,H,W,C]; ``actions`` int64 [B,T], the true action at each frame; ``ids`` int64
    [B,T,P]; ``action_ids`` int64 [B,T-1]; ``index`` int64 [B], the window's number in its split.

    Args:
        files: the gameplay files, all of one frame size.
        index: the windows.
        num_frames: T.
        strides: for each file, stored frames from one frame of a window to the next.
        codes: for each file its codes, or None.
        with_frames: False leaves the pixels out, where codes are all that training needs.
        shuffled: deal the windows in a fixed random order, so that the first batches stand for all.
    """

    def __init__(
        self,
        files: Sequence[FrameFile],
        index: WindowIndex,
        num_frames: int,
        strides: Sequence[int],
        codes: Sequence[CodesFile] | None = None,
        with_frames: bool = True,
        shuffled: bool = False,
    ) -> None:
        self.files = list(files)
        self.index = index
        self.num_frames = num_frames
        self.strides = list(strides)
        self.codes = list(codes) if codes is not None else None
        self.with_frames = with_frames
        self.with_actions = all(file.info.has_actions for file in files)
        self._order = np.random.default_rng(0).permutation(len(index)) if shuffled else None

    def __len__(self) -> int:
        return len(self.index)

    def __getitem__(self, number: int | list[int]) -> Batch:
        if isinstance(number, list):
            return self.__getitems__(number)
        return {name: values[0] for name, values in self.__getitems__([number]).items()}

    def __getitems__(self, numbers: list[int]) -> Batch:
        if self._order is not None:
            numbers = [int(self._order[number]) for number in numbers]
        places = [self.index.locate(number) for number in numbers]
        batch = {"index": torch.tensor(numbers, dtype=torch.int64)}
        if self.with_frames:
            batch["frames"] = self._frames(places)
        if self.with_actions:
            batch["actions"] = self._actions(places)
        if self.codes is not None:
            batch |= self._codes(places)
        return batch

    def _frames(self, places: list[tuple[int, int]]) -> Tensor:
        info = self.files[0].info
        frames = torch.empty(len(places), self.num_frames, info.height, info.width, 3, dtype=torch.uint8)
        for window, (file, start) in zip(frames.numpy(), places, strict=True):
            self.files[file].frames(start, self.num_frames, self.strides[file], out=window)
        return frames

    def _actions(self, places: list[tuple[int, int]]) -> Tensor:
        rows = []
        for file, start in places:
            actions, stride = self.files[file].actions, self.strides[file]
            assert actions is not None
            rows.append(actions[start : start + self.num_frames * stride : stride][: self.num_frames])
        return torch.from_numpy(np.stack(rows))

    def _codes(self, places: list[tuple[int, int]]) -> Batch:
        assert self.codes is not None
        ids, action_ids = [], []
        for file, start in places:
            codes, stride = self.codes[file], self.strides[file]
            ids.append(codes.ids.read(start, self.num_frames, stride))
            if codes.action_ids is not None and self.num_frames > 1:
                action_ids.append(codes.action_ids.read(start, self.num_frames - 1, stride))
        batch = {"ids": torch.from_numpy(np.stack(ids).astype(np.int64))}
        if len(action_ids) == len(places):
            batch["action_ids"] = torch.from_numpy(np.stack(action_ids).astype(np.int64))
        return batch


def already_a_batch(batch: Batch) -> Batch:
    """Collate function for a dataset that returns whole batches."""
    return batch
