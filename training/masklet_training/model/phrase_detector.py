"""Finds the objects of a phrase on photographs, without having been trained for it.

Two pretrained networks propose and name regions: the box detector, which knows 80 classes, and ImageNet's classifier, which
knows 1,000 and names what is at a place. A region is a box, all places of an object that fills the frame, or the place where the classifier is most certain. The prompt
decoder of the tracker turns it into a mask.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .box_detector import BoxDetector
from .class_heat import ClassHeat
from .layers import pixel_centres
from .lite_tracker import Levels, LiteTracker
from .naming import bounds
from .needed import Needed
from .phrase_code import PhraseCode
from .region_colour import ColourJudge
from .regions import area, distinct, intersections, overlaps, windows

PER_LIST = 24  # cells of the box detector that are considered, of the phrase's classes and of all classes
PEAKS = 3  # places of the classifier
ROWS = 6  # regions of a phrase that get a mask
SAME_BOX = 0.6  # IoU of boxes of one object
NESTED = 0.75  # share of the smaller of two boxes inside the other
MIDDLE = 0.8  # share of a box's sides in which the classifier looks
RIVAL = 3.0  # weight of another class that is twice as probable, and of a person where none is meant
EDGE = 0.01
LIVING = 398  # ImageNet's classes before this one are animals
FOODS = (924, 964)  # ImageNet's classes of dishes, fruit and vegetables
SURE = 0.9  # the classifier is not believed beyond this, so that a part of an object does not win over all of it
FAINT = 0.5  # score below which a region gets no mask
# Of a point at a peak: a box around it that covers this share of it is the same object.
POINT_SIDE = 0.1
# Of an object that fills the frame: share of the highest probability at its places, and least share of the frame.
FILLED, FILLED_SHARE = 0.5, 0.3
LARGEST = 0.98  # share of the frame above which a mask is no object
SMALLEST = 4.0  # cells of a mask, at stride 4
NONE = -12.0  # logit of a region that is not considered
ABSENT = -16.0  # logits of rows without a mask
MARGIN = 0.08  # share of a box's sides by which an object may be larger than its box
OUTSIDE = -8.0  # mask logit outside the box of a region, at most
GENEROUS = (0.0, 1.5, 3.0)  # added to the logits inside the box
FIRST = 0.2  # by which another mask has to fit a box better than the first one


class Candidates(NamedTuple):
    """N regions of each of C phrases"""

    boxes: Tensor  # xyxy [C,N,4]
    points: Tensor  # where to click instead, or −1 for boxes [C,N,2]
    logits: Tensor  # [C,N]


def inside_boxes(boxes: Tensor, side: int) -> Tensor:
    """1 for the cells of boxes, which are grown by MARGIN on every side: xyxy [R,4] → [R,side,side]"""
    axis = pixel_centres(side, boxes.device)
    x0, y0, x1, y1 = boxes.unsqueeze(2).unbind(1)  # [R,1]
    grow_x, grow_y = (x1 - x0) * MARGIN, (y1 - y0) * MARGIN
    columns = ((axis > x0 - grow_x) & (axis < x1 + grow_x)).float()
    rows = ((axis > y0 - grow_y) & (axis < y1 + grow_y)).float()
    return rows.unsqueeze(2) * columns.unsqueeze(1)


class RegionMasks(nn.Module):
    """Boxes and places → masks, and whether these fit the phrase"""

    def __init__(self) -> None:
        super().__init__()
        self.colours = ColourJudge()

    def forward(
        self, tracker: LiteTracker, levels: Levels, image: Tensor, boxes: Tensor, points: Tensor, chosen: Tensor, code: PhraseCode
    ) -> tuple[Tensor, Tensor]:
        """boxes xyxy [C,ROWS,4], points [C,ROWS,2], and 1 for the rows that get a mask [C,ROWS] → 0..1 [C,ROWS] and logits
        [C,ROWS,m,m], both 0 for the other rows
        """
        flat = chosen.flatten()
        # One row always gets a mask, so that there is at least one.
        first = (torch.cumsum(flat * 0.0 + 1.0, 0) < 1.5).float()
        rows = torch.nonzero(torch.maximum(flat, first))[:, 0]
        masks = self.segment(tracker, levels, boxes.flatten(0, 1)[rows], points.flatten(0, 1)[rows])
        side = tracker.side // 4
        share = (masks > 0).float().mean((1, 2, 3))
        fits = ((share < LARGEST) & (share * side**2 >= SMALLEST)).float()
        wanted = code.colour.unsqueeze(1).expand(-1, ROWS, -1).flatten(0, 1)[rows]
        fits = fits * self.colours(image, masks, wanted) * flat[rows]
        # Sizes that depend on C are never read: the exporter would store those of the example.
        planes = (flat * 0.0).view(-1, 1, 1).expand(-1, side, side).index_copy(0, rows, masks[:, 0] * flat[rows].view(-1, 1, 1))
        return (flat * 0.0).index_copy(0, rows, fits).view(-1, ROWS), planes.view(-1, ROWS, side, side)

    @staticmethod
    def segment(tracker: LiteTracker, levels: Levels, boxes: Tensor, points: Tensor) -> Tensor:
        """The object in each box, or at each point: boxes [R,4], points [R,2] → mask logits [R,1,m,m]"""
        clicked = points[:, :1] >= 0
        corners = boxes.unflatten(1, (2, 2))
        prompts = torch.where(clicked.unsqueeze(2), points.unsqueeze(1).expand(-1, 2, -1), corners)
        kinds = torch.tensor([[2, 3]], dtype=torch.int32, device=boxes.device)
        labels = torch.where(clicked, torch.tensor([[1, -10]], dtype=torch.int32, device=boxes.device), kinds)
        nothing = points[:, 0] * 0.0
        side = tracker.side // 4
        masks, iou, _ = tracker.segment(levels, prompts, labels, nothing.view(-1, 1, 1, 1).expand(-1, 1, side, side), nothing)
        kept = torch.maximum(inside_boxes(boxes, side), clicked.float().unsqueeze(2)).unsqueeze(1)
        masks = torch.where(kept > 0.5, masks, masks.clamp(max=OUTSIDE))
        # The object touches all sides of its box: of all masks, and more generous ones, the one that fits the box best is used.
        masks = torch.cat([masks + shift * kept for shift in GENEROUS], 1)
        fit = overlaps(bounds((masks > 0).float()), boxes.unsqueeze(1)).squeeze(2)  # [R,·]
        plain = torch.cat([iou, iou.repeat(1, len(GENEROUS) - 1) * 0.0], 1)
        likely = torch.where(clicked, plain, fit + FIRST * (torch.arange(fit.shape[1], device=fit.device) == 0).float())
        best = likely.argmax(1)
        return masks.gather(1, best.view(-1, 1, 1, 1).expand(-1, 1, side, side))


class PhraseDetector(nn.Module):
    """Boxes, places and their names"""

    def __init__(self, boxes: BoxDetector, heat: ClassHeat) -> None:
        super().__init__()
        self.boxes = boxes
        self.heat = heat
        self.masks = RegionMasks()
        self.masks_needed = Needed()
        # Evidence for a region, see `judge`. Fitted on development frames, see NOTES.md.
        self.register_buffer("both", torch.tensor([1.6, 0.24, 0.9, 2.9]))
        self.register_buffer("boxed", torch.tensor([1.84, 0.3, 1.5]))
        self.register_buffer("seen", torch.tensor([0.8, 0.8, 1.6]))
        self.register_buffer("place", torch.tensor([1.0, -2.0]))

    def forward(
        self, tracker: LiteTracker, levels: Levels, image: Tensor, aspect: Tensor, features: Tensor, code: PhraseCode
    ) -> tuple[Tensor, Tensor, Tensor]:
        """levels, image f32 0..255 [1,3,S,S], its width / height before it was resized [1] and raw features of stride 32
        [1,320,h,h] of a frame, and C phrases → scores [C,ROWS], boxes xyxy 0..1 [C,ROWS,4], mask logits [C,ROWS,m,m]
        """
        found = self.propose(image, aspect, features, code)
        logits, order = found.logits.topk(ROWS, 1)
        points = found.points.gather(1, order.unsqueeze(2).expand(-1, -1, 2))
        boxes = found.boxes.gather(1, order.unsqueeze(2).expand(-1, -1, 4))
        chosen = self.masks_needed((torch.sigmoid(logits) > FAINT).float())
        fits, planes = self.masks(tracker, levels, image, boxes, points, chosen, code)
        return fits * torch.sigmoid(logits), boxes, planes + ABSENT * (1.0 - chosen.view(-1, ROWS, 1, 1))

    def propose(self, image: Tensor, aspect: Tensor, features: Tensor, code: PhraseCode) -> Candidates:
        """All candidates of all phrases, without duplicates"""
        probabilities, boxes = self.boxes(image, aspect)  # [80,A], [A,4]
        described = self.heat.describe(features)
        side = described.shape[-1]
        own = (code.boxed.unsqueeze(2) * probabilities).amax(1)  # [C,A]
        strongest = probabilities.amax(0)
        one = own.topk(PER_LIST, 1)[1]
        two = strongest.unsqueeze(0).topk(PER_LIST, 1)[1]
        index = torch.cat([one, two + one * 0], 1)  # [C,2·PER_LIST]
        places = boxes[index]  # [C,·,4]
        middles = windows(places, side, MIDDLE)  # [C,·,h²]
        names = self.heat.regions(described, middles)  # [C,·,1000]
        around = self.heat.places(described)  # [h²,1000]
        person = code.boxed[:, :1]
        foreign = person * probabilities[1:].amax(0) + (1.0 - person) * probabilities[0]  # [C,A]
        rivals = torch.maximum(strongest[index] / 2.0, foreign.gather(1, index))
        logits = self.judge(own.gather(1, index), strongest[index], rivals, names, middles, around, code)
        heat = code.seen @ around.transpose(0, 1)
        peak_logits, points = self.peaks(heat, side, code)
        half = POINT_SIDE / 2
        spots = torch.cat([points - half, points + half], 2)
        filled, filled_logits = self.filled(heat, described, code.seen)
        # The box detector's boxes are more exact.
        filled_logits = torch.where(logits.amax(1, keepdim=True) > 0, filled_logits.new_tensor(NONE), filled_logits)
        no_point = torch.cat([places, filled], 1)[..., :2] * 0.0 - 1.0
        everything = Candidates(
            torch.cat([places, filled, spots], 1),
            torch.cat([no_point, points], 1),
            torch.cat([logits, filled_logits, peak_logits], 1),
        )
        return drop_duplicates(everything)

    def judge(
        self, own: Tensor, strongest: Tensor, rivals: Tensor, names: Tensor, middles: Tensor, around: Tensor, code: PhraseCode
    ) -> Tensor:
        """Logit that a box shows what a phrase names: the box detector's probability of the phrase's classes, of its strongest
        class, and what the first has to exceed [C,N], the classifier's probabilities inside it [C,N,1000], the weights of its
        cells [C,N,h²], and the classifier's probabilities around each cell [h²,1000] → [C,N]
        """
        seen = (names @ code.seen.unsqueeze(2)).squeeze(2)
        others = (1.0 - code.seen[:, :LIVING]).unsqueeze(2)
        inside = (names[..., :LIVING] @ others).squeeze(2)
        # A part of an animal alone may look like that of another kind.
        nearby = (middles @ (around[:, :LIVING] @ others)).squeeze(2)
        has_seen = (code.seen.amax(1, keepdim=True) > 0).float()
        has_boxed = (code.boxed.amax(1, keepdim=True) > 0).float()
        # The box detector has few classes of food, and finds strawberries as apples.
        first, last = FOODS
        dishes = (names[..., first:last] @ (1.0 - code.seen[:, first:last]).unsqueeze(2)).squeeze(2)
        # An animal of another kind is no animal of this kind, and no person.
        kinds = has_seen * code.boxed[:, 14:24].amax(1, keepdim=True)
        person = code.boxed[:, :1] * (1.0 - kinds)
        food = has_seen * code.boxed[:, 46:56].amax(1, keepdim=True)
        other = unlikely(torch.maximum(inside, nearby)) * kinds + unlikely(inside) * person + unlikely(dishes) * food
        # A box of another class is not that of this one, even if the object is partly inside.
        rival = RIVAL * torch.log((own + EDGE) / (rivals + EDGE)).clamp(max=0.0)
        both = rival + self.both[0] * logit(own) + self.both[1] * logit(seen) + self.both[2] * other + self.both[3]
        boxed = rival + self.boxed[0] * logit(own) + self.boxed[1] * other + self.boxed[2]
        # The box detector finds an eagle as a bird; it has no class for a cheetah.
        box = code.narrow * (self.seen[1] * logit(own) + rival) + (1.0 - code.narrow) * self.seen[1] * logit(strongest)
        only = self.seen[0] * logit(seen.clamp(max=SURE)) + box + self.seen[2]
        known = has_boxed * (1.0 - code.narrow)
        result = known * (has_seen * both + (1.0 - has_seen) * boxed) + (1.0 - known) * only
        return torch.where(has_seen + has_boxed > 0, result, result.new_tensor(NONE))

    def peaks(self, heat: Tensor, side: int, code: PhraseCode) -> tuple[Tensor, Tensor]:
        """The places where the classifier is most certain: heat [C,h²] → logits [C,PEAKS], points [C,PEAKS,2]"""
        plane = heat.unflatten(1, (1, side, side))
        top = torch.where(plane >= F.max_pool2d(plane, 3, 1, 1), plane, plane.new_tensor(0.0))
        strength, cell = top.flatten(1).topk(PEAKS, 1)
        axis = pixel_centres(side, heat.device)
        points = torch.stack([axis[cell.remainder(side)], axis[torch.div(cell, side, rounding_mode="floor")]], 2)
        has_seen = code.seen.amax(1, keepdim=True)
        logits = self.place[0] * logit(strength) + self.place[1]
        return torch.where(has_seen * strength > 0, logits, logits.new_tensor(NONE)), points

    def filled(self, heat: Tensor, described: Tensor, seen: Tensor) -> tuple[Tensor, Tensor]:
        """The box of all places where the classifier sees what a phrase names, for objects that fill much of the frame: the
        box detector does not find these. Probabilities of the places [C,h²], features [1,HEAD,h,h] and the phrases'
        classes [C,1000] → boxes [C,1,4], logits [C,1]
        """
        side = described.shape[-1]
        strong = (heat >= FILLED * heat.amax(1, keepdim=True)).float().unflatten(1, (1, side, side))
        boxes = bounds(strong)
        names = self.heat.regions(described, windows(boxes, side, MIDDLE))
        logits = logit((names @ seen.unsqueeze(2)).squeeze(2))
        return boxes, torch.where(area(boxes) > FILLED_SHARE, logits, logits.new_tensor(NONE))


def drop_duplicates(found: Candidates) -> Candidates:
    """Lowers the logits of boxes that overlap a better one, and of points inside a better box or a likely one: a point would
    only find a part of what the box contains
    """
    logits, order = found.logits.sort(1, descending=True)
    boxes = found.boxes.gather(1, order.unsqueeze(2).expand(-1, -1, 4))
    points = found.points.gather(1, order.unsqueeze(2).expand(-1, -1, 2))
    count = boxes.shape[1]
    earlier = torch.tril(torch.ones(count, count, device=boxes.device), -1)
    is_point = (points[..., :1] >= 0).float()  # [C,N,1]
    both = intersections(boxes, boxes)
    within = both / area(boxes).unsqueeze(2).clamp(min=1e-6)  # share of a row inside a column
    is_box = 1.0 - is_point.transpose(1, 2)
    likely = (logits > 0).float().unsqueeze(1) * is_box
    covered = (within > 0.5).float() * is_point * torch.maximum(earlier, likely)
    smaller = torch.minimum(area(boxes).unsqueeze(2), area(boxes).unsqueeze(1)).clamp(min=1e-6)
    nested = (both / smaller > NESTED).float() * is_box
    again = (1.0 - distinct(boxes, SAME_BOX)) + torch.maximum(covered, nested * earlier).amax(2)
    return Candidates(boxes, points, torch.where(again > 0, logits.new_tensor(NONE), logits))


def unlikely(share: Tensor) -> Tensor:
    """0 for small shares, and lower for shares above a quarter"""
    return (logit(1.0 - share) - 1.0).clamp(max=0.0)


def logit(share: Tensor) -> Tensor:
    """Of shares, which are limited to 0.01..0.99"""
    limited = share.clamp(0.01, 0.99)
    return torch.log(limited) - torch.log(1.0 - limited)
