"""Dynamics that learn rewards and ends, up to an agent that is trained in such a world."""

import json

import pytest
import small_agents
from gameplay_files import write_gameplay
from tiny_runs import curve, train, words

from tinyworlds import World
from tinyworlds.commands.cli import main

LEARN = ["--model.actions=labels", "--model.num_actions=4", "--model.outcomes=true"]


@pytest.fixture(scope="module")
def ended(tmp_path_factory):
    """The sprite's game as a file whose episodes come to an end."""
    return write_gameplay(tmp_path_factory.mktemp("ended") / "sprite_frames.h5", terminations=True)


@pytest.mark.slow
def test_they_are_trained_beside_the_codes_and_travel_with_the_world(partners, ended, tmp_path, monkeypatch):
    run = train("dynamics", ended, partners, "--trainer.max_steps=6", *LEARN)
    whole, parts = (
        [sum(values) for values in zip(*(curve(run, f"train/{name}") for name in names), strict=True)]
        for names in (["loss"], ["cross_entropy", "reward_loss", "end_loss"])
    )
    assert whole == pytest.approx(parts, rel=1e-5)
    assert curve(run, "train/end_loss")[-1] < curve(run, "train/end_loss")[0]
    out = tmp_path / "sprite.world"
    assert main(["export", str(partners), str(out), "--weights", "int8"]) == 0
    env = World.load(out).as_env(max_steps=3)
    env.reset(seed=0)
    assert env.step(1)[1] != 0
    monkeypatch.chdir(tmp_path)
    small_agents.fit(tmp_path, f"--data.task={out}", "--trainer.max_steps=3")
    version = tmp_path / "lightning_logs/sprite_world/agent/version_0"
    assert "train/loss/image" in (version / "metrics.jsonl").read_text()
    assert (version / "checkpoints/last.ckpt").exists()
    small_agents.fit(tmp_path, f"--data.task={out}", "--trainer.max_steps=5", "--ckpt_path=last")
    rows = [json.loads(line) for line in (version / "metrics.jsonl").read_text().splitlines()]
    assert sum("train/loss/image" in row for row in rows) == 5


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (["--model.outcomes=true"], "--model.outcomes needs --model.actions labels, not latent"),
        (LEARN, "holds no terminations; record it with `tinyworlds record`"),
    ],
)
def test_what_cannot_be_learnt_is_one_line(partners, tiny_h5, error_line, more, told):
    assert told in error_line("fit", *words("dynamics", tiny_h5, partners, "--trainer.max_steps=2", *more))


def test_a_world_without_rewards_is_no_task(tmp_path, error_line, monkeypatch):
    from tiny_worlds import tiny_world

    from tinyworlds.world.file import save_world

    monkeypatch.chdir(tmp_path)
    path = save_world(tmp_path / "plain.world", tiny_world(actions="labels"))
    told = error_line("fit", *small_agents.SMALL, f"--data.task={path}", "--trainer.max_steps=1")
    assert "expects no rewards" in told
    assert "there is no world file" in error_line("fit", *small_agents.SMALL, "--data.task=lost.world")
