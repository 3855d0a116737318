"""SAM 3's image encoder, a few windows at a time.

A layer's tokens do not fit in the processor's cache. Only attention combines tokens, and in most layers it does not
extend beyond a window. A block of windows therefore passes a whole layer before the next block does. Tokens stay in
the order of windows from the first layer to the last, because global attention does not depend on their order. The
numbers stay the same.

Follows `Sam3ViTLayer`, `Sam3ViTRoPEAttention` and `Sam3MLP` (huggingface/transformers:
src/transformers/models/sam3/modeling_sam3.py).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .attention import attend, rotate
from .rows import Mlp, PaddedLinear, chunk_sizes, padded

BLOCK = 576  # tokens that pass a layer together: one of SAM 3's windows


class Layer(nn.Module):
    """Blocks of windows [n,w²,C] → the output of the layer"""

    def __init__(self, layer: nn.Module, side: int, window: int) -> None:
        """
        :param side: of the image, in tokens
        :param window: side of a window, in tokens
        """
        super().__init__()
        attention, mlp = layer.attention, layer.mlp
        self.mlp = Mlp(mlp.fc1, mlp.activation_fn, mlp.fc2)
        self.heads, self.scale = attention.num_attention_heads, attention.scaling
        self.within = layer.window_size > 0
        self.norm1, self.norm2 = layer.layer_norm1, layer.layer_norm2
        self.q, self.k, self.v, self.o = (PaddedLinear(x) for x in (attention.q_proj, attention.k_proj, attention.v_proj, attention.o_proj))
        cos, sin = (table[0, :, ::2] for table in layer.rotary_emb(layer.position_ids, layer.position_ids))
        if not self.within:
            cos, sin = (in_windows(table.view(1, side, side, -1), window).flatten(0, 1) for table in (cos, sin))
        self.register_buffer("cos", cos.contiguous(), persistent=False)
        self.register_buffer("sin", sin.contiguous(), persistent=False)

    def forward(self, blocks: list[Tensor]) -> list[Tensor]:
        read = [tuple(p(x) for p in (self.q, self.k, self.v)) for x in (padded(self.norm1(x)) for x in blocks)]
        if self.within:
            found = [self.attend_tokens(q, k, v) for q, k, v in read]
        else:
            q, k, v = (torch.cat([x.reshape(1, -1, x.shape[2]) for x in parts], 1) for parts in zip(*read))
            counts = [int(x.shape[0] * x.shape[1]) for x in blocks]
            found = [y.reshape(x.shape) for x, y in zip(blocks, self.attend_tokens(q, k, v).split(counts, 1))]
        blocks = [x + self.o(padded(y)) for x, y in zip(blocks, found)]
        return [x + self.mlp(self.norm2(x)) for x in blocks]

    def attend_tokens(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """[n,N,C] each → [n,N,C]"""
        q, k = (rotate(x, self.cos, self.sin, self.heads, halves=False) for x in (q, k))
        return attend("fused", q, k, v, self.heads, self.scale)


class WindowedLayers(nn.Module):
    """x [1,g,g,C] → [1,g,g,C], through all layers."""

    def __init__(self, layers: nn.ModuleList, side: int) -> None:
        super().__init__()
        window = window_of(layers)
        if side % window:
            raise ValueError(f"expected windows that tile {side} x {side} tokens, got windows of {window}")
        self.side, self.window = side, window
        self.blocks = chunk_sizes((side // window) ** 2, max(1, BLOCK // window**2))  # windows in each block
        self.layers = nn.ModuleList(Layer(layer, side, window) for layer in layers)

    def forward(self, x: Tensor) -> Tensor:
        blocks = list(in_windows(x, self.window).split(self.blocks))
        for layer in self.layers:
            blocks = layer(blocks)
        return from_windows(torch.cat(blocks), self.side, self.window)


def window_of(layers: nn.ModuleList) -> int:
    """Side of the layers' windows, in tokens; 0 if every layer has global attention"""
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
