"""TensorBoard and W&B alike: figures, pictures, settings, one run across a resume, names and places."""

import json
import struct
from pathlib import Path
from typing import Any

import pytest
from tiny_runs import train

from tinyworlds.commands.cli import main
from tinyworlds.training.loggers import flat_settings, tensorboard_logger, wandb_logger

_BLOCK, _WHOLE, _FIRST, _LAST = 1 << 15, 1, 2, 4
PLACE = ["lightning_logs", "video_tokenizer", "version_0"]


def events(version: Path) -> Any:
    """What TensorBoard shows of a run."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    found = EventAccumulator(str(version))
    found.Reload()
    return found


def records(log: Path) -> list[Any]:
    """What an offline run of W&B keeps: a log in LevelDB's format, in blocks of 32 KiB behind 7 bytes."""
    from wandb.proto import wandb_internal_pb2 as messages

    data, at, parts, found = log.read_bytes(), 7, b"", []
    while at + 7 <= len(data):
        left = _BLOCK - at % _BLOCK
        if left < 7:
            at += left
            continue
        length, kind = struct.unpack("<HB", data[at + 4 : at + 7])
        piece = data[at + 7 : at + 7 + length]
        at += 7 + length
        parts = piece if kind in (_WHOLE, _FIRST) else parts + piece
        if kind in (_WHOLE, _LAST):
            found.append(messages.Record.FromString(parts))
    return found


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("tensorboard")
    pytest.importorskip("wandb")
    for name in ("WANDB_PROJECT", "WANDB_NAME", "WANDB_RUN_ID", "WANDB_RUN_GROUP"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of the two packages
def test_both_are_told_the_same_and_go_on_in_the_same_run(
    offline: None, tiny_h5_64: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    more = [
        "--wandb",
        "--tensorboard",
        "--pictures=true",
        "--trainer.val_check_interval=2",
        "--model.beta2=0.9",
    ]
    more += ["--checkpoint.every_n_steps=2", "--optimizer=SGD", "--optimizer.lr=0.01"]
    run = tmp_path / "run"
    version = train("video_tokenizer", tiny_h5_64, run, "--trainer.max_steps=3", *more)
    middle = version / "checkpoints" / "step_2.ckpt"
    train("video_tokenizer", tiny_h5_64, run, "--trainer.max_steps=4", *more, f"--ckpt_path={middle}")
    assert main(["validate", "--ckpt_path", str(middle), "--tensorboard", "--wandb"]) == 0

    board = events(version)
    assert [event.step for event in board.Scalars("train/loss")] == [0, 1, 2, 3], (
        "step 2 once, though done twice"
    )
    assert "reconstruction/minus1_1" in board.Tags()["images"]
    text = board.Tensors("settings/text_summary")[0].tensor_proto.string_val[0].decode()
    assert "model.beta2: 0.9" in text
    assert "optimizer.lr: 0.01" in text
    assert "data.batch_size: 4" in text

    logs = sorted((version / "wandb").glob("offline-run-*/*.wandb"))
    assert len(logs) == 3
    runs = [next(each.run for each in records(log) if each.HasField("run")) for log in logs]
    assert len({each.run_id for each in runs}) == 1
    assert runs[0].run_id == (version / "wandb_run.txt").read_text().strip()
    assert (runs[0].display_name, runs[0].project) == ("pong/video_tokenizer/version_0", "tinyworlds")
    assert runs[0].run_group == "run"
    updates = [[*each.run.config.update, *each.config.update] for each in records(logs[0])]
    told = {item.key: json.loads(item.value_json) for items in updates for item in items}
    assert told["model.beta2"] == 0.9
    assert told["optimizer.lr"] == 0.01
    assert told["data.batch_size"] == 4
    assert [*logs[0].parent.glob("files/media/images/reconstruction/*.png")]


@pytest.mark.filterwarnings("ignore")
def test_what_the_environment_says_is_not_overruled(
    offline: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"PROJECT": "mine", "NAME": "best", "RUN_ID": "abc123", "RUN_GROUP": "sweep"}.items():
        monkeypatch.setenv(f"WANDB_{name}", value)
    monkeypatch.setenv("WANDB_MODE", "disabled")
    logger = wandb_logger(tmp_path.joinpath(*PLACE), "doom")
    _ = logger.experiment
    told = {name: logger._wandb_init[name] for name in ("project", "name", "group", "id")}
    assert told == {"project": "mine", "name": "best", "group": "sweep", "id": "abc123"}
    assert not tmp_path.joinpath(*PLACE, "wandb_run.txt").exists()


def test_settings_have_the_names_of_the_command_line() -> None:
    nested = {
        "model": {"class_path": "a.B", "init_args": {"x": 1, "y": None}},
        "seed": 0,
        "files": ["a", "b"],
    }
    assert flat_settings(nested) == {
        "model.class_path": "a.B", "model.x": 1, "model.y": "None", "seed": 0, "files": "['a', 'b']",
    }  # fmt: skip


def test_tensorboard_takes_pictures_and_writes_into_the_version_folder(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    from PIL import Image

    folder = tmp_path.joinpath(*PLACE)
    logger = tensorboard_logger(folder)
    Image.new("RGB", (8, 8), "red").save(tmp_path / "red.png")
    logger.log_image("red", [str(tmp_path / "red.png")], 3)
    logger.log_settings({"model": {"init_args": {"x": 1}}}, "val/loss")
    logger.log_metrics({"val/loss": 1.0}, 3)
    logger.finalize("success")
    found = events(folder)
    assert found.Images("red")[0].step == 3
    assert found.Scalars("val/loss")[0].value == 1.0
    assert "_hparams_/session_start_info" in found.Tags()["tensors"] or [*folder.glob("events*")]
