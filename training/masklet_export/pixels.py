"""Normalises decoded images for an image encoder."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Pixels(nn.Module):
    """uint8 [1,S,S,3] → float [1,3,S,S], normalised"""

    def __init__(self, mean: list[float], std: list[float]) -> None:
        """
        :param mean: of the three colours, 0..1
        :param std: standard deviation of the three colours, 0..1
        """
        super().__init__()
        self.register_buffer("mean", 255 * torch.tensor(mean).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", 255 * torch.tensor(std).view(1, 3, 1, 1), persistent=False)

    def forward(self, image: Tensor) -> Tensor:
        return (image.permute(0, 3, 1, 2).to(self.mean.dtype) - self.mean) / self.std
