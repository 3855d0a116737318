"""Training losses, each a pure function of tensors."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def mask_loss(logits: Tensor, target: Tensor) -> Tensor:
    """Cross-entropy plus dice per mask. logits and target [B,k,m,m] → [B,k]. Target values between 0 and 1 are kept at
    edges.
    """
    bce = F.binary_cross_entropy_with_logits(logits, target, reduction="none").mean((-2, -1))
    prob = torch.sigmoid(logits)
    dice = 1.0 - (2 * (prob * target).sum((-2, -1)) + 1.0) / (prob.sum((-2, -1)) + target.sum((-2, -1)) + 1.0)
    return 3.0 * bce + dice


def hard_iou(logits: Tensor, target: Tensor) -> Tensor:
    """IoU of thresholded masks. [B,k,m,m] → [B,k]."""
    a, b = logits > 0, target > 0.5
    return (a & b).sum((-2, -1)) / (a | b).sum((-2, -1)).clamp(min=1)


def four_mask_loss(logits: Tensor, target: Tensor, single: Tensor) -> Tensor:
    """The first mask always; of the three candidates only the best one, and only for an ambiguous click (SAM, section
    3).
    """
    each = mask_loss(logits, target.expand_as(logits))
    return each[:, 0] + single * (0.7 * each[:, 1:].amin(1) + 0.1 * each[:, 1:].mean(1))


def heat_target(boxes: Tensor, valid: Tensor, side: int) -> Tensor:
    """CenterNet's Gaussian centres: boxes xyxy 0..1 [R,I,4], valid [R,I] → [R,1,side,side]."""
    axis = (torch.arange(side, device=boxes.device) + 0.5) / side
    cx, cy = (boxes[..., 0] + boxes[..., 2]) / 2, (boxes[..., 1] + boxes[..., 3]) / 2
    # The centre snaps to its cell so that the peak is exactly one.
    cx = (torch.floor(cx * side).clamp(0, side - 1) + 0.5) / side
    cy = (torch.floor(cy * side).clamp(0, side - 1) + 0.5) / side
    sx = ((boxes[..., 2] - boxes[..., 0]) * 0.12).clamp(min=0.45 / side)
    sy = ((boxes[..., 3] - boxes[..., 1]) * 0.12).clamp(min=0.45 / side)
    gx = torch.exp(-0.5 * ((axis - cx.unsqueeze(-1)) / sx.unsqueeze(-1)) ** 2)
    gy = torch.exp(-0.5 * ((axis - cy.unsqueeze(-1)) / sy.unsqueeze(-1)) ** 2)
    blobs = gy.unsqueeze(-1) * gx.unsqueeze(-2) * valid.view(*valid.shape, 1, 1)
    return blobs.amax(1, keepdim=True)


def centre_focal(logits: Tensor, target: Tensor, ignore: Tensor) -> Tensor:
    """CornerNet's focal loss on a centre map, normalised by the number of centres. All [R,1,h,w] → scalar."""
    prob = torch.sigmoid(logits).clamp(1e-4, 1 - 1e-4)
    positive = (target > 0.999).float()
    at = positive * (1 - prob) ** 2 * torch.log(prob)
    off = (1 - positive) * (1 - target) ** 4 * prob**2 * torch.log(1 - prob) * (1 - ignore)
    return -(at + off).sum() / positive.sum().clamp(min=1.0)


def box_loss(predicted: Tensor, target: Tensor) -> Tensor:
    """Generalised IoU plus L1 for xyxy boxes [...,4] → [...]."""
    x0, y0 = torch.maximum(predicted[..., 0], target[..., 0]), torch.maximum(predicted[..., 1], target[..., 1])
    x1, y1 = torch.minimum(predicted[..., 2], target[..., 2]), torch.minimum(predicted[..., 3], target[..., 3])
    inter = (x1 - x0).clamp(min=0) * (y1 - y0).clamp(min=0)

    def area(box: Tensor) -> Tensor:
        return (box[..., 2] - box[..., 0]).clamp(min=0) * (box[..., 3] - box[..., 1]).clamp(min=0)

    union = area(predicted) + area(target) - inter + 1e-6
    left, top = torch.minimum(predicted[..., 0], target[..., 0]), torch.minimum(predicted[..., 1], target[..., 1])
    right, low = torch.maximum(predicted[..., 2], target[..., 2]), torch.maximum(predicted[..., 3], target[..., 3])
    hull = (right - left) * (low - top) + 1e-6
    giou = inter / union - (hull - union) / hull
    return 1.0 - giou + 2.0 * (predicted - target).abs().sum(-1)
