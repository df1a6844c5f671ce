"""`tinyworlds convert` and `export`: every format into every other, with the same weights at the end."""

import itertools
import json
import os
from pathlib import Path

import pytest
import torch
from made_runs import make_run
from paths import PARITY
from safetensors.torch import load_file

from tinyworlds import load_network
from tinyworlds.api import World
from tinyworlds.checkpoints.load import fingerprint
from tinyworlds.commands.cli import main
from tinyworlds.world.file import read_header

PUBLIC = PARITY / "pong_small"
STAGES = ("video_tokenizer", "latent_actions", "dynamics")


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def prints(path):
    """Fingerprints of the three stages in a folder, a list of files or a world."""
    world = World.load(path)
    return [fingerprint(getattr(world, name)) for name in ("tokenizer", "latent_actions", "dynamics")]


def converted(*words):
    assert main(["convert", *map(str, words)]) == 0


def refused(capsys, *words):
    """The one line that says why a command did nothing."""
    capsys.readouterr()
    assert main([*map(str, words)]) in (1, 2)
    said = capsys.readouterr().err.strip()
    assert "\n" not in said
    return said


def test_public_folders_become_a_world_and_go_back(tmp_path, capsys):
    converted(PUBLIC, "pong.world")
    assert "--data FILE.h5" in capsys.readouterr().out  # no gameplay here to start from
    assert prints("pong.world") == prints(PUBLIC)
    header = read_header("pong.world")
    assert (header["game"], header["fps"], header["provenance"]["stages"]["dynamics"]["step"]) == (
        "pong",
        15.0,
        300,
    )
    converted("pong.world", "results/again")
    for stage in STAGES:
        folder = tmp_path / "results" / "again" / stage / "checkpoints" / f"{stage}_step_300"
        assert sorted(path.name for path in folder.iterdir()) == [
            "model_state_dict.pt", "optim_state_dict.pt", "state.pt",
        ]  # fmt: skip
        weights = torch.load(folder / "model_state_dict.pt", weights_only=True)
        first = torch.load(PUBLIC / f"{stage}_step_300" / "model_state_dict.pt", weights_only=True)
        assert weights.keys() == first.keys()
        assert all(torch.equal(weights[name], first[name]) for name in first)
    assert prints("results/again") == prints(PUBLIC)


@pytest.mark.skipif(os.name == "nt", reason="permissions are POSIX")
def test_who_may_read_a_new_file_is_as_with_other_files(tmp_path):
    (tmp_path / "plain").touch()
    converted(PUBLIC, "pong.world")
    converted("pong.world", "--stage", "dynamics", "dynamics.safetensors")
    modes = {path.stat().st_mode for path in tmp_path.iterdir()}
    assert len(modes) == 1


def test_settings_go_back_as_the_original_names_them():
    converted(*(PARITY / "moe").glob("*.pth"), "moe.world")
    converted("moe.world", "moe")
    public = json.loads((PARITY / "moe" / "config.json").read_text())
    public |= public.pop("moe")
    for stage in STAGES:
        (path,) = Path("moe", stage).glob("checkpoints/*/state.pt")
        config = torch.load(path, weights_only=True)["config"]
        assert config["num_blocks"] == public["num_blocks"][stage]
        for name in {*config} & {*public} - {"num_blocks", "n_actions"}:
            assert config[name] == public[name], name
    assert config["conditioning_dim"] == 3
    assert config["n_actions"] == 8


@pytest.mark.parametrize("stage", STAGES)
def test_one_stage_through_all_file_formats(stage):
    source = PUBLIC / f"{stage}_step_300"
    chain = [source, Path("a.safetensors"), Path("b.pth"), Path("c.ckpt"), Path("d.safetensors"), Path("e")]
    for before, after in itertools.pairwise(chain):
        converted(before, after)
    (last,) = Path("e").glob("*/checkpoints/*")
    assert last.name == f"{stage}_step_300"
    for path in (*chain[1:-1], last):
        assert fingerprint(load_network(path, stage=stage)) == fingerprint(load_network(source))
    settings = torch.load(last / "state.pt", weights_only=True)["config"]
    assert (settings["learning_rate"], settings["dataset"]) == (0.001, "PONG")


def test_a_run_of_ours(tmp_path, tiny_h5, capsys):
    make_run(tmp_path / "run", tiny_h5)
    converted("run", "run.world")
    world = World.load("run.world")
    assert len(world.start_clips) > 1
    converted("run.world", "copy.world")
    copied = World.load("copy.world")
    assert (copied.start_clips.frames == world.start_clips.frames).all()
    assert copied.info == world.info
    converted("run.world", "--stage", "dynamics", "dynamics.safetensors")
    assert load_file("dynamics.safetensors").keys() == world.dynamics.state_dict().keys()
    assert "architecture v1 only" in refused(capsys, "convert", "run", tmp_path / "old")
    assert not (tmp_path / "old").exists()


def test_gameplay_gives_public_weights_clips_to_start_from(tiny_h5_64):
    converted(PUBLIC, "pong.world", "--data", tiny_h5_64, "--num_clips", "3")
    world = World.load("pong.world")
    assert len(world.start_clips) == 3
    world.reset(seed=0)
    assert world.step(1).shape == (64, 64, 3)


def test_what_cannot_be_done_is_one_line(tmp_path, capsys):
    dynamics = PUBLIC / "dynamics_step_300"
    converted(PUBLIC, "pong.world")
    assert "choose one with --stage" in refused(capsys, "convert", "pong.world", "a.pth")
    assert "latent_actions, dynamics; got dynamics" in refused(capsys, "convert", dynamics, "a.world")
    assert "both of stage dynamics" in refused(capsys, "convert", dynamics, "pong.world", "a.world")
    assert "no format to write" in refused(capsys, "convert", "pong.world", "a.onnx")
    assert "read and written at once" in refused(capsys, "convert", "pong.world", "pong.world")
    assert "what to write" in refused(capsys, "convert", "pong.world")
    assert "there is no" in refused(capsys, "convert", "nothing", "a.world")
    assert "--data goes with" in refused(capsys, "convert", dynamics, "a.pth", "--data", "x.h5")
    converted(dynamics, "out")
    assert "exists already" in refused(capsys, "convert", dynamics, "out")
    assert {path.name for path in tmp_path.iterdir()} == {"pong.world", "out"}


@pytest.mark.slow
def test_stages_of_different_runs_are_exported(tiny_h5, tmp_path, capsys, caplog):
    make_run(tmp_path / "one", tiny_h5, seed=1)
    make_run(tmp_path / "two", tiny_h5, seed=2)
    last = "version_0/checkpoints/last.ckpt"
    words = [
        "--tokenizer",
        "one",
        "--actions",
        f"one/latent_actions/{last}",
        "--dynamics",
        f"two/dynamics/{last}",
    ]
    assert main(["export", *words, "--num_steps", "7", "--temperature", "0.5", "mixed.world"]) == 0
    assert prints("mixed.world")[:2] == prints("one")[:2]
    assert prints("mixed.world")[2] == prints("two")[2]
    world = World.load("mixed.world")
    assert (world.sampling.num_steps, world.sampling.temperature) == (7, 0.5)
    assert len(world.start_clips) > 1  # of the gameplay the dynamics were trained on
    assert "trained with another video_tokenizer" in caplog.text
    said = refused(capsys, "export", "one", "--tokenizer", PUBLIC / "video_tokenizer_step_300", "x.world")
    assert "4x4" in said
    assert "frame_size 64" in said
    assert "got x.world" in refused(capsys, "export", "x.world", "--dynamics", f"two/dynamics/{last}")


@pytest.mark.slow
def test_a_stage_is_taken_from_any_folder_that_holds_it(tmp_path, capsys, tiny_h5_64):
    moe = PARITY / "moe"
    words = ["--tokenizer", moe, "--actions", moe, "--dynamics", moe]
    assert main(["export", *map(str, words), "moe.world"]) == 0
    assert prints("moe.world") == prints(moe)
    assert main(["export", *map(str, words), "--data", str(tiny_h5_64), "played.world"]) == 0
    assert len(World.load("played.world").start_clips) > 1
    assert "name RUN and OUT.world" in refused(capsys, "export", "--data", tiny_h5_64)
    assert "num_actions is 8 in the one and 4 in the other" in refused(
        capsys, "export", "--tokenizer", moe, "--actions", PUBLIC, "--dynamics", moe, "x.world"
    )
    empty = tmp_path / "empty"
    empty.mkdir()
    said = refused(capsys, "export", "--tokenizer", empty, "--dynamics", moe, "x.world")
    assert "empty holds no valid checkpoint of video_tokenizer" in said


def test_figures_of_the_last_evaluation_are_exported(tiny_h5, tmp_path):
    make_run(tmp_path / "run", tiny_h5)
    (tmp_path / "run" / "evaluation").mkdir()
    report = {"figures": {"tokenizer_psnr": {"mean": 31.5, "low": 30, "high": 33}}}
    (tmp_path / "run" / "evaluation" / "metrics.json").write_text(json.dumps(report))
    assert main(["export", "run", "run.world"]) == 0
    assert read_header("run.world")["metrics"] == {"tokenizer_psnr": 31.5}
