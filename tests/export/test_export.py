"""From a run folder to a world: which checkpoints are taken, where start clips, keys and names come from."""

import sys

import h5py
import numpy as np
import pytest
import torch
from made_runs import SIZES, make_run, save_stage
from small_worlds import random_world

from tinyworlds.actions.naming import name_actions
from tinyworlds.api import World
from tinyworlds.checkpoints.world_search import locate_run
from tinyworlds.commands.cli import main
from tinyworlds.data.gameplay import Gameplay
from tinyworlds.errors import CheckpointError, ConfigError, MissingFileError
from tinyworlds.export.build import export_world
from tinyworlds.models import VideoTokenizer
from tinyworlds.world.file import read_header, save_world
from tinyworlds.world.sureness import measure_sureness


@pytest.fixture
def run(tmp_path, tiny_h5):
    make_run(tmp_path / "run", tiny_h5)
    return tmp_path / "run"


def test_a_run_becomes_a_world(run, tmp_path, capsys):
    out = tmp_path / "out" / "sprite.world"
    assert main(["export", str(run), str(out), "--num_clips", "5"]) == 0
    told = capsys.readouterr().out
    assert "tinyworlds play" in told
    assert "nothing found for noop, left, right, up" in told  # by a network that learned nothing
    world = World.load(out)
    assert (world.game, world.fps, world.sampling.num_steps, world.num_actions) == ("sprite", 15.0, 4, 4)
    length = world.start_clips.frames.shape[1]  # what it starts from, and what really followed
    assert length >= world.context_frames
    assert world.start_clips.frames.shape == (5, length, 16, 16, 3)
    assert world.start_clips.actions.shape == (5, length - 1)
    assert world.info.true_actions == dict.fromkeys(("noop", "left", "right", "up"))
    world.reset(seed=0)
    assert world.step(3).shape == (16, 16, 3)
    about = read_header(out)["provenance"]
    assert about["stages"]["dynamics"]["step"] == 7
    assert about["data"] == ["tiny_frames.h5"]
    assert str(tmp_path) not in str(about)


def test_how_sure_a_world_usually_is_lies_in_its_file(run, tmp_path):
    # one clip: an episode of these is just as long as a start and what is kept of what followed
    world = World.load(export_world(run, tmp_path / "a.world", num_clips=1))
    assert world.usual_sureness is not None
    assert world.usual_sureness == measure_sureness(world)


def test_labels_name_the_actions(tmp_path, tiny_h5):
    make_run(tmp_path / "run", tiny_h5, actions="labels")
    world = World.load(tmp_path / "run")
    assert world.action_names == ("noop", "left", "right", "up")
    assert world.key_map == {"left": 1, "right": 2, "up": 3}
    assert (world.idle_action, world.latent_actions) == (0, None)
    count, length = world.start_clips.frames.shape[:2]
    assert world.start_clips.actions.shape == (count, length - 1)


def test_a_label_that_was_never_taken_has_no_key(tmp_path, tiny_h5):
    with h5py.File(tiny_h5, "r+") as file:
        file["actions"][:] = file["actions"][:].clip(max=2)
    make_run(tmp_path / "run", tiny_h5, actions="labels")
    world = World.load(tmp_path / "run")
    assert world.key_map == {"left": 1, "right": 2}
    assert world.info.true_actions == {"noop": 0, "left": 1, "right": 2, "up": None}
    assert world.notes == ["nothing found for up"]


def test_files_with_frames_only_still_start_worlds(tmp_path, frames_only_h5):
    make_run(tmp_path / "run", frames_only_h5)
    world = World.load(tmp_path / "run")
    assert world.fps == 60.0  # public files do not say their rate
    assert len(world.start_clips) > 1
    assert world.action_names[0] == "action 0"


def test_the_partners_of_the_dynamics_are_taken(run):
    torch.manual_seed(9)
    newer = VideoTokenizer(frame_size=16, patch_size=4, latent_dim=2, num_bins=4, **SIZES)
    save_stage(run, "video_tokenizer", newer, name="newer")
    assert locate_run(run)["video_tokenizer"].path.name == "last.ckpt"


def test_a_moved_run_is_found(run, tmp_path):
    moved = run.rename(tmp_path / "moved")
    assert locate_run(moved)["video_tokenizer"].path.is_relative_to(moved)


def test_overwritten_partners_are_refused(run):
    torch.manual_seed(9)
    other = VideoTokenizer(frame_size=16, patch_size=4, latent_dim=2, num_bins=4, **SIZES)
    save_stage(run, "video_tokenizer", other)
    with pytest.raises(CheckpointError, match="gone or changed"):
        locate_run(run)


@pytest.mark.skipif(sys.platform == "win32", reason="no such permissions there")
def test_a_world_may_be_read_by_whom_any_new_file_may(tmp_path):
    (tmp_path / "any").touch()
    world = save_world(tmp_path / "noise.world", random_world())
    assert world.stat().st_mode == (tmp_path / "any").stat().st_mode


def test_world_of_three_checkpoints(run):
    world = World.load({stage: found.path for stage, found in locate_run(run).items()})
    assert world.num_actions == 4
    with pytest.raises(ConfigError, match="video_tokenizer"):
        World.load({"dynamics": run / "dynamics/version_0/checkpoints/last.ckpt"})


def test_gameplay_that_is_gone(run, tmp_path, tiny_h5):
    tiny_h5.rename(tmp_path / "elsewhere.h5")
    with pytest.raises(MissingFileError, match="--data FILE"):
        export_world(run, tmp_path / "a.world")
    assert not (tmp_path / "a.world").exists()
    export_world(run, tmp_path / "a.world", data=[str(tmp_path / "elsewhere.h5")])
    assert not World.load(run).start_clips  # playable from frames of one's own


@pytest.mark.parametrize("kept", ["nothing", "no dynamics"])
def test_runs_that_are_not_complete(run, tmp_path, kept, capsys):
    target = tmp_path / "nowhere" if kept == "nothing" else run
    if kept != "nothing":
        (run / "dynamics/version_0/checkpoints/last.ckpt").write_bytes(b"half a file")
    assert main(["export", str(target), str(tmp_path / "a.world")]) == 1
    assert capsys.readouterr().err.count("\n") == 1
    assert not (tmp_path / "a.world").exists()


class Knowing(torch.nn.Module):
    """An action model that finds the true action, under another number."""

    num_actions = 4

    def __init__(self):
        super().__init__()
        self.order = torch.nn.Parameter(torch.tensor([2.0, 0.0, 3.0, 1.0]))

    def encode(self, frames):
        levels = ((frames[:, 1:, 0, 0, 0] + 1) * 127.5).round().long().clamp(max=3)
        return self.order[levels].long()


def gameplay(actions, names):
    """Clips whose frame t shows the action that led to it."""
    frames = np.zeros((*actions.shape, 4, 4, 3), np.uint8)
    frames[:, 1:, 0, 0, 0] = actions[:, :-1]
    return Gameplay(frames, actions, frames, actions, names, 15.0, ("a.h5",))


def test_latent_actions_are_named_by_the_true_ones():
    actions = np.random.default_rng(0).integers(0, 4, (40, 5))
    known = gameplay(actions, ("noop", "attack", "turn_right", "turn_left"))
    naming = name_actions("doom", "latent", Knowing(), known)
    assert naming.names == ("attack", "turn_left", "noop", "turn_right")
    assert naming.idle == 2
    assert {key: naming.names[a] for key, a in naming.key_map.items()} == {
        "s": "noop", "space": "attack", "d": "turn_right", "a": "turn_left",
    }  # fmt: skip


def test_the_order_of_a_recording_is_respected():
    actions = np.random.default_rng(0).integers(0, 3, (40, 5))
    naming = name_actions("doom", "labels", None, gameplay(actions, ("turn_left", "noop", "attack")))
    assert naming.key_map == {"s": 1, "space": 2, "a": 0}
    assert naming.idle == 1


def test_a_world_without_actions_has_no_keys():
    assert name_actions("zelda", "none", None, None).key_map == {}
