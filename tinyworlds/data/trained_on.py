"""Which frames a network was trained on: what a checkpoint notes of them, and what is held out from it.

A recording is known by its frames, not by its name: by hashes of its first 1, 8 and 64 frames. Copying,
renaming, storing it otherwise and appending to it keep them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tinyworlds.data.reader import FrameFile

_LADDER = (1, 8, 64)
_HASH_DIGITS = 12
_MOST_FRAMES = 2**48  # of a file; a larger number is a damaged one

TRAINED_ON_KEY = "trained_on"
"""Entry of it in what checkpoints and worlds note."""
SPLIT_SETTINGS = ("split", "val_fraction", "test_fraction", "skip_frames")
"""Settings of the data module that decide what is held out of a file."""

Ranges = Sequence[tuple[int, int]]
"""Half-open ranges of frames, ascending, that do not touch each other."""


@dataclass(frozen=True)
class Recording:
    """What was trained on of one file.

    Attributes:
        name: of the file when it was trained on, without its folder.
        identity: see `identity_of`.
        trained: the frames.
    """

    name: str
    identity: tuple[str, ...]
    trained: Ranges

    def is_of(self, identity: Sequence[str]) -> bool:
        """Whether a file with this identity is the same recording, or begins with it, or it with that."""
        return all(own == other for own, other in zip(self.identity, identity, strict=False))


@dataclass(frozen=True)
class TrainedOn:
    """What a network was trained on.

    Attributes:
        settings: of the data module, plain values by name.
        recordings: the files.
        whole: False where it was also trained by a version that noted nothing of this.
    """

    settings: Mapping[str, Any]
    recordings: tuple[Recording, ...]
    whole: bool = True

    @property
    def fingerprint(self) -> str:
        """12 hex digits for settings and frames, not for names of files."""
        files = sorted(str((each.identity, each.trained)) for each in self.recordings)
        settings = {name: value for name, value in self.settings.items() if name not in ("files", "game")}
        text = json.dumps([settings, files], sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()[:_HASH_DIGITS]

    def ranges_of(self, identity: Sequence[str]) -> Ranges:
        """Return the frames trained on of the file with this identity."""
        return merged(part for each in self.recordings if each.is_of(identity) for part in each.trained)

    def after(self, earlier: TrainedOn | None) -> TrainedOn:
        """Return what it adds up to where training went on from a checkpoint that noted `earlier`."""
        if earlier is None:
            return TrainedOn(self.settings, self.recordings, whole=False)
        found = {each.identity: each for each in earlier.recordings}
        for each in self.recordings:
            before = found[each.identity].trained if each.identity in found else ()
            found[each.identity] = Recording(each.name, each.identity, merged([*before, *each.trained]))
        return TrainedOn(self.settings, tuple(found.values()), earlier.whole)

    def to_plain(self) -> dict[str, Any]:
        """Return plain values, for a checkpoint."""
        files = [
            {"name": each.name, "identity": [*each.identity], "trained": [[*part] for part in each.trained]}
            for each in self.recordings
        ]
        return {
            "settings": dict(self.settings),
            "files": files,
            "whole": self.whole,
            "fingerprint": self.fingerprint,
        }


def read_trained_on(noted: Any) -> TrainedOn | None:
    """Return what a checkpoint or a world notes, or None where it is not there or malformed."""
    try:
        files, settings, whole = noted["files"], noted["settings"], noted["whole"]
        recordings = tuple(_recording(each) for each in files)
    except (TypeError, KeyError, ValueError, AttributeError):
        return None
    if not isinstance(settings, dict) or not isinstance(whole, bool):
        return None
    return TrainedOn(
        {name: value for name, value in settings.items() if isinstance(name, str)}, recordings, whole
    )


def _recording(noted: Any) -> Recording:
    name, identity = noted["name"], noted["identity"]
    if not isinstance(name, str) or not 0 < len(identity) <= len(_LADDER):
        raise ValueError(name)
    if not all(isinstance(digits, str) and len(digits) == _HASH_DIGITS for digits in identity):
        raise ValueError(identity)
    ranges = [(start, stop) for start, stop in noted["trained"]]
    if not all(
        type(start) is type(stop) is int and 0 <= start < stop <= _MOST_FRAMES for start, stop in ranges
    ):
        raise ValueError(ranges)
    return Recording(name, tuple(identity), merged(ranges))


def identity_of(file: FrameFile) -> tuple[str, ...]:
    """Return hashes of the first 1, 8 and 64 frames of a file, as many as it has.

    Raises:
        DataError: the file is damaged there.
    """
    lengths = [length for length in _LADDER if length <= len(file)]
    frames = file.frames(0, lengths[-1])
    file.close()  # there may be more files than a process may hold open
    size = f"{file.info.height}x{file.info.width} "
    return tuple(
        hashlib.sha256(size.encode() + frames[:length].tobytes()).hexdigest()[:_HASH_DIGITS]
        for length in lengths
    )


# ---- ranges


def merged(ranges: Iterable[tuple[int, int]]) -> Ranges:
    """Return the union of ranges."""
    union: list[tuple[int, int]] = []
    for start, stop in sorted(ranges):
        if union and start <= union[-1][1]:
            union[-1] = (union[-1][0], max(stop, union[-1][1]))
        else:
            union.append((start, stop))
    return tuple(union)


def without(start: int, stop: int, ranges: Ranges) -> Ranges:
    """Return what is left of start ... stop - 1 once `ranges` are taken out."""
    left = []
    for low, high in ranges:
        if high <= start:
            continue
        if low >= stop:
            break
        if low > start:
            left.append((start, low))
        start = max(start, high)
    return (*left, (start, stop)) if start < stop else tuple(left)
