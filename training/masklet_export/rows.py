"""Matrix products as the processor's cache likes them; the numbers stay the same.

Rows of 1024 numbers begin whole pages apart, and then compete for the same few lines of the cache: ONNX Runtime 1.30 takes
a quarter longer over them (98 against 124 GFLOP/s on a Xeon with AVX-512). So such rows are made a little longer. And what
goes on between two products over thousands of tokens does not fit the cache at all, unless few tokens do it at a time.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

PAGE = 1024  # numbers of 4 bytes
EXTRA = 16  # numbers that a row is made longer by: one line of the cache
HELD = 2**20  # numbers between two products that are held at a time


class Product(nn.Module):
    """x [*,I] → [*,O], as the linear layer does. Takes its input lengthened by `lengthened`."""

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        self.weight, self.bias = linear.weight, linear.bias
        if linear.in_features % PAGE == 0:
            # What is added is ones, so that the first of them carries the bias.
            weight = torch.zeros(linear.out_features, linear.in_features + EXTRA, dtype=linear.weight.dtype)
            weight[:, : linear.in_features] = linear.weight.data
            if linear.bias is not None:
                weight[:, linear.in_features] = linear.bias.data
            self.weight, self.bias = nn.Parameter(weight, requires_grad=False), None
            linear.weight.data = weight[:, : linear.in_features]  # gigabytes in all; kept once

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight, self.bias)


def lengthened(x: Tensor) -> Tensor:
    """x [*,I] → [*,I + EXTRA] where rows of I begin whole pages apart, x as it is elsewhere."""
    return x if x.shape[-1] % PAGE else _Lengthen.apply(x)


class _Lengthen(torch.autograd.Function):
    """One operator in the graph; PyTorch's exporter writes a dozen for `F.pad`."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:  # noqa: ARG004
        return F.pad(x, (0, EXTRA), value=1.0)

    @staticmethod
    def symbolic(g: Any, x: Any) -> Any:
        pads, one, axis = (g.op("Constant", value_t=torch.tensor(value)) for value in ([0, EXTRA], 1.0, [-1]))
        return g.op("Pad", x, pads, one, axis)


class Perceptron(nn.Module):
    """x [B,N,I] → [B,N,O]: second(activation(first(x))), with hidden rows of a length and a number that the cache likes."""

    def __init__(self, first: nn.Linear, activation: nn.Module, second: nn.Linear, tokens: int | None = None) -> None:
        """tokens: N, where they may go a stretch at a time."""
        super().__init__()
        self.activation = activation
        hidden = first.out_features
        self.stretches = [] if tokens is None else stretches(tokens, max(1, HELD // hidden))
        if hidden % PAGE == 0:
            wide = nn.Linear(first.in_features, hidden + EXTRA, bias=first.bias is not None)
            narrow = nn.Linear(hidden + EXTRA, second.out_features, bias=second.bias is not None)
            for new, old in ((wide, first), (narrow, second)):
                for part in ("weight", "bias"):
                    if getattr(old, part) is not None:
                        getattr(new, part).data = extended(getattr(old, part).data, getattr(new, part).shape)
            first, second = wide, narrow
        self.first, self.second = Product(first), second

    def forward(self, x: Tensor) -> Tensor:
        if len(self.stretches) > 1:
            return torch.cat([self.think(part) for part in x.split(self.stretches, 1)], 1)
        return self.think(x)

    def think(self, x: Tensor) -> Tensor:
        return self.second(self.activation(self.first(lengthened(x))))


def extended(x: Tensor, shape: torch.Size) -> Tensor:
    """With zeros behind each axis."""
    return F.pad(x, [count for axis in reversed(range(x.dim())) for count in (0, shape[axis] - x.shape[axis])])


def stretches(count: int, most: int) -> list[int]:
    """How many of `count` tokens go together, stretch by stretch."""
    return [min(most, count - first) for first in range(0, count, most)]
