"""SAM 3's image encoder, a few windows at a time.

A vision transformer of a thousand features over thousands of tokens is slower than its arithmetic for two reasons that
only the order of work removes; the numbers stay the same.

- A layer's tokens do not fit the processor's cache. Nothing but attention looks beyond a token, and in most layers
  attention does not look beyond a window: so a block of windows goes through a whole layer before the next block does.
  Tokens stay in the order of windows from the first layer to the last, as attention over all of them does not mind.
- Rows of 1024 numbers begin whole pages apart, and all of them then compete for the same few lines of the cache. Such
  rows are made a little longer, which is worth a quarter of the time of a matrix product in ONNX Runtime 1.30.

Follows `Sam3ViTLayer`, `Sam3ViTRoPEAttention` and `Sam3MLP` (huggingface/transformers:
src/transformers/models/sam3/modeling_sam3.py).
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .attention import attend, rotate_pairs

PAGE = 1024  # numbers of 4 bytes
EXTRA = 16  # numbers that a row is made longer by: one line of the cache
BLOCK = 576  # tokens that go through a layer together: one of SAM 3's windows


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
    if x.shape[-1] % PAGE:
        return x
    return _Lengthen.apply(x)


class _Lengthen(torch.autograd.Function):
    """One operator in the graph; PyTorch's exporter writes a dozen for `F.pad`."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:  # noqa: ARG004
        return F.pad(x, (0, EXTRA), value=1.0)

    @staticmethod
    def symbolic(g: Any, x: Any) -> Any:
        pads, one, axis = (g.op("Constant", value_t=torch.tensor(value)) for value in ([0, EXTRA], 1.0, [-1]))
        return g.op("Pad", x, pads, one, axis)


class Layer(nn.Module):
    """Blocks of windows [n,w²,C] → the same, one layer later."""

    def __init__(self, layer: nn.Module, side: int, window: int) -> None:
        """side, window: of the picture and of a window, in tokens."""
        super().__init__()
        attention, mlp = layer.attention, layer.mlp
        self.heads, self.scale = attention.num_attention_heads, attention.scaling
        self.within = layer.window_size > 0
        self.norm1, self.norm2, self.activation = layer.layer_norm1, layer.layer_norm2, mlp.activation_fn
        self.q, self.k, self.v, self.o, self.fc1, self.fc2 = (
            Product(x) for x in (attention.q_proj, attention.k_proj, attention.v_proj, attention.o_proj, mlp.fc1, mlp.fc2)
        )
        cos, sin = (table[0, :, ::2] for table in layer.rotary_emb(layer.position_ids, layer.position_ids))
        if not self.within:
            cos, sin = (in_windows(table.view(1, side, side, -1), window).flatten(0, 1) for table in (cos, sin))
        self.register_buffer("cos", cos.contiguous(), persistent=False)
        self.register_buffer("sin", sin.contiguous(), persistent=False)

    def forward(self, blocks: list[Tensor]) -> list[Tensor]:
        read = [tuple(p(x) for p in (self.q, self.k, self.v)) for x in (lengthened(self.norm1(x)) for x in blocks)]
        if self.within:
            found = [self.look(q, k, v) for q, k, v in read]
        else:
            q, k, v = (torch.cat([x.reshape(1, -1, x.shape[2]) for x in parts], 1) for parts in zip(*read))
            counts = [int(x.shape[0] * x.shape[1]) for x in blocks]
            found = [y.reshape(x.shape) for x, y in zip(blocks, self.look(q, k, v).split(counts, 1))]
        return [self.think(x + self.o(lengthened(y))) for x, y in zip(blocks, found)]

    def look(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """[n,N,C] each → [n,N,C]"""
        q, k = (rotate_pairs(x, self.cos, self.sin, self.heads) for x in (q, k))
        return attend("fused", q, k, v, self.heads, self.scale)

    def think(self, x: Tensor) -> Tensor:
        hidden = self.activation(self.fc1(lengthened(self.norm2(x))))
        return x + self.fc2(lengthened(hidden))


class WindowedLayers(nn.Module):
    """x [1,g,g,C] → [1,g,g,C], through all layers."""

    def __init__(self, layers: nn.ModuleList, side: int) -> None:
        super().__init__()
        window = window_of(layers)
        if side % window:
            raise ValueError(f"expected windows that tile {side} x {side} tokens, got windows of {window}")
        self.side, self.window = side, window
        count, together = (side // window) ** 2, max(1, BLOCK // window**2)
        self.blocks = [min(together, count - first) for first in range(0, count, together)]  # windows in each
        self.layers = nn.ModuleList(Layer(layer, side, window) for layer in layers)

    def forward(self, x: Tensor) -> Tensor:
        blocks = list(in_windows(x, self.window).split(self.blocks))
        for layer in self.layers:
            blocks = layer(blocks)
        return from_windows(torch.cat(blocks), self.side, self.window)


def window_of(layers: nn.ModuleList) -> int:
    """Side of the layers' windows, in tokens; 0 when every layer looks at everything."""
    return max(layer.window_size for layer in layers)


def in_windows(x: Tensor, window: int) -> Tensor:
    """[1,g,g,C] → [(g/w)²,w²,C]"""
    side, width = x.shape[1], x.shape[3]
    across = side // window
    return x.reshape(across, window, across, window, width).transpose(1, 2).reshape(across**2, window**2, width)


def from_windows(x: Tensor, side: int, window: int) -> Tensor:
    """[(g/w)²,w²,C] → [1,g,g,C]"""
    across, width = side // window, x.shape[2]
    return x.reshape(across, across, window, window, width).transpose(1, 2).reshape(1, side, side, width)
