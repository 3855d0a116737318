"""The parts of Hiera's layers (SAM 2.1's image encoder) in a form that moves less memory; the numbers stay the same.

Follows `Sam2MultiScaleAttention` and `Sam2FeedForward` (huggingface/transformers:
src/transformers/models/sam2/modeling_sam2.py).
"""

from __future__ import annotations

from torch import Tensor, nn
from transformers.models.sam2.modeling_sam2 import do_pool

from .attention import attend
from .rows import Perceptron


def lay_out_for_processors(backbone: nn.Module, side: int) -> None:
    """Changes the layers in place. side: of the first stage's map, in tokens"""
    for layer in backbone.blocks:
        if layer.query_stride:
            side //= layer.query_stride[0]
        layer.attn = Attention(layer.attn)
        layer.mlp = FeedForward(layer.mlp, side)


class Attention(nn.Module):
    """Windows [n,h,w,C] → [n,h',w',C'], which queries that are pooled make smaller."""

    def __init__(self, attention: nn.Module) -> None:
        super().__init__()
        self.heads, self.scale, self.stride = attention.num_attention_heads, attention.scale, attention.query_stride
        # Apart, they need not be taken apart again.
        self.q, self.k, self.v = thirds(attention.qkv)
        self.o = attention.proj

    def forward(self, hidden_states: Tensor) -> Tensor:
        q = self.q(hidden_states)
        if self.stride:
            q = do_pool(q, self.stride)
        found = attend("fused", *(part.flatten(1, 2) for part in (q, self.k(hidden_states), self.v(hidden_states))), self.heads, self.scale)
        return self.o(found).reshape(q.shape)


def thirds(linear: nn.Linear) -> list[nn.Linear]:
    """One projection as the three that it is made of."""
    width = linear.out_features // 3
    parts = [nn.Linear(linear.in_features, width, bias=linear.bias is not None) for _ in range(3)]
    for index, part in enumerate(parts):
        rows = slice(index * width, (index + 1) * width)
        part.weight.data = linear.weight.data[rows].clone()
        if linear.bias is not None:
            part.bias.data = linear.bias.data[rows].clone()
    return parts


class FeedForward(nn.Module):
    """[1,s,s,C] → [1,s,s,C]"""

    def __init__(self, mlp: nn.Module, side: int) -> None:
        super().__init__()
        self.parts = Perceptron(mlp.proj_in, mlp.activation, mlp.proj_out, tokens=side * side)

    def forward(self, x: Tensor) -> Tensor:
        return self.parts(x.flatten(1, 2)).reshape(x.shape)
