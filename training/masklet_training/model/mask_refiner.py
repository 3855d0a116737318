"""Moves the outlines of masks to the edges of a picture.

Around each mask, each place takes the mean of what its neighbours have, weighted by how similar their colours are to its own. After a
few passes, a mask that is displaced or too coarse fills the area of one colour in which most of it lies, and leaves others. It is the
message passing of a conditional random field with short range (Krähenbühl and Koltun, "Efficient Inference in Fully Connected CRFs",
2011), on a grid with holes, so that few neighbours reach far.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .naming import nearness, place_centres, pool_places, region_boxes

PLACES = 48  # the box of a mask is sampled at PLACES × PLACES places
MARGIN = 0.3  # share of the box's sides by which the surroundings are included
REACH = 2  # neighbours to each side
SPACINGS = (3, 2, 1)  # places between neighbours, in each pass
SIMILAR = 0.2  # difference of colours at which a neighbour counts 0.6, in standard deviations of pictures
LARGEST_LOGIT = 6.0
FEW_PLACES = 16  # inside a mask, of which colours say little


class MaskRefiner(nn.Module):
    """Mask probabilities and a picture → mask logits"""

    def __init__(self) -> None:
        super().__init__()
        side = 2 * REACH + 1
        # One kernel for each neighbour, without the place itself.
        each, middle = torch.eye(side * side).view(side * side, 1, side, side), side * REACH + REACH
        self.register_buffer("kernels", torch.cat([each[:middle], each[middle + 1 :]]), persistent=False)

    def neighbours(self, planes: Tensor, spacing: int) -> Tensor:
        """What each place has as neighbours, 0 outside: [N,1,p,p] → [N,neighbours,p,p]"""
        return F.conv2d(planes, self.kernels, padding=REACH * spacing, dilation=spacing)

    def similarities(self, colours: Tensor, inside: Tensor, spacing: int) -> Tensor:
        """Weights of the neighbours, with a sum of 1: colours [R,3,p,p], and 1 for places inside the frame [R,1,p,p] →
        [R,neighbours,p,p]
        """
        others = self.neighbours(colours.flatten(0, 1).unsqueeze(1), spacing).unflatten(0, (-1, 3))
        apart = (others - colours.unsqueeze(2)).square().sum(1)
        weights = torch.exp(apart * (-0.5 / SIMILAR**2)) * self.neighbours(inside, spacing)
        return weights / (weights.sum(1, keepdim=True) + 1e-6)

    def forward(self, prob: Tensor, picture: Tensor) -> tuple[Tensor, Tensor]:
        """prob of R masks [R,m,m], picture as `ImageEncoder.normalise` returns it [1,3,4n,4n] → logits [R,n,n], and the variety of
        the colours inside, see `colour_variety` [R]
        """
        side = picture.shape[-1] // 4
        boxes = region_boxes(prob.unsqueeze(0), MARGIN)[0]  # [1,R,4]
        colours = pool_places(F.avg_pool2d(picture, 2), boxes, PLACES)[0]
        planes = pool_places(prob.unsqueeze(1), boxes.transpose(0, 1), PLACES)[:, 0]
        x0, y0, x1, y1 = boxes[0].unbind(1)
        x, step_x = place_centres(x0, x1, PLACES)  # [R,p], [R]
        y, step_y = place_centres(y0, y1, PLACES)
        inside = (within_frame(y).unsqueeze(2) * within_frame(x).unsqueeze(1)).unsqueeze(1)
        for spacing in SPACINGS:
            planes = (self.neighbours(planes, spacing) * self.similarities(colours, inside, spacing)).sum(1, keepdim=True)
        refined = spread(y, step_y, side).transpose(1, 2) @ planes.squeeze(1) @ spread(x, step_x, side)
        logits = torch.log(refined + 1e-4) - torch.log(1.0 - refined + 1e-4)
        return logits.clamp(-LARGEST_LOGIT, LARGEST_LOGIT), colour_variety(colours, planes)


def colour_variety(colours: Tensor, planes: Tensor) -> Tensor:
    """Standard deviation of the colours inside masks, without their edges: colours [R,3,p,p], masks 0..1 [R,1,p,p] → [R]. Infinite for
    masks that are too small.
    """
    inner = -F.max_pool2d(-(planes > 0.5).float(), 3, 1, 1)
    count = inner.sum((2, 3))  # [R,1]
    apart = colours - ((colours * inner).sum((2, 3)) / (count + 1e-3)).unsqueeze(-1).unsqueeze(-1)
    variance = ((apart.square() * inner).sum((2, 3)) / (count + 1e-3)).sum(1)
    return torch.where(count[:, 0] < FEW_PLACES, torch.full_like(variance, torch.inf), variance.sqrt())


def within_frame(places: Tensor) -> Tensor:
    """1 for coordinates 0..1"""
    return ((places > 0.0) & (places < 1.0)).float()


def spread(places: Tensor, step: Tensor, side: int) -> Tensor:
    """Weights that bring values at coordinates `places` [R,p], at distances of `step` [R], to `side` cells, 0 for cells beyond them
    → [R,p,side]
    """
    near = nearness(places, step, side)
    return near / (near.sum(1, keepdim=True) + 1e-4)
