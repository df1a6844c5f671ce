"""Windows as tensors: the dataset behind every loader."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from tinyworlds.data.action_ids import held_actions
from tinyworlds.data.codes import CodesFile
from tinyworlds.data.outcomes import outcomes_of
from tinyworlds.data.reader import FrameFile
from tinyworlds.data.sampler import shuffled_numbers
from tinyworlds.data.windows import WindowIndex
from tinyworlds.errors import ConfigError

Batch = dict[str, Tensor]

_MORE = 4  # windows for each in the batch, where outcomes are learned
_SPARE_HANDLES = 512  # for libraries, logs, pipes between processes


class WindowDataset(Dataset):
    """Windows of several files, read on demand; a list of numbers gives a whole batch.

    A batch holds, as far as asked for and known:

    ``frames`` uint8 [B,T,H,W,C]; ``actions`` int64 [B,T], the true action held from each frame; ``ids`` int64
    [B,T,P]; ``action_ids`` int64 [B,T-1]; ``rewards`` float32 [B,T] and ``terminations`` bool [B,T], what
    came of each action, and ``more_ids`` and so on, those of further windows (see `_more`); ``index``
    int64 [B], the window's number in its split.

    Args:
        files: the gameplay files, all of one frame size.
        index: the windows.
        num_frames: T.
        strides: for each file, stored frames from one frame of a window to the next.
        codes: for each file its codes, or None.
        with_frames: False leaves the pixels out, where codes are all that training needs.
        shuffled: deal the windows in a fixed random order, so that the first batches stand for all.
        with_outcomes: hold rewards and ends, which every file must have.

    Raises:
        ConfigError: the system allows fewer open files than there are.
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
        with_outcomes: bool = False,
    ) -> None:
        self.files = list(files)
        self.index = index
        self.num_frames = num_frames
        self.strides = list(strides)
        self.codes = list(codes) if codes is not None else None
        self.with_frames = with_frames
        self.with_outcomes = with_outcomes
        self.with_actions = all(file.actions is not None for file in files)
        self._order = shuffled_numbers(len(index), (0,)) if shuffled else None
        handles = (len(self.files) if with_frames else 0) + 2 * len(self.codes or ())
        allow_open_files(handles + _SPARE_HANDLES)

    def __len__(self) -> int:
        return len(self.index)

    def __getitem__(self, number: int | list[int]) -> Batch:
        if isinstance(number, list):
            return self.__getitems__(number)
        return {name: values[0] for name, values in self.__getitems__([number]).items()}

    def episodes(self, numbers: Sequence[int]) -> np.ndarray:
        """Return which episode each window lies in, counted over all files, int64 [len(numbers)]."""
        ends = [file.episode_ends for file in self.files]
        before = np.cumsum([0, *map(len, ends)])
        places = [self.index.locate(number) for number in self._dealt(numbers)]
        found = [before[file] + np.searchsorted(ends[file], start) for file, start in places]
        return np.array(found, np.int64)

    def __getitems__(self, numbers: list[int]) -> Batch:
        numbers = self._dealt(numbers)
        places = [self.index.locate(number) for number in numbers]
        batch = {"index": torch.tensor(numbers, dtype=torch.int64)}
        if self.with_frames:
            batch["frames"] = self._frames(places)
        if self.with_actions:
            batch["actions"] = self._actions(places)
        if self.with_outcomes:
            batch |= self._outcomes(places)
        if self.codes is not None:
            batch |= self._codes(places)
        if self.with_outcomes and self.codes is not None and not self.with_frames:
            batch |= {f"more_{name}": values for name, values in self._more(numbers).items()}
        return batch

    def _more(self, numbers: Sequence[int]) -> Batch:
        """Codes, actions and outcomes of further windows, drawn by the numbers of those in the batch.

        What an action earns is told from little, and rare: it takes more examples than pictures do.
        """
        drawn = np.random.default_rng(numbers).integers(len(self.index), size=_MORE * len(numbers))
        places = [self.index.locate(int(number)) for number in drawn]
        return {"ids": self._codes(places)["ids"], "actions": self._actions(places)} | self._outcomes(places)

    def _dealt(self, numbers: Sequence[int]) -> list[int]:
        """Numbers in the index of windows that are asked for by their place in the order."""
        return [int(number if self._order is None else self._order[number]) for number in numbers]

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
            rows.append(held_actions(actions, start, self.num_frames, stride))
        return torch.from_numpy(np.stack(rows))

    def _outcomes(self, places: list[tuple[int, int]]) -> Batch:
        rows = [
            outcomes_of(self.files[file], start, self.num_frames, self.strides[file])
            for file, start in places
        ]
        rewards, over = (torch.from_numpy(np.stack(column)) for column in zip(*rows, strict=True))
        return {"rewards": rewards, "terminations": over}

    def _codes(self, places: list[tuple[int, int]]) -> Batch:
        assert self.codes is not None
        ids = [self.codes[file].ids(start) for file, start in places]
        batch = {"ids": torch.from_numpy(np.stack(ids).astype(np.int64))}
        if self.num_frames > 1 and all(codes.has_actions for codes in self.codes):
            action_ids = [self.codes[file].action_ids(start) for file, start in places]
            batch["action_ids"] = torch.from_numpy(np.stack(action_ids).astype(np.int64))
        return batch


def already_a_batch(batch: Batch) -> Batch:
    """Collate function for a dataset that returns whole batches."""
    return batch


def allow_open_files(count: int) -> None:
    """Let this process, and those it starts, hold `count` files open, where the system limits that.

    Raises:
        ConfigError: it does not allow so many.
    """
    try:
        import resource
    except ImportError:  # Windows allows thousands
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= count:
        return
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (count, hard))
    except (ValueError, OSError) as error:
        raise ConfigError(
            f"The gameplay files need up to {count} open files in each process, the system allows {hard}; "
            f"raise that with 'ulimit -Hn {count}' (or as administrator), or join files into fewer."
        ) from error
