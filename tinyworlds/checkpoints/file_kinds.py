"""What a file is, by its name and its first look, and which commands take files of that kind."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from tinyworlds.checkpoints.run_folder import is_of_stage
from tinyworlds.errors import ConfigError
from tinyworlds.media.suffixes import PICTURE_SUFFIXES, VIDEO_SUFFIXES
from tinyworlds.models.registry import AGENT, STAGES
from tinyworlds.system.documents import is_pointer
from tinyworlds.system.shell import shown_command

WORLD, GAMEPLAY, VIDEO, PICTURE = "a world", "gameplay", "a video", "a picture"
RUN, AGENT_RUN, CHECKPOINT, CONFIG, LOG = (
    "a run", "an agent", "a checkpoint", "a config", "the log of a session"
)  # fmt: skip

_BY_ENDING = {
    ".world": WORLD, ".h5": GAMEPLAY, ".hdf5": GAMEPLAY, ".yaml": CONFIG, ".yml": CONFIG, ".json": LOG,
    ".ckpt": CHECKPOINT, ".pth": CHECKPOINT, ".pt": CHECKPOINT, ".safetensors": CHECKPOINT,
    **dict.fromkeys(VIDEO_SUFFIXES, VIDEO), **dict.fromkeys(PICTURE_SUFFIXES, PICTURE),
}  # fmt: skip

_TAKERS: dict[str, tuple[tuple[str, ...], ...]] = {
    WORLD: (("play", "FILE"), ("inspect", "FILE"), ("evaluate", "FILE"), ("actions", "FILE")),
    GAMEPLAY: (("inspect", "FILE"), ("train", "NAME", "--data.files", "FILE"), ("optimize", "FILE")),
    VIDEO: (("ingest", "FILE", "--game", "NAME"), ("play", "WORLD", "--start", "FILE")),
    PICTURE: (("play", "WORLD", "--start", "FILE"),),
    RUN: (("evaluate", "FILE"), ("export", "FILE", "OUT.world"), ("play", "FILE")),
    AGENT_RUN: (("episodes", "--checkpoint", "FILE"), ("play", "FILE")),
    CHECKPOINT: (("convert", "FILE", "OUT.world"), ("fit", "--config", "CONFIG", "--ckpt_path", "FILE")),
    CONFIG: (("fit", "--config", "FILE"),),
    LOG: (("play", "WORLD", "--replay", "FILE"),),
}
"""What can be done with a file of each kind, the most usual first."""


def kind_of(path: str | Path) -> str | None:
    """Return the kind of a file or folder that is there; None where it is not, or not known by its name."""
    path = Path(path)
    if path.is_dir():
        if is_of_stage(path, AGENT.name):
            return AGENT_RUN
        return RUN if any((path / stage).is_dir() for stage in STAGES) else None
    if not path.is_file() or is_pointer(path):
        return None
    kind = _BY_ENDING.get(path.suffix.lower())
    return AGENT_RUN if kind == CHECKPOINT and is_of_stage(path, AGENT.name) else kind


def expect(command: str, paths: Iterable[str | Path], *kinds: str) -> None:
    """Refuse files of another kind than a command takes, and name the commands that take them.

    Files that are not there and kinds that are not known are left to the command itself.

    Raises:
        ConfigError: what was given, what the command takes, and what to call instead.
    """
    for path in paths:
        kind = kind_of(path)
        if kind is None or kind in kinds:
            continue
        takers = [call for call in _TAKERS[kind] if call[:2] != (command, "FILE")]
        calls = [[str(path) if word == "FILE" else word for word in call] for call in takers]
        others = [f"`{shown_command(*call)}`" for call in calls][:2]
        hint = f"; call {' or '.join(others)}" if others else ""
        raise ConfigError(f"{path} is {kind}, and {command} takes {' or '.join(kinds)}{hint}")
