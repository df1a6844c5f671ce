"""What a world takes from its gameplay: clips to start from, and true actions to name its own by."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tinyworlds.data.held_out import Clips, held_out_clips
from tinyworlds.errors import ConfigError, DataError
from tinyworlds.system.documents import read_yaml
from tinyworlds.system.known_paths import is_known, is_within

TRUTH_FRAMES = 24
"""True frames kept after those a world starts from: to compare a dream with, and to come back to."""

_LARGEST = 1e9


@dataclass(frozen=True)
class Gameplay:
    """Clips of a run's gameplay.

    Attributes:
        clips: held-out clips to start from, uint8 [n, T, H, W, 3].
        clip_actions: their true actions, int64 [n, T], or None.
        samples: training clips to tell the actions' meaning by, uint8 [m, T, H, W, 3]; None without actions.
        sample_actions: their true actions, int64 [m, T], or None.
        action_names: names of the true actions; empty if unknown.
        fps: frames per second of the clips.
        files: names of the files.
        action_counts: how often each true action occurs in all of the files, int64; None if unknown.
        samples_of: which data the samples are, in words; "training data" count too well in figures.
    """

    clips: np.ndarray
    clip_actions: np.ndarray | None
    samples: np.ndarray | None
    sample_actions: np.ndarray | None
    action_names: tuple[str, ...]
    fps: float
    files: tuple[str, ...]
    action_counts: np.ndarray | None = None
    samples_of: str = "training data"


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= _LARGEST


def _are_names(value: Any) -> bool:
    names = value if isinstance(value, list) else [value]
    return bool(names) and all(isinstance(name, str) and name and "\0" not in name for name in names)


_SETTINGS: dict[str, Callable[[Any], bool]] = {
    "files": _are_names,
    "game": lambda value: isinstance(value, str),
    **dict.fromkeys(
        ("frame_size", "skip_frames"), lambda value: isinstance(value, int) and _is_number(value)
    ),
    **dict.fromkeys(("fps", "val_fraction", "test_fraction"), _is_number),
    "split": lambda value: isinstance(value, str),
}


def data_settings(version: Path) -> dict[str, Any]:
    """Return the data settings a stage was trained with, from the `config.yaml` of its version folder.

    Raises:
        ConfigError: the file is damaged.
    """
    path = version / "config.yaml"
    if not path.is_file():
        return {}
    data = read_yaml(path).get("data") or {}
    return noted_settings(data.get("init_args", data) if isinstance(data, dict) else data, path)


def noted_settings(noted: Any, path: Path) -> dict[str, Any]:
    """Return what a file notes of the data that something was trained on: plain values only.

    Raises:
        ConfigError: a value is of another kind.
    """
    if not isinstance(noted, dict):
        raise ConfigError(
            f"{path}: what it says of its data is a {type(noted).__name__}; name them with --data FILE"
        )
    settings = {name: noted[name] for name in _SETTINGS if noted.get(name) is not None}
    for name, value in settings.items():
        if not _SETTINGS[name](value):
            raise ConfigError(f"{path}: its data.{name} is {value!r:.80}; name the data with --data FILE")
    return settings


def check_followed(settings: Mapping[str, Any], source: Path, option: str = "--data") -> None:
    """Make sure that the data which a file names may be opened: whoever wrote the file chose the name.

    Followed are names that this user gave to a command before, as everybody does who trains; of a run, which
    older versions of this program may have trained, also files in the folder we are in. Addresses and other
    files wait for a person to name them.

    Args:
        settings: what was noted, see `noted_settings`.
        source: the ``.world`` file or the folder that it was noted in.
        option: by which a person names them.

    Raises:
        ConfigError: it may not.
    """
    files = settings.get("files") or ()
    names = [files] if isinstance(files, str) else list(files)
    here = Path() if source.is_dir() else None
    unasked = [name for name in names if not (is_known(name) or (here and is_within(name, here)))]
    if unasked:
        raise ConfigError(
            f"{source} names {unasked[0]!a:.200} as its data; a name in a file is not followed unasked: "
            f"give the data with {option}, if you know them"
        )


def read_gameplay(
    settings: dict[str, Any], num_frames: int, num_clips: int = 16, num_samples: int = 256
) -> Gameplay:
    """Read clips spread evenly over the held-out part of the data, and samples from the training part.

    Args:
        settings: arguments of `H5DataModule`, see `data_settings`.
        num_frames: frames per sample, and of a clip that a world starts from; clips have up to
            `TRUTH_FRAMES` more where the data have enough of that length.
        num_clips: how many clips to start from, at most.
        num_samples: how many clips to name actions by, at most.

    Raises:
        MissingFileError: the data are not there.
        DataError: the data are malformed or hold no clip of that length.
    """
    from tinyworlds.data import H5DataModule

    module = H5DataModule(**{**settings, "num_frames": num_frames})
    held_out = _long_clips(module, num_frames, num_clips)
    samples = None
    if module.has_actions and num_samples:
        samples = training_samples(module, num_samples)
    return Gameplay(
        clips=held_out.frames.numpy(),
        clip_actions=None if held_out.actions is None else held_out.actions.numpy(),
        samples=samples["frames"].numpy() if samples else None,
        sample_actions=samples["actions"].numpy() if samples else None,
        action_names=module.action_names,
        fps=float(module.fps),
        files=tuple(Path(file).name for file in module.files),
        action_counts=module.action_counts,
    )


def _long_clips(module: Any, num_frames: int, num_clips: int) -> Clips:
    """Clips with as many true frames to follow as leaves `num_clips` of them."""
    for more in (TRUTH_FRAMES, TRUTH_FRAMES // 3):
        with contextlib.suppress(DataError):
            clips = held_out_clips(module, num_frames + more, num_clips)
            if len(clips) == num_clips:
                return clips
    return held_out_clips(module, num_frames, num_clips)


def training_samples(module: Any, most: int) -> Any:
    """Read up to `most` clips spread evenly over the training part: a batch, see `WindowDataset`.

    No two have a transition in common: each would count as evidence for what an action means.
    """
    windows = module.train_dataloader().dataset
    apart = max(module.strides) * max(module.num_frames - 1, 1)
    count = max(1, min(most, len(windows) // apart))
    module.warn_of_changing_actions()
    return windows.__getitems__(np.unique(np.linspace(0, len(windows) - 1, count).astype(int)).tolist())
