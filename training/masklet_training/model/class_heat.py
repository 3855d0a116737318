"""The pretrained classifier at every place of a frame: where the classes of a noun are, and what is inside a box."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .lite import EfficientNetLite

SPREAD = 3  # cells of stride 32 whose features are averaged for a place


class ClassHeat(nn.Module):
    """Features of stride 32 → probabilities of ImageNet's classes"""

    def __init__(self, net: EfficientNetLite) -> None:
        super().__init__()
        self.head = net.head
        self.classes = net.classes

    def describe(self, features: Tensor) -> Tensor:
        """Raw features of stride 32 [1,320,h,h] → what the classifier reads [1,HEAD,h,h]"""
        return F.relu6(self.head(features))

    def places(self, described: Tensor) -> Tensor:
        """[1,HEAD,h,h] → probabilities around each cell [h²,CLASSES]"""
        around = F.avg_pool2d(described, SPREAD, 1, SPREAD // 2, count_include_pad=False)
        return torch.softmax(self.classes(around.flatten(2)[0].transpose(0, 1)), -1)

    def regions(self, described: Tensor, weights: Tensor) -> Tensor:
        """[1,HEAD,h,h] and the weights of the cells [...,N,h²] → probabilities [...,N,CLASSES]"""
        means = weights @ described.flatten(2)[0].transpose(0, 1)
        # As one list of regions: the exporter stores the classifier twice if it is applied to two numbers of axes.
        return torch.softmax(self.classes(means.flatten(0, -2)), -1).unflatten(0, (-1, means.shape[-2]))
