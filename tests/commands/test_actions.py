"""`tinyworlds actions` on real world files: what it prints and draws, what it stores, what it refuses."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors import safe_open

from tinyworlds.api import World
from tinyworlds.commands.cli import main
from tinyworlds.errors import CheckpointError, ConfigError, StorageError
from tinyworlds.models import DynamicsModel, LatentActionModel, VideoTokenizer
from tinyworlds.world.file import save_world
from tinyworlds.world.info import WorldInfo
from tinyworlds.world.keys import Keys, changed_keys, write_keys
from tinyworlds.world.start_clips import StartClips

SIZES = {"embed_dim": 16, "num_heads": 2, "hidden_dim": 24, "num_blocks": 1}
ABOUT = WorldInfo(
    game="sprite", fps=15.0, key_map={"a": 1}, metrics={"psnr": 20.0}, provenance={"data": ["x"]}
)


def tiny_world(info=ABOUT, num_clips=3) -> World:
    torch.manual_seed(0)
    clips = np.random.default_rng(0).integers(0, 255, (num_clips, 3, 16, 16, 3), dtype=np.uint8)
    return World(
        VideoTokenizer(frame_size=16, patch_size=4, latent_dim=2, num_bins=4, **SIZES),
        DynamicsModel(num_patches=16, latent_dim=2, num_bins=4, num_actions=4, context_frames=4, **SIZES),
        LatentActionModel(frame_size=16, patch_size=4, num_actions=4, **SIZES),
        info=info,
        start_clips=StartClips(clips, np.ones((num_clips, 2), np.int64)),
    )


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    return save_world(tmp_path_factory.mktemp("made") / "sprite.world", tiny_world())


@pytest.fixture
def world(made, tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return Path(shutil.copy(made, tmp_path / "sprite.world"))


def contents(path):
    """Every tensor as bytes, and the metadata."""
    with safe_open(path, "np") as file:
        return {name: file.get_tensor(name).tobytes() for name in file.keys()}, json.loads(  # noqa: SIM118
            file.metadata()["tinyworlds"]
        )


def test_findings_are_printed_and_drawn_and_nothing_is_stored(world, capsys):
    before = world.read_bytes()
    assert main(["actions", str(world)]) == 0
    printed = capsys.readouterr().out
    assert "4 actions (latent), held for 4 frames from 3 starts" in printed
    assert "Nothing was stored" in printed
    assert world.read_bytes() == before
    with Image.open(world.with_name("sprite_actions.png")) as sheet:
        assert sheet.width > 128 * 15
        assert sheet.height > 128 * 4
    assert world.with_name("sprite_actions.mp4").stat().st_size


def test_json_for_programs(world, tiny_h5, capsys):
    assert main(["actions", str(world), "--json", "--data", str(tiny_h5), "--sheet", "none"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [report["action"] for report in found["actions"]] == [0, 1, 2, 3]
    assert found["proposed"]["from"] == "optical flow"  # an untrained world earns no names
    assert found["proposed"]["true_actions"] == dict.fromkeys(["noop", "left", "right", "up"])
    assert sum(report["share"] for report in found["actions"]) == pytest.approx(1, abs=0.001)
    assert np.shape(found["true_against_latent"]) == (4, 4)
    assert found["counted_on"] == "files that were named"
    assert found["true_names"] == ["noop", "left", "right", "up"]
    assert np.sum(found["true_against_latent"]) == found["transitions"] > 200
    assert (found["stored"]["key_map"], found["files"]) == ({"a": 1}, [])
    assert not list(world.parent.glob("*.png"))


def test_the_proposal_is_stored_when_asked_for(world, tiny_h5, capsys):
    tensors, about = contents(world)
    assert main(["actions", str(world), "--data", str(tiny_h5), "--write", "--bind", "e=3", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    now = World.load(world)
    assert now.key_map == found["proposed"]["key_map"] == found["stored"]["key_map"]
    assert now.key_map["e"] == 3
    assert "e" in found["actions"][3]["keys"]
    assert list(now.action_names) == found["proposed"]["action_names"]
    after, told = contents(world)
    assert after == tensors
    assert told["metrics"] == about["metrics"]
    assert told["provenance"] == about["provenance"]


def test_single_keys_are_changed_at_once(world, capsys):
    tensors, _ = contents(world)
    words = ["--bind", "left=2", "Space=jump", "left+space=0", "a=", "--name", "3=jump", "--idle", "2"]
    assert main(["actions", str(world), *words]) == 0
    assert "space = 3 jump" in capsys.readouterr().out
    now = World.load(world)
    assert now.key_map == {"left": 2, "space": 3, "left+space": 0}
    assert now.action_names == ("action 0", "action 1", "action 2", "jump")
    assert now.idle_action == 2
    assert contents(world)[0] == tensors
    assert [path.name for path in world.parent.iterdir()] == ["sprite.world"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--bind", "left=9"], "no action '9'"),
        (["--bind", "left=jum", "--name", "1=jump"], "Did you mean 'jump'"),
        (["--bind", "lefty=1"], "no key"),
        (["--bind", "left"], "no assignment"),
        (["--bind", "p=1"], "'pause' while playing"),
        (["--bind", "esc+a=1"], "'quit' while playing"),
        (["--bind", "a*3=1"], "no key"),
        (["--name", "1="], "empty name"),
        (["--idle", "-1"], "no action '-1'"),
        (["--by", "truth"], "no true actions"),
        (["--data", "nowhere.h5"], "nowhere.h5"),
        (["--bind", "left=1", "--by", "flow"], "add --write"),
        (["--wrong"], "--wrong"),
    ],
)
def test_what_is_refused_changes_nothing(world, words, told, capsys):
    before = world.read_bytes()
    assert main(["actions", str(world), *words]) > 0
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("error: ")
    assert told in error
    assert world.read_bytes() == before


def test_files_that_are_no_worlds(tmp_path, capsys):
    folder = tmp_path / "run"
    folder.mkdir()
    assert main(["actions", str(folder), "--write"]) == 2
    assert "tinyworlds export" in capsys.readouterr().err
    for words in ([], ["--bind", "left=1"]):
        assert main(["actions", str(tmp_path / "none.world"), *words]) == 1
        (tmp_path / "torn.world").write_bytes(b"\x40\0\0\0\0\0\0\0{half")
        assert main(["actions", str(tmp_path / "torn.world"), *words]) == 1
        assert capsys.readouterr().err.count("\n") == 2


def test_a_world_without_starts_takes_them_from_the_data(tmp_path, tiny_h5, capsys):
    bare = tiny_world(num_clips=1)
    bare.start_clips = StartClips()
    path = save_world(tmp_path / "bare.world", bare)
    assert main(["actions", str(path), "--sheet", "none"]) == 1
    assert "--data FILE" in capsys.readouterr().err
    assert main(["actions", str(path), "--sheet", "none", "--data", str(tiny_h5), "--by", "flow"]) == 0
    assert "from optical flow" in capsys.readouterr().out


def test_names_in_the_file_are_kept_without_better_knowledge(tmp_path, capsys):
    named = WorldInfo(key_map={"k": 2}, action_names=("rest", "duck"), idle_action=1)
    path = save_world(tmp_path / "named.world", tiny_world(named))
    assert main(["actions", str(path), "--json", "--sheet", "none"]) == 0
    proposed = json.loads(capsys.readouterr().out)["proposed"]
    assert proposed["from"] == "names in the file"
    assert proposed["key_map"] == {"k": 2}
    assert proposed["action_names"][:2] == ["rest", "duck"]
    assert proposed["idle_action"] == 1


KEYS = Keys({"a": 1}, ("stay", "left"), 0)


def test_changes_apply_in_order():
    assert changed_keys(KEYS, ["a=0", "a=left"]).key_map == {"a": 1}
    assert changed_keys(KEYS, ["ArrowUp=1"]).key_map == {"a": 1, "up": 1}
    assert changed_keys(KEYS) == KEYS
    with pytest.raises(ConfigError, match="0 stay, 1 left"):
        changed_keys(KEYS, idle="2")


def test_a_damaged_header_or_a_full_disk_leaves_the_file(world, monkeypatch):
    torn = world.with_name("torn.world")
    torn.write_bytes(world.read_bytes()[:100])
    with pytest.raises(CheckpointError, match="damaged"):
        write_keys(torn, KEYS)
    before = world.read_bytes()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(shutil, "copyfileobj", full)
    with pytest.raises(StorageError):
        write_keys(world, KEYS)
    assert world.read_bytes() == before
    assert sorted(path.name for path in world.parent.iterdir()) == ["sprite.world", "torn.world"]
