"""``tinyworlds record``: a live game to a gameplay file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tinyworlds.system.options import call
from tinyworlds.system.shell import shown_command

if TYPE_CHECKING:
    pass


_FRAMES = 50_000


def record_command(
    env_id: str,
    out: str | None = None,
    frames: int | None = None,
    size: int | None = None,
    frame_skip: int | None = None,
    policy: str | None = None,
    keys: str | None = None,
    hold: float = 4.0,
    actions: list[str] | None = None,
    crop: tuple[int, int, int, int] | None = None,
    seed: int = 0,
    processes: int = 1,
    append: bool = False,
    overwrite: bool = False,
    env_kwargs: list[str] | None = None,
    picture: str | None = None,
) -> int:
    """Play a game and store what it shows, with the true actions beside the frames.

    Interrupted by Ctrl-C or worse, the same command goes on where it stopped.

    Args:
        env_id: any gymnasium id (ALE/Pong-v5, VizdoomBasic-v1, CartPole-v1, module:Env-v0 or
            my_env.py:Env-v0 in this folder), procgen/coinrun,
            retro/GAME, or a title (pong, doom, racing, platformer).
        out: file to write; default: the title's own, or data/NAME_frames.h5.
        frames: frames to store; default: 50000, or as many as the script has.
        size: stored height and width in pixels; default: the title's, or 64.
        frame_skip: game steps per stored frame; default: the title's, or 4 for Atari, ViZDoom, CarRacing and
            consoles, 1 elsewhere.
        policy: who plays: sticky (holds each action for a while), random, scripted (see keys), driver (stays
            near a grey road), runner (goes right and jumps), human (a window; Esc ends and saves); default:
            the title's, or sticky. Or an agent: module:function, agent.py or agent.py:function. It
            gets the frame and, if it takes two arguments, the game's own observation, and returns an id.
        keys: script of keys or action names, one for each frame, over and over, such as "d*30 space*2".
        hold: mean number of frames the sticky policy holds an action.
        actions: names of the actions to play; default: the title's, or all.
        crop: part of the picture to keep, in its own pixels: left, top, width, height.
        seed: of the game and the policy.
        processes: games played at a time.
        append: add to an existing file.
        overwrite: replace an existing file.
        env_kwargs: settings of the environment's own: level=1 name=easy, or a JSON object.
        picture: what is recorded: render, observation, or the key of an entry of the observation; default: an
            observation that is a picture of bytes, else what the game renders, else any picture.
    """
    from tinyworlds.sources.record.making import read_settings
    from tinyworlds.sources.record.policies import PolicyChoice, script_length
    from tinyworlds.sources.record.record import record
    from tinyworlds.sources.record.titles import title_of

    spec = title_of(env_id)
    choice = PolicyChoice(policy or ("scripted" if keys is not None else spec.policy), hold, keys)
    if frames is None:
        frames = _FRAMES if keys is None else script_length(keys)
    recording = record(
        spec.env_id or env_id,
        out or spec.data_file,
        frames,
        policy=choice,
        size=size or spec.frame_size,
        frame_skip=frame_skip or spec.frame_skip,
        seed=seed,
        actions=actions or spec.record_actions,
        crop=crop or spec.crop,
        overwrite=overwrite,
        append=append,
        processes=processes,
        env_kwargs={**spec.env_kwargs, **read_settings(env_kwargs or [])},
        picture=picture,
    )
    print(
        f"{recording.path}: {recording.num_frames:,} frames at {recording.fps:g} fps, "
        f"{recording.num_episodes} episodes, actions {', '.join(recording.action_names)}, "
        f"{recording.seconds:.0f} s"
    )
    name = recording.path.stem.removesuffix("_frames")
    print(f"train a world of it with: {shown_command('train', name, '--data.files', recording.path)}")
    return 0


def main(argv: list[str]) -> int:
    """Run ``tinyworlds record``."""
    return call(
        record_command,
        argv,
        "tinyworlds record",
        sections={
            "what is stored": (
                "out",
                "frames",
                "size",
                "frame_skip",
                "crop",
                "picture",
                "append",
                "overwrite",
            ),
            "who plays": ("policy", "keys", "hold", "actions", "seed"),
            "the game": ("processes", "env_kwargs"),
        },
        examples=(
            "tinyworlds record doom --frames 16000",
            "tinyworlds record ALE/Breakout-v5 --policy human --out mine.h5",
        ),
    )
