"""Clicks, boxes and previous masks as dense maps.

SAM embeds prompts as tokens, and a transformer spreads them over the image. A network trained from scratch in an hour
learns a spatial map of the same information far sooner, so a click becomes a Gaussian and a box its own area.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .config import CompactConfig
from .layers import ConvNorm, pixel_centres

NARROW, WIDE = 0.02, 0.08  # standard deviations of a click's two bumps, in frame widths
CHANNELS = 11
AT16 = 48  # width of the prompt features at stride 16


def selected_mask(labels: Tensor, has_mask: Tensor, iou: Tensor) -> Tensor:
    """labels int [B,N], has_mask f32 [B], predicted IoU [B,4] → the index of the mask to use, int64 [B]. A single click is
    ambiguous, so the candidate with the highest IoU is selected. Other prompts select the first mask.
    """
    clicks = ((labels == 0) | (labels == 1)).int().sum(1)
    clear = (clicks > 1) | (labels == 2).any(1) | (has_mask > 0)
    return torch.where(clear, 0, iou.argmax(1))


def prompt_maps(points: Tensor, labels: Tensor, mask_in: Tensor, has_mask: Tensor) -> Tensor:
    """points f32 [B,N,2] in 0..1 (x, y), labels int [B,N] (1 in, 0 out, 2 and 3 box corners, negative: none),
    mask_in logits [B,1,m,m], has_mask f32 [B] → maps [B,11,m,m]."""
    side = mask_in.shape[-1]
    axis = pixel_centres(side, points.device)
    x, y = points[..., 0], points[..., 1]
    dx2 = (axis.view(1, 1, side) - x.unsqueeze(-1)) ** 2  # [B,N,m]
    dy2 = (axis.view(1, 1, side) - y.unsqueeze(-1)) ** 2
    inside = (labels == 1).float()
    outside = (labels == 0).float()

    def bumps(kind: Tensor, sigma: float) -> Tensor:
        scale = -0.5 / (sigma * sigma)
        rows = torch.exp(dy2 * scale) * kind.unsqueeze(-1)
        return torch.einsum("bny,bnx->byx", rows, torch.exp(dx2 * scale)).clamp(max=1.0)

    first = (labels == 2).float()
    last = (labels == 3).float()
    has_box = ((first.sum(1) > 0) & (last.sum(1) > 0)).float()  # [B]
    x0 = (x * first).sum(1) / first.sum(1).clamp(min=1.0)
    y0 = (y * first).sum(1) / first.sum(1).clamp(min=1.0)
    x1 = (x * last).sum(1) / last.sum(1).clamp(min=1.0)
    y1 = (y * last).sum(1) / last.sum(1).clamp(min=1.0)

    def span(low: Tensor, high: Tensor) -> Tensor:
        rise = ((axis.view(1, side) - low.view(-1, 1)) * side + 0.5).clamp(0.0, 1.0)
        fall = ((high.view(-1, 1) - axis.view(1, side)) * side + 0.5).clamp(0.0, 1.0)
        return rise * fall

    def offset(low: Tensor, high: Tensor) -> Tensor:
        centre, half = (low + high) * 0.5, (high - low).clamp(min=0.02) * 0.5
        return ((axis.view(1, side) - centre.view(-1, 1)) / half.view(-1, 1)).clamp(-2.0, 2.0)

    gate = has_box.view(-1, 1, 1)
    ones = torch.ones_like(mask_in[:, 0])
    box = span(y0, y1).unsqueeze(2) * span(x0, x1).unsqueeze(1) * gate
    maps = [
        bumps(inside, NARROW),
        bumps(inside, WIDE),
        bumps(outside, NARROW),
        bumps(outside, WIDE),
        box,
        ones * gate,
        offset(x0, x1).unsqueeze(1) * ones * gate,
        offset(y0, y1).unsqueeze(2) * ones * gate,
        ones * inside.amax(1).view(-1, 1, 1),
        torch.sigmoid(mask_in[:, 0]) * has_mask.view(-1, 1, 1),
        ones * has_mask.view(-1, 1, 1),
    ]
    return torch.stack(maps, 1)


class PromptEncoder(nn.Module):
    """Dense prompt maps at stride 4 → features at strides 4, 8 and 16."""

    def __init__(self, cfg: CompactConfig) -> None:
        super().__init__()
        self.at4 = ConvNorm(CHANNELS, 16)
        self.at8 = ConvNorm(16, 32, stride=2)
        self.at16 = ConvNorm(32, AT16, stride=2)

    def forward(self, maps: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        x4 = self.at4(maps)
        x8 = self.at8(x4)
        return self.at16(x8), x8, x4
