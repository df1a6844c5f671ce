"""`predict` and `validate` measure checkpoints of any format as they are; no size has to be repeated."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from paths import PARITY

from tinyworlds.commands.cli import main

PUBLIC = PARITY / "pong_small"


def words(name: str, data: Path, run: Path, *more: str) -> list[str]:
    quick = ["--data.batch_size=2", "--trainer.accelerator=cpu", "--trainer.enable_progress_bar=false"]
    quick += ["--trainer.limit_val_batches=1", "--rollout.horizon=2", "--rollout.num_clips=2"]
    files = ["--config", f"pong_{name}.yaml", "--data.files", str(data), "--run", str(run)]
    return [*files, *quick, *more]


@pytest.fixture
def world(tmp_path: Path) -> Path:
    assert main(["convert", str(PUBLIC), str(tmp_path / "pong.world")]) == 0
    return tmp_path / "pong.world"


def figures(out: Path) -> dict:
    found = json.loads((out / "metrics.json").read_text())
    return {name: value for name, value in found.items() if isinstance(value, float)}


@pytest.mark.slow
def test_a_folder_a_world_and_files_give_the_same(tiny_h5_64: Path, tmp_path: Path, world: Path) -> None:
    partners = [f"--model.tokenizer={PUBLIC / 'video_tokenizer_step_300'}"]
    partners += [f"--model.latent_actions={PUBLIC / 'latent_actions_step_300'}"]
    sources = {
        "folder": [f"--ckpt_path={PUBLIC}"],
        "world": [f"--ckpt_path={world}"],
        "files": [f"--ckpt_path={PUBLIC / 'dynamics_step_300'}", *partners],
    }
    for name, more in sources.items():
        out = f"--rollout.out={tmp_path / name}"
        assert main(["predict", *words("dynamics", tiny_h5_64, tmp_path / "run", *more, out)]) == 0
    first, *others = [figures(tmp_path / name) for name in sources]
    assert first
    assert others == [first, first]


def test_what_was_set_otherwise_is_said(
    tiny_h5_64: Path, tmp_path: Path, world: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = [f"--ckpt_path={world}", "--model.num_blocks=5"]
    assert main(["validate", *words("tokenizer", tiny_h5_64, tmp_path / "run", *asked)]) == 0
    said = capsys.readouterr().out
    assert "video_tokenizer: as in the checkpoint" in said
    assert "num_blocks 2" in said
    assert "architecture v1" in said


def test_the_newest_of_a_run_is_measured_as_it_is(
    partners: Path, tiny_h5: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A plan chooses sizes that no config tells."""
    assert main(["validate", *words("tokenizer", tiny_h5, partners, "--model.num_blocks=2")]) == 0
    said = capsys.readouterr().out
    assert "video_tokenizer: as in the checkpoint" in said
    assert "num_blocks 1" in said


def test_a_misfit_is_named(
    error_line: Callable[..., str], tiny_h5: Path, tiny_h5_64: Path, tmp_path: Path, world: Path
) -> None:
    asked = [f"--ckpt_path={PUBLIC}"]
    assert "frame_size 64" in error_line("validate", *words("tokenizer", tiny_h5, tmp_path / "run", *asked))
    alone = [f"--ckpt_path={PUBLIC / 'dynamics_step_300'}"]
    line = error_line("predict", *words("dynamics", tiny_h5_64, tmp_path / "run", *alone))
    assert "name one with --model.tokenizer" in line
    # training goes by its own settings
    line = error_line("fit", *words("tokenizer", tiny_h5_64, tmp_path / "run", f"--ckpt_path={world}"))
    assert "architecture v1 there and v2 here" in line
