"""One layer of Hiera over squares of q × q tokens: single windows, or the whole image.

Follows `Sam2MultiScaleBlock` and `Sam2MultiScaleAttention` (huggingface/transformers:
src/transformers/models/sam2/modeling_sam2.py).
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from .attention import attend
from .rows import Mlp
from .windows import from_windows, in_windows


def stride_of(layer: nn.Module) -> int:
    """Factor by which a layer reduces the image's sides."""
    return layer.query_stride[0] if layer.query_stride else 1


class Layer(nn.Module):
    """Squares of tokens [n,q²,C] → the output of the layer"""

    def __init__(self, layer: nn.Module, square: int, *, whole: bool) -> None:
        """:param whole: whether the whole image is the only square; the MLP then processes tokens in chunks"""
        super().__init__()
        self.square, self.stride = square, stride_of(layer)
        self.window = layer.window_size or square
        self.norm1, self.norm2 = layer.layer_norm1, layer.layer_norm2
        self.widen = layer.proj if layer.dim != layer.dim_out else None
        self.attention = Attention(layer.attn, self.window)
        mlp, tokens = layer.mlp, (square // self.stride) ** 2 if whole else None
        self.mlp = Mlp(mlp.proj_in, mlp.activation, mlp.proj_out, tokens)

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm1(x)
        if self.widen is not None:
            x = pooled(self.widen(y), self.square, self.stride)
        x = x + (self.attention(y) if self.window == self.square else self.attend_tokens(y))
        return x + self.mlp(self.norm2(x))

    def attend_tokens(self, x: Tensor) -> Tensor:
        """[1,q²,C] → [1,(q/stride)²,C'], in windows; the last windows may extend beyond the square"""
        beyond = -self.square % self.window
        x = x.reshape(1, self.square, self.square, -1)
        found = self.attention(in_windows(F.pad(x, (0, 0, 0, beyond, 0, beyond)) if beyond else x, self.window))
        square, window = self.square // self.stride, self.window // self.stride
        beyond = -square % window
        found = from_windows(found, square + beyond, window)
        return (found[:, :square, :square] if beyond else found).flatten(1, 2)


class Attention(nn.Module):
    """Windows [n,w²,C] → [n,(w/stride)²,C'], fewer tokens where queries are pooled"""

    def __init__(self, attention: nn.Module, window: int) -> None:
        super().__init__()
        self.heads, self.scale, self.window = attention.num_attention_heads, attention.scale, window
        self.stride = stride_of(attention)
        # Separate projections avoid splitting the result at run time.
        self.q, self.k, self.v = split_qkv(attention.qkv)
        # A constant added to all keys of a query does not change its softmax. A constant added to all values appears
        # unchanged in the output.
        self.o = offset(attention.proj, self.v.bias)
        self.k.bias = self.v.bias = None

    def forward(self, x: Tensor) -> Tensor:
        return self.o(attend("fused", pooled(self.q(x), self.window, self.stride), self.k(x), self.v(x), self.heads, self.scale))


def offset(linear: nn.Linear, by: Tensor) -> nn.Linear:
    """linear(x + by) as a projection of x"""
    moved = nn.Linear(linear.in_features, linear.out_features)
    moved.weight = linear.weight
    moved.bias.data = (linear.bias.data.double() + linear.weight.data.double() @ by.data.double()).float()
    return moved


def pooled(x: Tensor, side: int, stride: int) -> Tensor:
    """Maximum of each cell of stride × stride, [n,s²,C] → [n,(s/stride)²,C]"""
    if stride == 1:
        return x
    cells, width = side // stride, x.shape[2]
    return x.reshape(-1, cells, stride, cells, stride, width).amax(4).amax(2).flatten(1, 2)


def split_qkv(linear: nn.Linear) -> list[nn.Linear]:
    """Splits the joint projection into those of query, key and value."""
    width = linear.out_features // 3
    parts = [nn.Linear(linear.in_features, width) for _ in range(3)]
    for index, part in enumerate(parts):
        rows = slice(index * width, (index + 1) * width)
        part.weight.data, part.bias.data = linear.weight.data[rows].clone(), linear.bias.data[rows].clone()
    return parts
