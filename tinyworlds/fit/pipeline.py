"""``tinyworlds train GAME``: the three stages in order, each in a process of its own, in one run folder.

Where it stands is kept in ``run.json``: finished stages are not trained again, an unfinished one goes on
from its last checkpoint, and the first stage that fails ends the whole with its exit code. A stage is done
when its newest checkpoint is there and says so, whatever ``run.json`` or an exit code say.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path

from tinyworlds.checkpoints.run_folder import has_checkpoint, lock_file
from tinyworlds.errors import ConfigError, TrainingError
from tinyworlds.fit.config_files import with_short_base
from tinyworlds.fit.course import Course, course_of
from tinyworlds.fit.train_request import TrainRequest, needed_stages
from tinyworlds.models.registry import STAGES
from tinyworlds.system.documents import read_json
from tinyworlds.system.exits import INTERRUPTED, TERMINATED
from tinyworlds.system.files import write_text
from tinyworlds.system.locks import locked
from tinyworlds.system.processes import run_child
from tinyworlds.system.shell import shown_command


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
            content = read_json(path)
            stages = {stage: StageState(**content["stages"][stage]) for stage in STAGES}
            for stage in stages.values():
                stage.arguments = with_short_base(stage.arguments)
            game_there = content["game"]
        except (ValueError, KeyError, TypeError) as failure:
            raise ConfigError(
                f"{path} is damaged ({failure}); delete it or choose another --run"
            ) from failure
        if game_there != game:
            raise ConfigError(
                f"{path.parent} is a run of {game_there}, asked for {game}; choose another --run"
            )
        return cls(game, stages)

    def save(self, path: Path) -> None:
        """Write the file, whole or not at all."""
        write_text(path, json.dumps(asdict(self), indent=2) + "\n")


def train(request: TrainRequest, say: Callable[[str], None] = print, announced: bool = False) -> int:
    """Train what is not trained yet and return 0, or the exit code of the stage that failed.

    Before it starts it says how long it will take, unless that is `announced` already.

    Of two processes that train one run, the second waits for the first and finds its stages done. ``fit``
    of one stage holds the lock of that stage alone: others may be trained meanwhile.
    """
    with ExitStack() as held:
        for stage in STAGES:
            held.enter_context(locked(lock_file(request.run, stage), f"training {request.run / stage}"))
        state = RunState.load(request.run / "run.json", request.game)
        course = course_of(request, say)
        if not announced:
            needed = needed_stages({stage: course.words(stage) for stage in STAGES})
            course.announce([stage for stage in needed if not _is_done(request, state, course, stage)])
        return _train(request, state, course, say)


def _is_done(request: TrainRequest, state: RunState, course: Course, stage: str) -> bool:
    own = state.stages[stage]
    same = own.arguments == course.words(stage) and not request.fresh
    return own.status == "done" and same and _newest(request.run, stage).finished


def _train(request: TrainRequest, state: RunState, course: Course, say: Callable[[str], None]) -> int:
    file = request.run / "run.json"
    again = request.fresh
    needed = needed_stages({stage: course.words(stage) for stage in STAGES})
    for number, stage in enumerate(needed, 1):
        own = state.stages[stage]
        title = f"{stage} ({number}/{len(needed)})"
        if not again and _is_done(request, state, course, stage):
            say(f"{title}: done already, in {own.seconds:,.0f} s")
            continue
        words = course.begin(stage)
        same = own.arguments == words and not again
        again = True  # what was trained on the old networks of this stage must be trained again
        resume = ["--ckpt_path", "last"] if same and _newest(request.run, stage).path is not None else []
        own = state.stages[stage] = StageState("running", words)
        try:
            code = _run_stage(request, state, file, stage, [*words, *resume], say, title)
        finally:
            course.ended(stage, own.seconds)
        if code != 0:
            return code
    export = shown_command("export", request.run, Path(f"{request.game}.world"))
    say(f"{'all three' if len(needed) == len(STAGES) else 'both'} stages are trained; next: {export}")
    return 0


def _run_stage(
    request: TrainRequest,
    state: RunState,
    file: Path,
    stage: str,
    words: list[str],
    say: Callable[[str], None],
    title: str,
) -> int:
    command = [sys.executable, "-m", "tinyworlds", "fit", *words, "--run", str(request.run)]
    say(f"{title}: {shown_command(*command[3:])}")
    own = state.stages[stage]
    names = [*STAGES]
    for later in names[names.index(stage) + 1 :]:
        if state.stages[later].status == "done":
            state.stages[later] = StageState()
    state.save(file)
    goes_on = any(word.startswith("--ckpt_path") for word in words)
    before = _Newest() if goes_on else _newest(request.run, stage)
    started = time.monotonic()
    code = run_child(command)
    own.seconds, own.exit_code = round(time.monotonic() - started, 1), code
    stopped = code in (INTERRUPTED, TERMINATED)
    newest = _newest(request.run, stage)
    finished = newest.finished and newest.path != before.path
    own.status = "interrupted" if stopped else "done" if code == 0 and finished else "failed"
    state.save(file)
    if stopped:
        say(f"interrupted; go on with the same command: {shown_command('train', request.game)} ...")
    elif code != 0:
        # a child ended by signal N has code -N; exit codes must not be negative
        code = code if code > 0 else 128 - code
        raise _failed(stage, code, request.game)
    elif not finished:
        raise TrainingError(
            f"stage {stage} ended without an error, but {request.run / stage} holds no new checkpoint that "
            "says it is finished; see how long it was to train (--trainer.max_steps) and whether it may save"
        )
    return code


def _failed(stage: str, code: int, game: str) -> TrainingError:
    error = TrainingError(
        f"stage {stage} failed (exit code {code}); its message is above; then: {shown_command('train', game)}"
    )
    error.exit_code = code  # this very failure's code
    return error


@dataclass(frozen=True)
class _Newest:
    """The newest valid checkpoint of a stage, if there is one.

    Attributes:
        path: the file.
        finished: whether training came to its end there; those of older programs do not say otherwise.
    """

    path: Path | None = None
    finished: bool = False


def _newest(run: Path, stage: str) -> _Newest:
    if not has_checkpoint(run, stage):  # which needs no torch
        return _Newest()
    from tinyworlds.checkpoints.search import find_newest

    found = find_newest(run, stage)
    return _Newest(found.path, bool(found.info.meta.get("finished", True))) if found else _Newest()
