"""One layer of Hiera, over squares of tokens, q on a side: windows one by one, or the whole picture.

Follows `Sam2MultiScaleBlock` and `Sam2MultiScaleAttention` (huggingface/transformers:
src/transformers/models/sam2/modeling_sam2.py).
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from .attention import attend
from .rows import Perceptron
from .windows import from_windows, in_windows


def stride_of(layer: nn.Module) -> int:
    """By how much a layer makes the picture's sides shorter."""
    return layer.query_stride[0] if layer.query_stride else 1


class Layer(nn.Module):
    """Squares of tokens [n,q²,C] → the same, one layer later."""

    def __init__(self, layer: nn.Module, square: int, *, whole: bool) -> None:
        """whole: the picture is the only square; tokens may then take what is not attention a stretch at a time."""
        super().__init__()
        self.square, self.stride = square, stride_of(layer)
        self.window = layer.window_size or square
        self.norm1, self.norm2 = layer.layer_norm1, layer.layer_norm2
        self.widen = layer.proj if layer.dim != layer.dim_out else None
        self.attention = Attention(layer.attn, self.window)
        mlp, tokens = layer.mlp, (square // self.stride) ** 2 if whole else None
        self.mlp = Perceptron(mlp.proj_in, mlp.activation, mlp.proj_out, tokens)

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm1(x)
        if self.widen is not None:
            x = pooled(self.widen(y), self.square, self.stride)
        x = x + (self.attention(y) if self.window == self.square else self.look(y))
        return x + self.mlp(self.norm2(x))

    def look(self, x: Tensor) -> Tensor:
        """[1,q²,C] → [1,(q/stride)²,C'], in windows, the last of which may reach beyond the square."""
        beyond = -self.square % self.window
        x = x.reshape(1, self.square, self.square, -1)
        found = self.attention(in_windows(F.pad(x, (0, 0, 0, beyond, 0, beyond)) if beyond else x, self.window))
        square, window = self.square // self.stride, self.window // self.stride
        beyond = -square % window
        found = from_windows(found, square + beyond, window)
        return (found[:, :square, :square] if beyond else found).flatten(1, 2)


class Attention(nn.Module):
    """Windows [n,w²,C] → [n,(w/stride)²,C'], fewer where queries are pooled."""

    def __init__(self, attention: nn.Module, window: int) -> None:
        super().__init__()
        self.heads, self.scale, self.window = attention.num_attention_heads, attention.scale, window
        self.stride = stride_of(attention)
        # Apart, they need not be taken apart again.
        self.q, self.k, self.v = thirds(attention.qkv)
        # What adds the same to all keys of a query adds nothing to its softmax; what is added to all values comes out of it as
        # it went in.
        self.o = offset(attention.proj, self.v.bias)
        self.k.bias = self.v.bias = None

    def forward(self, x: Tensor) -> Tensor:
        return self.o(attend("fused", pooled(self.q(x), self.window, self.stride), self.k(x), self.v(x), self.heads, self.scale))


def offset(linear: nn.Linear, by: Tensor) -> nn.Linear:
    """linear(x + by) as a projection of x."""
    moved = nn.Linear(linear.in_features, linear.out_features)
    moved.weight = linear.weight
    moved.bias.data = (linear.bias.data.double() + linear.weight.data.double() @ by.data.double()).float()
    return moved


def pooled(x: Tensor, side: int, stride: int) -> Tensor:
    """The greatest of each cell of stride², [n,s²,C] → [n,(s/stride)²,C]"""
    if stride == 1:
        return x
    cells, width = side // stride, x.shape[2]
    return x.reshape(-1, cells, stride, cells, stride, width).amax(4).amax(2).flatten(1, 2)


def thirds(linear: nn.Linear) -> list[nn.Linear]:
    """One projection as the three that it is made of."""
    width = linear.out_features // 3
    parts = [nn.Linear(linear.in_features, width) for _ in range(3)]
    for index, part in enumerate(parts):
        rows = slice(index * width, (index + 1) * width)
        part.weight.data, part.bias.data = linear.weight.data[rows].clone(), linear.bias.data[rows].clone()
    return parts
