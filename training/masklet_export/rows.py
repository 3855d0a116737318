"""Matrix products in a layout that suits the processor's cache. The numbers stay the same.

Rows of 1024 numbers start whole pages apart and compete for the same few cache lines: ONNX Runtime 1.30 takes a
quarter longer for them (98 against 124 GFLOP/s on a Xeon with AVX-512). Such rows are padded. The hidden values
between two products over thousands of tokens do not fit in the cache, so they are computed in chunks of tokens.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

PAGE = 1024  # numbers of 4 bytes
PADDING = 16  # numbers added to each row: one cache line
CHUNK_VALUES = 2**20  # largest number of hidden values between two products


class PaddedLinear(nn.Module):
    """x [*,I] → [*,O], equal to the linear layer. Expects an input from `padded`."""

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        self.weight, self.bias = linear.weight, linear.bias
        if linear.in_features % PAGE == 0:
            # The padding of the input is ones, so that its first column carries the bias.
            weight = torch.zeros(linear.out_features, linear.in_features + PADDING, dtype=linear.weight.dtype)
            weight[:, : linear.in_features] = linear.weight.data
            if linear.bias is not None:
                weight[:, linear.in_features] = linear.bias.data
            self.weight, self.bias = nn.Parameter(weight, requires_grad=False), None
            linear.weight.data = weight[:, : linear.in_features]  # several gigabytes in total; stored once

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight, self.bias)


def padded(x: Tensor) -> Tensor:
    """x [*,I] → [*,I + PADDING] if rows of I start whole pages apart, otherwise x."""
    return x if x.shape[-1] % PAGE else _Pad.apply(x)


class _Pad(torch.autograd.Function):
    """Becomes one operator in the graph; PyTorch's exporter writes a dozen for `F.pad`."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:  # noqa: ARG004
        return F.pad(x, (0, PADDING), value=1.0)

    @staticmethod
    def symbolic(g: Any, x: Any) -> Any:
        pads, one, axis = (g.op("Constant", value_t=torch.tensor(value)) for value in ([0, PADDING], 1.0, [-1]))
        return g.op("Pad", x, pads, one, axis)


class Mlp(nn.Module):
    """x [B,N,I] → [B,N,O]: second(activation(first(x))), with padded hidden rows and in chunks of tokens."""

    def __init__(self, first: nn.Linear, activation: nn.Module, second: nn.Linear, tokens: int | None = None) -> None:
        """:param tokens: N, to process tokens in chunks"""
        super().__init__()
        self.activation = activation
        hidden = first.out_features
        self.chunk_sizes = [] if tokens is None else chunk_sizes(tokens, max(1, CHUNK_VALUES // hidden))
        if hidden % PAGE == 0:
            wide = nn.Linear(first.in_features, hidden + PADDING, bias=first.bias is not None)
            narrow = nn.Linear(hidden + PADDING, second.out_features, bias=second.bias is not None)
            for new, old in ((wide, first), (narrow, second)):
                for part in ("weight", "bias"):
                    if getattr(old, part) is not None:
                        getattr(new, part).data = zero_padded(getattr(old, part).data, getattr(new, part).shape)
            first, second = wide, narrow
        self.first, self.second = PaddedLinear(first), second

    def forward(self, x: Tensor) -> Tensor:
        if len(self.chunk_sizes) > 1:
            return torch.cat([self.forward_chunk(part) for part in x.split(self.chunk_sizes, 1)], 1)
        return self.forward_chunk(x)

    def forward_chunk(self, x: Tensor) -> Tensor:
        return self.second(self.activation(self.first(padded(x))))


def zero_padded(x: Tensor, shape: torch.Size) -> Tensor:
    """Pads each axis with zeros at its end."""
    return F.pad(x, [count for axis in reversed(range(x.dim())) for count in (0, shape[axis] - x.shape[axis])])


def chunk_sizes(count: int, largest: int) -> list[int]:
    """Sizes of the chunks into which `count` tokens are split."""
    return [min(largest, count - first) for first in range(0, count, largest)]
