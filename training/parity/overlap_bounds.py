"""Bounds of mask overlaps if every pixel with a logit close to its threshold flipped. They show whether a decision
depends on such pixels. Rounding moves logits by far less than `LOGIT_MARGIN`.
"""

from __future__ import annotations

import torch
from torch import Tensor

LOGIT_MARGIN = 3e-4
LEAD_MARGIN = 3e-5
"""Margin between the logits of two masks. Masks of duplicates are so similar that a larger margin would leave no certain
pixels.
"""


def iou_bounds(one: Tensor, other: Tensor) -> tuple[Tensor, Tensor]:
    """:return: lowest and highest IoU [n, m] of logits [n, H, W] and [m, H, W]"""
    certain, possible = _flat(one > LOGIT_MARGIN, other > LOGIT_MARGIN), _flat(one > -LOGIT_MARGIN, other > -LOGIT_MARGIN)
    common = [a @ b.T for a, b in (certain, possible)]
    either = [a.sum(1)[:, None] + b.sum(1)[None] - both for (a, b), both in zip((certain, possible), common)]
    return common[0] / either[1].clamp(min=1), common[1] / either[0].clamp(min=1)


def _flat(*masks: Tensor) -> list[Tensor]:
    return [mask.flatten(1).double() for mask in masks]


def remaining_bounds(logits: Tensor) -> tuple[Tensor, Tensor]:
    """Lowest and highest share of each mask [n] that remains if every pixel belongs to the largest logit, and to the
    first of equal ones. Logits of detections that correct a track are 0 and 1 and therefore equal.

    :param logits: [n, H, W]
    """
    certain, possible = torch.ones_like(logits, dtype=torch.bool), torch.ones_like(logits, dtype=torch.bool)
    for i in range(len(logits)):
        for j in range(len(logits)):
            if i != j:
                lead = logits[i] - logits[j]
                tie = (lead == 0) & (i < j)
                certain[i] &= (lead > LEAD_MARGIN) | tie
                possible[i] &= (lead > -LEAD_MARGIN) & ((lead != 0) | tie)
    inside = [(logits > threshold).flatten(1) for threshold in (LOGIT_MARGIN, -LOGIT_MARGIN)]
    areas = [mask.sum(1).clamp(min=1) for mask in inside]
    left = [(mask & wins.flatten(1)).sum(1) for mask, wins in zip(inside, (certain, possible))]
    return left[0] / areas[1], left[1] / areas[0]


def is_marginal(bounds: tuple[Tensor, Tensor], threshold: float) -> Tensor:
    """bool: whether the threshold lies between the lowest and the highest value; values equal to the threshold pass"""
    least, largest = bounds
    return (least < threshold) & (largest >= threshold)


def has_marginal_pixel(logits: Tensor, threshold: float) -> Tensor:
    """bool [n]: whether a mask has a pixel close to the threshold"""
    return ((logits - threshold).abs() < LOGIT_MARGIN).flatten(1).any(1)


def emptiness_is_marginal(logits: Tensor) -> Tensor:
    """bool [n]: whether a pixel close to the threshold decides if the mask is empty"""
    largest = logits.flatten(1).amax(1)
    return largest.abs() < LOGIT_MARGIN
