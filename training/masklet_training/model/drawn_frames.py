"""Distinguishes drawn frames from photographs.

The compact detector learned its nouns from drawings. On photographs it rarely finds what they name, and sometimes takes
something else for it. Drawn frames have large areas without any texture, and photographs, with their noise, do not.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

TEXTURE = 2.0  # levels of brightness within 3 × 3 pixels, below which a place has no texture
DRAWN_SHARE = 0.6  # of the frame without texture: photographs had up to 0.4, drawn frames 0.87 and more


def is_photograph(image: Tensor) -> Tensor:
    """image f32 0..255 [1,3,S,S] → 0 or 1 [1,1]"""
    gray = image.mean(1, keepdim=True)
    spread = F.max_pool2d(gray, 3, 1, 1) + F.max_pool2d(-gray, 3, 1, 1)
    return ((spread < TEXTURE).float().mean((1, 2, 3)) < DRAWN_SHARE).float().view(1, 1)
