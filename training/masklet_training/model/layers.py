"""Convolutional building blocks shared by every part of the compact network."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class ConvNorm(nn.Sequential):
    """3×3 (or 1×1) convolution, batch norm, optional ReLU. The norm folds into the convolution on export."""

    def __init__(self, c_in: int, c_out: int, kernel: int = 3, stride: int = 1, relu: bool = True) -> None:
        layers: list[nn.Module] = [
            nn.Conv2d(c_in, c_out, kernel, stride, kernel // 2, bias=False),
            nn.BatchNorm2d(c_out),
        ]
        if relu:
            layers.append(nn.ReLU(inplace=True))
        super().__init__(*layers)


class Residual(nn.Module):
    """Two 3×3 convolutions and a shortcut; the second norm starts at zero so that the block starts as identity."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = ConvNorm(channels, channels)
        self.second = ConvNorm(channels, channels, relu=False)
        nn.init.zeros_(self.second[1].weight)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(x + self.second(self.first(x)))


class Mlp(nn.Sequential):
    """Two linear layers with a ReLU between them."""

    def __init__(self, c_in: int, hidden: int, c_out: int) -> None:
        super().__init__(nn.Linear(c_in, hidden), nn.ReLU(inplace=True), nn.Linear(hidden, c_out))


def upsample2(x: Tensor) -> Tensor:
    """Doubles height and width, bilinear, pixel centres aligned as ffmpeg and OpenCV do."""
    return F.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)


def masked_mean(features: Tensor, weight: Tensor) -> Tensor:
    """Mean of `features` [B,C,h,w] under the non-negative `weight` [B,1,h,w]. Returns [B,C]."""
    total = (features * weight).flatten(2).sum(2)
    return total / (weight.flatten(2).sum(2) + 1e-4)


def pixel_centres(side: int, device: torch.device) -> Tensor:
    """Centres of `side` equal cells of the interval 0..1. Returns [side]."""
    return (torch.arange(side, dtype=torch.float32, device=device) + 0.5) / side


def convolve_shared(convolution: nn.Conv2d, own: Tensor, shared: Tensor) -> Tensor:
    """A convolution of two inputs side by side, of which the second is the same for all objects: own [B,C,h,w], shared
    [1,D,h,w] → [B,·,h,w]. The part of the second is computed once, not B times.
    """
    count = int(own.shape[1])  # a number while the graph is traced, so that the parts of the weight are stored
    weight, padding = convolution.weight, convolution.padding
    return F.conv2d(own, weight[:, :count], convolution.bias, padding=padding) + F.conv2d(shared, weight[:, count:], padding=padding)
