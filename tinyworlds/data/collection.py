"""Opened gameplay files as one collection: one frame size, a stride each, splits, and their windows."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path

from tinyworlds.data.action_ids import Labels, common_names, share_changing
from tinyworlds.data.cache import cached_frames
from tinyworlds.data.reader import FrameFile
from tinyworlds.data.sources import check_frame_size, frame_stride
from tinyworlds.data.splits import deal
from tinyworlds.data.trained_on import Recording, TrainedOn, identity_of, merged, without
from tinyworlds.data.windows import Run, WindowIndex
from tinyworlds.errors import DataError


class Collection:
    """The gameplay of one run.

    Args:
        paths: the gameplay files.
        frame_size: height and width the frames must have; None takes what the files hold.
        fps: wanted frames per second, None for all frames.
        skip_frames: stored frames at the start of each file that are left out.
        split: how files are dealt to the splits, see `tinyworlds.data.splits`.
        val_fraction: share held out for validation.
        test_fraction: share held out for test; with 0, "test" means the validation part.
        cache: read frames from unpacked copies where there are some.
        action_names: of the true actions of files that do not name them.

    Attributes:
        files: the opened files.
        strides: for each file, stored frames from one frame of a window to the next.
        identities: for each file what it is known by, see `identity_of`.
        action_names: of the true actions by number, the same numbers in all files; empty without any.

    Raises:
        MissingFileError: a file is not there.
        DataError: a file is malformed, of another frame size, or has too few episodes for "old_episode".
    """

    def __init__(
        self,
        paths: Sequence[str],
        frame_size: int | None,
        fps: float | None,
        skip_frames: int,
        split: str,
        val_fraction: float,
        test_fraction: float,
        cache: bool = True,
        action_names: Sequence[str] = (),
    ) -> None:
        copies = [cached_frames(path) if cache and Path(path).exists() else None for path in paths]
        self.files = [FrameFile(path, copy) for path, copy in zip(paths, copies, strict=True)]
        check_frame_size(self.files, frame_size)
        self.strides = [frame_stride(file.info, fps) for file in self.files]
        self.action_names: tuple[str, ...] = ()
        self._told_of_changes = False
        named = next((file.info.action_names for file in self.files if file.info.action_names), action_names)
        self._labels = [_labels(file, named) for file in self.files]
        self.number_actions(common_names([labels for labels in self._labels if labels is not None]))
        self.skip_frames = skip_frames
        self._fractions = {"train": 1.0, "val": val_fraction, "test": test_fraction or val_fraction}
        self._test_split = "test" if test_fraction else "val"
        self.identities = [identity_of(file) for file in self.files]
        keys, ends = [first for first, *_ in self.identities], [file.episode_ends for file in self.files]
        dealt = deal(keys, ends, split, val_fraction, test_fraction, skip_frames)
        self._kind, self._splits, self._by_time = split, dealt.runs, dealt.by_time

    def number_actions(self, names: Sequence[str]) -> None:
        """Let `actions` of all files be places in `names`, if these hold all that occur."""
        if set(self.action_names) <= set(names):
            self.action_names = tuple(names)
            for file, labels in zip(self.files, self._labels, strict=True):
                file.number_actions(labels, names)

    def warn_of_changing_actions(self) -> None:
        """Say, once for each file, in how many of the steps from frame to frame the true action changes."""
        if self._told_of_changes:
            return
        self._told_of_changes = True
        for file, stride in zip(self.files, self.strides, strict=True):
            share = share_changing(file.actions, file.episode_ends, stride)
            if share:
                warnings.warn(
                    f"{file.info.path}: in {max(share, 0.001):.1%} of the steps over {stride} stored frames "
                    "the action changes; each counts as the one held longest (a higher data.fps keeps more)",
                    stacklevel=2,
                )

    @property
    def frame_size(self) -> int:
        """Height and width of all frames in pixels."""
        return self.files[0].info.height

    @property
    def fps(self) -> float:
        """Frames per second of game time in a window."""
        return self.files[0].info.rate / self.strides[0]

    @property
    def training_runs(self) -> list[Run]:
        """Where training windows lie."""
        return list(self._splits["train"])

    def windows(self, split: str, num_frames: int) -> WindowIndex:
        """Return the windows of "train" (every start) or of "val" and "test" (no frame shared)."""
        return WindowIndex(self._runs(split), num_frames, self.strides, spread=split != "train")

    def check_windows(self, split: str, num_frames: int) -> None:
        """Check that a split has a window.

        Raises:
            DataError: a file is shorter than a window, or the split is empty though a share was set aside for
                it.
        """
        span = max((num_frames - 1) * stride + 1 for stride in self.strides)
        told = f"a window of {num_frames} frames at stride {max(self.strides)} spans {span} stored frames"
        for file in self.files:
            left = max(0, len(file) - self.skip_frames)
            if left < span:
                raise DataError(
                    f"{file.info.path} has {len(file)} frames, {left} after skip_frames {self.skip_frames}, "
                    f"but {told}; lower num_frames or skip_frames, raise fps, or record more."
                )
        if self._fractions[split] and not len(self.windows(split, num_frames)):
            longest = max((len(run) for run in self._runs(split)), default=0)
            names = ", ".join(str(file.info.path) for file in self.files)
            raise DataError(
                f"The {split} split of {names} is empty: {told}, "
                f"its longest run {longest}; raise the {split} share, lower num_frames, or record more."
            )

    # ---- held out

    def trained(self) -> tuple[Recording, ...]:
        """What training on this collection trains on."""
        return tuple(
            Recording(file.info.path.name, identity, merged((run.start, run.stop) for run in own))
            for file, identity, own in zip(
                self.files, self.identities, self._by_file(self._splits["train"]), strict=True
            )
        )

    def count_trained(self, before: TrainedOn, splits: Sequence[str]) -> tuple[int, int]:
        """How many frames of `splits` something was trained on, and how many there are."""
        names = dict.fromkeys(self._test_split if name == "test" else name for name in splits)
        held_out = [run for name in names for run in self._splits[name]]
        total = sum(map(len, held_out))
        return total - sum(map(len, self._without(held_out, before))), total

    def leave_out(self, before: TrainedOn) -> None:
        """Take the frames that something was trained on out of validation and test."""
        for name in ("val", "test"):
            self._splits[name] = self._without(self._splits[name], before)

    def what_is_held_out(self, split: str) -> str:
        """Say what a split consists of: "whole episodes", or "stretches of time"."""
        if self._kind == "old_time":
            return "the end of each file"
        in_time = {run.file in self._by_time for run in self._runs(split)}
        kinds = {False: "whole episodes", True: "stretches of time"}
        return " and ".join(kinds[each] for each in sorted(in_time)) or "nothing"

    @property
    def files_without_episodes(self) -> list[FrameFile]:
        """The files that are dealt by time although whole episodes were asked for: they have too few."""
        return [self.files[number] for number in sorted(self._by_time)] if self._kind == "episode" else []

    def _by_file(self, runs: Sequence[Run]) -> list[list[Run]]:
        own: list[list[Run]] = [[] for _ in self.files]
        for run in runs:
            own[run.file].append(run)
        return own

    def _without(self, runs: Sequence[Run], before: TrainedOn) -> list[Run]:
        taken = [before.ranges_of(identity) for identity in self.identities]
        return [
            Run(run.file, *part) for run in runs for part in without(run.start, run.stop, taken[run.file])
        ]

    def _runs(self, split: str) -> list[Run]:
        return self._splits.get(self._test_split if split == "test" else split, [])


def _labels(file: FrameFile, names: Sequence[str]) -> Labels | None:
    try:
        return file.labels_by(file.info.action_names or names)
    except DataError as error:
        warnings.warn(f"{error}; the file counts as one without actions", stacklevel=2)
        return None
