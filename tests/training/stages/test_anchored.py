"""Anchored actions through the real commands: a few recorded keys, and videos without any."""

import json

import h5py
import numpy as np
import pytest
import torch
from code_caches import cached, partners_of
from tiny_runs import SMALL, words

from tinyworlds import H5DataModule, LatentActionModel, World, load_network
from tinyworlds.checkpoints.load import META_KEY, fingerprint
from tinyworlds.commands.cli import main
from tinyworlds.data import frames_to_input
from tinyworlds.data.held_out import held_out_clips
from tinyworlds.data.writer import FrameWriter
from tinyworlds.training.stages.codes import encoders
from tinyworlds.training.stages.partners import Partner

NAMES = ("noop", "left", "right", "up")
GALLERY = ("noop", "attack", "turn_right", "turn_left")


def without_actions(path):
    with h5py.File(path, "r+") as file:
        del file["actions"]
        del file.attrs["action_names"]
    return path


def shooting_gallery(path, num_episodes=20, length=40, size=32):
    """A view that turns left and right, and a gun that flashes: every action shows in the next frame."""
    random = np.random.default_rng(0)
    wall = np.repeat(random.integers(0, 160, (size, 2 * size // 4, 3), np.uint8), 4, axis=1)
    with FrameWriter(path, size, size, 15.0, source="gallery", action_names=GALLERY) as writer:
        for _ in range(num_episodes):
            angle, fired = int(random.integers(2 * size)), False
            actions = np.repeat(random.integers(0, 4, length), random.integers(1, 7, length))[:length]
            for i, action in enumerate(actions):
                frame = np.roll(wall, angle, axis=1)[:, :size].copy()
                if fired:
                    frame[-8:-2, size // 2 - 3 : size // 2 + 3] = (255, 230, 90)
                writer.append(frame, int(action), 0.0, i == length - 1)
                fired = action == 1
                angle += {2: -3, 3: 3}.get(int(action), 0)
    return path


def newest(run, stage):
    return run / stage / "version_0" / "checkpoints" / "last.ckpt"


def meta_of(checkpoint):
    return torch.load(checkpoint, weights_only=True)[META_KEY]


def accuracy(checkpoint, *files):
    """Share read rightly of held-out actions, by true action."""
    clips = held_out_clips(H5DataModule([str(file) for file in files], split="episode"), 8, 100)
    with torch.inference_mode():
        read = load_network(checkpoint).encode(frames_to_input(clips.frames))
    true = clips.actions[:, :-1]
    return [float((read[true == action] == action).float().mean()) for action in true.unique()]


LEARN = [
    "--trainer.max_steps=80",
    "--model.learning_rate=5e-3",
    "--data.split=episode",
    "--data.batch_size=12",
]


@pytest.mark.slow
def test_a_share_of_the_keys_is_read_on_held_out_episodes(tmp_path, capsys):
    data, run = shooting_gallery(tmp_path / "gallery_frames.h5"), tmp_path / "run"
    share = "--model.label_share=0.1"
    assert main(["fit", *words("latent_actions", data, run, share, *LEARN)]) == 0
    printed = capsys.readouterr().out
    assert "anchored on" in printed
    assert "windows of 10 frames" in printed
    checkpoint = newest(run, "latent_actions")
    meta = meta_of(checkpoint)
    assert meta["network"]["anchored"]
    assert meta["network"]["num_actions"] == 4
    assert meta["anchors"]["names"] == [*GALLERY]
    [(name, stretches)] = meta["anchors"]["stretches"].items()
    assert name == data.name
    assert sum(stop - start for start, stop in stretches) == 80
    assert min(accuracy(checkpoint, data)) > 0.8


def test_training_goes_on_exactly(make_h5, tmp_path):
    data = make_h5()
    more = ["--model.label_share=0.3", "--data.batch_size=6", "--data.split=episode"]
    for name, parts in {"whole": [4], "halves": [2, 4]}.items():
        for number, steps in enumerate(parts):
            going_on = ["--ckpt_path=last"] if number else []
            all_words = words(
                "latent_actions", data, tmp_path / name, *more, f"--trainer.max_steps={steps}", *going_on
            )
            assert main(["fit", *all_words, "--model.warmup_fraction=0", "--model.final_fraction=1"]) == 0
    whole, halves = (load_network(newest(tmp_path / name, "latent_actions")) for name in ("whole", "halves"))
    for key, value in whole.state_dict().items():
        torch.testing.assert_close(value, halves.state_dict()[key], rtol=0, atol=0)


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (
            ["--model.label_share=1.5"],
            "label_share is the share of recorded actions to know, 0 to 1, got 1.5",
        ),
        (["--model.label_share=0.1", "--model.architecture=v1"], "v1 cannot be anchored"),
        (["--model.anchored=true"], "needs labels: set --model.label_share"),
    ],
)
def test_what_cannot_be_anchored_is_said_in_a_line(tiny_h5, tmp_path, error_line, more, told):
    line = error_line("fit", *words("latent_actions", tiny_h5, tmp_path / "run", *more))
    assert told in line


def test_videos_alone_cannot_be_anchored(tiny_h5, tmp_path, error_line):
    without_actions(tiny_h5)
    share = "--model.label_share=0.1"
    line = error_line("fit", *words("latent_actions", tiny_h5, tmp_path / "run", share))
    assert "holds no actions; add a recording" in line


def test_dynamics_do_not_take_latent_actions_for_anchored_ones(tiny_h5, partners, error_line):
    line = error_line("fit", *words("dynamics", tiny_h5, partners, "--model.actions=anchored"))
    assert "trained without labels; train it with --model.label_share" in line


@pytest.fixture(scope="module")
def mixed(tmp_path_factory):
    """A run on a video without keys and a recording with them, trained by the plain command."""
    from gameplay_files import write_gameplay

    folder = tmp_path_factory.mktemp("mixed")
    videos = without_actions(write_gameplay(folder / "videos.h5", seed=1))
    played = write_gameplay(folder / "played.h5", seed=2)
    small = [word for word in SMALL if not word.startswith("--data.batch")]
    files = ["--data.files", str(videos), str(played)]
    command = ["train", "mygame", *files, "--run", str(folder / "run"), "--trainer.max_steps=3", *small]
    assert main([*command, "--data.batch_size=4"]) == 0
    return folder


@pytest.mark.slow
def test_videos_and_a_recording_just_work(mixed, capfd):
    meta = meta_of(newest(mixed / "run", "latent_actions"))
    assert [*meta["anchors"]["stretches"]] == ["played.h5"]
    assert meta["anchors"]["share"] == 1
    assert meta["anchors"]["names"] == [*NAMES]
    dynamics = meta_of(newest(mixed / "run", "dynamics"))
    assert dynamics["actions"] == "anchored"
    assert {each["name"] for each in dynamics["trained_on"]["files"]} == {"videos.h5", "played.h5"}


@pytest.mark.slow
def test_a_world_of_it_knows_the_keys_by_name(mixed, tmp_path, capfd):
    out = tmp_path / "mygame.world"
    assert main(["export", str(mixed / "run"), str(out)]) == 0
    world = World.load(out)
    assert world.info.actions == "anchored"
    assert world.action_names == NAMES
    assert world.key_map["left"] == 1
    assert world.info.true_actions == {name: action for action, name in enumerate(NAMES)}
    noted = world.info.provenance["stages"]["latent_actions"]["anchors"]
    assert noted["names"] == [*NAMES]
    world.reset(seed=0)
    assert world.step(1).shape == (16, 16, 3)
    capfd.readouterr()
    assert main(["actions", str(out), "--sheet", "none"]) == 0
    printed = capfd.readouterr().out
    assert "4 actions (anchored), held for" in printed
    # what a world file holds can be measured and gone on from
    small = ["--data.files", str(mixed / "played.h5"), *SMALL, "--run", str(tmp_path / "again")]
    assert main(["validate", "--config", "pong_dynamics.yaml", "--ckpt_path", str(out), *small]) == 0
    assert "anchored" in capfd.readouterr().out


@pytest.mark.slow
def test_a_report_of_it_is_marked_and_presses_the_recorded_keys(mixed, tmp_path, capfd):
    out = tmp_path / "evaluation"
    assert (
        main(["evaluate", str(mixed / "run"), "--out", str(out), "--skip_play_test", "--horizon", "3"]) == 0
    )
    figures = json.loads((out / "metrics.json").read_text())
    assert figures["settings"]["actions"] == "anchored"
    assert figures["headline"] == "pressed"
    assert {*figures["pressed_as"].items()} <= {(name, action) for action, name in enumerate(NAMES)}
    assert "played.h5" in figures["data"]
    assert "videos.h5" not in figures["data"].split(";")[0]
    text = (out / "report.md").read_text()
    assert "| prediction; anchored actions |" in text
    assert "the files without recorded keys are left out" in text


@pytest.mark.slow
def test_zero_leaves_them_to_be_found(mixed, tmp_path):
    run = tmp_path / "run"
    files = ["--data.files", str(mixed / "videos.h5"), str(mixed / "played.h5"), "--run", str(run)]
    more = ["--config", "pong_latent_actions.yaml", *SMALL, "--trainer.max_steps=1", "--model.label_share=0"]
    assert main(["fit", *more, *files]) == 0
    meta = meta_of(newest(run, "latent_actions"))
    assert "anchors" not in meta
    assert not meta["network"]["anchored"]


@pytest.mark.parametrize("fps", [15.0, 7.5])
def test_codes_of_anchored_actions_are_read_off_whole_episodes(make_h5, fps):
    torch.manual_seed(0)
    model = LatentActionModel(frame_size=16, num_actions=4, anchored=True).eval()
    model.anchor([4, 3, 2, 1], 0.8)
    tokenizer = partners_of("v2")[0]
    file = make_h5("a.h5", num_episodes=6, episode_length=23, fps=15.0)
    data = cached([file], (tokenizer, Partner(model, "here", fingerprint(model))), fps=fps)
    with h5py.File(file) as opened:
        images = frames_to_input(torch.from_numpy(opened["frames"][:])).unflatten(0, (6, 23))
    stride = round(15 / fps)
    expected = torch.full((6, 23), -1)
    with torch.inference_mode():
        for first in range(stride):
            read = model.encode(images[:, first::stride])
            expected[:, first::stride][:, : read.shape[1]] = read
        ids = tokenizer.network.encode(images)
    coded = data.train_dataloader().dataset
    for number in range(len(coded)):
        start = coded.index.locate(number)[1]
        places = start + stride * np.arange(4)
        assert torch.equal(coded[number]["action_ids"], expected.flatten()[places[:-1]])
        assert torch.equal(coded[number]["ids"], ids.flatten(0, 1)[places])


def test_codes_made_in_parts_are_almost_those_of_whole_episodes(make_h5, monkeypatch):
    torch.manual_seed(0)
    model = LatentActionModel(frame_size=16, num_actions=4, anchored=True).eval()
    model.anchor([4, 3, 2, 1], 0.8)
    partners = (partners_of("v2")[0], Partner(model, "here", fingerprint(model)))
    read = []
    for name, pixels in {"whole.h5": 2**20, "parts.h5": 32 * 16 * 16}.items():
        monkeypatch.setattr(encoders, "_BATCH_PIXELS", pixels)
        data = cached([make_h5(name, num_episodes=3, episode_length=100)], partners)
        coded = data.train_dataloader().dataset
        read.append(torch.stack([coded[number]["action_ids"] for number in range(len(coded))]))
    assert (read[0] == read[1]).float().mean() > 0.98
