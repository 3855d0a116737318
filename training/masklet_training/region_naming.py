"""Regions as the detector outlines them, and as they are, must be called by their own names among all of the vocabulary."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from .model.compact import CompactModel
from .model.detector import NO_PEAK, ConceptDetector, likeness
from .model.naming import Caller, RegionNamer, RegionViews, region_views

EACH = 20  # most regions looked at on one frame
SAME, OTHER = 0.5, 0.15  # mask IoU from which an outline is of an object, and up to which it is of none
NOTHING, FILLING = -1, -2  # in the place of an object: an outline of none, and no outline at all
SMALL = 6  # cells of a mask, fewer of which are not looked at


class Regions(NamedTuple):
    """R regions: what the namer sees of them, and which phrases are true of each, and which are debatable, bool [R,phrases]."""

    views: RegionViews
    truth: tuple[Tensor, Tensor]


def naming_loss(
    model: CompactModel,
    caller: Caller | RegionNamer,
    looks: Tensor,
    truth: tuple[Tensor, Tensor],
    phrases: tuple[Tensor, Tensor],
) -> dict[str, Tensor]:
    """How wrong a caller is about R regions; looks [R,·]: what it makes of them, truth: see `Regions`.

    Each true phrase competes with all that are neither true nor doubtful, and with having no name; an outline of nothing
    in particular competes with all names."""
    ids, mask = phrases
    names = caller.name(model.detector.name_concept(model.text_encoder(ids, mask), mask))
    logits = looks @ names.T
    nothing = likeness(looks, caller.nothing).unsqueeze(1)
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
    """Up to EACH regions of every frame with an object. batch: see `ConceptSampler.regions`; rows: the questions whose
    answers are looked at, see `ConceptSampler.rows`. None when there is nothing to look at."""
    detector = model.detector
    frames = torch.unique(batch["frame"])
    if len(frames) == 0:
        return None
    p8, p4, picture = detector.pyramid(trunk[frames])
    outlines, objects = outlines_of(model, frames, p8.detach(), p4.detach(), batch, rows)
    real = objects != FILLING
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
    """The regions of every frame: mask probabilities [frames,EACH,m,m], and which object each is, NOTHING or FILLING
    [frames,EACH].

    Objects come as they are, and as the detector outlined them when asked for `rows`."""
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
        solid = (strength > NO_PEAK / 2) & ((found > 0.5).flatten(1).sum(1) >= SMALL)
        found, strength = found[solid], strength[solid]
        a, b = (found > 0.5).flatten(1).float(), (truths > 0.5).flatten(1).float()
        both = a @ b.T
        overlap = both / (a.sum(1, keepdim=True) + b.sum(1) - both + 1e-3)
        most, which = overlap.max(1)
        right = torch.nonzero((most >= SAME) & batch["clear"][own][which])[:, 0]
        wrong = torch.nonzero(most <= OTHER)[:, 0]
        wrong = wrong[strength[wrong].argsort(descending=True)][:4]  # those that come nearest to being shown
        clear = torch.nonzero(batch["clear"][own])[:, 0]
        right = right[torch.randperm(len(right))[: max(0, EACH - len(clear) - len(wrong))]]
        every = torch.cat([truths[clear], found[right], found[wrong]])[:EACH]
        of = torch.cat([own[clear], own[which[right]], torch.full((len(wrong),), NOTHING)])[:EACH]
        short = EACH - len(every)
        outlines.append(F.pad(every, (0, 0, 0, 0, 0, short)))
        objects.append(F.pad(of, (0, short), value=FILLING))
    return torch.stack(outlines), torch.stack(objects)
