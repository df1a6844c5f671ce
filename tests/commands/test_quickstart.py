"""The quickstart, shortened: the real engine, all steps, few updates."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from fake_machine import FakeMachine

from tinyworlds.commands import quickstart as command
from tinyworlds.commands.quickstart import quickstart
from tinyworlds.errors import ConfigError
from tinyworlds.fit.train_request import TrainRequest

SHORT = [
    "video_tokenizer.trainer.max_steps=6",
    "latent_actions.trainer.max_steps=6",
    "dynamics.trainer.max_steps=6",
    "data.batch_size=4",
    "video_tokenizer.model.embed_dim=32",
    "dynamics.model.embed_dim=32",
    "dynamics.model.num_blocks=1",
]


def run(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tinyworlds", "quickstart", "--no-play", *words, "--settings", *SHORT]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=1800)


def test_unknown_game_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match="Did you mean 'doom'"):
        quickstart("dom")


class Stopped:
    """Stands in for training: keeps the request and ends there."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
        self.machine = FakeMachine(seconds)
        self.requests: list[TrainRequest] = []
        monkeypatch.setattr(command, "measuring", self.machine.measuring)
        monkeypatch.setattr(command, "train", self._train)
        monkeypatch.setattr(command, "_record", lambda *arguments: arguments[-1]())

    def _train(self, request: TrainRequest, announced: bool = False) -> int:
        self.requests.append(request)
        return 3


@pytest.mark.parametrize(("seconds", "minutes"), [(0.05, 4), (0.6, 37)])
def test_it_says_the_minutes_of_this_machine(
    seconds: float,
    minutes: int,
    here: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    stopped = Stopped(monkeypatch, seconds)
    assert quickstart("doom", play=False) == 3
    told = capsys.readouterr().out
    found = int(re.findall(r"a world in about (\d+) minutes on this machine", told)[0])
    assert found == pytest.approx(minutes, abs=1)
    assert f"[1/3] record the game (about {found} min to go)" in told
    assert ("--minutes 10 trains less" in told) == (found > 13)
    assert stopped.requests[0].minutes is None


@pytest.mark.parametrize("actions", ["labels", "latent"])
def test_minutes_are_for_everything(
    actions: str, here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stopped = Stopped(monkeypatch, 0.1)
    assert quickstart("pong", actions=actions, play=False, minutes=10) == 3
    assert "pong: a world in 10 minutes" in capsys.readouterr().out
    (request,) = stopped.requests
    assert request.minutes == 10
    assert request.after_s is not None
    assert 60 < request.after_s < 360, "the report, and choosing how codes are drawn"
    assert f"--model.actions={actions}" in request.arguments["dynamics"], "a plan takes labels by itself"
    assert not any("overlay" in word for word in request.arguments["dynamics"])


def test_minutes_and_updates_contradict_before_anything_is_done(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Stopped(monkeypatch, 0.1)
    with pytest.raises(ConfigError, match="both say how long"):
        quickstart("doom", minutes=10, settings=["dynamics.trainer.max_steps=9"])
    assert not [*here.iterdir()]


def test_unknown_actions_name_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"got 'anchor'\. Did you mean 'anchored'"):
        quickstart("doom", "anchor")


@pytest.mark.slow
@pytest.mark.parametrize(("game", "actions"), [("doom", "labels"), ("pong", "latent")])
def test_quickstart_leaves_a_playable_world_and_a_report(game: str, actions: str, tmp_path: Path) -> None:
    pytest.importorskip({"doom": "vizdoom", "pong": "ale_py"}[game])
    done = run(tmp_path, "--game", game, "--actions", actions, "--frames", "1800")
    assert done.returncode == 0, done.stderr[-2000:]

    report = tmp_path / "lightning_logs" / game / "evaluation"
    pictures = ("open_loop.png", "action_sheet.png", "tokenizer.png", "keys.png", "played.png")
    for name in ("report.md", "report.html", "metrics.json", *pictures):
        assert (report / name).stat().st_size > 0
    figures = json.loads((report / "metrics.json").read_text())["figures"]
    assert {"tokenizer_psnr", "delta_t_psnr_pressed", "read_back_33_64", "life_least"} <= set(figures)
    assert ("action_nmi" in figures) == (actions != "labels")
    assert re.search(r"key +does +seen +at first", done.stdout)
    assert f"tinyworlds play {game}.world" in done.stdout
    assert "below the mark" in done.stdout  # six updates cannot reach the figures, and the command says so

    from tinyworlds import World

    world = World.load(tmp_path / f"{game}.world", "cpu")
    frames = [world.reset(seed=0), *(world.step(action) for action in range(world.num_actions))]
    assert {(frame.shape, frame.dtype) for frame in frames} == {((64, 64, 3), np.dtype(np.uint8))}
    assert world.info.actions == actions
    assert world.info.metrics["tokenizer_psnr"] == pytest.approx(figures["tokenizer_psnr"]["value"], abs=1e-3)
    if game == "doom":
        nothing_is_done_twice(tmp_path)


def nothing_is_done_twice(folder: Path) -> None:
    recorded = (folder / "data" / "doom_frames.h5").stat().st_mtime_ns
    again = run(folder)
    assert again.returncode == 0, again.stderr[-2000:]
    assert again.stdout.count("done already") == 2  # with recorded keys nobody asks an action model
    assert (folder / "data" / "doom_frames.h5").stat().st_mtime_ns == recorded
