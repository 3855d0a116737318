"""Boxes and masks of candidates: overlaps, duplicates and means."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from .layers import pixel_centres


def overlaps(a: Tensor, b: Tensor) -> Tensor:
    """IoU of boxes xyxy [...,N,4] and [...,M,4] → [...,N,M]"""
    both = intersections(a, b)
    return both / (area(a).unsqueeze(-1) + area(b).unsqueeze(-2) - both).clamp(min=1e-6)


def intersections(a: Tensor, b: Tensor) -> Tensor:
    """Areas that boxes xyxy [...,N,4] and [...,M,4] share → [...,N,M]"""
    a, b = a.unsqueeze(-2), b.unsqueeze(-3)
    sides = (torch.minimum(a[..., 2:], b[..., 2:]) - torch.maximum(a[..., :2], b[..., :2])).clamp(min=0.0)
    return sides[..., 0] * sides[..., 1]


def area(boxes: Tensor) -> Tensor:
    """boxes xyxy [...,4] → [...]"""
    return (boxes[..., 2] - boxes[..., 0]).clamp(min=0.0) * (boxes[..., 3] - boxes[..., 1]).clamp(min=0.0)


def distinct(boxes: Tensor, most: float) -> Tensor:
    """1 for boxes that overlap no earlier one by more than `most`: boxes [...,N,4], best first → [...,N]"""
    count = boxes.shape[-2]
    earlier = torch.tril(torch.ones(count, count, device=boxes.device), -1)
    return 1.0 - ((overlaps(boxes, boxes) > most).float() * earlier).amax(-1)


def windows(boxes: Tensor, side: int, share: float) -> Tensor:
    """Weights of the cells in the middle of boxes: boxes xyxy [...,N,4] → [...,N,side²], with a sum of 1.

    :param share: of the box's sides that counts; at least one cell does
    """
    axis = pixel_centres(side, boxes.device)

    def along(low: Tensor, high: Tensor) -> Tensor:
        half = ((high - low) * share).clamp(min=1.0 / side).unsqueeze(-1) * 0.5
        return ((half - (axis - (low + high).unsqueeze(-1) * 0.5).abs()) * side + 0.5).clamp(0.0, 1.0)

    x0, y0, x1, y1 = boxes.unbind(-1)
    cells = (along(y0, y1).unsqueeze(-1) * along(x0, x1).unsqueeze(-2)).flatten(-2)
    return cells / (cells.sum(-1, keepdim=True) + 1e-4)


def main_piece(prob: Tensor) -> Tensor:
    """The connected piece of a mask at its most certain place: probabilities [R,m,m] → 0 or 1 [R,m,m]. Cells that touch at a corner
    only are not connected.
    """
    planes = prob.unsqueeze(1)
    inside = (planes > 0.5).float()
    certain = F.avg_pool2d(planes, 3, 1, 1) + inside  # the place is inside the mask, if there is a mask
    piece = (certain >= certain.amax((2, 3), keepdim=True)).float() * inside
    grow = torch.jit.script(spread) if torch.jit.is_tracing() else spread  # an exported graph contains a loop
    return grow(piece, inside).view(prob.shape)


def spread(piece: Tensor, inside: Tensor) -> Tensor:
    """Adds the cells of `inside` that touch the piece, until there are no more: 0 or 1 [R,1,m,m]"""
    changed = True
    while changed:
        larger = torch.maximum(F.max_pool2d(piece, (3, 1), 1, (1, 0)), F.max_pool2d(piece, (1, 3), 1, (0, 1))) * inside
        changed = bool((larger != piece).any())
        piece = larger
    return piece
