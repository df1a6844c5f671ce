"""Codes computed once, as a run leaves them; files that a disk or a program has damaged."""

import os
from pathlib import Path
from types import SimpleNamespace

import torch
from lightning.pytorch.strategies import SingleDeviceStrategy

from tinyworlds import H5DataModule, LatentActionModel, VideoTokenizer
from tinyworlds.checkpoints.load import fingerprint
from tinyworlds.training.stages.codes import cache as code_cache
from tinyworlds.training.stages.partners import Partner

SIZES = {"frame_size": 16, "embed_dim": 16, "num_heads": 2, "hidden_dim": 16, "num_blocks": 1}


def partners_of(architecture: str, seed: int = 0) -> tuple[Partner, Partner]:
    torch.manual_seed(seed)
    networks = (
        VideoTokenizer(architecture=architecture, **SIZES).eval(),
        LatentActionModel(architecture=architecture, num_actions=4, **SIZES).eval(),
    )
    return tuple(Partner(network, "here", fingerprint(network)) for network in networks)


def cached(files, partners, **settings) -> H5DataModule:
    """A data module as a run leaves it after its dynamics stage was set up."""
    data = H5DataModule([str(file) for file in files], batch_size=8, **settings)
    data.prepare_data()
    data.setup("fit")
    trainer = SimpleNamespace(datamodule=data, local_rank=0, strategy=SingleDeviceStrategy("cpu"))
    code_cache.cache_codes(trainer, *partners)
    return data


def damage(path: Path, how: str) -> None:
    """Let a file be cut, halved, emptied, made longer, half zeros or changed in its middle."""
    size = path.stat().st_size
    if how == "cut":
        os.truncate(path, size - 1)
    elif how == "halved":
        os.truncate(path, size // 2)
    elif how == "emptied":
        os.truncate(path, 0)
    elif how == "longer":
        os.truncate(path, size + 4096)
    elif how == "zeros":  # as after a power cut
        os.truncate(path, size // 2)
        os.truncate(path, size)
    else:
        with path.open("r+b") as file:
            file.seek(size // 2)
            file.write(b"\x55\xaa")
