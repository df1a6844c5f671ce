"""Codes computed once, as a run leaves them."""

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
