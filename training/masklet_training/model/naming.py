"""What a region is called: its features and its outline, place by place, become a vector that is compared with names."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .config import CompactConfig
from .layers import ConvNorm, Mlp, pixel_centres

PLACES = 12  # a region's own box is looked at in PLACES × PLACES places
COARSE, FINE = 64, 32  # channels that are pooled from stride 8 and from stride 4
MARGIN = 0.08  # of the box's sides, so that what lies just outside the outline is seen too


class RegionNamer(nn.Module):
    """A small network over each region alone. What tells a hexagon from a pentagon, or a cat from a fox, is which of its
    parts is where; the mean over the region, which finds it on the frame, does not know that."""

    def __init__(self, cfg: CompactConfig, width8: int, width4: int) -> None:
        super().__init__()
        self.coarse = nn.Conv2d(width8, COARSE, 1)
        self.fine = nn.Conv2d(width4, FINE, 1)
        self.parts = nn.Sequential(ConvNorm(FINE + 1, 64), ConvNorm(64, 96, stride=2))
        self.whole = nn.Sequential(ConvNorm(96 + COARSE, 128), ConvNorm(128, 128, stride=2))
        self.describe = Mlp(128 * (PLACES // 4) ** 2 + 2, 256, cfg.hidden)
        self.call = Mlp(cfg.hidden, cfg.hidden, cfg.hidden)
        # What a region that has no name is close to.
        self.nothing = nn.Parameter(torch.zeros(cfg.hidden))
        nn.init.zeros_(self.call[2].weight)
        nn.init.zeros_(self.call[2].bias)

    def name(self, concept: Tensor) -> Tensor:
        """Concept vectors [...,D] → what regions are compared with [...,D]."""
        return concept + self.call(concept)

    def forward(self, p8: Tensor, p4: Tensor, prob: Tensor) -> Tensor:
        """p8 [N,·,2g,2g], p4 [N,·,m,m], mask probabilities of K regions [N,K,m,m] → [N,K,D]."""
        boxes = bounds((prob > 0.5).float())
        size = boxes[..., 2:] - boxes[..., :2]
        boxes = torch.cat([boxes[..., :2] - MARGIN * size, boxes[..., 2:] + MARGIN * size], -1)
        fine = pool_places(self.fine(p4), boxes, PLACES)
        outline = pool_places(prob.flatten(0, 1).unsqueeze(1), boxes.reshape(-1, 1, 4), PLACES).view(*fine.shape[:2], 1, PLACES, PLACES)
        parts = self.parts(torch.cat([fine, outline], 2).flatten(0, 1))
        coarse = pool_places(self.coarse(p8), boxes, PLACES // 2).flatten(0, 1)
        whole = self.whole(torch.cat([parts, coarse], 1)).flatten(1)
        extent = torch.log(size.clamp(min=0.01)).flatten(0, 1)
        return self.describe(torch.cat([whole, extent], 1)).view(*boxes.shape[:2], -1)


def bounds(inside: Tensor) -> Tensor:
    """Tight boxes xyxy 0..1 of masks of zeros and ones [N,K,m,m] → [N,K,4]; nonsense for empty ones."""
    m = inside.shape[-1]
    axis = pixel_centres(m, inside.device)
    ends = []
    for occupied in (inside.amax(2), inside.amax(3)):  # columns, rows
        ends += [(axis + 2.0 * (1.0 - occupied)).amin(2) - 0.5 / m, (axis * occupied).amax(2) + 0.5 / m]
    x0, x1, y0, y1 = ends
    return torch.stack([x0, y0, x1, y1], -1).clamp(0.0, 1.0)


def pool_places(features: Tensor, boxes: Tensor, places: int) -> Tensor:
    """Features at places × places of boxes: features [N,C,h,h], boxes xyxy 0..1 [N,K,4] → [N,K,C,places,places]."""
    side = features.shape[-1]
    axis = pixel_centres(side, features.device)
    steps = pixel_centres(places, features.device)

    def weights(low: Tensor, high: Tensor) -> Tensor:
        size = (high - low).clamp(min=1e-3).unsqueeze(-1)
        centres = low.unsqueeze(-1) + size * steps  # [N,K,places]
        reach = (size / places).clamp(min=1.0 / side).unsqueeze(-1)
        near = (1.0 - (axis - centres.unsqueeze(-1)).abs() / reach).clamp(min=0.0)
        return near / (near.sum(-1, keepdim=True) + 1e-4)  # [N,K,places,h]

    x0, y0, x1, y1 = boxes.unbind(-1)
    rows = torch.einsum("nkgy,ncyx->nkcgx", weights(y0, y1), features)
    return torch.einsum("nkcgx,nkfx->nkcgf", rows, weights(x0, x1))
