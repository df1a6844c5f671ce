"""Wrong settings and broken checkpoints: one line each, naming what is wrong and what to do."""

import errno
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from tiny_runs import train, words

from tinyworlds.checkpoints import lightning_io as checkpoint_io
from tinyworlds.checkpoints.load import read_checkpoint
from tinyworlds.checkpoints.search import find_newest
from tinyworlds.training.stages import VideoTokenizerStage

Fail = Callable[..., str]


@pytest.fixture
def fit(error_line: Fail, tiny_h5: Path, tmp_path: Path) -> Fail:
    """Fit the tokenizer with more words; return the error line."""

    def run(
        *more: str, stage: str = "video_tokenizer", run: Path | None = None, code: int | None = None
    ) -> str:
        return error_line("fit", *words(stage, tiny_h5, run or tmp_path / "run", *more), code=code)

    return run


@pytest.mark.parametrize(
    ("word", "nearest"),
    [
        ("--model.num_blcks=3", "model.num_blocks"),
        ("--data.batchsize=3", "data.batch_size"),
        ("--data.batch=3", "data.batch_size"),  # no silent abbreviations
        ("--trainer.max_stps=3", "trainer.max_steps"),
        ("--checkpoint.every_n_step=3", "checkpoint.every_n_steps"),
        ("--trainer.learning_rate=3", "model.learning_rate"),
        ("--wandbb", "wandb"),
    ],
)
def test_unknown_key_on_the_command_line(fit: Fail, word: str, nearest: str) -> None:
    line = fit(word, code=2)
    assert f"Did you mean '{nearest}'?" in line
    assert word.split("=")[0].split(".")[-1].lstrip("-") in line


@pytest.mark.parametrize(
    ("text", "nearest"),
    [
        ("model:\n  class_path: VideoTokenizerStage\n  init_args:\n    num_blocs: 2\n", "model.num_blocks"),
        ("data:\n  frame_sze: 16\n", "data.frame_size"),
        ("traner:\n  max_steps: 3\n", "trainer"),
    ],
)
def test_unknown_key_in_a_file(fit: Fail, tmp_path: Path, text: str, nearest: str) -> None:
    config = tmp_path / "mine.yaml"
    config.write_text(text)
    line = fit("--config", str(config), code=2)
    assert nearest in line
    assert "mine.yaml" in line


def test_wrong_values(fit: Fail) -> None:
    assert "trainer.max_steps" in fit("--trainer.max_steps=many", code=2)
    assert "embed_dim 18" in fit("--model.embed_dim=18", "--model.num_heads=4", code=2)
    assert "learning_rate" in fit("--model.learning_rate=-1", code=2)
    assert "Did you mean 'muon'?" in fit("--model.optimizer=muonn", code=2)
    assert "power of two" in fit("--model.num_actions=5", stage="latent_actions", code=2)
    assert "ddpp" in fit("--trainer.strategy=ddpp", code=2)
    assert "contradicts" in fit("--model.frame_size=32", "--data.frame_size=16", code=2)


def test_unknown_class_config_and_game(fit: Fail) -> None:
    assert "DynamicsStage" in fit("--model=DynamicStage", code=2)
    assert "Did you mean 'pong_tokenizer.yaml'?" in fit("--config", "pong_tokenzer.yaml", code=2)
    assert "Did you mean 'zelda'?" in fit("--data.game=zeldaa", code=2)


def test_data_of_another_size(fit: Fail) -> None:
    assert "16x16" in fit("--data.frame_size=64")


def test_checkpoint_that_is_not_there(fit: Fail, tmp_path: Path) -> None:
    assert "no valid checkpoint" in fit("--ckpt_path=last")
    assert "does not exist" in fit(f"--ckpt_path={tmp_path / 'none.ckpt'}")


def test_broken_checkpoints(fit: Fail, tiny_h5: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    good = train("video_tokenizer", tiny_h5, run, "--trainer.max_steps=2") / "checkpoints" / "last.ckpt"
    truncated = tmp_path / "truncated.ckpt"
    truncated.write_bytes(good.read_bytes()[:1000])
    assert "truncated" in fit(f"--ckpt_path={truncated}")
    evil = tmp_path / "evil.ckpt"
    torch.save({"x": print}, evil)
    assert "holds code" in fit(f"--ckpt_path={evil}")
    assert "num_blocks 1 there and 2 here" in fit("--ckpt_path=last", "--model.num_blocks=2", run=run)
    assert "is a checkpoint of video_tokenizer" in fit(f"--ckpt_path={good}", stage="latent_actions")
    content = read_checkpoint(good)
    next(iter(content["state_dict"].values())).fill_(float("nan"))
    broken = tmp_path / "nan.ckpt"
    torch.save(content, broken)
    assert "NaN" in fit(f"--ckpt_path={broken}")


def test_finding_skips_what_is_broken(tiny_h5: Path, tmp_path: Path) -> None:
    more = ["--trainer.max_steps=4", "--checkpoint.every_n_steps=2"]
    folder = train("video_tokenizer", tiny_h5, tmp_path, *more) / "checkpoints"
    (folder / "last.ckpt").unlink()
    (folder / "step_4.ckpt").write_bytes((folder / "step_4.ckpt").read_bytes()[:1000])
    (folder / "best.ckpt").unlink()
    said: list[str] = []
    assert find_newest(tmp_path, "video_tokenizer", said.append).path == folder / "step_2.ckpt"
    assert "step_4.ckpt" in said[0]
    assert "truncated" in said[0]


def test_nan_loss_stops(fit: Fail, monkeypatch: pytest.MonkeyPatch) -> None:
    losses = VideoTokenizerStage.losses

    def broken(self: VideoTokenizerStage, batch: dict) -> dict:
        found = losses(self, batch)
        return {**found, "loss": found["loss"] * (float("nan") if self.global_step == 2 else 1)}

    monkeypatch.setattr(VideoTokenizerStage, "losses", broken)
    assert "nan at step 2" in fit("--trainer.max_steps=4", code=1)


def test_full_disk_leaves_nothing_half_written(
    fit: Fail, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(content: object, file: object) -> None:
        file.write(b"half")  # type: ignore[attr-defined]
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(checkpoint_io.torch, "save", full)
    assert "disk is full" in fit("--trainer.max_steps=2", code=1)
    assert not [path for path in (tmp_path / "run").rglob("*") if path.suffix in (".ckpt", ".part")]


def test_partners_that_do_not_fit(fit: Fail, partners: Path, tiny_h5_64: Path, tmp_path: Path) -> None:
    assert "needs" not in fit("--model.patch_size=8", stage="dynamics", run=partners)
    assert "train that stage first" in fit(stage="dynamics", run=tmp_path / "empty")
    assert "num_actions 4 instead of 8" in fit("--model.num_actions=8", stage="dynamics", run=partners)
    other = tmp_path / "other"
    lam = train("latent_actions", tiny_h5_64, other, "--trainer.max_steps=1") / "checkpoints" / "last.ckpt"
    line = fit(f"--model.latent_actions={lam}", stage="dynamics", run=partners)
    assert "frame_size 64 instead of 16" in line
    line = fit(f"--model.tokenizer={lam}", stage="dynamics", run=partners)
    assert "checkpoint of stage latent_actions, wanted video_tokenizer" in line


def test_dynamics_stay_with_their_tokenizer(fit: Fail, partners: Path, tiny_h5: Path) -> None:
    train("dynamics", tiny_h5, partners, "--trainer.max_steps=2")
    other = train("video_tokenizer", tiny_h5, partners, "--trainer.max_steps=3", "--seed_everything=9")
    # the one it was trained with is still there, so it is found again
    train("dynamics", tiny_h5, partners, "--trainer.max_steps=3", "--ckpt_path=last")
    tokenizer = f"--model.tokenizer={other / 'checkpoints' / 'last.ckpt'}"
    assert "were trained with tokenizer" in fit(tokenizer, "--ckpt_path=last", stage="dynamics", run=partners)
