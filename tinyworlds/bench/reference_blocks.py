"""Building blocks of the reference: the v1 architecture as it is described, one operation after another.

Nothing here is made fast, and nothing is shared with the library: this is what its speed is measured against,
and a second opinion on its numbers. Names of parameters are those of public weights.

Shapes: B batch, T frames, P patches per frame, E embedding, A conditioning, d width of a head.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def sincos(positions: Tensor, width: int) -> Tensor:
    """Sine in even channels and cosine in odd ones: positions [N] -> [N, width]; `width` is even."""
    exponent = torch.arange(0, width, 2, device=positions.device) / max(width, 1)
    angles = positions[:, None] / 10000**exponent
    return torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(1)


def time_width(dim: int) -> int:
    """How many of the last channels tell the frame; those before tell the place."""
    return dim // 3 // 2 * 2


def space_code(grid: int, dim: int) -> Tensor:
    """Code of the places of a grid, row by row: [grid * grid, dim], zero in the channels of time."""
    space = dim - time_width(dim)
    column_width = space // 2 // 2 * 2
    index = torch.arange(grid * grid)
    columns = sincos(index % grid, column_width)
    rows = sincos(index // grid, space - column_width)
    return torch.cat([columns, rows, torch.zeros(grid * grid, time_width(dim))], dim=1)


class RMSNorm(nn.Module):
    """Divide by the root mean square over E, times a learned weight."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(dim))

    def forward(self, x: Tensor) -> Tensor:
        return x / torch.sqrt(x.pow(2).mean(dim=-1, keepdim=True) + 1e-5) * self.weight


class Norm(nn.Module):
    """RMSNorm, or where there is conditioning a LayerNorm scaled and shifted by it, frame by frame."""

    def __init__(self, dim: int, cond_dim: int) -> None:
        super().__init__()
        self.dim = dim
        if cond_dim:
            self.to_gamma_beta = nn.Sequential(nn.SiLU(), nn.Linear(cond_dim, 2 * dim))
        else:
            self.rms = RMSNorm(dim)

    def forward(self, x: Tensor, cond: Tensor | None) -> Tensor:
        """X [B, T, P, E], cond [B, T or T-1, A]; with T-1 the first frame stays as normalised."""
        if not hasattr(self, "to_gamma_beta"):
            return self.rms(x)
        x = F.layer_norm(x, (self.dim,), eps=1e-5)
        if cond is None:
            return x
        gamma_beta = self.to_gamma_beta(cond)  # [B, T or T-1, 2E]
        if gamma_beta.shape[1] == x.shape[1] - 1:
            first = torch.zeros_like(gamma_beta[:, :1])
            gamma_beta = torch.cat([first, gamma_beta], dim=1)
        gamma, beta = gamma_beta[:, :, None].chunk(2, dim=-1)
        return x * (1 + gamma) + beta


class Attention(nn.Module):
    """softmax(q k^T / sqrt(d)) v over the middle dimension of [N, length, E], several heads.

    Attributes:
        fused: whether PyTorch does it in one call; written out otherwise. See `use_sdpa`.
    """

    fused = False

    def __init__(self, dim: int, num_heads: int, cond_dim: int) -> None:
        super().__init__()
        self.num_heads, self.head_dim = num_heads, dim // num_heads
        self.q_proj, self.k_proj, self.v_proj, self.out_proj = (nn.Linear(dim, dim) for _ in range(4))
        self.norm = Norm(dim, cond_dim)

    def heads(self, x: Tensor) -> Tensor:
        """[N, length, E] -> [N, heads, length, d]."""
        return x.reshape(*x.shape[:2], self.num_heads, self.head_dim).permute(0, 2, 1, 3)

    def attend(self, x: Tensor, hidden: Tensor | None = None) -> Tensor:
        """`hidden`, bool [length, length], is true where a row must not look: at what comes after it."""
        q, k, v = self.heads(self.q_proj(x)), self.heads(self.k_proj(x)), self.heads(self.v_proj(x))
        if self.fused:
            mixed = F.scaled_dot_product_attention(q, k, v, is_causal=hidden is not None)
            return self.out_proj(mixed.permute(0, 2, 1, 3).reshape(x.shape))
        scores = torch.matmul(q, k.transpose(-2, -1)) / self.head_dim**0.5
        if hidden is not None:
            scores = scores.masked_fill(hidden, float("-inf"))
        mixed = torch.matmul(torch.softmax(scores, dim=-1), v)  # [N, heads, length, d]
        return self.out_proj(mixed.permute(0, 2, 1, 3).reshape(x.shape))


def use_sdpa(network: nn.Module) -> None:
    """Compute all attention of a network by PyTorch's own function."""
    for module in network.modules():
        if isinstance(module, Attention):
            module.fused = True


class SpatialAttention(Attention):
    """Within a frame, every patch looks at every patch."""

    def forward(self, x: Tensor, cond: Tensor | None) -> Tensor:
        batch, length, patches, dim = x.shape
        out = self.attend(x.reshape(batch * length, patches, dim))
        return self.norm(x + out.reshape(x.shape), cond)


class TemporalAttention(Attention):
    """Every patch looks at itself, now and in earlier frames."""

    def forward(self, x: Tensor, cond: Tensor | None) -> Tensor:
        batch, length, patches, dim = x.shape
        future = torch.ones(length, length, dtype=torch.bool, device=x.device).triu(1)
        out = self.attend(x.transpose(1, 2).reshape(batch * patches, length, dim), future)
        out = out.reshape(batch, patches, length, dim).transpose(1, 2)
        return self.norm(x + out, cond)


class SwiGLU(nn.Module):
    """w_o(silu(w_v x) * (w_g x)), two thirds of the hidden width."""

    def __init__(self, dim: int, hidden_dim: int) -> None:
        super().__init__()
        width = 2 * hidden_dim // 3
        self.w_v, self.w_g, self.w_o = nn.Linear(dim, width), nn.Linear(dim, width), nn.Linear(width, dim)

    def forward(self, x: Tensor) -> Tensor:
        return self.w_o(F.silu(self.w_v(x)) * self.w_g(x))


class FeedForward(SwiGLU):
    """The same with what is around it in a block: the sum and the norm."""

    def __init__(self, dim: int, hidden_dim: int, cond_dim: int) -> None:
        super().__init__(dim, hidden_dim)
        self.norm = Norm(dim, cond_dim)

    def forward(self, x: Tensor, cond: Tensor | None = None) -> Tensor:
        return self.norm(x + super().forward(x), cond)


class MixtureFeedForward(nn.Module):
    """Each token goes through the `top_k` experts its router likes best."""

    def __init__(self, dim: int, hidden_dim: int, cond_dim: int, num_experts: int, top_k: int) -> None:
        super().__init__()
        self.top_k = top_k
        self.router = nn.Linear(dim, num_experts, bias=False)
        self.experts = nn.ModuleList(SwiGLU(dim, hidden_dim) for _ in range(num_experts))
        self.norm = Norm(dim, cond_dim)
        self.balance = torch.zeros(())  # of the last call; 1 when experts are used evenly

    def forward(self, x: Tensor, cond: Tensor | None) -> Tensor:
        tokens = x.reshape(-1, x.shape[-1])
        logits = self.router(tokens)
        best, chosen = logits.topk(self.top_k, dim=-1)  # [N, top_k]
        weights = best.softmax(dim=-1)
        out, dispatched = torch.zeros_like(tokens), []
        for i, expert in enumerate(self.experts):
            mine = chosen == i
            rows = mine.any(dim=-1)
            out[rows] = out[rows] + (weights * mine).sum(dim=-1)[rows, None] * expert(tokens[rows])
            dispatched.append(mine.float().sum() / mine.numel())
        self.balance = (
            len(self.experts) * (torch.stack(dispatched) * logits.softmax(dim=-1).mean(dim=0)).sum()
        )
        return self.norm(x + out.reshape(x.shape), cond)


class Block(nn.Module):
    """Space, time, feed-forward; each adds to the stream and normalises it afterwards."""

    def __init__(
        self, dim: int, num_heads: int, hidden_dim: int, cond_dim: int, experts: tuple[int, int]
    ) -> None:
        super().__init__()
        self.spatial_attn = SpatialAttention(dim, num_heads, cond_dim)
        self.temporal_attn = TemporalAttention(dim, num_heads, cond_dim)
        if experts[0]:
            self.ffn: nn.Module = MixtureFeedForward(dim, hidden_dim, cond_dim, *experts)
        else:
            self.ffn = FeedForward(dim, hidden_dim, cond_dim)

    def forward(self, x: Tensor, cond: Tensor | None) -> Tensor:
        return self.ffn(self.temporal_attn(self.spatial_attn(x, cond), cond), cond)


class Transformer(nn.Module):
    """Blocks on [B, T, P, E], told the frame by a code in the last channels.

    `experts` is (how many, how many of them per token), (0, 0) for a plain feed-forward.
    """

    def __init__(
        self,
        dim: int,
        num_heads: int,
        hidden_dim: int,
        num_blocks: int,
        cond_dim: int = 0,
        experts: tuple[int, int] = (0, 0),
    ) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(
            Block(dim, num_heads, hidden_dim, cond_dim, experts) for _ in range(num_blocks)
        )

    def forward(self, x: Tensor, cond: Tensor | None = None) -> Tensor:
        code = sincos(torch.arange(x.shape[1], device=x.device), time_width(x.shape[-1]))
        x = x + F.pad(code, (x.shape[-1] - code.shape[-1], 0))[:, None]
        for block in self.blocks:
            x = block(x, cond)
        return x
