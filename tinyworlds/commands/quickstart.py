"""``tinyworlds quickstart``: a real game recorded here, a world trained here, played here.

Six steps, each a command of its own that a user can repeat: record, the three stages of ``train``, evaluate,
export, play. What is done already is not done again, so an interrupted quickstart goes on where it stopped.
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tinyworlds.errors import ConfigError, did_you_mean
from tinyworlds.fit.config_files import find_config
from tinyworlds.system.options import call
from tinyworlds.system.shell import shown_command


@dataclass(frozen=True)
class Preset:
    """How a title is made into a world within minutes.

    Attributes:
        num_frames: frames to record.
        hold: mean number of frames the recording policy holds a key.
        overlay: YAML with settings over those of the title's own configs, or None.
        minutes: rough duration of record, the three stages and the report on two CPU cores.
    """

    num_frames: int
    hold: float
    overlay: str | None
    minutes: tuple[float, float, float, float, float]


PRESETS = {
    "doom": Preset(16_000, hold=5.0, overlay=None, minutes=(0.3, 1.6, 0.7, 4.0, 2.3)),
    "pong": Preset(12_000, hold=2.0, overlay="quickstart_pong.yaml", minutes=(0.2, 1.5, 1.5, 3.0, 2.3)),
}


def quickstart(
    game: str = "doom",
    actions: str = "labels",
    fresh: bool = False,
    play: bool = True,
    seed: int = 0,
    frames: int | None = None,
    run: str | None = None,
    out: str | None = None,
    settings: list[str] | None = None,
) -> int:
    """Record a real game, train a small world of it, measure it and play it: minutes on two CPU cores.

    Args:
        game: doom (ViZDoom, needs the extra "games") or pong (Atari, needs the extra "atari").
        actions: labels (the keys that were recorded) or latent (found in the pictures alone; weaker keys).
        fresh: record and train again, although there is a recording or a run.
        play: open the window at the end where there is a display.
        seed: of the recording and of training.
        frames: how many to record (default: 16,000 for doom, 12,000 for pong).
        run: folder of the run (default: lightning_logs/GAME).
        out: the world file to write (default: GAME.world).
        settings: further settings of `tinyworlds train`, such as dynamics.trainer.max_steps=500.

    Raises:
        ConfigError: no such game, or a setting is unknown.
        MissingExtraError: the game's package is not installed.
    """
    from tinyworlds.checkpoints.run_folder import default_run

    if game not in PRESETS:
        known = ", ".join(PRESETS)
        raise ConfigError(f"quickstart knows {known}, asked for '{game}'.{did_you_mean(game, PRESETS)}")
    folder = Path(run) if run else default_run(game)
    world = Path(out or f"{game}.world")
    started = time.monotonic()
    minutes = PRESETS[game].minutes
    print(f"{game}: a world in about {sum(minutes):.0f} minutes on two CPU cores", flush=True)
    _record(
        game, seed, fresh, frames or PRESETS[game].num_frames, _heading(1, "record the game", sum(minutes))
    )
    words = [f"--seed_everything={seed}", *_machine_words()]
    words += [f"--dynamics.model.actions={actions}"] if actions != "latent" else []
    words += [f"--{setting.removeprefix('--')}" for setting in settings or ()]
    code = _train(game, words, folder, fresh, _heading(2, "train the three stages", sum(minutes[1:])))
    if code != 0:
        return code
    _measure(folder, world, game, actions, _heading(3, "measure it on what was held out", minutes[-1]))
    print(f"\nfrom nothing to a world in {(time.monotonic() - started) / 60:.1f} minutes")
    return _play(world, play)


def _heading(number: int, what: str, minutes_left: float) -> Callable[[], None]:
    return lambda: print(f"\n[{number}/3] {what} (about {minutes_left:.0f} min to go)", flush=True)


def _record(game: str, seed: int, fresh: bool, num_frames: int, announce: Callable[[], None]) -> None:
    from games.registry import get
    from tinyworlds.sources.record.record import record

    announce()
    spec = get(game)
    if Path(spec.data_file).exists() and not fresh:
        print(f"{spec.data_file} is there already; --fresh records anew")
        return
    found = record(
        spec.env_id or "", spec.data_file, num_frames, size=spec.frame_size, frame_skip=spec.frame_skip,
        actions=spec.record_actions, crop=spec.crop, hold=PRESETS[game].hold, seed=seed, overwrite=fresh,
    )  # fmt: skip
    print(
        f"{found.path}: {found.num_frames:,} frames at {found.fps:g} a second, {found.num_episodes} episodes,"
        f" actions {', '.join(found.action_names)}"
    )


def _machine_words() -> list[str]:
    """Settings that suit this machine: bfloat16 on CPUs with matrix units, which are made for it."""
    from tinyworlds.nn.devices import has_fast_bf16, pick_device

    device = pick_device("auto")
    return ["--trainer.precision=bf16-mixed"] if device.type == "cpu" and has_fast_bf16(device) else []


def _train(game: str, words: list[str], run: Path, fresh: bool, announce: Callable[[], None]) -> int:
    from tinyworlds.fit.pipeline import train
    from tinyworlds.fit.train_request import make_request

    announce()
    overlay = PRESETS[game].overlay
    overlays = [str(find_config(overlay, needed=True))] if overlay else []
    return train(make_request(game, words, run, overlays, fresh))


def _measure(folder: Path, world: Path, game: str, actions: str, announce: Callable[[], None]) -> None:
    from tinyworlds.evaluation.play_test.text import lines_for_players
    from tinyworlds.evaluation.rows import MOTION_BARS, QUICKSTART_BARS
    from tinyworlds.evaluation.run import evaluate
    from tinyworlds.evaluation.tuning import tune_run
    from tinyworlds.export.build import export_world

    announce()
    print("\n".join(tune_run(folder)))
    bars = dict(QUICKSTART_BARS if game == "doom" else MOTION_BARS)
    if actions != "latent":
        bars = {name: bar for name, bar in bars.items() if not name.startswith("action")}
    report = evaluate(folder, out=folder / "evaluation", bars=bars)
    figures = {name: one.value for name, one in report.figures.items() if math.isfinite(one.value)}
    bars = {**report.listening_bars, **bars}
    export_world(folder, world, metrics=figures)
    print(report.to_markdown(bars))
    if report.play is not None:
        print("\n".join(["", *lines_for_players(report.play), ""]))
    print(f"pictures, clip and report: {folder / 'evaluation' / 'report.md'}")
    missed = report.missed(bars)
    if missed:
        print(f"below the mark this time: {', '.join(missed)}")


def _play(world: Path, play: bool) -> int:
    from tinyworlds.play.window import has_display

    print(f"play it:      {shown_command('play', world)}")
    clip = ("--headless", "--keys", "d*20 space*6 a*20", "--out", Path(f"{world.stem}.mp4"))
    print(f"or a clip:    {shown_command('play', world, *clip)}")
    if not (play and has_display() and sys.stdin.isatty()):
        return 0
    from tinyworlds.commands.play import main

    return main([str(world)])


def main(argv: list[str]) -> int:
    """Run ``tinyworlds quickstart``."""
    return call(quickstart, argv, "tinyworlds quickstart") or 0
