"""A checkpoint is written whole or not at all."""

from pathlib import Path

import pytest
import torch

from tinyworlds.checkpoints.lightning_io import atomic_save


def test_atomic_save_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "x.ckpt"
    atomic_save({"a": 1}, path)
    with pytest.raises((TypeError, AttributeError)):
        atomic_save({"a": lambda: 0}, path)
    assert torch.load(path) == {"a": 1}
    assert [*tmp_path.iterdir()] == [path]
