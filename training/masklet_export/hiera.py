"""Hiera, SAM 2.1's image encoder: as it is, and in a form that moves less memory and gives the same numbers.

In the first stages windows tile the picture, and pooling makes them smaller without mixing them. So a group of windows goes
through all of those layers before the next group does. Behind them the picture is whole, since windows reach beyond it there, or
attention looks at all of it.

Follows `Sam2HieraDetModel` (huggingface/transformers: src/transformers/models/sam2/modeling_sam2.py).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .attention import Form
from .hiera_layer import Layer, stride_of
from .rows import stretches
from .windows import from_windows, in_windows

GROUP = 4096  # tokens that go through the first layers together


def hiera(backbone: nn.Module, side: int, form: Form) -> nn.Module:
    """pixels [1,3,S,S] → maps [1,C,s,s], one where each stage ends. side: of the first of them"""
    return Windowed(backbone, side) if form == "fused" else Plain(backbone, side)


class Plain(nn.Module):
    def __init__(self, backbone: nn.Module, side: int) -> None:
        super().__init__()
        self.patches, self.blocks, self.ends = backbone.patch_embed, backbone.blocks, backbone.stage_ends
        self.register_buffer("places", places(backbone, side), persistent=False)

    def forward(self, pixels: Tensor) -> list[Tensor]:
        x, maps = self.patches(pixels) + self.places, []
        for index, block in enumerate(self.blocks):
            x = block(x)
            if index in self.ends:
                maps.append(x.permute(0, 3, 1, 2))
        return maps


class Windowed(nn.Module):
    def __init__(self, backbone: nn.Module, side: int) -> None:
        super().__init__()
        self.projection, self.ends = backbone.patch_embed.projection, set(backbone.stage_ends)
        self.apart = layers_apart(backbone.blocks, side)
        square = backbone.blocks[0].window_size if self.apart else side
        self.groups = stretches((side // square) ** 2, max(1, GROUP // square**2))  # squares in each
        self.register_buffer("places", in_windows(places(backbone, side), square), persistent=False)
        self.shapes = [(side, square)]  # before each layer, and at last: sides of the picture and of its squares
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
        squares = list((in_windows(x, self.shapes[0][1]) + self.places).split(self.groups))
        for index, layer in enumerate(self.layers):
            if index == self.apart > 0:
                squares = [whole(squares, *self.shapes[index]).flatten(1, 2)]
            squares = [layer(tokens) for tokens in squares]
            if index in self.ends:
                maps.append(whole(squares, *self.shapes[index + 1]).permute(0, 3, 1, 2))
        return maps


def places(backbone: nn.Module, side: int) -> Tensor:
    """→ [1,s,s,C]"""
    return backbone._get_pos_embed((side, side)).detach().clone()


def layers_apart(layers: nn.ModuleList, side: int) -> int:
    """How many layers, from the first on, windows go through without looking at one another."""
    window = layers[0].window_size
    if window == 0 or side % window:
        return 0
    for index, layer in enumerate(layers):
        stride = stride_of(layer)
        if layer.window_size != window or window % stride:
            return index
        window //= stride
    return len(layers)


def whole(squares: list[Tensor], side: int, square: int) -> Tensor:
    """Groups of squares [n,q²,C] → the picture, [1,s,s,C]"""
    return from_windows(torch.cat(squares), side, square)
