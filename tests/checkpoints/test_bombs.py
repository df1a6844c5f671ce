"""Small files that ask for terabytes, or for a million layers: refused at once, in one line."""

import time
import zipfile

import pytest
import torch
from tiny_worlds import change, tiny_world
from v1_cases import MOE_FILES as FILES
from v1_cases import content_of

from tinyworlds import load_network
from tinyworlds.checkpoints.formats import META_KEY, read_checkpoint
from tinyworlds.errors import CheckpointError
from tinyworlds.world.file import load_world, save_world


def refused(path):
    began = time.monotonic()
    with pytest.raises(CheckpointError) as error:
        load_network(path)
    assert time.monotonic() - began < 5
    assert "\n" not in str(error.value)
    return str(error.value)


def test_one_number_that_poses_as_a_terabyte(tmp_path):
    content = content_of(FILES[0])
    content["model"]["latent_embed.weight"] = torch.zeros(1).expand(1 << 20, 1 << 20)
    torch.save(content, tmp_path / "x.pth")
    assert "'token_input.latent_embed.weight'" in refused(tmp_path / "x.pth")


@pytest.mark.parametrize("weight", [torch.eye(3).to_sparse(), "text", torch.zeros(3, device="meta")])
def test_weights_that_are_no_plain_tensors(tmp_path, weight):
    checkpoint = read_checkpoint(FILES[0])
    checkpoint["state_dict"]["network.output.bias"] = weight
    torch.save(checkpoint, tmp_path / "x.ckpt")
    assert "'output.bias'" in refused(tmp_path / "x.ckpt")


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("num_blocks", 10**9),
        ("num_experts", 10**9),
        ("embed_dim", 10**9),
        ("num_bins", 10**9),
        ("num_heads", 0),
    ],
)
def test_settings_beyond_reason(tmp_path, setting, value):
    checkpoint = read_checkpoint(FILES[0])
    checkpoint[META_KEY]["network"][setting] = value
    torch.save(checkpoint, tmp_path / "x.ckpt")
    assert "do not fit its configuration" in refused(tmp_path / "x.ckpt")


def test_a_zip_that_unpacks_without_end(tmp_path):
    with (
        zipfile.ZipFile(FILES[0]) as old,
        zipfile.ZipFile(tmp_path / "x.pth", "w", zipfile.ZIP_DEFLATED) as new,
    ):
        for entry in old.infolist():
            new.writestr(entry.filename, old.read(entry))
        new.writestr("bomb", b"\0" * (100 << 20))
    assert "truncated or no checkpoint" in refused(tmp_path / "x.pth")


@pytest.mark.parametrize(
    "header",
    [
        {"play": {"context_frames": "abc"}},
        {"play": {"context_frames": 0.5}},
        {"play": [3]},
        {"fps": 0},
        {"actions": "all"},
        {"key_map": {"a": None}},
        {"configs": {}},
        {"configs": {"tokenizer": 3}},
    ],
    ids=str,
)
def test_settings_of_a_world_that_make_no_sense(tmp_path, header):
    path = save_world(tmp_path / "x.world", tiny_world())
    change(path, **header)
    with pytest.raises(CheckpointError, match=r"x\.world") as error:
        load_world(path)
    assert "\n" not in str(error.value)


def test_actions_that_the_world_does_not_have(tmp_path):
    path = save_world(tmp_path / "x.world", tiny_world())
    frames, actions = torch.zeros(1, 3, 16, 16, 3, dtype=torch.uint8), torch.full((1, 2), 99)
    change(path, {"start_frames": frames, "start_actions": actions})
    with pytest.raises(CheckpointError, match="start clips are not all 0 to 3"):
        load_world(path)
