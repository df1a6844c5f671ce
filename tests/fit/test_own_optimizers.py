"""``--optimizer`` and ``--lr_scheduler``: in place of a stage's own, exactly resumed, nothing in silence."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from tiny_runs import curve, train, words

from tinyworlds.checkpoints.load import read_checkpoint
from tinyworlds.commands.cli import main
from tinyworlds.models.registry import STAGES

SGD = ["--optimizer=torch.optim.SGD", "--optimizer.lr=0.5", "--optimizer.momentum=0.9"]
STEP = ["--lr_scheduler=StepLR", "--lr_scheduler.step_size=2", "--lr_scheduler.gamma=0.5"]


@pytest.mark.parametrize("stage", STAGES)
def test_every_stage_takes_them(stage: str, partners: Path, tiny_h5: Path) -> None:
    version = train(stage, tiny_h5, partners, "--trainer.max_steps=4", *SGD, *STEP)
    assert curve(version, "train/learning_rate") == [0.5, 0.5, 0.25, 0.25]
    (state,) = read_checkpoint(version / "checkpoints" / "last.ckpt")["optimizer_states"]
    assert state["param_groups"][0]["momentum"] == 0.9


def test_an_optimizer_alone_keeps_its_rate_and_a_schedule_alone_the_optimizer(
    tiny_h5: Path, tmp_path: Path
) -> None:
    version = train("video_tokenizer", tiny_h5, tmp_path, "--trainer.max_steps=3", *SGD)
    assert curve(version, "train/learning_rate") == [0.5, 0.5, 0.5]
    more = ["--model.optimizer=muon", "--model.learning_rate=0.01"]
    version = train("video_tokenizer", tiny_h5, tmp_path, "--trainer.max_steps=3", *STEP, *more)
    assert curve(version, "train/learning_rate") == pytest.approx([0.01, 0.01, 0.005])
    (state,) = read_checkpoint(version / "checkpoints" / "last.ckpt")["optimizer_states"]
    assert set(state) == {"muon", "adamw"}


def test_they_stand_in_a_config(tiny_h5: Path, tmp_path: Path) -> None:
    config = tmp_path / "mine.yaml"
    config.write_text(
        "optimizer: {class_path: torch.optim.Adam, init_args: {lr: 0.001, betas: [0.5, 0.9]}}\n"
        "lr_scheduler: {class_path: CosineAnnealingLR, init_args: {T_max: 4}}\n"
    )
    version = train("video_tokenizer", tiny_h5, tmp_path, "--config", str(config), "--trainer.max_steps=4")
    assert curve(version, "train/learning_rate")[-1] < 2e-4
    last = version / "checkpoints" / "last.ckpt"
    (state,) = read_checkpoint(last)["optimizer_states"]
    assert [*state["param_groups"][0]["betas"]] == [0.5, 0.9]
    # the run's own settings, and no others
    assert main(["fit", "--ckpt_path", str(last), "--trainer.max_steps=6"]) == 0
    assert len(curve(version)) == 6


@pytest.mark.parametrize("more", [[*SGD, *STEP], ["--optimizer=AdamW", "--optimizer.lr=0.01"]])
def test_resume_is_exact(more: list[str], tiny_h5: Path, tmp_path: Path) -> None:
    settings = ["--trainer.max_steps=8", "--checkpoint.every_n_steps=3", *more]
    whole = train("video_tokenizer", tiny_h5, tmp_path / "whole", *settings)
    losses, rates = curve(whole), curve(whole, "train/learning_rate")
    middle = whole / "checkpoints" / "step_3.ckpt"
    assert train("video_tokenizer", tiny_h5, tmp_path / "whole", *settings, f"--ckpt_path={middle}") == whole
    assert curve(whole) == losses
    assert curve(whole, "train/learning_rate") == rates


@pytest.mark.slow
def test_a_plateau_is_looked_at_after_each_validation(tiny_h5: Path, tmp_path: Path) -> None:
    """Nothing is good enough, so each validation but the first lowers the rate; also across a resume."""
    plateau = "--lr_scheduler=ReduceLROnPlateau"
    more = [plateau, "--lr_scheduler.monitor=val/loss", "--lr_scheduler.patience=0",
            "--lr_scheduler.factor=0.5", "--lr_scheduler.threshold=1e9", "--lr_scheduler.threshold_mode=abs",
            "--trainer.val_check_interval=2", "--checkpoint.every_n_steps=3", *SGD]  # fmt: skip
    version = train("video_tokenizer", tiny_h5, tmp_path, "--trainer.max_steps=8", *more)
    wanted = [0.5, 0.5, 0.5, 0.5, 0.25, 0.25, 0.125, 0.125]
    assert curve(version, "train/learning_rate") == wanted
    middle = version / "checkpoints" / "step_3.ckpt"
    train("video_tokenizer", tiny_h5, tmp_path, "--trainer.max_steps=8", *more, f"--ckpt_path={middle}")
    assert curve(version, "train/learning_rate") == wanted


@pytest.mark.slow
def test_what_no_longer_counts_is_told(
    tiny_h5: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "rates.yaml"
    config.write_text("model: {init_args: {learning_rate: 0.02, warmup_fraction: 0.5}}\n")
    more = ["--trainer.max_steps=1", "--config", str(config), "--model.weight_decay=0.3"]
    train("video_tokenizer", tiny_h5, tmp_path / "a", *more, *SGD)
    out = capsys.readouterr().out
    assert (
        "--optimizer SGD: model.learning_rate, model.weight_decay, model.warmup_fraction no longer count; "
        "the rate is that of --optimizer.lr, constant without --lr_scheduler\n" in out
    )
    train("video_tokenizer", tiny_h5, tmp_path / "b", *more, *STEP)
    assert "--lr_scheduler StepLR: model.warmup_fraction no longer counts\n" in capsys.readouterr().out
    train("video_tokenizer", tiny_h5, tmp_path / "c", "--trainer.max_steps=1", *SGD, *STEP)
    assert "no longer count" not in capsys.readouterr().out, "nothing of that was set"


@pytest.mark.slow
def test_other_states_are_refused(
    tiny_h5: Path, tmp_path: Path, error_line: Callable[..., str], capsys: pytest.CaptureFixture[str]
) -> None:
    def fit(run: str, *more: str) -> tuple[str, ...]:
        return ("fit", *words("video_tokenizer", tiny_h5, tmp_path / run, "--trainer.max_steps=3", *more))

    for run, more in ("own", []), ("sgd", [*SGD, *STEP]):
        train("video_tokenizer", tiny_h5, tmp_path / run, "--trainer.max_steps=2", *more)
    line = error_line(*fit("own", *SGD, "--ckpt_path=last"), code=2)
    assert "trained with --optimizer the stage's own, this is torch.optim.SGD" in line
    line = error_line(*fit("sgd", *SGD, "--ckpt_path=last"), code=2)
    assert "trained with --lr_scheduler torch.optim.lr_scheduler.StepLR, this is the stage's own" in line
    assert main([*fit("sgd", *SGD, *STEP[:2], "--lr_scheduler.gamma=0.1", "--ckpt_path=last")]) == 0
    assert "--lr_scheduler goes on as in the checkpoint: gamma 0.5" in capsys.readouterr().out


def test_what_cannot_be_built_is_one_line(
    tiny_h5: Path, tmp_path: Path, error_line: Callable[..., str]
) -> None:
    def line(*more: str) -> str:
        return error_line("fit", *words("video_tokenizer", tiny_h5, tmp_path / "run", *more), code=2)

    assert "--optimizer: Muon cannot be built: ValueError" in line("--optimizer=Muon")
    assert "momentun" in line("--optimizer=SGD", "--optimizer.momentun=0.9")
    monitor = ["--lr_scheduler=ReduceLROnPlateau", "--lr_scheduler.monitor=val/los", "--trainer.max_steps=1"]
    assert "Did you mean 'val/loss'?" in line(*SGD, *monitor)


def test_a_stage_with_an_optimizer_of_its_own_refuses_them(
    beside: Callable[[str, str], Path], tiny_h5: Path, tmp_path: Path, error_line: Callable[..., str]
) -> None:
    beside("my_stage", """
        import torch
        from tinyworlds import VideoTokenizerStage

        class Mine(VideoTokenizerStage):
            def configure_optimizers(self):
                return torch.optim.SGD(self.network.parameters(), lr=0.25)
    """)  # fmt: skip
    more = words("video_tokenizer", tiny_h5, tmp_path, "--model=my_stage.Mine", "--trainer.max_steps=1")
    assert "--optimizer has no effect on Mine, which has configure_optimizers of its own" in error_line(
        "fit", *more, *SGD, code=2
    )
    assert main(["fit", *more]) == 0
    assert curve(tmp_path / "video_tokenizer" / "version_0", "train/learning_rate") == [0.25]


@pytest.mark.slow
def test_a_new_rate_counts_where_training_goes_on(
    tiny_h5: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A state holds the rates of its time; what is asked for now counts, at its place in the schedule."""
    train("video_tokenizer", tiny_h5, tmp_path, "--trainer.max_steps=2", "--model.learning_rate=0.01")
    more = ["--ckpt_path=last", "--model.final_fraction=1.0", "--model.warmup_fraction=0"]
    capsys.readouterr()
    version = train(
        "video_tokenizer", tiny_h5, tmp_path, "--trainer.max_steps=4", "--model.learning_rate=0.001", *more
    )
    assert "going on with learning rate 0.001 instead of 0.01" in capsys.readouterr().out
    assert curve(version, "train/learning_rate")[3] == pytest.approx(0.001)
    train("video_tokenizer", tiny_h5, tmp_path / "b", "--trainer.max_steps=2", *SGD)
    again = [*SGD[:1], "--optimizer.lr=0.125", "--optimizer.momentum=0.5", "--ckpt_path=last"]
    version = train("video_tokenizer", tiny_h5, tmp_path / "b", "--trainer.max_steps=4", *again)
    assert curve(version, "train/learning_rate") == [0.5, 0.5, 0.125, 0.125]
    (state,) = read_checkpoint(version / "checkpoints" / "last.ckpt")["optimizer_states"]
    assert state["param_groups"][0]["momentum"] == 0.5
    assert torch.isfinite(torch.tensor(curve(version))).all()


@pytest.mark.slow
def test_an_agent_takes_them_too(tmp_path: Path) -> None:
    from small_agents import fit

    more = ["--optimizer=Adam", "--optimizer.lr=0.5", *STEP, "--checkpoint.every_n_steps=2"]
    version = fit(tmp_path, "--trainer.max_steps=4", *more)
    assert curve(version, "train/learning_rate") == [0.5, 0.5, 0.25, 0.25]
    fit(tmp_path, "--trainer.max_steps=5", *more, "--ckpt_path=last")
    assert curve(version, "train/learning_rate") == [0.5, 0.5, 0.25, 0.25, 0.125]
