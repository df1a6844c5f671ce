"""What an older program wrote opens, trains on, plays and exports as it did: see fixtures/old_run."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from paths import FIXTURES
from tiny_runs import curve

from tinyworlds import World, load_network
from tinyworlds.commands.cli import main

STAGES = ("video_tokenizer", "latent_actions", "dynamics")


@pytest.fixture
def old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder the old program worked in, entered: its files note paths relative to it."""
    folder = tmp_path / "old"
    shutil.copytree(FIXTURES / "old_run", folder)
    monkeypatch.chdir(folder)
    return folder


@pytest.mark.parametrize("name", ["last", "best"])
@pytest.mark.parametrize("stage", STAGES)
def test_networks_open(stage: str, name: str, old: Path) -> None:
    network = load_network(old / "run" / stage / "version_0" / "checkpoints" / f"{name}.ckpt")
    assert network.config["embed_dim"] == 8
    assert not network.training


@pytest.mark.parametrize("source", ["run", "sprite.world"])
def test_worlds_open_and_step(source: str, old: Path) -> None:
    world = World.load(source)
    assert (world.num_actions, world.fps, world.game) == (4, 15.0, "sprite")
    assert world.reset(seed=0).shape == (16, 16, 3)
    assert world.step(1).dtype == np.uint8


def _draw_as_then(guess, ids, places, sampling, generator):
    """Draw codes as that revision did; the same seed has drawn others since."""
    probability = (guess.logits(ids, places) / sampling.temperature).softmax(dim=-1)
    waiting = torch.empty_like(probability).exponential_(generator=generator).clamp_(min=1e-30)
    return (probability / waiting).argmax(dim=-1), probability.amax(dim=-1)


def test_the_world_shows_what_it_showed(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tinyworlds.models.maskgit._guess_tokens", _draw_as_then)
    world = World.load("sprite.world", temperature=1.0)
    assert world.action_names == ("noop", "action 1", "action 2", "up")
    shown = [world.reset(seed=0), *(world.step(action) for action in (0, 1, 2, 3, 3))]
    wanted = np.load("played.npz")["frames"].astype(int)
    # another CPU may sum in another order and sample another code here and there
    assert np.mean(np.abs(np.stack(shown) - wanted) <= 2) > 0.95


@pytest.mark.parametrize("stage", STAGES)
def test_each_stage_trains_on_as_the_old_program_did(stage: str, old: Path) -> None:
    version = old / "run" / stage / "version_0"
    before = curve(version)
    more = ["--ckpt_path", "last", "--trainer.max_steps", "9"]
    assert main(["fit", "--config", str(version / "config.yaml"), *more]) == 0
    after = curve(version)
    assert after[:6] == before, "step 6 follows, nothing is written anew"
    assert after[6:] == pytest.approx(json.loads(Path("went_on.json").read_text())[stage], rel=2e-2)


@pytest.mark.slow
def test_train_finds_its_stages_done_and_trains_one_with_more_steps(old: Path) -> None:
    state = json.loads((old / "run" / "run.json").read_text())
    words = {k: v["arguments"][2:] for k, v in state["stages"].items()}
    shared = [word for word in words["dynamics"] if all(word in others for others in words.values())]
    own = [word.replace("--", f"--{k}.") for k in words for word in words[k] if word not in shared]
    command = [sys.executable, "-m", "tinyworlds", "train", "sprite", "--run", "run", *shared, *own]
    command.append("--dynamics.trainer.max_steps=8")
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("done already") == 2, done.stdout
    assert len(curve(old / "run" / "dynamics" / "version_1")) == 8
    assert not (old / "run" / "video_tokenizer" / "version_1").exists()


@pytest.mark.parametrize("source", ["run", "sprite.world"])
def test_plays_headless(source: str, old: Path) -> None:
    assert main(["play", "--headless", "--keys", "idle*2 up*2", "--out", "clip.mp4", source]) == 0
    assert Path("clip.mp4").stat().st_size > 0


@pytest.mark.slow
def test_evaluates_and_exports(old: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--data", "sprite_frames.h5", "--num_clips", "2", "--horizon", "4", "--out", "report"]
    assert main(["evaluate", "sprite.world", *words]) == 0
    assert main(["evaluate", "run", "--num_clips", "2", "--horizon", "4"]) == 0
    assert main(["evaluate", "run", "sprite.world", *words[:-1], "both"]) == 0
    printed = capsys.readouterr().out
    assert re.search(r"^figure +run +sprite +mean +standard deviation$", printed, re.MULTILINE)
    assert Path("both/runs.html").exists()
    for folder in ("report", "run/evaluation", "both/1_run", "both/2_sprite"):
        assert json.loads(Path(folder, "metrics.json").read_text())
    assert main(["export", "run", "again.world", "--num_clips", "4"]) == 0
    first, second = World.load("sprite.world"), World.load("again.world")
    assert (first.reset(seed=0) == second.reset(seed=0)).all()
    # of an untrained network, by rank alone: names had not to be earned then
    assert first.action_names == ("noop", "action 1", "action 2", "up")
    assert (first.info.not_found, second.info.not_found) == ((), ("noop", "left", "right", "up"))
