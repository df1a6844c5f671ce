"""Counts codes and latent actions while validating, and raises the alarm when a codebook collapses."""

from __future__ import annotations

import warnings
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor

from tinyworlds.metrics.usage import ActionUsage, CodeCounter, CodePerplexity


class CodeUsage(Callback):
    """Logs ``val/code_perplexity``, ``val/action_perplexity`` and ``val/actions_used``; warns of a collapse.

    A codebook has collapsed when the entropy of its ids is below a share of the most it could be. With 4
    actions, 0.2 means that one of them is taken 95 % of the time; frames of a game may well be mostly
    background, so 0.05 for the codes.

    Args:
        codes_below: Share of the largest possible entropy, 0 to 1, for the tokenizer's codes.
        actions_below: The same for latent actions.
        patience: Validations in a row before the alarm; young codebooks may be narrow.
        max_batches: Validation batches that are counted.
    """

    def __init__(
        self, codes_below: float = 0.05, actions_below: float = 0.2, patience: int = 2, max_batches: int = 8
    ) -> None:
        self.limits = {"code": codes_below, "action": actions_below}
        self.patience, self.max_batches = patience, max_batches
        self.counters: dict[str, CodeCounter] = {}
        self.collapsed_for: dict[str, int] = {}

    def on_validation_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Count from zero."""
        self.counters = {}

    def on_validation_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Count the ids of one batch."""
        if batch_idx >= self.max_batches:
            return
        for kind, (ids, num_codes) in _ids_of(pl_module, batch).items():
            self._count(kind, ids, num_codes, pl_module.device)

    def _count(self, kind: str, ids: Tensor, num_codes: int, device: torch.device) -> None:
        if kind not in self.counters:
            self.counters[kind] = CodePerplexity(num_codes).to(device)
            if kind == "action":
                self.counters["actions_used"] = ActionUsage(num_codes).to(device)
        self.counters[kind].update(ids)
        if kind == "action":
            self.counters["actions_used"].update(ids)

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Log the figures, and warn if a codebook has collapsed."""
        for kind, counter in self.counters.items():
            value = counter.compute()
            name = kind if kind == "actions_used" else f"{kind}_perplexity"
            # of all processes already; without the flag Lightning warns that it might not be
            pl_module.log(f"val/{name}", value, batch_size=1, sync_dist=True)
            if kind != "actions_used" and not trainer.sanity_checking:
                self._watch(trainer, kind, counter, float(value))

    def _watch(self, trainer: Trainer, kind: str, counter: CodeCounter, perplexity: float) -> None:
        collapsed = evenness(perplexity, counter.num_codes) < self.limits[kind]
        self.collapsed_for[kind] = self.collapsed_for.get(kind, 0) + 1 if collapsed else 0
        if self.collapsed_for[kind] != self.patience or not trainer.is_global_zero:
            return  # once for each collapse, not at every validation
        what, remedy = _WORDS[kind]
        warnings.warn(
            f"Collapse at step {trainer.global_step}: {what} use {perplexity:.1f} of {counter.num_codes} ids "
            f"in effect; {remedy}",
            stacklevel=2,
        )


_WORDS = {
    "code": (
        "the tokenizer's codes",
        "a lower learning rate or longer warm-up helps, as do frames that are not all alike.",
    ),
    "action": (
        "the latent actions",
        "the world cannot be steered; a larger frame stride (lower data.fps) or another seed helps.",
    ),
}


def evenness(perplexity: float, num_codes: int) -> float:
    """Entropy over the most it could be, from a perplexity: 0 collapsed, 1 all ids equally often."""
    largest = torch.log(torch.tensor(float(max(num_codes, 2))))
    return float(torch.log(torch.tensor(max(perplexity, 1.0))) / largest)


@torch.no_grad()
def _ids_of(stage: Any, batch: Any) -> dict[str, tuple[Tensor, int]]:
    """The ids a stage makes of a batch and the size of their codebook, by kind."""
    network = stage.network
    if hasattr(stage, "codes"):  # the dynamics stage knows both
        ids, action_ids = stage.codes(batch)
        usage = {"code": (ids, network.mask_id)}
        if action_ids is not None:
            usage["action"] = (action_ids, network.num_actions)
        return usage
    if "frames" not in batch:
        return {}
    with torch.autocast(stage.device.type, enabled=False):  # ids come out wrong in half precision
        ids = network.encode(batch["frames"].float())
    is_tokenizer = hasattr(network, "num_codes")
    return {"code": (ids, network.num_codes)} if is_tokenizer else {"action": (ids, network.num_actions)}
