"""Cross entropy over many codes without holding all logits at once.

A batch of frames has one row of logits per token: at 1,024 codes that is by far the largest tensor of a
training step. Here rows are made, judged and turned into gradients a chunk at a time, and only the gradients
of the inputs stay (the idea of https://arxiv.org/abs/2410.10989, section 3.2).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from tinyworlds.nn.kernels.code_loss import can_judge_natively, judge_natively

_CHUNK_LOGITS = {"cpu": 2**18}  # fits the cache of one core
_CHUNK_LOGITS_DEFAULT = 2**25


IGNORED = -100
"""Target of a row that is not judged, as in `torch.nn.functional.cross_entropy`."""


class _LinearCrossEntropy(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, targets: Tensor, judged: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        wanted = any(ctx.needs_input_grad)
        ctx.dtypes = x.dtype, weight.dtype, bias.dtype
        if judged is None and can_judge_natively(x, weight, bias):
            loss, correct, grads = judge_natively(x, weight, bias, targets, wanted)
        else:
            loss, correct, grads = _judge(x, weight, bias, targets, judged, wanted)
        ctx.save_for_backward(*grads)
        ctx.mark_non_differentiable(correct)
        return loss, correct

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, slope: Tensor, _: Tensor) -> tuple[Tensor | None, ...]:
        parts = zip(ctx.saved_tensors, ctx.dtypes, strict=True)
        return *((grad * slope).to(dtype) for grad, dtype in parts), None, None


def _judge(
    x: Tensor, weight: Tensor, bias: Tensor, targets: Tensor, judged: Tensor | None, wanted: bool
) -> tuple[Tensor, Tensor, list[Tensor]]:
    grads = [torch.zeros_like(part, dtype=torch.float32) for part in (x, weight, bias)]
    loss, correct = x.new_zeros((), dtype=torch.float32), targets.new_zeros(())
    rows = max(_CHUNK_LOGITS.get(x.device.type, _CHUNK_LOGITS_DEFAULT) // len(weight), 1)
    for start in range(0, len(x), rows):
        chunk, target = x[start : start + rows], targets[start : start + rows, None]
        logits = torch.nn.functional.linear(chunk, weight, bias).float()
        hits = logits.argmax(dim=1, keepdim=True) == target
        total = logits.logsumexp(dim=1, keepdim=True)
        surprise = total - logits.gather(1, target)
        if judged is not None:
            counts = judged[start : start + rows, None]
            hits, surprise = hits & counts, surprise * counts
        correct += hits.sum()
        loss += surprise.sum()
        if wanted:
            slope = (logits - total).exp_()  # the softmax
            slope.scatter_add_(1, target, torch.full_like(total, -1.0))
            if judged is not None:
                slope *= counts
            grads[0][start : start + rows] = slope @ weight
            grads[1] += slope.T @ chunk
            grads[2] += slope.sum(dim=0)
    return loss, correct, grads


def linear_cross_entropy(x: Tensor, weight: Tensor, bias: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Summed cross entropy of ``softmax(x @ weight.T + bias)``, and how many rows guess right.

    Args:
        x: ``[N, E]``.
        weight: ``[K, E]``.
        bias: ``[K]``.
        targets: ``[N]`` int64 in 0..K-1; rows of `IGNORED` ones are left out.

    Returns:
        The float32 sum over rows, differentiable once, and the int64 number of rows whose largest logit is
        the target's.
    """
    judged = targets != IGNORED
    if x.device.type == "cpu":  # leaving rows out saves work, and counting them costs nothing
        rows = judged.nonzero()[:, 0]
        return _LinearCrossEntropy.apply(x[rows], weight, bias, targets[rows], None)
    return _LinearCrossEntropy.apply(x, weight, bias, targets.where(judged, 0), judged)
