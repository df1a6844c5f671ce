"""Commands that are one function: their options are the function's parameters, their help its docstring."""

from __future__ import annotations

import inspect as inspect_module
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from jsonargparse import ArgumentParser

from tinyworlds.errors import ConfigError
from tinyworlds.one_line_parser import one_line


class CommandParser(ArgumentParser):
    """Raises a ConfigError of one line."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, allow_abbrev=False, **kwargs)

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        """Say what is wrong in one line."""
        known = [
            option[2:] for action in self._actions for option in action.option_strings if len(option) > 2
        ]
        raise ConfigError(f"{self.prog}: {one_line(message, known)}") from None


def call(function: Callable[..., Any], argv: list[str], name: str) -> Any:
    """Call `function` with the arguments in `argv`: required ones by position, the others as options."""
    parser = CommandParser(prog=f"tinyworlds {name}", description=(function.__doc__ or "").split("\n\n")[0])
    parser.add_function_arguments(function, as_positional=True, fail_untyped=False)
    flags = [p.name for p in inspect_module.signature(function).parameters.values() if p.default is False]
    words = [_switched_on(_underscored(word), flags) for word in argv]
    config = parser.parse_args(words)
    return function(**config.as_dict())


def _underscored(word: str) -> str:
    """Take --num-frames for --num_frames."""
    if not word.startswith("--"):
        return word
    option, equals, value = word.partition("=")
    return "--" + option[2:].replace("-", "_") + equals + value


def _switched_on(word: str, flags: list[str]) -> str:
    """Take --overwrite for --overwrite=true."""
    return f"{word}=true" if word.removeprefix("--") in flags and word.startswith("--") else word


def quickstart(argv: list[str]) -> int:
    """Run ``tinyworlds quickstart``."""
    from tinyworlds.quickstart import quickstart as function

    return call(function, argv, "quickstart") or 0


def record(argv: list[str]) -> int:
    """Run ``tinyworlds record ENV_ID``."""
    call(_record, argv, "record")
    return 0


def _record(
    env_id: str,
    frames: int = 20_000,
    out: str | None = None,
    policy: str = "sticky",
    size: int | None = None,
    frame_skip: int | None = None,
    seed: int = 0,
    hold: float = 4.0,
    actions: list[str] | None = None,
    crop: tuple[int, int, int, int] | None = None,
    overwrite: bool = False,
) -> None:
    """Record a live game with its true actions into a gameplay file.

    Args:
        env_id: any gymnasium id, such as ALE/Pong-v5, VizdoomBasic-v1, CartPole-v1.
        frames: frames to store, over as many episodes as it takes.
        out: the file to write (default: data/<name>_frames.h5).
        policy: "sticky" (holds each action for a while) or "random".
        size: stored height and width in pixels (default: the game's, or 64).
        frame_skip: game steps per stored frame (default: 4 for Atari and ViZDoom, else 1).
        seed: of the game and the policy.
        hold: mean number of frames the sticky policy holds an action.
        actions: names of the actions to play, in the order of their stored ids (default: the game's, or all).
        crop: part of the game's picture to keep, in its own pixels: left, top, width, height.
        overwrite: replace the file if it exists.
    """
    from games.registry import find_by_env
    from tinyworlds.data.record import record as function

    spec = find_by_env(env_id)
    name = spec.name if spec is not None else _game_name(env_id)
    if spec is not None:  # how the title is meant to be recorded, unless the user says otherwise
        actions, crop = actions or spec.record_actions, crop or spec.crop
        frame_skip = frame_skip or spec.frame_skip
    path = out or (spec.data_file if spec is not None else str(Path("data") / f"{name}_frames.h5"))
    function(
        env_id,
        path,
        frames,
        policy=policy,
        size=size or (spec.frame_size if spec is not None else 64),
        frame_skip=frame_skip,
        seed=seed,
        hold=hold,
        actions=actions,
        crop=crop,
        overwrite=overwrite,
    )
    files = "" if spec is not None and path == spec.data_file else f" --data.files {path}"
    print(f"wrote {path}; train a world of it with: tinyworlds train {name}{files}")


def _game_name(env_id: str) -> str:
    """Return "cart_pole" for "CartPole-v1"."""
    name = env_id.rsplit("/", 1)[-1].rsplit("-v", 1)[0]
    return "".join(f"_{c.lower()}" if c.isupper() and i else c.lower() for i, c in enumerate(name))


def inspect(argv: list[str]) -> int:
    """Run ``tinyworlds inspect FILE``."""
    from tinyworlds.data.inspect import inspect_command

    return call(inspect_command, argv, "inspect")


def export(argv: list[str]) -> int:
    """Run ``tinyworlds export RUN OUT.world``."""
    path = call(_export, argv, "export")
    print(f"wrote {path} ({path.stat().st_size / 2**20:.1f} MB); play it with: tinyworlds play {path}")
    return 0


def _export(run: str, out: str, data: list[str] | None = None, num_clips: int = 16) -> Path:
    """Put a trained run into one .world file.

    Args:
        run: folder with the three stages.
        out: the file to write.
        data: gameplay files for the start clips (default: those the run was trained on).
        num_clips: clips to start from, at most.
    """
    from tinyworlds.export import export_world

    return export_world(run, out, data or (), num_clips)
