"""Shows what the tokenizer keeps, and proves which range of pixels it expects."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor

from callbacks.publishing import harmless, pictures_folder, publish
from tinyworlds.media.pictures import error_picture, save_strip
from tinyworlds.media.pixels import as_pictures
from tinyworlds.models import VideoTokenizer
from tinyworlds.system.files import write_text


@dataclass(frozen=True)
class Feed:
    """One clip fed in one range of pixels. The MSE is in units of [-1, 1] for both, so that they compare."""

    domain: str
    mse: float
    input_min: float
    input_max: float
    input_mean: float
    output_min: float
    output_max: float
    output_mean: float

    @property
    def line(self) -> str:
        """Everything in one line."""
        return (
            f"Fed as {self.domain}: MSE {self.mse:.5f} (in units of [-1, 1]). "
            f"Input {self.input_min:.2f} to {self.input_max:.2f}, mean {self.input_mean:.2f}. "
            f"Output {self.output_min:.2f} to {self.output_max:.2f}, mean {self.output_mean:.2f}."
        )


class ReconstructionAB(Callback):
    """Feeds the same clip as [-1, 1] and as [0, 1] at each validation or test.

    Writes one labelled picture each (truth, reconstruction, error) and ``reconstruction_ab.json`` with the
    MSE, the smallest, largest and mean value of inputs and outputs, and which range the tokenizer expects.

    Args:
        num_frames: Frames shown, taken from the first clips of the first batch.
    """

    def __init__(self, num_frames: int = 8) -> None:
        self.num_frames = num_frames

    def on_validation_batch_end(self, trainer: Trainer, pl_module: LightningModule, *args: Any) -> None:
        """Draw the first batch of each validation."""
        self._first_batch(trainer, pl_module, *args)

    def on_test_batch_end(self, trainer: Trainer, pl_module: LightningModule, *args: Any) -> None:
        """Draw the first batch of a test."""
        self._first_batch(trainer, pl_module, *args)

    def _first_batch(
        self, trainer: Trainer, stage: Any, outputs: Any, batch: Any, batch_idx: int, dataloader_idx: int = 0
    ) -> None:
        tokenizer = stage.network
        if batch_idx or trainer.sanity_checking or not trainer.is_global_zero:
            return
        if not hasattr(tokenizer, "decode") or "frames" not in batch:
            return
        with harmless():
            self._draw(trainer, tokenizer, batch["frames"][: self.num_frames].float())

    def _draw(self, trainer: Trainer, tokenizer: VideoTokenizer, frames: Tensor) -> None:
        folder = pictures_folder(trainer)
        with torch.autocast(frames.device.type, enabled=False):
            signed, signed_out = feed(tokenizer, frames, "[-1, 1]")
            unsigned, unsigned_out = feed(tokenizer, frames, "[0, 1]")
        statement = expected_domain(signed, unsigned)
        for fed, output, name in ((signed, signed_out, "minus1_1"), (unsigned, unsigned_out, "0_1")):
            path = folder / f"reconstruction_{name}_step_{trainer.global_step}.png"
            _picture(path, frames, output, f"{fed.line} {statement}", self.num_frames)
            publish(trainer, f"reconstruction/{name}", path)
        content = {
            "step": trainer.global_step,
            "statement": statement,
            "feeds": [asdict(signed), asdict(unsigned)],
        }
        write_text(folder / "reconstruction_ab.json", json.dumps(content, indent=2) + "\n")


@torch.no_grad()
def feed(tokenizer: VideoTokenizer, frames: Tensor, domain: str) -> tuple[Feed, Tensor]:
    """Reconstruct clips [B, T, C, H, W], given in [-1, 1], in one range; the output is in [-1, 1] again."""
    inputs = (frames + 1) / 2 if domain == "[0, 1]" else frames
    outputs = tokenizer.decode(tokenizer.encode(inputs)).float()
    signed = outputs * 2 - 1 if domain == "[0, 1]" else outputs
    stats = [float(f(x)) for x in (inputs, outputs) for f in (torch.min, torch.max, torch.mean)]
    return Feed(domain, float((signed - frames).square().mean()), *stats), signed


def expected_domain(signed: Feed, unsigned: Feed) -> str:
    """Say which range the tokenizer expects: the one it reconstructs better."""
    better, other = (signed, unsigned) if signed.mse <= unsigned.mse else (unsigned, signed)
    ratio = other.mse / max(better.mse, 1e-12)
    if ratio < 1.05:
        return "The tokenizer does not tell the two ranges apart yet."
    return f"The tokenizer expects {better.domain}: its error is {ratio:.1f} times smaller there."


def _picture(path: Path, frames: Tensor, output: Tensor, title: str, count: int) -> None:
    # one frame of each clip shows more than all frames of one
    last_truth, last_output = frames[:count, -1], output[:count, -1]
    rows = [as_pictures(last_truth), as_pictures(last_output), error_picture(last_output, last_truth)]
    labels = ["truth", "reconstruction", "error x2"]
    save_strip(path, [list(row) for row in rows], labels, title=title)
