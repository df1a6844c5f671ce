"""A mixture of feed-forward experts, of which each token uses the best few.

Routing and the balance loss follow Switch Transformers (https://arxiv.org/abs/2101.03961, section 2.2), with
the top-k softmax weights of Mixtral (https://arxiv.org/abs/2401.04088, section 2.1).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class MixtureOfExperts(nn.Module):
    """Sends each token to its `top_k` experts and sums their outputs, weighted by the router.

    Tokens are grouped by expert, so each expert runs once, on its own tokens only. An expert that got none
    runs on nothing and still takes part in the graph: every parameter has a gradient on every rank.

    Attributes:
        balance: After a pass in training mode, a scalar that is smallest (1) when all experts are used alike.
    """

    def __init__(
        self,
        embed_dim: int,
        num_experts: int,
        top_k: int,
        make_expert: Callable[[], nn.Module],
        norm: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.top_k = top_k
        self.router = nn.Linear(embed_dim, num_experts, bias=False)
        self.experts = nn.ModuleList(make_expert() for _ in range(num_experts))
        if norm is not None:
            self.norm = norm
        self.balance: Tensor | None = None

    def forward(self, x: Tensor) -> Tensor:
        """Map ``[..., E]`` to ``[..., E]``."""
        tokens = x.reshape(-1, x.shape[-1])  # [N, E]
        logits = self.router(tokens).float()  # [N, experts]; a choice must not hang on bf16 rounding
        best, chosen = logits.topk(self.top_k, dim=-1)  # [N, k]
        weights = best.softmax(dim=-1)
        self.balance = self._balance(logits, chosen) if self.training else None
        if self._should_run_all(tokens):
            return self._mix_all(tokens, chosen, weights).view_as(x)
        return self._mix(tokens, chosen.flatten(), weights.flatten()).view_as(x)

    def _should_run_all(self, tokens: Tensor) -> bool:
        """At play a GPU is done with all experts sooner than the host has read how many tokens each has."""
        return not self.training and tokens.device.type != "cpu"

    def _mix_all(self, tokens: Tensor, chosen: Tensor, weights: Tensor) -> Tensor:
        """As `_mix`, of every expert's output for every token; nothing hangs on what was chosen."""
        outputs = torch.stack([expert(tokens) for expert in self.experts], dim=1)  # [N, experts, E]
        shares = weights.new_zeros(outputs.shape[:2]).scatter(1, chosen, weights)
        return (outputs * shares[..., None].to(outputs.dtype)).sum(dim=1)

    def _mix(self, tokens: Tensor, chosen: Tensor, weights: Tensor) -> Tensor:
        order = chosen.argsort(stable=True)  # dispatches, grouped by expert
        source = torch.div(order, self.top_k, rounding_mode="floor")  # the token of each dispatch
        sizes = torch.bincount(chosen, minlength=len(self.experts)).tolist()
        groups = tokens[source].split(sizes)
        outputs = torch.cat([expert(group) for expert, group in zip(self.experts, groups, strict=True)])
        weighted = outputs * weights[order, None].to(outputs.dtype)
        return torch.zeros_like(tokens, dtype=outputs.dtype).index_add(0, source, weighted)

    def _balance(self, logits: Tensor, chosen: Tensor) -> Tensor:
        num_experts = logits.shape[-1]
        dispatched = F.one_hot(chosen, num_experts).float().mean(dim=(0, 1))  # shares, sum 1
        probability = logits.softmax(dim=-1).mean(dim=0)
        return num_experts * (dispatched * probability).sum()


def balance_loss(network: nn.Module) -> Tensor:
    """Sum of the balance terms of all mixtures in `network`; 0 unless it just ran in training mode."""
    mixtures = (module for module in network.modules() if isinstance(module, MixtureOfExperts))
    terms = [mixture.balance for mixture in mixtures if mixture.balance is not None]
    return torch.stack(terms).sum() if terms else torch.zeros(())
