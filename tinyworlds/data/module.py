"""One data module for all stages: gameplay files in, batches of windows out."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from lightning.pytorch import LightningDataModule
from torch.utils.data import DataLoader, DistributedSampler

from tinyworlds.data.cache import build_cache
from tinyworlds.data.codes import CodesFile
from tinyworlds.data.collection import Collection
from tinyworlds.data.dataset import Batch, WindowDataset, already_a_batch
from tinyworlds.data.outcomes import check_outcomes
from tinyworlds.data.reader import FrameFile
from tinyworlds.data.sampler import Order, TrainBatches
from tinyworlds.data.sources import find_files, game_defaults
from tinyworlds.data.splits import check_split
from tinyworlds.data.trained_on import TrainedOn
from tinyworlds.data.windows import Run
from tinyworlds.errors import CheckpointError, ConfigError, DataError, listed
from tinyworlds.media.pixels import frames_to_input
from tinyworlds.system.text import visible

WINDOW_FRAMES = 4
"""Frames of a window unless said otherwise."""


class TrainLoader(DataLoader):
    """A loader that Lightning may resume: its sampler starts at the batch to be trained next."""

    def state_dict(self) -> dict[str, Any]:
        """Return nothing: the position is the trainer's own count of batches."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take nothing, see `state_dict`."""


class H5DataModule(LightningDataModule):
    """Windows of gameplay files, read on demand, for training and evaluation.

    Training batches are drawn endlessly; how long to train is `max_steps`. Evaluation walks the held-out
    windows that share no frame, in an order that is always the same. Batches are described at
    `tinyworlds.data.dataset.WindowDataset`; on the device, `frames` become float32 [B,T,C,H,W] in [-1, 1].

    Args:
        files: gameplay files: a path, a folder, a pattern like ``data/zelda*.h5``, an address like
            ``s3://bucket/zelda/`` (copied here first), or several of these; None takes the game's own.
        game: a registered title, which supplies the file, the frame rate and the frames to skip where not
            given.
        frame_size: height and width the frames must have; None takes what the files hold.
        num_frames: T, frames per window; for dynamics one setting with `model.context_frames`. None takes
            that, 4 elsewhere.
        batch_size: windows per batch and process.
        fps: wanted frames per second of game time; the stride is the nearest whole one. None: the game's, or
            all frames. Files that do not say their rate count as 60.
        skip_frames: stored frames at the start of each file that are left out (menus); None: the game's, or
            0.
        split: what is held out: "time" (stretches of each file) or "episode" (whole episodes; of a file with
            fewer than three, stretches). Adding files, episodes or frames moves nothing that was held out
            into training. "old_time" and "old_episode" deal as earlier versions did.
        val_fraction: share of the frames or episodes held out for validation.
        test_fraction: share held out for test and predict; with 0 these use the validation part.
        num_workers: reader processes.
        seed: of the order of training windows; the splits do not depend on it.
        steps_per_epoch: training batches per epoch; None: as many as make one pass over the windows.
        predict_frames: frames per window of predict batches; None takes `num_frames`.
        cache: unpack files once into a copy stored in one piece beside them, where they gain by it.

    Raises:
        ConfigError: a setting is out of range, or the game is unknown.
        MissingFileError: a folder or pattern holds no gameplay file.
        RemoteError: an address could not be read.
    """

    def __init__(
        self,
        files: str | list[str] | None = None,
        game: str | None = None,
        frame_size: int | None = None,
        num_frames: int | None = None,
        batch_size: int = 32,
        fps: float | None = None,
        skip_frames: int | None = None,
        split: Literal["time", "episode", "old_time", "old_episode"] = "time",
        val_fraction: float = 0.1,
        test_fraction: float = 0.1,
        num_workers: int = 0,
        seed: int = 0,
        steps_per_epoch: int | None = None,
        predict_frames: int | None = None,
        cache: bool = True,
    ) -> None:
        super().__init__()
        _check_positive(
            num_frames=num_frames, batch_size=batch_size, steps_per_epoch=steps_per_epoch, fps=fps,
            predict_frames=predict_frames, frame_size=frame_size,
        )  # fmt: skip
        if num_workers < 0:
            raise ConfigError(f"num_workers is {num_workers}; it must be 0 (read in this process) or more.")
        defaults = game_defaults(game)
        self.files = find_files(files, defaults.data_file)
        self.game = game
        self.frame_size = frame_size
        self.num_frames = num_frames or WINDOW_FRAMES
        self.batch_size = batch_size
        self.skip_frames = defaults.skip_frames if skip_frames is None else skip_frames
        self.split = split
        self.val_fraction = val_fraction
        self.test_fraction = test_fraction
        self.num_workers = num_workers
        self.seed = seed
        self.steps_per_epoch = steps_per_epoch
        self.predict_frames = predict_frames or self.num_frames
        self.cache = cache
        self._wanted_fps = defaults.fps if fps is None else fps
        self._named_files = files
        self._collection: Collection | None = None
        self._codes: list[CodesFile] | None = None
        self._with_outcomes = False
        self._resumed: dict[str, Any] | None = None
        check_split(split, val_fraction, test_fraction)

    def __repr__(self) -> str:
        """Say which files; what they hold only once they are open, since looking would open them."""
        files = listed([visible(str(path)) for path in self.files], 3)
        held = ""
        if self._collection is not None:
            counts = (f"{self.num_windows(split):,} {split}" for split in ("train", "val", "test"))
            held = f" ({', '.join(counts)})"
        windows = f"windows of {self.num_frames} frames{held}"
        return f"H5DataModule of {files}: {windows}, batches of {self.batch_size}"

    # ---- what the files hold

    @property
    def frame_files(self) -> list[FrameFile]:
        """The opened files, in the order of `files`."""
        return self._open().files

    @property
    def strides(self) -> list[int]:
        """For each file, stored frames from one frame of a window to the next."""
        return self._open().strides

    @property
    def fps(self) -> float | None:
        """Frames per second of game time in a window; before the files are opened what was asked for."""
        return self._collection.fps if self._collection else self._wanted_fps

    @property
    def action_names(self) -> tuple[str, ...]:
        """Names of the true actions, one for each number in `actions`; empty if there are none."""
        return self._open().action_names

    @property
    def has_actions(self) -> bool:
        """Whether all files hold the true actions."""
        return all(file.actions is not None for file in self.frame_files)

    @property
    def action_counts(self) -> np.ndarray | None:
        """How many frames of all files have each true action, int64, by number; None if a file has none."""
        files = [file.actions for file in self.frame_files]
        known = [numbers[numbers >= 0] for numbers in files if numbers is not None]
        if len(known) < len(files):
            return None
        return np.bincount(np.concatenate(known), minlength=len(self.action_names))

    @property
    def has_some_actions(self) -> bool:
        """Whether some files hold the true actions, and others do not."""
        return not self.has_actions and any(file.actions is not None for file in self.frame_files)

    @property
    def training_runs(self) -> list[Run]:
        """Where training windows lie: one run for each episode, or stretch of one."""
        return self._open().training_runs

    @property
    def file_keys(self) -> list[str]:
        """For each file a hash of its first frame, by which it is known whatever it is called."""
        return [first for first, *_ in self._open().identities]

    def number_actions(self, names: Sequence[str]) -> None:
        """Number the true actions as a world does that knows them by `names`, if it knows all of them."""
        self._open().number_actions(names)

    def check_labels(self, num_actions: int) -> None:
        """Check that a network with so many actions can be trained on the true ones; warn where they change.

        Raises:
            DataError: files have none, or more, or do not know that of every frame.
        """
        for file in self.frame_files:
            if file.actions is None:
                raise DataError(
                    f"--model.actions labels: {file.info.path} holds no actions; use latent, or record them"
                )
            if unknown := int((file.actions < 0).sum()):
                raise DataError(
                    f"--model.actions labels: {file.info.path} does not know the action of {unknown:,} of "
                    f"its {len(file):,} frames (below 0, or empty); number them from 0, or use latent"
                )
        if len(self.action_names) > num_actions:
            raise DataError(
                f"the data hold {len(self.action_names)} actions ({listed(self.action_names)}), the network "
                f"knows {num_actions}; set --model.num_actions {len(self.action_names)}"
            )
        self.warn_of_changing_actions()

    def warn_of_changing_actions(self) -> None:
        """Warn where several true actions lie between two frames of a window, of which one counts."""
        self._open().warn_of_changing_actions()

    def num_windows(self, split: str, num_frames: int | None = None) -> int:
        """Return how many windows "train", "val" or "test" offers."""
        return len(self._open().windows(split, num_frames or self.num_frames))

    def dataset(
        self,
        split: str,
        num_frames: int | None = None,
        codes: list[CodesFile] | None = None,
        with_frames: bool = True,
    ) -> WindowDataset:
        """Return the windows of "train" (in the order of the files), "val" or "test" (mixed, always alike).

        Args:
            split: which.
            num_frames: frames of a window; None takes those of training.
            codes: for each file its codes, if batches are to hold them.
            with_frames: whether batches hold pixels.

        Raises:
            DataError: the split has no window of that length.
        """
        collection, num_frames = self._open(), num_frames or self.num_frames
        collection.check_windows(split, num_frames)
        windows = collection.windows(split, num_frames)
        return WindowDataset(
            collection.files, windows, num_frames, collection.strides,
            codes, with_frames, split != "train", self._with_outcomes,
        )  # fmt: skip

    def training_dataset(self) -> WindowDataset:
        """Return the windows that training draws from: of codes where there are some, else of frames."""
        return self.dataset("train", codes=self._codes, with_frames=self._codes is None)

    def window_starts(self, file: int) -> np.ndarray:
        """First frames of the windows of one file that training and validation draw, int64 [W], ascending."""
        indices = [self._open().windows(split, self.num_frames) for split in ("train", "val")]
        return np.union1d(*(index.starts(file) for index in indices))

    # ---- what is held out

    @property
    def what_is_held_out(self) -> str:
        """What the test split consists of, in words."""
        return self._open().what_is_held_out("test")

    @property
    def settings(self) -> dict[str, Any]:
        """What chooses and splits the data, as arguments for another module of them."""
        settings = {
            "files": self._named_files, "game": self.game, "frame_size": self.frame_size,
            "fps": self._wanted_fps, "skip_frames": self.skip_frames, "split": self.split,
            "val_fraction": self.val_fraction, "test_fraction": self.test_fraction,
        }  # fmt: skip
        return {name: value for name, value in settings.items() if value is not None}

    def trained_on(self) -> TrainedOn:
        """Return what a network is trained on with these settings, for its checkpoints."""
        return TrainedOn(self.settings, self._open().trained())

    def count_trained(self, before: TrainedOn, splits: Sequence[str] = ("val", "test")) -> tuple[int, int]:
        """Return how many of the frames held out here something was trained on, and how many there are."""
        return self._open().count_trained(before, splits)

    @property
    def num_held_out(self) -> int:
        """Frames of the test split."""
        return self._open().count_trained(TrainedOn({}, ()), ["test"])[1]

    def leave_out(self, before: TrainedOn) -> None:
        """From now on, keep frames that something was trained on out of validation and test."""
        self._open().leave_out(before)

    # ---- Lightning's hooks

    def prepare_data(self) -> None:
        """Check the files and unpack those that gain by it; runs in one process per machine."""
        for path in self.files:
            if self.cache:
                build_cache(path)

    def setup(self, stage: str | None = None) -> None:
        """Open the files, split them, and check that every split in use has a window.

        Raises:
            MissingFileError: a file is not there.
            DataError: a file is malformed, of another frame size, or too short.
        """
        collection = self._open()
        if few := collection.files_without_episodes:
            names = ", ".join(str(file.info.path) for file in few)
            warnings.warn(f"{names}: too few episodes to hold out whole ones; stretches of time are held out "
                          "there (as with --data.split time)", stacklevel=2)  # fmt: skip
        used = {"fit": ("train", "val"), "validate": ("val",), "test": ("test",), "predict": ("test",)}
        for split in used.get(stage or "", ()):
            collection.check_windows(split, self.predict_frames if stage == "predict" else self.num_frames)

    def train_dataloader(self) -> DataLoader:
        """Batches of training windows, endless in principle; `steps_per_epoch` of them per epoch."""
        dataset = self.training_dataset()
        if getattr(self.trainer, "overfit_batches", 0):  # which its class does not declare
            return self._fixed_loader(dataset)  # the same few batches again and again
        order = self._order()
        change = order.differs(self._resumed) if self._resumed else None
        if change:
            warnings.warn(change, stacklevel=2)
        num_batches = self.steps_per_epoch or max(1, order.windows // order.together)
        batches = TrainBatches(
            order.windows, self.batch_size, num_batches, self.seed,
            self._rank()[0], order.world_size, self._position, order.offset,
        )  # fmt: skip
        return TrainLoader(dataset, batch_size=None, sampler=batches, **self._loader_options())

    def val_dataloader(self) -> DataLoader | list:
        """Validation windows, each frame at most once; nothing if `val_fraction` is 0."""
        if not self.val_fraction:
            return []
        return self._fixed_loader(self.dataset("val", codes=self._codes), shared=True)

    def test_dataloader(self) -> DataLoader:
        """Test windows, each frame at most once."""
        return self._fixed_loader(self.dataset("test"), shared=True)

    def predict_dataloader(self) -> DataLoader:
        """Test windows of `predict_frames` frames."""
        dataset = self.dataset("test", self.predict_frames)
        processes = getattr(self.trainer, "world_size", 1)
        if len(dataset) < processes:
            raise ConfigError(
                f"the test part has {len(dataset)} windows of {self.predict_frames} frames for {processes}"
                " processes: predict on one, with --trainer.devices 1"
            )
        return self._fixed_loader(dataset)

    def on_after_batch_transfer(self, batch: Batch, dataloader_idx: int) -> Batch:
        """Turn bytes into [-1, 1], on the device."""
        if "frames" in batch and batch["frames"].dtype == torch.uint8:
            batch["frames"] = frames_to_input(batch["frames"])
        return batch

    def state_dict(self) -> dict[str, Any]:
        """Return what the order of training batches depends on."""
        return {"batches": self._position(), **asdict(self._order())}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Remember what a checkpoint says, to tell whether the order goes on exactly.

        Raises:
            CheckpointError: it is not what `state_dict` returns.
        """
        needed = {"batches", "batch_size", "world_size"}
        known = isinstance(state_dict, dict) and needed <= {*state_dict}
        if not known or not all(type(value) is int for value in state_dict.values()):
            raise CheckpointError("the checkpoint's order of batches is malformed; use another checkpoint")
        self._resumed = state_dict

    def use_outcomes(self) -> None:
        """From now on, batches hold `rewards` and `terminations`.

        Raises:
            DataError: a file does not have both.
        """
        for file in self.frame_files:
            check_outcomes(file)
        self._with_outcomes = True

    # ---- codes

    def use_codes(self, codes: Mapping[str, str | Path]) -> None:
        """From now on, training batches hold `ids` and `action_ids` instead of frames, validation both.

        Args:
            codes: for each of `files` its codes file, see `tinyworlds.data.codes`.

        Raises:
            ConfigError: a file has no codes.
            DataError: codes were made for another file or other windows.
        """
        by_path = {str(Path(path)): codes_path for path, codes_path in codes.items()}
        missing = [path for path in self.files if str(Path(path)) not in by_path]
        if missing:
            raise ConfigError(f"No codes for {', '.join(missing)}; they are there for: {', '.join(by_path)}.")
        self._codes = [
            CodesFile(by_path[str(Path(file.info.path))], len(file), self.num_frames, stride)
            for file, stride in zip(self.frame_files, self.strides, strict=True)
        ]

    # ---- inside

    def _open(self) -> Collection:
        if self._collection is None:
            self._collection = Collection(
                self.files, self.frame_size, self._wanted_fps, self.skip_frames,
                self.split, self.val_fraction, self.test_fraction, self.cache,
                game_defaults(self.game).action_names,
            )  # fmt: skip
            self.frame_size = self._collection.frame_size
        return self._collection

    def _fixed_loader(self, dataset: WindowDataset, shared: bool = False) -> DataLoader:
        """The windows in a fixed order; `shared`: dealt out to the ranks here, as Lightning repeats some."""
        options = self._loader_options() | {"collate_fn": already_a_batch}
        rank, world_size = self._rank()
        if shared and world_size > 1:
            # ranks must take as many steps each, so the last windows, fewer than the ranks, are left out
            enough = len(dataset) >= world_size
            options["sampler"] = DistributedSampler(
                dataset, world_size, rank, shuffle=False, drop_last=enough
            )
        return DataLoader(dataset, batch_size=self.batch_size, **options)

    def _loader_options(self) -> dict[str, Any]:
        return {
            "num_workers": self.num_workers,
            "persistent_workers": self.num_workers > 0,
            "pin_memory": torch.cuda.is_available(),
        }

    def _rank(self) -> tuple[int, int]:
        return (self.trainer.global_rank, self.trainer.world_size) if self.trainer else (0, 1)

    def _position(self) -> int:
        """Batches trained on so far; `completed` would lag by one in checkpoints saved after a batch."""
        if self.trainer is None:
            return 0
        total: Any = self.trainer.fit_loop.epoch_loop.batch_progress.total  # declared as one that counts less
        return total.processed

    def _order(self) -> Order:
        """The order of training batches from here on."""
        windows = self.num_windows("train") if self._collection else 0
        order = Order(self.seed, windows, self.batch_size, self._rank()[1])
        if self._resumed is None or self._position() < self._resumed["batches"]:  # begun anew
            return order
        return order.going_on(self._resumed)


def _check_positive(**settings: float | None) -> None:
    for name, value in settings.items():
        if value is not None and not value > 0:
            raise ConfigError(f"{name} is {value}; it must be above 0.")
