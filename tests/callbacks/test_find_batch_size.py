"""The batch size that fits is found before training, which then runs as if it had been given."""

import csv
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from lightning.pytorch import Trainer
from tiny_runs import curve, train, words

from callbacks import find_batch_size as batch_search
from callbacks.find_batch_size import FindBatchSize, largest
from tinyworlds import H5DataModule, load_network
from tinyworlds.checkpoints.load import read_checkpoint
from tinyworlds.commands.cli import main
from tinyworlds.errors import ConfigError
from tinyworlds.fit.train_request import make_request
from tinyworlds.models.base import Network
from tinyworlds.models.dynamics import DynamicsModel
from tinyworlds.models.registry import STAGES
from tinyworlds.models.video_tokenizer import VideoTokenizer
from tinyworlds.nn import compiling
from tinyworlds.training.stages import VideoTokenizerStage

FIND = "--find_batch_size=true"
SMALL = {"embed_dim": 16, "num_heads": 2, "hidden_dim": 16, "num_blocks": 1, "frame_size": 16}
Memory = Callable[..., list[int]]


@pytest.fixture
def memory(monkeypatch: pytest.MonkeyPatch) -> Memory:
    """Make a network's loss run out of memory above some clips, on a CPU to be filled; returns the tries."""

    def make(most: int, network: type[Network] = VideoTokenizer) -> list[int]:
        loss, tried = network.loss, []

        def limited(self: Network, first: torch.Tensor, *more: Any) -> dict[str, torch.Tensor]:
            tried.append(len(first))
            if len(first) > most:
                raise torch.OutOfMemoryError(f"CUDA out of memory: {len(first)} clips")
            return loss(self, first, *more)

        monkeypatch.setattr(network, "loss", limited)
        monkeypatch.setattr(batch_search, "can_be_filled", lambda device: True)
        return tried

    return make


@pytest.mark.parametrize("limit", [0, 1, 2, 7, 16, 40, 95, 96, 1000])
@pytest.mark.parametrize("start", [1, 8, 500])
def test_the_largest_that_fits(limit: int, start: int) -> None:
    asked = []

    def fits(count: int) -> bool:
        asked.append(count)
        return count <= limit

    found = largest(fits, start, 300)
    assert found <= min(limit, 300)
    assert min(limit, 300) - found <= found // 16
    assert len(set(asked)) == len(asked), "a trial can take minutes"
    assert all(0 < count <= 300 for count in asked)


def test_a_run_trains_with_what_was_found(
    tiny_h5: Path, tmp_path: Path, memory: Memory, capsys: pytest.CaptureFixture[str]
) -> None:
    more = ["--trainer.max_steps=4", "--trainer.accumulate_grad_batches=3", "--checkpoint.every_n_steps=2"]
    more += ["--trainer.val_check_interval=6", "--data.batch_size=4"]
    tried = memory(7)
    version = train("video_tokenizer", tiny_h5, tmp_path, *more, FIND)
    found = "batch size 7; an update holds 14 clips (was 12)"
    assert found in capsys.readouterr().out
    assert {4, 6, 7, 8} <= set(tried)
    checkpoint = read_checkpoint(version / "checkpoints" / "last.ckpt")
    assert checkpoint["global_step"] == 4
    assert checkpoint["H5DataModule"] | {"batch_size": 7, "batches": 8} == checkpoint["H5DataModule"]
    assert {int(state["step"]) for state in checkpoint["optimizer_states"][0]["state"].values()} == {4}
    with (version / "metrics.csv").open() as file:
        steps = [int(row["step"]) for row in csv.DictReader(file) if row["train/loss"]]
    assert len(curve(version, "val/loss")) == 2, "every two updates, as was asked for"
    # nothing is left of the search: the run is that of a batch size given by hand
    given = [*more, "--data.batch_size=7", "--trainer.accumulate_grad_batches=2"]
    given.append("--trainer.val_check_interval=4")
    by_hand = train("video_tokenizer", tiny_h5, tmp_path, *given)
    assert curve(by_hand) == curve(version)
    assert curve(by_hand, "train/learning_rate") == curve(version, "train/learning_rate")
    with (by_hand / "metrics.csv").open() as file:
        assert steps == [int(row["step"]) for row in csv.DictReader(file) if row["train/loss"]]


@pytest.mark.slow
def test_a_resumed_run_keeps_what_was_found(
    tiny_h5: Path, tmp_path: Path, memory: Memory, capsys: pytest.CaptureFixture[str]
) -> None:
    more = ["--trainer.max_steps=4", "--checkpoint.every_n_steps=2", FIND]
    memory(9)
    version = train("video_tokenizer", tiny_h5, tmp_path, *more)
    middle = version / "checkpoints" / "step_2.ckpt"
    capsys.readouterr()
    tried = memory(8)  # a search would find less now
    argv = words("video_tokenizer", tiny_h5, tmp_path, *more, f"--ckpt_path={middle}")
    assert main(["fit", *argv]) == ConfigError.exit_code
    said = capsys.readouterr()
    assert tried == [9]
    assert "batch size 9, found when this run began" in said.out
    assert "memory is full" in said.err


@pytest.mark.slow
def test_resuming_is_exact(tiny_h5: Path, tmp_path: Path, memory: Memory) -> None:
    more = ["--trainer.max_steps=6", "--checkpoint.every_n_steps=3", FIND]
    memory(9)
    version = train("video_tokenizer", tiny_h5, tmp_path, *more)
    whole, middle = curve(version), version / "checkpoints" / "step_3.ckpt"
    assert train("video_tokenizer", tiny_h5, tmp_path, *more, f"--ckpt_path={middle}") == version
    assert curve(version) == whole


@pytest.mark.slow
def test_a_run_that_began_without_may_search_later(tiny_h5: Path, tmp_path: Path, memory: Memory) -> None:
    memory(6)
    train("video_tokenizer", tiny_h5, tmp_path, "--trainer.max_steps=2")
    more = ["--trainer.max_steps=4", "--ckpt_path=last", FIND]
    with pytest.warns(UserWarning, match="batch_size was 4 and is 6"):
        version = train("video_tokenizer", tiny_h5, tmp_path, *more)
    checkpoint = read_checkpoint(version / "checkpoints" / "last.ckpt")
    assert checkpoint["H5DataModule"]["batch_size"] == 6
    assert {int(state["step"]) for state in checkpoint["optimizer_states"][0]["state"].values()} == {4}


@pytest.mark.slow
def test_dynamics_search_on_codes(partners: Path, tiny_h5: Path, memory: Memory) -> None:
    memory(12, DynamicsModel)
    version = train("dynamics", tiny_h5, partners, "--trainer.max_steps=2", FIND, "--model.optimizer=muon")
    checkpoint = read_checkpoint(version / "checkpoints" / "last.ckpt")
    assert checkpoint["H5DataModule"]["batch_size"] == 12


@pytest.mark.slow
def test_weights_and_random_numbers_are_as_before(tiny_h5: Path, tmp_path: Path, memory: Memory) -> None:
    memory(5)
    stage = VideoTokenizerStage(**SMALL)
    before = {name: value.clone() for name, value in stage.network.state_dict().items()}
    data = H5DataModule(files=str(tiny_h5), batch_size=2, steps_per_epoch=10)
    seen = []

    class Look(FindBatchSize):
        def on_fit_start(self, trainer: Trainer, pl_module: VideoTokenizerStage) -> None:
            random = torch.get_rng_state()
            super().on_fit_start(trainer, pl_module)
            seen.append(torch.equal(random, torch.get_rng_state()))
            seen.append(all(torch.equal(before[n], v) for n, v in pl_module.network.state_dict().items()))
            seen.append(all(p.grad is None for p in pl_module.parameters()))
            seen.append(not trainer.optimizers[0].state)
            seen.append(trainer.global_step)

    said: list[str] = []
    trainer = Trainer(
        accelerator="cpu", max_epochs=1, logger=False, enable_checkpointing=False, enable_model_summary=False,
        enable_progress_bar=False, limit_val_batches=0, callbacks=[Look(said.append)],
        default_root_dir=tmp_path,
    )  # fmt: skip
    trainer.fit(stage, data)
    assert seen == [True, True, True, True, 0]
    assert said == ["batch size 5; an update holds 5 clips (was 2)"]
    assert trainer.global_step == 10


@pytest.mark.slow
def test_compiled_steps_are_tried_once(
    tiny_h5: Path, tmp_path: Path, memory: Memory, monkeypatch: Any
) -> None:
    memory(6)
    shapes, more = [], ["--trainer.max_steps=1", "--trainer.limit_val_batches=0", "--compile", FIND]

    def compile(call: Callable[..., Any], **_: Any) -> Callable[..., Any]:
        return lambda *args: shapes.append(args[0].shape[0]) or call(*args)

    monkeypatch.setattr(compiling.torch, "compile", compile)
    train("video_tokenizer", tiny_h5, tmp_path, *more)
    assert set(shapes) == {6}, "the sizes on the way are not compiled"


def test_a_gpu_is_limited_and_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    """What touches CUDA, with a CUDA that is pretended."""
    gpu, limits = torch.device("cuda", 0), []
    whole = SimpleNamespace(total_memory=80 * 2**30)
    monkeypatch.setattr(torch.cuda, "set_per_process_memory_fraction", lambda share, _: limits.append(share))
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _: whole)
    with suppress(RuntimeError), batch_search.limited(gpu):
        raise RuntimeError("whatever a trial ends with")
    assert limits == [0.92, 1.0]
    said: list[str] = []
    search = FindBatchSize(said.append)
    search.batch_size, search._peaks = 96, {96: int(71.2 * 2**30)}
    trainer = SimpleNamespace(
        strategy=SimpleNamespace(root_device=gpu), datamodule=SimpleNamespace(batch_size=8),
        accumulate_grad_batches=2, val_check_interval=2000,
    )  # fmt: skip
    search._apply(trainer, f"batch size {search.batch_size}{search._memory(trainer)}")
    assert said == ["batch size 96: 71.2 of 80.0 GiB; an update holds 96 clips (was 16)"]
    assert (trainer.accumulate_grad_batches, trainer.val_check_interval) == (1, 1000)


@pytest.mark.slow
def test_not_even_one_clip(
    tiny_h5: Path, tmp_path: Path, memory: Memory, error_line: Callable[..., str]
) -> None:
    memory(0)
    line = error_line("fit", *words("video_tokenizer", tiny_h5, tmp_path, FIND), code=2)
    assert "not even one clip of 4 frames" in line


def test_a_cpu_is_not_filled(tiny_h5: Path, tmp_path: Path, error_line: Callable[..., str]) -> None:
    line = error_line("fit", *words("video_tokenizer", tiny_h5, tmp_path / "run", FIND), code=2)
    assert "training runs on cpu here" in line
    assert "--data.batch_size" in line
    assert [path.name for path in (tmp_path / "run").iterdir()] == [".video_tokenizer.lock"]


def test_several_devices_are_refused(
    tiny_h5: Path, tmp_path: Path, memory: Memory, error_line: Callable[..., str]
) -> None:
    memory(4)
    argv = words("video_tokenizer", tiny_h5, tmp_path / "run", FIND, "--trainer.devices=2")
    assert "training runs on 2 here" in error_line("fit", *argv, code=2)
    assert [path.name for path in (tmp_path / "run").iterdir()] == [".video_tokenizer.lock"]


def test_other_errors_are_no_full_memory(
    tiny_h5: Path, tmp_path: Path, memory: Memory, monkeypatch: Any
) -> None:
    memory(4)
    monkeypatch.setattr(VideoTokenizer, "loss", lambda *_: (_ for _ in ()).throw(RuntimeError("a bug")))
    with pytest.raises(RuntimeError, match="a bug"):
        main(["fit", *words("video_tokenizer", tiny_h5, tmp_path, FIND)])


@pytest.mark.slow
def test_yaml_and_train_pass_the_option_on(tiny_h5: Path, tmp_path: Path, memory: Memory) -> None:
    overlay = tmp_path / "overlay.yaml"
    overlay.write_text("find_batch_size: true\n")
    memory(5)
    version = train("video_tokenizer", tiny_h5, tmp_path, "--trainer.max_steps=1", "--config", str(overlay))
    assert "find_batch_size: true" in (version / "config.yaml").read_text()
    saved = read_checkpoint(version / "checkpoints" / "last.ckpt")
    assert saved["callbacks"]["FindBatchSize"] == {"batch_size": 5}
    plan = make_request("pong", ["--find_batch_size", "true"])
    assert all(FIND in plan.arguments[stage] for stage in STAGES)
    assert load_network(version / "checkpoints" / "last.ckpt").config["embed_dim"] == 16
