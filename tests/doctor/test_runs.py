"""Runs and worlds: sound ones pass, others are named with what is wrong and what is missing."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from small_agents import fit

from tinyworlds import World
from tinyworlds.commands.cli import main
from tinyworlds.data.writer import FrameWriter
from tinyworlds.doctor.files import check_runs, check_weights, check_worlds

pytestmark = pytest.mark.slow  # three stages are trained once

TINY = [
    "--data.batch_size=4", "--model.embed_dim=16", "--model.num_heads=2", "--model.hidden_dim=16",
    "--model.num_blocks=1", "--trainer.max_steps=2", "--trainer.accelerator=cpu",
    "--trainer.enable_progress_bar=false", "--pictures=false", "--checkpoint.every_n_steps=1",
]  # fmt: skip
STAGES = {"video_tokenizer": "tokenizer", "latent_actions": "latent_actions", "dynamics": "dynamics"}


def lines(findings) -> list[tuple[str, str, str]]:
    return [(finding.status, finding.text, finding.remedy) for finding in findings]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a gameplay file and one run whose stages are of two steps each."""
    folder = tmp_path_factory.mktemp("trained")
    data = folder / "tiny_frames.h5"
    noise = np.random.default_rng(0)
    with FrameWriter(data, 16, 16, 15.0, source="noise", action_names=("noop", "left")) as writer:
        for i in range(300):
            frame = noise.integers(0, 256, (16, 16, 3), dtype=np.uint8)
            writer.append(frame, int(noise.integers(2)), 0.0, i % 30 == 29)
    for config in STAGES.values():
        words = [
            "--config",
            f"pong_{config}.yaml",
            "--data.files",
            str(data),
            "--run",
            str(folder / "runs/pong"),
        ]
        assert main(["fit", *words, *TINY]) == 0
    return folder


def checkpoints(run: Path, stage: str) -> Path:
    return run / stage / "version_0" / "checkpoints"


@pytest.fixture
def runs(trained: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(trained / "runs", tmp_path / "runs"))


def test_a_whole_run_can_be_played(trained: Path) -> None:
    ((status, text, remedy),) = lines(check_runs(str(trained / "runs")))
    assert status == "ok", text
    assert "playable" in text
    assert remedy == f"tinyworlds play {trained / 'runs' / 'pong'}"


def test_an_older_checkpoint_stands_in_for_a_damaged_one(runs: Path) -> None:
    last = checkpoints(runs / "pong", "dynamics") / "last.ckpt"
    last.write_bytes(last.read_bytes()[:2000])
    damaged, whole = lines(check_runs(str(runs)))
    assert damaged[0] == "warning"
    assert str(last) in damaged[1]
    assert whole[0] == "ok"


def test_a_stage_without_a_valid_checkpoint(runs: Path) -> None:
    for path in checkpoints(runs / "pong", "dynamics").glob("*.ckpt"):
        content = torch.load(path, weights_only=True)
        for value in content["state_dict"].values():
            if value.is_floating_point():
                value.fill_(float("nan"))
        path.unlink()  # may be a hard link to a neighbour
        torch.save(content, path)
    *damaged, last = lines(check_runs(str(runs)))
    assert damaged
    assert all(status == "failure" and "NaN" in text for status, text, _ in damaged)
    assert last[0] == "warning"
    assert "not playable, dynamics has no valid checkpoint" in last[1]
    assert last[2] == "go on training: tinyworlds train pong"


def test_what_the_pipeline_noted(runs: Path) -> None:
    run = runs / "pong"
    stages = {stage: {"status": "done"} for stage in STAGES} | {"dynamics": {"status": "failed"}}
    (run / "run.json").write_text(json.dumps({"stages": stages}), encoding="utf-8")
    noted, playable = lines(check_runs(str(runs)))
    assert noted[:2] == ("warning", f"{run}: dynamics was failed")
    assert playable[0] == "ok"
    (run / "run.json").write_text("{", encoding="utf-8")
    assert lines(check_runs(str(runs)))[0][0] == "failure"


def test_no_runs_is_fine(tmp_path: Path) -> None:
    (tmp_path / "something else").mkdir()
    assert [line[0] for line in lines(check_runs(str(tmp_path)))] == ["ok"]
    assert [line[0] for line in lines(check_runs(str(tmp_path / "none")))] == ["ok"]


# ---- worlds


def test_worlds(trained: Path, tmp_path: Path) -> None:
    whole, cut = tmp_path / "a" / "whole.world", tmp_path / "cut.world"
    whole.parent.mkdir()
    data = str(trained / "tiny_frames.h5")
    assert main(["export", str(trained / "runs" / "pong"), str(whole), "--data", data]) == 0
    cut.write_bytes(whole.read_bytes()[:5000])
    found = {
        Path(text.split(".world")[0]).name: (status, text)
        for status, text, _ in lines(check_worlds(str(tmp_path)))
    }
    assert found["whole"][0] == "ok"
    assert f"{World.load(whole).num_actions} actions at 15 fps" in found["whole"][1]
    assert found["cut"][0] == "failure"


def test_no_worlds_is_fine(tmp_path: Path) -> None:
    assert [line[0] for line in lines(check_worlds(str(tmp_path)))] == ["ok"]


def test_an_agent_is_no_world_that_lacks_its_stages(tmp_path: Path) -> None:
    run = fit(tmp_path, "--trainer.max_steps=2").parents[1]
    assert lines(check_runs(str(run.parent))) == [
        (
            "ok",
            f"{run}: an agent for catch, 2 updates (agent/version_0/checkpoints/last.ckpt)",
            f"tinyworlds episodes --checkpoint {run} --out videos/",
        )
    ]
    assert [text for _, text, _ in lines(check_weights(str(tmp_path / "models"), str(run.parent)))] == [
        f"no weights in {tmp_path / 'models'} yet"
    ]
    for path in run.rglob("*.ckpt"):
        path.write_bytes(path.read_bytes()[:1000])
    found = lines(check_runs(str(run.parent)))
    assert found[-1][:2] == ("warning", f"{run}: an agent without a valid checkpoint")
    assert {status for status, *_ in found[:-1]} == {"failure"}
