"""What a checkpoint says of files that it kept is not the word by which others are deleted."""

from pathlib import Path

import pytest
import torch
from gameplay_files import write_gameplay
from tiny_runs import train, words

from tinyworlds.checkpoints.lightning_io import AtomicCheckpointIO
from tinyworlds.commands.cli import main
from tinyworlds.training.stages import VideoTokenizerStage


class Evil:
    def __reduce__(self):
        return open, ("proof", "w")


def best_of(content):
    return next(key for key in content["callbacks"] if key.startswith("ModelCheckpoint"))


SLOW = pytest.mark.slow


@pytest.mark.parametrize(
    "how", ["local://", *(pytest.param(how, marks=SLOW) for how in ("", "..", "folder"))]
)
def test_files_that_a_stranger_names_stay(how, tiny_h5, tmp_path):
    version = train("video_tokenizer", tiny_h5, tmp_path / "theirs", "--trainer.max_steps=1")
    checkpoint = version / "checkpoints" / "last.ckpt"
    content = torch.load(checkpoint, weights_only=True)
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "thesis.ckpt").write_text("years of work")
    there = tmp_path / "run" / "video_tokenizer" / "version_0" / "checkpoints"
    victim = mine if how == "folder" else mine / "thesis.ckpt"
    named = {"local://": f"local://{victim}", "": str(victim), "..": f"{there}/../../../../mine/thesis.ckpt"}
    path = named.get(how, f"local://{victim}")
    key = best_of(content)
    state = {
        **content["callbacks"][key],
        "best_k_models": {path: torch.tensor(9e9)},
        "kth_best_model_path": path,
    }
    state |= {"kth_value": torch.tensor(9e9), "best_model_score": torch.tensor(9e9), "best_model_path": path}
    state.pop("dirpath")  # Lightning then takes it for its own
    if how == "..":
        state["dirpath"] = str(there)
    content["callbacks"][key] = state
    torch.save(content, checkpoint)
    more = [f"--ckpt_path={checkpoint}", "--trainer.max_steps=3", "--trainer.val_check_interval=1"]
    assert main(["fit", *words("video_tokenizer", tiny_h5, tmp_path / "run", *more)]) == 0
    assert (mine / "thesis.ckpt").read_text() == "years of work"
    assert (there / "best.ckpt").is_file()


def test_what_a_run_kept_itself_is_known_again(tiny_h5, tmp_path):
    version = train("video_tokenizer", tiny_h5, tmp_path / "run", "--trainer.max_steps=2")
    checkpoint = version / "checkpoints" / "last.ckpt"
    stored = torch.load(checkpoint, weights_only=True)
    read = AtomicCheckpointIO("video_tokenizer").load_checkpoint(checkpoint)
    assert read["callbacks"].keys() == stored["callbacks"].keys()
    assert read["callbacks"][best_of(stored)]["dirpath"]


def test_a_stage_is_loaded_from_plain_data(tiny_h5, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    version = train("video_tokenizer", tiny_h5, tmp_path / "run", "--trainer.max_steps=1")
    checkpoint = version / "checkpoints" / "last.ckpt"
    settings = {"frame_size": 16, "embed_dim": 16, "num_heads": 2, "hidden_dim": 16, "num_blocks": 1}
    assert VideoTokenizerStage.load_from_checkpoint(checkpoint, **settings).network.config["embed_dim"] == 16
    torch.save({**torch.load(checkpoint, weights_only=True), "hyper_parameters": Evil()}, checkpoint)
    with pytest.raises(Exception, match=r"weights_only|WeightsUnpickler"):
        VideoTokenizerStage.load_from_checkpoint(checkpoint, **settings)
    assert not Path("proof").exists()


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    folder = tmp_path_factory.mktemp("good")
    data = write_gameplay(folder / "tiny_frames.h5", num_episodes=3)
    version = train("video_tokenizer", data, folder / "run", "--trainer.max_steps=1")
    content = torch.load(version / "checkpoints" / "last.ckpt", weights_only=True)
    return data, {**content, "callbacks": {}}


STATES = {
    "pytorch-lightning_version": ([], "x", None), "loops": ([], {}, 3, {"a": 1}), "callbacks": ([], 3, "x"),
    "optimizer_states": (None, [[]], "x"), "lr_schedulers": (None, [[]], {"a": 1}),
    "H5DataModule": ([], {}, 3),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("entry", STATES)
def test_a_state_of_training_that_makes_no_sense_is_one_line(entry, good, tmp_path, error_line):
    data, content = good
    path = tmp_path / "bad.ckpt"
    without = {key: value for key, value in content.items() if key != entry}
    for changed in (*({**content, entry: value} for value in STATES[entry]), without):
        if entry not in changed and entry in ("callbacks", "loops", "H5DataModule"):
            continue  # training begins anew
        torch.save(changed, path)
        more = [f"--ckpt_path={path}", "--trainer.max_steps=2", "--trainer.limit_val_batches=0"]
        assert "checkpoint" in error_line("fit", *words("video_tokenizer", data, tmp_path / "run", *more))
