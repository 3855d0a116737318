"""Names regions: a region's appearance and outline become vectors that are compared with names."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from .config import CompactConfig
from .layers import ConvNorm, Mlp, pixel_centres

PLACES = 12  # a region's box is sampled at PLACES × PLACES places of the features
SHARP_PLACES = 32  # and at SHARP_PLACES × SHARP_PLACES places of the picture
SHARP_NAME = 192  # width of the vectors of the picture's branch
COARSE = 64  # channels from stride 8
MARGIN = 0.08  # share of the box's sides, so that the surroundings of the outline are included
SHARP_MARGIN = 0.18  # in the picture, where they show what an inaccurate outline misses
NAME_HIDDEN = 512  # hidden width of the network that turns a concept into a name: it has to separate hundreds of nouns


class RegionViews(NamedTuple):
    """The namer's inputs for R regions; p is PLACES, and outlines are the last channel"""

    sharp: Tensor  # the picture [R,3+1,SHARP_PLACES,SHARP_PLACES]
    fine: Tensor  # features of stride 4 [R,·+1,p,p]
    coarse: Tensor  # features of stride 8 [R,·,p/2,p/2]
    extent: Tensor  # logarithm of the box's width and height [R,2]


class NamingBranch(nn.Module):
    """One branch of the namer: describes regions by vectors, scaled so that their dot product with a name is a logit."""

    def __init__(self, cfg: CompactConfig, width: int) -> None:
        """:param width: N, of the vectors"""
        super().__init__()
        self.scale = width**-0.5
        self.call = Mlp(cfg.hidden, NAME_HIDDEN, width)
        # vector of regions without a name
        self.nothing = nn.Parameter(torch.zeros(width))

    def name(self, concept: Tensor) -> Tensor:
        """Concept vectors [...,D] → vectors to compare with regions [...,N]"""
        return self.call(concept)


class FeatureBranch(NamingBranch):
    """Describes regions by the detector's features. The arrangement of a region's parts distinguishes a hexagon from a
    pentagon; the mean over the region, which the detector uses, does not contain it.
    """

    def __init__(self, cfg: CompactConfig, width8: int, width4: int) -> None:
        super().__init__(cfg, cfg.hidden)
        self.fine = ConvNorm(width4 + 1, 64)
        self.parts = ConvNorm(64, 96, stride=2)
        self.coarse = nn.Conv2d(width8, COARSE, 1)
        self.whole = nn.Sequential(ConvNorm(96 + COARSE, 128), ConvNorm(128, 128, stride=2))
        self.describe = Mlp(128 * (PLACES // 4) ** 2 + 2, 256, cfg.hidden)
        nn.init.zeros_(self.call[2].weight)
        nn.init.zeros_(self.call[2].bias)

    def name(self, concept: Tensor) -> Tensor:
        """Concept vectors [...,D] → vectors to compare with regions [...,D]"""
        return concept + self.call(concept)

    def forward(self, fine: Tensor, coarse: Tensor, extent: Tensor) -> Tensor:
        """See `RegionViews` → [R,D]."""
        parts = self.parts(self.fine(fine))
        whole = self.whole(torch.cat([parts, self.coarse(coarse)], 1)).flatten(1)
        return self.describe(torch.cat([whole, extent], 1)) * self.scale


class PixelBranch(NamingBranch):
    """Describes regions by pixels. Features are trained for detection and lose a face of a few pixels, and whether a shape has
    five corners or six. This branch needs no features and can be trained on stickers alone, which are much faster to draw
    than frames (`stickers.py`).
    """

    def __init__(self, cfg: CompactConfig) -> None:
        super().__init__(cfg, SHARP_NAME)
        self.parts = nn.Sequential(ConvNorm(3 + 1, 48), ConvNorm(48, 96, stride=2), ConvNorm(96, 128, stride=2))
        self.whole = nn.Sequential(ConvNorm(128, 160), ConvNorm(160, 160, stride=2))
        self.describe = Mlp(160 * (SHARP_PLACES // 8) ** 2 + 1, 256, SHARP_NAME)

    def forward(self, sharp: Tensor, extent: Tensor) -> Tensor:
        """See `RegionViews`; only the aspect ratio of the extent is used → [R,SHARP_NAME]"""
        whole = self.whole(self.parts(sharp)).flatten(1)
        aspect = extent[:, :1] - extent[:, 1:]
        return self.describe(torch.cat([whole, aspect], 1)) * self.scale


class RegionNamer(nn.Module):
    """A small network for single regions, with two branches whose vectors are concatenated"""

    def __init__(self, cfg: CompactConfig, width8: int, width4: int) -> None:
        super().__init__()
        self.by_features = FeatureBranch(cfg, width8, width4)
        self.by_picture = PixelBranch(cfg)

    def name(self, concept: Tensor) -> Tensor:
        """Concept vectors [...,D] → vectors to compare with regions [...,D+SHARP_NAME]"""
        return torch.cat([self.by_features.name(concept), self.by_picture.name(concept)], -1)

    @property
    def nothing(self) -> Tensor:
        """The vector of "no name" [D+SHARP_NAME]"""
        return torch.cat([self.by_features.nothing, self.by_picture.nothing])

    def describe(self, seen: RegionViews) -> Tensor:
        """R views → vectors to compare with names [R,D+SHARP_NAME]"""
        by_features = self.by_features(seen.fine, seen.coarse, seen.extent)
        return torch.cat([by_features, self.by_picture(seen.sharp, seen.extent)], 1)

    def forward(self, p8: Tensor, p4: Tensor, picture: Tensor, prob: Tensor) -> Tensor:
        """Arguments as for `region_views` → [N,K,D+SHARP_NAME]."""
        return self.describe(region_views(p8, p4, picture, prob)).unflatten(0, prob.shape[:2])


def region_views(p8: Tensor, p4: Tensor, picture: Tensor, prob: Tensor) -> RegionViews:
    """p8 [N,·,2g,2g], p4 [N,·,m,m], picture [N,3,·,·] of any size, mask probabilities of K regions [N,K,m,m] → N·K views."""
    boxes, extent = region_boxes(prob, MARGIN)
    coarse = pool_places(p8, boxes, PLACES // 2).flatten(0, 1)
    sharp = outlined(picture, prob, region_boxes(prob, SHARP_MARGIN)[0], SHARP_PLACES)
    return RegionViews(sharp, outlined(p4, prob, boxes, PLACES), coarse, extent)


def region_boxes(prob: Tensor, margin: float) -> tuple[Tensor, Tensor]:
    """Mask probabilities [N,K,m,m] → boxes with a margin, xyxy 0..1 [N,K,4], and the extents without it [N·K,2]."""
    tight = bounds((prob > 0.5).float())
    size = tight[..., 2:] - tight[..., :2]
    boxes = torch.cat([tight[..., :2] - margin * size, tight[..., 2:] + margin * size], -1)
    return boxes, torch.log(size.clamp(min=0.01)).flatten(0, 1)


def outlined(level: Tensor, prob: Tensor, boxes: Tensor, places: int) -> Tensor:
    """A level [N,C,·,·] and the outline, sampled at places × places of each region's box [N·K,C+1,places,places]."""
    seen = pool_places(level, boxes, places).flatten(0, 1)
    outline = pool_places(prob.flatten(0, 1).unsqueeze(1), boxes.reshape(-1, 1, 4), places)[:, 0]
    return torch.cat([seen, outline], 1)


def bounds(inside: Tensor) -> Tensor:
    """Tight boxes xyxy 0..1 of masks of zeros and ones [N,K,m,m] → [N,K,4]; undefined for empty masks."""
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

    def weights(low: Tensor, high: Tensor) -> Tensor:
        near = nearness(*place_centres(low, high, places), side)
        return near / (near.sum(-1, keepdim=True) + 1e-4)  # [N,K,places,h]

    x0, y0, x1, y1 = boxes.unbind(-1)
    rows = torch.einsum("nkgy,ncyx->nkcgx", weights(y0, y1), features)
    return torch.einsum("nkcgx,nkfx->nkcgf", rows, weights(x0, x1))


def place_centres(low: Tensor, high: Tensor, places: int) -> tuple[Tensor, Tensor]:
    """Two ends of a box along one axis [...] → centres of equal places between them [...,places], and their distance [...]"""
    size = (high - low).clamp(min=1e-3)
    return low.unsqueeze(-1) + size.unsqueeze(-1) * pixel_centres(places, low.device), size / places


def nearness(centres: Tensor, step: Tensor, side: int) -> Tensor:
    """How near places are to the cells of an axis: 1 at the same place, 0 at a distance of `step`, or of a cell where that is more. Centres
    [...,places] and their distance [...] → [...,places,side]
    """
    reach = step.clamp(min=1.0 / side).unsqueeze(-1).unsqueeze(-1)
    return (1.0 - (pixel_centres(side, centres.device) - centres.unsqueeze(-1)).abs() / reach).clamp(min=0.0)
