"""Checkpoints in every form they are found in: same network, whatever the file looks like; never any code."""

import collections
import logging
import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from made_runs import make_run
from paths import PARITY
from safetensors.torch import save_file
from v1_cases import MOE_FILES as FILES
from v1_cases import content_of

from tinyworlds import load_network
from tinyworlds.api import World
from tinyworlds.checkpoints.load import fingerprint, read_checkpoint
from tinyworlds.checkpoints.safetensors_file import read_safetensors, write_safetensors
from tinyworlds.errors import CheckpointError, ConfigError, MissingFileError, StorageError

STAGES = ("video_tokenizer", "latent_actions", "dynamics")


@pytest.fixture(params=FILES, ids=lambda path: path.name[:20])
def public(request):
    return request.param


@pytest.mark.parametrize(
    ("key", "prefix"),
    [
        ("model", "_orig_mod."),
        ("state_dict", "module."),
        ("model_state_dict", "module._orig_mod."),
        (None, "_orig_mod.module."),
        ("state_dict", "network."),
        (None, ""),
    ],
)
def test_key_variants_and_prefixes(public, tmp_path, key, prefix):
    content = content_of(public)
    weights = {prefix + name: value for name, value in content["model"].items()}
    saved = {key: weights} if key else weights
    torch.save({**saved, "config": content["config"]}, tmp_path / "x.pth")
    assert fingerprint(load_network(tmp_path / "x.pth")) == fingerprint(load_network(public))


def test_settings_are_read_off_the_weights(public, tmp_path):
    content = content_of(public)
    needed = {"frame_size", "num_heads", "patch_size" if "dynamics" in public.name else ""}
    few = {name: value for name, value in content["config"].items() if name in needed}
    torch.save({**content, "config": few}, tmp_path / "x.pth")
    assert load_network(tmp_path / "x.pth").config == load_network(public).config


def test_bare_weights_take_settings_from_beside_them(public, tmp_path, caplog):
    path = tmp_path / public.name
    torch.save(content_of(public)["model"], path)
    (tmp_path / "config.json").write_text((PARITY / "moe" / "config.json").read_text())
    assert load_network(path).config == load_network(public).config
    assert caplog.text == ""


def test_bare_weights_alone_are_taken_as_published(tmp_path, caplog):
    source = next((PARITY / "sonic_size").glob("*dynamics*"))
    torch.save(content_of(source)["model"], tmp_path / "zelda_dynamics_step_7_2025.pth")
    with caplog.at_level(logging.WARNING):
        network = load_network(tmp_path / "zelda_dynamics_step_7_2025.pth")
    assert network.config["num_heads"] == 8
    assert network.config["num_patches"] == 32**2  # zelda is 128 pixels wide
    assert "num_heads 8" in caplog.text
    assert "config.json" in caplog.text
    assert read_checkpoint(tmp_path / "zelda_dynamics_step_7_2025.pth")["global_step"] == 7


def test_other_containers(public, tmp_path):
    content = content_of(public)
    wanted = fingerprint(load_network(public))
    torch.save(content, tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    torch.save({"state_dict": content["model"], "config": content["config"]}, tmp_path / "foreign.ckpt")
    save_file(content["model"], tmp_path / "plain.safetensors")
    (tmp_path / "config.json").write_text((PARITY / "moe" / "config.json").read_text())
    for name in ("old.pth", "foreign.ckpt", "plain.safetensors"):
        assert fingerprint(load_network(tmp_path / name)) == wanted, name


def test_the_weights_file_of_a_folder_stands_for_the_folder():
    folder = PARITY / "pong_small" / "dynamics_step_300"
    named = load_network(folder / "model_state_dict.pt")
    assert fingerprint(named) == fingerprint(load_network(folder))
    assert named.config == load_network(folder).config


def test_a_stage_of_a_world(tmp_path, tiny_h5):
    from tinyworlds.export.build import export_world

    make_run(tmp_path / "run", tiny_h5)
    path = export_world(tmp_path / "run", tmp_path / "a.world")
    world = World.load(path)
    assert fingerprint(load_network(path, stage="dynamics")) == fingerprint(world.dynamics)
    with pytest.raises(CheckpointError, match="say which one"):
        load_network(path)


def test_worlds_of_several_files(tmp_path):
    wanted = [fingerprint(part) for part in _parts(World.load(PARITY / "moe"))]
    for source in (tuple(FILES), [str(path) for path in FILES], dict(zip(_stages(), FILES, strict=True))):
        assert [fingerprint(part) for part in _parts(World.load(source))] == wanted
    with pytest.raises(CheckpointError, match="both of stage"):
        World.load([*FILES, FILES[0]])
    with pytest.raises(ConfigError, match="got dynamics"):
        World.load(FILES[0])
    with pytest.raises(ConfigError, match="name a checkpoint of latent_actions"):
        World.load([path for path in FILES if "latent_actions" not in path.name])
    with pytest.raises(MissingFileError, match="there is no"):
        World.load([tmp_path / "a", tmp_path / "b"])


def _parts(world):
    return world.tokenizer, world.latent_actions, world.dynamics


def _stages():
    return [next(stage for stage in STAGES if stage in path.name) for path in FILES]


class Evil:
    """Makes a folder when it is unpickled."""

    def __init__(self, proof):
        self.proof = proof

    def __reduce__(self):
        return os.mkdir, (str(self.proof),)


@pytest.mark.parametrize("zipped", [True, False])
def test_code_is_named_and_not_run(tmp_path, zipped):
    content = content_of(FILES[0])
    content["config"] = {
        **content["config"],
        "more": Evil(tmp_path / "proof"),
        "args": collections.ChainMap({}),
    }
    path = tmp_path / "evil.pth"
    torch.save(content, path, _use_new_zipfile_serialization=zipped)
    with pytest.raises(CheckpointError, match="are not run: it wants") as error:
        load_network(path)
    assert "mkdir" in str(error.value)
    assert "collections.ChainMap" in str(error.value)
    assert not (tmp_path / "proof").exists()


def test_a_plain_pickle_is_not_run(tmp_path):
    path = tmp_path / "evil.pt"
    path.write_bytes(pickle.dumps({"model": Evil(tmp_path / "proof")}))
    with pytest.raises(CheckpointError):
        load_network(path)
    assert not (tmp_path / "proof").exists()


def test_only_the_settings_classes_of_the_original_have_stand_ins(tmp_path):
    script = (
        "import sys, types, torch\n"
        "module = types.ModuleType('utils.config'); sys.modules['utils'] = types.ModuleType('utils')\n"
        "sys.modules['utils.config'] = module\n"
        "def named(name):\n"
        "    made = type(name, (), {'__module__': 'utils.config'}); setattr(module, name, made)\n"
        "    return made()\n"
        "torch.save({'a': named('DistributedConfig')}, sys.argv[1])\n"
        "torch.save({'a': named('Surprise')}, sys.argv[2])\n"
    )
    known, unknown = tmp_path / "known.pth", tmp_path / "unknown.pth"
    subprocess.run([sys.executable, "-c", script, str(known), str(unknown)], check=True)
    with pytest.raises(CheckpointError, match="of no TinyWorlds network"):
        load_network(known)
    with pytest.raises(CheckpointError, match=r"it wants utils\.config\.Surprise;"):
        load_network(unknown)


def test_damage_that_torch_overlooks_is_found(tmp_path):
    data = bytearray(FILES[0].read_bytes())
    data[len(data) // 2] ^= 1  # one bit of one weight
    (tmp_path / "x.pth").write_bytes(data)
    with pytest.raises(CheckpointError, match="truncated or no checkpoint"):
        load_network(tmp_path / "x.pth")


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such names")
def test_a_name_that_safetensors_cannot_open_is_told(tmp_path: Path) -> None:
    path = tmp_path / "jeu-\udce9.world"
    with pytest.raises(StorageError, match="its name is no UTF-8"):
        write_safetensors(path, {}, {"a": torch.zeros(1)})
    assert not [*tmp_path.iterdir()]
    write_safetensors(tmp_path / "a.world", {}, {"a": torch.zeros(1)})
    (tmp_path / "a.world").rename(path)
    with pytest.raises(CheckpointError, match="its name is no UTF-8"):
        read_safetensors(path)
