"""Weights that others published load; broken ones say what is wrong."""

from pathlib import Path

import pytest
import torch
from paths import PARITY

from tinyworlds import load_network
from tinyworlds.checkpoints.load import fingerprint
from tinyworlds.checkpoints.search import find_newest
from tinyworlds.errors import CheckpointError, MissingFileError


@pytest.mark.parametrize(
    "path", sorted(PARITY.glob("*/*step*")), ids=lambda p: f"{p.parent.name}-{p.name[:20]}"
)
def test_public_files_load(path: Path) -> None:
    network = load_network(path)
    assert not network.training
    assert network.config["architecture"] == "v1"
    assert fingerprint(network) == fingerprint(load_network(path))


def test_public_files_that_are_broken(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError):
        load_network(tmp_path / "none.pth")
    torch.save({"model": {"x": torch.zeros(1)}}, tmp_path / "odd.pth")
    with pytest.raises(CheckpointError, match=r"odd\.pth"):
        load_network(tmp_path / "odd.pth")
    (tmp_path / "short.pth").write_bytes(b"")
    with pytest.raises(CheckpointError):
        load_network(tmp_path / "short.pth")
    folder = tmp_path / "dynamics_step_1"
    folder.mkdir()
    with pytest.raises(CheckpointError, match=r"no model_state_dict\.pt in it"):
        load_network(folder)
    with pytest.raises(CheckpointError, match="no stage"):
        find_newest(tmp_path, "tokenizer")
