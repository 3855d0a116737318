"""The memory encoder's last layers, which fuse image and mask, in a form that moves less memory.

Follows `Sam2VideoMemoryFuserCXBlock` (huggingface/transformers:
src/transformers/models/sam2_video/modeling_sam2_video.py). SAM 3 and EdgeTAM have the same layers under other names.
"""

from __future__ import annotations

from torch import Tensor, nn

from .rows import Mlp


class Fuser(nn.Module):
    """[B,C,g,g] → [B,C,g,g]"""

    def __init__(self, fuser: nn.Module, side: int) -> None:
        """:param side: g"""
        super().__init__()
        self.layers = nn.Sequential(*(Block(layer, side) for layer in fuser.layers))

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)


class Block(nn.Module):
    def __init__(self, block: nn.Module, side: int) -> None:
        super().__init__()
        self.side = side
        self.depthwise, self.norm, self.scale = block.depthwise_conv, block.layer_norm, block.scale
        self.mlp = Mlp(block.pointwise_conv1, block.activation, block.pointwise_conv2, tokens=side * side)

    def forward(self, x: Tensor) -> Tensor:
        cells = self.norm(self.depthwise(x)).flatten(2).transpose(1, 2)  # [B,g·g,C]
        thought = self.scale * self.mlp(cells)
        return x + thought.transpose(1, 2).unflatten(2, (self.side, self.side))
