"""Worlds and checkpoints with a network class of one's own: named, never contained, never run unasked."""

import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from made_runs import networks, save_stage
from small_worlds import random_world

from tinyworlds.api import World
from tinyworlds.checkpoints.own_networks import own_class_path
from tinyworlds.checkpoints.safetensors_file import read_safetensors, write_safetensors
from tinyworlds.checkpoints.search import load_network
from tinyworlds.errors import CheckpointError
from tinyworlds.system.user_code import ASKED_FOR
from tinyworlds.world.file import read_header, save_world

CODE = """
    import torch
    from tinyworlds import VideoTokenizer

    class Shifted(VideoTokenizer):
        def __init__(self, by: float = 0.0, **network) -> None:
            super().__init__(**network)
            self.config |= {"by": by}

        def decode(self, ids):
            return super().decode(ids) + self.config["by"]

    class Other(torch.nn.Linear):
        pass
"""


@pytest.fixture
def world(beside: Callable[[str, str], Path], tmp_path: Path) -> Path:
    """A world whose tokenizer is of a class of one's own; the module is forgotten again."""
    beside("own_net", CODE)
    sys.path.insert(0, str(Path.cwd()))
    made = random_world()
    own = importlib.import_module("own_net").Shifted(by=0.5, **made.tokenizer.config)
    own.load_state_dict(made.tokenizer.state_dict())
    path = save_world(tmp_path / "own.world", World(own, made.dynamics, made.latent_actions, info=made.info))
    forget()
    return path


def forget() -> None:
    """As in another process, started in the same folder."""
    del sys.modules["own_net"]
    sys.path.remove(str(Path.cwd()))


def test_it_is_named_and_needs_to_be_asked_for(world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert read_header(world)["network_classes"] == {"tokenizer": "own_net.Shifted"}
    assert read_header(world)["schema_version"] == 3, "programs from before would build another network"
    Path("own_net.py").rename("kept.py")
    Path("own_net.py").write_text("open('RAN', 'w')\n")
    told = (
        r"own_net\.Shifted, which is not part of tinyworlds, .*TINYWORLDS_IMPORT=own_net, or import it first"
    )
    with pytest.raises(CheckpointError, match=told):
        World.load(world)
    with pytest.raises(CheckpointError, match=told):
        load_network(world, stage="video_tokenizer")
    assert not Path("RAN").exists()
    Path("kept.py").replace("own_net.py")
    importlib.invalidate_caches()
    monkeypatch.setenv(ASKED_FOR, "own_net")
    opened = World.load(world)
    assert own_class_path(opened.tokenizer) == "own_net.Shifted"
    assert opened.tokenizer.config["by"] == 0.5
    ids = torch.zeros(1, 1, opened.tokenizer.config["frame_size"] // 4 * 4, dtype=torch.long)
    plain = type(opened.tokenizer).__mro__[1].decode(opened.tokenizer, ids)
    assert torch.equal(opened.tokenizer.decode(ids), plain + 0.5)


def test_what_the_process_has_imported_is_in_use(world: Path) -> None:
    sys.path.insert(0, str(Path.cwd()))
    importlib.import_module("own_net")
    assert type(World.load(world).tokenizer).__name__ == "Shifted"


def test_a_world_of_ours_is_as_before(tmp_path: Path) -> None:
    path = save_world(tmp_path / "plain.world", random_world())
    assert "network_classes" not in read_header(path)
    assert read_header(path)["schema_version"] == 1


HOSTILE: tuple[Any, ...] = (
    "os.system", "posix.system", "builtins.eval", "own_net.Other", "own_net.torch", "own_net.nothing",
    "own_net", "own net.X", "", 7, ["own_net.Shifted"], {"a": 1}, "x." * 200 + "X", "tinyworlds.World",
)  # fmt: skip


@pytest.mark.parametrize("named", HOSTILE)
def test_whatever_stands_there_is_a_line(named: Any, world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ASKED_FOR, "own_net")
    header, tensors = read_safetensors(world)
    write_safetensors(world, {**header, "network_classes": {"tokenizer": named}}, tensors)
    with pytest.raises(CheckpointError) as failure:
        World.load(world)
    assert "\n" not in str(failure.value)


def test_a_map_that_is_none_is_damage(world: Path) -> None:
    header, tensors = read_safetensors(world)
    write_safetensors(world, {**header, "network_classes": 3}, tensors)
    with pytest.raises(CheckpointError, match="damaged"):
        World.load(world)


def test_a_checkpoint_is_guarded_alike(beside: Callable[[str, str], Path], tmp_path: Path) -> None:
    beside("own_net", "open('RAN', 'w')\n")
    network = networks()["video_tokenizer"]
    path = save_stage(tmp_path / "run", "video_tokenizer", network, network_class="own_net.Shifted")
    with pytest.raises(CheckpointError, match=r"needs the network class own_net\.Shifted"):
        load_network(path)
    assert not Path("RAN").exists()
    path = save_stage(tmp_path / "run", "video_tokenizer", network, network_class=["own_net.Shifted"])
    with pytest.raises(CheckpointError, match="malformed"):
        load_network(path)


def test_a_class_that_torch_derives_while_it_runs_is_not_ones_own() -> None:
    """As FSDP and parametrizations do, so that a module has another class than it was written with."""
    tokenizer = networks()["video_tokenizer"]
    derived = {"__module__": "torch.distributed.fsdp._fully_shard"}
    tokenizer.__class__ = type("FSDPVideoTokenizer", (type(tokenizer),), derived)
    assert own_class_path(tokenizer) is None
