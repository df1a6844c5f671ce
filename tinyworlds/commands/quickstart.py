"""``tinyworlds quickstart``: a real game recorded here, a world trained here, played here.

Six steps, each a command of its own that a user can repeat: record, the stages of ``train``, evaluate,
export, play. What is done already is not done again, so an interrupted quickstart goes on where it stopped.
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from games.registry import get
from tinyworlds.checkpoints.run_folder import default_run
from tinyworlds.errors import ConfigError, did_you_mean
from tinyworlds.fit.config_files import find_config
from tinyworlds.fit.pipeline import RunState, train
from tinyworlds.fit.plan.forecast import forecast
from tinyworlds.fit.plan.making import tuning_seconds
from tinyworlds.fit.plan.measuring import measuring
from tinyworlds.fit.train_request import TrainRequest, make_request, needed_stages
from tinyworlds.models.registry import STAGES
from tinyworlds.system.options import PositiveFloat, call
from tinyworlds.system.shell import shown_command

ACTIONS = {
    "labels": ["--dynamics.model.actions=labels"],
    "anchored": ["--latent_actions.model.label_share=0.025", "--dynamics.model.actions=anchored"],
    "latent": ["--dynamics.model.actions=latent"],  # a plan would take recorded keys by itself
}
"""Where actions may come from, and the settings of `tinyworlds train` for it."""
ANCHORED_MINUTES = 2.5
"""Rough duration of the second stage where actions are anchored."""


@dataclass(frozen=True)
class Preset:
    """How a title is made into a world within minutes.

    Attributes:
        num_frames: frames to record.
        hold: mean number of frames the recording policy holds a key.
        overlay: YAML with settings over those of the title's own configs, or None.
        minutes: of record, each of the three stages and the report with the choice of drawing before it, on
            two cores of an Intel Xeon with matrix units. How much slower this machine is, is measured.
    """

    num_frames: int
    hold: float
    overlay: str | None
    minutes: tuple[float, float, float, float, float]


PRESETS = {
    "doom": Preset(16_000, hold=5.0, overlay=None, minutes=(0.3, 1.6, 0.7, 4.0, 3.6)),
    "pong": Preset(12_000, hold=2.0, overlay="quickstart_pong.yaml", minutes=(0.2, 1.5, 1.5, 3.0, 3.6)),
}

_LONG_MINUTES = 13.0  # from here on a shorter way is named


def quickstart(
    game: str = "doom",
    actions: str = "labels",
    fresh: bool = False,
    play: bool = True,
    seed: int = 0,
    frames: int | None = None,
    run: str | None = None,
    out: str | None = None,
    minutes: PositiveFloat | None = None,
    settings: list[str] | None = None,
) -> int:
    """Record a real game, train a small world of it, measure it and play it: minutes on two CPU cores.

    It says how many before it starts.

    Args:
        game: doom (ViZDoom, needs the extra "games") or pong (Atari, needs the extra "atari").
        actions: labels (the keys that were recorded), anchored (read off the pictures, after 2.5 % of the
            recorded keys) or latent (found in the pictures alone; weaker keys).
        fresh: record and train again, although there is a recording or a run.
        play: open the window at the end where there is a display.
        seed: of the recording and of training.
        frames: how many to record (default: 16,000 for doom, 12,000 for pong).
        run: folder of the run (default: lightning_logs/GAME).
        out: the world file to write (default: GAME.world).
        minutes: for everything: sizes and updates are chosen so that it ends in time on this machine; by
            default they are fixed, so that a seed gives the same world again.
        settings: further settings of `tinyworlds train`, such as dynamics.trainer.max_steps=500.

    Raises:
        ConfigError: no such game, or a setting is unknown.
        MissingExtraError: the game's package is not installed.
    """
    if game not in PRESETS:
        known = ", ".join(PRESETS)
        raise ConfigError(f"quickstart knows {known}, asked for '{game}'.{did_you_mean(game, PRESETS)}")
    if actions not in ACTIONS:
        known = ", ".join(ACTIONS)
        raise ConfigError(f"--actions is one of {known}, got '{actions}'.{did_you_mean(actions, ACTIONS)}")
    folder = Path(run) if run else default_run(game)
    world = Path(out or f"{game}.world")
    course = _Course(game, actions, minutes, time.monotonic())
    words = [f"--seed_everything={seed}", *_machine_words()]
    words += ACTIONS[actions]
    words += [f"--{setting.removeprefix('--')}" for setting in settings or ()]
    request = make_request(game, words, folder, [] if minutes else _overlays(game), fresh, minutes)
    course.measure(request)
    _record(game, seed, fresh, frames or PRESETS[game].num_frames, course.heading(1, "record the game"))
    code = _train(request, course)
    if code != 0:
        return code
    _measure(folder, world, game, actions, course)
    print(f"\nfrom nothing to a world in {course.gone_s / 60:.1f} minutes")
    return _play(world, play)


class _Course:
    """How long the steps take here, and how long they may.

    Attributes:
        minutes: for everything; None for as long as it takes.
    """

    def __init__(self, game: str, actions: str, minutes: float | None, started: float) -> None:
        self.game, self.minutes, self._started = game, minutes, started
        self._usual = PRESETS[game].minutes
        for_actions = {"anchored": ANCHORED_MINUTES, "labels": 0.0}.get(actions, self._usual[2])
        self._usual = (*self._usual[:2], for_actions, *self._usual[3:])
        self._expected: tuple[float, ...] | None = None

    @property
    def gone_s(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self._started

    @property
    def report_s(self) -> float:
        """Seconds that the report takes here; without its play test where that would take too much."""
        seconds = 60 * (self._expected or self._usual)[-1]
        return seconds if self.with_play_test else 0.3 * seconds

    @property
    def with_play_test(self) -> bool:
        """Whether there is time for holding every key."""
        seconds = 60 * (self._expected or self._usual)[-1]
        return self.minutes is None or seconds < 0.4 * 60 * self.minutes

    @property
    def left_s(self) -> float | None:
        """Seconds until the end; None without one."""
        return None if self.minutes is None else max(60 * self.minutes - self.gone_s, 0.0)

    def measure(self, request: TrainRequest) -> None:
        """See how long training takes here, unless it is done, and say what that comes to."""
        states = RunState.load(request.run / "run.json", self.game).stages
        needed = needed_stages(request.arguments)
        if not request.fresh and all(states[stage].status == "done" for stage in needed):
            return
        print("measuring this machine for some seconds ...", flush=True)
        # one stage tells how fast the machine is where the updates are not those of the preset
        seconds = _training_seconds(request, ["dynamics"] if self.minutes else needed)
        preset = self._usual
        known = dict(zip(STAGES, preset[1:4], strict=True))
        slower = sum(seconds.values()) / 60 / sum(known[stage] for stage in seconds)
        self._expected = tuple(slower * each for each in preset)
        whole = sum(self._expected)
        if self.minutes is not None:
            print(f"{self.game}: a world in {self.minutes:g} minutes; with the usual updates {whole:.0f}")
            return
        print(f"{self.game}: a world in about {whole:.0f} minutes on this machine, as it is busy now")
        if whole > _LONG_MINUTES:
            print("--minutes 10 trains less: smaller networks and fewer updates, chosen to end in time")

    def heading(self, number: int, what: str) -> Callable[[], None]:
        """Return what prints the heading of a step, with the minutes that are to go."""
        place = {1: 0, 2: 1, 3: 4}[number]
        left = None if self.left_s is None else self.left_s / 60
        if self.minutes is None and self._expected is not None:
            left = sum(self._expected[place:])
        to_go = "" if left is None else f" (about {left:.0f} min to go)"
        return lambda: print(f"\n[{number}/3] {what}{to_go}", flush=True)


def _training_seconds(request: TrainRequest, stages: list[str]) -> dict[str, float]:
    """Return how long stages take on this machine with the preset's updates and sizes, or the user's."""
    usual = replace(request, minutes=None)
    if request.minutes:
        usual = make_request(request.game, (), request.run, _overlays(request.game))
    # the recording may not be there yet
    size = f"--data.frame_size={get(request.game).frame_size}"
    words = {stage: [*own, size] for stage, own in usual.arguments.items()}
    with measuring() as machine:
        return {stage: forecast(words, [stage], machine)[1] for stage in stages}


def _record(game: str, seed: int, fresh: bool, num_frames: int, announce: Callable[[], None]) -> None:
    from tinyworlds.sources.record.record import record

    announce()
    spec = get(game)
    if Path(spec.data_file).exists() and not fresh:
        print(f"{spec.data_file} is there already; --fresh records anew")
        return
    found = record(
        spec.env_id or "", spec.data_file, num_frames, size=spec.frame_size, frame_skip=spec.frame_skip,
        actions=spec.record_actions, crop=spec.crop, hold=PRESETS[game].hold, seed=seed, overwrite=fresh,
        policy=spec.policy, env_kwargs=spec.env_kwargs,
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


def _overlays(game: str) -> list[str]:
    overlay = PRESETS[game].overlay
    return [str(find_config(overlay, needed=True))] if overlay else []


def _train(request: TrainRequest, course: _Course) -> int:
    course.heading(2, "train")()
    if course.minutes is None:
        return train(request, announced=True)
    after_s = course.report_s + tuning_seconds(course.minutes)
    return train(replace(request, before_s=course.gone_s, after_s=after_s))


def _measure(folder: Path, world: Path, game: str, actions: str, course: _Course) -> None:
    from tinyworlds.evaluation.next_steps import next_steps
    from tinyworlds.evaluation.rows import MOTION_BARS, QUICKSTART_BARS
    from tinyworlds.evaluation.run import evaluate
    from tinyworlds.evaluation.terminal import print_report
    from tinyworlds.evaluation.tuning import tune_run
    from tinyworlds.export.build import export_world

    course.heading(3, "measure it on what was held out")()
    left_s = course.left_s
    print("\n".join(tune_run(folder, None if left_s is None else left_s - course.report_s)))
    bars = dict(QUICKSTART_BARS if game == "doom" else MOTION_BARS)
    if actions == "labels":
        bars = {name: bar for name, bar in bars.items() if not name.startswith("action")}
    report = evaluate(folder, out=folder / "evaluation", bars=bars, play=course.with_play_test)
    figures = {name: one.value for name, one in report.figures.items() if math.isfinite(one.value)}
    bars = {**report.listening_bars, **bars}
    export_world(folder, world, metrics=figures)
    print()
    print_report(report, bars, next_steps(report, folder, world))
    print(f"report with pictures and clips: {folder / 'evaluation' / 'report.html'}")
    missed = report.missed(bars)
    if missed:
        print(f"below the mark this time: {', '.join(missed)}")


def _play(world: Path, play: bool) -> int:
    from tinyworlds.play.window.display import has_display

    clip = ("--headless", "--keys", "d*20 space*6 a*20", "--out", Path(f"{world.stem}.mp4"))
    print(f"a clip of it: {shown_command('play', world, *clip)}")
    if not (play and has_display() and sys.stdin.isatty()):
        return 0
    from tinyworlds.commands.play import main

    return main([str(world)])


def main(argv: list[str]) -> int:
    """Run ``tinyworlds quickstart``."""
    code = call(
        quickstart,
        argv,
        "tinyworlds quickstart",
        sections={
            "the world": ("actions", "minutes", "frames", "seed", "settings"),
            "files": ("run", "out", "fresh"),
            "afterwards": ("play",),
        },
        examples=("tinyworlds quickstart", "tinyworlds quickstart --game pong --minutes 10"),
    )
    return code or 0
