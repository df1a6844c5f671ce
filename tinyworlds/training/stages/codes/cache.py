"""Codes and latent actions computed once, so that training dynamics neither reads pixels nor encodes them.

Where a frame's codes depend on that frame alone and an action on its two frames alone (architecture v2),
every frame is encoded once, as where an anchored model reads whole episodes; elsewhere (v1) every window that
training and validation draw. The result lies beside the gameplay file, see
:mod:`tinyworlds.training.stages.codes.files`.
"""

from __future__ import annotations

import time
import warnings

import torch
from lightning.pytorch import Trainer
from lightning.pytorch.strategies import Strategy

from tinyworlds.data.module import H5DataModule
from tinyworlds.models import LatentActionModel, VideoTokenizer
from tinyworlds.training.stages.codes.encoders import CodeEncoder, FrameEncoder, WindowEncoder
from tinyworlds.training.stages.codes.files import ensure_codes, origin_of
from tinyworlds.training.stages.partners import Partner
from tinyworlds.training.trainer_parts import parts_of

_MEET_SECONDS = 60.0


def cache_codes(
    trainer: Trainer, tokenizer: Partner[VideoTokenizer], action_model: Partner[LatentActionModel] | None
) -> None:
    """Encode the files of the trainer's datamodule and hand it the codes; without room only warn.

    The first process of each machine encodes, the others wait: machines may or may not share a disk.
    """
    data = parts_of(trainer).datamodule
    actions = (action_model.network, action_model.fingerprint) if action_model is not None else (None, None)
    encoders = code_encoders(data, tokenizer.network, actions[0])
    weights = (tokenizer.fingerprint, actions[1])
    meeting = Meeting(trainer.strategy)
    if trainer.local_rank == 0:
        try:
            for encoder in encoders:
                origin = origin_of(encoder, *weights, meeting.still_busy)
                ensure_codes(encoder, origin, meeting.still_busy)
        except OSError as error:
            warnings.warn(f"codes are computed on the fly, which is slower: {error}", stacklevel=2)
    meeting.finish()
    files = [encoder.file.info.path for encoder in encoders]
    # the first process has noted the files' content by now
    paths = [origin_of(each, *weights).path(file) for each, file in zip(encoders, files, strict=True)]
    if all(path.exists() for path in paths):
        data.use_codes(dict(zip(map(str, files), paths, strict=True)))


def code_encoders(
    data: H5DataModule, tokenizer: VideoTokenizer, action_model: LatentActionModel | None
) -> list[CodeEncoder]:
    """Return an encoder for each file of a datamodule, by frames where these networks allow it."""
    networks = (tokenizer, action_model)
    files = list(zip(data.frame_files, data.strides, strict=True))
    by_frame = action_model is None or action_model.anchored or _per_pair(action_model)
    if tokenizer.per_frame and by_frame:
        return [FrameEncoder(file, stride, *networks) for file, stride in files]
    return [
        WindowEncoder(file, data.window_starts(number), data.num_frames, stride, *networks)
        for number, (file, stride) in enumerate(files)
    ]


@torch.no_grad()
def _per_pair(action_model: LatentActionModel) -> bool:
    """Try it: do the actions of a clip change when its pairs of frames are shown one by one?"""
    size, channels = action_model.config["frame_size"], action_model.config["num_channels"]
    device = next(action_model.parameters()).device
    generator = torch.Generator().manual_seed(0)
    clip = (torch.rand(2, 4, channels, size, size, generator=generator) * 2 - 1).to(device)
    whole = action_model.encoder(clip)  # [B, T-1, A]
    pairs = torch.cat([action_model.encoder(clip[:, i : i + 2]) for i in range(3)], dim=1)
    return torch.allclose(whole, pairs, rtol=1e-3, atol=1e-4)


class Meeting:
    """Lets processes wait for the long work of others: a single wait fails after minutes (10 with NCCL).

    All meet every minute until all have finished.
    """

    def __init__(self, strategy: Strategy) -> None:
        self._strategy = strategy
        self._last = time.monotonic()

    def still_busy(self) -> None:
        """Tell the others from time to time that there is still work to wait for."""
        if time.monotonic() - self._last >= _MEET_SECONDS:
            self._strategy.reduce_boolean_decision(False)
            self._last = time.monotonic()

    def finish(self) -> None:
        """Wait until all have finished."""
        while not self._strategy.reduce_boolean_decision(True):
            pass
