"""Which checkpoints of a folder are taken: the newest run, then the highest step, and only what is whole."""

import os
import shutil
from pathlib import Path

import pytest
import torch
from made_runs import SIZES, make_run, save_stage

from games.registry import get
from tinyworlds.api import World
from tinyworlds.checkpoints.load import fingerprint
from tinyworlds.checkpoints.search import find_newest, load_network, locate
from tinyworlds.checkpoints.titles import newest_world
from tinyworlds.checkpoints.v1_keys import original_config
from tinyworlds.checkpoints.v1_writing import write_v1_file, write_v1_folder
from tinyworlds.checkpoints.world_search import locate_world
from tinyworlds.commands.cli import main
from tinyworlds.errors import CheckpointError, ConfigError, MissingFileError
from tinyworlds.models import DynamicsModel, LatentActionModel, VideoTokenizer

STAGES = ("video_tokenizer", "latent_actions", "dynamics")


def network(stage, frame_size=16, seed=0):
    torch.manual_seed(seed)
    sizes = {**SIZES, "architecture": "v1"}
    if stage == "video_tokenizer":
        return VideoTokenizer(frame_size=frame_size, patch_size=4, latent_dim=2, **sizes)
    if stage == "latent_actions":
        return LatentActionModel(frame_size=frame_size, patch_size=4, num_actions=4, **sizes)
    return DynamicsModel(num_patches=(frame_size // 4) ** 2, latent_dim=2, num_actions=4, **sizes)


def save(path: Path, stage: str, step: int = 1, frame_size: int = 16, fill: float | None = None) -> Path:
    """A checkpoint of the original program: a folder, or a file if the name ends in .pth."""
    made = network(stage, frame_size)
    if fill is not None:
        next(made.parameters()).data.fill_(fill)
    write = write_v1_file if path.suffix == ".pth" else write_v1_folder
    write(path, stage, made.state_dict(), original_config(stage, made.config), step)
    return path


def save_run(results: Path, name: str, *steps: int, frame_size: int = 16, stages=STAGES) -> Path:
    for stage in stages:
        for step in steps:
            folder = results / name / stage / "checkpoints" / f"{stage}_step_{step}"
            save(folder, stage, step, frame_size)
    return results / name


def truncate(folder: Path):
    path = folder / "model_state_dict.pt"
    path.write_bytes(path.read_bytes()[:1000])


def paths_of(folder, said):
    return {stage: found.path for stage, found in locate_world(folder, said.append).items()}


@pytest.fixture
def said():
    return []


def test_newest_run_then_highest_step(tmp_path, said):
    save_run(tmp_path, "2025_09_17_06_20_26", 900)
    newest = save_run(tmp_path, "2025_10_01_06_20_26", 5, 40, 200)
    found = paths_of(tmp_path, said)
    assert [*found] == [*STAGES]
    for stage in STAGES:
        assert found[stage] == newest / stage / "checkpoints" / f"{stage}_step_200"
    assert said == []


def test_runs_without_a_time_in_their_name_go_by_when_they_were_written(tmp_path, said):
    newer, older = save_run(tmp_path, "a", 1), save_run(tmp_path, "b", 9)
    for path in older.rglob("*"):
        os.utime(path, (1_000_000_000, 1_000_000_000))
    assert all(path.is_relative_to(newer) for path in paths_of(tmp_path, said).values())


def test_what_is_broken_is_skipped_and_named(tmp_path, said):
    run = save_run(tmp_path, "run", 1, 2, 3, 4)
    steps = {step: run / "dynamics" / "checkpoints" / f"dynamics_step_{step}" for step in (1, 2, 3, 4)}
    truncate(steps[4])
    shutil.rmtree(steps[3])
    save(steps[3], "dynamics", fill=float("nan"))
    shutil.rmtree(steps[2])
    save(steps[2], "video_tokenizer")
    (run / "dynamics" / "checkpoints" / "dynamics_step_5").mkdir()
    (run / "dynamics" / "checkpoints" / "dynamics_step_5" / "state.pt").write_bytes(b"")
    assert paths_of(tmp_path, said)["dynamics"] == steps[1]
    assert len(said) == 4
    for line, part in zip(
        said, ("step_5/model_state_dict.pt is missing", "truncated", "NaN", "wanted dynamics"), strict=True
    ):
        assert part in line.replace(os.sep, "/")


def test_downloaded_files_in_one_folder(tmp_path, said):
    for stage, name in zip(STAGES, ("video_tokenizer", "action_tokenizer", "dynamics"), strict=True):
        save(tmp_path / f"sonic_{name}_step_60_2025_09_17_06_20_26.pth", stage, 60)
        save(tmp_path / f"sonic_{name}_step_20_2025_09_18_06_20_26.pth", stage, 20)
        save(tmp_path / f"sonic_{name}_step_9_2025_09_18_06_20_26.pth", stage, 9)
    (tmp_path / "notes.txt").write_text("hello")
    (tmp_path / ".hidden.pth").write_bytes(b"half")
    found = paths_of(tmp_path, said)
    assert {path.name.split("step_")[1] for path in found.values()} == {"20_2025_09_18_06_20_26.pth"}
    assert said == []


def test_files_whose_names_tell_nothing(tmp_path, said):
    for stage, name in zip(STAGES, "abc", strict=True):
        save(tmp_path / f"{name}.pth", stage)
    assert [path.name for path in paths_of(tmp_path, said).values()] == ["a.pth", "b.pth", "c.pth"]
    assert World.load(tmp_path).num_actions == 4


def test_stages_of_different_runs_are_merged_when_they_fit(tmp_path, said):
    save_run(tmp_path, "2025_01_01_00_00_00", 7)
    save_run(tmp_path, "2025_02_02_00_00_00", 3, frame_size=32, stages=STAGES[:2])
    save_run(tmp_path, "2025_03_03_00_00_00", 5, stages=("dynamics",))
    found = paths_of(tmp_path, said)
    assert [path.relative_to(tmp_path).parts[0][5:10] for path in found.values()] == [
        "01_01",
        "01_01",
        "03_03",
    ]
    assert len(said) == 2
    assert "frame_size 32" in said[0]
    assert "frame_size is 16 in the one and 32" in said[1]


def test_a_misfit_is_named_with_its_files_and_sizes(tmp_path, capsys):
    for stage in STAGES:
        save(tmp_path / f"{stage}_step_1.pth", stage, frame_size=64 if stage == "dynamics" else 128)
    assert main(["convert", str(tmp_path), str(tmp_path / "out.world")]) == 1
    last = capsys.readouterr().err.strip().splitlines()[-1]
    assert "no valid checkpoint of video_tokenizer" in last
    assert "frame_size 128" in last
    assert "frame_size 64" in last


def test_nothing_there(tmp_path):
    with pytest.raises(CheckpointError, match="no valid checkpoint of dynamics"):
        locate_world(tmp_path)
    save(tmp_path / "dynamics_step_1", "dynamics")
    with pytest.raises(CheckpointError, match="no valid checkpoint of video_tokenizer"):
        locate_world(tmp_path)


def test_of_several_runs_of_ours_one_must_be_named(tmp_path):
    make_run(tmp_path / "pong", None)
    assert World.load(tmp_path).game == "sprite"
    make_run(tmp_path / "zelda", None)
    with pytest.raises(ConfigError, match="several runs"):
        World.load(tmp_path)


def test_runs_of_ours_newest_version_first(tmp_path, said):
    make_run(tmp_path, None)
    good = network("dynamics")
    broken = network("dynamics")
    next(broken.parameters()).data.fill_(float("inf"))
    for version, name, made in ((1, "step_10", good), (1, "step_9", good), (10, "last", broken)):
        path = save_stage(tmp_path, "dynamics", made, name="moved")
        target = tmp_path / "dynamics" / f"version_{version}" / "checkpoints" / f"{name}.ckpt"
        target.parent.mkdir(parents=True, exist_ok=True)
        path.rename(target)
    found = find_newest(tmp_path, "dynamics", said.append)
    assert (found.run, found.version) == (tmp_path, tmp_path / "dynamics" / "version_1")
    assert found.path.parts[-3:] == ("version_1", "checkpoints", "step_10.ckpt")
    assert "NaN or infinity" in said[0]
    assert "version_10" in said[0]


def test_versions_of_a_run_count_and_not_when_files_were_written(tmp_path):
    """One notion of newest: the same whether a stage of a run is asked for, or the folder around runs is."""
    old = save_stage(tmp_path / "run", "dynamics", network("dynamics", seed=1))
    new = tmp_path / "run" / "dynamics" / "version_10" / "checkpoints" / "last.ckpt"
    new.parent.mkdir(parents=True)
    shutil.copy(save_stage(tmp_path, "dynamics", network("dynamics", seed=2)), new)
    shutil.rmtree(tmp_path / "dynamics")
    os.utime(new, (1_000_000_000, 1_000_000_000))
    for folder in (tmp_path, tmp_path / "run"):
        found = locate(folder, "dynamics")
        assert found.path == new
        assert (found.run, found.stage) == (tmp_path / "run", "dynamics")
        assert fingerprint(load_network(folder, stage="dynamics")) == fingerprint(found.network)
    assert fingerprint(load_network(old)) != fingerprint(found.network)


def test_a_network_out_of_a_folder(tmp_path):
    run = save_run(tmp_path, "run", 10, 20)
    truncate(run / "dynamics" / "checkpoints" / "dynamics_step_20")
    wanted = fingerprint(network("dynamics"))
    whole = run / "dynamics" / "checkpoints" / "dynamics_step_10"
    for path in (run, whole, whole / "state.pt", whole / "model_state_dict.pt"):
        assert fingerprint(load_network(path, stage="dynamics")) == wanted
    with pytest.raises(CheckpointError, match=r"is no checkpoint .* name a checkpoint in it"):
        load_network(run)


def test_a_title_is_trained_when_its_checkpoints_are_there(tmp_path, monkeypatch):
    """Version folders alone are what a training leaves that saved nothing."""
    monkeypatch.chdir(tmp_path)
    run = Path("lightning_logs") / "pong"
    for stage in STAGES:
        (run / stage / "version_0").mkdir(parents=True)
    with pytest.raises(MissingFileError, match="no trained world"):
        newest_world(get("pong"))
    make_run(run, None)
    assert newest_world(get("pong")) == run
