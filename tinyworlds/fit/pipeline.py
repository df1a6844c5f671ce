"""``tinyworlds train GAME``: the three stages in order, each in a process of its own, in one run folder.

Where it stands is kept in ``run.json``: finished stages are not trained again, an unfinished one goes on
from its last checkpoint, and the first stage that fails ends the whole with its exit code. Settings go to
all stages that know them; ``--dynamics.trainer.max_steps 500`` (or ``video_tokenizer.``,
``latent_actions.``) goes to one.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from tinyworlds.checkpoints.run_folder import default_run, versions
from tinyworlds.errors import ConfigError, TrainingError, did_you_mean
from tinyworlds.fit.config_files import find_config, split_overlay
from tinyworlds.fit.messages import unknown_key
from tinyworlds.models.registry import STAGES
from tinyworlds.system.exits import INTERRUPTED, TERMINATED
from tinyworlds.system.files import write_text
from tinyworlds.system.locks import locked
from tinyworlds.system.processes import run_child


@dataclass
class StageState:
    """How far one stage is."""

    status: str = "waiting"  # waiting, running, done, failed, interrupted
    arguments: list[str] = field(default_factory=list)
    seconds: float = 0.0
    exit_code: int | None = None


@dataclass
class RunState:
    """What ``run.json`` holds."""

    game: str
    stages: dict[str, StageState]
    schema_version: int = 1

    @classmethod
    def load(cls, path: Path, game: str) -> RunState:
        """Read the file, or begin anew when there is none.

        Raises:
            ConfigError: the folder holds the run of another game, or the file is damaged.
        """
        state = cls(game, {stage: StageState() for stage in STAGES})
        if not path.is_file():
            return state
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            found = {stage: StageState(**content["stages"][stage]) for stage in STAGES}
            named = content["game"]
        except (ValueError, KeyError, TypeError) as failure:
            raise ConfigError(
                f"{path} is damaged ({failure}); delete it or choose another --run"
            ) from failure
        if named != game:
            raise ConfigError(f"{path.parent} is a run of {named}, asked for {game}; choose another --run")
        return cls(game, found)

    def save(self, path: Path) -> None:
        """Write the file, whole or not at all."""
        write_text(path, json.dumps(asdict(self), indent=2) + "\n")


@dataclass(frozen=True)
class Plan:
    """What was asked for on the command line."""

    game: str
    run: Path
    fresh: bool
    arguments: dict[str, list[str]]  # for each stage, the words after `tinyworlds fit`


def make_plan(
    game: str,
    settings: Sequence[str] = (),
    run: str | Path | None = None,
    overlays: Sequence[str] = (),
    fresh: bool = False,
) -> Plan:
    """Sort the settings of a game by stage.

    Args:
        game: a title, or any name together with a setting ``--data.files``.
        settings: words for ``tinyworlds fit``; ``--dynamics.trainer.max_steps 500`` is for one stage.
        run: the run folder; by default the game's own.
        overlays: YAML files with settings over those of the game's configs.
        fresh: train all stages again.

    Raises:
        ConfigError: an unknown game or setting, or a missing value.
    """
    run = Path(run) if run else default_run(game)
    shared: list[tuple[str, str | None]] = []
    own: dict[str, list[str]] = {stage: [] for stage in STAGES}
    for key, value in _pairs(settings):
        stage, _, rest = key.partition(".")
        if stage in STAGES:
            own[stage] += _words(rest, value)
        else:
            shared.append((key, value))
    arguments = {}
    for stage in STAGES:
        base = _base_config(game, stage, [key for key, _ in shared])
        extra = [part for overlay in overlays for part in split_overlay(overlay, stage, run)]
        configs = [word for path in (*base, *extra) for word in ("--config", str(path))]
        arguments[stage] = configs
    for key, value in shared:
        for stage in _stages_knowing(key):
            arguments[stage] += _words(key, value)
    for stage in STAGES:  # last, so that they win over those for all
        arguments[stage] += own[stage]
    return Plan(game, run, fresh, arguments)


def train(plan: Plan, say: Callable[[str], None] = print) -> int:
    """Train what is not trained yet and return 0, or the exit code of the stage that failed.

    Of two processes that train one run, the second waits for the first and finds its stages done.
    """
    with locked(plan.run / ".lock", f"training {plan.run}"):
        return _train(plan, say)


def _train(plan: Plan, say: Callable[[str], None]) -> int:
    file = plan.run / "run.json"
    state = RunState.load(file, plan.game)
    again = plan.fresh
    for number, stage in enumerate(STAGES, 1):
        own, words = state.stages[stage], plan.arguments[stage]
        title = f"{stage} ({number}/{len(STAGES)})"
        if own.status == "done" and own.arguments == words and not again:
            say(f"{title}: done already, in {own.seconds:,.0f} s")
            continue
        same = own.arguments == words and not again
        again = True  # what was trained on the old networks of this stage must be trained again
        resume = ["--ckpt_path", "last"] if same and _has_checkpoint(plan.run, stage) else []
        code = _run_stage(plan, state, file, stage, [*words, *resume], say, title)
        if code != 0:
            return code
    say(f"all three stages are trained; next: tinyworlds export {plan.run} {plan.game}.world")
    return 0


def _run_stage(
    plan: Plan,
    state: RunState,
    file: Path,
    stage: str,
    words: list[str],
    say: Callable[[str], None],
    title: str,
) -> int:
    command = [sys.executable, "-m", "tinyworlds", "fit", *words, "--run", str(plan.run)]
    say(f"{title}: tinyworlds {' '.join(command[3:])}")
    own = state.stages[stage] = StageState("running", plan.arguments[stage])
    names = [*STAGES]
    for later in names[names.index(stage) + 1 :]:
        if state.stages[later].status == "done":
            state.stages[later] = StageState()
    state.save(file)
    started = time.monotonic()
    code = run_child(command)
    own.seconds, own.exit_code = round(time.monotonic() - started, 1), code
    stopped = code in (INTERRUPTED, TERMINATED)
    own.status = "interrupted" if stopped else "failed" if code else "done"
    state.save(file)
    if stopped:
        say(f"interrupted; go on with the same command: tinyworlds train {plan.game} ...")
    elif code != 0:
        # a child ended by signal N has code -N; exit codes must not be negative
        code = code if code > 0 else 128 - code
        raise _failed(stage, code, plan.game)
    return code


def _failed(stage: str, code: int, game: str) -> TrainingError:
    error = TrainingError(
        f"stage {stage} failed (exit code {code}); its message is above; then: tinyworlds train {game}"
    )
    error.exit_code = code  # this very failure's code
    return error


def _has_checkpoint(run: Path, stage: str) -> bool:
    folders = versions(run, stage)
    return bool(folders) and (folders[-1] / "checkpoints" / "last.ckpt").is_file()


def _pairs(words: Sequence[str]) -> list[tuple[str, str | None]]:
    """Return (key, value) for ``--key value``, ``--key=value`` and ``--flag``."""
    pairs: list[tuple[str, str | None]] = []
    rest = list(words)
    while rest:
        word = rest.pop(0)
        if not word.startswith("--"):
            raise ConfigError(f"'{word}' is no setting; settings look like --trainer.max_steps 500")
        key, equals, value = word[2:].partition("=")
        if equals:
            pairs.append((key, value))
        elif rest and not rest[0].startswith("--"):
            pairs.append((key, rest.pop(0)))
        else:
            pairs.append((key, None))
    return pairs


def _words(key: str, value: str | None) -> list[str]:
    return [f"--{key}"] if value is None else [f"--{key}={value}"]


def _base_config(game: str, stage: str, keys: list[str]) -> list[Path]:
    """Return the shipped config of a stage, or the general one for a game of the user's own."""
    from games.registry import titles

    found = find_config(f"{game}_{STAGES[stage].config_suffix}.yaml")
    if found is not None:
        return [found]
    if "data.files" not in keys:
        raise ConfigError(
            f"game '{game}' is unknown.{did_you_mean(game, titles())} "
            "A game of your own needs its recording: --data.files FILE"
        )
    return [find_config(f"own_{STAGES[stage].config_suffix}.yaml", needed=True)]  # type: ignore[list-item]


def _stages_knowing(key: str) -> list[str]:
    """Return the stages that have a setting; all three unless it belongs to some networks only."""
    if not key.startswith("model."):
        return list(STAGES)
    name = key.removeprefix("model.").removeprefix("init_args.")
    from tinyworlds.fit.parser import settings_by_stage

    known = settings_by_stage()
    stages = [stage for stage in STAGES if name in known[stage]]
    if not stages:
        names = sorted({f"model.{n}" for settings in known.values() for n in settings})
        raise ConfigError(unknown_key(key, names))
    return stages
