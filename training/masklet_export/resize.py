"""Resizes masks as the models do: bilinear, with antialiasing when shrinking.

Antialiased Resize differs between execution providers, so shrinking by a constant factor is written as two matrix
products.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Resize(nn.Module):
    """[B,1,before,before] → [B,1,after,after]"""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.before, self.after = before, after
        if after < before:
            rows = F.interpolate(torch.eye(before)[None, None], size=(after, before), mode="bilinear", align_corners=False, antialias=True)
            self.register_buffer("rows", rows[0, 0], persistent=False)

    def forward(self, mask: Tensor) -> Tensor:
        if self.after == self.before:
            return mask
        if self.after > self.before:
            return enlarge(mask, self.after)
        return self.rows @ mask @ self.rows.transpose(0, 1)


def enlarge(mask: Tensor, side: int) -> Tensor:
    """[B,1,h,w], neither larger than `side` → [B,1,side,side]"""
    return F.interpolate(mask, size=(side, side), mode="bilinear", align_corners=False)
