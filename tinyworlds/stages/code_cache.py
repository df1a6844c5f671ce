"""Codes of every frame, computed once, so that training dynamics neither reads pixels nor encodes them.

Possible where a frame's code depends on that frame alone and an action on its two frames alone
(architecture v2). A codes file holds ``ids`` int16 [N, P] and, with an action model, ``action_ids`` int16
[N]: the latent action between frame i and frame i + stride. It is named after the weights, the stride and
the gameplay file's size and time, so a stale one is never read.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import h5py
import numpy as np
import torch
from lightning.pytorch import Trainer
from torch import nn

from tinyworlds.atomic import replacing
from tinyworlds.data.pixels import frames_to_input
from tinyworlds.data.progress import progress_bar
from tinyworlds.data.reader import FrameFile
from tinyworlds.errors import ConfigError
from tinyworlds.stages.partners import Partner

_BATCH_PIXELS = 2**20
"""Pixels of a batch while encoding: 256 frames of 64 x 64."""


def can_cache(tokenizer: nn.Module, action_model: nn.Module | None) -> bool:
    """Return whether every frame (and pair of frames) can be encoded on its own."""
    return bool(tokenizer.per_frame) and (action_model is None or _per_pair(action_model))


@torch.no_grad()
def _per_pair(action_model: nn.Module) -> bool:
    """Try it: do the actions of a clip change when its pairs of frames are shown one by one?"""
    size, channels = action_model.config["frame_size"], action_model.config["num_channels"]
    device = next(action_model.parameters()).device
    generator = torch.Generator().manual_seed(0)
    clip = (torch.rand(2, 4, channels, size, size, generator=generator) * 2 - 1).to(device)
    whole = action_model.encoder(clip)  # [B, T-1, A]
    pairs = torch.cat([action_model.encoder(clip[:, i : i + 2]) for i in range(3)], dim=1)
    return torch.allclose(whole, pairs, rtol=1e-3, atol=1e-4)


def cache_codes(
    trainer: Trainer, tokenizer: Partner, action_model: Partner | None, folder: Path
) -> dict[str, Path]:
    """Encode the files of the trainer's datamodule (rank 0 does, the others wait) and hand it the codes.

    Returns:
        The codes file of each gameplay file.
    """
    data = trainer.datamodule
    codes = {}
    for file, stride in zip(data.frame_files, data.strides, strict=True):
        path = codes_path(file.info.path, stride, tokenizer, action_model, folder)
        codes[str(file.info.path)] = path
        if trainer.is_global_zero and not path.exists():
            build_codes(file, stride, tokenizer.network, action_model and action_model.network, path)
    trainer.strategy.barrier("codes")
    data.use_codes(codes)
    return codes


def codes_path(
    source: str | Path, stride: int, tokenizer: Partner, action_model: Partner | None, folder: Path
) -> Path:
    """Return the name of the codes file of one gameplay file under these weights and this stride."""
    stat = Path(source).stat()
    actions = action_model.fingerprint if action_model is not None else "-"
    made_of = (tokenizer.fingerprint, actions, stride, Path(source).resolve(), stat.st_size, stat.st_mtime_ns)
    key = " ".join(map(str, made_of))
    return folder / f"{Path(source).stem}-{hashlib.sha256(key.encode()).hexdigest()[:12]}.h5"


@torch.no_grad()
def build_codes(
    file: FrameFile,
    stride: int,
    tokenizer: nn.Module,
    action_model: nn.Module | None,
    path: Path,
    progress: bool = True,
) -> Path:
    """Encode every frame of a gameplay file into a codes file, whole or not at all.

    Args:
        file: the gameplay file.
        stride: frames from one frame of a training window to the next.
        tokenizer: per-frame tokenizer in eval mode; frames are encoded in float32 on its device.
        action_model: pairwise action model in eval mode, or None.
        path: the codes file to write.
        progress: show a bar with the time left.

    Raises:
        ConfigError: more codes than 16 bits hold.
        StorageError: the disk is full.
    """
    if tokenizer.num_codes > 2**15:
        raise ConfigError(
            f"{tokenizer.num_codes:,} codes are too many for a cache: set --model.cache_codes false"
        )
    device = next(tokenizer.parameters()).device
    count = len(file)
    batch = max(1, _BATCH_PIXELS // (file.info.height * file.info.width))
    ids = np.empty((count, tokenizer.num_patches), np.int16)
    action_ids = np.zeros(count, np.int16)
    with progress_bar(f"encoding {file.info.path.name}", count, progress) as advance:
        for start in range(0, count, batch):
            here = min(batch, count - start)
            frames = file.frames(start, min(here + stride, count - start))
            images = frames_to_input(torch.from_numpy(frames).to(device))  # [here + stride, C, H, W]
            found = tokenizer.encode(images[:here, None])  # [here, 1, P]
            ids[start : start + here] = found[:, 0].cpu().numpy()
            pairs = min(here, len(images) - stride)
            if action_model is not None and pairs > 0:
                both = torch.stack(
                    [images[:pairs], images[stride : stride + pairs]], dim=1
                )  # [pairs, 2, C, H, W]
                action_ids[start : start + pairs] = action_model.encode(both)[:, 0].cpu().numpy()
            advance(here)
    with replacing(path) as part, h5py.File(part, "w") as target:
        # stored in one piece, so that a window is one plain read
        target.create_dataset("ids", data=ids)
        if action_model is not None:
            target.create_dataset("action_ids", data=action_ids)
    return path
