"""What is known about one title; see README.md beside this file for how to add yours."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tinyworlds.errors import ConfigError

_DOCS = "https://github.com/tinyworlds/tinyworlds/blob/main/games/README.md"


@dataclass(frozen=True)
class GameSpec:
    """One title.

    Attributes:
        name: the word in commands and file names, such as "zelda"; also the module ``games.<name>``.
        title: the name for people.
        data_file: its gameplay file, relative to the working directory.
        frame_size: height and width of the frames in pixels.
        fps: frames per second of game time that a world of it is trained and played at.
        num_actions: latent actions, a power of two.
        key_map: key name to action id ("w", "space", "up", "0" ...); unlisted digits select the id they show.
            Which latent action moves where is only known after training, so this is a start, not a promise.
        action_names: names of the *true* actions by id, where the recording knows them; empty otherwise.
        env_id: gymnasium id to record it from, or None if the frames come from elsewhere.
        record_actions: the true actions to record with, by name; None takes all.
        frame_skip: game steps per recorded frame; None takes the recorder's default.
        crop: part of the game's picture to record, in its pixels: left, top, width, height; None takes all.
        env_kwargs: settings of the environment's own to record it with, by name.
        policy: who plays while it is recorded, see `tinyworlds record --policy`.
        skip_frames: stored frames at the start that show menus.
        public_file: its gameplay in the public repository that `tinyworlds download datasets` reads, or None.
        art: licences of what its pictures show, and of the game.
        docs_url: the page about it.

    Raises:
        ConfigError: a value is out of range.
    """

    name: str
    title: str
    data_file: str
    frame_size: int = 64
    fps: float = 15.0
    num_actions: int = 16
    key_map: Mapping[str, int] = field(default_factory=dict)
    action_names: tuple[str, ...] = ()
    env_id: str | None = None
    record_actions: tuple[str, ...] | None = None
    frame_skip: int | None = None
    crop: tuple[int, int, int, int] | None = None
    env_kwargs: Mapping[str, Any] = field(default_factory=dict)
    policy: str = "sticky"
    skip_frames: int = 0
    public_file: str | None = None
    art: str = ""
    docs_url: str = ""

    def __post_init__(self) -> None:
        if not self.name.isidentifier() or self.name != self.name.lower():
            raise ConfigError(
                f"Game name '{self.name}' must be one lower-case word, it becomes games.<name>."
            )
        if self.num_actions < 2 or self.num_actions & (self.num_actions - 1):
            raise ConfigError(f"{self.name}: num_actions is {self.num_actions}; it must be a power of two.")
        if self.frame_size < 1 or self.fps <= 0 or self.skip_frames < 0:
            raise ConfigError(
                f"{self.name}: frame_size {self.frame_size} and fps {self.fps} must be above 0, "
                f"skip_frames {self.skip_frames} not below."
            )
        wrong = {key: action for key, action in self.key_map.items() if not 0 <= action < self.num_actions}
        if wrong:
            raise ConfigError(f"{self.name}: keys {wrong} name actions outside 0 to {self.num_actions - 1}.")
        if not self.docs_url:
            object.__setattr__(self, "docs_url", f"{_DOCS}#{self.name.replace('_', '-')}")
