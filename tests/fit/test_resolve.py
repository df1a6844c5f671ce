"""What a command decides by itself, without running it."""

import json
from dataclasses import FrozenInstanceError
from pathlib import Path

import h5py
import numpy as np
import pytest
from made_runs import make_run
from tiny_runs import words

import callbacks
from tinyworlds.errors import ConfigError
from tinyworlds.fit.config_reading import read_settings
from tinyworlds.fit.resolve import resolve
from tinyworlds.fit.subcommands import SUBCOMMANDS
from tinyworlds.training.stages import STAGE_CLASSES


def test_settings_are_filled_in_and_what_was_asked_stays(tiny_h5: Path, tmp_path: Path) -> None:
    asked = read_settings(words("video_tokenizer", tiny_h5, tmp_path, "--trainer.max_steps=7", "--compile"))
    before = asked.clone()
    resolved = resolve(asked, "fit")
    assert asked == before
    settings = resolved.config
    assert settings.data.frame_size == settings.model.init_args.frame_size == 16
    assert settings.model.init_args.compile
    assert settings.trainer.val_check_interval == 7
    assert settings.ckpt_path is None
    assert (resolved.run, resolved.stage.name, resolved.version_dir) == (tmp_path, "video_tokenizer", None)
    with pytest.raises(FrozenInstanceError):
        resolved.run = Path()  # type: ignore[misc]


def test_two_frame_sizes_contradict_each_other(tiny_h5: Path, tmp_path: Path) -> None:
    asked = read_settings(words("video_tokenizer", tiny_h5, tmp_path, "--model.frame_size=32"))
    with pytest.raises(ConfigError, match=r"model\.frame_size 32 contradicts data\.frame_size 16"):
        resolve(asked, "fit")


LINKED = [
    ([], 4),
    (["--data.num_frames=6"], 6),
    (["--model.context_frames=6"], 6),
    (["--data.num_frames=6", "--model.context_frames=6"], 6),
    (["--data.num_frames=6", "--model.context_frames=4"], 6),  # as older versions saved the default
]


@pytest.mark.parametrize(("more", "frames"), LINKED)
def test_dynamics_look_at_the_frames_of_a_window(
    tiny_h5: Path, partners: Path, more: list[str], frames: int
) -> None:
    asked = read_settings(words("dynamics", tiny_h5, partners, *more))
    settings = resolve(asked, "fit", lambda _: None).config
    for each in (asked, settings):
        assert each.data.num_frames == each.model.init_args.context_frames == frames


@pytest.mark.parametrize(("data", "model"), [(6, 5), (4, 5), (2, 8)])
def test_two_numbers_for_them_contradict_each_other(
    tiny_h5: Path, tmp_path: Path, data: int, model: int
) -> None:
    more = [f"--data.num_frames={data}", f"--model.context_frames={model}"]
    with pytest.raises(
        ConfigError, match=rf"model\.context_frames {model} contradicts data\.num_frames {data}"
    ):
        read_settings(words("dynamics", tiny_h5, tmp_path, *more))


def test_other_stages_take_their_windows_as_they_are_told(tiny_h5: Path, tmp_path: Path) -> None:
    for more, frames in ([], 4), (["--data.num_frames=7"], 7):
        asked = read_settings(words("video_tokenizer", tiny_h5, tmp_path, *more))
        assert resolve(asked, "fit").config.data.num_frames == frames


def test_predicting_codes_stops_after_a_batch(
    tiny_h5: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = read_settings(words("video_tokenizer", tiny_h5, tmp_path))
    assert resolve(asked, "predict").config.trainer.limit_predict_batches == 1
    assert "an untrained network is measured" in capsys.readouterr().out
    assert resolve(asked, "test").config.trainer.limit_predict_batches is None


def test_callbacks_in_tables_exist() -> None:
    names = [name for command in SUBCOMMANDS.values() for name in command.measures]
    for stage in STAGE_CLASSES.values():
        names += [*stage.picture_callbacks, *stage.predict_callbacks]
    assert set(names) == set(callbacks.__all__)


@pytest.mark.parametrize(
    ("taken", "names", "count"),
    [
        ([0, 1, 2], ["noop", "left", "right"], 3),
        ([0, 1], ["noop", "left", "right", "up", "down"], 5),  # all that have a name
        ([0, 8, 8, 64], None, 3),  # all that occur
        ([0, 5, 7], ["noop", "left"], 4),
        ([0, 1], None, 2),
        ([4, 4], None, None),
    ],
)
def test_a_world_of_labels_has_as_many_actions_as_the_data(
    tiny_h5: Path, tmp_path: Path, taken: list[int], names: list[str] | None, count: int | None
) -> None:
    with h5py.File(tiny_h5, "r+") as file:
        file["actions"][:] = np.resize(taken, len(file["actions"]))
        del file.attrs["action_names"]
        if names:
            file.attrs["action_names"] = json.dumps(names)
    make_run(tmp_path / "other", tiny_h5)
    tokenizer = tmp_path / "other" / "video_tokenizer" / "version_0" / "checkpoints" / "last.ckpt"
    options = ("--data.game=null", "--model.actions=labels", f"--model.tokenizer={tokenizer}")
    asked = read_settings(words("dynamics", tiny_h5, tmp_path / "run", *options))
    if count is None:
        with pytest.raises(ConfigError, match="only action in the data is 'action 4'"):
            resolve(asked, "fit")
    else:
        assert resolve(asked, "fit").config.model.init_args.num_actions == count


def test_a_run_of_labels_that_goes_on_keeps_its_size(tiny_h5: Path, tmp_path: Path) -> None:
    make_run(tmp_path, tiny_h5, actions="labels")  # four actions
    with h5py.File(tiny_h5, "r+") as file:
        file["actions"][:] = file["actions"][:].clip(max=2)
        file.attrs["action_names"] = json.dumps(["noop", "left", "right"])
    asked = read_settings(words("dynamics", tiny_h5, tmp_path, "--model.actions=labels", "--ckpt_path=last"))
    assert resolve(asked, "fit").config.model.init_args.num_actions == 4
