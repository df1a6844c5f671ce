"""Stands in for the processes of ``tinyworlds train``, and for the machine that they are measured on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from fake_machine import FakeMachine
from made_runs import networks, save_stage

from tinyworlds.checkpoints.run_folder import versions
from tinyworlds.fit import course, pipeline
from tinyworlds.models.registry import STAGES


class FakeStages:
    """Stands in for the processes: notes the commands, answers with the given exit codes.

    With 0 it leaves a checkpoint that says that it is finished; `saves` is what it says otherwise, None none.
    """

    def __init__(self, *codes: int, saves: bool | None = True) -> None:
        self.codes, self.saves = list(codes), saves
        self.commands: list[list[str]] = []
        self.machine = FakeMachine()

    def __call__(self, command: list[str]) -> int:
        self.commands.append(command[3:])
        code = self.codes.pop(0) if self.codes else 0
        if code == 0 and self.saves is not None:
            config = Path(command[command.index("--config") + 1]).stem
            stage = next(name for name, spec in STAGES.items() if config.endswith(spec.config_suffix))
            run = Path(command[command.index("--run") + 1])
            version = len(versions(run, stage)) - ("--ckpt_path" in command)
            save_stage(run, stage, networks()[stage], version=version, finished=self.saves)
        return code

    def words(self, number: int) -> list[str]:
        return self.commands[number]


@pytest.fixture
def stages(monkeypatch: pytest.MonkeyPatch) -> Callable[..., FakeStages]:
    def install(*codes: int, saves: bool | None = True) -> FakeStages:
        fake = FakeStages(*codes, saves=saves)
        monkeypatch.setattr(pipeline, "run_child", fake)
        monkeypatch.setattr(course, "measuring", fake.machine.measuring)
        return fake

    return install
