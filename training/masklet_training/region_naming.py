"""Trains the namer: regions, as labelled and as the detector outlines them, have to match their names among the whole
vocabulary.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from .model.compact import CompactModel
from .model.detector import NO_PEAK, ConceptDetector, dot_product
from .model.naming import NamingBranch, RegionNamer, RegionViews, region_views

MAX_REGIONS = 20  # largest number of regions per frame
SAME_IOU, OTHER_IOU = 0.5, 0.15  # mask IoU from which an outline belongs to an object, and up to which it belongs to none
NO_OBJECT, PADDING = -1, -2  # markers in place of an object index: an outline of no object, and an unused slot
MIN_CELLS = 6  # regions with fewer mask cells are ignored


class Regions(NamedTuple):
    """R regions: the namer's inputs, and which phrases are true and which are debatable for each, bool [R,phrases]"""

    views: RegionViews
    truth: tuple[Tensor, Tensor]


def naming_loss(
    model: CompactModel,
    branch: NamingBranch | RegionNamer,
    descriptors: Tensor,
    truth: tuple[Tensor, Tensor],
    phrases: tuple[Tensor, Tensor],
) -> dict[str, Tensor]:
    """Losses of a branch on R regions.

    Each true phrase competes with all phrases that are neither true nor debatable, and with "no name". An outline of
    no object competes with all names.

    :param descriptors: [R,·], the branch's vectors
    :param truth: see `Regions`
    """
    ids, mask = phrases
    names = branch.name(model.detector.name_concept(model.text_encoder(ids, mask), mask))
    logits = descriptors @ names.T
    nothing = dot_product(descriptors, branch.nothing).unsqueeze(1)
    positive, doubtful = truth
    others = logits.masked_fill(positive | doubtful, -1e4)
    named = positive.any(1)
    rest = torch.logsumexp(torch.cat([others, nothing], 1), 1, keepdim=True)
    each = F.softplus(rest - logits) * positive  # −log of the phrase's share against the wrong ones
    unnamed = F.softplus(torch.logsumexp(others, 1) - nothing[:, 0])
    loss = torch.where(named, each.sum(1) / positive.sum(1).clamp(min=1), unnamed)
    best = torch.cat([others, nothing], 1).amax(1)
    hit = (logits.masked_fill(~positive, -1e4).amax(1) > best).float()
    return {
        "naming": loss.mean(),
        "m_named_hit": hit[named].mean().detach(),
        "m_unnamed_hit": (others.amax(1) < nothing[:, 0])[~named].float().mean().detach(),
    }


def regions_of(model: CompactModel, trunk: Tensor, batch: dict[str, Tensor], rows: dict[str, Tensor]) -> Regions | None:
    """Up to MAX_REGIONS regions of every frame with an object.

    :param batch: see `ConceptSampler.regions`
    :param rows: detector queries whose results are used as regions, see `ConceptSampler.rows`
    :return: None if there are no regions
    """
    detector = model.detector
    frames = torch.unique(batch["frame"])
    if len(frames) == 0:
        return None
    p8, p4, picture = detector.pyramid(trunk[frames])
    outlines, objects = outlines_of(model, frames, p8.detach(), p4.detach(), batch, rows)
    real = objects != PADDING
    if not real.any():
        return None
    views = RegionViews(*(view[real.flatten()] for view in region_views(p8, p4, picture, outlines)))
    objects = objects[real]
    some = (objects >= 0).unsqueeze(1)
    return Regions(views, (batch["positive"][objects] & some, batch["doubtful"][objects] & some))


@torch.no_grad()
def outlines_of(
    model: CompactModel, frames: Tensor, p8: Tensor, p4: Tensor, batch: dict[str, Tensor], rows: dict[str, Tensor]
) -> tuple[Tensor, Tensor]:
    """The regions of every frame: mask probabilities [frames,MAX_REGIONS,m,m], and the object index of each, NO_OBJECT
    or PADDING [frames,MAX_REGIONS].

    Objects are included as labelled, and as the detector outlined them for `rows`.
    """
    detector: ConceptDetector = model.detector
    kept = torch.isin(rows["frame"], frames)
    rows = {name: value[kept] for name, value in rows.items() if name in ("frame", "ids", "text_mask", "exemplars", "exemplar_labels")}
    place = torch.searchsorted(frames, rows["frame"])
    text = model.text_encoder(rows["ids"], rows["text_mask"])
    concept = detector.concepts(p8[place], text, rows["text_mask"], rows["exemplars"], rows["exemplar_labels"])
    heat, _, _, masks, _ = detector.peaks(p8[place], p4[place], concept)
    prob = torch.sigmoid(masks)
    outlines, objects = [], []
    for number, frame in enumerate(frames):
        own = torch.nonzero(batch["frame"] == frame)[:, 0]
        truths = batch["mask"][own]
        asked = place == number
        found, strength = prob[asked].flatten(0, 1), heat[asked].flatten()
        solid = (strength > NO_PEAK / 2) & ((found > 0.5).flatten(1).sum(1) >= MIN_CELLS)
        found, strength = found[solid], strength[solid]
        a, b = (found > 0.5).flatten(1).float(), (truths > 0.5).flatten(1).float()
        both = a @ b.T
        overlap = both / (a.sum(1, keepdim=True) + b.sum(1) - both + 1e-3)
        most, which = overlap.max(1)
        right = torch.nonzero((most >= SAME_IOU) & batch["clear"][own][which])[:, 0]
        wrong = torch.nonzero(most <= OTHER_IOU)[:, 0]
        wrong = wrong[strength[wrong].argsort(descending=True)][:4]  # those with the highest scores
        clear = torch.nonzero(batch["clear"][own])[:, 0]
        right = right[torch.randperm(len(right))[: max(0, MAX_REGIONS - len(clear) - len(wrong))]]
        every = torch.cat([truths[clear], found[right], found[wrong]])[:MAX_REGIONS]
        of = torch.cat([own[clear], own[which[right]], torch.full((len(wrong),), NO_OBJECT)])[:MAX_REGIONS]
        short = MAX_REGIONS - len(every)
        outlines.append(F.pad(every, (0, 0, 0, 0, 0, short)))
        objects.append(F.pad(of, (0, short), value=PADDING))
    return torch.stack(outlines), torch.stack(objects)
