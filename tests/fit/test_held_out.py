"""Who was trained on what: noted in every checkpoint, compared between stages, and nothing measured on it."""

import shutil
from pathlib import Path

import pytest
import torch
import yaml
from gameplay_files import write_gameplay
from tiny_runs import train, words

from tinyworlds.checkpoints.load import META_KEY, read_checkpoint
from tinyworlds.checkpoints.search import data_settings_of, locate
from tinyworlds.commands.cli import main
from tinyworlds.data import H5DataModule
from tinyworlds.data.trained_on import read_trained_on
from tinyworlds.errors import DataError
from tinyworlds.evaluation.run import open_held_out
from tinyworlds.export.loading import open_world
from tinyworlds.models.registry import STAGES
from tinyworlds.world.file import load_world, read_header

DATA, RUN = Path("tiny_frames.h5"), Path("run")
FEW = "--trainer.max_steps=2"
pytestmark = [
    pytest.mark.filterwarnings("ignore:The dirpath has changed"),
    pytest.mark.filterwarnings("ignore:Resuming with other batches"),
]


@pytest.fixture(scope="session")
def whole_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a recording and a run of three stages, split by episode; only to be copied."""
    folder = tmp_path_factory.mktemp("held_out")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        write_gameplay(DATA)
        for stage in STAGES:
            train(stage, DATA, RUN, FEW, "--data.split=episode")
    return folder


@pytest.fixture
def here(whole_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = Path(shutil.copytree(whole_run, tmp_path / "here"))
    monkeypatch.chdir(folder)
    return folder


def last(stage: str, run: Path = RUN) -> Path:
    return locate(run, stage).path


def noted(path: Path):
    return read_trained_on(read_checkpoint(path)[META_KEY]["trained_on"])


def change(path: Path, edit) -> None:
    content = torch.load(path, weights_only=True)
    edit(content[META_KEY])
    torch.save(content, path)


def measured(source: str = "run", data: str | None = None, num_frames: int = 8):
    """What `evaluate` measures on."""
    return open_held_out(open_world(source, "cpu"), Path(source), data).clips(num_frames, 3)


# ---- noted


@pytest.mark.parametrize("stage", STAGES)
def test_every_checkpoint_says_what_was_trained_on(here: Path, stage: str) -> None:
    found = noted(last(stage))
    assert found.recordings == H5DataModule(str(DATA), split="episode", cache=False).trained_on().recordings
    assert (found.settings["split"], found.settings["files"]) == ("episode", str(DATA))
    assert found.whole
    assert len({noted(last(each)).fingerprint for each in STAGES}) == 1


def test_world_files_say_it_too_without_paths_of_this_machine(here: Path) -> None:
    assert main(["export", "run", "a.world", "--num_clips", "2"]) == 0
    for name, stage in read_header("a.world")["provenance"]["stages"].items():
        found = read_trained_on(stage["trained_on"])
        assert found.recordings == noted(last(name)).recordings
        assert "files" not in found.settings
    assert measured("a.world").source.endswith("no stage was trained on them")
    assert main(["convert", "a.world", "tokenizer.ckpt", "--stage", "video_tokenizer"]) == 0
    assert noted(Path("tokenizer.ckpt")).recordings == noted(last("video_tokenizer")).recordings


def test_a_run_that_goes_on_with_another_deal_says_so_and_notes_both(here: Path) -> None:
    before = noted(last("video_tokenizer"))
    with pytest.warns(
        UserWarning, match=r"these weights were trained on \d+ of the \d+ frames .*held out here"
    ):
        train("video_tokenizer", DATA, RUN, "--trainer.max_steps=3", "--ckpt_path=last", "--data.split=time")
    after = noted(last("video_tokenizer"))
    (old,), (new,) = before.recordings, after.recordings
    assert sum(b - a for a, b in new.trained) > sum(b - a for a, b in old.trained)
    assert after.settings["split"] == "time"
    assert after.ranges_of(old.identity) == new.trained


# ---- compared between stages


def test_a_stage_on_partners_of_another_deal_is_warned_with_counts(here: Path) -> None:
    with pytest.warns(UserWarning, match=r"trained on \d+ of the \d+ frames that are held out here") as told:
        train("dynamics", DATA, RUN, FEW, "--data.split=time")
    for stage in ("video_tokenizer", "latent_actions"):
        (line,) = [str(each.message) for each in told if stage in str(each.message)]
        assert "then split episode" in line
        assert "now split time" in line


@pytest.mark.slow
def test_partners_that_say_nothing_are_named(here: Path, capsys: pytest.CaptureFixture) -> None:
    change(last("video_tokenizer"), lambda meta: meta.pop("trained_on"))
    train("dynamics", DATA, RUN, FEW, "--data.split=episode")
    told = [line for line in capsys.readouterr().out.splitlines() if "does not say which frames" in line]
    assert len(told) == 1
    assert "video_tokenizer" in told[0]


def test_evaluation_leaves_out_what_a_stage_was_trained_on(
    here: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The tokenizer saw half of what the dynamics hold out: only the rest is measured."""
    module = H5DataModule(str(DATA), split="episode", cache=False)
    start = module.dataset("test", 30).index.locate(0)[1]
    seen = [[start, start + 15]]
    change(last("video_tokenizer"), lambda meta: meta["trained_on"]["files"][0].update(trained=seen))
    clips = measured(num_frames=15)
    line = "left out are 15 of 30 held-out frames, which video_tokenizer was trained on"
    assert line in clips.source
    assert line in caplog.text
    assert len(clips) == 1
    assert (clips.frames[0].numpy() == module.frame_files[0].frames(start + 15, 15)).all()


def test_nothing_is_measured_where_all_was_trained_on(here: Path) -> None:
    change(last("latent_actions"), lambda meta: meta["trained_on"]["files"][0].update(trained=[[0, 300]]))
    with pytest.raises(
        DataError, match=r"nothing is left to measure on of tiny_frames\.h5 .*latent_actions was"
    ):
        measured()


def test_where_nobody_was_trained_on_it_that_is_said(here: Path) -> None:
    assert measured().source == "test split (whole episodes) of tiny_frames.h5; no stage was trained on them"


@pytest.mark.parametrize("note", [None, "damaged", {"files": 3}])
def test_what_was_not_recorded_is_not_vouched_for(here: Path, caplog: pytest.LogCaptureFixture, note) -> None:
    change(last("video_tokenizer"), lambda meta: meta.update(trained_on=note))
    assert "cannot vouch for video_tokenizer, trained before splits were recorded" in measured().source
    assert "cannot vouch for video_tokenizer" in caplog.text


def test_another_recording_was_seen_by_nobody(here: Path, make_h5) -> None:
    other = make_h5("other.h5", seed=7)
    assert measured(data=str(other)).source.endswith("no stage was trained on them")


# ---- the settings of what is measured, not of what was tried last


@pytest.mark.slow
def test_a_fit_that_ends_early_changes_nothing_that_is_measured(here: Path, monkeypatch) -> None:
    """It goes on in the same version folder, and writes its settings there before its first step."""

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("tinyworlds.training.stages.base.Stage.training_step", stop)
        more = ["--ckpt_path=last", "--data.split=old_time", "--data.val_fraction=0.3"]
        with pytest.warns(UserWarning, match="held out here"):
            assert main(["fit", *words("dynamics", DATA, RUN, *more, "--trainer.max_steps=9")]) != 0
    config = yaml.safe_load((last("dynamics").parents[1] / "config.yaml").read_text())
    assert config["data"]["split"] == "old_time"
    settings = data_settings_of(RUN, {})
    assert (settings["split"], settings["val_fraction"]) == ("episode", 0.1)
    assert "test split (whole episodes)" in measured().source


@pytest.mark.slow
@pytest.mark.parametrize("command", ["validate", "test"])
def test_measuring_another_checkpoint_changes_nothing_that_is_measured(here: Path, command: str) -> None:
    other = shutil.copy(last("dynamics"), "other.ckpt")
    assert main([command, *words("dynamics", DATA, RUN, "--ckpt_path", other, "--data.split=old_time")]) == 0
    assert "test split (whole episodes)" in measured().source


@pytest.mark.parametrize("command", ["validate", "test", "predict"])
def test_a_checkpoint_is_measured_on_what_was_held_out_from_it(here: Path, command: str, capsys) -> None:
    more = ["--ckpt_path", str(last("video_tokenizer")), "--data.split=old_time"]
    assert main([command, *words("video_tokenizer", DATA, RUN, *more)]) == 0
    told = capsys.readouterr().out
    assert "video_tokenizer: held out as when run" in told
    assert "was trained, data.split episode" in told


@pytest.mark.slow
def test_exported_clips_are_held_out_as_the_checkpoint_says(here: Path) -> None:
    assert main(["export", "run", "a.world", "--num_clips", "4"]) == 0
    config = last("dynamics").parents[1] / "config.yaml"
    content = yaml.safe_load(config.read_text())
    content["data"] |= {"split": "old_time", "test_fraction": 0.4}
    config.write_text(yaml.safe_dump(content))
    assert main(["export", "run", "b.world", "--num_clips", "4"]) == 0
    assert (load_world("a.world").start_clips.frames == load_world("b.world").start_clips.frames).all()
