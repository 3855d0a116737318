"""Merges two consecutive convolutions into one."""

from __future__ import annotations

import torch
from torch import nn


def joined(first: nn.Conv2d, pointwise: nn.Conv2d) -> nn.Conv2d:
    """pointwise(first(x)) as one convolution. The tracker's finer levels would otherwise be computed hundreds of
    channels wide and then reduced to a few dozen.

    :param pointwise: 1 × 1 convolution, as in SAM 2's mask decoder, so that the padding of `first` does not matter
    :raises ValueError: if the second kernel is larger than 1 × 1, or either convolution is grouped
    """
    if pointwise.kernel_size != (1, 1) or pointwise.padding != (0, 0) or {first.groups, pointwise.groups} != {1}:
        raise ValueError(f"expected plain convolutions, the second 1 x 1, got {first} and {pointwise}")
    w1, w2 = first.weight.data.double(), pointwise.weight.data.double().flatten(1)  # [m,n,k,k], [o,m]
    conv = nn.Conv2d(
        first.in_channels, pointwise.out_channels, first.kernel_size, first.stride, first.padding, first.dilation,
        padding_mode=first.padding_mode,
    )  # fmt: skip
    conv.weight.data = torch.einsum("om,mnij->onij", w2, w1).float()
    bias = torch.zeros(pointwise.out_channels, dtype=torch.double)
    for part in (w2 @ first.bias.data.double() if first.bias is not None else None, pointwise.bias):
        if part is not None:
            bias += part.detach().double()
    conv.bias.data = bias.float()
    return conv
