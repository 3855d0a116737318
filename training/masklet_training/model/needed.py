"""Marks what decides whether a part of a graph runs, see `branches.py`."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Needed(nn.Module):
    """Flags of any shape → the same flags. The exported module contains the largest of them, which is the part's condition."""

    def forward(self, flags: Tensor) -> Tensor:
        return torch.minimum(flags, flags.flatten().amax(0, keepdim=True))
