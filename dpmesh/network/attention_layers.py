"""Post-norm transformer layers in which positions are added to queries and keys, not to values."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def attend(query: Tensor, key: Tensor, value: Tensor, dropout: float = 0.0) -> Tensor:
    """Return attention (R, heads, N, C) of queries (R, heads, N, C) over keys and values (R, heads, M, C)."""
    if query.device.type == "cpu" and query.dtype == torch.bfloat16:
        # The fused CPU kernel is 2 to 6 times slower in bfloat16 with gradients (torch 2.15, Zen 5, one thread,
        # 32 x 1 x 512 x 128: 143 ms fused, 51 ms so).
        weights = torch.softmax((query * query.shape[-1] ** -0.5) @ key.transpose(-1, -2), dim=-1)
        return F.dropout(weights, dropout).to(value.dtype) @ value
    return F.scaled_dot_product_attention(query, key, value, dropout_p=dropout)


class MultiheadAttention(nn.Module):
    """Attention with the parameters of `torch.nn.MultiheadAttention`."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.dropout = dropout
        self.in_proj_weight = nn.Parameter(torch.empty(3 * width, width))
        self.in_proj_bias = nn.Parameter(torch.zeros(3 * width))
        self.out_proj = nn.Linear(width, width)
        nn.init.xavier_uniform_(self.in_proj_weight)
        nn.init.zeros_(self.out_proj.bias)

    def forward(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """Return (R, N, width) for queries (R, N, width), keys and values (R, M, width)."""
        weights, biases = self.in_proj_weight.chunk(3), self.in_proj_bias.chunk(3)
        q, k, v = (
            F.linear(tokens, weight, bias).unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for tokens, weight, bias in zip((query, key, value), weights, biases, strict=True)
        )
        dropout = self.dropout if self.training else 0.0
        return self.out_proj(attend(q, k, v, dropout).transpose(1, 2).flatten(2))


class FeedForward(nn.Module):
    """Two linear layers with a ReLU between."""

    def __init__(self, width: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.linear1 = nn.Linear(width, hidden)
        self.linear2 = nn.Linear(hidden, width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, tokens: Tensor) -> Tensor:
        """Map (R, N, width) to the same shape."""
        return self.linear2(self.dropout(F.relu(self.linear1(tokens))))


class EncoderLayer(nn.Module):
    """Self-attention and feed-forward."""

    def __init__(self, width: int, heads: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.self_attn = MultiheadAttention(width, heads, dropout)
        self.ffn = FeedForward(width, hidden, dropout)
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, tokens: Tensor, position: Tensor) -> Tensor:
        """Map tokens (R, N, width) with positions (R or 1, N, width)."""
        placed = tokens + position
        mixed = self.self_attn(placed, placed, tokens)
        tokens = self.norm1(tokens + self.dropout(mixed))
        return self.norm2(tokens + self.dropout(self.ffn(tokens)))


class DecoderLayer(nn.Module):
    """Self-attention, cross-attention and feed-forward."""

    def __init__(self, width: int, heads: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.self_attn = MultiheadAttention(width, heads, dropout)
        self.multihead_attn = MultiheadAttention(width, heads, dropout)
        self.ffn = FeedForward(width, hidden, dropout)
        self.norm1, self.norm2, self.norm3 = nn.LayerNorm(width), nn.LayerNorm(width), nn.LayerNorm(width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, tokens: Tensor, position: Tensor, memory: Tensor, memory_position: Tensor) -> Tensor:
        """Map query tokens (R, N, width) that read `memory` (R, M, width)."""
        placed = tokens + position
        mixed = self.self_attn(placed, placed, tokens)
        tokens = self.norm1(tokens + self.dropout(mixed))
        read = self.multihead_attn(tokens + position, memory + memory_position, memory)
        tokens = self.norm2(tokens + self.dropout(read))
        return self.norm3(tokens + self.dropout(self.ffn(tokens)))


def sine_table(count: int, width: int) -> Tensor:
    """Return (count, width): sines and cosines of the index, interleaved, base 10000."""
    angles = torch.arange(count, dtype=torch.float64)[:, None] / _wave_lengths(width, 10000.0)
    return _interleave(angles).float()


def grid_position(side: int, width: int, *, published: bool) -> Tensor:
    """Return the position code (side * side, width) of a square grid, row-major: half for y, half for x.

    Args:
        side: cells per side; cell k sits at (k + 1) / side of a full turn.
        width: channels, a multiple of 4.
        published: all channels share one frequency. The released network computes its exponents in integers, which
            makes them 0; its weights need the same.
    """
    turn = (torch.arange(1, side + 1, dtype=torch.float64) / (side + 1e-6)) * 2 * math.pi
    code = _interleave(turn[:, None] / _wave_lengths(width // 2, 1.0 if published else 10000.0))
    rows = code[:, None, :].expand(side, side, -1)
    columns = code[None, :, :].expand(side, side, -1)
    return torch.cat([rows, columns], dim=-1).flatten(0, 1).float()


def _wave_lengths(width: int, base: float) -> Tensor:
    return base ** (torch.arange(0, width, 2, dtype=torch.float64) / width)


def _interleave(angles: Tensor) -> Tensor:
    """Return (N, 2F) sin, cos, sin, cos, ... of angles (N, F)."""
    return torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(-2)
