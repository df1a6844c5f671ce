"""H5DataModule: batches, splits, errors, codes, and the exact order under a real Trainer."""

import shutil
import subprocess
import sys
import textwrap

import h5py
import numpy as np
import pytest
import torch
from lightning.pytorch import Callback, LightningModule, Trainer

from tinyworlds.data import H5DataModule, frames_to_input, input_to_frames
from tinyworlds.data.sources import find_files
from tinyworlds.errors import ConfigError, DataError, MissingFileError


def opened(*args, stage="fit", **kwargs) -> H5DataModule:
    module = H5DataModule(*args, **kwargs)
    module.prepare_data()
    module.setup(stage)
    return module


def stored(path, name="frames"):
    with h5py.File(path) as file:
        return file[name][:]


# ---- pixels


def test_every_level_survives_the_round_trip():
    frames = torch.arange(256, dtype=torch.uint8).repeat(3).reshape(1, 16, 16, 3)
    images = frames_to_input(frames)
    assert images.shape == (1, 3, 16, 16)
    assert images.is_contiguous()
    assert (images.min(), images.max()) == (-1.0, 1.0)
    torch.testing.assert_close(input_to_frames(images), frames)
    assert input_to_frames(images * 9).max() == 255


# ---- batches


@pytest.mark.parametrize("cache", [True, False])
def test_training_batches_hold_the_stored_windows(tiny_h5, cache):
    module = opened(str(tiny_h5), batch_size=8, cache=cache)
    frames, actions = stored(tiny_h5), stored(tiny_h5, "actions")
    dataset = module.train_dataloader().dataset
    batch = next(iter(module.train_dataloader()))
    assert batch["frames"].shape == (8, 4, 16, 16, 3)
    assert batch["frames"].dtype == torch.uint8
    assert batch["actions"].dtype == batch["index"].dtype == torch.int64
    for i, window in enumerate(batch["index"].tolist()):
        _, start = dataset.index.locate(window)
        np.testing.assert_array_equal(batch["frames"][i], frames[start : start + 4])
        np.testing.assert_array_equal(batch["actions"][i], actions[start : start + 4])


def test_stride_comes_from_the_rates(make_h5, frames_only_h5):
    file = make_h5(fps=60.0)
    module = opened([str(file), str(frames_only_h5)], fps=15, batch_size=4)
    assert module.strides == [4, 4]  # the public file counts as 60
    assert module.fps == 15.0
    frames, dataset = stored(file), module.train_dataloader().dataset
    file_number, start = dataset.index.locate(5)
    assert file_number == 0
    np.testing.assert_array_equal(dataset[5]["frames"], frames[start : start + 13 : 4])


def test_labels_of_strided_windows_belong_to_the_windows_frames(make_h5):
    file = make_h5(fps=60.0)
    dataset = opened(str(file), fps=20, split="episode").train_dataloader().dataset
    _, start = dataset.index.locate(8)
    steps = stored(file, "actions")[start : start + 12].reshape(4, 3)
    held = [max(step.tolist(), key=step.tolist().count) for step in steps]  # the first of equals
    assert dataset[8]["actions"].tolist() == held


def test_a_slow_file_is_used_whole_with_a_warning(tiny_h5):
    with pytest.warns(UserWarning, match="15 frames per second"):
        assert opened(str(tiny_h5), fps=60).strides == [1]


@pytest.mark.parametrize("split", ["time", "episode"])
def test_no_window_crosses_an_episode_or_a_split(make_h5, split):
    files = [make_h5("a.h5"), make_h5("b.h5", num_episodes=4, episode_length=40, seed=9)]
    module = opened(
        [str(file) for file in files], split=split, skip_frames=12, val_fraction=0.2, test_fraction=0.2
    )
    episode = [np.cumsum(stored(file, "episode_ends")) - stored(file, "episode_ends") for file in files]
    seen: dict[str, set] = {}
    for name in ("train", "val", "test"):
        loader = getattr(module, f"{name}_dataloader")()
        index = loader.dataset.index
        places = [index.locate(i) for i in range(len(index))]
        seen[name] = {(file, start + t) for file, start in places for t in range(4)}
        for file, start in places:
            assert start >= 12
            assert len(set(episode[file][start : start + 4])) == 1
    assert seen["train"].isdisjoint(seen["val"] | seen["test"])
    assert seen["val"].isdisjoint(seen["test"])


def test_public_files_work_without_actions(frames_only_h5):
    module = opened(str(frames_only_h5), fps=15, batch_size=4)
    batch = next(iter(module.train_dataloader()))
    assert set(batch) == {"frames", "index"}
    assert not module.has_actions
    assert module.action_names == ()


def test_a_pattern_names_several_files(make_h5):
    first = make_h5("zelda_1.h5")
    make_h5("zelda_2.h5")
    assert len(opened(str(first.parent / "zelda_*.h5")).frame_files) == 2
    with pytest.raises(MissingFileError, match="nothing_\\*"):
        H5DataModule(str(first.parent / "nothing_*.h5"))


def test_folders_hold_files_and_folders(make_h5, tmp_path):
    for name in ("b.h5", "more/a.hdf5", "more/deep/c.h5", ".cache/copy.h5", "more/.hidden.h5", "notes.txt"):
        (tmp_path / "zelda" / name).parent.mkdir(parents=True, exist_ok=True)
        make_h5("one.h5", num_episodes=1).rename(tmp_path / "zelda" / name)
    folder = tmp_path / "zelda"
    expected = [str(folder / name) for name in ("b.h5", "more/a.hdf5", "more/deep/c.h5")]
    assert find_files(str(folder), None) == expected
    assert find_files([str(folder / "more"), str(folder / "b.h5")], None) == [*expected[1:], expected[0]]
    assert find_files(str(tmp_path / "zeld*"), None) == expected
    assert sorted(find_files(str(folder / "**" / "*.h5"), None)) == sorted([expected[0], expected[2]])
    with pytest.raises(ConfigError, match="named twice"):
        find_files([str(folder), str(folder / "more" / ".." / "b.h5")], None)
    (tmp_path / "empty").mkdir()
    with pytest.raises(MissingFileError, match="empty is a folder without gameplay files"):
        find_files(str(tmp_path / "empty"), None)


def test_a_file_may_be_called_like_a_pattern(make_h5):
    odd = make_h5("take[1].h5")
    assert find_files(str(odd), None) == [str(odd)]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such limit")
@pytest.mark.slow
def test_more_files_than_a_process_may_open(make_h5, tmp_path):
    """Each file stays open while training, so hundreds of them need more than the usual limit."""
    first = make_h5("0.h5", num_episodes=1, episode_length=8)
    (tmp_path / "many").mkdir()
    for i in range(260):
        shutil.copy(first, tmp_path / "many" / f"{i}.h5")
    script = """
        import resource, sys
        resource.setrlimit(resource.RLIMIT_NOFILE, (256, 4096))
        from tinyworlds.data import H5DataModule
        from tinyworlds.data.dataset import allow_open_files
        module = H5DataModule(sys.argv[1], batch_size=65, val_fraction=0, test_fraction=0, cache=False)
        module.setup("fit")
        windows = {n for batch in module.train_dataloader() for n in batch["index"].tolist()}
        print(windows == set(range(260 * 5)))
        allow_open_files(4097)
    """
    command = [sys.executable, "-c", textwrap.dedent(script), str(tmp_path / "many")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stdout == "True\n", done.stderr
    assert "need up to 4097 open files in each process, the system allows 4096" in done.stderr


def test_evaluation_is_the_same_every_time_and_mixed(tiny_h5):
    first, second = (opened(str(tiny_h5), seed=seed, val_fraction=0.4) for seed in (0, 1))
    orders = [[i for batch in m.val_dataloader() for i in batch["index"].tolist()] for m in (first, second)]
    assert orders[0] == orders[1] != sorted(orders[0])
    assert sorted(orders[0]) == list(range(len(orders[0])))


def test_test_uses_the_validation_part_if_it_has_none(tiny_h5):
    module = opened(str(tiny_h5), test_fraction=0.0, stage="test")
    assert len(module.test_dataloader().dataset) == len(module.val_dataloader().dataset)
    assert opened(str(tiny_h5), val_fraction=0.0).val_dataloader() == []


def test_predict_windows_may_be_longer(tiny_h5):
    module = opened(str(tiny_h5), predict_frames=10, test_fraction=0.2, stage="predict")
    assert next(iter(module.predict_dataloader()))["frames"].shape[1] == 10
    assert next(iter(module.test_dataloader()))["frames"].shape[1] == 4


def test_a_title_supplies_file_rate_and_skipped_frames(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    module = H5DataModule(game="sonic")
    assert module.files == ["data/sonic_frames.h5"]
    assert (module.fps, module.skip_frames, module.game) == (15.0, 100, "sonic")
    assert H5DataModule(game="sonic", skip_frames=0).skip_frames == 0
    with pytest.raises(MissingFileError, match="No such gameplay file"):
        module.prepare_data()
    with pytest.raises(ConfigError, match="Did you mean 'zelda'"):
        H5DataModule(game="zleda")


# ---- bad input


@pytest.mark.parametrize(
    ("settings", "error", "words"),
    [
        ({"num_frames": 500}, DataError, ["300 frames", "spans 500"]),
        ({"skip_frames": 298}, DataError, ["2 after skip_frames 298"]),
        ({"num_frames": 31}, DataError, ["train split", "is empty", "its longest run 30"]),
        ({"num_frames": 20, "val_fraction": 0.05}, DataError, ["val split", "is empty"]),
        ({"frame_size": 64}, DataError, ["16x16", "frame_size is 64", "--data.frame_size 16"]),
        ({"num_frames": 0}, ConfigError, ["num_frames is 0"]),
        ({"batch_size": -1}, ConfigError, ["batch_size is -1"]),
        ({"split": "frame"}, ConfigError, ["'time', 'episode', 'old_time' or 'old_episode'"]),
    ],
)
def test_settings_that_do_not_fit_the_file(tiny_h5, settings, error, words):
    with pytest.raises(error) as caught:
        opened(str(tiny_h5), **settings)
    assert "\n" not in str(caught.value)
    for word in words:
        assert word in str(caught.value)


def test_files_of_two_sizes_and_oblong_frames(make_h5, tmp_path):
    with pytest.raises(DataError, match="use files of one size"):
        opened([str(make_h5("a.h5")), str(make_h5("b.h5", size=32))])
    with h5py.File(tmp_path / "wide.h5", "w") as file:
        file["frames"] = np.zeros((50, 8, 16, 3), np.uint8)
    with pytest.raises(DataError, match="must be square"):
        opened(str(tmp_path / "wide.h5"))


def test_no_file_and_the_same_file_twice(tiny_h5):
    with pytest.raises(ConfigError, match=r"--data\.files"):
        H5DataModule()
    with pytest.raises(ConfigError, match="named twice"):
        H5DataModule([str(tiny_h5), str(tiny_h5)])


# ---- codes


@pytest.fixture
def codes(tiny_h5, tmp_path):
    path = tmp_path / "codes.h5"
    with h5py.File(path, "w") as file:
        file["ids"] = (np.arange(300)[:, None] + np.arange(4)).astype(np.int16)
        file["action_ids"] = (np.arange(300) % 16).astype(np.int16)
    return {str(tiny_h5): str(path)}


def test_codes_replace_frames_in_training_only(tiny_h5, codes):
    module = opened(str(tiny_h5), batch_size=8)
    module.use_codes(codes)
    loader = module.train_dataloader()
    batch = next(iter(loader))
    assert set(batch) == {"ids", "action_ids", "actions", "index"}
    assert batch["ids"].shape == (8, 4, 4)
    assert batch["action_ids"].shape == (8, 3)
    assert batch["ids"].dtype == batch["action_ids"].dtype == torch.int64
    _, start = loader.dataset.index.locate(int(batch["index"][0]))
    assert batch["ids"][0, :, 0].tolist() == list(range(start, start + 4))
    assert batch["action_ids"][0].tolist() == [i % 16 for i in range(start, start + 3)]
    assert {"frames", "ids", "action_ids"} <= set(next(iter(module.val_dataloader())))
    assert "ids" not in next(iter(module.test_dataloader()))


def test_codes_of_strided_windows(make_h5, codes):
    module = opened(str(make_h5(fps=60.0)), fps=15, split="episode")
    module.use_codes(codes)
    dataset = module.train_dataloader().dataset
    _, start = dataset.index.locate(2)
    assert dataset[2]["ids"][:, 0].tolist() == [start + 4 * t for t in range(4)]
    assert dataset[2]["action_ids"].tolist() == [(start + 4 * t) % 16 for t in range(3)]


def test_codes_that_do_not_fit(tiny_h5, codes, make_h5):
    module = opened(str(tiny_h5))
    with pytest.raises(ConfigError, match="No codes for"):
        module.use_codes({"other.h5": next(iter(codes.values()))})
    short = opened(str(make_h5("short.h5", num_episodes=5)))
    with pytest.raises(DataError, match=r"not \[150,P\]"):
        short.use_codes({short.files[0]: next(iter(codes.values()))})


# ---- under a Trainer


class Recorder(LightningModule):
    """Notes which windows each training step saw."""

    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(1, 1)
        self.seen: list[list[int]] = []
        self.ranges: list[tuple[float, float]] = []

    def training_step(self, batch, batch_idx):
        assert batch["frames"].dtype == torch.float32
        assert batch["frames"].shape[2:] == (3, 16, 16)
        self.ranges.append((float(batch["frames"].min()), float(batch["frames"].max())))
        self.seen.append(batch["index"].tolist())
        return self.layer(batch["frames"].mean().reshape(1, 1)).sum()

    def validation_step(self, batch, batch_idx):
        assert batch["frames"].dtype == torch.float32

    test_step = validation_step

    def predict_step(self, batch, batch_idx):
        return batch["index"]

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), 0.1)


def trainer(folder, max_steps, **options) -> Trainer:
    defaults = {
        "accelerator": "cpu", "logger": False, "enable_progress_bar": False, "enable_model_summary": False,
        "default_root_dir": folder, "enable_checkpointing": False, "max_epochs": -1,
    }  # fmt: skip
    return Trainer(max_steps=max_steps, **defaults | options)


class SaveAt(Callback):
    """Saves once, in the middle of the bookkeeping for a batch or after the validation that follows."""

    def __init__(self, path, step, hook="on_train_batch_end"):
        self.path, self.step = path, step
        setattr(self, hook, self.save)

    def save(self, run, *args):
        if run.global_step == self.step and not run.sanity_checking:
            run.save_checkpoint(self.path)


def fit(folder, path, steps, ckpt=None, save=None, **settings):
    module = H5DataModule(str(path), **{"batch_size": 8, "steps_per_epoch": 5, "seed": 3, **settings})
    model = Recorder()
    run = trainer(folder, steps, limit_val_batches=1, callbacks=[save] if save else [])
    run.fit(model, datamodule=module, ckpt_path=ckpt, weights_only=True)
    return model.seen


@pytest.mark.parametrize("num_workers", [0, 2])
@pytest.mark.parametrize(
    ("saved_at", "hook"),
    [
        (3, "on_train_batch_end"),
        (5, "on_train_batch_end"),
        (7, "on_train_batch_end"),
        (5, "on_validation_end"),
    ],
)
def test_resuming_goes_on_with_the_next_batch(tiny_h5, tmp_path, saved_at, hook, num_workers):
    straight = fit(tmp_path, tiny_h5, 14, num_workers=num_workers)
    assert len(straight) == 14
    path = tmp_path / "saved.ckpt"
    # saving must not depend on training having been meant to end there
    fit(tmp_path, tiny_h5, saved_at + 2, save=SaveAt(path, saved_at, hook), num_workers=num_workers)
    rest = fit(tmp_path, tiny_h5, 14, ckpt=path, num_workers=num_workers)
    assert rest == straight[saved_at:]


def test_resuming_twice(tiny_h5, tmp_path):
    straight = fit(tmp_path, tiny_h5, 13)
    first, second = tmp_path / "a.ckpt", tmp_path / "b.ckpt"
    fit(tmp_path, tiny_h5, 4, save=SaveAt(first, 4))
    middle = fit(tmp_path, tiny_h5, 9, ckpt=first, save=SaveAt(second, 9))
    rest = fit(tmp_path, tiny_h5, 13, ckpt=second)
    assert middle + rest == straight[4:]


def test_resuming_with_other_batches_says_so(tiny_h5, tmp_path):
    fit(tmp_path, tiny_h5, 3, save=SaveAt(tmp_path / "saved.ckpt", 3))
    with pytest.warns(UserWarning, match="batch_size was 8 and is 4"):
        fit(tmp_path, tiny_h5, 5, ckpt=tmp_path / "saved.ckpt", batch_size=4)


def test_every_trainer_command_runs(tiny_h5, tmp_path):
    module, model = H5DataModule(str(tiny_h5), batch_size=4), Recorder()
    run = trainer(tmp_path, -1, fast_dev_run=True)
    run.fit(model, datamodule=module)
    run.validate(model, datamodule=module, verbose=False)
    run.test(model, datamodule=module, verbose=False)
    assert len(run.predict(model, datamodule=module)) == 1
    low, high = model.ranges[0]
    assert -1 <= low < 0 < high <= 1


def test_overfitting_repeats_one_batch(tiny_h5, tmp_path):
    model = Recorder()
    run = trainer(tmp_path, 4, overfit_batches=1, limit_val_batches=0)
    run.fit(model, datamodule=H5DataModule(str(tiny_h5), batch_size=4))
    assert len(model.seen) == 4
    assert all(seen == model.seen[0] for seen in model.seen)


def test_a_module_says_its_files_and_once_open_its_windows(tiny_h5):
    module = H5DataModule(str(tiny_h5), num_frames=4, batch_size=3)
    closed = f"H5DataModule of {tiny_h5}: windows of 4 frames, batches of 3"
    assert repr(module) == closed
    assert module._collection is None  # looking opened nothing
    module.setup()
    counts = ", ".join(f"{module.num_windows(split):,} {split}" for split in ("train", "val", "test"))
    assert repr(module) == closed.replace("frames,", f"frames ({counts}),")
