"""Hiera, SAM 2.1's image encoder: the original form, and a form that moves less memory and computes the same numbers.

In the first stages, windows tile the image, and pooling shrinks them without mixing them. A group of windows
therefore passes all of those layers before the next group does. After these layers the windows are merged into the
whole image, because later windows reach beyond it or attention covers all of it.

Follows `Sam2HieraDetModel` (huggingface/transformers: src/transformers/models/sam2/modeling_sam2.py).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .attention import Form
from .hiera_layer import Layer, stride_of
from .rows import chunk_sizes
from .windows import from_windows, in_windows

GROUP = 4096  # tokens that pass the first layers together


def hiera(backbone: nn.Module, side: int, form: Form) -> nn.Module:
    """pixels [1,3,S,S] → maps [1,C,s,s], one at the end of each stage

    :param side: side of the first map
    """
    return Windowed(backbone, side) if form == "fused" else Plain(backbone, side)


class Plain(nn.Module):
    def __init__(self, backbone: nn.Module, side: int) -> None:
        super().__init__()
        self.patches, self.blocks, self.ends = backbone.patch_embed, backbone.blocks, backbone.stage_ends
        self.register_buffer("position_embedding", position_embedding(backbone, side), persistent=False)

    def forward(self, pixels: Tensor) -> list[Tensor]:
        x, maps = self.patches(pixels) + self.position_embedding, []
        for index, block in enumerate(self.blocks):
            x = block(x)
            if index in self.ends:
                maps.append(x.permute(0, 3, 1, 2))
        return maps


class Windowed(nn.Module):
    def __init__(self, backbone: nn.Module, side: int) -> None:
        super().__init__()
        self.projection, self.ends = backbone.patch_embed.projection, set(backbone.stage_ends)
        self.apart = independent_layers(backbone.blocks, side)
        square = backbone.blocks[0].window_size if self.apart else side
        self.groups = chunk_sizes((side // square) ** 2, max(1, GROUP // square**2))  # squares in each group
        self.register_buffer("position_embedding", in_windows(position_embedding(backbone, side), square), persistent=False)
        self.shapes = [(side, square)]  # sides of the image and of its squares, before each layer and after the last
        layers = []
        for index, layer in enumerate(backbone.blocks):
            if index == self.apart:
                square = side
            layers.append(Layer(layer, square, whole=index >= self.apart))
            side, square = side // layers[-1].stride, square // layers[-1].stride
            self.shapes.append((side, square))
        self.layers = nn.ModuleList(layers)

    def forward(self, pixels: Tensor) -> list[Tensor]:
        x, maps = self.projection(pixels).permute(0, 2, 3, 1), []
        squares = list((in_windows(x, self.shapes[0][1]) + self.position_embedding).split(self.groups))
        for index, layer in enumerate(self.layers):
            if index == self.apart > 0:
                squares = [merge_squares(squares, *self.shapes[index]).flatten(1, 2)]
            squares = [layer(tokens) for tokens in squares]
            if index in self.ends:
                maps.append(merge_squares(squares, *self.shapes[index + 1]).permute(0, 3, 1, 2))
        return maps


def position_embedding(backbone: nn.Module, side: int) -> Tensor:
    """:return: [1,s,s,C]"""
    return backbone._get_pos_embed((side, side)).detach().clone()


def independent_layers(layers: nn.ModuleList, side: int) -> int:
    """Number of layers, from the first on, in which windows do not exchange information."""
    window = layers[0].window_size
    if window == 0 or side % window:
        return 0
    for index, layer in enumerate(layers):
        stride = stride_of(layer)
        if layer.window_size != window or window % stride:
            return index
        window //= stride
    return len(layers)


def merge_squares(squares: list[Tensor], side: int, square: int) -> Tensor:
    """Merges groups of squares [n,q²,C] into the image, [1,s,s,C]."""
    return from_windows(torch.cat(squares), side, square)
